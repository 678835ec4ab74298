// Objects: reference counts, the defaults of the operation table, and the walk from a directory to
// what a path names below it.
//
// The walk is the sandbox of every preopened directory, so it trusts nothing: neither the path nor
// the targets of the links on its way. It keeps the chain of directories from `root` down to where
// it stands (that chain is what ".." pops), and the text that is still to be walked at the end of a
// buffer of PATH_BYTES_MAX: the target of a link is put in front of that rest. Hence:
//   1. chain[0] is `root`, and it is never popped: nothing above it can be reached;
//   2. every step consumes text, only links add some, and there are at most LINKS_MAX of them:
//      the walk ends.

#include "kernel/ipc/object.h"

#include "base/assert.h"
#include "base/utf8.h"
#include "kernel/ipc/path.h"
#include "kernel/mm/heap.h"

#define PATH_BYTES_MAX (PATH_LEN_MAX + 1)
#define NAME_BYTES_MAX 255u
#define LINKS_MAX      32u
#define CHAIN_FIRST    8u
#define TEXT_FIRST     128u

void object_init(struct object *object, const struct object_ops *ops, enum object_type type) {
    ASSERT(ops->stat != NULL);
    *object = (struct object){.ops = ops, .ref_count = 1, .type = type};
}

void object_retain(struct object *object) {
    u32 before = __atomic_fetch_add(&object->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

void object_release(struct object *object) {
    if (object == NULL)
        return;
    // Pairs with itself: whoever sees the last reference go sees every use of the object before.
    u32 before = __atomic_fetch_sub(&object->ref_count, 1, __ATOMIC_ACQ_REL);
    CHECK(before != 0);
    if (before == 1 && object->ops->destroy != NULL)
        object->ops->destroy(object);
}

enum status object_read(struct object *object, u64 offset, void *to, usize len, usize *got) {
    if (object->ops->read == NULL)
        return object->type == OBJECT_DIRECTORY ? ERR_IS_DIRECTORY : ERR_DENIED;
    return object->ops->read(object, offset, to, len, got);
}

enum status object_write(struct object *object, u64 offset, const void *from, usize len,
                         usize *put) {
    if (object->ops->write == NULL)
        return object->type == OBJECT_FILE ? ERR_READ_ONLY : ERR_DENIED;
    return object->ops->write(object, offset, from, len, put);
}

// What the operations that change something say where there is no such operation.
static enum status unchangeable(const struct object *object) {
    return object->type == OBJECT_FILE || object->type == OBJECT_DIRECTORY ? ERR_READ_ONLY
                                                                           : ERR_DENIED;
}

enum status object_append(struct object *object, const void *from, usize len, usize *put,
                          u64 *end) {
    if (object->ops->append == NULL)
        return unchangeable(object);
    return object->ops->append(object, from, len, put, end);
}

enum status object_set_size(struct object *object, u64 bytes) {
    return object->ops->set_size == NULL ? unchangeable(object)
                                         : object->ops->set_size(object, bytes);
}

enum status object_allocate(struct object *object, u64 offset, u64 len) {
    return object->ops->allocate == NULL ? unchangeable(object)
                                         : object->ops->allocate(object, offset, len);
}

enum status object_sync(struct object *object, bool only_data) {
    return object->ops->sync == NULL ? OK : object->ops->sync(object, only_data);
}

enum status object_set_times(struct object *object, const struct object_times *times) {
    return object->ops->set_times == NULL ? unchangeable(object)
                                          : object->ops->set_times(object, times);
}

enum status object_stat(struct object *object, struct object_stat *out) {
    return object->ops->stat(object, out);
}

enum status object_lookup(struct object *object, struct bytes name, struct object **out) {
    if (object->ops->lookup == NULL)
        return ERR_NOT_DIRECTORY;
    return object->ops->lookup(object, name, out);
}

enum status object_read_entry(struct object *object, u64 cookie, struct object_entry *out) {
    if (object->ops->read_entry == NULL)
        return ERR_NOT_DIRECTORY;
    return object->ops->read_entry(object, cookie, out);
}

static enum status list_by_entry(struct object *object, u64 cookie, entry_taker take,
                                 void *context) {
    for (;;) {
        struct object_entry entry;
        enum status status = object_read_entry(object, cookie, &entry);
        if (status != OK)
            return status == ERR_NOT_FOUND ? OK : status;
        if (!take(context, &entry))
            return OK;
        cookie = entry.next_cookie;
    }
}

// Follows the cookies of what one `list` hands over, to see whether another one is due.
struct listing {
    entry_taker take;
    void *context;
    u64 cookie;
    bool goes_on; // something came, and all of it was taken
};

static bool listing_take(void *context, const struct object_entry *entry) {
    struct listing *listing = context;
    listing->goes_on = listing->take(listing->context, entry);
    listing->cookie = entry->next_cookie;
    return listing->goes_on;
}

enum status object_list(struct object *object, u64 cookie, entry_taker take, void *context) {
    if (object->ops->list == NULL)
        return list_by_entry(object, cookie, take, context);
    struct listing listing = {take, context, cookie, true};
    enum status status = OK;
    while (status == OK && listing.goes_on) {
        listing.goes_on = false;
        status = object->ops->list(object, listing.cookie, listing_take, &listing);
    }
    return status;
}

enum status object_read_link(struct object *object, struct bytes *out) {
    if (object->ops->read_link == NULL)
        return ERR_NOT_LINK;
    return object->ops->read_link(object, out);
}

u32 object_poll(struct object *object, u64 *available) {
    *available = 0;
    if (object->ops->poll == NULL)
        return POLL_READABLE | POLL_WRITABLE;
    return object->ops->poll(object, available);
}

// -- The walk -----------------------------------------------------------------------------------

struct walk {
    char *text; // what is left to walk is [at, text_bytes)
    usize text_bytes;
    usize at;
    u32 links;

    struct object **chain; // retained directories, root first
    u32 depth;             // entries in use, at least 1
    u32 capacity;

    // Text and chain begin here, and move to the heap when they get longer.
    char few_text[TEXT_FIRST];
    struct object *few_chain[CHAIN_FIRST];
};

// How many bytes at the beginning are ASCII and not zero: most paths are so to the end.
static usize plain_bytes(struct bytes text) {
    const u64 low = 0x0101010101010101;
    usize at = 0;
    for (; at + 8 <= text.len; at += 8) {
        u64 word;
        __builtin_memcpy(&word, text.data + at, 8);
        // A byte borrows exactly where it is zero, as long as none has its highest bit set.
        if (((word | (word - low)) & (low << 7)) != 0)
            break;
    }
    while (at < text.len && text.data[at] != 0 && text.data[at] < 0x80)
        at++;
    return at;
}

enum status path_check(struct bytes text) {
    if (text.len == 0)
        return ERR_NOT_FOUND;
    if (text.len > PATH_LEN_MAX)
        return ERR_NAME_TOO_LONG;
    usize plain = plain_bytes(text);
    for (usize i = plain; i < text.len; i++) {
        if (text.data[i] == 0)
            return ERR_INVALID;
    }
    if (!utf8_is_valid((struct bytes){text.data + plain, text.len - plain}))
        return ERR_BAD_NAME;
    if (text.data[0] == '/')
        return ERR_ESCAPES;
    return OK;
}

static void text_free(struct walk *walk) {
    if (walk->text != walk->few_text)
        kfree(walk->text, walk->text_bytes);
}

static void chain_free(struct walk *walk) {
    if (walk->chain != walk->few_chain)
        kfree(walk->chain, walk->capacity * sizeof *walk->chain);
}

// Makes room for `bytes` in front of what is left to walk.
static enum status walk_make_room(struct walk *walk, usize bytes) {
    if (bytes <= walk->at)
        return OK;
    usize left = walk->text_bytes - walk->at;
    if (bytes > PATH_BYTES_MAX - left)
        return ERR_NAME_TOO_LONG;
    char *text = kmalloc(PATH_BYTES_MAX);
    if (text == NULL)
        return ERR_NO_MEMORY;
    memcpy(text + PATH_BYTES_MAX - left, walk->text + walk->at, left);
    text_free(walk);
    walk->text = text;
    walk->text_bytes = PATH_BYTES_MAX;
    walk->at = PATH_BYTES_MAX - left;
    return OK;
}

// Puts `text` in front of what is left to walk.
static enum status walk_prepend(struct walk *walk, struct bytes text) {
    enum status status = path_check(text);
    if (status != OK)
        return status;
    bool is_all = walk->at == walk->text_bytes;
    status = walk_make_room(walk, text.len + (is_all ? 0 : 1));
    if (status != OK)
        return status;
    if (!is_all)
        walk->text[--walk->at] = '/';
    walk->at -= text.len;
    memcpy(walk->text + walk->at, text.data, text.len);
    return OK;
}

static enum status walk_push(struct walk *walk, struct object *directory) {
    if (walk->depth == walk->capacity) {
        u32 capacity = walk->capacity * 2;
        struct object **chain = kmalloc(capacity * sizeof *chain);
        if (chain == NULL)
            return ERR_NO_MEMORY;
        memcpy(chain, walk->chain, walk->depth * sizeof *chain);
        chain_free(walk);
        walk->chain = chain;
        walk->capacity = capacity;
    }
    walk->chain[walk->depth++] = directory;
    return OK;
}

static void walk_init(struct walk *walk, struct object *root) {
    walk->text = walk->few_text;
    walk->text_bytes = TEXT_FIRST;
    walk->at = TEXT_FIRST;
    walk->links = 0;
    walk->chain = walk->few_chain;
    walk->capacity = CHAIN_FIRST;
    object_retain(root);
    walk->chain[0] = root;
    walk->depth = 1;
}

static void walk_fini(struct walk *walk) {
    while (walk->depth > 0)
        object_release(walk->chain[--walk->depth]);
    chain_free(walk);
    text_free(walk);
}

// Takes the next name off the text, with the slashes behind it. *more: there were slashes, so the
// name must be a directory. The name stays in the buffer until the next walk_prepend.
static struct bytes walk_next_name(struct walk *walk, bool *more) {
    usize start = walk->at;
    while (walk->at < walk->text_bytes && walk->text[walk->at] != '/')
        walk->at++;
    struct bytes name = {(const u8 *)walk->text + start, walk->at - start};
    *more = walk->at < walk->text_bytes;
    while (walk->at < walk->text_bytes && walk->text[walk->at] == '/')
        walk->at++;
    return name;
}

// Replaces the link by its target. A slash that stood behind it is kept: the target, too, must then
// be a directory.
static enum status walk_follow(struct walk *walk, struct object *link, bool more) {
    struct bytes target;
    enum status status = object_read_link(link, &target);
    if (status != OK)
        return status;
    if (++walk->links > LINKS_MAX)
        return ERR_LOOP;
    bool was_all = walk->at == walk->text_bytes;
    if (more && was_all) {
        status = walk_make_room(walk, 1);
        if (status != OK)
            return status;
        walk->text[--walk->at] = '/';
    }
    return walk_prepend(walk, target);
}

// One step. When the path ends here, *found is its object (a new reference).
static enum status walk_step(struct walk *walk, bool follow, struct object **found) {
    struct object *here = walk->chain[walk->depth - 1];
    bool more;
    struct bytes name = walk_next_name(walk, &more);
    bool is_last = walk->at == walk->text_bytes;

    if (name.len > NAME_BYTES_MAX)
        return ERR_NAME_TOO_LONG;
    if (bytes_equal_text(name, "..")) {
        if (walk->depth == 1)
            return ERR_ESCAPES;
        object_release(walk->chain[--walk->depth]);
        here = walk->chain[walk->depth - 1];
    } else if (name.len != 0 && !bytes_equal_text(name, ".")) {
        struct object *next;
        enum status status = object_lookup(here, name, &next);
        if (status != OK)
            return status;
        if (next->type == OBJECT_LINK && (more || follow)) {
            status = walk_follow(walk, next, more);
            object_release(next);
            return status;
        }
        if (is_last && !more) {
            *found = next;
            return OK;
        }
        status = next->type == OBJECT_DIRECTORY ? walk_push(walk, next) : ERR_NOT_DIRECTORY;
        if (status != OK) {
            object_release(next);
            return status;
        }
        here = next;
    }
    if (is_last) {
        object_retain(here);
        *found = here;
    }
    return OK;
}

enum status object_walk(struct object *root, struct bytes path, bool follow, struct object **out) {
    if (root->type != OBJECT_DIRECTORY)
        return ERR_NOT_DIRECTORY;
    struct walk walk;
    walk_init(&walk, root);
    struct object *found = NULL;
    enum status status = walk_prepend(&walk, path);
    while (status == OK && found == NULL)
        status = walk_step(&walk, follow, &found);
    walk_fini(&walk);
    if (status == OK)
        *out = found;
    return status;
}
