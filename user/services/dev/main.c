// dev: the devices.
//
//   dev SERVER [NAME CHANNEL]...
//
// serves the scheme whose server end is descriptor SERVER: a directory with null, zero, full,
// random and urandom, and the devices of drivers: who opens such a NAME gets their CHANNEL.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/dev.h"
#include "base/math.h"
#include "user/sdk/files.h"

#define DEVICE_NUMBER 0x646576u
#define PIECE_BYTES   4096u
#define OWN_DEVICES   5u
#define DRIVEN_MAX    32u

struct device {
    struct node node;
    const char *name;
    kwast_handle channel; // of one that a driver serves
    enum status (*read)(struct transfer *transfer);
    enum status (*write)(struct transfer *transfer);
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

static struct device devices[OWN_DEVICES + DRIVEN_MAX] = {
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "null", KWAST_NO_HANDLE, read_nothing, write_away},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "zero", KWAST_NO_HANDLE, read_zeros, write_away},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "full", KWAST_NO_HANDLE, read_zeros, write_never},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "random", KWAST_NO_HANDLE, read_random, write_away},
    {{1, FILE_TYPE_CHARACTER_DEVICE}, "urandom", KWAST_NO_HANDLE, read_random, write_away},
};

static u32 device_count = OWN_DEVICES;

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
    (void)directory;
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
    (void)directory;
    for (u64 i = cookie; i < device_count; i++) {
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

static enum status read_device(struct file_system *fs, struct node *node, u64 offset,
                               struct transfer *transfer) {
    (void)fs;
    (void)offset;
    return device_of(node)->read(transfer);
}

static enum status write_device(struct file_system *fs, struct node *node, u64 offset,
                                struct transfer *transfer) {
    (void)fs;
    (void)offset;
    return device_of(node)->write(transfer);
}

static enum status elsewhere(struct file_system *fs, struct node *node, u32 *out) {
    __wasi_fdstat_t stat;
    (void)fs;
    if (node == &root || device_of(node)->channel == KWAST_NO_HANDLE)
        return OK;
    kwast_handle channel = device_of(node)->channel;
    if (__wasi_fd_fdstat_get((int)channel, &stat) != 0 ||
        kwast_handle_duplicate(channel, stat.fs_rights_base, stat.fs_rights_inheriting, out) != 0)
        return ERR_LIMIT;
    return OK;
}

static const struct file_system_ops operations = {
    .release = release,
    .lookup = lookup,
    .elsewhere = elsewhere,
    .list = list,
    .stat = stat,
    .read = read_device,
    .write = write_device,
};

// -- Drivers --------------------------------------------------------------------------------------

static struct device *find_device(const char *name) {
    for (u32 i = 0; i < device_count; i++) {
        if (strcmp(devices[i].name, name) == 0)
            return &devices[i];
    }
    return NULL;
}

// Takes the handle over when it succeeds.
static enum status add_device(const char *bytes, usize len, kwast_handle channel) {
    static char names[DRIVEN_MAX][DEV_NAME_MAX + 1];
    char name[DEV_NAME_MAX + 1] = "";
    if (len == 0 || len > DEV_NAME_MAX || memchr(bytes, '/', len) != NULL)
        return ERR_INVALID;
    memcpy(name, bytes, len);
    struct device *device = find_device(name);
    if (device != NULL && device->channel == KWAST_NO_HANDLE)
        return ERR_EXISTS;
    if (device != NULL) {
        close((int)device->channel);
        device->channel = channel;
        return OK;
    }
    if (device_count == COUNT_OF(devices))
        return ERR_LIMIT;
    char *kept = names[device_count - OWN_DEVICES];
    memcpy(kept, name, sizeof name);
    devices[device_count++] =
        (struct device){.node = {1, FILE_TYPE_CHARACTER_DEVICE}, .name = kept, .channel = channel};
    return OK;
}

static void serve_driver(kwast_handle server, const struct kwast_request *request,
                         const void *bytes) {
    struct kwast_reply reply = {
        .number = request->number, .handle = KWAST_NO_HANDLE, .answer = ERR_UNSUPPORTED};
    bool is_add = request->operation == DEV_ADD && request->handle_count == 1 &&
                  request->bytes_len <= KWAST_BYTES_MAX;
    if (is_add)
        reply.answer = add_device(bytes, request->bytes_len, request->handles[0]);
    for (u32 i = 0; reply.answer != OK && i < request->handle_count; i++)
        close((int)request->handles[i]);
    if (request->number != 0)
        kwast_scheme_reply(server, &reply);
}

static void serve_files(struct files *files, const struct kwast_request *request,
                        const void *bytes) {
    struct kwast_reply reply = {.number = request->number, .handle = KWAST_NO_HANDLE};
    if (files_answer(files, request, bytes, &reply) && request->number != 0)
        kwast_scheme_reply(files->server, &reply);
}

// Serves both, for ever.
static void serve_all(struct files *files, kwast_handle drivers) {
    struct kwast_request request;
    static u8 bytes[KWAST_BYTES_MAX];
    struct pollfd events[] = {{.fd = (int)files->server, .events = POLLRDNORM},
                              {.fd = (int)drivers, .events = POLLRDNORM}};
    while (poll(events, COUNT_OF(events), -1) >= 0) {
        while (kwast_scheme_receive(files->server, &request, bytes, sizeof bytes, 0) == 0)
            serve_files(files, &request, bytes);
        while (kwast_scheme_receive(drivers, &request, bytes, sizeof bytes, 0) == 0)
            serve_driver(drivers, &request, bytes);
    }
}

int main(int argc, char **argv) {
    struct file_system fs = {&operations, &root};
    struct files files;
    if (argc != 3) {
        fprintf(stderr, "usage: dev SERVER DRIVERS\n");
        return 2;
    }
    files_init(&files, (kwast_handle)atoi(argv[1]), &fs);
    serve_all(&files, (kwast_handle)atoi(argv[2]));
    perror("dev");
    return 1;
}
