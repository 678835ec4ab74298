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
#include "user/sdk/device_files.h"
#include "user/sdk/files.h"

#define DEVICE_NUMBER 0x646576u
#define PIECE_BYTES   4096u

struct device {
    struct device_file file;
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

static const struct {
    const char *name;
    struct device device;
} own[] = {
    {"null", {.read = read_nothing, .write = write_away}},
    {"zero", {.read = read_zeros, .write = write_away}},
    {"full", {.read = read_zeros, .write = write_never}},
    {"random", {.read = read_random, .write = write_away}},
    {"urandom", {.read = read_random, .write = write_away}},
};

static struct device devices[DEVICE_FILES_MAX];
static struct device_files files;

// -- The directory --------------------------------------------------------------------------------

static struct device *device_of(struct node *node) {
    return (struct device *)(void *)node;
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
        node != &files.root && device_of(node)->read == NULL && node->type != FILE_TYPE_DIRECTORY;
    return is_drivers ? device_of(node)->driver : KWAST_NO_HANDLE;
}

static const struct file_system_ops operations = {
    .stands_for = stands_for,
    .release = device_files_release,
    .lookup = device_files_lookup,
    .list = device_files_list,
    .stat = device_files_stat,
    .read = read,
    .write = write,
};

static void add(const char *name, enum file_type type, const struct device *what) {
    if (files.count == DEVICE_FILES_MAX)
        return;
    struct device *device = &devices[files.count];
    *device = *what;
    device_files_add(&files, &device->file, name, type);
}

// What a driver has; nothing, where there is no driver.
static void add_driver(const char *name, kwast_handle driver) {
    __wasi_fdstat_t stat;
    if (__wasi_fd_fdstat_get((int)driver, &stat) != 0)
        return;
    bool is_directory = stat.fs_filetype == __WASI_FILETYPE_DIRECTORY;
    add(name, is_directory ? FILE_TYPE_DIRECTORY : FILE_TYPE_CHARACTER_DEVICE,
        &(struct device){.driver = driver});
}

int main(int argc, char **argv) {
    if (argc < 2 || argc % 2 != 0) {
        fprintf(stderr, "usage: dev SERVER [NAME HANDLE]...\n");
        return 2;
    }
    device_files_init(&files, DEVICE_NUMBER, &operations);
    for (u32 i = 0; i < COUNT_OF(own); i++)
        add(own[i].name, FILE_TYPE_CHARACTER_DEVICE, &own[i].device);
    for (int i = 2; i < argc; i += 2)
        add_driver(argv[i], (kwast_handle)atoi(argv[i + 1]));
    u32 error = files_serve((kwast_handle)atoi(argv[1]), &files.fs);
    fprintf(stderr, "dev: serving: %s\n", strerror((int)error));
    return 1;
}
