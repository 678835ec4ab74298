// The part of WASI that a benchmark needs, for programs that wasm2c has made C of: arguments,
// output and the end. What else a program imports fails; bench/programs.py writes those functions.
//
// Compiled with -include of wasm2c's header of a module that is named `bench`.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ERRNO_SUCCESS 0
#define ERRNO_BADF    8

typedef struct Z_wasi_snapshot_preview1_instance_t {
    Z_bench_instance_t *program;
    char **argv;
    u32 argc;
} wasi;

static u8 *at(wasi *self, u32 address) {
    return Z_benchZ_memory(self->program)->data + address;
}

static void put_u32(wasi *self, u32 address, u32 value) {
    memcpy(at(self, address), &value, sizeof(value));
}

static u32 get_u32(wasi *self, u32 address) {
    u32 value;
    memcpy(&value, at(self, address), sizeof(value));
    return value;
}

u32 Z_wasi_snapshot_preview1Z_args_sizes_get(wasi *self, u32 count, u32 bytes) {
    u32 total = 0;
    for (u32 i = 0; i < self->argc; i++)
        total += (u32)strlen(self->argv[i]) + 1;
    put_u32(self, count, self->argc);
    put_u32(self, bytes, total);
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_args_get(wasi *self, u32 pointers, u32 bytes) {
    for (u32 i = 0; i < self->argc; i++) {
        u32 len = (u32)strlen(self->argv[i]) + 1;
        put_u32(self, pointers + 4 * i, bytes);
        memcpy(at(self, bytes), self->argv[i], len);
        bytes += len;
    }
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_environ_sizes_get(wasi *self, u32 count, u32 bytes) {
    put_u32(self, count, 0);
    put_u32(self, bytes, 0);
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_environ_get(wasi *, u32, u32) {
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_clock_time_get(wasi *self, u32 clock, u64, u32 out) {
    struct timespec now;
    clock_gettime(clock == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    u64 ns = (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
    memcpy(at(self, out), &ns, sizeof(ns));
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_fd_write(wasi *self, u32 fd, u32 parts, u32 count, u32 written) {
    if (fd != 1 && fd != 2)
        return ERRNO_BADF;
    u32 total = 0;
    for (u32 i = 0; i < count; i++) {
        u32 len = get_u32(self, parts + 8 * i + 4);
        fwrite(at(self, get_u32(self, parts + 8 * i)), 1, len, fd == 1 ? stdout : stderr);
        total += len;
    }
    put_u32(self, written, total);
    return ERRNO_SUCCESS;
}

// Standard output is a character device; there are no directories.
u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(wasi *self, u32 fd, u32 out) {
    if (fd > 2)
        return ERRNO_BADF;
    memset(at(self, out), 0, 24);
    *at(self, out) = 2;
    memset(at(self, out + 8), 0xff, 16);
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_fd_prestat_get(wasi *, u32, u32) {
    return ERRNO_BADF;
}

void Z_wasi_snapshot_preview1Z_proc_exit(wasi *, u32 code) {
    exit((int)code);
}

int main(int argc, char **argv) {
    static Z_bench_instance_t program;
    static wasi self;
    self = (wasi){.program = &program, .argv = argv, .argc = (u32)argc};
    wasm_rt_init();
    Z_bench_init_module();
    Z_bench_instantiate(&program, &self);
    Z_benchZ__start(&program);
    return 0;
}
