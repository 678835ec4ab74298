// Memory: RAM is a sparse file in memory, frames are offsets in it, and mapping is mmap.
//
// Each region that the kernel hands out has a flat table with one entry for each page, in memory of
// which Linux provides what is touched. It answers arch_translate, tells which frames a run had,
// and counts how many mappings Linux keeps for the region: there is a limit to these
// (vm.max_map_count), and only arch_map may be refused when it is reached.
//
// Protection domains are bookkeeping: there is one Linux address space. An address space is a slice
// of the slots' region, so what belongs to whom can be told by the address alone; and the copy
// functions refuse what is not the current one's, as page tables would.
//
// Invariants:
//   1. a region is reserved as a whole, inaccessible, and stays so where nothing is mapped;
//   2. no page is writable and executable, and a frame's writable views (its window) end before it
//      is mapped executable: that is the kernel's promise, kept as on any other machine;
//   3. `mappings` is the number of places in the regions where neighbouring pages do not belong to
//      one mapping; it never comes closer to the limit than MAPPINGS_SPARE but by unmapping.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/math.h"
#include "kernel/arch/hosted/hosted.h"

#define WINDOWS_MAX      2u
#define WINDOW_STRIDE    (2 * ARCH_WINDOW_PAGES * PAGE_SIZE)
#define TABLE_SPAN       (PAGE_SIZE / sizeof(u64) * PAGE_SIZE) // what one page of a table covers
#define MAPPINGS_DEFAULT 65530u
#define MAPPINGS_SPARE   4096u // the kernel's zone, the program itself, splits by unmapping

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

// A frame's address with the rights in its low bits; 0: not mapped.
typedef u64 entry;

struct region {
    u64 base;
    u64 bytes;
    entry *entries;
};

static struct {
    struct region slots;
    struct region code;
    struct region heap;
    u64 mappings; // atomic: regions change independently
} regions;

static struct {
    struct arch_aspace kernel;
    u64 slices[SLICE_COUNT / 64]; // atomic: bits of those in use
    u64 numbers;                  // atomic: given so far
} aspaces;

static struct {
    int ram; // memfd
    u64 ram_end;
    u64 mappings_max;
    bool limit_told;
} memory;

// -- Regions ------------------------------------------------------------------------------------

// Linux's own mmap: ThreadSanitizer's would take the contents of what is mapped to be new.
static bool is_mapped_at(u64 va, u64 bytes, int protection, int flags, int fd, u64 offset) {
    return syscall(SYS_mmap, va, bytes, protection, flags, fd, offset) == (long)va;
}

static bool reserve_over(u64 va, u64 bytes, int fixed) {
    return is_mapped_at(va, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed,
                        -1, 0);
}

static void region_init(struct region *region, u64 base, u64 bytes) {
    u64 table_bytes = bytes / PAGE_SIZE * sizeof(entry);
    void *table = mmap(NULL, table_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED || !reserve_over(base, bytes, MAP_FIXED_NOREPLACE))
        start_fail("cannot reserve %llu MiB of address space at 0x%lx: %s", bytes / MIB, base,
                   strerror(errno));
    *region = (struct region){base, bytes, table};
}

// The region that has all of the run.
static const struct region *region_of(const struct arch_aspace *as, u64 va, u64 bytes) {
    const struct region *region = is_in_code(va)    ? &regions.code
                                  : va >= HEAP_BASE ? &regions.heap
                                                    : &regions.slots;
    if (region == &regions.slots) {
        struct virt_range own = arch_aspace_slots(as);
        CHECK(va >= own.start.value && range_fits(va - own.start.value, bytes, own.bytes));
    }
    CHECK(is_aligned(va, PAGE_SIZE));
    CHECK(va >= region->base && range_fits(va - region->base, bytes, region->bytes));
    return region;
}

static entry *entry_at(const struct region *region, u64 va) {
    return &region->entries[(va - region->base) >> PAGE_SHIFT];
}

struct arch_aspace *arch_aspace_kernel(void) {
    return &aspaces.kernel;
}

struct arch_aspace *arch_aspace_current(void) {
    return cpu_this()->aspace;
}

bool arch_aspaces_are_apart(void) {
    return false;
}

struct virt_range arch_aspace_slots(const struct arch_aspace *as) {
    u64 slices = SLOTS_BASE + SLOTS_BYTES - SLICE_COUNT * SLICE_BYTES;
    if (as == &aspaces.kernel)
        return (struct virt_range){{SLOTS_BASE}, slices - SLOTS_BASE};
    return (struct virt_range){{slices + as->root * SLICE_BYTES}, SLICE_BYTES};
}

enum status arch_aspace_create(struct arch_aspace *as) {
    for (u32 i = 0; i < SLICE_COUNT; i++) {
        u64 bit = 1ull << i % 64;
        if ((__atomic_fetch_or(&aspaces.slices[i / 64], bit, __ATOMIC_ACQUIRE) & bit) != 0)
            continue; // in use
        u64 number = __atomic_add_fetch(&aspaces.numbers, 1, __ATOMIC_RELAXED);
        *as = (struct arch_aspace){.root = i, .number = number};
        return OK;
    }
    return ERR_NO_MEMORY;
}

void arch_aspace_destroy(struct arch_aspace *as) {
    // Pairs with the acquire in arch_aspace_create.
    __atomic_fetch_and(&aspaces.slices[as->root / 64], ~(1ull << as->root % 64), __ATOMIC_RELEASE);
}

bool memory_is_current(u64 va, u64 bytes) {
    struct virt_range own = arch_aspace_slots(arch_aspace_current());
    return va - SLOTS_BASE >= SLOTS_BYTES ||
           (va >= own.start.value && range_fits(va - own.start.value, bytes, own.bytes));
}

struct virt_range arch_slots_region(void) {
    return (struct virt_range){{SLOTS_BASE}, SLOTS_BYTES};
}

struct virt_range arch_zone_region(void) {
    return (struct virt_range){{0}, 0};
}

struct virt_range arch_code_region(void) {
    return (struct virt_range){{CODE_BASE}, CODE_BYTES};
}

struct virt_range arch_heap_region(void) {
    return (struct virt_range){{HEAP_BASE}, HEAP_BYTES};
}

// -- Counting mappings --------------------------------------------------------------------------

static bool continues(entry first, entry second) {
    return first == 0 ? second == 0 : first + PAGE_SIZE == second;
}

// The places between the page before `va` and the page after the run where a mapping ends.
static u64 boundaries(const struct region *region, u64 va, u64 pages) {
    u64 first = (va - region->base) >> PAGE_SHIFT;
    u64 end = min_u64(first + pages, (region->bytes >> PAGE_SHIFT) - 1);
    u64 count = 0;
    for (u64 i = first == 0 ? 0 : first - 1; i < end; i++)
        count += !continues(region->entries[i], region->entries[i + 1]);
    return count;
}

// Relaxed: the figure orders nothing.
static u64 mappings_of(void) {
    return __atomic_load_n(&regions.mappings, __ATOMIC_RELAXED);
}

// `change` may be negative, as it were.
static void mappings_add(u64 change) {
    __atomic_fetch_add(&regions.mappings, change, __ATOMIC_RELAXED);
}

static u64 mappings_limit(void) {
    char text[32] = "";
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    u64 limit = got <= 0 ? MAPPINGS_DEFAULT : strtoull(text, NULL, 10);
    return limit > 2 * MAPPINGS_SPARE ? limit - MAPPINGS_SPARE : limit / 2;
}

static void tell_limit(void) {
    if (__atomic_exchange_n(&memory.limit_told, true, __ATOMIC_RELAXED))
        return;
    console_print("kwast: no more memory can be mapped: Linux's limit vm.max_map_count is reached "
                  "(%lu of %lu are in use)\n",
                  mappings_of(), memory.mappings_max);
}

// -- Mapping ------------------------------------------------------------------------------------

static int protection_of(enum page_rights rights) {
    CHECK((rights & (PAGE_WRITE | PAGE_EXEC)) != (PAGE_WRITE | PAGE_EXEC));
    CHECK((rights & PAGE_DEVICE) == 0);
    return ((rights & PAGE_READ) != 0 ? PROT_READ : 0) |
           ((rights & PAGE_WRITE) != 0 ? PROT_WRITE : 0) |
           ((rights & PAGE_EXEC) != 0 ? PROT_EXEC : 0);
}

// A private copy of frames at `va`, executable; it is code, which nobody writes any more. Tools
// need it: perf asks a file for the symbols of what is mapped from one, though it is in memory
// alone, and Linux lets no debugger set a breakpoint in a shared mapping.
static bool map_code_copy(u64 va, u64 frame, u64 bytes) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    u64 done = 0;
    bool fine = is_mapped_at(va, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    while (fine && done < bytes) {
        ssize_t got = pread(memory.ram, (void *)(va + done), bytes - done, (off_t)(frame + done));
        fine = got > 0;
        done += fine ? (u64)got : 0;
    }
    return fine && mprotect((void *)va, bytes, PROT_READ | PROT_EXEC) == 0;
}

static bool map_frames(u64 va, u64 frame, u64 bytes, enum page_rights rights) {
    if ((rights & PAGE_EXEC) != 0 && arch_symbols_wanted())
        return map_code_copy(va, frame, bytes);
    // What is written soon is fetched now, in one go: cheaper than a fault for each page.
    int populate = bytes <= ARCH_WINDOW_PAGES * PAGE_SIZE ? MAP_POPULATE : 0;
    return is_mapped_at(va, bytes, protection_of(rights), MAP_SHARED | MAP_FIXED | populate,
                        memory.ram, frame);
}

enum status arch_map(struct arch_aspace *as, struct virt_addr va, struct phys_addr pa, u64 pages,
                     enum page_rights rights) {
    u64 bytes = pages * PAGE_SIZE;
    const struct region *region = region_of(as, va.value, bytes);
    ASSERT(is_aligned(pa.value, PAGE_SIZE));
    CHECK(pa.value >= RAM_START && range_fits(pa.value, bytes, memory.ram_end));
    if (mappings_of() + 2 > memory.mappings_max) {
        tell_limit();
        return ERR_NO_MEMORY;
    }

    u64 before = boundaries(region, va.value, pages);
    entry *entries = entry_at(region, va.value);
    for (u64 i = 0; i < pages; i++)
        CHECK(entries[i] == 0);
    if (!map_frames(va.value, pa.value, bytes, rights))
        return ERR_NO_MEMORY;
    for (u64 i = 0; i < pages; i++)
        entries[i] = (pa.value + i * PAGE_SIZE) | rights;
    mappings_add(boundaries(region, va.value, pages) - before);
    return OK;
}

// Whether anything in the run is mapped.
static bool is_any_mapped(const entry *entries, u64 pages) {
    for (u64 i = 0; i < pages; i++) {
        if (entries[i] != 0)
            return true;
    }
    return false;
}

void arch_unmap(struct arch_aspace *as, struct virt_addr va, u64 pages,
                void (*visit)(void *context, struct phys_addr frame), void *context) {
    const struct region *region = region_of(as, va.value, pages * PAGE_SIZE);
    entry *entries = entry_at(region, va.value);
    if (!is_any_mapped(entries, pages))
        return;
    u64 before = boundaries(region, va.value, pages);
    if (!reserve_over(va.value, pages * PAGE_SIZE, MAP_FIXED))
        upcall_panic("cannot unmap memory: Linux is out of memory, or vm.max_map_count is reached");
    for (u64 i = 0; i < pages; i++) {
        entry old = entries[i];
        entries[i] = 0;
        if (old != 0 && visit != NULL && (old & PAGE_BORROWED) == 0)
            visit(context, (struct phys_addr){align_down(old, PAGE_SIZE)});
    }
    mappings_add(boundaries(region, va.value, pages) - before);
    // A page of the table that has become empty is given back.
    if (is_aligned(va.value, TABLE_SPAN) && pages == TABLE_SPAN / PAGE_SIZE)
        madvise(entries, PAGE_SIZE, MADV_DONTNEED);
}

// Linux asks the CPUs for itself.
void arch_unmap_prepare(struct arch_aspace *, struct virt_addr, u64) {
}

u64 arch_unmapped_pages(struct arch_aspace *, struct virt_addr) {
    return 0;
}

void arch_protect(struct arch_aspace *as, struct virt_addr va, u64 pages, enum page_rights rights) {
    const struct region *region = region_of(as, va.value, pages * PAGE_SIZE);
    u64 before = boundaries(region, va.value, pages);
    entry *entries = entry_at(region, va.value);
    for (u64 i = 0; i < pages; i++) {
        CHECK(entries[i] != 0);
        entries[i] = align_down(entries[i], PAGE_SIZE) | rights;
    }
    if (mprotect((void *)va.value, pages * PAGE_SIZE, protection_of(rights)) != 0)
        upcall_panic("cannot change the rights of memory: vm.max_map_count is reached");
    mappings_add(boundaries(region, va.value, pages) - before);
}

bool arch_translate(struct arch_aspace *as, struct virt_addr va, struct phys_addr *out) {
    u64 page = align_down(va.value, PAGE_SIZE);
    entry found = *entry_at(region_of(as, page, PAGE_SIZE), page);
    if (found == 0)
        return false;
    *out = (struct phys_addr){align_down(found, PAGE_SIZE) + va.value % PAGE_SIZE};
    return true;
}

bool arch_page_find(struct arch_aspace *as, struct virt_addr va, struct phys_addr *frame,
                    enum page_rights *rights) {
    entry found = *entry_at(region_of(as, va.value, PAGE_SIZE), va.value);
    *frame = (struct phys_addr){align_down(found, PAGE_SIZE)};
    *rights = found % PAGE_SIZE;
    return found != 0;
}

// Reading a table costs Linux memory: so this is for ranges in which something is mapped.
void arch_mapped_for_each(struct arch_aspace *as, struct virt_range range,
                          void (*visit)(const struct mapped_run *run, void *context),
                          void *context) {
    if (range.bytes == 0)
        return;
    const struct region *region = region_of(as, range.start.value, range.bytes);
    for (u64 done = 0; done < range.bytes; done += PAGE_SIZE) {
        u64 va = range.start.value + done;
        entry found = *entry_at(region, va);
        if (found != 0)
            visit(&(struct mapped_run){{va}, {align_down(found, PAGE_SIZE)}, 1, found % PAGE_SIZE},
                  context);
    }
}

// -- The kernel's zone --------------------------------------------------------------------------

void *arch_frame_pointer(struct phys_addr frame) {
    ASSERT(frame.value < memory.ram_end);
    return (void *)(DIRECT_BASE + frame.value);
}

struct phys_addr arch_frame_of(const void *pointer) {
    u64 offset = (uptr)pointer - DIRECT_BASE;
    ASSERT(offset < memory.ram_end);
    return (struct phys_addr){offset};
}

static void zone_check(struct phys_addr start, u64 bytes) {
    ASSERT(is_aligned(start.value | bytes, ARCH_ZONE_BLOCK_BYTES));
    CHECK(start.value >= RAM_START && range_fits(start.value, bytes, memory.ram_end));
}

void arch_zone_map(struct phys_addr start, u64 bytes) {
    zone_check(start, bytes);
    if (!is_mapped_at(DIRECT_BASE + start.value, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, memory.ram, start.value))
        upcall_panic("cannot map memory for the kernel: vm.max_map_count is reached");
}

void arch_zone_unmap(struct phys_addr start, u64 bytes) {
    zone_check(start, bytes);
    if (!reserve_over(DIRECT_BASE + start.value, bytes, MAP_FIXED))
        upcall_panic("cannot unmap memory from the kernel: vm.max_map_count is reached");
}

// -- Windows ------------------------------------------------------------------------------------

static u64 window_address(const struct cpu *cpu, u32 depth) {
    return WINDOWS_BASE + (cpu->id * WINDOWS_MAX + depth) * WINDOW_STRIDE;
}

void *arch_frame_window_open(struct phys_addr frame, u32 pages) {
    ASSERT(pages != 0 && pages <= ARCH_WINDOW_PAGES);
    ASSERT(is_aligned(frame.value, PAGE_SIZE));
    struct cpu *cpu = cpu_this();
    CHECK(cpu->window_depth < WINDOWS_MAX);
    CHECK(frame.value >= RAM_START && range_fits(frame.value, pages * PAGE_SIZE, memory.ram_end));
    u64 va = window_address(cpu, cpu->window_depth++);
    if (!is_mapped_at(va, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED | MAP_POPULATE, memory.ram, frame.value))
        upcall_panic("cannot open a window: Linux is out of memory");
    return (void *)va;
}

void arch_frame_window_close(void *window) {
    struct cpu *cpu = cpu_this();
    CHECK(cpu->window_depth != 0);
    CHECK((uptr)window == window_address(cpu, cpu->window_depth - 1));
    CHECK(reserve_over((uptr)window, ARCH_WINDOW_PAGES * PAGE_SIZE, MAP_FIXED));
    cpu->window_depth--;
    // A switch that had to wait for the window.
    if (cpu->irq_enabled && __atomic_load_n(&cpu->pending, __ATOMIC_RELAXED) != 0)
        interrupt_deliver();
}

// -- The start ----------------------------------------------------------------------------------

static int ram_create(u64 bytes) {
    int fd = memfd_create("kwast-ram", MFD_CLOEXEC | MFD_EXEC);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("kwast-ram", MFD_CLOEXEC); // before Linux 6.3
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        start_fail("no memory file: %s", strerror(errno));
    return fd;
}

void memory_init(u64 ram_bytes) {
    memory.ram_end = RAM_START + ram_bytes;
    memory.ram = ram_create(memory.ram_end);
    memory.mappings_max = mappings_limit();
    region_init(&regions.slots, SLOTS_BASE, SLOTS_BYTES);
    region_init(&regions.code, CODE_BASE, CODE_BYTES);
    region_init(&regions.heap, HEAP_BASE, HEAP_BYTES);
    bool fine = reserve_over(DIRECT_BASE, RAM_BYTES_MAX + RAM_START, MAP_FIXED_NOREPLACE) &&
                reserve_over(WINDOWS_BASE, ARCH_CPUS_MAX * WINDOWS_MAX * WINDOW_STRIDE,
                             MAP_FIXED_NOREPLACE) &&
                is_mapped_at(DIRECT_BASE + RAM_START, ram_bytes, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_FIXED, memory.ram, RAM_START);
    if (!fine)
        start_fail("cannot map %llu MiB of RAM: %s", ram_bytes / MIB, strerror(errno));
}
