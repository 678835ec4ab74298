// Names: a hash table with chains, and an array in order of cookies, in which what was removed
// leaves a gap until gaps are the larger part.

#include "user/services/tmpfs/directory.h"

#include <stdlib.h>
#include <string.h>

static u32 hash_of(struct bytes name) {
    u32 hash = 2166136261u; // FNV-1a
    for (usize i = 0; i < name.len; i++)
        hash = (hash ^ name.data[i]) * 16777619u;
    return hash;
}

void directory_fini(struct directory *directory) {
    free(directory->buckets);
    free(directory->order);
    free(directory->cookies);
    *directory = (struct directory){0};
}

static struct entry **bucket_of(const struct directory *directory, u32 hash) {
    return &directory->buckets[hash & (directory->bucket_count - 1)];
}

struct entry *directory_find(const struct directory *directory, struct bytes name) {
    u32 hash = hash_of(name);
    if (directory->bucket_count == 0)
        return NULL;
    for (struct entry *entry = *bucket_of(directory, hash); entry != NULL; entry = entry->next) {
        if (entry->hash == hash && entry->name_len == name.len &&
            memcmp(entry->name, name.data, name.len) == 0)
            return entry;
    }
    return NULL;
}

// -- Room -----------------------------------------------------------------------------------------

static enum status grow_buckets(struct directory *directory) {
    if (directory->count < directory->bucket_count)
        return OK;
    u32 count = directory->bucket_count == 0 ? 8 : 2 * directory->bucket_count;
    struct entry **old = directory->buckets;
    u32 old_count = directory->bucket_count;
    struct entry **buckets = calloc(count, sizeof(struct entry *));
    if (buckets == NULL)
        return ERR_NO_SPACE;
    directory->buckets = buckets;
    directory->bucket_count = count;
    for (u32 i = 0; i < old_count; i++) {
        for (struct entry *entry = old[i], *next; entry != NULL; entry = next) {
            struct entry **bucket = bucket_of(directory, entry->hash);
            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
    return OK;
}

static void close_gaps(struct directory *directory) {
    u32 kept = 0;
    for (u32 i = 0; i < directory->order_len; i++) {
        if (directory->order[i] == NULL)
            continue;
        directory->order[kept] = directory->order[i];
        directory->cookies[kept++] = directory->cookies[i];
    }
    directory->order_len = kept;
}

static enum status grow_order(struct directory *directory) {
    if (directory->order_len < directory->order_size)
        return OK;
    if (directory->count < directory->order_len / 2) {
        close_gaps(directory);
        return OK;
    }
    u32 size = directory->order_size == 0 ? 8 : 2 * directory->order_size;
    struct entry **order = realloc(directory->order, size * sizeof(struct entry *));
    if (order == NULL)
        return ERR_NO_SPACE;
    directory->order = order;
    u64 *cookies = realloc(directory->cookies, size * sizeof *cookies);
    if (cookies == NULL)
        return ERR_NO_SPACE;
    directory->cookies = cookies;
    directory->order_size = size;
    return OK;
}

// -- Adding, removing, listing --------------------------------------------------------------------

enum status directory_add(struct directory *directory, struct bytes name, struct node *node) {
    enum status status = grow_buckets(directory);
    if (status == OK)
        status = grow_order(directory);
    struct entry *entry = status == OK ? malloc(sizeof *entry + name.len) : NULL;
    if (entry == NULL)
        return ERR_NO_SPACE;
    *entry = (struct entry){
        .node = node,
        .cookie = ++directory->last_cookie,
        .hash = hash_of(name),
        .name_len = (u16)name.len,
    };
    memcpy(entry->name, name.data, name.len);
    struct entry **bucket = bucket_of(directory, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    directory->cookies[directory->order_len] = entry->cookie;
    directory->order[directory->order_len++] = entry;
    directory->count++;
    return OK;
}

// The place of the first cookie that is greater than `cookie`.
static u32 place_after(const struct directory *directory, u64 cookie) {
    u32 low = 0;
    u32 high = directory->order_len;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (directory->cookies[middle] <= cookie)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void directory_remove(struct directory *directory, struct entry *entry) {
    struct entry **at = bucket_of(directory, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    directory->order[place_after(directory, entry->cookie - 1)] = NULL;
    if (--directory->count == 0)
        directory->order_len = 0;
    free(entry);
}

struct entry *directory_after(const struct directory *directory, u64 cookie) {
    for (u32 i = place_after(directory, cookie); i < directory->order_len; i++) {
        if (directory->order[i] != NULL)
            return directory->order[i];
    }
    return NULL;
}
