#pragma once
// WASI preview 0, the import module "wasi_unstable": what differs from preview 1
// (abi/wasi/preview1.h). Names, numbers, flags and all other layouts are the same; sock_accept came
// later.

#include "abi/wasi/preview1.h"

enum wasi0_whence : u8 { WASI0_WHENCE_CUR, WASI0_WHENCE_END, WASI0_WHENCE_SET };

struct wasi0_filestat {
    u64 device;
    u64 inode;
    enum wasi_filetype filetype;
    u8 padding[3];
    u32 link_count;
    u64 size;
    u64 accessed_ns;
    u64 modified_ns;
    u64 changed_ns;
};
STATIC_ASSERT(sizeof(struct wasi0_filestat) == 56, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_filestat, filetype) == 16, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_filestat, link_count) == 20, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_filestat, size) == 24, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_filestat, changed_ns) == 48, "preview 0");

struct wasi0_subscription {
    u64 userdata;
    enum wasi_eventtype tag;
    u8 padding[7];
    union {
        struct {
            u64 identifier; // the program's own; nobody looks at it
            enum wasi_clock id;
            u32 padding;
            u64 timeout_ns;
            u64 precision_ns;
            u16 flags;
        } clock;
        u32 fd;
    };
};
STATIC_ASSERT(sizeof(struct wasi0_subscription) == 56, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_subscription, tag) == 8, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_subscription, fd) == 16, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_subscription, clock.id) == 24, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_subscription, clock.timeout_ns) == 32, "preview 0");
STATIC_ASSERT(offsetof(struct wasi0_subscription, clock.flags) == 48, "preview 0");
