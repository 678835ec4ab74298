// Units of 64 KiB: each is one block, or full of smaller blocks of one size, or free. A head before
// them says for each unit which, and has the tags of blocks that are whole units; smaller blocks
// have theirs before them.
//
// What the next process relies on changes by single stores, in order: a unit gets its size of
// blocks when all their tags are 0, and loses it when they are again.

#include "user/services/tmpfs/stock.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC       0x314b434f54534b57ull // "WKSTOCK1"
#define LEAST_BYTES 64u
#define WHOLE_UNIT  1u // in place of a size of blocks

struct stock_unit {
    struct stock_tag tag; // of a block that is the whole unit
    u32 block_bytes;      // 0: free; WHOLE_UNIT; or of each block, with its tag
    u32 padding[3];
};

// What stock_replace is about.
struct stock_change {
    u32 is_due;
    u32 made;
    u32 kind;
    u32 gone[2];
};

struct stock_head {
    u64 magic;
    u64 size;
    u32 root;
    struct stock_change change;
};

struct stock_state {
    u32 next; // in a list of units; 0: the last
    u32 previous;
    u32 free_block; // number + 1 of a block; the next one is the first word of its bytes
    u32 used;
};

// -- Stores in order ------------------------------------------------------------------------------

// What was stored before is there when this is: whoever is killed has done the one before the
// other.
static void store(u32 *at, u32 value) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

// -- Places ---------------------------------------------------------------------------------------

static u8 *unit_start(const struct stock *stock, u32 unit) {
    return stock->source.base + (u64)unit * STOCK_UNIT_BYTES;
}

u32 stock_place(const struct stock *stock, const void *block) {
    return (u32)((const u8 *)block - stock->source.base);
}

static u32 unit_of(const struct stock *stock, const void *block) {
    return stock_place(stock, block) / STOCK_UNIT_BYTES;
}

static u32 blocks_in(u32 block_bytes) {
    return block_bytes == WHOLE_UNIT ? 1 : STOCK_UNIT_BYTES / block_bytes;
}

// Block `number` of a unit that has blocks.
static void *block_in(const struct stock *stock, u32 unit, u32 number) {
    u32 bytes = stock->units[unit].block_bytes;
    u8 *start = unit_start(stock, unit);
    return bytes == WHOLE_UNIT ? start : start + (u64)number * bytes + sizeof(struct stock_tag);
}

static u32 number_in(const struct stock *stock, u32 unit, const void *block) {
    u32 bytes = stock->units[unit].block_bytes;
    u32 offset = stock_place(stock, block) % STOCK_UNIT_BYTES;
    return bytes == WHOLE_UNIT ? 0 : offset / bytes;
}

struct stock_tag *stock_tag(const struct stock *stock, const void *block) {
    struct stock_unit *unit = &stock->units[unit_of(stock, block)];
    if (unit->block_bytes == WHOLE_UNIT)
        return &unit->tag;
    return (struct stock_tag *)(uptr)((const u8 *)block - sizeof(struct stock_tag));
}

u32 stock_room(const struct stock *stock, const void *block) {
    u32 bytes = stock->units[unit_of(stock, block)].block_bytes;
    return bytes == WHOLE_UNIT ? STOCK_UNIT_BYTES : bytes - (u32)sizeof(struct stock_tag);
}

void *stock_at(const struct stock *stock, u32 place, u32 kind) {
    u32 unit = place / STOCK_UNIT_BYTES;
    if (unit < stock->first_unit || unit >= stock->unit_count ||
        stock->units[unit].block_bytes == 0)
        return NULL;
    u8 *block = stock->source.base + place;
    u32 number = number_in(stock, unit, block);
    bool is_block = number < blocks_in(stock->units[unit].block_bytes) &&
                    block_in(stock, unit, number) == block;
    return is_block && stock_tag(stock, block)->kind == kind ? block : NULL;
}

void *stock_next(const struct stock *stock, const void *block) {
    u32 unit = block == NULL ? stock->first_unit : unit_of(stock, block);
    u32 number = 0;
    if (block != NULL && stock->units[unit].block_bytes == 0)
        unit++; // it was freed meanwhile, with the last block of its unit
    else if (block != NULL)
        number = number_in(stock, unit, block) + 1;
    for (; unit < stock->unit_count; unit++, number = 0) {
        u32 bytes = stock->units[unit].block_bytes;
        for (; bytes != 0 && number < blocks_in(bytes); number++) {
            void *found = block_in(stock, unit, number);
            if (stock_tag(stock, found)->kind != 0)
                return found;
        }
    }
    return NULL;
}

// -- Lists of units -------------------------------------------------------------------------------

static u32 class_of(u32 block_bytes) {
    u32 class = 0;
    while (LEAST_BYTES << class < block_bytes)
        class ++;
    return class;
}

// The list for a unit that has room.
static u32 *list_of(struct stock *stock, u32 unit) {
    u32 bytes = stock->units[unit].block_bytes;
    return bytes == 0 ? &stock->free_unit : &stock->partly[class_of(bytes)];
}

static void list_put(struct stock *stock, u32 *list, u32 unit) {
    stock->states[unit].next = *list;
    stock->states[unit].previous = 0;
    if (*list != 0)
        stock->states[*list].previous = unit;
    *list = unit;
}

static void list_drop(struct stock *stock, u32 *list, u32 unit) {
    const struct stock_state *state = &stock->states[unit];
    if (state->previous != 0)
        stock->states[state->previous].next = state->next;
    else
        *list = state->next;
    if (state->next != 0)
        stock->states[state->next].previous = state->previous;
}

// -- Opening --------------------------------------------------------------------------------------

static u64 head_bytes(u64 size) {
    u64 bytes = sizeof(struct stock_head) + size / STOCK_UNIT_BYTES * sizeof(struct stock_unit);
    return (bytes + STOCK_UNIT_BYTES - 1) / STOCK_UNIT_BYTES * STOCK_UNIT_BYTES;
}

u64 stock_size_for(u64 bytes) {
    u64 units = (bytes + bytes / 8) / STOCK_UNIT_BYTES + 2 * STOCK_CLASSES;
    u64 size = units * STOCK_UNIT_BYTES;
    return size + head_bytes(size + head_bytes(size));
}

static bool get_more(struct stock *stock) {
    u64 ready = stock->source.ready;
    if (ready == stock->source.size || stock->source.more == NULL ||
        !stock->source.more(stock->source.context, stock->source.ready, &ready))
        return false;
    stock->source.ready = ready;
    u32 count = (u32)(ready / STOCK_UNIT_BYTES);
    for (u32 unit = stock->unit_count; unit < count; unit++) {
        if (unit >= stock->first_unit)
            list_put(stock, &stock->free_unit, unit);
    }
    stock->unit_count = count;
    return true;
}

static void finish_change(struct stock *stock) {
    struct stock_change *change = &stock->head->change;
    stock_tag(stock, stock->source.base + change->made)->kind = change->kind;
    for (u32 i = 0; i < COUNT_OF(change->gone); i++) {
        if (change->gone[i] != 0)
            stock_tag(stock, stock->source.base + change->gone[i])->kind = 0;
    }
    store(&change->is_due, 0);
}

enum status stock_open(struct stock *stock, const struct stock_source *source, bool *is_new) {
    *stock = (struct stock){.source = *source};
    stock->head = (struct stock_head *)(void *)source->base;
    stock->units = (struct stock_unit *)(void *)(source->base + sizeof *stock->head);
    stock->first_unit = (u32)(head_bytes(source->size) / STOCK_UNIT_BYTES);
    stock->states = calloc(source->size / STOCK_UNIT_BYTES, sizeof *stock->states);
    if (stock->states == NULL)
        return ERR_NO_MEMORY;
    *is_new = source->ready == 0;
    stock->unit_count = (u32)(source->ready / STOCK_UNIT_BYTES);
    while (stock->unit_count <= stock->first_unit) {
        if (!get_more(stock))
            return ERR_NO_MEMORY;
    }
    *is_new |= stock->head->magic == 0; // killed before it was anything
    if (*is_new) {
        stock->head->size = source->size;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        stock->head->magic = MAGIC;
        stock_settle(stock);
        return OK;
    }
    if (stock->head->magic != MAGIC || stock->head->size != source->size)
        return ERR_INVALID;
    if (stock->head->change.is_due != 0)
        finish_change(stock);
    return OK;
}

static void settle_unit(struct stock *stock, u32 unit) {
    struct stock_state *state = &stock->states[unit];
    u32 bytes = stock->units[unit].block_bytes;
    *state = (struct stock_state){0};
    for (u32 i = bytes == 0 ? 0 : blocks_in(bytes); i != 0; i--) {
        u32 *block = block_in(stock, unit, i - 1);
        if (stock_tag(stock, block)->kind != 0) {
            state->used++;
        } else {
            *block = state->free_block;
            state->free_block = i;
        }
    }
    if (state->used == 0)
        store(&stock->units[unit].block_bytes, 0);
    if (state->used == 0 || state->free_block != 0)
        list_put(stock, list_of(stock, unit), unit);
}

void stock_settle(struct stock *stock) {
    stock->is_settled = true;
    stock->free_unit = 0;
    memset(stock->partly, 0, sizeof stock->partly);
    for (u32 unit = stock->unit_count; unit > stock->first_unit; unit--)
        settle_unit(stock, unit - 1);
}

u32 stock_root(const struct stock *stock) {
    return stock->head->root;
}

void stock_set_root(struct stock *stock, u32 place) {
    store(&stock->head->root, place);
}

// -- Blocks ---------------------------------------------------------------------------------------

// Makes a free unit one of blocks of this size; 0: there is none.
static u32 unit_prepare(struct stock *stock, u32 block_bytes) {
    if (stock->free_unit == 0 && !get_more(stock))
        return 0;
    u32 unit = stock->free_unit;
    struct stock_state *state = &stock->states[unit];
    list_drop(stock, &stock->free_unit, unit);
    stock->units[unit].tag = (struct stock_tag){0};
    *state = (struct stock_state){0};
    u8 *start = unit_start(stock, unit);
    for (u32 i = blocks_in(block_bytes); block_bytes != WHOLE_UNIT && i != 0; i--) {
        struct stock_tag *tag = (struct stock_tag *)(void *)(start + (u64)(i - 1) * block_bytes);
        *tag = (struct stock_tag){0};
        *(u32 *)(void *)(tag + 1) = state->free_block;
        state->free_block = i;
    }
    store(&stock->units[unit].block_bytes, block_bytes);
    return unit;
}

static void *take_block(struct stock *stock, u32 unit) {
    struct stock_state *state = &stock->states[unit];
    u32 *block = block_in(stock, unit, state->free_block - 1);
    state->free_block = *block;
    state->used++;
    if (state->free_block == 0)
        list_drop(stock, list_of(stock, unit), unit);
    return block;
}

static void *alloc_small(struct stock *stock, u32 bytes) {
    u32 class = class_of(bytes + (u32)sizeof(struct stock_tag));
    if (stock->partly[class] == 0) {
        u32 unit = unit_prepare(stock, LEAST_BYTES << class);
        if (unit == 0)
            return NULL;
        list_put(stock, &stock->partly[class], unit);
    }
    return take_block(stock, stock->partly[class]);
}

static void *alloc_unit(struct stock *stock) {
    u32 unit = unit_prepare(stock, WHOLE_UNIT);
    if (unit == 0)
        return NULL;
    stock->states[unit].used = 1;
    return unit_start(stock, unit);
}

void *stock_alloc(struct stock *stock, u32 bytes, u32 owner, u32 index) {
    const u32 small = (LEAST_BYTES << (STOCK_CLASSES - 1)) - (u32)sizeof(struct stock_tag);
    if (bytes > STOCK_UNIT_BYTES)
        return NULL;
    void *block = bytes <= small ? alloc_small(stock, bytes) : alloc_unit(stock);
    if (block == NULL)
        return NULL;
    memset(block, 0, stock_room(stock, block));
    *stock_tag(stock, block) = (struct stock_tag){.owner = owner, .index = index};
    return block;
}

void stock_publish(struct stock *stock, void *block, u32 kind) {
    store(&stock_tag(stock, block)->kind, kind);
}

// The block is not published any more.
static void give_back(struct stock *stock, void *block) {
    u32 unit = unit_of(stock, block);
    struct stock_state *state = &stock->states[unit];
    bool was_full = state->free_block == 0;
    state->used--;
    if (state->used == 0) {
        if (!was_full)
            list_drop(stock, list_of(stock, unit), unit);
        store(&stock->units[unit].block_bytes, 0);
        list_put(stock, &stock->free_unit, unit);
        return;
    }
    *(u32 *)block = state->free_block;
    state->free_block = number_in(stock, unit, block) + 1;
    if (was_full)
        list_put(stock, list_of(stock, unit), unit);
}

void stock_free(struct stock *stock, void *block) {
    if (block == NULL)
        return;
    store(&stock_tag(stock, block)->kind, 0);
    if (stock->is_settled)
        give_back(stock, block);
}

void stock_replace(struct stock *stock, void *made, u32 kind, void *gone, void *other) {
    struct stock_change *change = &stock->head->change;
    change->made = stock_place(stock, made);
    change->kind = kind;
    change->gone[0] = gone == NULL ? 0 : stock_place(stock, gone);
    change->gone[1] = other == NULL ? 0 : stock_place(stock, other);
    store(&change->is_due, 1);
    finish_change(stock);
    if (gone != NULL)
        give_back(stock, gone);
    if (other != NULL)
        give_back(stock, other);
}
