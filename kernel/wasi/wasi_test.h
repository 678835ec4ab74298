#pragma once
// What the unit tests of this folder share: calls as a program's thunk makes them, and where things
// are in the program's memory. On the fake machine, without an engine (tests/fake_process.h).

#include <stdio.h>

#include "kernel/wasi/wasi.h"
#include "kernel/wasi/wasi_internal.h"
#include "tests/fake_arch.h"
#include "tests/fake_process.h"
#include "tests/fake_sched.h"

#define BAD         0xfffffff0u // a pointer outside of any memory here
#define FILE_RIGHTS (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL)

// Where the tests keep things in the program's memory.
enum { AT_IOVECS = 64, AT_OUT = 16, AT_PATH = 1024, AT_DATA = 4096, AT_MORE = 8192 };

#define CALL(name, ...) wasi_##name(&fake_process, (const u64[]){__VA_ARGS__})

static inline u64 poke_path(const char *path) {
    fake_poke(AT_PATH, path, strlen(path));
    return strlen(path);
}

static inline void poke_iovec(u32 index, u32 at, u32 len) {
    const struct wasi_iovec part = {at, len};
    fake_poke(AT_IOVECS + index * sizeof part, &part, sizeof part);
}

static inline enum wasi_errno open_path(const char *path, u64 oflags, u64 rights) {
    u64 len = poke_path(path);
    return CALL(path_open, FAKE_DIR_FD, WASI_LOOKUP_FOLLOW, AT_PATH, len, oflags, rights, 0, 0,
                AT_OUT);
}

static inline enum wasi_errno open_with_flags(const char *path, u64 dirflags, u64 fdflags) {
    u64 len = poke_path(path);
    return CALL(path_open, FAKE_DIR_FD, dirflags, AT_PATH, len, 0, FILE_RIGHTS, 0, fdflags, AT_OUT);
}

static inline u32 open_file(const char *path) {
    enum wasi_errno error = open_path(path, 0, FILE_RIGHTS);
    CHECK(error == WASI_ESUCCESS);
    return fake_peek_u32(AT_OUT);
}

static inline u32 open_count(void) {
    return handle_count(&fake_process.handles);
}

// A body runs on a thread of the fake machine, so it CHECKs.
#define EXPECT(call, expected)                                                                     \
    do {                                                                                           \
        enum wasi_errno got_ = (call);                                                             \
        if (got_ != (expected))                                                                    \
            fprintf(stderr, "%s:%d: %s gave %d, not %d\n", __FILE__, __LINE__, #call, (int)got_,   \
                    (int)(expected));                                                              \
        CHECK(got_ == (expected));                                                                 \
    } while (0)
