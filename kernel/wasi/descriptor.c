// Descriptors: handles, as WASI sees them.

#include "kernel/wasi/wasi.h"
#include "kernel/wasi/wasi_internal.h"

u64 wasi_stream_rights(bool readable, bool writable) {
    u64 rights =
        WASI_RIGHT_FD_FDSTAT_SET_FLAGS | WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_POLL_FD_READWRITE;
    if (readable)
        rights |= WASI_RIGHT_FD_READ;
    if (writable)
        rights |= WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_SYNC | WASI_RIGHT_FD_DATASYNC;
    return rights;
}

u64 wasi_file_rights(void) {
    return WASI_RIGHT_FD_DATASYNC | WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK |
           WASI_RIGHT_FD_FDSTAT_SET_FLAGS | WASI_RIGHT_FD_SYNC | WASI_RIGHT_FD_TELL |
           WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ADVISE | WASI_RIGHT_FD_ALLOCATE |
           WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_FD_FILESTAT_SET_SIZE |
           WASI_RIGHT_FD_FILESTAT_SET_TIMES | WASI_RIGHT_POLL_FD_READWRITE;
}

u64 wasi_directory_rights(void) {
    return WASI_RIGHT_FD_DATASYNC | WASI_RIGHT_FD_FDSTAT_SET_FLAGS | WASI_RIGHT_FD_SYNC |
           WASI_RIGHT_FD_ADVISE | WASI_RIGHT_PATH_CREATE_DIRECTORY | WASI_RIGHT_PATH_CREATE_FILE |
           WASI_RIGHT_PATH_LINK_SOURCE | WASI_RIGHT_PATH_LINK_TARGET | WASI_RIGHT_PATH_OPEN |
           WASI_RIGHT_FD_READDIR | WASI_RIGHT_PATH_READLINK | WASI_RIGHT_PATH_RENAME_SOURCE |
           WASI_RIGHT_PATH_RENAME_TARGET | WASI_RIGHT_PATH_FILESTAT_GET |
           WASI_RIGHT_PATH_FILESTAT_SET_SIZE | WASI_RIGHT_PATH_FILESTAT_SET_TIMES |
           WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_FD_FILESTAT_SET_TIMES | WASI_RIGHT_PATH_SYMLINK |
           WASI_RIGHT_PATH_REMOVE_DIRECTORY | WASI_RIGHT_PATH_UNLINK_FILE |
           WASI_RIGHT_POLL_FD_READWRITE;
}

u64 wasi_inheriting_rights(void) {
    return wasi_directory_rights() | wasi_file_rights();
}

enum wasi_errno wasi_fd(struct process *process, u64 fd, u64 rights, struct handle *out) {
    if (handle_get(&process->handles, (u32)fd, out) != OK)
        return WASI_EBADF;
    if ((rights & ~out->rights) == 0)
        return WASI_ESUCCESS;
    object_release(out->object);
    return WASI_ENOTCAPABLE;
}

enum wasi_filetype wasi_filetype_of(const struct object *object) {
    switch (object->type) {
    case OBJECT_STREAM:
        // A terminal is a character device; a link's stream is none, and nothing else either.
        return object->is_terminal ? WASI_FILETYPE_CHARACTER_DEVICE : WASI_FILETYPE_UNKNOWN;
    case OBJECT_FILE:
        return WASI_FILETYPE_REGULAR_FILE;
    case OBJECT_DIRECTORY:
        return WASI_FILETYPE_DIRECTORY;
    case OBJECT_LINK:
        return WASI_FILETYPE_SYMBOLIC_LINK;
    case OBJECT_CHARACTER_DEVICE:
        return WASI_FILETYPE_CHARACTER_DEVICE;
    case OBJECT_BLOCK_DEVICE:
        return WASI_FILETYPE_BLOCK_DEVICE;
    case OBJECT_SOCKET:
        return WASI_FILETYPE_SOCKET_STREAM;
    case OBJECT_PLAIN:
        break;
    }
    return WASI_FILETYPE_UNKNOWN;
}

void wasi_filestat_of(const struct object_stat *stat, struct wasi_filestat *out) {
    const struct object object = {.type = stat->type, .is_terminal = stat->is_terminal};
    *out = (struct wasi_filestat){
        .device = stat->device,
        .inode = stat->inode,
        .filetype = wasi_filetype_of(&object),
        .link_count = stat->link_count,
        .size = stat->size,
        .accessed_ns = stat->accessed_ns,
        .modified_ns = stat->modified_ns,
        .changed_ns = stat->changed_ns,
    };
}
