#pragma once
// What the services use of WASI's own header, so that they can be compiled for the host. The
// numbers are those of abi/wasi/preview1.h.

#include <stddef.h>
#include <stdint.h>

typedef uint32_t __wasi_size_t;
typedef uint64_t __wasi_rights_t;
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
    __WASI_ERRNO_INVAL = 28,
    __WASI_ERRNO_MFILE = 33,
    __WASI_ERRNO_NOMEM = 48,
    __WASI_FILETYPE_DIRECTORY = 3,
};
#define __WASI_RIGHTS_FD_READ         ((__wasi_rights_t)1 << 1)
#define __WASI_RIGHTS_FD_WRITE        ((__wasi_rights_t)1 << 6)
#define __WASI_RIGHTS_FD_FILESTAT_GET ((__wasi_rights_t)1 << 21)

uint16_t __wasi_fd_fdstat_get(int fd, __wasi_fdstat_t *out);
uint16_t __wasi_fd_prestat_get(int fd, __wasi_prestat_t *out);
uint16_t __wasi_random_get(uint8_t *to, __wasi_size_t len);
