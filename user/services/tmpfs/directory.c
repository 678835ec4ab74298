// Names: a hash table with chains, and an array in order of cookies, in which what was removed
// leaves a gap until gaps are the larger part. In the stock there is the name itself.

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
    *directory = (struct directory){.stock = directory->stock, .owner = directory->owner};
}

static struct entry **bucket_of(const struct directory *directory, u32 hash) {
    return &directory->buckets[hash & (directory->bucket_count - 1)];
}

struct entry *directory_find(const struct directory *directory, struct bytes name) {
    u32 hash = hash_of(name);
    if (directory->bucket_count == 0)
        return NULL;
    for (struct entry *entry = *bucket_of(directory, hash); entry != NULL; entry = entry->next) {
        if (entry->hash == hash && entry->name->len == name.len &&
            memcmp(entry->name->text, name.data, name.len) == 0)
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

static enum status make_room(struct directory *directory) {
    enum status status = grow_buckets(directory);
    return status == OK ? grow_order(directory) : status;
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

// Makes the entry be found; there is room. Its cookie is the largest one so far, or one of an entry
// that has gone.
static void enter(struct directory *directory, struct entry *entry) {
    struct entry **bucket = bucket_of(directory, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    u32 place = place_after(directory, entry->cookie - 1);
    if (place == directory->order_len)
        directory->order_len++;
    directory->cookies[place] = entry->cookie;
    directory->order[place] = entry;
    directory->count++;
}

// The name in the stock, not published.
static struct name *name_create(struct directory *directory, struct bytes text, u32 place,
                                u64 cookie) {
    struct name *name =
        stock_alloc(directory->stock, (u32)(sizeof *name + text.len), directory->owner, 0);
    if (name == NULL)
        return NULL;
    name->cookie = cookie;
    name->node = place;
    name->len = (u16)text.len;
    memcpy(name->text, text.data, text.len);
    return name;
}

static void entry_set(struct entry *entry, struct name *name, struct node *node) {
    *entry = (struct entry){.node = node, .name = name, .cookie = name->cookie};
    entry->hash = hash_of(entry_name(entry));
}

enum status directory_add(struct directory *directory, struct bytes text, struct node *node,
                          u32 place) {
    enum status status = make_room(directory);
    struct entry *entry = status == OK ? malloc(sizeof *entry) : NULL;
    struct name *name =
        entry != NULL ? name_create(directory, text, place, directory->last_cookie + 1) : NULL;
    if (name == NULL) {
        free(entry);
        return ERR_NO_SPACE;
    }
    entry_set(entry, name, node);
    directory->last_cookie = name->cookie;
    enter(directory, entry);
    stock_publish(directory->stock, name, NAME_KIND);
    return OK;
}

// Makes the entry not be found any more.
static void leave(struct directory *directory, struct entry *entry) {
    struct entry **at = bucket_of(directory, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    directory->order[place_after(directory, entry->cookie - 1)] = NULL;
    if (--directory->count == 0)
        directory->order_len = 0;
}

void directory_remove(struct directory *directory, struct entry *entry) {
    leave(directory, entry);
    stock_free(directory->stock, entry->name);
    free(entry);
}

enum status directory_move(struct directory *from, struct entry *entry, struct directory *to,
                           struct bytes text, struct entry *replaced) {
    enum status status = make_room(to);
    u64 cookie = replaced != NULL ? replaced->cookie : to->last_cookie + 1;
    struct name *name = status == OK ? name_create(to, text, entry->name->node, cookie) : NULL;
    if (name == NULL)
        return ERR_NO_SPACE;
    struct name *old = entry->name;
    leave(from, entry);
    if (replaced != NULL)
        leave(to, replaced);
    stock_replace(to->stock, name, NAME_KIND, old, replaced == NULL ? NULL : replaced->name);
    if (replaced == NULL)
        to->last_cookie = cookie;
    free(replaced);
    entry_set(entry, name, entry->node);
    enter(to, entry);
    return OK;
}

// -- Restoring ------------------------------------------------------------------------------------

enum status directory_restore(struct directory *directory, struct name *name, struct node *node) {
    enum status status = make_room(directory);
    struct entry *entry = status == OK ? malloc(sizeof *entry) : NULL;
    if (entry == NULL)
        return ERR_NO_SPACE;
    entry_set(entry, name, node);
    struct entry **bucket = bucket_of(directory, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    directory->order[directory->order_len++] = entry; // in order later
    directory->count++;
    if (name->cookie > directory->last_cookie)
        directory->last_cookie = name->cookie;
    return OK;
}

static int compare_cookies(const void *left, const void *right) {
    const struct entry *const *one = left;
    const struct entry *const *other = right;
    return (*one)->cookie<(*other)->cookie ? -1 : (*one)->cookie>(*other)->cookie;
}

void directory_restored(struct directory *directory) {
    if (directory->order_len != 0)
        qsort(directory->order, directory->order_len, sizeof(struct entry *), compare_cookies);
    for (u32 i = 0; i < directory->order_len; i++)
        directory->cookies[i] = directory->order[i]->cookie;
}

struct entry *directory_after(const struct directory *directory, u64 cookie) {
    for (u32 i = place_after(directory, cookie); i < directory->order_len; i++) {
        if (directory->order[i] != NULL)
            return directory->order[i];
    }
    return NULL;
}
