// The nodes of tmpfs. A node lives as long as it has a name or is open: `link_count` counts the
// names, `node.ref_count` everything else. A directory that has lost its name is empty, and stays
// so.

#include "user/services/tmpfs/tmpfs.h"

#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#include "base/math.h"
#include "user/services/tmpfs/contents.h"
#include "user/services/tmpfs/directory.h"

#define NODE_COST 256u // what a node and its name count for, at least
#define LINKS_MAX 65000u
#define DEVICE    0x746d7066u // one number for the whole of it

struct tmp_node {
    struct node node;
    u32 link_count;
    u64 inode;
    u64 accessed_ns;
    u64 modified_ns;
    u64 changed_ns;
    union {
        struct contents contents;
        struct {
            struct directory directory;
            struct tmp_node *parent; // while it has a name; of the root itself
            u32 child_directories;
        };
        struct bytes target;
    };
};

struct tmpfs {
    struct file_system fs;
    struct budget budget;
    u64 last_inode;
};

static struct tmpfs *tmpfs_of(struct file_system *fs) {
    return (struct tmpfs *)(void *)fs;
}

static struct tmp_node *tmp_of(struct node *node) {
    return (struct tmp_node *)(void *)node;
}

static u64 now_ns(void) {
    __wasi_timestamp_t now = 0;
    return __wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 1, &now) == 0 ? now : 0;
}

static void touch(struct tmp_node *node) {
    node->modified_ns = node->changed_ns = now_ns();
}

// -- Nodes ----------------------------------------------------------------------------------------

static u64 cost_of(const struct tmp_node *node) {
    return NODE_COST + (node->node.type == FILE_TYPE_LINK ? node->target.len : 0);
}

static struct tmp_node *node_create(struct tmpfs *tmpfs, enum file_type type, struct bytes target) {
    struct tmp_node *node = calloc(1, sizeof *node);
    u8 *text = type == FILE_TYPE_LINK ? malloc(target.len) : NULL;
    u64 left = tmpfs->budget.limit - tmpfs->budget.used;
    if (node == NULL || (type == FILE_TYPE_LINK && text == NULL) || left < NODE_COST + target.len) {
        free(node);
        free(text);
        return NULL;
    }
    node->node = (struct node){.ref_count = 1, .type = type};
    node->inode = ++tmpfs->last_inode;
    touch(node);
    node->accessed_ns = node->modified_ns;
    if (type == FILE_TYPE_LINK) {
        memcpy(text, target.data, target.len);
        node->target = (struct bytes){text, target.len};
    }
    tmpfs->budget.used += cost_of(node);
    return node;
}

static void node_free(struct tmpfs *tmpfs, struct tmp_node *node) {
    tmpfs->budget.used -= cost_of(node);
    if (node->node.type == FILE_TYPE_FILE)
        contents_fini(&node->contents, &tmpfs->budget);
    else if (node->node.type == FILE_TYPE_DIRECTORY)
        directory_fini(&node->directory);
    else
        free((void *)(uptr)node->target.data);
    free(node);
}

static void release(struct file_system *fs, struct node *node) {
    if (tmp_of(node)->link_count == 0)
        node_free(tmpfs_of(fs), tmp_of(node));
}

// -- Names ----------------------------------------------------------------------------------------

static enum status lookup(struct file_system *fs, struct node *directory, struct bytes name,
                          struct node **out) {
    (void)fs;
    struct entry *entry = directory_find(&tmp_of(directory)->directory, name);
    if (entry == NULL)
        return ERR_NOT_FOUND;
    *out = node_retain(entry->node);
    return OK;
}

// What an entry that is made, changed or removed means for the two nodes.
static void attach(struct tmp_node *directory, struct tmp_node *node) {
    node->link_count++;
    if (node->node.type == FILE_TYPE_DIRECTORY) {
        node->parent = directory;
        directory->child_directories++;
    }
    touch(directory);
}

static void detach(struct tmp_node *directory, struct tmp_node *node) {
    node->link_count--;
    node->changed_ns = now_ns();
    if (node->node.type == FILE_TYPE_DIRECTORY)
        directory->child_directories--;
    touch(directory);
}

static enum status add_name(struct tmp_node *directory, struct bytes name, struct tmp_node *node) {
    if (directory->link_count == 0)
        return ERR_NOT_FOUND; // it was removed
    enum status status = directory_add(&directory->directory, name, &node->node);
    if (status == OK)
        attach(directory, node);
    return status;
}

static void drop_name(struct tmp_node *directory, struct bytes name, struct tmp_node *node) {
    directory_remove(&directory->directory, directory_find(&directory->directory, name));
    detach(directory, node);
}

static enum status create(struct file_system *fs, struct node *directory, struct bytes name,
                          enum file_type type, struct bytes target, struct node **out) {
    struct tmp_node *node = node_create(tmpfs_of(fs), type, target);
    if (node == NULL)
        return ERR_NO_SPACE;
    enum status status = add_name(tmp_of(directory), name, node);
    if (status == OK)
        *out = &node->node;
    else
        node_free(tmpfs_of(fs), node);
    return status;
}

static enum status link(struct file_system *fs, struct node *node, struct node *directory,
                        struct bytes name) {
    (void)fs;
    if (tmp_of(node)->link_count == 0)
        return ERR_NOT_FOUND;
    if (tmp_of(node)->link_count >= LINKS_MAX)
        return ERR_TOO_MANY_LINKS;
    enum status status = add_name(tmp_of(directory), name, tmp_of(node));
    if (status == OK)
        tmp_of(node)->changed_ns = now_ns();
    return status;
}

static bool is_full(const struct node *node) {
    const struct tmp_node *tmp = (const struct tmp_node *)(const void *)node;
    return node->type == FILE_TYPE_DIRECTORY && tmp->directory.count != 0;
}

static enum status remove_name(struct file_system *fs, struct node *directory, struct bytes name,
                               struct node *node) {
    (void)fs;
    if (is_full(node))
        return ERR_NOT_EMPTY;
    drop_name(tmp_of(directory), name, tmp_of(node));
    return OK;
}

// Whether `node` is `directory` or above it.
static bool is_above(const struct tmp_node *node, const struct tmp_node *directory) {
    while (directory != node && directory->parent != directory)
        directory = directory->parent;
    return directory == node;
}

static enum status rename_node(struct file_system *fs, struct node *from, struct bytes from_name,
                               struct node *node, struct node *to, struct bytes to_name,
                               struct node *replaced) {
    (void)fs;
    struct tmp_node *target = tmp_of(to);
    if (target->link_count == 0)
        return ERR_NOT_FOUND;
    if (node->type == FILE_TYPE_DIRECTORY && is_above(tmp_of(node), target))
        return ERR_INVALID;
    if (replaced != NULL && is_full(replaced))
        return ERR_NOT_EMPTY;
    if (replaced == NULL) {
        enum status status = add_name(target, to_name, tmp_of(node));
        if (status != OK)
            return status;
    } else { // its entry becomes the other's: nothing is left that could fail
        directory_find(&target->directory, to_name)->node = node;
        detach(target, tmp_of(replaced));
        attach(target, tmp_of(node));
    }
    drop_name(tmp_of(from), from_name, tmp_of(node));
    return OK;
}

static enum status list(struct file_system *fs, struct node *directory, u64 cookie,
                        struct listing *listing) {
    (void)fs;
    const struct directory *names = &tmp_of(directory)->directory;
    for (struct entry *entry; (entry = directory_after(names, cookie)) != NULL;
         cookie = entry->cookie) {
        const struct bytes name = {entry->name, entry->name_len};
        if (!listing_add(listing, entry->cookie, tmp_of(entry->node)->inode, entry->node->type,
                         name))
            break;
    }
    return OK;
}

static enum status read_link(struct file_system *fs, struct node *node, struct bytes *out) {
    (void)fs;
    *out = tmp_of(node)->target;
    return OK;
}

// -- Attributes -----------------------------------------------------------------------------------

static u64 size_of(const struct tmp_node *node) {
    switch (node->node.type) {
    case FILE_TYPE_FILE:
        return node->contents.size;
    case FILE_TYPE_DIRECTORY:
        return node->directory.count;
    default:
        return node->target.len;
    }
}

static enum status stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    (void)fs;
    const struct tmp_node *tmp = tmp_of(node);
    bool is_directory = node->type == FILE_TYPE_DIRECTORY;
    *out = (struct file_stat){
        .device = DEVICE,
        .inode = tmp->inode,
        // A directory's "." and its children's ".." are names, too.
        .link_count =
            is_directory && tmp->link_count != 0 ? 2u + tmp->child_directories : tmp->link_count,
        .size = size_of(tmp),
        .accessed_ns = tmp->accessed_ns,
        .modified_ns = tmp->modified_ns,
        .changed_ns = tmp->changed_ns,
        .type = node->type,
    };
    return OK;
}

static enum status set_times(struct file_system *fs, struct node *node, u16 flags, u64 accessed_ns,
                             u64 modified_ns) {
    (void)fs;
    struct tmp_node *tmp = tmp_of(node);
    u64 now = now_ns();
    if ((flags & FILE_TIME_ACCESSED) != 0)
        tmp->accessed_ns = accessed_ns;
    if ((flags & FILE_TIME_ACCESSED_NOW) != 0)
        tmp->accessed_ns = now;
    if ((flags & FILE_TIME_MODIFIED) != 0)
        tmp->modified_ns = modified_ns;
    if ((flags & FILE_TIME_MODIFIED_NOW) != 0)
        tmp->modified_ns = now;
    tmp->changed_ns = now;
    return OK;
}

// -- Contents -------------------------------------------------------------------------------------

static enum status read(struct file_system *fs, struct node *node, u64 offset,
                        struct transfer *transfer) {
    (void)fs;
    struct tmp_node *tmp = tmp_of(node);
    enum status status = contents_read(&tmp->contents, offset, transfer);
    if (status == OK && transfer->done != 0 && tmp->accessed_ns <= tmp->modified_ns)
        tmp->accessed_ns = now_ns(); // as relatime has it
    return status;
}

static enum status write(struct file_system *fs, struct node *node, u64 offset,
                         struct transfer *transfer) {
    struct tmp_node *tmp = tmp_of(node);
    u64 at = offset == FILE_END ? tmp->contents.size : offset;
    enum status status = contents_write(&tmp->contents, &tmpfs_of(fs)->budget, at, transfer);
    if (transfer->done != 0)
        touch(tmp);
    return status;
}

static enum status set_size(struct file_system *fs, struct node *node, u64 size) {
    struct tmp_node *tmp = tmp_of(node);
    enum status status = contents_resize(&tmp->contents, &tmpfs_of(fs)->budget, size);
    if (status == OK)
        touch(tmp);
    return status;
}

static enum status allocate(struct file_system *fs, struct node *node, u64 offset, u64 len) {
    struct tmp_node *tmp = tmp_of(node);
    enum status status = contents_allocate(&tmp->contents, &tmpfs_of(fs)->budget, offset, len);
    if (status == OK)
        tmp->changed_ns = now_ns();
    return status;
}

static enum status stat_system(struct file_system *fs, struct file_system_stat *out) {
    const struct budget *budget = &tmpfs_of(fs)->budget;
    out->total_bytes = budget->limit;
    out->free_bytes = budget->limit - budget->used;
    memcpy(out->type, "tmpfs", sizeof "tmpfs");
    return OK;
}

static const struct file_system_ops operations = {
    .release = release,
    .lookup = lookup,
    .create = create,
    .link = link,
    .remove = remove_name,
    .rename = rename_node,
    .list = list,
    .read_link = read_link,
    .stat = stat,
    .set_times = set_times,
    .read = read,
    .write = write,
    .set_size = set_size,
    .allocate = allocate,
    .stat_system = stat_system,
};

struct file_system *tmpfs_create(u64 limit) {
    struct tmpfs *tmpfs = calloc(1, sizeof *tmpfs);
    if (tmpfs == NULL)
        return NULL;
    tmpfs->budget.limit = limit;
    struct tmp_node *root = node_create(tmpfs, FILE_TYPE_DIRECTORY, (struct bytes){NULL, 0});
    if (root == NULL) {
        free(tmpfs);
        return NULL;
    }
    root->link_count = 1;
    root->parent = root;
    tmpfs->fs = (struct file_system){&operations, &root->node};
    return &tmpfs->fs;
}
