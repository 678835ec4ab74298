// The directories of a program.

#include "user/sdk/mounts.h"

#include <string.h>
#include <wasi/libc-find-relpath.h>

#include "user/sdk/kwast.h"

#define FIRST_DIRECTORY 3

// False: there is no mount at that number.
static bool get(int fd, struct mount *out) {
    struct kwast_grant grant = {
        .address = (u32)(uptr)&out->stat, .len = sizeof out->stat, .access = KWAST_WRITE};
    struct kwast_call call = {
        .operation = FILE_SYSTEM_STAT, .grants = (u32)(uptr)&grant, .grant_count = 1};
    usize len;
    if (kwast_given_as(fd, &len) != KWAST_AS_DIRECTORY)
        return false;
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
    for (int fd = FIRST_DIRECTORY; fd < (int)KWAST_GIVEN_MAX; fd++) {
        if (get(fd, out) && strcmp(out->path, ".") != 0 && index-- == 0)
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
