#pragma once
// The names in a directory of tmpfs: found by hash, listed in the order in which they came, by
// cookies that stay what they are whatever is added or removed meanwhile.

#include "user/sdk/file_system.h"

struct entry {
    struct entry *next; // of the same bucket
    struct node *node;
    u64 cookie; // in increasing order, never used again
    u32 hash;
    u16 name_len;
    u8 name[];
};

struct directory {
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

// The name is not there yet. ERR_NO_SPACE.
enum status directory_add(struct directory *directory, struct bytes name, struct node *node);
void directory_remove(struct directory *directory, struct entry *entry);

// The first entry whose cookie is greater; NULL: there is none.
struct entry *directory_after(const struct directory *directory, u64 cookie);
