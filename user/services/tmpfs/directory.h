#pragma once
// The names in a directory of tmpfs: found by hash, listed in the order in which they came, by
// cookies that stay what they are whatever is added or removed meanwhile. A name outlives the
// process (stock.h); how it is found is made from all names again.

#include "user/sdk/file_system.h"
#include "user/services/tmpfs/stock.h"

#define NAME_KIND 2u // of the stock's blocks; their owner is the directory

// What the stock has of an entry.
struct name {
    u64 cookie;
    u32 node; // the place of its block
    u16 len;
    u8 text[];
};

struct entry {
    struct entry *next; // of the same bucket
    struct node *node;
    struct name *name;
    u64 cookie; // in increasing order, never used again
    u32 hash;
};

static inline struct bytes entry_name(const struct entry *entry) {
    return (struct bytes){entry->name->text, entry->name->len};
}

struct directory {
    struct stock *stock;
    u32 owner; // its own place
    struct entry **buckets;
    u32 bucket_count; // a power of two, or 0
    u32 count;
    struct entry **order; // by cookie; NULL: removed
    u64 *cookies;         // of each of them, removed or not
    u32 order_len;
    u32 order_size;
    u64 last_cookie;
};

void directory_fini(struct directory *directory); // which is empty
struct entry *directory_find(const struct directory *directory, struct bytes name);

// The name is not there yet; `place` is the node's. ERR_NO_SPACE.
enum status directory_add(struct directory *directory, struct bytes name, struct node *node,
                          u32 place);
void directory_remove(struct directory *directory, struct entry *entry);

// Moves an entry to a name in the same directory or another, where `replaced` is (NULL: nothing),
// which goes: all in one, for whoever comes after us. ERR_NO_SPACE.
enum status directory_move(struct directory *from, struct entry *entry, struct directory *to,
                           struct bytes name, struct entry *replaced);

// Takes a name over that a former process had. ERR_NO_SPACE. After the last one directory_restored
// is due.
enum status directory_restore(struct directory *directory, struct name *name, struct node *node);
void directory_restored(struct directory *directory);

// The first entry whose cookie is greater; NULL: there is none.
struct entry *directory_after(const struct directory *directory, u64 cookie);
