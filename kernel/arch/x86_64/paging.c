// Page tables: four levels, one set for each address space. The upper half is the kernel's and the
// same in all: its top-level entries are made at the start, for good, and copied. Slots are in the
// lower half, which the kernel's address space shares with `sip` processes.
//
// Invariants:
//   1. no entry is both writable and executable, and no frame is mapped so through two;
//   2. below the top level, the entry that points to a table counts the table's entries in use
//      (bits 52 to 61, which the CPU ignores there), so that a table that becomes empty is known
//      at once and given back;
//   3. table frames come from the kernel's zone and are reached through the direct map;
//   4. what is mapped in the upper half is global, what is mapped in the lower is not.
//
// Before kernel_main, tables are taken from the boot memory map; afterwards from
// upcall_frame_alloc.
//
// Changes of one region are serialised by the caller; regions of an address space share no table
// below the top one but that of the kernel image with code, and that one is never pruned. The CPU
// itself changes no entry: all are made accessed, and dirty where they are writable.

#include "kernel/arch/x86_64/paging.h"

#include "base/math.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/image.h"
#include "kernel/arch/x86_64/smp.h"

#define ENTRY_PRESENT   (1ull << 0)
#define ENTRY_WRITE     (1ull << 1)
#define ENTRY_COMBINING (1ull << 3) // PWT: slot 1 of the PAT, which cpu.c makes write-combining
#define ENTRY_UNCACHED  (3ull << 3) // PWT and PCD: slot 3
#define ENTRY_ACCESSED  (1ull << 5)
#define ENTRY_DIRTY     (1ull << 6)
#define ENTRY_LARGE     (1ull << 7)
#define ENTRY_GLOBAL    (1ull << 8)
#define ENTRY_BORROWED  (1ull << 9) // ignored by the CPU
#define ENTRY_NO_EXEC   (1ull << 63)
#define ENTRY_ADDRESS   0x000ffffffffff000ull
#define ENTRY_COUNT_ONE (1ull << 52)
#define ENTRY_COUNT     (0x3ffull << 52)

#define ENTRY_USED      (ENTRY_PRESENT | ENTRY_ACCESSED)
#define ENTRY_DATA      (ENTRY_USED | ENTRY_WRITE | ENTRY_DIRTY | ENTRY_NO_EXEC)

#define LEVELS          4
#define TABLE_ENTRIES   512u
#define LARGE_BYTES     (2 * MIB)
#define UPPER_HALF      (1ull << 63)

#define OWN_DEVICES_MAX 32u

static struct {
    struct arch_aspace kernel;
    struct range_set *early; // where tables come from before kernel_main; NULL afterwards
    u64 mmio_next;
    struct phys_range own[OWN_DEVICES_MAX]; // whole pages of registers that are mapped; fixed after
    u32 own_count;                          // boot
    u64 numbers;                            // atomic: given to address spaces so far
} paging = {.kernel.loaded = 1, .mmio_next = MMIO_BASE};

// -- Tables -------------------------------------------------------------------------------------

static u64 *table_at(u64 phys) {
    return (u64 *)(DIRECT_MAP_BASE + phys);
}

static u32 level_shift(u32 level) {
    return PAGE_SHIFT + 9 * level;
}

static u32 index_of(u64 va, u32 level) {
    return va >> level_shift(level) & (TABLE_ENTRIES - 1);
}

// The lowest address that another entry of this level translates.
static u64 next_of(u64 va, u32 level) {
    return align_down(va, 1ull << level_shift(level)) + (1ull << level_shift(level));
}

static bool table_alloc(u64 *out) {
    if (paging.early != NULL) {
        if (!range_set_take(paging.early, PAGE_SIZE, 4 * GIB, out))
            return false;
        memset(table_at(*out), 0, PAGE_SIZE);
        return true;
    }
    struct phys_addr frame;
    if (!upcall_frame_alloc(&frame))
        return false;
    *out = frame.value;
    return true;
}

// The way to an address: its entry at each level, from the top down to `level`.
struct walk {
    u64 *entries[LEVELS];
    u32 level; // the lowest with an entry
};

// An entry that points to a table, or did before arch_unmap_prepare hid it from the CPUs.
static bool has_table(u64 entry) {
    return (entry & ENTRY_ADDRESS) != 0;
}

static void walk_start(struct walk *walk, u64 root_phys, u64 va) {
    walk->level = LEVELS - 1;
    walk->entries[LEVELS - 1] = &table_at(root_phys)[index_of(va, LEVELS - 1)];
}

static void walk_step(struct walk *walk, u64 va) {
    u64 entry = *walk->entries[walk->level];
    walk->level--;
    walk->entries[walk->level] = &table_at(entry & ENTRY_ADDRESS)[index_of(va, walk->level)];
}

// Goes down as far as there are tables.
static void walk_find(struct walk *walk, u64 root_phys, u64 va) {
    walk_start(walk, root_phys, va);
    while (walk->level > 0) {
        u64 entry = *walk->entries[walk->level];
        if ((entry & ENTRY_PRESENT) == 0 || (entry & ENTRY_LARGE) != 0)
            return;
        walk_step(walk, va);
    }
}

// The same through tables that are hidden.
static void walk_find_hidden(struct walk *walk, u64 root_phys, u64 va) {
    walk_start(walk, root_phys, va);
    while (walk->level > 0 && has_table(*walk->entries[walk->level])) {
        CHECK((*walk->entries[walk->level] & ENTRY_LARGE) == 0);
        walk_step(walk, va);
    }
}

// Whether CPUs can come to the table below the walk's entry at `level`.
static bool is_visible(const struct walk *walk, u32 level) {
    for (; level < LEVELS; level++) {
        if ((*walk->entries[level] & ENTRY_PRESENT) == 0)
            return false;
    }
    return true;
}

// Counts `count` more entries in use in the table that the walk reached at `level`.
static void count_add(struct walk *walk, u32 level, u64 count) {
    if (level + 1 < LEVELS)
        *walk->entries[level + 1] += count * ENTRY_COUNT_ONE;
}

static void count_sub(struct walk *walk, u32 level, u64 count) {
    if (level + 1 >= LEVELS)
        return;
    ASSERT((*walk->entries[level + 1] & ENTRY_COUNT) >= count * ENTRY_COUNT_ONE);
    *walk->entries[level + 1] -= count * ENTRY_COUNT_ONE;
}

// Goes down to `level`, making tables. False when there is no memory; tables made so far may then
// be empty: prune takes them away.
static bool walk_create(struct walk *walk, u64 root_phys, u64 va, u32 level) {
    walk_start(walk, root_phys, va);
    while (walk->level > level) {
        u64 *entry = walk->entries[walk->level];
        if ((*entry & ENTRY_PRESENT) == 0) {
            u64 table;
            if (!table_alloc(&table))
                return false;
            *entry = table | ENTRY_USED | ENTRY_WRITE;
            count_add(walk, walk->level, 1);
        }
        CHECK((*entry & ENTRY_LARGE) == 0);
        walk_step(walk, va);
    }
    return true;
}

// -- Empty tables -------------------------------------------------------------------------------

// Tables that have been taken out of the tree: the CPUs may still walk through them until they are
// told, so they are left as they are till then.
#define TAKEN_RUN  8u // tables of pages that one run may be in
#define TAKEN_LEAF 1u // in the low bit: a table of pages, hidden but still there
struct taken {
    u32 count;
    bool was_visible; // one of them, to the CPUs
    u64 tables[TAKEN_RUN * (LEVELS - 1)];
};

static void take_table(struct taken *taken, struct walk *walk, u32 level, u64 flag) {
    u64 *entry = walk->entries[level];
    CHECK(taken->count < COUNT_OF(taken->tables));
    taken->tables[taken->count++] = (*entry & ENTRY_ADDRESS) | flag;
    taken->was_visible |= is_visible(walk, level);
    *entry = 0;
}

// Takes out the empty tables above the walk's place.
static void take_empty(struct walk *walk, u32 level, struct taken *taken) {
    for (; level < LEVELS && (*walk->entries[level] & ENTRY_COUNT) == 0; level++) {
        take_table(taken, walk, level, 0);
        count_sub(walk, level, 1);
    }
}

static void free_tables(const struct taken *taken) {
    for (u32 i = 0; i < taken->count; i++)
        upcall_frame_free((struct phys_addr){taken->tables[i] & ENTRY_ADDRESS});
}

static void invalidate(struct arch_aspace *as, const struct invalidation *what) {
    if (what->va >= UPPER_HALF)
        invalidate_kernel(what);
    else
        invalidate_slots(as, what);
}

// -- Mapping ------------------------------------------------------------------------------------

static u64 entry_bits(u64 va, enum page_rights rights) {
    CHECK((rights & (PAGE_WRITE | PAGE_EXEC)) != (PAGE_WRITE | PAGE_EXEC));
    u64 bits = va >= UPPER_HALF ? ENTRY_USED | ENTRY_GLOBAL : ENTRY_USED;
    if ((rights & PAGE_WRITE) != 0)
        bits |= ENTRY_WRITE | ENTRY_DIRTY;
    if ((rights & PAGE_EXEC) == 0)
        bits |= ENTRY_NO_EXEC;
    if ((rights & PAGE_DEVICE) != 0)
        bits |= (rights & PAGE_COMBINING) != 0 ? ENTRY_COMBINING : ENTRY_UNCACHED;
    if ((rights & PAGE_BORROWED) != 0)
        bits |= ENTRY_BORROWED;
    return bits;
}

// How many of `pages` from `va` on have their entries in the same table.
static u64 pages_in_table(u64 va, u64 pages) {
    return min_u64(pages, TABLE_ENTRIES - index_of(va, 0));
}

// Takes back what walk_create made on its way before memory ran out.
static void forget_tables(struct arch_aspace *as, struct walk *walk, u64 va) {
    struct taken taken = {};
    take_empty(walk, walk->level + 1, &taken);
    if (taken.count == 0)
        return;
    invalidate(as, &(struct invalidation){va, 1, PAGE_SIZE, true});
    free_tables(&taken);
}

static bool map_run(struct arch_aspace *as, u64 va, u64 pa, u64 pages, u64 bits) {
    u64 start = va;
    u64 mapped = 0;
    while (mapped < pages) {
        struct walk walk;
        if (!walk_create(&walk, as->root, va, 0)) {
            forget_tables(as, &walk, va);
            arch_unmap(as, (struct virt_addr){start}, mapped, NULL, NULL);
            return false;
        }
        u64 count = pages_in_table(va, pages - mapped);
        for (u64 i = 0; i < count; i++) {
            CHECK(walk.entries[0][i] == 0);
            walk.entries[0][i] = (pa + i * PAGE_SIZE) | bits;
        }
        count_add(&walk, 0, count);
        mapped += count;
        va += count * PAGE_SIZE;
        pa += count * PAGE_SIZE;
    }
    return true;
}

enum status arch_map(struct arch_aspace *as, struct virt_addr va, struct phys_addr pa, u64 pages,
                     enum page_rights rights) {
    ASSERT(is_aligned(va.value | pa.value, PAGE_SIZE));
    bool mapped = map_run(as, va.value, pa.value, pages, entry_bits(va.value, rights));
    return mapped ? OK : ERR_NO_MEMORY;
}

// What a walk through a run does with the part of it that lies in one table.
struct table_part {
    struct walk *walk;
    u64 va;
    u64 count; // entries, from walk->entries[0] on
};

// Calls `visit` for each part of the run that has a table.
static void run_for_each(u64 root_phys, u64 va, u64 pages,
                         void (*visit)(const struct table_part *part, void *context),
                         void *context) {
    u64 left = pages;
    while (left != 0) {
        struct walk walk;
        walk_find_hidden(&walk, root_phys, va);
        if (walk.level == 0) {
            struct table_part part = {&walk, va, pages_in_table(va, left)};
            visit(&part, context);
            va += part.count * PAGE_SIZE;
            left -= part.count;
            continue;
        }
        u64 skipped = (next_of(va, walk.level) - va) / PAGE_SIZE;
        if (skipped >= left)
            return;
        va += skipped * PAGE_SIZE;
        left -= skipped;
    }
}

struct unmap {
    void (*visit)(void *context, struct phys_addr frame);
    void *context;
    struct taken taken;
    bool has_found;
    u64 start; // of what is hidden now
    u64 end;   // 0: nothing is, or it was before
};

// Hides the pages from the CPUs; entries keep their frames, so that every frame is reported only
// once no CPU can reach it. A table that has no other pages is taken out.
static void part_hide(const struct table_part *part, void *context) {
    struct unmap *unmap = context;
    struct walk *walk = part->walk;
    u64 hidden = 0;
    bool was_visible = is_visible(walk, 1);
    for (u64 i = 0; i < part->count; i++) {
        if (walk->entries[0][i] == 0)
            continue;
        walk->entries[0][i] &= ~ENTRY_PRESENT;
        hidden++;
        u64 va = part->va + i * PAGE_SIZE;
        if (was_visible && unmap->end == 0)
            unmap->start = va;
        if (was_visible)
            unmap->end = va + PAGE_SIZE;
    }
    unmap->has_found |= hidden != 0;
    if ((*walk->entries[1] & ENTRY_COUNT) == hidden * ENTRY_COUNT_ONE) {
        take_table(&unmap->taken, walk, 1, TAKEN_LEAF);
        count_sub(walk, 1, 1);
        take_empty(walk, 2, &unmap->taken);
    }
}

static u64 entries_clear(u64 *entries, u64 count, const struct unmap *unmap) {
    u64 cleared = 0;
    for (u64 i = 0; i < count; i++) {
        if (entries[i] == 0)
            continue;
        bool is_own = (entries[i] & ENTRY_BORROWED) == 0;
        struct phys_addr frame = {entries[i] & ENTRY_ADDRESS};
        entries[i] = 0;
        cleared++;
        if (unmap->visit != NULL && is_own)
            unmap->visit(unmap->context, frame);
    }
    return cleared;
}

static void part_clear(const struct table_part *part, void *context) {
    count_sub(part->walk, 0, entries_clear(part->walk->entries[0], part->count, context));
}

// Unmaps a run that lies in at most TAKEN_RUN tables, with one invalidation.
static void unmap_run(struct arch_aspace *as, u64 va, u64 pages, struct unmap *unmap) {
    unmap->taken.count = 0;
    unmap->taken.was_visible = false;
    unmap->has_found = false;
    unmap->start = va;
    unmap->end = 0;
    run_for_each(as->root, va, pages, part_hide, unmap);
    if (!unmap->has_found)
        return;
    u64 hidden = unmap->end == 0 ? 0 : (unmap->end - unmap->start) / PAGE_SIZE;
    if (hidden != 0 || unmap->taken.was_visible)
        invalidate(as, &(struct invalidation){unmap->start, max_u64(hidden, 1), PAGE_SIZE,
                                              unmap->taken.count != 0});
    for (u32 i = 0; i < unmap->taken.count; i++) {
        if ((unmap->taken.tables[i] & TAKEN_LEAF) != 0)
            entries_clear(table_at(unmap->taken.tables[i] & ENTRY_ADDRESS), TABLE_ENTRIES, unmap);
    }
    run_for_each(as->root, va, pages, part_clear, unmap);
    free_tables(&unmap->taken);
}

void arch_unmap(struct arch_aspace *as, struct virt_addr va, u64 pages,
                void (*visit)(void *context, struct phys_addr frame), void *context) {
    ASSERT(is_aligned(va.value, PAGE_SIZE));
    struct unmap unmap = {.visit = visit, .context = context};
    u64 at = va.value;
    u64 end = at + pages * PAGE_SIZE;
    while (at < end) {
        u64 next = min_u64(end, align_down(at, LARGE_BYTES) + TAKEN_RUN * LARGE_BYTES);
        unmap_run(as, at, (next - at) / PAGE_SIZE, &unmap);
        at = next;
    }
}

// Hides whole tables, from the highest level that is the run's alone; what they have stays.
void arch_unmap_prepare(struct arch_aspace *as, struct virt_addr va, u64 pages) {
    u64 end = va.value + pages * PAGE_SIZE;
    bool has_hidden = false;
    for (u64 at = align_up(va.value, LARGE_BYTES), next; at < end; at = next) {
        struct walk walk;
        bool is_whole;
        walk_start(&walk, as->root, at);
        for (;; walk_step(&walk, at)) {
            next = next_of(at, walk.level);
            is_whole = is_aligned(at, 1ull << level_shift(walk.level)) && next <= end;
            if (is_whole || walk.level == 1 || !has_table(*walk.entries[walk.level]))
                break;
        }
        if (is_whole && has_table(*walk.entries[walk.level])) {
            *walk.entries[walk.level] &= ~ENTRY_PRESENT;
            has_hidden = true;
        }
    }
    if (has_hidden)
        invalidate(as, &(struct invalidation){va.value, pages, PAGE_SIZE, true});
}

u64 arch_unmapped_pages(struct arch_aspace *as, struct virt_addr va) {
    struct walk walk;
    walk_find_hidden(&walk, as->root, va.value);
    return walk.level == 0 ? 0 : (next_of(va.value, walk.level) - va.value) / PAGE_SIZE;
}

static void part_protect(const struct table_part *part, void *context) {
    u64 bits = *(const u64 *)context;
    for (u64 i = 0; i < part->count; i++) {
        u64 *entry = &part->walk->entries[0][i];
        if (*entry != 0)
            *entry = (*entry & ENTRY_ADDRESS) | bits;
    }
}

void arch_protect(struct arch_aspace *as, struct virt_addr va, u64 pages, enum page_rights rights) {
    ASSERT(is_aligned(va.value, PAGE_SIZE));
    u64 bits = entry_bits(va.value, rights);
    run_for_each(as->root, va.value, pages, part_protect, &bits);
    invalidate(as, &(struct invalidation){va.value, pages, PAGE_SIZE, false});
}

bool arch_translate(struct arch_aspace *as, struct virt_addr va, struct phys_addr *out) {
    struct walk walk;
    walk_find(&walk, as->root, va.value);
    u64 entry = *walk.entries[walk.level];
    if ((entry & ENTRY_PRESENT) == 0)
        return false;
    u64 offset = va.value & ((1ull << level_shift(walk.level)) - 1);
    out->value = (entry & ENTRY_ADDRESS & ~((1ull << level_shift(walk.level)) - 1)) + offset;
    return true;
}

static enum page_rights caching_of(u64 entry) {
    if ((entry & ENTRY_UNCACHED) == ENTRY_UNCACHED)
        return PAGE_DEVICE;
    return (entry & ENTRY_COMBINING) != 0 ? PAGE_DEVICE | PAGE_COMBINING : 0;
}

static enum page_rights rights_of(u64 entry) {
    return PAGE_READ | ((entry & ENTRY_WRITE) != 0 ? PAGE_WRITE : 0) |
           ((entry & ENTRY_NO_EXEC) == 0 ? PAGE_EXEC : 0) | caching_of(entry) |
           ((entry & ENTRY_BORROWED) != 0 ? PAGE_BORROWED : 0);
}

bool arch_page_find(struct arch_aspace *as, struct virt_addr va, struct phys_addr *frame,
                    enum page_rights *rights) {
    struct walk walk;
    walk_find(&walk, as->root, va.value);
    u64 entry = *walk.entries[walk.level];
    if (walk.level != 0 || (entry & ENTRY_PRESENT) == 0)
        return false;
    *frame = (struct phys_addr){entry & ENTRY_ADDRESS};
    *rights = rights_of(entry);
    return true;
}

bool paging_is_mapped(u64 address) {
    bool canonical = (u64)((i64)(address << 16) >> 16) == address;
    struct phys_addr ignored;
    return canonical &&
           arch_translate(arch_aspace_current(), (struct virt_addr){address}, &ignored);
}

u64 *paging_entry_create(u64 address) {
    struct walk walk;
    if (!walk_create(&walk, paging.kernel.root, address, 0))
        return NULL;
    return walk.entries[0];
}

u64 paging_entry_of(u64 phys) {
    return phys | ENTRY_DATA | ENTRY_GLOBAL;
}

// -- Address spaces -----------------------------------------------------------------------------

#define UPPER_FIRST (TABLE_ENTRIES / 2) // entry of the upper half

enum status arch_aspace_create(struct arch_aspace *as) {
    u64 root;
    if (!table_alloc(&root))
        return ERR_NO_MEMORY;
    memcpy(table_at(root) + UPPER_FIRST, table_at(paging.kernel.root) + UPPER_FIRST,
           (TABLE_ENTRIES - UPPER_FIRST) * sizeof(u64));
    u64 number = __atomic_add_fetch(&paging.numbers, 1, __ATOMIC_RELAXED);
    *as = (struct arch_aspace){.root = root, .number = number};
    return OK;
}

void arch_aspace_destroy(struct arch_aspace *as) {
    CHECK(__atomic_load_n(&as->loaded, __ATOMIC_SEQ_CST) == 0);
    for (u32 i = 0; i < UPPER_FIRST; i++)
        CHECK(table_at(as->root)[i] == 0);
    upcall_frame_free((struct phys_addr){as->root});
}

// Makes the top-level entries of the upper half that are ever used: they stay.
static void make_upper_half(void) {
    static const struct {
        u64 base;
        u64 bytes;
    } ranges[] = {
        {DIRECT_MAP_BASE, DIRECT_MAP_BYTES_MAX},
        {MODULES_BASE, 1},
        {MMIO_BASE, MMIO_END - MMIO_BASE},
        {WINDOWS_BASE, 1},
        {CPU_STACKS_BASE, 1},
        {HEAP_BASE, HEAP_BYTES},
        {KERNEL_BASE, 1},
    };
    for (u32 i = 0; i < COUNT_OF(ranges); i++) {
        u64 va = ranges[i].base;
        for (; va - ranges[i].base < ranges[i].bytes; va += 1ull << level_shift(LEVELS - 1)) {
            struct walk walk;
            if (!walk_create(&walk, paging.kernel.root, va, LEVELS - 2))
                boot_fail("too little memory: no room for page tables");
            count_add(&walk, LEVELS - 2, 1); // so it never becomes empty
        }
    }
}

// -- Looking ------------------------------------------------------------------------------------

void arch_mapped_for_each(struct arch_aspace *as, struct virt_range range,
                          void (*visit)(const struct mapped_run *run, void *context),
                          void *context) {
    u64 end = range.start.value + range.bytes;
    for (u64 va = range.start.value; va < end;) {
        struct walk walk;
        walk_find(&walk, as->root, va);
        u64 entry = *walk.entries[walk.level];
        if ((entry & ENTRY_PRESENT) != 0) {
            const struct mapped_run run = {
                .va = {va},
                .frame = {entry & ENTRY_ADDRESS},
                .pages = 1ull << 9 * walk.level,
                .rights = rights_of(entry),
            };
            visit(&run, context);
        }
        va = next_of(va, walk.level);
    }
}

// -- Regions ------------------------------------------------------------------------------------

struct arch_aspace *arch_aspace_kernel(void) {
    return &paging.kernel;
}

struct virt_range arch_slots_region(void) {
    return (struct virt_range){{SLOTS_BASE}, SLOTS_END - SLOTS_BASE};
}

struct virt_range arch_aspace_slots(const struct arch_aspace *) {
    return arch_slots_region();
}

bool arch_aspaces_are_apart(void) {
    return true;
}

struct virt_range arch_code_region(void) {
    return (struct virt_range){{CODE_BASE}, CODE_BYTES};
}

struct virt_range arch_heap_region(void) {
    return (struct virt_range){{HEAP_BASE}, HEAP_BYTES};
}

struct virt_range arch_zone_region(void) {
    return (struct virt_range){{DIRECT_MAP_BASE}, DIRECT_MAP_BYTES_MAX};
}

void *arch_frame_pointer(struct phys_addr frame) {
    ASSERT(frame.value < DIRECT_MAP_BYTES_MAX);
    return (void *)(DIRECT_MAP_BASE + frame.value);
}

struct phys_addr arch_frame_of(const void *pointer) {
    u64 offset = (uptr)pointer - DIRECT_MAP_BASE;
    ASSERT(offset < DIRECT_MAP_BYTES_MAX);
    return (struct phys_addr){offset};
}

// The entry of a 2 MiB page of the direct map.
static u64 *large_entry(u64 phys) {
    struct walk walk;
    walk_start(&walk, paging.kernel.root, DIRECT_MAP_BASE + phys);
    while (walk.level > 1) {
        CHECK((*walk.entries[walk.level] & ENTRY_PRESENT) != 0);
        walk_step(&walk, DIRECT_MAP_BASE + phys);
    }
    return walk.entries[1];
}

void arch_zone_map(struct phys_addr start, u64 bytes) {
    ASSERT(is_aligned(start.value | bytes, ARCH_ZONE_BLOCK_BYTES));
    for (u64 phys = start.value; phys < start.value + bytes; phys += LARGE_BYTES) {
        u64 *entry = large_entry(phys);
        CHECK(*entry == 0);
        *entry = phys | ENTRY_DATA | ENTRY_LARGE | ENTRY_GLOBAL;
    }
}

void arch_zone_unmap(struct phys_addr start, u64 bytes) {
    ASSERT(is_aligned(start.value | bytes, ARCH_ZONE_BLOCK_BYTES));
    for (u64 phys = start.value; phys < start.value + bytes; phys += LARGE_BYTES) {
        u64 *entry = large_entry(phys);
        CHECK((*entry & (ENTRY_PRESENT | ENTRY_LARGE)) == (ENTRY_PRESENT | ENTRY_LARGE));
        *entry = 0;
    }
    invalidate_kernel(&(struct invalidation){DIRECT_MAP_BASE + start.value, bytes / LARGE_BYTES,
                                             LARGE_BYTES, false});
}

static void *device_map(u64 phys, u64 bytes, u64 caching) {
    u64 offset = phys % PAGE_SIZE;
    u64 start = phys - offset;
    u64 end;
    if (bytes == 0 || !add_u64(phys, bytes, &end) || end > ENTRY_ADDRESS)
        return NULL;
    u64 pages = (align_up(end, PAGE_SIZE) - start) / PAGE_SIZE;
    // One page stays unmapped between two devices.
    u64 va = paging.mmio_next;
    if (pages >= (MMIO_END - va) / PAGE_SIZE)
        return NULL;
    if (!map_run(&paging.kernel, va, start, pages, ENTRY_DATA | ENTRY_GLOBAL | caching))
        return NULL;
    paging.mmio_next = va + (pages + 1) * PAGE_SIZE;
    return (void *)(va + offset);
}

void *mmio_map(u64 phys, u64 bytes) {
    void *mapped = device_map(phys, bytes, ENTRY_UNCACHED);
    if (mapped != NULL) {
        u64 start = align_down(phys, PAGE_SIZE);
        CHECK(paging.own_count < OWN_DEVICES_MAX); // a few for each device of ours
        paging.own[paging.own_count++] =
            (struct phys_range){{start}, align_up(phys + bytes, PAGE_SIZE) - start};
    }
    return mapped;
}

bool mmio_is_own(u64 start, u64 end) {
    for (u32 i = 0; i < paging.own_count; i++) {
        const struct phys_range *range = &paging.own[i];
        if (start < range->start.value + range->bytes && end > range->start.value)
            return true;
    }
    return false;
}

void *mmio_map_combining(u64 phys, u64 bytes) {
    return device_map(phys, bytes, ENTRY_COMBINING);
}

// -- The start ----------------------------------------------------------------------------------

// Maps a range for good, with 2 MiB pages where both addresses allow.
static void map_for_good(u64 va, u64 pa, u64 bytes, u64 bits) {
    ASSERT(is_aligned(va | pa | bytes, PAGE_SIZE));
    while (bytes != 0) {
        bool large = is_aligned(va | pa, LARGE_BYTES) && bytes >= LARGE_BYTES;
        u64 step = large ? LARGE_BYTES : PAGE_SIZE;
        u32 level = large ? 1 : 0;
        u64 entry_flags = bits | ENTRY_GLOBAL | (large ? ENTRY_LARGE : 0);
        struct walk walk;
        if (!walk_create(&walk, paging.kernel.root, va, level))
            boot_fail("too little memory: no room for page tables");
        // As many as one table takes; of small pages those before the next large one alone.
        u64 count = min_u64(bytes / step, TABLE_ENTRIES - index_of(va, level));
        for (u64 i = 0; i < count; i++) {
            CHECK(walk.entries[level][i] == 0);
            walk.entries[level][i] = (pa + i * step) | entry_flags;
        }
        count_add(&walk, level, count);
        va += count * step;
        pa += count * step;
        bytes -= count * step;
    }
}

static void map_image(u64 load_distance) {
    const struct {
        const u8 *start;
        const u8 *end;
        u64 bits;
    } parts[] = {
        {text_start, text_end, ENTRY_USED},
        {rodata_start, rodata_end, ENTRY_USED | ENTRY_NO_EXEC},
        {data_start, boot_stack_guard, ENTRY_DATA},
        {boot_stack_guard + PAGE_SIZE, kernel_end, ENTRY_DATA},
    };
    for (u32 i = 0; i < COUNT_OF(parts); i++) {
        u64 va = (uptr)parts[i].start;
        u64 bytes = align_up((u64)(parts[i].end - parts[i].start), PAGE_SIZE);
        map_for_good(va, va - KERNEL_BASE + load_distance, bytes, parts[i].bits);
    }
}

static void map_modules(struct boot_data *data) {
    u64 va = MODULES_BASE;
    for (u32 i = 0; i < data->module_count; i++) {
        const struct boot_module *module = &data->modules[i];
        u64 start = align_down(module->phys, PAGE_SIZE);
        u64 end = align_up(module->phys + module->bytes, PAGE_SIZE);
        va = align_up(va, LARGE_BYTES) + start % LARGE_BYTES;
        map_for_good(va, start, end - start, ENTRY_USED | ENTRY_NO_EXEC);
        data->info.modules[i] =
            (struct bytes){(const u8 *)(va + module->phys - start), module->bytes};
        va += end - start + PAGE_SIZE;
    }
    data->info.module_count = data->module_count;
}

void paging_init(struct boot_data *data, u64 load_distance) {
    static struct range_set usable;
    usable = data->ram; // tables are taken from data->ram meanwhile, and must be mapped as well
    paging.early = &data->ram;
    if (!table_alloc(&paging.kernel.root))
        boot_fail("too little memory: no room for page tables");

    make_upper_half();
    map_image(load_distance);
    for (u32 i = 0; i < usable.count; i++) {
        u64 start = usable.ranges[i].start.value;
        u64 end = min_u64(start + usable.ranges[i].bytes, DIRECT_MAP_BYTES_MAX);
        if (start < end)
            map_for_good(DIRECT_MAP_BASE + start, start, end - start, ENTRY_DATA);
    }
    map_modules(data);
    if (!windows_init(cpu_boot()))
        boot_fail("too little memory: no room for page tables");
    cpu_cr3_write(paging.kernel.root);
}

void paging_early_end(void) {
    paging.early = NULL;
}
