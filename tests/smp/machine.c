// See machine.h.
//
// `self` is the host thread's context and never changes; which CPU it has does, in
// arch_context_switch. Everything of a CPU belongs to the host thread that has it, but `woken`.

#include "tests/smp/machine.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/thread.h"

#define RAM_START   ARCH_ZONE_BLOCK_BYTES
#define SLOTS_START 0x100000000000ull
#define SLOTS_BYTES (8 * GIB)

struct cpu_token {
    u32 id;
    bool irq_enabled;
    void *current;
    u64 timer_ns; // UINT64_MAX: not armed
    bool woken;   // atomic
    sem_t wake;
};

struct host_context {
    sem_t token;
    struct cpu_token *cpu; // while it runs
    void *passed;          // by who switched to it
    bool is_ending;        // the next switch is its last
    void (*entry)(void *);
    void *argument;
};

static struct {
    struct cpu_token cpus[ARCH_CPUS_MAX];
    u32 cpu_count;
    u8 *ram;
    u64 ram_bytes;
    u64 *entries; // of the slots
    struct boot_info boot;
    void (*body)(void *);
    u64 start_ns;
} machine;

static __thread struct host_context *self;

static u64 host_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

void assert_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

// -- Contexts -----------------------------------------------------------------------------------

static void wait_for(sem_t *token) {
    while (sem_wait(token) != 0)
        ;
}

static void *host_thread_main(void *argument) {
    self = argument;
    wait_for(&self->token);
    self->entry(self->argument);
    CHECK(false); // an entry does not return
    return NULL;
}

static struct host_context *host_context_create(void (*entry)(void *), void *argument) {
    struct host_context *context = calloc(1, sizeof *context);
    CHECK(context != NULL);
    sem_init(&context->token, 0, 0);
    context->entry = entry;
    context->argument = argument;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * KIB);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    CHECK(pthread_create(&thread, &attributes, host_thread_main, context) == 0);
    pthread_attr_destroy(&attributes);
    return context;
}

void arch_context_init(struct arch_context *context, struct arch_aspace *, u64 stack_top,
                       void (*entry)(void *), void *argument) {
    CHECK(is_aligned(stack_top, 16));
    *context = (struct arch_context){.sp = (uptr)host_context_create(entry, argument)};
}

void *arch_context_switch(struct arch_context *from, struct arch_context *to, void *passed) {
    CHECK(!arch_irq_enabled());
    struct host_context *other = (struct host_context *)to->sp;
    struct host_context *own = self;
    CHECK(other != NULL && other != own);
    from->sp = (uptr)own;
    to->sp = 0; // a context is continued once
    other->cpu = own->cpu;
    own->cpu = NULL;
    other->passed = passed;
    sem_post(&other->token);
    if (own->is_ending) { // `from` may be gone by now
        sem_destroy(&own->token);
        free(own);
        pthread_exit(NULL);
    }
    wait_for(&own->token);
    CHECK(!arch_irq_enabled());
    return own->passed;
}

void machine_thread_exit(void) {
    arch_irq_save(); // nobody else runs before it is dead
    self->is_ending = true;
    thread_exit();
}

void arch_segment_base_set(struct arch_context *, u64) {
}

// -- CPUs ---------------------------------------------------------------------------------------

u32 arch_cpu_id(void) {
    return self->cpu->id;
}

void *arch_current(void) {
    return self->cpu->current;
}

void arch_current_set(void *current) {
    self->cpu->current = current;
}

void arch_cpu_relax(void) {
    sched_yield();
}

void arch_cpu_wake(u32 id) {
    CHECK(id < machine.cpu_count);
    __atomic_store_n(&machine.cpus[id].woken, true, __ATOMIC_RELEASE);
    sem_post(&machine.cpus[id].wake);
}

void arch_cpus_stop(void) {
}

static void cpu_main(void *) {
    upcall_cpu_main();
}

u32 arch_cpus_start(u32 count) {
    for (u32 i = 1; i < count && i < machine.cpu_count; i++) {
        struct host_context *context = host_context_create(cpu_main, NULL);
        context->cpu = &machine.cpus[i];
        sem_post(&context->token);
    }
    return machine.cpu_count;
}

void upcall_cpu_main(void) {
    sched_init();
    sched_run();
}

// -- Interrupts ---------------------------------------------------------------------------------

u64 arch_clock_ns(void) {
    return host_ns() - machine.start_ns;
}

u64 arch_ticks(void) {
    return arch_clock_ns();
}

u64 arch_ticks_to_ns(u64 ticks) {
    return ticks;
}

u64 arch_ns_to_ticks(u64 ns) {
    return ns;
}

void arch_timer_arm(u64 deadline_ns) {
    CHECK(!arch_irq_enabled());
    self->cpu->timer_ns = deadline_ns;
}

// Calls the handlers of what is due. Interrupts off. False when nothing is.
static bool handle_due(void) {
    struct cpu_token *cpu = self->cpu;
    bool any = __atomic_exchange_n(&cpu->woken, false, __ATOMIC_ACQUIRE);
    if (cpu->timer_ns <= arch_clock_ns()) {
        cpu->timer_ns = UINT64_MAX;
        sched_timer();
        any = true;
    }
    return any;
}

arch_irq_state arch_irq_save(void) {
    arch_irq_state state = self->cpu->irq_enabled;
    self->cpu->irq_enabled = false;
    return state;
}

void arch_irq_restore(arch_irq_state state) {
    while (state != 0 && handle_due())
        sched_preempt(); // and then, perhaps, on another CPU
    self->cpu->irq_enabled = state != 0;
}

bool arch_irq_enabled(void) {
    return self->cpu->irq_enabled;
}

void arch_irq_disable(void) {
    CHECK(arch_irq_save() != 0);
}

void arch_irq_enable(void) {
    arch_irq_restore(ARCH_IRQ_ON);
}

void arch_cpu_idle(void) {
    CHECK(!arch_irq_enabled());
    struct cpu_token *cpu = self->cpu;
    if (cpu->timer_ns == UINT64_MAX) {
        wait_for(&cpu->wake);
    } else {
        // sem_timedwait knows the wall clock only: look again every now and then.
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        u64 now_ns = arch_clock_ns();
        u64 wait_ns = cpu->timer_ns > now_ns ? cpu->timer_ns - now_ns : 0;
        u64 at_ns = (u64)until.tv_nsec + min_u64(wait_ns, 100000000);
        until.tv_sec += (time_t)(at_ns / 1000000000);
        until.tv_nsec = (long)(at_ns % 1000000000);
        (void)sem_timedwait(&cpu->wake, &until);
    }
    handle_due();
}

void machine_work(u32 rounds) {
    for (u32 i = 0; i < rounds; i++)
        arch_irq_restore(arch_irq_save());
}

// -- The console: there is none -----------------------------------------------------------------

bool arch_console_write(const char *, usize) {
    return true;
}

bool arch_console_is_lent(void) {
    return false;
}

bool arch_console_read(u8 *) {
    return false;
}

bool arch_console_ended(void) {
    return false;
}

// -- Memory -------------------------------------------------------------------------------------

void *arch_frame_pointer(struct phys_addr frame) {
    CHECK(frame.value - RAM_START < machine.ram_bytes);
    return machine.ram + (frame.value - RAM_START);
}

struct phys_addr arch_frame_of(const void *pointer) {
    u64 offset = (u64)((const u8 *)pointer - machine.ram);
    CHECK(offset < machine.ram_bytes);
    return (struct phys_addr){RAM_START + offset};
}

void arch_zone_map(struct phys_addr, u64) {
}

void arch_zone_unmap(struct phys_addr, u64) {
}

void *arch_frame_window_open(struct phys_addr frame, u32 pages) {
    CHECK(pages != 0 && pages <= ARCH_WINDOW_PAGES);
    return arch_frame_pointer(frame);
}

void arch_frame_window_close(void *) {
}

static struct arch_aspace kernel_aspace; // the only one

struct arch_aspace *arch_aspace_kernel(void) {
    return &kernel_aspace;
}

bool arch_aspaces_are_apart(void) {
    return false;
}

struct arch_aspace *arch_aspace_current(void) {
    return &kernel_aspace;
}

enum status arch_aspace_create(struct arch_aspace *) {
    return ERR_NO_MEMORY;
}

void arch_aspace_destroy(struct arch_aspace *) {
}

struct virt_range arch_aspace_slots(const struct arch_aspace *) {
    return arch_slots_region();
}

struct virt_range arch_slots_region(void) {
    return (struct virt_range){{SLOTS_START}, SLOTS_BYTES};
}

struct virt_range arch_heap_region(void) {
    return (struct virt_range){{SLOTS_START + SLOTS_BYTES}, GIB}; // never used
}

struct virt_range arch_zone_region(void) {
    return (struct virt_range){{0}, 0};
}

static u64 *entry_at(u64 va) {
    CHECK(va - SLOTS_START < SLOTS_BYTES);
    return &machine.entries[(va - SLOTS_START) >> PAGE_SHIFT];
}

enum status arch_map(struct arch_aspace *, struct virt_addr va, struct phys_addr pa, u64 pages,
                     enum page_rights rights) {
    for (u64 i = 0; i < pages; i++) {
        u64 *entry = entry_at(va.value + i * PAGE_SIZE);
        CHECK(*entry == 0);
        *entry = (pa.value + i * PAGE_SIZE) | rights;
    }
    return OK;
}

void arch_mapped_for_each(struct arch_aspace *, struct virt_range range,
                          void (*visit)(const struct mapped_run *run, void *context),
                          void *context) {
    for (u64 va = range.start.value; va < range.start.value + range.bytes; va += PAGE_SIZE) {
        u64 entry = *entry_at(va);
        struct phys_addr frame = {align_down(entry, PAGE_SIZE)};
        if (entry != 0)
            visit(&(struct mapped_run){{va}, frame, 1, entry % PAGE_SIZE}, context);
    }
}

void arch_unmap_prepare(struct arch_aspace *, struct virt_addr, u64) {
}

u64 arch_unmapped_pages(struct arch_aspace *, struct virt_addr) {
    return 0;
}

void arch_unmap(struct arch_aspace *, struct virt_addr va, u64 pages,
                void (*visit)(void *context, struct phys_addr frame), void *context) {
    for (u64 i = 0; i < pages; i++) {
        u64 *entry = entry_at(va.value + i * PAGE_SIZE);
        u64 old = *entry;
        *entry = 0;
        if (old != 0 && visit != NULL && (old & PAGE_BORROWED) == 0)
            visit(context, (struct phys_addr){align_down(old, PAGE_SIZE)});
    }
}

bool arch_page_find(struct arch_aspace *, struct virt_addr va, struct phys_addr *frame,
                    enum page_rights *rights) {
    u64 found = *entry_at(va.value);
    *frame = (struct phys_addr){align_down(found, PAGE_SIZE)};
    *rights = found % PAGE_SIZE;
    return found != 0;
}

bool arch_translate(struct arch_aspace *, struct virt_addr va, struct phys_addr *out) {
    if (va.value - SLOTS_START >= SLOTS_BYTES)
        return false;
    u64 entry = *entry_at(va.value);
    *out = (struct phys_addr){align_down(entry, PAGE_SIZE)};
    return entry != 0;
}

// The frame behind an address of a program's memory, or NULL.
static u8 *memory_at(u64 va) {
    u64 entry = __atomic_load_n(entry_at(va), __ATOMIC_ACQUIRE);
    if (entry == 0)
        return NULL;
    return (u8 *)arch_frame_pointer((struct phys_addr){align_down(entry, PAGE_SIZE)}) +
           va % PAGE_SIZE;
}

static usize left_in_page(u64 va, usize len) {
    return min_u64(len, PAGE_SIZE - va % PAGE_SIZE);
}

enum status arch_copy_from(void *to, struct virt_addr from, usize len) {
    for (usize done = 0, piece; done < len; done += piece) {
        piece = left_in_page(from.value + done, len - done);
        const u8 *memory = memory_at(from.value + done);
        if (memory == NULL)
            return ERR_FAULT;
        u64 word;
        if (len == sizeof word && is_aligned((uptr)memory, sizeof word)) { // in one piece
            word = __atomic_load_n((const u64 *)(const void *)memory, __ATOMIC_SEQ_CST);
            memory = (const u8 *)&word;
        }
        memcpy((u8 *)to + done, memory, piece);
    }
    return OK;
}

enum status arch_copy_to(struct virt_addr to, const void *from, usize len) {
    for (usize done = 0, piece; done < len; done += piece) {
        piece = left_in_page(to.value + done, len - done);
        u8 *memory = memory_at(to.value + done);
        if (memory == NULL)
            return ERR_FAULT;
        memcpy(memory, (const u8 *)from + done, piece);
    }
    return OK;
}

enum status arch_copy_between(struct virt_addr to, struct virt_addr from, usize len) {
    for (usize done = 0, piece; done < len; done += piece) {
        piece = left_in_page(from.value + done, len - done);
        const u8 *memory = memory_at(from.value + done);
        enum status status = memory == NULL
                                 ? ERR_FAULT
                                 : arch_copy_to((struct virt_addr){to.value + done}, memory, piece);
        if (status != OK)
            return status;
    }
    return OK;
}

enum status arch_fill(struct virt_addr to, u8 byte, usize len) {
    for (usize done = 0, piece; done < len; done += piece) {
        piece = left_in_page(to.value + done, len - done);
        u8 *memory = memory_at(to.value + done);
        if (memory == NULL)
            return ERR_FAULT;
        memset(memory, byte, piece);
    }
    return OK;
}

// -- The start ----------------------------------------------------------------------------------

static void boot_main(void *) {
    CHECK(frame_init(&machine.boot) == OK);
    heap_init();
    aspace_init(aspace_kernel(), arch_aspace_kernel());
    sched_init();
    const struct thread_config config = {
        .name = "body",
        .entry = machine.body,
        .stack_bytes = 2 * PAGE_SIZE,
        .stack_committed = PAGE_SIZE,
        .priority = PRIORITY_NORMAL,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK);
    thread_start(thread);
    if (machine.cpu_count > 1)
        sched_expect_company();
    arch_cpus_start(machine.cpu_count);
    sched_run();
}

void machine_run(u32 cpus, u64 ram_bytes, void (*body)(void *)) {
    machine.cpu_count = cpus;
    machine.ram_bytes = ram_bytes;
    machine.body = body;
    machine.start_ns = host_ns() - 1;
    machine.ram = aligned_alloc(ARCH_ZONE_BLOCK_BYTES, ram_bytes);
    machine.entries = mmap(NULL, SLOTS_BYTES / PAGE_SIZE * sizeof(u64), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(machine.ram != NULL && machine.entries != MAP_FAILED);
    machine.boot.free[0] = (struct phys_range){{RAM_START}, ram_bytes};
    machine.boot.free_count = 1;
    machine.boot.kernel_zone_limit = RAM_START + ram_bytes;
    for (u32 i = 0; i < cpus; i++) {
        machine.cpus[i].id = i;
        machine.cpus[i].timer_ns = UINT64_MAX;
        sem_init(&machine.cpus[i].wake, 0, 0);
    }
    struct host_context *first = host_context_create(boot_main, NULL);
    first->cpu = &machine.cpus[0];
    sem_post(&first->token);
    for (;;)
        pause();
}

void machine_end(void) {
    _Exit(0);
}

u64 machine_random(u64 *state) {
    // splitmix64
    u64 z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
