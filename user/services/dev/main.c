// dev: the devices that are no hardware, and names for those that are.
//
//   dev SERVER [NAME HANDLE]...
//
// serves the scheme whose server end is descriptor SERVER: a directory with null, zero, full,
// random and urandom, and NAME for each stream or file HANDLE of a driver's. -1: there is none.
// Where HANDLE is a directory, NAME is an empty one: so that what programs see under that name is
// listed.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "user/sdk/files.h"

#define DEVICE_NUMBER 0x646576u
#define PIECE_BYTES   4096u

#define DEVICES_MAX   32u

struct device {
    struct node node;
    const char *name;
    enum status (*read)(struct transfer *transfer);
    enum status (*write)(struct transfer *transfer);
    kwast_handle driver; // somebody else's, if `read` is NULL
};

// -- What they do ---------------------------------------------------------------------------------

static enum status read_nothing(struct transfer *transfer) {
    (void)transfer;
    return OK;
}

static enum status read_zeros(struct transfer *transfer) {
    static const u8 zeros[PIECE_BYTES];
    enum status status = OK;
    while (status == OK && transfer_left(transfer) != 0)
        status = transfer_put(transfer, zeros, min_u64(sizeof zeros, transfer_left(transfer)));
    return status;
}

static enum status read_random(struct transfer *transfer) {
    u8 bytes[PIECE_BYTES];
    enum status status = OK;
    while (status == OK && transfer_left(transfer) != 0) {
        u64 len = min_u64(sizeof bytes, transfer_left(transfer));
        if (__wasi_random_get(bytes, (__wasi_size_t)len) != 0)
            return ERR_IO;
        status = transfer_put(transfer, bytes, len);
    }
    return status;
}

static enum status write_away(struct transfer *transfer) {
    transfer->done = transfer->room;
    return OK;
}

static enum status write_never(struct transfer *transfer) {
    return transfer->room == 0 ? OK : ERR_NO_SPACE;
}

static struct device devices[DEVICES_MAX] = {
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "null", read_nothing, write_away, KWAST_NO_HANDLE},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "zero", read_zeros, write_away, KWAST_NO_HANDLE},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "full", read_zeros, write_never, KWAST_NO_HANDLE},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "random", read_random, write_away, KWAST_NO_HANDLE},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "urandom", read_random, write_away, KWAST_NO_HANDLE},
};

static u32 device_count = 5;

static struct node root = {1, FILE_TYPE_DIRECTORY};

// -- The directory --------------------------------------------------------------------------------
// Nothing of it is ever released: each node has a reference of its own.

static struct device *device_of(struct node *node) {
    return (struct device *)(void *)node;
}

static void release(struct file_system *fs, struct node *node) {
    (void)fs;
    (void)node;
}

static enum status lookup(struct file_system *fs, struct node *directory, struct bytes name,
                          struct node **out) {
    (void)fs;
    if (directory != &root)
        return ERR_NOT_FOUND;
    for (u32 i = 0; i < device_count; i++) {
        if (!bytes_equal(name, bytes_of(devices[i].name)))
            continue;
        *out = node_retain(&devices[i].node);
        return OK;
    }
    return ERR_NOT_FOUND;
}

static u64 inode_of(const struct node *node) {
    for (u32 i = 0; i < device_count; i++) {
        if (node == &devices[i].node)
            return i + 2;
    }
    return 1;
}

static enum status list(struct file_system *fs, struct node *directory, u64 cookie,
                        struct listing *listing) {
    (void)fs;
    for (u64 i = cookie; directory == &root && i < device_count; i++) {
        struct device *device = &devices[i];
        if (!listing_add(listing, i + 1, inode_of(&device->node), device->node.type,
                         bytes_of(device->name)))
            break;
    }
    return OK;
}

static enum status stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    (void)fs;
    *out = (struct file_stat){
        .device = DEVICE_NUMBER, .inode = inode_of(node), .link_count = 1, .type = node->type};
    return OK;
}

static enum status read(struct file_system *fs, struct node *node, u64 offset,
                        struct transfer *transfer) {
    (void)fs;
    (void)offset;
    return device_of(node)->read(transfer);
}

static enum status write(struct file_system *fs, struct node *node, u64 offset,
                         struct transfer *transfer) {
    (void)fs;
    (void)offset;
    return device_of(node)->write(transfer);
}

static u32 stands_for(struct file_system *fs, struct node *node) {
    (void)fs;
    bool is_drivers =
        node != &root && device_of(node)->read == NULL && node->type != FILE_TYPE_DIRECTORY;
    return is_drivers ? device_of(node)->driver : KWAST_NO_HANDLE;
}

static const struct file_system_ops operations = {
    .stands_for = stands_for,
    .release = release,
    .lookup = lookup,
    .list = list,
    .stat = stat,
    .read = read,
    .write = write,
};

// What a driver has; nothing, where there is no driver.
static void add_device(const char *name, kwast_handle driver) {
    __wasi_fdstat_t stat;
    if (device_count == DEVICES_MAX || __wasi_fd_fdstat_get((int)driver, &stat) != 0)
        return;
    bool is_directory = stat.fs_filetype == __WASI_FILETYPE_DIRECTORY;
    devices[device_count++] = (struct device){
        .node = {1, is_directory ? FILE_TYPE_DIRECTORY : FILE_TYPE_CHARACTER_DEVICE},
        .name = name,
        .driver = driver,
    };
}

int main(int argc, char **argv) {
    struct file_system fs = {&operations, &root};
    if (argc < 2 || argc % 2 != 0) {
        fprintf(stderr, "usage: dev SERVER [NAME HANDLE]...\n");
        return 2;
    }
    for (int i = 2; i < argc; i += 2)
        add_device(argv[i], (kwast_handle)atoi(argv[i + 1]));
    u32 error = files_serve((kwast_handle)atoi(argv[1]), &fs);
    fprintf(stderr, "dev: serving: %s\n", strerror((int)error));
    return 1;
}
