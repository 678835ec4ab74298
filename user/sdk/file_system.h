#pragma once
// What a file system is to the server of files (files.h): nodes, which have types, and directories,
// which give them names. Paths, symbolic links, open files and messages are the server's business;
// a file system sees single names and nodes.
//
// One thread serves, so an operation runs from its start to its end alone. Each returns OK or an
// enum status, and has changed nothing unless OK. A name has 1 to 255 bytes, is UTF-8, and is
// neither "." nor ".."; it is not NUL-terminated.

#include "abi/kwast/file.h"
#include "base/status.h"
#include "base/string.h"

#define FILE_NAME_MAX 255u

struct file_system;

// The head of a file system's own structure. A node stays as long as somebody has a reference: an
// open file, the server while it works; what has names lives anyway, which is the file system's
// business.
struct node {
    u32 ref_count;
    enum file_type type;
};

// Data on its way to the client or from it, in pieces and in order.
struct transfer {
    u32 server;
    u64 number;
    u64 done; // bytes so far
    u64 room; // bytes that the client has, or wants
};

// Moves `len` bytes, which must not be more than are left.
enum status transfer_put(struct transfer *transfer, const void *from, u64 len);
enum status transfer_get(struct transfer *transfer, void *to, u64 len);

static inline u64 transfer_left(const struct transfer *transfer) {
    return transfer->room - transfer->done;
}

struct listing;

// Adds an entry; false: there is no room any more, and nothing was added.
bool listing_add(struct listing *listing, u64 next_cookie, u64 inode, enum file_type type,
                 struct bytes name);

// A NULL operation is ERR_READ_ONLY where it would change something, and does nothing otherwise.
struct file_system_ops {
    // The last reference is gone.
    void (*release)(struct file_system *fs, struct node *node);

    // ERR_NOT_FOUND. *out is a new reference.
    enum status (*lookup)(struct file_system *fs, struct node *directory, struct bytes name,
                          struct node **out);

    // What is opened, before its channel is made. [nothing to do]
    enum status (*open)(struct file_system *fs, struct node *node, u16 flags);
    void (*close)(struct file_system *fs, struct node *node, u16 flags);

    // A handle of a file or stream of somebody else's that the node stands for: whoever opens the
    // node gets a copy of that. KWAST_NO_HANDLE: it is ours. [it is ours]
    u32 (*stands_for)(struct file_system *fs, struct node *node);

    // Makes a new node for a name that is not there yet; `target` is a symbolic link's.
    enum status (*create)(struct file_system *fs, struct node *directory, struct bytes name,
                          enum file_type type, struct bytes target, struct node **out);

    // Another name, which is not there yet, for a node that is no directory.
    enum status (*link)(struct file_system *fs, struct node *node, struct node *directory,
                        struct bytes name);

    // Takes the name of `node` away. ERR_NOT_EMPTY: a directory with something in it.
    enum status (*remove)(struct file_system *fs, struct node *directory, struct bytes name,
                          struct node *node);

    // Moves `node` to another name, where `replaced` is (NULL: nothing), which goes. Types fit.
    // ERR_NOT_EMPTY; ERR_INVALID: into itself.
    enum status (*rename)(struct file_system *fs, struct node *from, struct bytes from_name,
                          struct node *node, struct node *to, struct bytes to_name,
                          struct node *replaced);

    // Entries from a cookie on, which is 0 or some entry's `next_cookie`, until one does not fit.
    enum status (*list)(struct file_system *fs, struct node *directory, u64 cookie,
                        struct listing *listing);

    // The target of a symbolic link; *out stays until the next operation.
    enum status (*read_link)(struct file_system *fs, struct node *node, struct bytes *out);

    enum status (*stat)(struct file_system *fs, struct node *node, struct file_stat *out);
    enum status (*set_times)(struct file_system *fs, struct node *node, u16 flags, u64 accessed_ns,
                             u64 modified_ns);

    // As much as there is and as there is room for. Of a file, or of a device, where the offset
    // means nothing.
    enum status (*read)(struct file_system *fs, struct node *node, u64 offset,
                        struct transfer *transfer);

    // All of it; or as much as there is space for, if that is something. FILE_END: at the end.
    enum status (*write)(struct file_system *fs, struct node *node, u64 offset,
                         struct transfer *transfer);
    enum status (*set_size)(struct file_system *fs, struct node *node, u64 size);
    enum status (*allocate)(struct file_system *fs, struct node *node, u64 offset, u64 len);
    enum status (*sync)(struct file_system *fs, struct node *node, bool only_data);

    // Of the whole. *out is all zeros. [ERR_UNSUPPORTED]
    enum status (*stat_system)(struct file_system *fs, struct file_system_stat *out);
};

#define FILE_END UINT64_MAX

struct file_system {
    const struct file_system_ops *ops;
    struct node *root; // one reference is ours
};

static inline struct node *node_retain(struct node *node) {
    node->ref_count++;
    return node;
}

static inline void node_release(struct file_system *fs, struct node *node) {
    if (node != NULL && --node->ref_count == 0)
        fs->ops->release(fs, node);
}
