// Where the kernel's statuses become WASI's error numbers: the only such place.

#include "kernel/wasi/wasi_internal.h"

enum wasi_errno wasi_errno_of(enum status status) {
    switch (status) {
    case OK:
        return WASI_ESUCCESS;
    case ERR_NO_MEMORY:
        return WASI_ENOMEM;
    case ERR_LIMIT:
        return WASI_EMFILE;
    case ERR_INVALID:
    case ERR_MALFORMED:
    case ERR_TRUNCATED:
        return WASI_EINVAL;
    case ERR_UNSUPPORTED:
    case ERR_UNLINKABLE:
        return WASI_ENOTSUP;
    case ERR_FAULT:
        return WASI_EFAULT;
    case ERR_OVERFLOW:
        return WASI_EOVERFLOW;
    case ERR_BAD_HANDLE:
        return WASI_EBADF;
    case ERR_DENIED:
    case ERR_ESCAPES:
        return WASI_ENOTCAPABLE;
    case ERR_NOT_FOUND:
        return WASI_ENOENT;
    case ERR_EXISTS:
        return WASI_EEXIST;
    case ERR_NOT_DIRECTORY:
        return WASI_ENOTDIR;
    case ERR_IS_DIRECTORY:
        return WASI_EISDIR;
    case ERR_NOT_EMPTY:
        return WASI_ENOTEMPTY;
    case ERR_NAME_TOO_LONG:
        return WASI_ENAMETOOLONG;
    case ERR_BAD_NAME:
        return WASI_EILSEQ;
    case ERR_LOOP:
        return WASI_ELOOP;
    case ERR_NOT_LINK:
        return WASI_EINVAL;
    case ERR_READ_ONLY:
        return WASI_EROFS;
    case ERR_NO_SPACE:
        return WASI_ENOSPC;
    case ERR_NOT_SEEKABLE:
        return WASI_ESPIPE;
    case ERR_NOT_SOCKET:
        return WASI_ENOTSOCK;
    case ERR_WOULD_BLOCK:
        return WASI_EAGAIN;
    case ERR_TIMED_OUT:
        return WASI_ETIMEDOUT;
    case ERR_CANCELLED:
        return WASI_ECANCELED;
    case ERR_KILLED:
        return WASI_EINTR; // nobody sees it: the process ends when the call returns
    case ERR_PEER_DIED:
        return WASI_EOWNERDEAD;
    case ERR_CLOSED:
        return WASI_EPIPE;
    case ERR_BUSY:
        return WASI_EBUSY;
    case ERR_IO:
    case STATUS_COUNT:
        return WASI_EIO;
    }
    return WASI_EIO;
}
