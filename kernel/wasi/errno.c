// Where the kernel's statuses become WASI's error numbers: the only such place.

#include "kernel/wasi/wasi.h"
#include "kernel/wasi/wasi_internal.h"

static const enum wasi_errno errnos[STATUS_COUNT] = {
    [OK] = WASI_ESUCCESS,
    [ERR_NO_MEMORY] = WASI_ENOMEM,
    [ERR_LIMIT] = WASI_EMFILE,
    [ERR_INVALID] = WASI_EINVAL,
    [ERR_MALFORMED] = WASI_EINVAL,
    [ERR_TRUNCATED] = WASI_EINVAL,
    [ERR_UNSUPPORTED] = WASI_ENOTSUP,
    [ERR_UNLINKABLE] = WASI_ENOEXEC,
    [ERR_REFUSED] = WASI_ENOEXEC,
    [ERR_FAULT] = WASI_EFAULT,
    [ERR_OVERFLOW] = WASI_EOVERFLOW,
    [ERR_BAD_HANDLE] = WASI_EBADF,
    [ERR_DENIED] = WASI_ENOTCAPABLE,
    [ERR_NOT_FOUND] = WASI_ENOENT,
    [ERR_EXISTS] = WASI_EEXIST,
    [ERR_NOT_DIRECTORY] = WASI_ENOTDIR,
    [ERR_IS_DIRECTORY] = WASI_EISDIR,
    [ERR_NOT_EMPTY] = WASI_ENOTEMPTY,
    [ERR_NAME_TOO_LONG] = WASI_ENAMETOOLONG,
    [ERR_BAD_NAME] = WASI_EILSEQ,
    [ERR_LOOP] = WASI_ELOOP,
    [ERR_NOT_LINK] = WASI_EINVAL,
    [ERR_ESCAPES] = WASI_ENOTCAPABLE,
    [ERR_READ_ONLY] = WASI_EROFS,
    [ERR_NO_SPACE] = WASI_ENOSPC,
    [ERR_NOT_SEEKABLE] = WASI_ESPIPE,
    [ERR_NOT_SOCKET] = WASI_ENOTSOCK,
    [ERR_WOULD_BLOCK] = WASI_EAGAIN,
    [ERR_TIMED_OUT] = WASI_ETIMEDOUT,
    [ERR_CANCELLED] = WASI_ECANCELED,
    [ERR_KILLED] = WASI_EINTR, // nobody sees it: the process ends when the call returns
    [ERR_CLOSED] = WASI_EPIPE,
    [ERR_PEER_DIED] = WASI_EOWNERDEAD,
    [ERR_BUSY] = WASI_EBUSY,
    [ERR_IO] = WASI_EIO,
    [ERR_NO_ACCESS] = WASI_EACCES,
    [ERR_NOT_PERMITTED] = WASI_EPERM,
    [ERR_CROSS_DEVICE] = WASI_EXDEV,
    [ERR_FILE_TOO_LARGE] = WASI_EFBIG,
    [ERR_TOO_MANY_LINKS] = WASI_EMLINK,
    [ERR_QUOTA] = WASI_EDQUOT,
    [ERR_NO_DEVICE] = WASI_ENXIO,
    [ERR_TEXT_BUSY] = WASI_ETXTBSY,
};

enum wasi_errno wasi_errno_of(enum status status) {
    enum wasi_errno error = status < STATUS_COUNT ? errnos[status] : WASI_EIO;
    // A status without a line above is still a failure.
    return error == WASI_ESUCCESS && status != OK ? WASI_EIO : error;
}

u16 wasi_error_number(enum status status) {
    return wasi_errno_of(status);
}
