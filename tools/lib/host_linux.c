// The engine's host as a Linux process.
//
// Code lies in one memfd of CODE_BYTES that is only ever mapped inaccessible or read-and-execute;
// host_code_write goes through pwrite, so no page is ever both writable and executable. Ranges are
// handed out first-fit from a list sorted by offset, in whole pages.
//
// GS is the segment of generated code; FS belongs to libc. The base is set with wrgsbase where the
// kernel allows that, else by a system call.
//
// A fault in generated code redirects the interrupted context to the address that engine_fault
// names. Any other fault is passed on to whatever handler was there before (a sanitizer's, say), or
// to the default action.

#include "tools/lib/host_linux.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/math.h"
#include "engine/api/host.h"

#define CODE_BYTES      (4 * GIB)
#define SIGNAL_STACK    (256 * KIB)
#define ARCH_SET_GS     0x1001
#define HWCAP2_FSGSBASE (1u << 1)

struct code_range {
    u64 offset;
    u64 bytes;
    struct code_range *next;
};

static struct host_linux {
    pthread_mutex_t lock; // over the code ranges
    int code_fd;
    u8 *code_base; // NULL until first used
    struct code_range *ranges;

    atomic_flag registry;
    struct engine *engine;
    struct sigaction previous[NSIG];

    _Atomic u64 live_count;
    _Atomic u64 fail_countdown;
    _Atomic bool has_failed;
    _Atomic u64 charged;
    _Atomic u64 charge_limit;
    u64 neighbour_bytes;
    bool has_images;
    void *ended_data;
} host = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .code_fd = -1,
    .registry = ATOMIC_FLAG_INIT,
    .charge_limit = UINT64_MAX,
};

// Whether this thread holds the registry lock: a fault then is a bug and must not wait for it.
static _Thread_local bool holds_registry;
static _Thread_local void *signal_stack;

// -- Failures on demand ---------------------------------------------------------------------------

void host_linux_fail_nth(u64 nth) {
    host.fail_countdown = nth;
    host.has_failed = false;
}

bool host_linux_has_failed(void) {
    return host.has_failed;
}

u64 host_linux_live_count(void) {
    return host.live_count;
}

static bool must_fail(void) {
    u64 left = host.fail_countdown;
    if (left == 0)
        return false;
    host.fail_countdown = left - 1;
    if (left == 1)
        host.has_failed = true;
    return left == 1;
}

// -- Heap -----------------------------------------------------------------------------------------

void *host_alloc(usize bytes) {
    ASSERT(bytes != 0);
    if (must_fail())
        return NULL;
    void *memory = calloc(1, bytes);
    if (memory != NULL)
        host.live_count++;
    return memory;
}

void host_free(void *memory, usize bytes) {
    (void)bytes;
    if (memory != NULL)
        host.live_count--;
    free(memory);
}

void host_module_end(void *data) {
    host.ended_data = data;
}

void *host_linux_ended_data(void) {
    return host.ended_data;
}

void host_linux_charge_limit(u64 bytes) {
    host.charge_limit = bytes;
}

u64 host_linux_charged(void) {
    return host.charged;
}

enum status host_charge(void *owner, u64 bytes) {
    if (owner == NULL)
        return OK;
    u64 before = atomic_fetch_add(&host.charged, bytes);
    if (before + bytes <= host.charge_limit)
        return OK;
    atomic_fetch_sub(&host.charged, bytes);
    return ERR_LIMIT;
}

void host_refund(void *owner, u64 bytes) {
    if (owner == NULL)
        return;
    CHECK(atomic_fetch_sub(&host.charged, bytes) >= bytes);
}

enum status host_data_alloc(void *owner, u64 bytes, void **out) {
    enum status status = host_charge(owner, bytes);
    if (status != OK)
        return status;
    *out = host_alloc(bytes);
    if (*out != NULL)
        return OK;
    host_refund(owner, bytes);
    return ERR_NO_MEMORY;
}

void host_data_free(void *owner, void *data, u64 bytes) {
    if (data == NULL)
        return;
    host_free(data, bytes);
    host_refund(owner, bytes);
}

// -- Linear memories ------------------------------------------------------------------------------

void host_linux_neighbours(u64 bytes) {
    host.neighbour_bytes = align_up(bytes, PAGE_SIZE);
}

enum status host_memory_reserve(void *owner, u64 *base_out) {
    (void)owner;
    if (must_fail())
        return ERR_NO_MEMORY;
    u64 beside = host.neighbour_bytes;
    int rights = beside != 0 ? PROT_READ | PROT_WRITE : PROT_NONE;
    void *base = mmap(NULL, MEMORY_SLOT_BYTES + 2 * beside, rights,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return ERR_NO_MEMORY;
    base = (u8 *)base + beside;
    CHECK(beside == 0 || mprotect(base, MEMORY_SLOT_BYTES, PROT_NONE) == 0);
    host.live_count++;
    *base_out = (u64)base;
    return OK;
}

enum status host_memory_grow(void *owner, u64 base, u64 old_bytes, u64 new_bytes) {
    (void)owner;
    ASSERT(old_bytes <= new_bytes && new_bytes <= 4 * GIB);
    if (must_fail())
        return ERR_NO_MEMORY;
    if (new_bytes == old_bytes)
        return OK;
    if (mprotect((void *)(base + old_bytes), new_bytes - old_bytes, PROT_READ | PROT_WRITE) != 0)
        return ERR_NO_MEMORY;
    return OK;
}

static pthread_mutex_t growing = PTHREAD_MUTEX_INITIALIZER;

void host_memory_lock(u64 base) {
    (void)base; // one for all: growing is rare
    pthread_mutex_lock(&growing);
}

void host_memory_unlock(u64 base) {
    (void)base;
    pthread_mutex_unlock(&growing);
}

void host_memory_release(void *owner, u64 base, u64 bytes) {
    (void)owner;
    (void)bytes;
    u64 beside = host.neighbour_bytes;
    CHECK(munmap((void *)(base - beside), MEMORY_SLOT_BYTES + 2 * beside) == 0);
    host.live_count--;
}

void host_linux_images(bool wanted) {
    host.has_images = wanted;
}

static void write_image(const struct module *module, u64 base) {
    struct image_piece piece;
    for (u32 cursor = 0; module_image_next(module, &cursor, &piece);)
        memcpy((void *)(base + piece.offset), piece.bytes.data, piece.bytes.len);
}

bool host_memory_image(void *owner, struct module *module, u64 base) {
    (void)owner;
    if (host.has_images)
        write_image(module, base);
    return host.has_images;
}

bool host_memory_retire(void *owner, struct module *module, u64 base, u64 bytes, u64 first_bytes) {
    (void)owner;
    if (!host.has_images)
        return false;
    CHECK(first_bytes <= bytes);
    CHECK(mprotect((void *)(base + first_bytes), bytes - first_bytes, PROT_NONE) == 0);
    CHECK(madvise((void *)base, bytes, MADV_DONTNEED) == 0); // zeros, when it is touched again
    write_image(module, base);
    return true;
}

enum status host_memory_adopt(void *owner, u64 base, u64 bytes) {
    (void)owner;
    (void)base;
    (void)bytes;
    return must_fail() ? ERR_LIMIT : OK;
}

enum status host_memory_write(void *owner, u64 address, const void *from, usize len) {
    (void)owner;
    memcpy((void *)address, from, len);
    return OK;
}

enum status host_memory_read(void *owner, void *to, u64 address, usize len) {
    (void)owner;
    memcpy(to, (const void *)address, len);
    return OK;
}

// -- Waiting in shared memories ------------------------------------------------------------------

// A thread that waits, on its own stack. Under `waits.lock`.
struct waiter {
    u64 address;
    bool is_woken;
    pthread_cond_t woken;
    struct waiter *next;
};

static struct {
    pthread_mutex_t lock;
    struct waiter *first; // the one that waits longest
} waits = {.lock = PTHREAD_MUTEX_INITIALIZER};

static u64 value_at(const struct host_wait *wait) {
    if (wait->bytes == 4)
        return __atomic_load_n((const u32 *)wait->address, __ATOMIC_SEQ_CST);
    return __atomic_load_n((const u64 *)wait->address, __ATOMIC_SEQ_CST);
}

static struct timespec deadline_after(i64 timeout_ns) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ns / 1000000000;
    at.tv_nsec += timeout_ns % 1000000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

static void waiter_remove(struct waiter *waiter) {
    struct waiter **link = &waits.first;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
}

static void sleep_locked(struct waiter *waiter, i64 timeout_ns) {
    struct waiter **last = &waits.first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = waiter;

    struct timespec deadline = deadline_after(timeout_ns > 0 ? timeout_ns : 0);
    int failed = 0;
    while (!waiter->is_woken && failed == 0) {
        failed = timeout_ns < 0 ? pthread_cond_wait(&waiter->woken, &waits.lock)
                                : pthread_cond_clockwait(&waiter->woken, &waits.lock,
                                                         CLOCK_MONOTONIC, &deadline);
    }
    if (!waiter->is_woken)
        waiter_remove(waiter);
}

enum trap host_memory_wait(void *owner, const struct host_wait *wait,
                           enum host_wait_result *result) {
    (void)owner;
    struct waiter waiter = {.address = wait->address, .woken = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&waits.lock);
    if (value_at(wait) != wait->expected) {
        *result = WAIT_NOT_EQUAL;
    } else {
        sleep_locked(&waiter, wait->timeout_ns);
        *result = waiter.is_woken ? WAIT_WOKEN : WAIT_TIMED_OUT;
    }
    pthread_mutex_unlock(&waits.lock);
    pthread_cond_destroy(&waiter.woken);
    return TRAP_NONE;
}

u32 host_memory_notify(void *owner, u64 address, u32 count) {
    (void)owner;
    u32 woken = 0;
    pthread_mutex_lock(&waits.lock);
    for (struct waiter **link = &waits.first; *link != NULL && woken < count;) {
        struct waiter *waiter = *link;
        if (waiter->address != address) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        waiter->is_woken = true;
        pthread_cond_signal(&waiter->woken);
        woken++;
    }
    pthread_mutex_unlock(&waits.lock);
    return woken;
}

// -- Code -----------------------------------------------------------------------------------------

static bool code_space_ready(void) {
    if (host.code_base != NULL)
        return true;
    int fd = memfd_create("kwast-code", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    void *base = MAP_FAILED;
    if (ftruncate(fd, CODE_BYTES) == 0)
        base = mmap(NULL, CODE_BYTES, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED) {
        close(fd);
        return false;
    }
    host.code_fd = fd;
    host.code_base = base;
    return true;
}

// Takes the first gap of `bytes` for `range`.
static bool take_gap(struct code_range *range, u64 bytes) {
    u64 offset = 0;
    struct code_range **at = &host.ranges;
    while (*at != NULL && (*at)->offset - offset < bytes) {
        offset = (*at)->offset + (*at)->bytes;
        at = &(*at)->next;
    }
    if (!range_fits(offset, bytes, CODE_BYTES))
        return false;
    *range = (struct code_range){.offset = offset, .bytes = bytes, .next = *at};
    *at = range;
    return true;
}

enum status host_code_reserve(usize bytes, u64 *address_out) {
    if (must_fail() || bytes == 0 || bytes > CODE_BYTES)
        return ERR_NO_MEMORY;
    struct code_range *range = malloc(sizeof *range);
    if (range == NULL)
        return ERR_NO_MEMORY;
    pthread_mutex_lock(&host.lock);
    bool taken = code_space_ready() && take_gap(range, align_up(bytes, PAGE_SIZE));
    pthread_mutex_unlock(&host.lock);
    if (!taken) {
        free(range);
        return ERR_NO_MEMORY;
    }
    host.live_count++;
    *address_out = (u64)host.code_base + range->offset;
    return OK;
}

static off_t code_offset(u64 address) {
    u64 offset = address - (u64)host.code_base;
    CHECK(offset < CODE_BYTES);
    return (off_t)offset;
}

enum status host_code_write(u64 address, const void *from, usize len) {
    off_t offset = code_offset(address);
    const u8 *at = from;
    while (len != 0) {
        ssize_t written = pwrite(host.code_fd, at, len, offset);
        if (written <= 0)
            return ERR_NO_MEMORY;
        at += written;
        offset += written;
        len -= (usize)written;
    }
    return OK;
}

enum status host_code_publish(u64 address, usize bytes) {
    (void)code_offset(address);
    if (must_fail())
        return ERR_NO_MEMORY;
    usize whole = align_up(bytes, PAGE_SIZE);
    return mprotect((void *)address, whole, PROT_READ | PROT_EXEC) == 0 ? OK : ERR_NO_MEMORY;
}

void host_code_release(u64 address, usize bytes) {
    u64 offset = (u64)code_offset(address);
    pthread_mutex_lock(&host.lock);
    struct code_range **at = &host.ranges;
    while (*at != NULL && (*at)->offset != offset)
        at = &(*at)->next;
    struct code_range *range = *at;
    CHECK(range != NULL && range->bytes == align_up(bytes, PAGE_SIZE));
    CHECK(mprotect((void *)address, range->bytes, PROT_NONE) == 0);
    (void)fallocate(host.code_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                    (off_t)range->bytes);
    *at = range->next;
    pthread_mutex_unlock(&host.lock);
    free(range);
    host.live_count--;
}

// -- Threads --------------------------------------------------------------------------------------

bool host_stack_grow(struct thread_block *thread, u64 lowest) {
    return thread->stack_limit <= lowest;
}

static u64 stop_at; // how many looks away; 0: never

void host_linux_stop_nth(u64 nth) {
    stop_at = nth;
}

enum trap host_pause(void) {
    return host_is_stopping() ? TRAP_KILLED : TRAP_NONE;
}

bool host_is_stopping(void) {
    // Else the whole process ends at once.
    if (stop_at > 1)
        stop_at--;
    else if (stop_at == 1)
        return true;
    return false;
}

void host_segment_base_set(u64 base) {
    if ((getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0)
        __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
    else
        CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, base) == 0);
}

void host_registry_lock(void) {
    CHECK(!holds_registry);
    while (atomic_flag_test_and_set_explicit(&host.registry, memory_order_acquire))
        sched_yield();
    holds_registry = true;
}

void host_registry_unlock(void) {
    holds_registry = false;
    atomic_flag_clear_explicit(&host.registry, memory_order_release); // pairs with the lock
}

void host_linux_thread(struct thread_block *thread, usize stack_bytes) {
    if (signal_stack == NULL) {
        signal_stack = malloc(SIGNAL_STACK);
        CHECK(signal_stack != NULL);
    }
    stack_t stack = {.ss_sp = signal_stack, .ss_size = SIGNAL_STACK};
    CHECK(sigaltstack(&stack, NULL) == 0);
    thread->stack_limit = (u64)__builtin_frame_address(0) - stack_bytes;
}

void host_linux_thread_end(void) {
    stack_t none = {.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&none, NULL) == 0);
    free(signal_stack);
    signal_stack = NULL;
}

// -- Faults ---------------------------------------------------------------------------------------

static bool try_trap(int signal, ucontext_t *context) {
    greg_t *registers = context->uc_mcontext.gregs;
    u64 pc = (u64)registers[REG_RIP];
    if (host.engine == NULL || holds_registry || !engine_owns_pc(host.engine, pc))
        return false;
    enum fault_kind kind = signal == SIGILL   ? FAULT_ILLEGAL
                           : signal == SIGFPE ? FAULT_DIVIDE
                                              : FAULT_ACCESS;
    struct thread_block *thread = (struct thread_block *)registers[REG_R14];
    u64 resume_pc;
    if (!engine_fault(host.engine, thread, kind, TRAP_MEMORY_BOUNDS, pc, (u64)registers[REG_RBP],
                      &resume_pc)) {
        fprintf(stderr, "kwast: signal %d at %p, a place in generated code that has no trap\n",
                signal, (void *)pc);
        return false;
    }
    registers[REG_RIP] = (greg_t)resume_pc;
    return true;
}

static void handle_signal(int signal, siginfo_t *info, void *context) {
    if (try_trap(signal, context))
        return;
    const struct sigaction *previous = &host.previous[signal];
    if ((previous->sa_flags & SA_SIGINFO) != 0 && previous->sa_sigaction != NULL)
        previous->sa_sigaction(signal, info, context);
    else
        sigaction(signal, previous, NULL); // the fault happens again, and then its way
}

static void install(int signal) {
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = handle_signal;
    sigemptyset(&action.sa_mask);
    struct sigaction previous;
    CHECK(sigaction(signal, &action, &previous) == 0);
    if (previous.sa_sigaction != handle_signal)
        host.previous[signal] = previous;
}

void host_linux_engine(struct engine *engine) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    bool was_installed = host.engine != NULL;
    host.engine = engine;
    for (usize i = 0; i < COUNT_OF(signals); i++) {
        if (engine != NULL)
            install(signals[i]);
        else if (was_installed)
            CHECK(sigaction(signals[i], &host.previous[signals[i]], NULL) == 0);
    }
}
