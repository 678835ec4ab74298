// Passes wild pointers and lengths to every WASI call that takes any. Each must be refused; the
// program must survive; memory that was not named must stay as it is. Run with an argument, a
// variable in the environment, a preopened directory and something on standard input, so that no
// call has a reason to leave its pointers alone.

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define PREOPEN 3

static uint32_t memory_bytes;
static uint8_t canary[4096];
static int failures;

// Addresses at which not even the smallest object fits, or is not wholly inside.
static uint32_t wild(unsigned i) {
    const uint32_t addresses[] = {0xffffffff,   0xfffffffe,       0xfffffff0,          0x80000000,
                                  memory_bytes, memory_bytes - 1, memory_bytes + 65536};
    return addresses[i];
}
#define WILD_COUNT 7

static void *at(uint32_t address) {
    return (void *)(uintptr_t)address;
}

struct tally {
    const char *name;
    int refused;
    int accepted;
};

static void count(struct tally *tally, uint32_t result) {
    if (result == 0)
        tally->accepted++;
    else
        tally->refused++;
}

static void report(const struct tally *tally) {
    printf("%s: %d refused", tally->name, tally->refused);
    if (tally->accepted != 0) {
        printf(", %d ACCEPTED", tally->accepted);
        failures++;
    }
    putchar('\n');
}

// Makes each call once for every wild address, which is `p` in the expression.
#define TRY(call, expression)                                                                      \
    do {                                                                                           \
        struct tally tally = {.name = #call};                                                      \
        for (unsigned i = 0; i < WILD_COUNT; i++) {                                                \
            uint32_t w = wild(i);                                                                  \
            void *p = at(w);                                                                       \
            (void)p;                                                                               \
            count(&tally, (expression));                                                           \
        }                                                                                          \
        report(&tally);                                                                            \
    } while (0)

int32_t raw_path_open(int32_t, int32_t, int32_t, int32_t, int32_t, int64_t, int64_t, int32_t,
                      int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_open")));
int32_t raw_path_filestat(int32_t, int32_t, int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_filestat_get")));
int32_t raw_path_mkdir(int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_create_directory")));
int32_t raw_path_rmdir(int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_remove_directory")));
int32_t raw_path_unlink(int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_unlink_file")));
int32_t raw_path_readlink(int32_t, int32_t, int32_t, int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_readlink")));
int32_t raw_path_rename(int32_t, int32_t, int32_t, int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_rename")));
int32_t raw_path_symlink(int32_t, int32_t, int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_symlink")));
int32_t raw_path_link(int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"), import_name("path_link")));
int32_t raw_path_times(int32_t, int32_t, int32_t, int32_t, int64_t, int64_t, int32_t)
    __attribute__((import_module("wasi_snapshot_preview1"),
                   import_name("path_filestat_set_times")));

static void try_streams(void) {
    __wasi_size_t done;
    __wasi_filesize_t position;
    __wasi_ciovec_t out = {.buf = (const uint8_t *)"x", .buf_len = 1};
    __wasi_ciovec_t huge = {.buf = canary, .buf_len = 0xffffffff};
    __wasi_iovec_t in = {.buf = canary, .buf_len = 0x80000000};
    TRY(fd_write iovs, __wasi_fd_write(2, p, 1, &done));
    TRY(fd_write buffer,
        __wasi_fd_write(2, &(__wasi_ciovec_t){.buf = p, .buf_len = 100000}, 1, &done));
    TRY(fd_write result, __wasi_fd_write(2, &(__wasi_ciovec_t){.buf = canary, .buf_len = 0}, 1, p));
    TRY(fd_write count, __wasi_fd_write(2, &out, w | 0x40000000, &done));
    TRY(fd_write length, __wasi_fd_write(2, &huge, 1, &done));
    TRY(fd_read iovs, __wasi_fd_read(0, p, 1, &done));
    TRY(fd_read buffer,
        __wasi_fd_read(0, &(__wasi_iovec_t){.buf = p, .buf_len = 100000}, 1, &done));
    TRY(fd_read count, __wasi_fd_read(0, &in, w | 0x40000000, &done));
    TRY(fd_read length, __wasi_fd_read(0, &in, 1, &done));
    TRY(fd_pread, __wasi_fd_pread(PREOPEN, p, 1, 0, &done));
    TRY(fd_pwrite, __wasi_fd_pwrite(PREOPEN, p, 1, 0, &done));
    TRY(fd_seek, __wasi_fd_seek(PREOPEN, 0, 0, p));
    TRY(fd_tell, __wasi_fd_tell(PREOPEN, p));
    TRY(fd_tell handle, __wasi_fd_tell(w, &position));
    TRY(fd_close handle, __wasi_fd_close(w));
    TRY(fd_renumber handle, __wasi_fd_renumber(w, w - 1));
}

static void try_descriptors(void) {
    __wasi_size_t size;
    TRY(fd_fdstat_get, __wasi_fd_fdstat_get(1, p));
    TRY(fd_filestat_get, __wasi_fd_filestat_get(1, p));
    TRY(fd_prestat_get, __wasi_fd_prestat_get(PREOPEN, p));
    TRY(fd_prestat_dir_name, __wasi_fd_prestat_dir_name(PREOPEN, p, 4096));
    TRY(fd_readdir, __wasi_fd_readdir(PREOPEN, p, 4096, 0, &size));
    TRY(fd_readdir size, __wasi_fd_readdir(PREOPEN, canary, sizeof(canary), 0, p));
    TRY(sock_recv, __wasi_sock_recv(1, p, 1, 0, p, p));
    TRY(sock_send, __wasi_sock_send(1, p, 1, 0, p));
}

static void try_process(void) {
    __wasi_size_t size;
    TRY(args_get, __wasi_args_get(p, canary));
    TRY(args_sizes_get, __wasi_args_sizes_get(p, &size));
    TRY(environ_get, __wasi_environ_get(p, canary));
    TRY(environ_sizes_get, __wasi_environ_sizes_get(&size, p));
    TRY(clock_res_get, __wasi_clock_res_get(1, p));
    TRY(clock_time_get, __wasi_clock_time_get(1, 0, p));
    TRY(random_get, __wasi_random_get(p, 100000));
    TRY(random_get length, __wasi_random_get(canary, 0xffffffff));
    TRY(poll_oneoff in, __wasi_poll_oneoff(p, (void *)canary, 1, &size));
    TRY(poll_oneoff count,
        __wasi_poll_oneoff((void *)canary, (void *)canary, w | 0x40000000, &size));
    __wasi_subscription_t now = {.u.tag = __WASI_EVENTTYPE_CLOCK};
    TRY(poll_oneoff out, __wasi_poll_oneoff(&now, p, 1, &size));
    TRY(poll_oneoff result, __wasi_poll_oneoff(&now, (void *)canary, 1, p));
}

static void try_paths(void) {
    int32_t here = (int32_t)(uintptr_t)canary;
    TRY(path_open, raw_path_open(PREOPEN, 0, (int32_t)w, 100000, 0, 2, 0, 0, here));
    TRY(path_open result,
        raw_path_open(PREOPEN, 0, (int32_t)(uintptr_t)".", 1, 0, 0, 0, 0, (int32_t)w));
    TRY(path_open length,
        raw_path_open(PREOPEN, 0, here, (int32_t)(w | 0x40000000), 0, 2, 0, 0, here));
    TRY(path_filestat_get, raw_path_filestat(PREOPEN, 0, (int32_t)w, 100000, here));
    TRY(path_filestat_get result,
        raw_path_filestat(PREOPEN, 0, (int32_t)(uintptr_t)".", 1, (int32_t)w));
    TRY(path_create_directory, raw_path_mkdir(PREOPEN, (int32_t)w, 100000));
    TRY(path_remove_directory, raw_path_rmdir(PREOPEN, (int32_t)w, 100000));
    TRY(path_unlink_file, raw_path_unlink(PREOPEN, (int32_t)w, 100000));
    TRY(path_readlink, raw_path_readlink(PREOPEN, (int32_t)w, 100000, here, 100, here));
    TRY(path_rename, raw_path_rename(PREOPEN, (int32_t)w, 100000, PREOPEN, (int32_t)w, 100000));
    TRY(path_symlink, raw_path_symlink((int32_t)w, 100000, PREOPEN, (int32_t)w, 100000));
    TRY(path_link, raw_path_link(PREOPEN, 0, (int32_t)w, 100000, PREOPEN, (int32_t)w, 100000));
    TRY(path_filestat_set_times, raw_path_times(PREOPEN, 0, (int32_t)w, 100000, 0, 0, 0));
}

int main(void) {
    memory_bytes = (uint32_t)__builtin_wasm_memory_size(0) * 65536;
    memset(canary, 0x5a, sizeof(canary));
    static uint8_t guard[sizeof(canary)];
    memset(guard, 0xa5, sizeof(guard));
    try_streams();
    try_descriptors();
    try_process();
    try_paths();
    for (size_t i = 0; i < sizeof(guard); i++)
        failures += guard[i] != 0xa5;
    printf("%s\n", failures == 0 ? "all refused" : "NOT ALL REFUSED");
    return failures != 0;
}
