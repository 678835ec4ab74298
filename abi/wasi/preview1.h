#pragma once
// WASI preview 1, as a program sees it: numbers, flags and the layout of what is passed in memory.
// Everything is little-endian; pointers and sizes are 32 bits.

#include "base/assert.h"
#include "base/types.h"

// Why a call failed. The numbers are the positions.
enum wasi_errno : u16 {
    WASI_ESUCCESS,
    WASI_E2BIG,
    WASI_EACCES,
    WASI_EADDRINUSE,
    WASI_EADDRNOTAVAIL,
    WASI_EAFNOSUPPORT,
    WASI_EAGAIN,
    WASI_EALREADY,
    WASI_EBADF,
    WASI_EBADMSG,
    WASI_EBUSY,
    WASI_ECANCELED,
    WASI_ECHILD,
    WASI_ECONNABORTED,
    WASI_ECONNREFUSED,
    WASI_ECONNRESET,
    WASI_EDEADLK,
    WASI_EDESTADDRREQ,
    WASI_EDOM,
    WASI_EDQUOT,
    WASI_EEXIST,
    WASI_EFAULT,
    WASI_EFBIG,
    WASI_EHOSTUNREACH,
    WASI_EIDRM,
    WASI_EILSEQ,
    WASI_EINPROGRESS,
    WASI_EINTR,
    WASI_EINVAL,
    WASI_EIO,
    WASI_EISCONN,
    WASI_EISDIR,
    WASI_ELOOP,
    WASI_EMFILE,
    WASI_EMLINK,
    WASI_EMSGSIZE,
    WASI_EMULTIHOP,
    WASI_ENAMETOOLONG,
    WASI_ENETDOWN,
    WASI_ENETRESET,
    WASI_ENETUNREACH,
    WASI_ENFILE,
    WASI_ENOBUFS,
    WASI_ENODEV,
    WASI_ENOENT,
    WASI_ENOEXEC,
    WASI_ENOLCK,
    WASI_ENOLINK,
    WASI_ENOMEM,
    WASI_ENOMSG,
    WASI_ENOPROTOOPT,
    WASI_ENOSPC,
    WASI_ENOSYS,
    WASI_ENOTCONN,
    WASI_ENOTDIR,
    WASI_ENOTEMPTY,
    WASI_ENOTRECOVERABLE,
    WASI_ENOTSOCK,
    WASI_ENOTSUP,
    WASI_ENOTTY,
    WASI_ENXIO,
    WASI_EOVERFLOW,
    WASI_EOWNERDEAD,
    WASI_EPERM,
    WASI_EPIPE,
    WASI_EPROTO,
    WASI_EPROTONOSUPPORT,
    WASI_EPROTOTYPE,
    WASI_ERANGE,
    WASI_EROFS,
    WASI_ESPIPE,
    WASI_ESRCH,
    WASI_ESTALE,
    WASI_ETIMEDOUT,
    WASI_ETXTBSY,
    WASI_EXDEV,
    WASI_ENOTCAPABLE,
};
STATIC_ASSERT(WASI_EBADF == 8, "preview 1");
STATIC_ASSERT(WASI_EINVAL == 28, "preview 1");
STATIC_ASSERT(WASI_ENOENT == 44, "preview 1");
STATIC_ASSERT(WASI_ENOTCAPABLE == 76, "preview 1");

// What a descriptor may be used for.
enum wasi_right : u64 {
    WASI_RIGHT_FD_DATASYNC = 1ull << 0,
    WASI_RIGHT_FD_READ = 1ull << 1,
    WASI_RIGHT_FD_SEEK = 1ull << 2,
    WASI_RIGHT_FD_FDSTAT_SET_FLAGS = 1ull << 3,
    WASI_RIGHT_FD_SYNC = 1ull << 4,
    WASI_RIGHT_FD_TELL = 1ull << 5,
    WASI_RIGHT_FD_WRITE = 1ull << 6,
    WASI_RIGHT_FD_ADVISE = 1ull << 7,
    WASI_RIGHT_FD_ALLOCATE = 1ull << 8,
    WASI_RIGHT_PATH_CREATE_DIRECTORY = 1ull << 9,
    WASI_RIGHT_PATH_CREATE_FILE = 1ull << 10,
    WASI_RIGHT_PATH_LINK_SOURCE = 1ull << 11,
    WASI_RIGHT_PATH_LINK_TARGET = 1ull << 12,
    WASI_RIGHT_PATH_OPEN = 1ull << 13,
    WASI_RIGHT_FD_READDIR = 1ull << 14,
    WASI_RIGHT_PATH_READLINK = 1ull << 15,
    WASI_RIGHT_PATH_RENAME_SOURCE = 1ull << 16,
    WASI_RIGHT_PATH_RENAME_TARGET = 1ull << 17,
    WASI_RIGHT_PATH_FILESTAT_GET = 1ull << 18,
    WASI_RIGHT_PATH_FILESTAT_SET_SIZE = 1ull << 19,
    WASI_RIGHT_PATH_FILESTAT_SET_TIMES = 1ull << 20,
    WASI_RIGHT_FD_FILESTAT_GET = 1ull << 21,
    WASI_RIGHT_FD_FILESTAT_SET_SIZE = 1ull << 22,
    WASI_RIGHT_FD_FILESTAT_SET_TIMES = 1ull << 23,
    WASI_RIGHT_PATH_SYMLINK = 1ull << 24,
    WASI_RIGHT_PATH_REMOVE_DIRECTORY = 1ull << 25,
    WASI_RIGHT_PATH_UNLINK_FILE = 1ull << 26,
    WASI_RIGHT_POLL_FD_READWRITE = 1ull << 27,
    WASI_RIGHT_SOCK_SHUTDOWN = 1ull << 28,
    WASI_RIGHT_SOCK_ACCEPT = 1ull << 29,
};
#define WASI_RIGHTS_ALL ((1ull << 30) - 1)

enum wasi_filetype : u8 {
    WASI_FILETYPE_UNKNOWN,
    WASI_FILETYPE_BLOCK_DEVICE,
    WASI_FILETYPE_CHARACTER_DEVICE,
    WASI_FILETYPE_DIRECTORY,
    WASI_FILETYPE_REGULAR_FILE,
    WASI_FILETYPE_SOCKET_DGRAM,
    WASI_FILETYPE_SOCKET_STREAM,
    WASI_FILETYPE_SYMBOLIC_LINK,
};

enum wasi_clock : u32 {
    WASI_CLOCK_REALTIME,
    WASI_CLOCK_MONOTONIC,
    WASI_CLOCK_PROCESS_CPUTIME,
    WASI_CLOCK_THREAD_CPUTIME,
};

enum wasi_fdflag : u16 {
    WASI_FDFLAG_APPEND = 1 << 0,
    WASI_FDFLAG_DSYNC = 1 << 1,
    WASI_FDFLAG_NONBLOCK = 1 << 2,
    WASI_FDFLAG_RSYNC = 1 << 3,
    WASI_FDFLAG_SYNC = 1 << 4,
};
#define WASI_FDFLAGS_ALL 0x1fu

enum wasi_oflag : u16 {
    WASI_OFLAG_CREAT = 1 << 0,
    WASI_OFLAG_DIRECTORY = 1 << 1,
    WASI_OFLAG_EXCL = 1 << 2,
    WASI_OFLAG_TRUNC = 1 << 3,
};
#define WASI_OFLAGS_ALL       0xfu

#define WASI_LOOKUP_FOLLOW    1u

#define WASI_FSTFLAG_ATIM     (1u << 0)
#define WASI_FSTFLAG_ATIM_NOW (1u << 1)
#define WASI_FSTFLAG_MTIM     (1u << 2)
#define WASI_FSTFLAG_MTIM_NOW (1u << 3)
#define WASI_FSTFLAGS_ALL     0xfu

#define WASI_ADVICE_COUNT     6u
#define WASI_SIGNAL_COUNT     31u

#define WASI_EVENT_HANGUP     1u // eventrwflags
#define WASI_SUBCLOCK_ABSTIME 1u // subclockflags

#define WASI_DIRCOOKIE_START  0u
#define WASI_PREOPEN_DIR      0u

enum wasi_whence : u8 { WASI_WHENCE_SET, WASI_WHENCE_CUR, WASI_WHENCE_END };
enum wasi_eventtype : u8 { WASI_EVENT_CLOCK, WASI_EVENT_FD_READ, WASI_EVENT_FD_WRITE };

// A part of a scattered buffer.
struct wasi_iovec {
    u32 buf;
    u32 buf_len;
};
#define WASI_IOV_MAX 1024u

struct wasi_prestat {
    u8 tag;
    u8 padding[3];
    u32 name_len;
};
STATIC_ASSERT(sizeof(struct wasi_prestat) == 8, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_prestat, name_len) == 4, "preview 1");

struct wasi_fdstat {
    enum wasi_filetype filetype;
    u8 padding;
    u16 flags;
    u32 padding2;
    u64 rights_base;
    u64 rights_inheriting;
};
STATIC_ASSERT(sizeof(struct wasi_fdstat) == 24, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_fdstat, flags) == 2, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_fdstat, rights_base) == 8, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_fdstat, rights_inheriting) == 16, "preview 1");

struct wasi_filestat {
    u64 device;
    u64 inode;
    enum wasi_filetype filetype;
    u8 padding[7];
    u64 link_count;
    u64 size;
    u64 accessed_ns;
    u64 modified_ns;
    u64 changed_ns;
};
STATIC_ASSERT(sizeof(struct wasi_filestat) == 64, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_filestat, filetype) == 16, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_filestat, link_count) == 24, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_filestat, size) == 32, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_filestat, changed_ns) == 56, "preview 1");

// The name follows, without a NUL.
struct wasi_dirent {
    u64 next;
    u64 inode;
    u32 name_len;
    enum wasi_filetype filetype;
    u8 padding[3];
};
STATIC_ASSERT(sizeof(struct wasi_dirent) == 24, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_dirent, name_len) == 16, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_dirent, filetype) == 20, "preview 1");

struct wasi_subscription {
    u64 userdata;
    enum wasi_eventtype tag;
    u8 padding[7];
    union {
        struct {
            enum wasi_clock id;
            u32 padding;
            u64 timeout_ns;
            u64 precision_ns;
            u16 flags;
        } clock;
        u32 fd;
    };
};
STATIC_ASSERT(sizeof(struct wasi_subscription) == 48, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_subscription, tag) == 8, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_subscription, fd) == 16, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_subscription, clock.timeout_ns) == 24, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_subscription, clock.flags) == 40, "preview 1");

struct wasi_event {
    u64 userdata;
    enum wasi_errno error;
    enum wasi_eventtype type;
    u8 padding[5];
    u64 available;
    u16 flags;
    u8 padding2[6];
};
STATIC_ASSERT(sizeof(struct wasi_event) == 32, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_event, error) == 8, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_event, type) == 10, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_event, available) == 16, "preview 1");
STATIC_ASSERT(offsetof(struct wasi_event, flags) == 24, "preview 1");
