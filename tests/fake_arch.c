// The machine for unit tests: see fake_arch.h.
//
// Invariants: `owned[f]` says who may touch frame f, and AddressSanitizer enforces it; a page is
// never mapped twice, nor writable and executable; a frame that is mapped, or shown by a window, is
// not in the kernel's mapping, unless it is the heap's; page tables are given back when they are
// empty.

#include "tests/fake_arch.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else // the tools that run scripts on the host have none, nor need its header
#define ASAN_POISON_MEMORY_REGION(address, bytes)   ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"

#define RAM_BYTES_MAX (1 * GIB)
#define FRAME_COUNT   (RAM_BYTES_MAX / PAGE_SIZE)
#define WINDOWS_MAX   2

#define SLOTS_START   0x100000000000ull
#define SLOTS_BYTES   (64 * GIB)
#define CODE_START    0x200000000000ull
#define CODE_BYTES    (1 * GIB)
#define HEAP_BYTES    (2 * GIB)
#define TABLE_ENTRIES 512ull
#define TABLE_SPAN    (TABLE_ENTRIES * PAGE_SIZE)
#define TABLE_COUNT   ((SLOTS_BYTES + CODE_BYTES + HEAP_BYTES) / TABLE_SPAN)

enum owner : u8 { OWNER_NOBODY, OWNER_KERNEL, OWNER_PROGRAM };

struct window {
    struct phys_addr frame;
    u32 pages; // 0: closed
};

// What arch_aspace.root points to. An entry is a frame's address with the rights in its low bits,
// or 0. Tables of the kernel's regions are the kernel's alone.
struct fake_tables {
    u64 *tables[TABLE_COUNT];
    u32 used[TABLE_COUNT];
    u64 table_frames;
    u64 pages;
    struct phys_addr root_frame; // but the kernel's
};

static struct {
    int ram_file; // so that the heap's region can show the same memory
    u8 *ram;      // aligned to ARCH_ZONE_BLOCK_BYTES
    u8 *heap;     // the heap's region, aligned like a page table
    u64 ram_end;
    enum owner owned[FRAME_COUNT];
    u8 shown[FRAME_COUNT]; // windows that show the frame
    struct window windows[WINDOWS_MAX];
    struct fake_tables kernel_tables;
    struct arch_aspace kernel_aspace;
    struct arch_aspace *current_aspace;
    u64 aspaces;
    struct boot_info boot;
    bool irq_enabled;
    void (*irq_hook)(void);
    void *current;
    u32 cpu;
    struct { // of those that do not run now
        bool irq_enabled;
        void *current;
        struct arch_aspace *aspace; // NULL: the kernel's
    } apart[ARCH_CPUS_MAX];
    u32 woken[ARCH_CPUS_MAX]; // how often
    u64 now_ns;
    u64 looking_ns;
    u64 map_fail_countdown;
    u64 random;
    void (*window_close_act)(void *context);
    void *window_close_context;
} fake;

static struct fake_tables *tables_of(const struct arch_aspace *as) {
    return (struct fake_tables *)(uptr)as->root;
}

// -- RAM ---------------------------------------------------------------------------------------

static u8 *ram_at(struct phys_addr address) {
    CHECK(address.value < fake.ram_end);
    return fake.ram + address.value;
}

static void frame_access_update(u64 number) {
    u8 *at = fake.ram + number * PAGE_SIZE;
    if (fake.owned[number] == OWNER_KERNEL || fake.shown[number] != 0)
        ASAN_UNPOISON_MEMORY_REGION(at, PAGE_SIZE);
    else
        ASAN_POISON_MEMORY_REGION(at, PAGE_SIZE);
}

static void range_own(struct phys_addr start, u64 bytes, enum owner from, enum owner to) {
    for (u64 at = start.value >> PAGE_SHIFT; at < (start.value + bytes) >> PAGE_SHIFT; at++) {
        CHECK(fake.owned[at] == from);
        CHECK(fake.shown[at] == 0);
        fake.owned[at] = to;
        frame_access_update(at);
    }
}

static u8 *addresses_reserve(u64 bytes, u64 alignment) {
    u8 *memory = mmap(NULL, bytes + alignment, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    return (u8 *)align_up((uptr)memory, alignment);
}

// Shows `bytes` of RAM from `offset` on at `at`, or nothing.
static void ram_show(u8 *at, u64 bytes, u64 offset) {
    void *shown = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
                       fake.ram_file, (off_t)offset);
    CHECK(shown == at);
}

static void ram_hide(u8 *at, u64 bytes) {
    void *hidden =
        mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    CHECK(hidden == at);
}

static void ram_start(const struct fake_machine *machine) {
    if (fake.ram == NULL) {
        fake.ram_file = memfd_create("fake RAM", 0);
        CHECK(fake.ram_file >= 0 && ftruncate(fake.ram_file, RAM_BYTES_MAX) == 0);
        fake.ram = addresses_reserve(RAM_BYTES_MAX, ARCH_ZONE_BLOCK_BYTES);
        ram_show(fake.ram, RAM_BYTES_MAX, 0);
        fake.heap = addresses_reserve(HEAP_BYTES, TABLE_SPAN);
    }
    ram_hide(fake.heap, HEAP_BYTES);
    ASAN_POISON_MEMORY_REGION(fake.ram, RAM_BYTES_MAX);
    u64 limit = machine->kernel_zone_limit == 0 ? RAM_BYTES_MAX : machine->kernel_zone_limit;
    for (u32 i = 0; i < BOOT_RANGES_MAX && machine->free[i].bytes != 0; i++) {
        u64 start = machine->free[i].start.value;
        u64 end = start + machine->free[i].bytes;
        CHECK(end <= RAM_BYTES_MAX);
        fake.boot.free[fake.boot.free_count++] = machine->free[i];
        fake.boot.ram_bytes += end - start;
        fake.ram_end = max_u64(fake.ram_end, end);
        for (u64 at = start; at < end; at += PAGE_SIZE)
            range_own((struct phys_addr){at}, PAGE_SIZE, OWNER_NOBODY,
                      at < limit ? OWNER_KERNEL : OWNER_PROGRAM);
    }
    fake.boot.kernel_zone_limit = limit;
}

const struct boot_info *fake_machine_start(const struct fake_machine *machine) {
    u8 *ram = fake.ram;
    u8 *heap = fake.heap;
    int ram_file = fake.ram_file;
    memset(&fake, 0, sizeof fake);
    fake.ram = ram;
    fake.heap = heap;
    fake.ram_file = ram_file;
    fake.boot.machine = "fake";
    fake.boot.boot_loader = "none";
    fake.boot.cpu_count = 1;
    fake.now_ns = 1;
    fake.looking_ns = 0;
    fake.random = 1;
    fake.kernel_aspace.root = (uptr)&fake.kernel_tables;
    fake.current_aspace = &fake.kernel_aspace;
    ram_start(machine);
    return &fake.boot;
}

void fake_machine_start_simple(u64 bytes) {
    struct fake_machine machine = {.free = {{{1 * MIB}, bytes}}};
    CHECK(frame_init(fake_machine_start(&machine)) == OK);
    heap_init();
    fake.irq_enabled = true;
}

void *arch_frame_pointer(struct phys_addr frame) {
    CHECK(frame.value < fake.ram_end);
    CHECK(fake.owned[frame.value >> PAGE_SHIFT] == OWNER_KERNEL);
    return ram_at(frame);
}

struct phys_addr arch_frame_of(const void *pointer) {
    u64 offset = (u64)((const u8 *)pointer - fake.ram);
    CHECK(offset < fake.ram_end);
    CHECK(fake.owned[offset >> PAGE_SHIFT] == OWNER_KERNEL);
    return (struct phys_addr){offset};
}

bool fake_kernel_mapped(struct phys_addr frame) {
    return fake.owned[frame.value >> PAGE_SHIFT] == OWNER_KERNEL;
}

void arch_zone_map(struct phys_addr start, u64 bytes) {
    CHECK(is_aligned(start.value | bytes, ARCH_ZONE_BLOCK_BYTES));
    CHECK(start.value + bytes <= fake.boot.kernel_zone_limit);
    range_own(start, bytes, OWNER_PROGRAM, OWNER_KERNEL);
}

void arch_zone_unmap(struct phys_addr start, u64 bytes) {
    CHECK(is_aligned(start.value | bytes, ARCH_ZONE_BLOCK_BYTES));
    CHECK(start.value + bytes <= fake.boot.kernel_zone_limit);
    range_own(start, bytes, OWNER_KERNEL, OWNER_PROGRAM);
}

// -- Windows -----------------------------------------------------------------------------------

void *arch_frame_window_open(struct phys_addr frame, u32 pages) {
    CHECK(is_aligned(frame.value, PAGE_SIZE));
    CHECK(pages != 0 && pages <= ARCH_WINDOW_PAGES);
    struct window *window = fake.windows;
    while (window->pages != 0) {
        window++;
        CHECK(window < fake.windows + WINDOWS_MAX);
    }
    *window = (struct window){frame, pages};
    for (u64 at = frame.value >> PAGE_SHIFT; pages != 0; at++, pages--) {
        CHECK(fake.owned[at] == OWNER_PROGRAM);
        fake.shown[at]++;
        frame_access_update(at);
    }
    return ram_at(frame);
}

void arch_frame_window_close(void *pointer) {
    struct window *last = fake.windows[1].pages != 0 ? &fake.windows[1] : &fake.windows[0];
    CHECK(last->pages != 0 && ram_at(last->frame) == pointer); // the one opened last
    u64 at = last->frame.value >> PAGE_SHIFT;
    for (; last->pages != 0; at++, last->pages--) {
        fake.shown[at]--;
        frame_access_update(at);
    }
    if (last != &fake.windows[0])
        return; // another is open: nobody else can do much

    void (*act)(void *context) = fake.window_close_act;
    fake.window_close_act = NULL;
    if (act != NULL)
        act(fake.window_close_context);
}

void fake_at_window_close(void (*act)(void *context), void *context) {
    fake.window_close_act = act;
    fake.window_close_context = context;
}

// -- Mapping -----------------------------------------------------------------------------------

struct arch_aspace *arch_aspace_kernel(void) {
    return &fake.kernel_aspace;
}

struct arch_aspace *arch_aspace_current(void) {
    return fake.current_aspace;
}

void fake_aspace_enter(struct arch_aspace *as) {
    fake.current_aspace = as;
}

bool arch_aspaces_are_apart(void) {
    return true;
}

// The root takes a frame, so that running out of them happens here, too.
enum status arch_aspace_create(struct arch_aspace *as) {
    struct phys_addr frame;
    if (!upcall_frame_alloc(&frame))
        return ERR_NO_MEMORY;
    struct fake_tables *tables = calloc(1, sizeof *tables);
    CHECK(tables != NULL);
    tables->root_frame = frame;
    *as = (struct arch_aspace){.root = (uptr)tables, .number = ++fake.aspaces};
    return OK;
}

void arch_aspace_destroy(struct arch_aspace *as) {
    struct fake_tables *tables = tables_of(as);
    CHECK(as != fake.current_aspace && as != &fake.kernel_aspace);
    CHECK(tables->pages == 0 && tables->table_frames == 0);
    upcall_frame_free(tables->root_frame);
    free(tables);
    as->root = 0;
}

struct virt_range arch_slots_region(void) {
    return (struct virt_range){{SLOTS_START}, SLOTS_BYTES};
}

struct virt_range arch_aspace_slots(const struct arch_aspace *) {
    return arch_slots_region();
}

struct virt_range arch_code_region(void) {
    return (struct virt_range){{CODE_START}, CODE_BYTES};
}

struct virt_range arch_heap_region(void) {
    return (struct virt_range){{(uptr)fake.heap}, HEAP_BYTES};
}

static bool in_heap(u64 va) {
    return va - (uptr)fake.heap < HEAP_BYTES;
}

// Which table covers `va`; asserts that it is in a region.
static u64 table_index(u64 va) {
    if (va >= SLOTS_START && va < SLOTS_START + SLOTS_BYTES)
        return (va - SLOTS_START) / TABLE_SPAN;
    if (in_heap(va))
        return (SLOTS_BYTES + CODE_BYTES + va - (uptr)fake.heap) / TABLE_SPAN;
    CHECK(va >= CODE_START && va < CODE_START + CODE_BYTES);
    return (SLOTS_BYTES + va - CODE_START) / TABLE_SPAN;
}

// Only slots differ between address spaces.
static struct fake_tables *tables_for(const struct arch_aspace *as, u64 va) {
    bool is_slots = va >= SLOTS_START && va < SLOTS_START + SLOTS_BYTES;
    CHECK(is_slots || as == &fake.kernel_aspace);
    return tables_of(as);
}

// Where the running code finds `va`.
static struct fake_tables *tables_here(u64 va) {
    bool is_slots = va >= SLOTS_START && va < SLOTS_START + SLOTS_BYTES;
    return tables_of(is_slots ? fake.current_aspace : &fake.kernel_aspace);
}

static u64 *entry_of(const struct fake_tables *as, u64 va) {
    u64 *table = as->tables[table_index(va)];
    return table == NULL ? NULL : &table[va / PAGE_SIZE % TABLE_ENTRIES];
}

static bool table_add(struct fake_tables *as, u64 index) {
    struct phys_addr frame;
    if (as->tables[index] != NULL)
        return true;
    if (!upcall_frame_alloc(&frame))
        return false;
    u64 *table = arch_frame_pointer(frame);
    for (u64 i = 0; i < TABLE_ENTRIES; i++)
        CHECK(table[i] == 0); // upcall_frame_alloc promises zeros
    as->tables[index] = table;
    as->table_frames++;
    return true;
}

static void table_drop_if_empty(struct fake_tables *as, u64 index) {
    if (as->tables[index] == NULL || as->used[index] != 0)
        return;
    upcall_frame_free(arch_frame_of(as->tables[index]));
    as->tables[index] = NULL;
    as->table_frames--;
}

static bool tables_add(struct fake_tables *as, u64 va, u64 bytes) {
    bool injected = fake.map_fail_countdown != 0 && --fake.map_fail_countdown == 0;
    u64 first = table_index(va);
    u64 last = table_index(va + bytes - 1);
    for (u64 i = first; i <= last; i++) {
        if (injected || !table_add(as, i)) {
            for (u64 undo = first; undo <= i; undo++)
                table_drop_if_empty(as, undo);
            return false;
        }
    }
    return true;
}

enum status arch_map(struct arch_aspace *aspace, struct virt_addr va, struct phys_addr pa,
                     u64 pages, enum page_rights rights) {
    struct fake_tables *as = tables_for(aspace, va.value);
    CHECK(pages != 0);
    CHECK(is_aligned(va.value | pa.value, PAGE_SIZE));
    CHECK((rights & PAGE_WRITE) == 0 || (rights & PAGE_EXEC) == 0);
    if (!tables_add(as, va.value, pages * PAGE_SIZE))
        return ERR_NO_MEMORY;

    for (u64 i = 0; i < pages; i++) {
        u64 number = (pa.value >> PAGE_SHIFT) + i;
        u64 *entry = entry_of(as, va.value + i * PAGE_SIZE);
        CHECK(*entry == 0);
        if ((rights & PAGE_DEVICE) == 0) {
            CHECK(fake.owned[number] == (in_heap(va.value) ? OWNER_KERNEL : OWNER_PROGRAM));
            CHECK(fake.shown[number] == 0);
        } else {
            CHECK(pa.value >= fake.ram_end);
        }
        *entry = number << PAGE_SHIFT | rights;
        as->used[table_index(va.value + i * PAGE_SIZE)]++;
    }
    as->pages += pages;
    if (in_heap(va.value))
        ram_show((u8 *)va.value, pages * PAGE_SIZE, pa.value);
    return OK;
}

// Clears the entries of one table in [va, end) and visits their frames.
static void table_unmap(struct fake_tables *as, u64 va, u64 end,
                        void (*visit)(void *context, struct phys_addr frame), void *context) {
    u64 cleared[TABLE_ENTRIES];
    u32 count = 0;
    u64 index = table_index(va);
    for (; va < end; va += PAGE_SIZE) {
        u64 *entry = entry_of(as, va);
        if (entry == NULL || *entry == 0)
            continue;
        cleared[count++] = *entry;
        *entry = 0;
        as->used[index]--;
        as->pages--;
    }
    table_drop_if_empty(as, index);
    for (u32 i = 0; i < count && visit != NULL; i++) {
        if ((cleared[i] & PAGE_BORROWED) == 0)
            visit(context, (struct phys_addr){align_down(cleared[i], PAGE_SIZE)});
    }
}

void arch_unmap(struct arch_aspace *aspace, struct virt_addr va, u64 pages,
                void (*visit)(void *context, struct phys_addr frame), void *context) {
    struct fake_tables *as = tables_for(aspace, va.value);
    u64 end = va.value + pages * PAGE_SIZE;
    for (u64 at = va.value; at < end;) {
        u64 next = min_u64(end, align_down(at, TABLE_SPAN) + TABLE_SPAN);
        if (in_heap(at))
            ram_hide((u8 *)at, next - at);
        if (as->tables[table_index(at)] != NULL)
            table_unmap(as, at, next, visit, context);
        at = next;
    }
}

void arch_unmap_prepare(struct arch_aspace *, struct virt_addr, u64) {
}

u64 arch_unmapped_pages(struct arch_aspace *aspace, struct virt_addr va) {
    const u64 *table = tables_for(aspace, va.value)->tables[table_index(va.value)];
    return table != NULL ? 0
                         : (align_down(va.value, TABLE_SPAN) + TABLE_SPAN - va.value) / PAGE_SIZE;
}

void arch_protect(struct arch_aspace *aspace, struct virt_addr va, u64 pages,
                  enum page_rights rights) {
    struct fake_tables *as = tables_for(aspace, va.value);
    CHECK((rights & PAGE_WRITE) == 0 || (rights & PAGE_EXEC) == 0);
    for (u64 i = 0; i < pages; i++) {
        u64 *entry = entry_of(as, va.value + i * PAGE_SIZE);
        CHECK(entry != NULL && *entry != 0);
        *entry = align_down(*entry, PAGE_SIZE) | rights;
    }
}

struct virt_range arch_zone_region(void) {
    return (struct virt_range){{0}, 0};
}

void arch_mapped_for_each(struct arch_aspace *aspace, struct virt_range range,
                          void (*visit)(const struct mapped_run *run, void *context),
                          void *context) {
    u64 end = range.start.value + range.bytes;
    for (u64 va = range.start.value; va < end;) {
        const u64 *entry = entry_of(tables_for(aspace, va), va);
        if (entry == NULL) {
            va = align_down(va, TABLE_SPAN) + TABLE_SPAN;
            continue;
        }
        struct phys_addr frame = {align_down(*entry, PAGE_SIZE)};
        if (*entry != 0)
            visit(&(struct mapped_run){{va}, frame, 1, *entry % PAGE_SIZE}, context);
        va += PAGE_SIZE;
    }
}

bool arch_translate(struct arch_aspace *as, struct virt_addr va, struct phys_addr *out) {
    const u64 *entry = entry_of(tables_of(as), va.value);
    if (entry == NULL || *entry == 0)
        return false;
    *out = (struct phys_addr){align_down(*entry, PAGE_SIZE)};
    return true;
}

bool arch_page_find(struct arch_aspace *as, struct virt_addr va, struct phys_addr *frame,
                    enum page_rights *rights) {
    const u64 *entry = entry_of(tables_of(as), va.value);
    if (entry == NULL || *entry == 0)
        return false;
    *frame = (struct phys_addr){align_down(*entry, PAGE_SIZE)};
    *rights = *entry % PAGE_SIZE;
    return true;
}

void fake_map_fail_nth(u64 n) {
    fake.map_fail_countdown = n;
}

u64 fake_mapped_pages(void) {
    return fake.kernel_tables.pages;
}

u64 fake_table_frames(void) {
    return fake.kernel_tables.table_frames;
}

u32 fake_rights(struct virt_addr va) {
    const u64 *entry = entry_of(tables_here(va.value), va.value);
    return entry == NULL ? 0 : (u32)(*entry % PAGE_SIZE);
}

u8 *fake_page(struct virt_addr va) {
    const u64 *entry = entry_of(tables_here(va.value), va.value);
    CHECK(entry != NULL && *entry != 0);
    u8 *page = ram_at((struct phys_addr){align_down(*entry, PAGE_SIZE)});
    ASAN_UNPOISON_MEMORY_REGION(page, PAGE_SIZE);
    return page;
}

// -- Program memory ----------------------------------------------------------------------------

static bool in_a_region(u64 va) {
    return (va >= SLOTS_START && va < SLOTS_START + SLOTS_BYTES) ||
           (va >= CODE_START && va < CODE_START + CODE_BYTES);
}

// Gives the bytes from `va` to the end of its page, faulting it in.
static enum status page_reach(u64 va, enum fault_access access, u8 **out, usize *room) {
    u32 wanted = access == FAULT_WRITE ? PAGE_WRITE : PAGE_READ;
    for (u32 tries = 0;; tries++) {
        if (in_a_region(va) && (fake_rights((struct virt_addr){va}) & wanted) != 0)
            break;
        CHECK(tries < 4); // a repaired fault comes back
        struct fault fault = {
            .class = FAULT_PAGE,
            .access = access,
            .address = {va},
            .is_present = in_a_region(va) && fake_rights((struct virt_addr){va}) != 0,
            .in_copy = true,
            .in_window = fake.windows[0].pages != 0,
        };
        bool irq = fake.irq_enabled;
        fake.irq_enabled = false;
        struct fault_result result = upcall_fault(&fault);
        fake.irq_enabled = irq;
        CHECK(result.action == FAULT_RETRY || result.action == FAULT_FAIL_COPY);
        if (result.action == FAULT_FAIL_COPY)
            return result.status;
    }
    *out = fake_page((struct virt_addr){va}) + va % PAGE_SIZE;
    *room = PAGE_SIZE - va % PAGE_SIZE;
    return OK;
}

static void page_leave(u8 *at) {
    frame_access_update((u64)(at - fake.ram) >> PAGE_SHIFT);
}

// Copies or fills piecewise. `from_va` 0: from `from`, or fills with `byte` when that is NULL too.
struct transfer {
    u64 to_va;
    u64 from_va;
    u8 *to;
    const u8 *from;
    u8 byte;
    usize len;
};

static enum status transfer_run(struct transfer t) {
    // Thread context, no spinlock; or nothing is repaired.
    CHECK(fake.irq_enabled || fake.windows[0].pages != 0);
    while (t.len != 0) {
        usize now = t.len;
        usize room;
        u8 *to = t.to;
        u8 *from = NULL;
        enum status status = OK;
        if (t.from_va != 0) {
            status = page_reach(t.from_va, FAULT_READ, &from, &room);
            now = room < now ? room : now;
        }
        if (status == OK && t.to_va != 0) {
            status = page_reach(t.to_va, FAULT_WRITE, &to, &room);
            now = room < now ? room : now;
        }
        if (status != OK)
            return status;
        const u8 *source = from != NULL ? from : t.from;
        if (source != NULL)
            memmove(to, source, now);
        else
            memset(to, t.byte, now);
        if (t.from_va != 0)
            page_leave(from);
        if (t.to_va != 0)
            page_leave(to);
        t.from_va += t.from_va != 0 ? now : 0;
        t.to_va += t.to_va != 0 ? now : 0;
        t.from += t.from != NULL ? now : 0;
        t.to += t.to != NULL ? now : 0;
        t.len -= now;
    }
    return OK;
}

enum status arch_copy_from(void *to, struct virt_addr from, usize len) {
    return transfer_run((struct transfer){.to = to, .from_va = from.value, .len = len});
}

enum status arch_copy_to(struct virt_addr to, const void *from, usize len) {
    return transfer_run((struct transfer){.to_va = to.value, .from = from, .len = len});
}

enum status arch_copy_between(struct virt_addr to, struct virt_addr from, usize len) {
    return transfer_run((struct transfer){.to_va = to.value, .from_va = from.value, .len = len});
}

enum status arch_fill(struct virt_addr to, u8 byte, usize len) {
    return transfer_run((struct transfer){.to_va = to.value, .byte = byte, .len = len});
}

// -- CPU, time, consoles -----------------------------------------------------------------------

u32 arch_cpu_id(void) {
    return fake.cpu;
}

void fake_cpu_set(u32 cpu) {
    fake.cpu = cpu;
}

void fake_cpu_continue(u32 cpu) {
    fake.apart[fake.cpu].irq_enabled = fake.irq_enabled;
    fake.apart[fake.cpu].current = fake.current;
    fake.apart[fake.cpu].aspace = fake.current_aspace;
    fake.cpu = cpu;
    fake.irq_enabled = fake.apart[cpu].irq_enabled;
    fake.current = fake.apart[cpu].current;
    struct arch_aspace *as = fake.apart[cpu].aspace;
    fake.current_aspace = as == NULL ? &fake.kernel_aspace : as;
}

void *arch_current(void) {
    return fake.current;
}

void arch_current_set(void *current) {
    fake.current = current;
}

u32 arch_cpus_start(u32) {
    return 1;
}

void arch_cpu_wake(u32 cpu) {
    CHECK(cpu < COUNT_OF(fake.woken) && cpu != fake.cpu);
    fake.woken[cpu]++;
}

u32 fake_cpu_woken(u32 cpu) {
    return fake.woken[cpu];
}

void arch_cpus_stop(void) {
}

arch_irq_state arch_irq_save(void) {
    if (fake.irq_enabled && fake.irq_hook != NULL)
        fake.irq_hook();
    arch_irq_state state = fake.irq_enabled;
    fake.irq_enabled = false;
    return state;
}

void arch_irq_restore(arch_irq_state state) {
    CHECK(!fake.irq_enabled); // restoring belongs to a section that is still closed
    fake.irq_enabled = state != 0;
    if (fake.irq_enabled && fake.irq_hook != NULL)
        fake.irq_hook();
}

void fake_irq_hook_set(void (*hook)(void)) {
    fake.irq_hook = hook;
}

bool arch_irq_enabled(void) {
    return fake.irq_enabled;
}

void arch_irq_disable(void) {
    CHECK(arch_irq_save() != 0);
}

void arch_irq_enable(void) {
    arch_irq_restore(ARCH_IRQ_ON);
}

void arch_cpu_relax(void) {
    CHECK(false); // with one CPU, whoever waits for a lock waits forever
}

u64 arch_clock_ns(void) {
    return fake.now_ns;
}

u64 arch_clock_resolution_ns(void) {
    return 1;
}

// Nanoseconds, and looking takes some.
u64 arch_ticks(void) {
    fake.looking_ns += FAKE_TICK_NS;
    return fake.now_ns + fake.looking_ns;
}

u64 arch_ticks_to_ns(u64 ticks) {
    return ticks;
}

u64 arch_ns_to_ticks(u64 ns) {
    return ns;
}

u64 arch_firmware_ns(void) {
    return 0;
}

u64 arch_wall_offset_ns(void) {
    return 1700000000ull * 1000000000ull;
}

void fake_clock_set(u64 now_ns) {
    CHECK(now_ns >= fake.now_ns);
    fake.now_ns = now_ns;
}

u64 fake_random(u64 *state) {
    // splitmix64
    u64 z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

usize arch_random(void *out, usize len) {
    u8 *at = out;
    for (usize i = 0; i < len; i++)
        at[i] = (u8)fake_random(&fake.random);
    return len;
}

// -- Upcalls -----------------------------------------------------------------------------------

[[gnu::weak]] bool upcall_frame_alloc(struct phys_addr *out) {
    return frame_alloc_kernel_zeroed(FRAME_USUAL, 1, out) == OK;
}

[[gnu::weak]] bool upcall_frames_alloc(u32 pages, struct phys_addr *out) {
    return frame_alloc_kernel_zeroed(FRAME_USUAL, pages, out) == OK;
}

[[gnu::weak]] void upcall_frame_free(struct phys_addr frame) {
    frame_free(frame, 0);
}

[[gnu::weak]] struct fault_result upcall_fault(const struct fault *fault) {
    struct aspace *as = fake.current_aspace == &fake.kernel_aspace
                            ? aspace_kernel()
                            : container_of(fake.current_aspace, struct aspace, own);
    enum status status =
        fault->in_window ? ERR_BUSY : aspace_fault(as, fault->address, fault->access);
    if (status == OK)
        return (struct fault_result){.action = FAULT_RETRY};
    return (struct fault_result){.action = FAULT_FAIL_COPY, .status = status};
}
