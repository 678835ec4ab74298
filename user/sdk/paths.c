// From a path to the directory that leads there: what WASI's libc does, with one thing more.
//
// WASI lets nobody leave a directory that was opened, and each mount is one. So a ".." in a mount's
// root, as everybody knows it from elsewhere, is taken off the path here: it leads to the directory
// that the mount is in, by name. Any other ".." stays for the file system, which knows what is a
// symbolic link.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/libc-find-relpath.h>

#include "base/types.h"
#include "user/sdk/mounts.h"

#define PATH_BYTES 4096u

// Whether it is the root of what is mounted somewhere; "" is the root of all.
static bool is_mount(const char *path) {
    const char *mount, *rest;
    if (path[0] == 0)
        return true;
    return __wasilibc_find_abspath(path, &mount, &rest) >= 0 &&
           (rest[0] == 0 || strcmp(rest, ".") == 0);
}

// Appends a path to an absolute one, which ends at `end`; returns where it ends then. There is room
// for both.
static char *append(char *start, char *end, const char *path) {
    for (usize len = 0; *path != 0; path += len) {
        len = strspn(path, "/");
        path += len;
        len = strcspn(path, "/");
        bool stays = len == 0 || (len == 1 && path[0] == '.');
        bool is_up = len == 2 && memcmp(path, "..", 2) == 0;
        if (is_up && is_mount(start)) {
            while (end != start && *--end != '/')
                ;
        } else if (!stays) {
            *end++ = '/';
            end = (char *)memcpy(end, path, len) + len;
        }
        *end = 0;
    }
    return end;
}

// Whether what a path names has to be a directory, because of how it ends.
static bool names_directory(const char *path) {
    usize len = strlen(path);
    return len != 0 &&
           (path[len - 1] == '/' || (path[len - 1] == '.' && (len == 1 || path[len - 2] == '/')));
}

void mounts_join(void) {
    // What libc calls is below, and comes into a program with this.
}

// As libc's own, which is weak. *relative is the caller's and may be made larger.
int __wasilibc_find_relpath_alloc(const char *path, const char **mount, char **relative,
                                  size_t *relative_bytes, int can_realloc) {
    static char absolute[2 * PATH_BYTES + 2];
    char here[PATH_BYTES] = "";
    const char *rest;
    if (strlen(path) >= PATH_BYTES || (path[0] != '/' && getcwd(here, sizeof here) == NULL)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    absolute[0] = 0;
    char *end = append(absolute, append(absolute, absolute, here), path);
    if (end == absolute || names_directory(path))
        strcpy(end, "/");
    int fd = __wasilibc_find_abspath(absolute, mount, &rest);
    if (fd < 0)
        return -1;
    if (path[0] == 0)
        rest = ""; // which there is not
    usize bytes = strlen(rest) + 1;
    if (bytes > *relative_bytes) {
        char *larger = can_realloc ? realloc(*relative, bytes) : NULL;
        if (larger == NULL) {
            errno = can_realloc ? ENOMEM : ERANGE;
            return -1;
        }
        *relative = larger;
        *relative_bytes = bytes;
    }
    memcpy(*relative, rest, bytes);
    return fd;
}
