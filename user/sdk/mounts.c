// The directories of a program.

#include "user/sdk/mounts.h"

#include <string.h>
#include <wasi/libc-find-relpath.h>

#include "user/sdk/kwast.h"

#define FIRST_DIRECTORY 3

static bool get(int fd, struct mount *out) {
    struct kwast_grant grant = {
        .address = (u32)(uptr)&out->stat, .len = sizeof out->stat, .access = KWAST_WRITE};
    struct kwast_call call = {
        .operation = FILE_SYSTEM_STAT, .grants = (u32)(uptr)&grant, .grant_count = 1};
    __wasi_prestat_t prestat;
    if (__wasi_fd_prestat_get(fd, &prestat) != 0)
        return false;
    usize len = prestat.u.dir.pr_name_len;
    *out = (struct mount){.fd = fd};
    if (len >= sizeof out->path || __wasi_fd_prestat_dir_name(fd, (u8 *)out->path, len) != 0)
        return false;
    u32 error = kwast_scheme_call((kwast_handle)fd, &call, -1);
    out->is_scheme = error != __WASI_ERRNO_NOTCAPABLE;
    out->is_told = error == 0 && call.answer == 0 && call.words[2] == sizeof out->stat;
    if (!out->is_told)
        out->stat = (struct file_system_stat){0};
    out->stat.type[sizeof out->stat.type - 1] = 0;
    return true;
}

bool mount_get(u32 index, struct mount *out) {
    int fd = FIRST_DIRECTORY;
    while (get(fd++, out)) {
        if (strcmp(out->path, ".") != 0 && index-- == 0)
            return true;
    }
    return false;
}

bool mount_of(const char *path, struct mount *out) {
    static char buffer[FILE_PATH_MAX + 1];
    char *relative = buffer;
    const char *prefix;
    int fd = __wasilibc_find_relpath(path, &prefix, &relative, sizeof buffer);
    return fd >= 0 && get(fd, out);
}
