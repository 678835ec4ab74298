#pragma once
// What the services use of WASI's own header, so that they can be compiled for the host. The
// numbers are those of abi/wasi/preview1.h.

#include <stddef.h>
#include <stdint.h>

typedef uint32_t __wasi_size_t;
typedef uint64_t __wasi_rights_t;
typedef uint64_t __wasi_timestamp_t;
typedef struct {
    uint8_t fs_filetype;
    uint16_t fs_flags;
    __wasi_rights_t fs_rights_base;
    __wasi_rights_t fs_rights_inheriting;
} __wasi_fdstat_t;
typedef struct {
    uint8_t tag;
    union {
        struct {
            __wasi_size_t pr_name_len;
        } dir;
    } u;
} __wasi_prestat_t;

enum {
    __WASI_ERRNO_CANCELED = 11,
    __WASI_ERRNO_INVAL = 28,
    __WASI_ERRNO_MFILE = 33,
    __WASI_ERRNO_NFILE = 41,
    __WASI_ERRNO_NOMEM = 48,
    __WASI_FILETYPE_DIRECTORY = 3,
};
#define __WASI_RIGHTS_FD_READ         ((__wasi_rights_t)1 << 1)
#define __WASI_RIGHTS_FD_WRITE        ((__wasi_rights_t)1 << 6)
#define __WASI_RIGHTS_FD_FILESTAT_GET ((__wasi_rights_t)1 << 21)

typedef struct {
    uint64_t userdata;
    struct {
        uint8_t tag;
        union {
            struct {
                uint32_t id;
                uint64_t timeout;
            } clock;
        } u;
    } u;
} __wasi_subscription_t;
typedef struct {
    uint64_t userdata;
} __wasi_event_t;
enum { __WASI_EVENTTYPE_CLOCK = 0, __WASI_CLOCKID_MONOTONIC = 1 };

uint16_t __wasi_poll_oneoff(const __wasi_subscription_t *in, __wasi_event_t *out,
                            __wasi_size_t count, __wasi_size_t *got);
uint16_t __wasi_fd_fdstat_get(int fd, __wasi_fdstat_t *out);
uint16_t __wasi_fd_prestat_get(int fd, __wasi_prestat_t *out);
uint16_t __wasi_clock_time_get(uint32_t id, __wasi_timestamp_t precision, __wasi_timestamp_t *out);
uint16_t __wasi_random_get(uint8_t *to, __wasi_size_t len);
