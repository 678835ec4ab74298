// A client that keeps to no protocol: random messages on channels, with random operations, words,
// bytes, grants and handles; and random WASI calls on directories, which reach services as the
// kernel's own messages. Nothing of it may do more than fail.
//
//   pester SEED COUNT CHANNEL...
//
// The first channel is init's.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/init.h"
#include "user/sdk/kwast.h"

#define CHANNELS_MAX   32u
#define OPENED_MAX     64u
#define FIRST_PREOPEN  3u
#define SHORT_NS       100000
#define MEMORY_TO_TELL (1u << 16) // bytes at a time

static kwast_handle channels[CHANNELS_MAX]; // the given ones first, never closed
static u32 channel_count, given_count;
static int opened[OPENED_MAX];
static u32 opened_count;
static u64 random_state;
static u32 answered_count; // messages that a service has answered

static u8 memory[2 * MEMORY_TO_TELL]; // places begin in the first half

// As the ABI has them: <wasi/api.h> takes strings that end, and no bad addresses.
#define WASI_IMPORT(name)                                                                          \
    [[clang::import_module("wasi_snapshot_preview1"), clang::import_name(#name)]]
WASI_IMPORT(path_open)
u32 imported_path_open(int fd, u32 look, const char *path, u32 len, u32 flags, u64 rights,
                       u64 inheriting, u32 fd_flags, __wasi_fd_t *out);
WASI_IMPORT(path_unlink_file) u32 imported_path_unlink_file(int fd, const char *path, u32 len);
WASI_IMPORT(path_create_directory)
u32 imported_path_create_directory(int fd, const char *path, u32 len);
WASI_IMPORT(path_remove_directory)
u32 imported_path_remove_directory(int fd, const char *path, u32 len);
WASI_IMPORT(path_rename)
u32 imported_path_rename(int fd, const char *path, u32 len, int to, const char *other, u32 size);
WASI_IMPORT(path_link)
u32 imported_path_link(int fd, u32 look, const char *path, u32 len, int to, const char *other,
                       u32 size);
WASI_IMPORT(path_symlink)
u32 imported_path_symlink(const char *path, u32 len, int fd, const char *other, u32 size);
WASI_IMPORT(path_readlink)
u32 imported_path_readlink(int fd, const char *path, u32 len, u8 *to, u32 size, u32 *out);
WASI_IMPORT(path_filestat_get)
u32 imported_path_filestat_get(int fd, u32 look, const char *path, u32 len, u32 out);

static u64 random_u64(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static u32 below(u32 limit) {
    return (u32)(random_u64() >> 32) % limit;
}

// Small, or near a limit, or anything.
static u64 some_number(void) {
    static const u64 edges[] = {0,         1,          4095,       4096,       4097,
                                65535,     65536,      INT32_MAX,  UINT32_MAX, 1ull << 32,
                                INT64_MAX, UINT64_MAX, 0x80000000, 255,        256};
    switch (below(3)) {
    case 0:
        return below(16);
    case 1:
        return edges[below(sizeof edges / sizeof edges[0])];
    default:
        return random_u64();
    }
}

// Within `memory`, or beyond all memory: what a service stores must not be this program itself.
static u32 some_address(void) {
    if (below(8) == 0)
        return (u32)random_u64() | 1u << 31;
    return (u32)(uptr)memory + below(MEMORY_TO_TELL);
}

static u32 some_len(u32 most) {
    if (below(8) != 0)
        return below(most);
    return below(2) == 0 ? MEMORY_TO_TELL : (u32)random_u64() | 1u << 31;
}

// -- Messages -------------------------------------------------------------------------------------

static void keep_channel(kwast_handle handle) {
    if (handle == KWAST_NO_HANDLE)
        return;
    if (channel_count < CHANNELS_MAX) {
        channels[channel_count++] = handle;
        return;
    }
    u32 index = given_count + below(CHANNELS_MAX - given_count);
    close((int)channels[index]);
    channels[index] = handle;
}

static u32 some_operation(u32 channel) {
    u32 operation = below(6) == 0 ? (u32)some_number() : KWAST_FIRST_OPERATION + below(10);
    // To be switched off is no failure of init's.
    return channel == 0 && operation == INIT_POWER_OFF ? INIT_KEEP : operation;
}

static void send(void) {
    struct kwast_grant grants[KWAST_GRANTS_MAX + 1];
    kwast_handle handles[KWAST_HANDLES_MAX + 1];
    u32 index = below(channel_count);
    struct kwast_call call = {
        .operation = some_operation(index),
        .bytes = some_address(),
        .bytes_len = some_len(KWAST_BYTES_MAX),
        .grants = (u32)(uptr)grants,
        .grant_count = below(2) == 0 ? 0 : below(KWAST_GRANTS_MAX + 2),
        .handles = (u32)(uptr)handles,
        .handle_count = below(2) == 0 ? 0 : below(KWAST_HANDLES_MAX + 2),
    };
    for (u32 i = 0; i <= KWAST_GRANTS_MAX; i++)
        grants[i] = (struct kwast_grant){some_address(), some_len(MEMORY_TO_TELL), below(5)};
    for (u32 i = 0; i <= KWAST_HANDLES_MAX; i++)
        handles[i] = below(4) == 0 ? (u32)some_number() : channels[below(channel_count)];
    for (u32 i = 0; i < KWAST_WORDS; i++)
        call.words[i] = some_number();
    if (kwast_scheme_call(channels[index], &call, SHORT_NS) != 0)
        return;
    answered_count++;
    keep_channel(call.handle);
}

// -- Files ----------------------------------------------------------------------------------------

static u32 some_path(char out[300]) {
    static const char *const parts[] = {"..", ".",    "/",    "a",       "b",   "tmp",
                                        "//", "\xff", "null", "urandom", "dev", "longer-than-most"};
    u32 len = 0;
    for (u32 i = below(6); i != 0; i--)
        len += (u32)snprintf(out + len, 300 - len, "%s%s", parts[below(12)], below(2) ? "/" : "");
    return below(16) == 0 ? below(300) : len;
}

static int some_fd(void) {
    if (opened_count != 0 && below(2) == 0)
        return opened[below(opened_count)];
    return (int)(FIRST_PREOPEN + below(3));
}

static void keep_fd(int fd) {
    if (opened_count < OPENED_MAX) {
        opened[opened_count++] = fd;
        return;
    }
    u32 index = below(OPENED_MAX);
    close(opened[index]);
    opened[index] = fd;
}

static void open_some(const char *path, u32 len) {
    __wasi_fd_t fd;
    __wasi_fdstat_t stat = {0};
    int directory = some_fd();
    u64 rights = random_u64() & ((1ull << 30) - 1);
    // Rights that the directory does not hand down are refused: mostly those that it does.
    if (__wasi_fd_fdstat_get(directory, &stat) == 0 && below(4) != 0)
        rights = below(2) == 0 ? stat.fs_rights_inheriting : rights & stat.fs_rights_inheriting;
    u32 flags = below(4) == 0 ? below(16) : __WASI_OFLAGS_CREAT;
    u32 fd_flags = below(4) == 0 ? below(32) : 0;
    if (imported_path_open(directory, below(4), path, len, flags, rights, rights, fd_flags, &fd) ==
        0)
        keep_fd((int)fd);
}

static void on_path(void) {
    char path[300], other[300];
    u32 len = some_path(path), other_len = some_path(other);
    u32 size;
    switch (below(12)) {
    case 0:
        imported_path_unlink_file(some_fd(), path, len);
        break;
    case 1:
        imported_path_create_directory(some_fd(), path, len);
        break;
    case 2:
        imported_path_remove_directory(some_fd(), path, len);
        break;
    case 3:
        imported_path_rename(some_fd(), path, len, some_fd(), other, other_len);
        break;
    case 4:
        imported_path_link(some_fd(), below(2), path, len, some_fd(), other, other_len);
        break;
    case 5:
        imported_path_symlink(path, len, some_fd(), other, other_len);
        break;
    case 6:
        imported_path_readlink(some_fd(), path, len, memory, some_len(MEMORY_TO_TELL), &size);
        break;
    case 7:
        imported_path_filestat_get(some_fd(), below(4), path, len, some_address());
        break;
    default:
        open_some(path, len);
    }
}

static void on_fd(void) {
    __wasi_size_t size;
    __wasi_filesize_t position;
    __wasi_ciovec_t vector = {memory + below(1000), some_len(MEMORY_TO_TELL)};
    __wasi_iovec_t into = {memory + below(1000), some_len(MEMORY_TO_TELL)};
    int fd = some_fd();
    switch (below(8)) {
    case 0:
        (void)!__wasi_fd_pread(fd, &into, 1, some_number(), &size);
        break;
    case 1:
        (void)!__wasi_fd_pwrite(fd, &vector, 1, below(2) ? below(1u << 20) : some_number(), &size);
        break;
    case 2:
        (void)!__wasi_fd_readdir(fd, memory, some_len(MEMORY_TO_TELL), some_number(), &size);
        break;
    case 3:
        (void)!__wasi_fd_filestat_set_size(fd, below(2) ? below(1u << 20) : some_number());
        break;
    case 4:
        (void)!__wasi_fd_allocate(fd, some_number(), below(2) ? below(1u << 20) : some_number());
        break;
    case 5:
        (void)!__wasi_fd_seek(fd, (i64)some_number(), (u8)below(5), &position);
        break;
    case 6:
        (void)!__wasi_fd_filestat_set_times(fd, some_number(), some_number(), (u16)below(32));
        break;
    default:
        (void)!__wasi_fd_sync(fd);
    }
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    random_state = strtoull(argv[1], NULL, 10) + 12345;
    for (int i = 3; i < argc && channel_count < CHANNELS_MAX / 2; i++)
        channels[channel_count++] = (kwast_handle)atoi(argv[i]);
    given_count = channel_count;
    for (u32 left = (u32)strtoul(argv[2], NULL, 10); left != 0; left--) {
        switch (below(3)) {
        case 0:
            on_path();
            break;
        case 1:
            on_fd();
            break;
        default:
            send();
        }
    }
    printf("pester: %u answers, %u files: it is enough\n", answered_count, opened_count);
    return 0;
}
