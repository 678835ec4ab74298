// Nodes over fids. A node is made by looking a name up, and has a fid by which the server knows
// that name; where it is read or written, a second one that is open, and a third for appending.
//
// To many servers a fid that is not open, and for questions even one that is, is no more than the
// path that it was found by. So of an open file whose name has gone the contents remain, but the
// server knows no attributes any more, or those of another file which has that name now. Both is
// noticed by the number of the file, and then:
//   1. nothing of that other file is told or changed;
//   2. what was last known is told, with the size that reading finds.

#include "user/services/ninep/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"

#define DEVICE         0x3970u // one number for the whole of it
#define FILE_MODE      0644u
#define DIRECTORY_MODE 0755u
#define SIZE_MAX_FILE  ((u64)INT64_MAX)
#define DOTS_MOST      8u // names "." and ".." of one directory: more would never end

struct p9_node {
    struct node node;
    u32 fid;
    u32 open_fid;   // P9_NO_FID: none so far
    u32 append_fid; // likewise
    bool is_open;
    bool can_read; // by open_fid
    bool can_write;
    struct file_stat known; // when it was last asked for
};

struct nodes {
    struct file_system fs;
    struct p9 p9;
};

static struct p9 *p9_of(struct file_system *fs) {
    return &((struct nodes *)(void *)fs)->p9;
}

static struct p9_node *node_of(struct node *node) {
    return (struct p9_node *)(void *)node;
}

// -- What a node is -------------------------------------------------------------------------------

static enum file_type type_of_mode(u32 mode) {
    switch (mode & P9_MODE_KIND) {
    case 0100000:
        return FILE_TYPE_FILE;
    case 0040000:
        return FILE_TYPE_DIRECTORY;
    case 0120000:
        return FILE_TYPE_LINK;
    case 0020000:
        return FILE_TYPE_CHARACTER_DEVICE;
    case 0060000:
        return FILE_TYPE_BLOCK_DEVICE;
    case 0140000:
        return FILE_TYPE_SOCKET;
    default:
        return FILE_TYPE_OTHER;
    }
}

// Whether a file is not rather a pipe or a device, its attributes tell.
static enum file_type type_of_qid(struct p9_qid qid) {
    return (qid.type & P9_QID_DIRECTORY) != 0 ? FILE_TYPE_DIRECTORY
           : (qid.type & P9_QID_LINK) != 0    ? FILE_TYPE_LINK
                                              : FILE_TYPE_FILE;
}

// Takes the fid over, on failure, too.
static enum status node_create(struct p9 *p9, u32 fid, struct p9_qid qid, struct p9_node **out) {
    struct p9_node *node = malloc(sizeof *node);
    if (node == NULL) {
        p9_clunk(p9, fid);
        return ERR_NO_MEMORY;
    }
    *node = (struct p9_node){
        .node = {.ref_count = 1, .type = type_of_qid(qid)},
        .fid = fid,
        .open_fid = P9_NO_FID,
        .append_fid = P9_NO_FID,
        .known = {.device = DEVICE, .inode = qid.path, .link_count = 1},
    };
    *out = node;
    return OK;
}

static void nodes_release(struct file_system *fs, struct node *released) {
    struct p9_node *node = node_of(released);
    p9_clunk(p9_of(fs), node->append_fid);
    p9_clunk(p9_of(fs), node->open_fid);
    p9_clunk(p9_of(fs), node->fid);
    free(node);
}

static enum status find(struct p9 *p9, struct p9_node *directory, struct bytes name,
                        struct p9_node **out) {
    u32 fid;
    struct p9_qid qid = {0};
    enum status status = p9_walk(p9, directory->fid, name, &fid, &qid);
    return status == OK ? node_create(p9, fid, qid, out) : status;
}

static enum status nodes_lookup(struct file_system *fs, struct node *directory, struct bytes name,
                                struct node **out) {
    struct p9_node *node;
    enum status status = find(p9_of(fs), node_of(directory), name, &node);
    if (status == OK)
        *out = &node->node;
    return status;
}

// -- Attributes -----------------------------------------------------------------------------------

// Asks for the attributes, which become what is known. ERR_NOT_FOUND: the name has gone, or is
// another file's.
static enum status ask(struct p9 *p9, struct p9_node *node) {
    struct p9_attributes found;
    u32 fid = node->open_fid != P9_NO_FID ? node->open_fid : node->fid;
    enum status status = p9_get_attributes(p9, fid, &found);
    if (status != OK)
        return status;
    if (found.qid.path != node->known.inode)
        return ERR_NOT_FOUND;
    node->known = (struct file_stat){
        .device = DEVICE,
        .inode = found.qid.path,
        .link_count = found.link_count,
        .size = found.size,
        .accessed_ns = found.accessed_ns,
        .modified_ns = found.modified_ns,
        .changed_ns = found.changed_ns,
    };
    node->node.type = type_of_mode(found.mode);
    return OK;
}

// Whether there is a byte at `offset`.
static bool has_byte(struct p9 *p9, const struct p9_node *node, u64 offset) {
    struct bytes found;
    return p9_read(p9, node->open_fid, offset, 1, &found) == OK && found.len == 1;
}

// The size of an open file, found by reading; most often it is what was known.
static u64 probe_size(struct p9 *p9, const struct p9_node *node) {
    u64 low = 0; // it is at least this
    u64 high = node->known.size;
    if (!node->can_read)
        return high;
    while (high < SIZE_MAX_FILE && has_byte(p9, node, high)) {
        low = high + 1;
        high = high > SIZE_MAX_FILE / 2 ? SIZE_MAX_FILE : 2 * high + 1;
    }
    if (low < high && has_byte(p9, node, high - 1))
        low = high; // as it was
    while (low < high) {
        u64 middle = low + (high - low) / 2;
        if (has_byte(p9, node, middle))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Attributes, of something open whose name has gone, too.
static enum status know(struct p9 *p9, struct p9_node *node) {
    enum status status = ask(p9, node);
    if (status != ERR_NOT_FOUND || !node->is_open)
        return status;
    node->known.link_count = 0;
    if (node->open_fid != P9_NO_FID && node->node.type == FILE_TYPE_FILE)
        node->known.size = probe_size(p9, node);
    return OK;
}

static enum status nodes_stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    enum status status = know(p9_of(fs), node_of(node));
    if (status == OK)
        *out = node_of(node)->known;
    return status;
}

// Changes attributes by name, where the name is still this file's.
static enum status change_attributes(struct p9 *p9, struct p9_node *node,
                                     const struct p9_change *change) {
    enum status status = node->open_fid != P9_NO_FID ? ask(p9, node) : OK;
    u32 fid = node->open_fid != P9_NO_FID ? node->open_fid : node->fid;
    return status == OK ? p9_set_attributes(p9, fid, change) : status;
}

static enum status nodes_set_times(struct file_system *fs, struct node *node, u16 flags,
                                   u64 accessed_ns, u64 modified_ns) {
    static const struct {
        u16 asked;
        u32 sent;
    } map[] = {
        {FILE_TIME_ACCESSED, P9_CHANGE_ACCESSED | P9_CHANGE_ACCESSED_TO},
        {FILE_TIME_ACCESSED_NOW, P9_CHANGE_ACCESSED},
        {FILE_TIME_MODIFIED, P9_CHANGE_MODIFIED | P9_CHANGE_MODIFIED_TO},
        {FILE_TIME_MODIFIED_NOW, P9_CHANGE_MODIFIED},
    };
    struct p9_change change = {.accessed_ns = accessed_ns, .modified_ns = modified_ns};
    for (u32 i = 0; i < COUNT_OF(map); i++)
        change.flags |= (flags & map[i].asked) != 0 ? map[i].sent : 0;
    return change_attributes(p9_of(fs), node_of(node), &change);
}

// -- Opening --------------------------------------------------------------------------------------

// A fid that is open, for the same as `node`.
static enum status open_again(struct p9 *p9, const struct p9_node *node, u32 flags, u32 *out) {
    u32 fid;
    struct p9_qid qid;
    enum status status = p9_walk(p9, node->fid, (struct bytes){NULL, 0}, &fid, &qid);
    if (status != OK)
        return status;
    status = p9_open(p9, fid, flags);
    if (status == OK)
        *out = fid;
    else
        p9_clunk(p9, fid);
    return status;
}

static enum status nodes_open(struct file_system *fs, struct node *opened, u16 flags) {
    struct p9_node *node = node_of(opened);
    if (opened->type == FILE_TYPE_DIRECTORY) // its fid is opened when it is listed
        node->is_open = true;
    if (node->open_fid != P9_NO_FID) // it has just been created
        node->is_open = true;
    if (node->is_open)
        return OK;
    enum status status = ask(p9_of(fs), node);
    if (status != OK)
        return status;
    if (opened->type != FILE_TYPE_FILE)
        return opened->type == FILE_TYPE_DIRECTORY ? ERR_IS_DIRECTORY : ERR_UNSUPPORTED;
    bool writes = (flags & FILE_OPEN_WRITE) != 0;
    bool reads = (flags & FILE_OPEN_READ) != 0 || !writes;
    u32 how = !writes ? P9_OPEN_READ : reads ? P9_OPEN_READ_WRITE : P9_OPEN_WRITE;
    status = open_again(p9_of(fs), node, how, &node->open_fid);
    if (status != OK)
        return status;
    node->is_open = true;
    node->can_read = reads;
    node->can_write = writes;
    return OK;
}

static enum status open_directory(struct p9 *p9, struct p9_node *node) {
    if (node->open_fid != P9_NO_FID)
        return OK;
    return open_again(p9, node, P9_OPEN_READ, &node->open_fid);
}

// -- Contents -------------------------------------------------------------------------------------

static enum status nodes_read(struct file_system *fs, struct node *node, u64 offset,
                              struct transfer *transfer) {
    enum status status = OK;
    for (bool more = true; status == OK && more && transfer_left(transfer) != 0;) {
        struct bytes data;
        u32 len = (u32)min_u64(transfer_left(transfer), p9_data_most(p9_of(fs)));
        status = p9_read(p9_of(fs), node_of(node)->open_fid, offset, len, &data);
        more = status == OK && data.len == len;
        if (status == OK && data.len != 0)
            status = transfer_put(transfer, data.data, data.len);
        offset += len;
    }
    return transfer->done != 0 ? OK : status;
}

static enum status write_by(struct p9 *p9, u32 fid, u64 offset, struct transfer *transfer) {
    u64 put = 0;
    enum status status = OK;
    while (status == OK && transfer_left(transfer) != 0) {
        u32 written = 0;
        u32 len = (u32)min_u64(transfer_left(transfer), p9_data_most(p9));
        status = transfer_get(transfer, p9_write_space(p9), len);
        if (status == OK)
            status = p9_write(p9, fid, offset + put, len, &written);
        put += written;
        if (status == OK && written != len)
            break;
    }
    transfer->done = put; // which may be less than was taken
    return put != 0 ? OK : status;
}

// At the end, wherever that is by then: the server sees to it, but for a file whose name has gone
// before there was a fid for that. Such a file nobody else on the host can find either.
static enum status append(struct p9 *p9, struct p9_node *node, struct transfer *transfer) {
    if (node->append_fid != P9_NO_FID)
        return write_by(p9, node->append_fid, 0, transfer);
    enum status status = know(p9, node);
    if (status == OK && node->known.link_count == 0)
        return write_by(p9, node->open_fid, node->known.size, transfer);
    if (status == OK)
        status = open_again(p9, node, P9_OPEN_WRITE | P9_OPEN_APPEND, &node->append_fid);
    return status == OK ? write_by(p9, node->append_fid, 0, transfer) : status;
}

static enum status nodes_write(struct file_system *fs, struct node *written, u64 offset,
                               struct transfer *transfer) {
    struct p9_node *node = node_of(written);
    if (offset == FILE_END)
        return append(p9_of(fs), node, transfer);
    enum status status = write_by(p9_of(fs), node->open_fid, offset, transfer);
    node->known.size = max_u64(node->known.size, offset + transfer->done);
    return status;
}

// What can be done without a name: an open file grows when its last byte is written.
static enum status resize_nameless(struct p9 *p9, struct p9_node *node, u64 size) {
    u32 written;
    enum status status = know(p9, node);
    if (status != OK || size == node->known.size)
        return status;
    if (size < node->known.size || !node->can_write)
        return ERR_UNSUPPORTED;
    *p9_write_space(p9) = 0;
    status = p9_write(p9, node->open_fid, size - 1, 1, &written);
    return status == OK && written == 0 ? ERR_IO : status;
}

static enum status nodes_set_size(struct file_system *fs, struct node *node, u64 size) {
    const struct p9_change change = {.flags = P9_CHANGE_SIZE, .size = size};
    if (size > SIZE_MAX_FILE)
        return ERR_INVALID;
    enum status status = change_attributes(p9_of(fs), node_of(node), &change);
    if (status == ERR_NOT_FOUND && node_of(node)->open_fid != P9_NO_FID)
        status = resize_nameless(p9_of(fs), node_of(node), size);
    if (status == OK)
        node_of(node)->known.size = size;
    return status;
}

// The protocol has no message for it; so the file grows, and space is taken when it is written to.
static enum status nodes_allocate(struct file_system *fs, struct node *node, u64 offset, u64 len) {
    u64 end;
    if (!add_u64(offset, len, &end) || end > SIZE_MAX_FILE)
        return ERR_FILE_TOO_LARGE;
    enum status status = know(p9_of(fs), node_of(node));
    if (status != OK || end <= node_of(node)->known.size)
        return status;
    return nodes_set_size(fs, node, end);
}

static enum status nodes_sync(struct file_system *fs, struct node *synced, bool only_data) {
    struct p9_node *node = node_of(synced);
    enum status status = synced->type == FILE_TYPE_DIRECTORY ? open_directory(p9_of(fs), node) : OK;
    return status == OK ? p9_sync(p9_of(fs), node->open_fid, only_data) : status;
}

// -- Names ----------------------------------------------------------------------------------------

static enum file_type type_of_entry(const struct p9_entry *entry) {
    static const u8 unknown = 0;
    return entry->type == unknown ? type_of_qid(entry->qid) : type_of_mode((u32)entry->type << 12);
}

static bool is_dots(struct bytes name) {
    return bytes_equal_text(name, ".") || bytes_equal_text(name, "..");
}

// A name that no directory can have comes from a server that is broken.
static bool is_possible(struct bytes name) {
    bool fits = name.len != 0 && name.len <= FILE_NAME_MAX;
    return fits && memchr(name.data, '/', name.len) == NULL &&
           memchr(name.data, 0, name.len) == NULL;
}

static enum status nodes_list(struct file_system *fs, struct node *directory, u64 cookie,
                              struct listing *listing) {
    struct p9_node *node = node_of(directory);
    u32 dots = 0;
    enum status status = open_directory(p9_of(fs), node);
    for (bool more = true; status == OK && more;) {
        struct bytes entries;
        struct p9_entry entry;
        status = p9_list(p9_of(fs), node->open_fid, cookie, &entries);
        more = status == OK && entries.len != 0;
        while (status == OK && more && entries.len != 0) {
            if (!p9_next_entry(&entries, &entry) || !is_possible(entry.name) || dots > DOTS_MOST)
                return ERR_IO;
            cookie = entry.next;
            dots += is_dots(entry.name);
            more = is_dots(entry.name) || listing_add(listing, entry.next, entry.qid.path,
                                                      type_of_entry(&entry), entry.name);
        }
    }
    return status == ERR_NOT_FOUND ? OK : status; // of a directory that has been removed
}

// What is no link any more has gone since it was looked up.
static enum status nodes_read_link(struct file_system *fs, struct node *node, struct bytes *out) {
    enum status status = p9_read_link(p9_of(fs), node_of(node)->fid, out);
    return status == ERR_INVALID ? ERR_NOT_FOUND : status;
}

// The new file is open from the beginning: whoever may create it may write to it.
static enum status create_file(struct p9 *p9, struct p9_node *directory, struct bytes name,
                               u32 *out, struct p9_qid *qid) {
    u32 fid;
    enum status status = p9_walk(p9, directory->fid, (struct bytes){NULL, 0}, &fid, qid);
    if (status != OK)
        return status;
    status = p9_create(p9, fid, name, P9_OPEN_READ_WRITE | P9_OPEN_EXCLUSIVE, FILE_MODE, qid);
    if (status == OK)
        *out = fid;
    else
        p9_clunk(p9, fid);
    return status;
}

static enum status nodes_create_node(struct file_system *fs, struct node *directory,
                                     struct bytes name, enum file_type type, struct bytes target,
                                     struct node **out) {
    struct p9 *p9 = p9_of(fs);
    struct p9_node *parent = node_of(directory);
    struct p9_node *node;
    u32 open_fid = P9_NO_FID;
    struct p9_qid made;
    enum status status = type == FILE_TYPE_FILE ? create_file(p9, parent, name, &open_fid, &made)
                         : type == FILE_TYPE_DIRECTORY
                             ? p9_make_directory(p9, parent->fid, name, DIRECTORY_MODE)
                             : p9_make_link(p9, parent->fid, name, target);
    if (status != OK)
        return status;
    status = find(p9, parent, name, &node);
    if (status != OK) {
        p9_clunk(p9, open_fid);
        return status;
    }
    *out = &node->node;
    if (open_fid == P9_NO_FID)
        return OK;
    // What is open is the new file, whatever has that name by now.
    node->node.type = FILE_TYPE_FILE;
    node->known.inode = made.path;
    node->open_fid = open_fid;
    node->can_read = true;
    node->can_write = true;
    return OK;
}

static enum status nodes_link(struct file_system *fs, struct node *node, struct node *directory,
                              struct bytes name) {
    return p9_link(p9_of(fs), node_of(directory)->fid, name, node_of(node)->fid);
}

// Linux says either when a directory has something in it.
static enum status not_empty(enum status status) {
    return status == ERR_EXISTS ? ERR_NOT_EMPTY : status;
}

static enum status nodes_remove(struct file_system *fs, struct node *directory, struct bytes name,
                                struct node *node) {
    bool is_directory = node->type == FILE_TYPE_DIRECTORY;
    return not_empty(p9_remove(p9_of(fs), node_of(directory)->fid, name, is_directory));
}

static enum status nodes_rename(struct file_system *fs, struct node *from, struct bytes from_name,
                                struct node *node, struct node *to, struct bytes to_name,
                                struct node *replaced) {
    (void)node;
    (void)replaced;
    return not_empty(
        p9_rename(p9_of(fs), node_of(from)->fid, from_name, node_of(to)->fid, to_name));
}

// -- The whole ------------------------------------------------------------------------------------

static const struct file_system_ops ops = {
    .release = nodes_release,
    .lookup = nodes_lookup,
    .open = nodes_open,
    .create = nodes_create_node,
    .link = nodes_link,
    .remove = nodes_remove,
    .rename = nodes_rename,
    .list = nodes_list,
    .read_link = nodes_read_link,
    .stat = nodes_stat,
    .set_times = nodes_set_times,
    .read = nodes_read,
    .write = nodes_write,
    .set_size = nodes_set_size,
    .allocate = nodes_allocate,
    .sync = nodes_sync,
};

enum status nodes_create(struct p9_transport *transport, struct file_system **out) {
    u32 fid;
    struct p9_qid qid;
    struct p9_node *root;
    struct nodes *nodes = calloc(1, sizeof *nodes);
    if (nodes == NULL)
        return ERR_NO_MEMORY;
    enum status status = p9_begin(&nodes->p9, transport, &fid, &qid);
    if (status == OK)
        status = node_create(&nodes->p9, fid, qid, &root);
    if (status == OK && root->node.type != FILE_TYPE_DIRECTORY) {
        nodes_release(&nodes->fs, &root->node);
        status = ERR_NOT_DIRECTORY;
    }
    if (status != OK) {
        p9_end(&nodes->p9);
        free(nodes);
        return status;
    }
    nodes->fs = (struct file_system){.ops = &ops, .root = &root->node};
    *out = &nodes->fs;
    return OK;
}

void nodes_destroy(struct file_system *fs) {
    struct nodes *nodes = (struct nodes *)(void *)fs;
    node_release(fs, fs->root);
    p9_end(&nodes->p9);
    free(nodes);
}
