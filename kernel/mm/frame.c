// Page frames: a buddy allocator in two zones.
//
// Physical memory is divided into blocks of 4 MiB, the largest order. A block belongs to one zone
// as a whole, so buddies never have different zones, and a wholly free block can change its zone:
// it is unmapped from the kernel's mapping and given to the programs, or mapped and given to the
// kernel. Bookkeeping exists for blocks that contain RAM only, so holes in the physical address
// space cost sixteen bytes per 4 MiB.
//
// A frame's bookkeeping lies outside of the frame, because frames of the programs' zone are mapped
// nowhere. Allocated frames do not remember how they were allocated: any aligned part of a block
// may be freed, and a double free is found frame by frame.
//
// While a block of the largest order is free as a whole, only its own entry says so, and what its
// frames' entries hold means nothing: they are written when the block is taken. So a start costs
// a few instructions for 4 MiB, and memory that nobody ever used has no books that were touched.
//
// Invariants, checked by frame_check:
//   1. a smaller free run starts with FRAME_FREE and its order, its other frames are
//      FRAME_FREE_TAIL; it is on the list of its zone and order, and its buddy is not free with the
//      same order;
//   2. a block is marked free exactly when all of its frames are; it is then on its zone's list of
//      blocks;
//   3. a block that is not entirely RAM has a fixed zone: the kernel's below the port's limit, the
//      programs' above. It can never be free as a whole, and only such blocks move;
//   4. the counts are right.
// Single frames come from and go to the CPUs' magazines (frame_magazine.c), where they are neither
// used nor free; frame_check empties them.
//
// What is left when memory is short is kept for some: frame_reserve.c says for whom.
//
// On the programs' list of blocks, those that the kernel cannot use come first, so that programs
// take them first and the kernel looks at the last.

#include "kernel/mm/frame.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/frame_internal.h"
#include "kernel/sync/spinlock.h"

#define RUN_ORDERS     FRAME_ORDER_MAX // the orders of runs smaller than a block
#define BLOCK_FRAMES   (1u << FRAME_ORDER_MAX)
#define BLOCK_BYTES    (BLOCK_FRAMES * PAGE_SIZE)
#define NONE           UINT32_MAX
#define FRAME_LIMIT    ((u64)NONE) // frames beyond 16 TiB are not used
#define JUNK           0xfd
#define JUNK_ORDER_MAX 4

STATIC_ASSERT(BLOCK_BYTES == ARCH_ZONE_BLOCK_BYTES, "blocks move between zones whole");

enum frame_state : u8 { FRAME_ABSENT, FRAME_USED, FRAME_IN_MAGAZINE, FRAME_FREE, FRAME_FREE_TAIL };

struct frame {
    u32 next; // frame numbers, circular; FRAME_FREE only. In debug builds FRAME_USED has its owner
              // here
    u32 prev;
    enum frame_state state;
    u8 order; // FRAME_FREE only
};

struct block {
    u32 first_frame; // index into frames.table, or NONE: no RAM here
    u32 next;        // block indices, circular; of a free block only
    u32 prev;
    u16 present; // frames that are ours; BLOCK_FRAMES: the block can move
    enum zone zone : 8;
    bool is_free; // as a whole
};

static struct {
    struct spinlock lock;

    // Fixed after frame_init:
    struct frame *table;
    struct block *blocks;
    u32 first_block;
    u32 block_count;
    u32 kernel_block_end; // blocks below can be in ZONE_KERNEL
    u64 kernel_floor;     // free frames that moving blocks leaves to the kernel

    // Under lock:
    u32 runs[ZONE_COUNT][RUN_ORDERS]; // lists of free runs: a frame number, or NONE
    u32 free_blocks[ZONE_COUNT];      // lists of free blocks: a block index, or NONE
    struct frame_stats stats;

    // Atomic:
    u64 fail_countdown;
} frames;

// -- Finding bookkeeping -----------------------------------------------------------------------

static struct block *block_of(u32 number) {
    return &frames.blocks[number / BLOCK_FRAMES - frames.first_block];
}

static struct frame *frame_at(u32 number) {
    return &frames.table[block_of(number)->first_frame + number % BLOCK_FRAMES];
}

static u32 block_index(const struct block *block) {
    return (u32)(block - frames.blocks);
}

static u32 first_number(const struct block *block) {
    return (frames.first_block + block_index(block)) * BLOCK_FRAMES;
}

static u32 number_of(struct phys_addr frame) {
    return (u32)(frame.value >> PAGE_SHIFT);
}

static struct phys_addr address_of(u32 number) {
    return (struct phys_addr){(u64)number << PAGE_SHIFT};
}

// Whether the frame has bookkeeping; then all of its block has.
static bool is_known(struct phys_addr frame) {
    u64 block = frame.value / BLOCK_BYTES;
    return block >= frames.first_block && block - frames.first_block < frames.block_count &&
           frames.blocks[block - frames.first_block].first_frame != NONE;
}

// -- Lists of runs -----------------------------------------------------------------------------

static void run_insert(u32 number, u32 order) {
    struct frame *frame = frame_at(number);
    u32 *list = &frames.runs[block_of(number)->zone][order];
    frame->state = FRAME_FREE;
    frame->order = (u8)order;
    if (*list == NONE) {
        frame->next = frame->prev = number;
    } else {
        struct frame *first = frame_at(*list);
        frame->next = *list;
        frame->prev = first->prev;
        frame_at(first->prev)->next = number;
        first->prev = number;
    }
    *list = number; // in front
}

static void run_take(u32 number) {
    struct frame *frame = frame_at(number);
    ASSERT(frame->state == FRAME_FREE);
    u32 *list = &frames.runs[block_of(number)->zone][frame->order];
    ASSERT(frame_at(frame->next)->prev == number);
    ASSERT(frame_at(frame->prev)->next == number);

    if (*list == number)
        *list = frame->next == number ? NONE : frame->next;
    frame_at(frame->next)->prev = frame->prev;
    frame_at(frame->prev)->next = frame->next;
    frame->state = FRAME_FREE_TAIL;
}

// A run lies in one block, so its frames' bookkeeping is contiguous.
static void run_set_state(u32 number, u32 order, enum frame_state state) {
    struct frame *first = frame_at(number);
    for (u32 i = 0; i < 1u << order; i++)
        first[i].state = state;
}

// -- Lists of blocks ---------------------------------------------------------------------------

static bool kernel_can_use(const struct block *block) {
    return frames.first_block + block_index(block) < frames.kernel_block_end;
}

static void block_insert(struct block *block) {
    u32 index = block_index(block);
    u32 *list = &frames.free_blocks[block->zone];
    block->is_free = true;
    if (*list == NONE) {
        block->next = block->prev = index;
        *list = index;
        return;
    }
    struct block *first = &frames.blocks[*list];
    block->next = *list;
    block->prev = first->prev;
    frames.blocks[first->prev].next = index;
    first->prev = index;
    if (!kernel_can_use(block))
        *list = index; // in front
}

static void block_take(struct block *block) {
    ASSERT(block->is_free);
    u32 index = block_index(block);
    u32 *list = &frames.free_blocks[block->zone];
    if (*list == index)
        *list = block->next == index ? NONE : block->next;
    frames.blocks[block->next].prev = block->prev;
    frames.blocks[block->prev].next = block->next;
    block->is_free = false;
}

// -- Buddies -----------------------------------------------------------------------------------

// Makes a run that is no longer used free, joined with its free buddies.
static void release_locked(u32 number, u32 order) {
    if (order < FRAME_ORDER_MAX)
        run_set_state(number, order, FRAME_FREE_TAIL);
    frames.stats.free[block_of(number)->zone] += 1u << order;

    while (order < FRAME_ORDER_MAX) {
        u32 buddy = number ^ (1u << order);
        const struct frame *other = frame_at(buddy);
        // Atomic: its owner, if it has one, may be putting it into a magazine.
        if (__atomic_load_n(&other->state, __ATOMIC_RELAXED) != FRAME_FREE || other->order != order)
            break;
        run_take(buddy);
        number &= ~(1u << order);
        order++;
    }
    if (order == FRAME_ORDER_MAX)
        block_insert(block_of(number));
    else
        run_insert(number, order);
}

// Takes a run of `order` or the next larger one there is; *have is its order. What is smaller than
// a block has FRAME_FREE_TAIL throughout; of a block nothing is said.
static bool take_larger_locked(enum zone zone, u32 order, u32 *have, u32 *number) {
    for (*have = order; *have < FRAME_ORDER_MAX; *have += 1) {
        *number = frames.runs[zone][*have];
        if (*number != NONE) {
            run_take(*number);
            return true;
        }
    }
    if (frames.free_blocks[zone] == NONE)
        return false;
    struct block *block = &frames.blocks[frames.free_blocks[zone]];
    block_take(block);
    *number = first_number(block);
    return true;
}

static bool take_locked(enum zone zone, u32 order, u32 *out) {
    u32 have;
    u32 number;
    if (!take_larger_locked(zone, order, &have, &number))
        return false;
    if (have == FRAME_ORDER_MAX && order < FRAME_ORDER_MAX)
        run_set_state(number, have, FRAME_FREE_TAIL);
    while (have > order) {
        have--;
        run_insert(number + (1u << have), have);
    }
    run_set_state(number, order, FRAME_USED);
    frames.stats.free[zone] -= 1u << order;
    *out = number;
    return true;
}

// -- Zones -------------------------------------------------------------------------------------

static void block_change_zone_locked(struct block *block, enum zone to) {
    enum zone from = block->zone;
    ASSERT(block->present == BLOCK_FRAMES);

    block_take(block);
    if (to == ZONE_KERNEL)
        arch_zone_map(address_of(first_number(block)), BLOCK_BYTES);
    else
        arch_zone_unmap(address_of(first_number(block)), BLOCK_BYTES);
    block->zone = to;
    frames.stats.total[from] -= BLOCK_FRAMES;
    frames.stats.free[from] -= BLOCK_FRAMES;
    frames.stats.total[to] += BLOCK_FRAMES;
    frames.stats.free[to] += BLOCK_FRAMES;
    block_insert(block);
}

// Moves a free block into `zone` from the other; false when there is none to spare.
static bool zone_refill_locked(enum zone zone, enum frame_asker asker) {
    enum zone from = zone == ZONE_KERNEL ? ZONE_PROGRAM : ZONE_KERNEL;
    u32 first = frames.free_blocks[from];
    if (first == NONE)
        return false;
    struct block *last = &frames.blocks[frames.blocks[first].prev];
    if (zone == ZONE_KERNEL &&
        (!kernel_can_use(last) ||
         frames.stats.free[from] < BLOCK_FRAMES + frame_reserve_mark_locked(from, asker)))
        return false;
    if (zone == ZONE_PROGRAM && frames.stats.free[ZONE_KERNEL] < BLOCK_FRAMES + frames.kernel_floor)
        return false;
    block_change_zone_locked(last, zone);
    return true;
}

// -- Allocation --------------------------------------------------------------------------------

// For tests, which run on one CPU.
bool frame_failure_is_injected(void) {
    u64 countdown = __atomic_load_n(&frames.fail_countdown, __ATOMIC_RELAXED);
    if (countdown == 0)
        return false;
    __atomic_store_n(&frames.fail_countdown, countdown - 1, __ATOMIC_RELAXED);
    return countdown == 1;
}

// Makes `count` frames of the zone free beyond what is kept from who asks.
static bool have_locked(enum zone zone, u64 count, enum frame_asker asker) {
    while (frames.stats.free[zone] < count + frame_reserve_mark_locked(zone, asker)) {
        if (!zone_refill_locked(zone, asker))
            return false;
    }
    return true;
}

static bool take_or_refill_locked(enum zone zone, u32 order, enum frame_need need, u32 *number) {
    u64 count = 1ull << order;
    bool is_plenty =
        frames.stats.free[zone] >= count + frame_reserve_mark_locked(zone, ASKER_PROGRAM);
    enum frame_asker asker = is_plenty ? ASKER_PROGRAM : frame_reserve_asker(need);
    bool found = (is_plenty || have_locked(zone, count, asker)) &&
                 (take_locked(zone, order, number) ||
                  (zone_refill_locked(zone, asker) && take_locked(zone, order, number)));
    frame_reserve_look_locked(frames.stats.free);
    return found;
}

static bool take(enum zone zone, u32 order, enum frame_need need, u32 *number) {
    spin_lock(&frames.lock);
    bool found = take_or_refill_locked(zone, order, need, number);
    spin_unlock(&frames.lock);
    return found;
}

bool frame_have(u64 count, enum frame_asker asker, void (*then_locked)(u64 count)) {
    spin_lock(&frames.lock);
    bool is_there = have_locked(ZONE_PROGRAM, count, asker);
    if (is_there && then_locked != NULL)
        then_locked(count);
    frame_reserve_look_locked(frames.stats.free);
    spin_unlock(&frames.lock);
    return is_there;
}

void frame_change_promises(void (*change_locked)(u64 count), u64 count) {
    spin_lock(&frames.lock);
    change_locked(count);
    frame_reserve_look_locked(frames.stats.free);
    spin_unlock(&frames.lock);
}

// Marks a frame that goes into a magazine or comes out. The exchange finds two CPUs that free it at
// the same time; it orders nothing.
static void state_change(u32 number, enum frame_state from, enum frame_state to) {
    CHECK(__atomic_exchange_n(&frame_at(number)->state, to, __ATOMIC_RELAXED) == from);
}

u32 frame_take_many(enum zone zone, enum frame_need need, u32 count, u32 *numbers) {
    u32 taken = 0;
    spin_lock(&frames.lock);
    while (taken < count && take_or_refill_locked(zone, 0, need, &numbers[taken])) {
        state_change(numbers[taken++], FRAME_USED, FRAME_IN_MAGAZINE);
        if (frame_is_scarce(zone))
            break; // what is kept for somebody must not lie where others find it
    }
    spin_unlock(&frames.lock);
    return taken;
}

void frame_give_many(const u32 *numbers, u32 count) {
    spin_lock(&frames.lock);
    for (u32 i = 0; i < count; i++) {
        state_change(numbers[i], FRAME_IN_MAGAZINE, FRAME_USED);
        release_locked(numbers[i], 0);
    }
    frame_reserve_look_locked(frames.stats.free);
    spin_unlock(&frames.lock);
}

static bool alloc(enum zone zone, u32 order, enum frame_need need, u32 *number) {
    if (order == 0 && frame_magazine_take(zone, need, number)) {
        state_change(*number, FRAME_IN_MAGAZINE, FRAME_USED);
        return true;
    }
    bool found = order != 0 && take(zone, order, need, number);
    if (!found) {
        // What the magazines keep may be what is missing, or keeps blocks from joining.
        frame_magazines_drain();
        found = take(zone, order, need, number);
    }
    if (found)
        frame_count_taken(1ull << order);
    return found;
}

enum status frame_alloc_for(enum frame_need need, enum zone zone, u32 order,
                            struct phys_addr *out) {
    ASSERT(zone < ZONE_COUNT);
    ASSERT(order <= FRAME_ORDER_MAX);

    u32 number;
    if (frame_failure_is_injected() || !alloc(zone, order, need, &number))
        return ERR_NO_MEMORY;
    *out = address_of(number);
    frame_set_owner(*out, 1ull << order, 0);
    return OK;
}

// Who has a frame owns its entry, so no lock is needed; atomic for frame_check_owner.
void frame_set_owner(UNUSED struct phys_addr frame, UNUSED u64 pages, UNUSED u32 owner) {
#ifndef NDEBUG
    for (u64 i = 0; i < pages; i++)
        __atomic_store_n(&frame_at(number_of(frame) + (u32)i)->next, owner, __ATOMIC_RELAXED);
#endif
}

void frame_check_owner(UNUSED struct phys_addr frame, UNUSED u32 owner) {
#ifndef NDEBUG
    ASSERT(is_known(frame));
    const struct frame *entry = frame_at(number_of(frame));
    ASSERT(__atomic_load_n(&entry->state, __ATOMIC_RELAXED) == FRAME_USED);
    ASSERT(__atomic_load_n(&entry->next, __ATOMIC_RELAXED) == owner);
    ASSERT(block_of(number_of(frame))->zone == ZONE_PROGRAM);
#endif
}

// Debug builds overwrite what the kernel frees, so that a use after free shows. Large blocks only
// at their start: this runs with the caller's locks held.
static void fill_with_junk(UNUSED struct phys_addr frame, UNUSED u32 order) {
#ifndef NDEBUG
    if (block_of(number_of(frame))->zone == ZONE_KERNEL)
        memset(arch_frame_pointer(frame), JUNK,
               PAGE_SIZE << (order < JUNK_ORDER_MAX ? order : JUNK_ORDER_MAX));
#endif
}

void frame_free(struct phys_addr frame, u32 order) {
    CHECK(order <= FRAME_ORDER_MAX);
    CHECK(is_aligned(frame.value, PAGE_SIZE << order));
    CHECK(is_known(frame));

    // The run is the caller's until it is released, so its zone does not change.
    fill_with_junk(frame, order);

    u32 number = number_of(frame);
    CHECK(!block_of(number)->is_free); // and it stays so as long as the caller has a frame of it
    if (order == 0) {
        state_change(number, FRAME_USED, FRAME_IN_MAGAZINE);
        frame_magazine_put(block_of(number)->zone, number);
        return;
    }
    spin_lock(&frames.lock);
    const struct frame *first = frame_at(number); // the others follow, as in run_set_state
    for (u32 i = 0; i < 1u << order; i++)
        CHECK(first[i].state == FRAME_USED);
    release_locked(number, order);
    frame_reserve_look_locked(frames.stats.free);
    spin_unlock(&frames.lock);
    frame_count_freed(1ull << order);
}

void frame_stats(struct frame_stats *out) {
    spin_lock(&frames.lock);
    *out = frames.stats;
    spin_unlock(&frames.lock);
    frame_magazines_count(out->free);
}

void frame_fail_nth(u64 n) {
    __atomic_store_n(&frames.fail_countdown, n, __ATOMIC_RELAXED);
}

// -- Start -------------------------------------------------------------------------------------

struct run {
    u64 start; // frame numbers
    u64 end;
};

struct runs {
    u32 count;
    struct run runs[2 * BOOT_RANGES_MAX];
};

static void runs_add(struct runs *runs, u64 start, u64 end) {
    if (start < end)
        runs->runs[runs->count++] = (struct run){start, end};
}

// The free ranges in frames, each divided at the kernel's limit. The part above the limit of the
// block that the limit cuts is left out, so that every block has one zone.
static void runs_collect(struct runs *runs, const struct boot_info *boot) {
    u64 limit = min_u64(boot->kernel_zone_limit >> PAGE_SHIFT, FRAME_LIMIT);
    u64 above = align_up(limit, BLOCK_FRAMES);
    for (u32 i = 0; i < boot->free_count; i++) {
        const struct phys_range *range = &boot->free[i];
        u64 end_byte;
        if (!add_u64(range->start.value, range->bytes, &end_byte))
            continue;
        u64 start = (range->start.value >> PAGE_SHIFT) + !is_aligned(range->start.value, PAGE_SIZE);
        u64 end = min_u64(end_byte >> PAGE_SHIFT, FRAME_LIMIT);
        runs_add(runs, start, min_u64(end, limit));
        runs_add(runs, max_u64(start, above), end);
    }
}

// The same frame twice would be given to two owners.
static void runs_check(const struct runs *runs) {
    for (u32 i = 0; i < runs->count; i++) {
        for (u32 k = 0; k < i; k++)
            CHECK(runs->runs[i].end <= runs->runs[k].start ||
                  runs->runs[k].end <= runs->runs[i].start);
    }
}

static void blocks_measure(const struct runs *runs) {
    u64 low = FRAME_LIMIT;
    u64 high = 0;
    for (u32 i = 0; i < runs->count; i++) {
        low = min_u64(low, runs->runs[i].start);
        high = max_u64(high, runs->runs[i].end);
    }
    frames.first_block = (u32)(low / BLOCK_FRAMES);
    frames.block_count = (u32)(align_up(high, BLOCK_FRAMES) / BLOCK_FRAMES) - frames.first_block;
}

// Takes the bookkeeping from the start of the first run of the kernel's that can hold it.
static enum status bookkeeping_place(struct runs *runs) {
    u64 tables = 0; // blocks with RAM; one that two runs share counts twice
    for (u32 i = 0; i < runs->count; i++)
        tables += (runs->runs[i].end - 1) / BLOCK_FRAMES - runs->runs[i].start / BLOCK_FRAMES + 1;

    u64 blocks_bytes = align_up(frames.block_count * sizeof(struct block), PAGE_SIZE);
    u64 bytes = blocks_bytes + tables * BLOCK_FRAMES * sizeof(struct frame);
    u64 pages = align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT;
    for (u32 i = 0; i < runs->count; i++) {
        struct run *run = &runs->runs[i];
        if (run->end - run->start < pages || run->start / BLOCK_FRAMES >= frames.kernel_block_end)
            continue;
        u8 *memory = arch_frame_pointer(address_of((u32)run->start));
        memset(memory, 0, blocks_bytes);
        frames.blocks = (struct block *)memory;
        frames.table = (struct frame *)(memory + blocks_bytes);
        run->start += pages;
        return OK;
    }
    return ERR_NO_MEMORY;
}

// Marks the frames [first, end) of a block as ours. A block that is all ours is not written frame
// by frame: its own entry will say that it is free.
static void block_mark(struct block *block, u32 first, u32 end, u32 *next_table) {
    bool is_new = block->first_frame == NONE;
    if (is_new) {
        block->first_frame = *next_table;
        *next_table += BLOCK_FRAMES;
    }
    block->present += (u16)(end - first);
    if (end - first == BLOCK_FRAMES)
        return;

    struct frame *table = &frames.table[block->first_frame];
    if (is_new)
        memset(table, 0, BLOCK_FRAMES * sizeof *table); // FRAME_ABSENT
    for (u32 i = first; i < end; i++)
        table[i].state = FRAME_USED;
}

static void blocks_mark(const struct runs *runs) {
    for (u32 i = 0; i < frames.block_count; i++)
        frames.blocks[i].first_frame = NONE;

    u32 next_table = 0;
    for (u32 i = 0; i < runs->count; i++) {
        u64 at = runs->runs[i].start;
        while (at < runs->runs[i].end) {
            u64 block_start = align_down(at, BLOCK_FRAMES);
            u64 end = min_u64(runs->runs[i].end, block_start + BLOCK_FRAMES);
            struct block *block = block_of((u32)at);
            block_mark(block, (u32)(at - block_start), (u32)(end - block_start), &next_table);
            at = end;
        }
    }
}

// The zone that block `index` cannot leave or starts in. The kernel starts with a modest share of
// the lowest blocks; what it lacks or spares later moves on demand.
static enum zone block_first_zone(u32 index, u64 kernel_share) {
    const struct block *block = &frames.blocks[index];
    if (frames.first_block + index >= frames.kernel_block_end)
        return ZONE_PROGRAM;
    if (block->present != BLOCK_FRAMES || frames.stats.total[ZONE_KERNEL] < kernel_share)
        return ZONE_KERNEL;
    return ZONE_PROGRAM;
}

// The largest aligned run of FRAME_USED that starts at frame `at` of the block, as an order.
static u32 used_order(const struct frame *table, u32 at) {
    u32 order = 0;
    u32 len = 1; // known to be used
    while (order + 1 < FRAME_ORDER_MAX && is_aligned(at, 2ull << order)) {
        while (len < 2u << order && table[at + len].state == FRAME_USED)
            len++;
        if (len < 2u << order)
            break;
        order++;
    }
    return order;
}

static void block_release(struct block *block) {
    u32 first = first_number(block);
    frames.stats.total[block->zone] += block->present;
    if (block->present == BLOCK_FRAMES) {
        release_locked(first, FRAME_ORDER_MAX);
        return;
    }
    const struct frame *table = frame_at(first);
    for (u32 at = 0; at < BLOCK_FRAMES;) {
        bool is_ours = table[at].state == FRAME_USED;
        u32 order = is_ours ? used_order(table, at) : 0;
        if (is_ours)
            release_locked(first + at, order);
        at += 1u << order;
    }
}

static void blocks_release(u64 kernel_share) {
    // Blocks with ragged edges are the kernel's whatever happens, so they are counted first.
    for (u32 pass = 0; pass < 2; pass++) {
        for (u32 i = 0; i < frames.block_count; i++) {
            struct block *block = &frames.blocks[i];
            bool whole = block->present == BLOCK_FRAMES;
            if (block->present == 0 || whole != (pass == 1))
                continue;
            block->zone = block_first_zone(i, kernel_share);
            block_release(block);
        }
    }

    // The port has mapped every free range below the limit: unmap what the programs start with.
    for (u32 i = 0, end = 0; i < frames.block_count; i = end + 1) {
        for (end = i; end < frames.block_count; end++) {
            const struct block *block = &frames.blocks[end];
            if (block->present != BLOCK_FRAMES || block->zone != ZONE_PROGRAM ||
                frames.first_block + end >= frames.kernel_block_end)
                break;
        }
        if (end != i)
            arch_zone_unmap(address_of((frames.first_block + i) * BLOCK_FRAMES),
                            (end - i) * BLOCK_BYTES);
    }
}

enum status frame_init(const struct boot_info *boot) {
    struct runs runs = {0};
    memset(&frames, 0, sizeof frames);
    spin_init(&frames.lock, LOCK_FRAMES, "frames");
    frame_magazines_init();
    memset(frames.runs, 0xff, sizeof frames.runs); // NONE
    memset(frames.free_blocks, 0xff, sizeof frames.free_blocks);
    runs_collect(&runs, boot);
    runs_check(&runs);
    if (runs.count == 0)
        return ERR_NO_MEMORY;

    u64 limit = min_u64(boot->kernel_zone_limit >> PAGE_SHIFT, FRAME_LIMIT);
    frames.kernel_block_end = (u32)(align_up(limit, BLOCK_FRAMES) / BLOCK_FRAMES);
    blocks_measure(&runs);
    enum status status = bookkeeping_place(&runs);
    if (status != OK)
        return status;
    blocks_mark(&runs);

    u64 ram = 0;
    for (u32 i = 0; i < frames.block_count; i++)
        ram += frames.blocks[i].present;
    u64 share = min_u64(max_u64(ram / 8, 4 * MIB >> PAGE_SHIFT), 256 * MIB >> PAGE_SHIFT);
    frames.kernel_floor = min_u64(ram / 64, 8 * MIB >> PAGE_SHIFT);
    frame_reserve_init(ram);
    blocks_release(share);
    return OK;
}

// -- Checking ----------------------------------------------------------------------------------

// What is counted by hand, to be compared with the lists and the statistics.
struct counts {
    u64 runs[ZONE_COUNT][RUN_ORDERS];
    u64 blocks[ZONE_COUNT];
    u64 free[ZONE_COUNT]; // frames
    u64 total[ZONE_COUNT];
};

// Frames come into magazines, and out of them, without the lock.
static enum frame_state state_now(const struct frame *frame) {
    return __atomic_load_n(&frame->state, __ATOMIC_RELAXED);
}

// A free run that starts at frame `at` of the block.
static void run_check(const struct block *block, u32 at) {
    u32 first = first_number(block);
    const struct frame *frame = frame_at(first + at);
    u32 order = frame->order;
    ASSERT(order < FRAME_ORDER_MAX);
    ASSERT(is_aligned(at, 1u << order));
    for (u32 tail = 1; tail < 1u << order; tail++)
        ASSERT(frame_at(first + at + tail)->state == FRAME_FREE_TAIL);
    const struct frame *buddy = frame_at(first + (at ^ (1u << order)));
    ASSERT(state_now(buddy) != FRAME_FREE || buddy->order != order);
    ASSERT(frame_at(frame->next)->prev == first + at);
    ASSERT(frame_at(frame->prev)->next == first + at);
}

static void block_check(const struct block *block, struct counts *counts) {
    u32 present = 0;
    counts->total[block->zone] += block->present;
    if (block->is_free) {
        ASSERT(block->present == BLOCK_FRAMES);
        counts->blocks[block->zone]++;
        counts->free[block->zone] += BLOCK_FRAMES;
        return;
    }
    const struct frame *table = frame_at(first_number(block));
    for (u32 i = 0; i < BLOCK_FRAMES;) {
        enum frame_state state = state_now(&table[i]);
        if (state != FRAME_FREE) {
            ASSERT(state != FRAME_FREE_TAIL); // belongs behind a FRAME_FREE
            present += state != FRAME_ABSENT;
            i++;
            continue;
        }
        run_check(block, i);
        u32 run = 1u << table[i].order;
        counts->runs[block->zone][table[i].order]++;
        counts->free[block->zone] += run;
        present += run;
        i += run;
    }
    ASSERT(present == block->present);
}

static u64 run_list_length(enum zone zone, u32 order) {
    u32 first = frames.runs[zone][order];
    u64 length = 0;
    for (u32 at = first; at != NONE && (length == 0 || at != first); at = frame_at(at)->next) {
        ASSERT(frame_at(at)->state == FRAME_FREE);
        ASSERT(frame_at(at)->order == order);
        ASSERT(block_of(at)->zone == zone && !block_of(at)->is_free);
        length++;
    }
    return length;
}

static u64 block_list_length(enum zone zone) {
    u32 first = frames.free_blocks[zone];
    u64 length = 0;
    for (u32 at = first; at != NONE && (length == 0 || at != first); at = frames.blocks[at].next) {
        ASSERT(frames.blocks[at].is_free && frames.blocks[at].zone == zone);
        ASSERT(frames.blocks[frames.blocks[at].next].prev == at);
        length++;
    }
    return length;
}

// What is mapped for everybody is the kernel's.
static void zone_run_check(const struct mapped_run *run, void *) {
    for (u64 i = 0; i < run->pages; i++) {
        struct phys_addr frame = {run->frame.value + i * PAGE_SIZE};
        ASSERT(!is_known(frame) || block_of(number_of(frame))->zone == ZONE_KERNEL);
    }
}

void frame_check(void) {
    struct counts counts = {0};

    frame_magazines_drain();
    spin_lock(&frames.lock);
    for (u32 i = 0; i < frames.block_count; i++) {
        const struct block *block = &frames.blocks[i];
        if (block->first_frame == NONE)
            continue;
        ASSERT(block->zone == ZONE_PROGRAM || frames.first_block + i < frames.kernel_block_end);
        block_check(block, &counts);
    }
    for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
        ASSERT(counts.total[zone] == frames.stats.total[zone]);
        ASSERT(counts.free[zone] == frames.stats.free[zone]);
        u64 length = block_list_length((enum zone)zone);
        ASSERT(length == counts.blocks[zone]);
        for (u32 order = 0; order < RUN_ORDERS; order++) {
            length = run_list_length((enum zone)zone, order);
            ASSERT(length == counts.runs[zone][order]);
        }
    }
    arch_mapped_for_each(arch_aspace_kernel(), arch_zone_region(), zone_run_check, NULL);
    spin_unlock(&frames.lock);
}
