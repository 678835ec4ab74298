#pragma once
// What an operation that can fail in an expected way returns. Results go through out-pointers that
// are written only on OK. A bug in our own code is an ASSERT, never a status. The numbers travel in
// messages (abi/kwast/file.h) between parts that are built together.

#include "base/types.h"

#define STATUS_LIST(X)                                                                             \
    X(OK, "ok")                                                                                    \
    X(ERR_NO_MEMORY, "out of memory")                                                              \
    X(ERR_LIMIT, "limit exceeded")                                                                 \
    X(ERR_INVALID, "invalid argument")                                                             \
    X(ERR_MALFORMED, "malformed input")                                                            \
    X(ERR_TRUNCATED, "unexpected end of input")                                                    \
    X(ERR_UNSUPPORTED, "not supported")                                                            \
    X(ERR_UNLINKABLE, "unlinkable")                                                                \
    X(ERR_REFUSED, "not a program that can run")                                                   \
    X(ERR_FAULT, "bad address")                                                                    \
    X(ERR_OVERFLOW, "value too large")                                                             \
    X(ERR_BAD_HANDLE, "bad handle")                                                                \
    X(ERR_DENIED, "operation not permitted on this handle")                                        \
    X(ERR_NOT_FOUND, "not found")                                                                  \
    X(ERR_EXISTS, "already exists")                                                                \
    X(ERR_NOT_DIRECTORY, "not a directory")                                                        \
    X(ERR_IS_DIRECTORY, "is a directory")                                                          \
    X(ERR_NOT_EMPTY, "directory not empty")                                                        \
    X(ERR_NAME_TOO_LONG, "name too long")                                                          \
    X(ERR_BAD_NAME, "name is not valid UTF-8")                                                     \
    X(ERR_LOOP, "too many symbolic links")                                                         \
    X(ERR_NOT_LINK, "not a symbolic link")                                                         \
    X(ERR_ESCAPES, "path leaves its directory")                                                    \
    X(ERR_READ_ONLY, "read-only")                                                                  \
    X(ERR_NO_SPACE, "no space left")                                                               \
    X(ERR_NOT_SEEKABLE, "not seekable")                                                            \
    X(ERR_NOT_SOCKET, "not a socket")                                                              \
    X(ERR_WOULD_BLOCK, "would block")                                                              \
    X(ERR_TIMED_OUT, "timed out")                                                                  \
    X(ERR_CANCELLED, "cancelled")                                                                  \
    X(ERR_KILLED, "killed")                                                                        \
    X(ERR_CLOSED, "the other end is closed")                                                       \
    X(ERR_PEER_DIED, "the other end died")                                                         \
    X(ERR_BUSY, "busy")                                                                            \
    X(ERR_IO, "input/output error")                                                                \
    X(ERR_NO_ACCESS, "permission denied")                                                          \
    X(ERR_NOT_PERMITTED, "not permitted")                                                          \
    X(ERR_CROSS_DEVICE, "not on the same file system")                                             \
    X(ERR_FILE_TOO_LARGE, "file too large")                                                        \
    X(ERR_TOO_MANY_LINKS, "too many links")                                                        \
    X(ERR_QUOTA, "quota exceeded")                                                                 \
    X(ERR_NO_DEVICE, "no such device")                                                             \
    X(ERR_TEXT_BUSY, "the program is running")

enum status {
#define X(name, text) name,
    STATUS_LIST(X)
#undef X
        STATUS_COUNT
};

// A short English text for `status`; never NULL.
const char *status_text(enum status status);
