#pragma once
// Blocks of memory that outlive the process: what tmpfs knows, as far as it cannot be found out
// again. The next tmpfs finds the blocks as the former one left them, wherever that was killed.
//
// A block is there for the next process from the moment in which it is published, which is one
// store; what it has by then is what the next process finds, and all later stores to it. It is gone
// with another store (stock_free). stock_replace does several of these as one. Everything else, as
// which block is free, is found out by looking at all blocks.
//
// Blocks are known by place: where they lie from the start of the memory, which is elsewhere in
// each process. 0 is no block's.

#include "base/status.h"
#include "base/types.h"

#define STOCK_UNIT_BYTES 65536u // and the largest block

// At each block, for its user.
struct stock_tag {
    u32 kind;  // 0: it is not published
    u32 owner; // the place of another block, or anything else
    u32 index;
    u32 padding;
};

#define STOCK_TAG_BYTES 16u // which a block smaller than a unit has less of its size

// Where the memory comes from.
struct stock_source {
    u8 *base;
    u64 size;  // bytes that there can be at most; whole units
    u64 ready; // bytes of these that there are, whole units; the rest comes by `more`
    bool (*more)(void *context, u64 offset, u64 *ready); // more than `offset`, all zeros
    void *context;
};

struct stock_unit;  // in the memory
struct stock_state; // of a unit, as far as it is found out again
struct stock_head;

#define STOCK_CLASSES 10u // 64 to 32768 bytes

struct stock {
    struct stock_source source;
    struct stock_head *head;
    struct stock_unit *units;
    struct stock_state *states;
    bool is_settled;           // it is known which blocks are free
    u32 unit_count;            // that are ready
    u32 first_unit;            // behind the head
    u32 free_unit;             // list of units without blocks; 0: none
    u32 partly[STOCK_CLASSES]; // lists of units that have a free block of the class
};

// How much memory the source must be able to give for `bytes` of blocks.
u64 stock_size_for(u64 bytes);

// *is_new: there was nothing there yet. Otherwise what there is can be looked at, and freed, and
// then stock_settle is due before anything else. ERR_NO_MEMORY; ERR_INVALID: something else is
// there.
MUST_USE enum status stock_open(struct stock *stock, const struct stock_source *source,
                                bool *is_new);
void stock_settle(struct stock *stock);

// A word for the user to find the first block by; 0 at first.
u32 stock_root(const struct stock *stock);
void stock_set_root(struct stock *stock, u32 place);

// A block of at least so many bytes, all zeros, not published. NULL: there is no room.
void *stock_alloc(struct stock *stock, u32 bytes, u32 owner, u32 index);
void stock_publish(struct stock *stock, void *block, u32 kind);
void stock_free(struct stock *stock, void *block); // NULL is allowed

// Publishes `made` and frees up to two others (NULL: none), all in one.
void stock_replace(struct stock *stock, void *made, u32 kind, void *gone, void *other);

u32 stock_room(const struct stock *stock, const void *block); // bytes that it has
struct stock_tag *stock_tag(const struct stock *stock, const void *block);
u32 stock_place(const struct stock *stock, const void *block);

// The published block of this kind there; NULL: it is none.
void *stock_at(const struct stock *stock, u32 place, u32 kind);

// The published block after this one (NULL: the first), in some order; NULL: that was the last.
void *stock_next(const struct stock *stock, const void *block);
