// The boot archive: a tree of nodes, each an object, built once and then only read.
//
// Directories that no entry names are implied by the paths below them. Every node lives as long as
// the archive: it holds the first reference to each. Invariants after building:
//   1. a directory's children are sorted by name and distinct, so lookups are binary searches and a
//      child's index is its cookie, stable for good;
//   2. names hold no slash and are neither empty, "." nor "..";
//   3. inode numbers are positions in `nodes` plus one: unique and never zero.

#include "kernel/ipc/archive.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/ipc/tar.h"
#include "kernel/mm/heap.h"

#define NODES_MAX     (1u << 20)
#define NS_PER_SECOND 1000000000ull

struct node {
    struct object object;
    u64 inode;
    u64 modified_s;
    bool is_implied; // a directory that no entry has named yet
    char *name;      // owned, name_len bytes
    u32 name_len;
    struct bytes data;   // of a file
    struct bytes target; // of a link, owned

    // Of a directory: sorted by name.
    struct node **children;
    u32 child_count;
    u32 child_capacity;
};

struct archive {
    struct node *root;
    struct node **nodes; // all, root first
    u32 count;
    u32 capacity;
};

static struct node *node_of(struct object *object) {
    return container_of(object, struct node, object);
}

// -- Operations ---------------------------------------------------------------------------------

static int compare_names(struct bytes a, struct bytes b) {
    int order = memcmp(a.data, b.data, min_u64(a.len, b.len));
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static struct bytes node_name(const struct node *node) {
    return (struct bytes){(const u8 *)node->name, node->name_len};
}

// The index of the first child whose name is not below `name`; *found: it is that name.
static u32 child_position(const struct node *directory, struct bytes name, bool *found) {
    u32 low = 0;
    u32 high = directory->child_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (compare_names(node_name(directory->children[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < directory->child_count &&
             compare_names(node_name(directory->children[low]), name) == 0;
    return low;
}

static enum status node_read(struct object *object, u64 offset, void *to, usize len, usize *got) {
    const struct node *node = node_of(object);
    usize left = offset < node->data.len ? node->data.len - offset : 0;
    *got = min_u64(len, left);
    if (*got != 0)
        memcpy(to, node->data.data + offset, *got);
    return OK;
}

static enum status node_stat(struct object *object, struct object_stat *out) {
    const struct node *node = node_of(object);
    u64 when;
    if (!mul_u64(node->modified_s, NS_PER_SECOND, &when))
        when = 0;
    *out = (struct object_stat){
        .type = object->type,
        .device = 1,
        .inode = node->inode,
        .link_count = 1,
        .size = object->type == OBJECT_LINK ? node->target.len : node->data.len,
        .accessed_ns = when,
        .modified_ns = when,
        .changed_ns = when,
    };
    return OK;
}

static enum status node_lookup(struct object *object, struct bytes name, struct object **out) {
    const struct node *node = node_of(object);
    bool found;
    u32 position = child_position(node, name, &found);
    if (!found)
        return ERR_NOT_FOUND;
    *out = &node->children[position]->object;
    object_retain(*out);
    return OK;
}

static enum status node_read_entry(struct object *object, u64 cookie, struct object_entry *out) {
    const struct node *node = node_of(object);
    if (cookie >= node->child_count)
        return ERR_NOT_FOUND;
    const struct node *child = node->children[cookie];
    *out = (struct object_entry){
        .inode = child->inode,
        .type = child->object.type,
        .next_cookie = cookie + 1,
        .name = node_name(child),
    };
    return OK;
}

static enum status node_read_link(struct object *object, struct bytes *out) {
    *out = node_of(object)->target;
    return OK;
}

static const struct object_ops file_ops = {.read = node_read, .stat = node_stat};
static const struct object_ops link_ops = {.stat = node_stat, .read_link = node_read_link};
static const struct object_ops directory_ops = {
    .stat = node_stat,
    .lookup = node_lookup,
    .read_entry = node_read_entry,
};

// -- Building -----------------------------------------------------------------------------------

struct builder {
    struct archive *archive;
    struct tar_reader *reader;
    struct archive_error *error;
};

static enum status build_fail(struct builder *builder, const char *why) {
    *builder->error = (struct archive_error){why, builder->reader->offset};
    return ERR_MALFORMED;
}

// Makes room for one more pointer in an array that doubles.
static enum status reserve_one(struct node ***array, u32 count, u32 *capacity) {
    if (count < *capacity)
        return OK;
    u32 larger = *capacity == 0 ? 8 : *capacity * 2;
    struct node **grown = kmalloc(larger * sizeof *grown);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    if (count != 0)
        memcpy(grown, *array, count * sizeof *grown);
    kfree(*array, *capacity * sizeof *grown);
    *array = grown;
    *capacity = larger;
    return OK;
}

static void node_destroy(struct node *node) {
    CHECK(node->object.ref_count == 1);
    kfree(node->children, node->child_capacity * sizeof *node->children);
    kfree((void *)(uptr)node->target.data, node->target.len);
    kfree(node->name, node->name_len);
    kfree(node, sizeof *node);
}

static enum status copy_text(struct bytes text, char **out) {
    *out = NULL;
    if (text.len == 0)
        return OK;
    *out = kmalloc(text.len);
    if (*out == NULL)
        return ERR_NO_MEMORY;
    memcpy(*out, text.data, text.len);
    return OK;
}

static enum status node_create(struct archive *archive, const struct object_ops *ops,
                               enum object_type type, struct bytes name, struct node **out) {
    if (archive->count == NODES_MAX)
        return ERR_NO_MEMORY;
    if (reserve_one(&archive->nodes, archive->count, &archive->capacity) != OK)
        return ERR_NO_MEMORY;
    struct node *node = kmalloc(sizeof *node);
    if (node == NULL)
        return ERR_NO_MEMORY;
    object_init(&node->object, ops, type);
    if (copy_text(name, &node->name) != OK) {
        kfree(node, sizeof *node);
        return ERR_NO_MEMORY;
    }
    node->name_len = (u32)name.len;
    archive->nodes[archive->count++] = node;
    node->inode = archive->count;
    *out = node;
    return OK;
}

static enum status insert_child(struct node *directory, u32 position, struct node *child) {
    enum status status =
        reserve_one(&directory->children, directory->child_count, &directory->child_capacity);
    if (status != OK)
        return status;
    struct node **at = directory->children + position;
    memmove(at + 1, at, (directory->child_count - position) * sizeof *at);
    *at = child;
    directory->child_count++;
    return OK;
}

// Takes the next name off `path`, skipping slashes and "."; false at its end.
static bool next_name(struct bytes *path, struct bytes *name) {
    for (;;) {
        while (path->len != 0 && path->data[0] == '/') {
            path->data++;
            path->len--;
        }
        if (path->len == 0)
            return false;
        usize len = 0;
        while (len < path->len && path->data[len] != '/')
            len++;
        *name = (struct bytes){path->data, len};
        path->data += len;
        path->len -= len;
        if (!bytes_equal_text(*name, "."))
            return true;
    }
}

// The directory `name` in `parent`; made, as an implied one, where nothing is.
static enum status enter_directory(struct builder *builder, struct node *parent, struct bytes name,
                                   struct node **out) {
    bool found;
    u32 position = child_position(parent, name, &found);
    if (found) {
        *out = parent->children[position];
        if ((*out)->object.type != OBJECT_DIRECTORY)
            return build_fail(builder, "a name below something that is not a directory");
        return OK;
    }
    enum status status = node_create(builder->archive, &directory_ops, OBJECT_DIRECTORY, name, out);
    if (status != OK)
        return status;
    (*out)->is_implied = true;
    return insert_child(parent, position, *out);
}

// Finds the directory that `path` is in, and the last name. An empty name: `path` is the root.
static enum status find_parent(struct builder *builder, struct bytes path, struct node **parent,
                               struct bytes *last) {
    struct bytes name;
    *parent = builder->archive->root;
    *last = (struct bytes){NULL, 0};
    while (next_name(&path, &name)) {
        if (bytes_equal_text(name, ".."))
            return build_fail(builder, "a name contains \"..\"");
        if (name.len > TAR_NAME_MAX)
            return build_fail(builder, "a name is too long");
        if (last->len != 0) {
            enum status status = enter_directory(builder, *parent, *last, parent);
            if (status != OK)
                return status;
        }
        *last = name;
    }
    return OK;
}

// The file that a hard link names: it must have come before.
static enum status hard_link_data(struct builder *builder, struct bytes target,
                                  struct bytes *data) {
    struct node *node = builder->archive->root;
    struct bytes name;
    while (next_name(&target, &name)) {
        bool found;
        u32 position = child_position(node, name, &found);
        if (!found)
            return build_fail(builder, "a hard link to nothing");
        node = node->children[position];
    }
    if (node->object.type != OBJECT_FILE)
        return build_fail(builder, "a hard link to something that is not a file");
    *data = node->data;
    return OK;
}

// What the entry says about a directory that may be there already by implication.
static enum status add_directory(struct builder *builder, struct node *parent, struct bytes name,
                                 u64 modified_s) {
    bool found = false;
    struct node *node;
    if (name.len == 0)
        node = builder->archive->root;
    else
        child_position(parent, name, &found);
    if (name.len != 0) {
        enum status status = enter_directory(builder, parent, name, &node);
        if (status != OK)
            return found ? build_fail(builder, "a name appears twice") : status;
    }
    if (!node->is_implied)
        return build_fail(builder, "a name appears twice");
    node->is_implied = false;
    node->modified_s = modified_s;
    return OK;
}

static enum status add_entry(struct builder *builder, const struct tar_entry *entry) {
    struct node *parent;
    struct bytes name;
    enum status status = find_parent(builder, entry->path, &parent, &name);
    if (status != OK)
        return status;
    if (entry->type == TAR_DIRECTORY)
        return add_directory(builder, parent, name, entry->modified_s);
    if (name.len == 0 || entry->path.data[entry->path.len - 1] == '/')
        return build_fail(builder, "a file without a name");

    bool found;
    u32 position = child_position(parent, name, &found);
    if (found)
        return build_fail(builder, "a name appears twice");
    struct bytes data = entry->data;
    if (entry->type == TAR_HARD_LINK) {
        status = hard_link_data(builder, entry->target, &data);
        if (status != OK)
            return status;
    }

    bool is_link = entry->type == TAR_SYMLINK;
    struct node *node;
    status = node_create(builder->archive, is_link ? &link_ops : &file_ops,
                         is_link ? OBJECT_LINK : OBJECT_FILE, name, &node);
    if (status != OK)
        return status;
    node->modified_s = entry->modified_s;
    node->data = data;
    if (is_link) {
        char *target;
        status = copy_text(entry->target, &target);
        if (status != OK)
            return status;
        node->target = (struct bytes){(const u8 *)target, entry->target.len};
    }
    return insert_child(parent, position, node);
}

static enum status build(struct builder *builder) {
    struct archive *archive = builder->archive;
    enum status status = node_create(archive, &directory_ops, OBJECT_DIRECTORY,
                                     (struct bytes){NULL, 0}, &archive->root);
    if (status != OK)
        return status;
    archive->root->is_implied = true;
    for (;;) {
        struct tar_entry entry;
        status = tar_next(builder->reader, &entry);
        if (status == ERR_NOT_FOUND)
            return OK;
        if (status != OK)
            return build_fail(builder, builder->reader->why);
        status = add_entry(builder, &entry);
        if (status != OK)
            return status;
    }
}

enum status archive_create(struct bytes tar, struct archive_error *error, struct archive **out) {
    enum status status = ERR_NO_MEMORY;
    *error = (struct archive_error){"out of memory", 0};
    struct archive *archive = kmalloc(sizeof *archive);
    if (archive == NULL)
        return status;
    struct tar_reader *reader = kmalloc(sizeof *reader);
    if (reader == NULL)
        goto fail_reader;

    tar_reader_init(reader, tar);
    struct builder builder = {archive, reader, error};
    status = build(&builder);
    kfree(reader, sizeof *reader);
    if (status != OK)
        goto fail_reader;
    *out = archive;
    return OK;

fail_reader:
    archive_destroy(archive);
    return status;
}

void archive_destroy(struct archive *archive) {
    for (u32 i = 0; i < archive->count; i++)
        node_destroy(archive->nodes[i]);
    kfree(archive->nodes, archive->capacity * sizeof *archive->nodes);
    kfree(archive, sizeof *archive);
}

struct object *archive_root(struct archive *archive) {
    return &archive->root->object;
}

bool archive_file_bytes(struct object *object, struct bytes *out) {
    if (object->ops != &file_ops)
        return false;
    *out = node_of(object)->data;
    return true;
}
