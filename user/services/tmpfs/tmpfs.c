// The nodes of tmpfs. A node lives as long as it has a name or is open: `link_count` counts the
// names, `node.ref_count` everything else. A directory that has lost its name is empty, and stays
// so.
//
// What the next process needs is in the stock: a block for each node, each name and each chunk of a
// file. What it can find out is not: which names a directory has, which chunks a file, how many
// names a node. A node that nobody names was open, or about to be named: it goes.

#include "user/services/tmpfs/tmpfs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/math.h"
#include "user/services/tmpfs/contents.h"
#include "user/services/tmpfs/directory.h"

#define NODE_COST 256u // what a node and its name count for, at least
#define NAME_COST 256u // and each further name
#define LINKS_MAX 65000u
#define DEVICE    0x746d7066u // one number for the whole of it
#define NODE_KIND 1u          // of the stock's blocks

// What the stock has of a node.
struct kept_node {
    u64 inode;
    u64 accessed_ns;
    u64 modified_ns;
    u64 changed_ns;
    u64 size;              // of a file
    struct tmp_node *live; // in this process
    u32 target_len;
    enum file_type type;
    u8 target[];
};

struct tmp_node {
    struct node node;
    u32 link_count;
    struct kept_node *kept;
    union {
        struct contents contents;
        struct {
            struct directory directory;
            struct tmp_node *parent; // while it has a name; of the root itself
            u32 child_directories;
        };
    };
};

struct tmpfs {
    struct file_system fs;
    struct stock stock;
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
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return 0;
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void touch(struct tmp_node *node) {
    node->kept->modified_ns = node->kept->changed_ns = now_ns();
}

// -- Nodes ----------------------------------------------------------------------------------------

static u64 cost_of(const struct kept_node *kept) {
    return NODE_COST + kept->target_len;
}

// A node for what the stock has.
static struct tmp_node *node_live(struct tmpfs *tmpfs, struct kept_node *kept) {
    struct tmp_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    u32 place = stock_place(&tmpfs->stock, kept);
    node->node.type = kept->type;
    node->kept = kept;
    kept->live = node;
    if (kept->type == FILE_TYPE_FILE) {
        node->contents.stock = &tmpfs->stock;
        node->contents.owner = place;
        node->contents.size = &kept->size;
    } else if (kept->type == FILE_TYPE_DIRECTORY) {
        node->directory.stock = &tmpfs->stock;
        node->directory.owner = place;
    }
    tmpfs->budget.used += cost_of(kept);
    tmpfs->last_inode = max_u64(tmpfs->last_inode, kept->inode);
    return node;
}

static struct tmp_node *node_create(struct tmpfs *tmpfs, enum file_type type, struct bytes target) {
    u64 left = tmpfs->budget.limit - tmpfs->budget.used;
    if (left < NODE_COST + target.len)
        return NULL;
    struct kept_node *kept = stock_alloc(&tmpfs->stock, (u32)(sizeof *kept + target.len), 0, 0);
    if (kept == NULL)
        return NULL;
    u64 now = now_ns();
    *kept = (struct kept_node){
        .inode = tmpfs->last_inode + 1,
        .accessed_ns = now,
        .modified_ns = now,
        .changed_ns = now,
        .target_len = (u32)target.len,
        .type = type,
    };
    if (target.len != 0)
        memcpy(kept->target, target.data, target.len);
    struct tmp_node *node = node_live(tmpfs, kept);
    if (node == NULL) {
        stock_free(&tmpfs->stock, kept);
        return NULL;
    }
    node->node.ref_count = 1;
    stock_publish(&tmpfs->stock, kept, NODE_KIND);
    return node;
}

static void node_free(struct tmpfs *tmpfs, struct tmp_node *node) {
    tmpfs->budget.used -= cost_of(node->kept);
    if (node->node.type == FILE_TYPE_FILE) {
        enum status status = contents_resize(&node->contents, &tmpfs->budget, 0);
        (void)status; // becoming smaller does not fail
        contents_fini(&node->contents);
    } else if (node->node.type == FILE_TYPE_DIRECTORY) {
        directory_fini(&node->directory);
    }
    stock_free(&tmpfs->stock, node->kept); // what it owned has gone before
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

static void count_name(struct tmpfs *tmpfs, struct tmp_node *node) {
    if (node->link_count++ != 0)
        tmpfs->budget.used += NAME_COST;
}

// What an entry that is made, changed or removed means for the two nodes.
static void attach(struct tmpfs *tmpfs, struct tmp_node *directory, struct tmp_node *node) {
    count_name(tmpfs, node);
    if (node->node.type == FILE_TYPE_DIRECTORY) {
        node->parent = directory;
        directory->child_directories++;
    }
    touch(directory);
}

static void detach(struct tmpfs *tmpfs, struct tmp_node *directory, struct tmp_node *node) {
    if (--node->link_count != 0)
        tmpfs->budget.used -= NAME_COST;
    node->kept->changed_ns = now_ns();
    if (node->node.type == FILE_TYPE_DIRECTORY)
        directory->child_directories--;
    touch(directory);
}

static enum status add_name(struct tmpfs *tmpfs, struct tmp_node *directory, struct bytes name,
                            struct tmp_node *node) {
    if (directory->link_count == 0)
        return ERR_NOT_FOUND; // it was removed
    enum status status = directory_add(&directory->directory, name, &node->node,
                                       stock_place(directory->directory.stock, node->kept));
    if (status == OK)
        attach(tmpfs, directory, node);
    return status;
}

static void drop_name(struct tmpfs *tmpfs, struct tmp_node *directory, struct bytes name,
                      struct tmp_node *node) {
    directory_remove(&directory->directory, directory_find(&directory->directory, name));
    detach(tmpfs, directory, node);
}

static enum status create(struct file_system *fs, struct node *directory, struct bytes name,
                          enum file_type type, struct bytes target, struct node **out) {
    struct tmp_node *node = node_create(tmpfs_of(fs), type, target);
    if (node == NULL)
        return ERR_NO_SPACE;
    enum status status = add_name(tmpfs_of(fs), tmp_of(directory), name, node);
    if (status == OK)
        *out = &node->node;
    else
        node_free(tmpfs_of(fs), node);
    return status;
}

static enum status link(struct file_system *fs, struct node *node, struct node *directory,
                        struct bytes name) {
    struct tmpfs *tmpfs = tmpfs_of(fs);
    if (tmp_of(node)->link_count == 0)
        return ERR_NOT_FOUND;
    if (tmp_of(node)->link_count >= LINKS_MAX)
        return ERR_TOO_MANY_LINKS;
    if (tmpfs->budget.limit - tmpfs->budget.used < NAME_COST)
        return ERR_NO_SPACE;
    enum status status = add_name(tmpfs, tmp_of(directory), name, tmp_of(node));
    if (status == OK)
        tmp_of(node)->kept->changed_ns = now_ns();
    return status;
}

static bool is_full(const struct node *node) {
    const struct tmp_node *tmp = (const struct tmp_node *)(const void *)node;
    return node->type == FILE_TYPE_DIRECTORY && tmp->directory.count != 0;
}

static enum status remove_name(struct file_system *fs, struct node *directory, struct bytes name,
                               struct node *node) {
    if (is_full(node))
        return ERR_NOT_EMPTY;
    drop_name(tmpfs_of(fs), tmp_of(directory), name, tmp_of(node));
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
    struct tmpfs *tmpfs = tmpfs_of(fs);
    struct tmp_node *target = tmp_of(to);
    if (target->link_count == 0)
        return ERR_NOT_FOUND;
    if (node->type == FILE_TYPE_DIRECTORY && is_above(tmp_of(node), target))
        return ERR_INVALID;
    if (replaced != NULL && is_full(replaced))
        return ERR_NOT_EMPTY;
    struct directory *names = &target->directory;
    struct entry *old = replaced == NULL ? NULL : directory_find(names, to_name);
    enum status status =
        directory_move(&tmp_of(from)->directory,
                       directory_find(&tmp_of(from)->directory, from_name), names, to_name, old);
    if (status != OK)
        return status;
    if (replaced != NULL)
        detach(tmpfs, target, tmp_of(replaced));
    attach(tmpfs, target, tmp_of(node));
    detach(tmpfs, tmp_of(from), tmp_of(node));
    return OK;
}

static enum status list(struct file_system *fs, struct node *directory, u64 cookie,
                        struct listing *listing) {
    (void)fs;
    const struct directory *names = &tmp_of(directory)->directory;
    for (struct entry *entry; (entry = directory_after(names, cookie)) != NULL;
         cookie = entry->cookie) {
        u64 inode = tmp_of(entry->node)->kept->inode;
        if (!listing_add(listing, entry->cookie, inode, entry->node->type, entry_name(entry)))
            break;
    }
    return OK;
}

static enum status read_link(struct file_system *fs, struct node *node, struct bytes *out) {
    (void)fs;
    const struct kept_node *kept = tmp_of(node)->kept;
    *out = (struct bytes){kept->target, kept->target_len};
    return OK;
}

// -- Attributes -----------------------------------------------------------------------------------

static u64 size_of(const struct tmp_node *node) {
    switch (node->node.type) {
    case FILE_TYPE_FILE:
        return node->kept->size;
    case FILE_TYPE_DIRECTORY:
        return node->directory.count;
    default:
        return node->kept->target_len;
    }
}

static enum status stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    (void)fs;
    const struct tmp_node *tmp = tmp_of(node);
    bool is_directory = node->type == FILE_TYPE_DIRECTORY;
    *out = (struct file_stat){
        .device = DEVICE,
        .inode = tmp->kept->inode,
        // A directory's "." and its children's ".." are names, too.
        .link_count =
            is_directory && tmp->link_count != 0 ? 2u + tmp->child_directories : tmp->link_count,
        .size = size_of(tmp),
        .accessed_ns = tmp->kept->accessed_ns,
        .modified_ns = tmp->kept->modified_ns,
        .changed_ns = tmp->kept->changed_ns,
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
        tmp->kept->accessed_ns = accessed_ns;
    if ((flags & FILE_TIME_ACCESSED_NOW) != 0)
        tmp->kept->accessed_ns = now;
    if ((flags & FILE_TIME_MODIFIED) != 0)
        tmp->kept->modified_ns = modified_ns;
    if ((flags & FILE_TIME_MODIFIED_NOW) != 0)
        tmp->kept->modified_ns = now;
    tmp->kept->changed_ns = now;
    return OK;
}

// -- Contents -------------------------------------------------------------------------------------

static enum status read(struct file_system *fs, struct node *node, u64 offset,
                        struct transfer *transfer) {
    (void)fs;
    struct tmp_node *tmp = tmp_of(node);
    enum status status = contents_read(&tmp->contents, offset, transfer);
    if (status == OK && transfer->done != 0 && tmp->kept->accessed_ns <= tmp->kept->modified_ns)
        tmp->kept->accessed_ns = now_ns(); // as relatime has it
    return status;
}

static enum status write(struct file_system *fs, struct node *node, u64 offset,
                         struct transfer *transfer) {
    struct tmp_node *tmp = tmp_of(node);
    u64 at = offset == FILE_END ? tmp->kept->size : offset;
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
        tmp->kept->changed_ns = now_ns();
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

// -- Restoring ------------------------------------------------------------------------------------

static struct tmp_node *live_at(const struct tmpfs *tmpfs, u32 place) {
    const struct kept_node *kept = stock_at(&tmpfs->stock, place, NODE_KIND);
    return kept == NULL ? NULL : kept->live;
}

// Of each kind of block that another one owns: false: out of memory.
static bool restore_name(struct tmpfs *tmpfs, struct name *name) {
    struct tmp_node *directory = live_at(tmpfs, stock_tag(&tmpfs->stock, name)->owner);
    struct tmp_node *node = live_at(tmpfs, name->node);
    if (directory == NULL || node == NULL || directory->node.type != FILE_TYPE_DIRECTORY) {
        stock_free(&tmpfs->stock, name); // only a bug of ours can have left it
        return true;
    }
    if (directory_restore(&directory->directory, name, &node->node) != OK)
        return false;
    count_name(tmpfs, node);
    if (node->node.type == FILE_TYPE_DIRECTORY) {
        node->parent = directory;
        directory->child_directories++;
    }
    return true;
}

static void restore_chunk(struct tmpfs *tmpfs, void *chunk) {
    struct tmp_node *file = live_at(tmpfs, stock_tag(&tmpfs->stock, chunk)->owner);
    if (file != NULL && file->node.type == FILE_TYPE_FILE)
        contents_restore(&file->contents, &tmpfs->budget, chunk);
    else
        stock_free(&tmpfs->stock, chunk);
}

// The nodes first, then what belongs to them.
static bool restore_blocks(struct tmpfs *tmpfs) {
    struct stock *stock = &tmpfs->stock;
    for (void *block = NULL; (block = stock_next(stock, block)) != NULL;) {
        if (stock_tag(stock, block)->kind == NODE_KIND && node_live(tmpfs, block) == NULL)
            return false;
    }
    for (void *block = NULL; (block = stock_next(stock, block)) != NULL;) {
        u32 kind = stock_tag(stock, block)->kind;
        if (kind == NAME_KIND && !restore_name(tmpfs, block))
            return false;
        if (kind == CHUNK_KIND)
            restore_chunk(tmpfs, block);
    }
    return true;
}

// What is to be done for each node when all is there; and nodes without a name go.
static void finish_nodes(struct tmpfs *tmpfs) {
    struct stock *stock = &tmpfs->stock;
    for (void *block = NULL; (block = stock_next(stock, block)) != NULL;) {
        if (stock_tag(stock, block)->kind != NODE_KIND)
            continue;
        struct tmp_node *node = ((struct kept_node *)block)->live;
        if (node->node.type == FILE_TYPE_FILE)
            contents_restored(&node->contents, &tmpfs->budget);
        else if (node->node.type == FILE_TYPE_DIRECTORY)
            directory_restored(&node->directory);
    }
}

static void drop_nameless(struct tmpfs *tmpfs) {
    struct stock *stock = &tmpfs->stock;
    for (void *block = NULL; (block = stock_next(stock, block)) != NULL;) {
        struct kept_node *kept = block;
        if (stock_tag(stock, block)->kind == NODE_KIND && kept->live->link_count == 0)
            node_free(tmpfs, kept->live);
    }
}

static struct tmp_node *restore(struct tmpfs *tmpfs) {
    if (!restore_blocks(tmpfs))
        return NULL;
    struct tmp_node *root = live_at(tmpfs, stock_root(&tmpfs->stock));
    if (root == NULL || root->node.type != FILE_TYPE_DIRECTORY)
        return NULL;
    root->link_count = 1;
    stock_settle(&tmpfs->stock); // blocks can be freed from here on
    finish_nodes(tmpfs);
    drop_nameless(tmpfs);
    root->node.ref_count = 1;
    return root;
}

static struct tmp_node *begin(struct tmpfs *tmpfs) {
    struct tmp_node *root = node_create(tmpfs, FILE_TYPE_DIRECTORY, (struct bytes){NULL, 0});
    if (root == NULL)
        return NULL;
    root->link_count = 1;
    stock_set_root(&tmpfs->stock, stock_place(&tmpfs->stock, root->kept));
    return root;
}

struct file_system *tmpfs_create(u64 limit, const struct stock_source *source) {
    struct tmpfs *tmpfs = calloc(1, sizeof *tmpfs);
    bool is_new;
    if (tmpfs == NULL || stock_open(&tmpfs->stock, source, &is_new) != OK) {
        free(tmpfs);
        return NULL;
    }
    tmpfs->budget.limit = limit;
    struct tmp_node *root =
        is_new || stock_root(&tmpfs->stock) == 0 ? begin(tmpfs) : restore(tmpfs);
    if (root == NULL)
        return NULL; // with it goes the process
    root->parent = root;
    tmpfs->fs = (struct file_system){&operations, &root->node};
    return &tmpfs->fs;
}
