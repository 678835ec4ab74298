// Output buffered until it can be written without blocking.
//
// The descriptors are not made non-blocking: that would change them for everyone who shares the
// open file, the user's shell among them. Instead not more than PIPE_BUF bytes are written at a
// time, which poll() promises to be free in a pipe that it calls writable.

#include "tools/outlet.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/math.h"

void outlet_init(struct outlet *outlet, int fd, const char *name) {
    *outlet = (struct outlet){.fd = fd, .name = name};
}

void outlet_fini(struct outlet *outlet) {
    free(outlet->pending);
    *outlet = (struct outlet){.fd = -1};
}

void outlet_put(struct outlet *outlet, struct bytes bytes) {
    usize pending = outlet_pending(outlet);
    if (outlet->capacity - outlet->pending_end < bytes.len) {
        if (pending != 0)
            memmove(outlet->pending, outlet->pending + outlet->pending_start, pending);
        outlet->pending_start = 0;
        outlet->pending_end = pending;
    }
    if (outlet->capacity - outlet->pending_end < bytes.len) {
        outlet->capacity = max_u64(2 * outlet->capacity, pending + bytes.len);
        outlet->pending = realloc(outlet->pending, outlet->capacity);
        if (outlet->pending == NULL)
            abort();
    }
    if (bytes.len != 0)
        memcpy(outlet->pending + outlet->pending_end, bytes.data, bytes.len);
    outlet->pending_end += bytes.len;
}

int outlet_flush(struct outlet *outlet) {
    struct stat info;
    usize len = outlet_pending(outlet);
    if (len == 0)
        return 0;
    bool may_block = fstat(outlet->fd, &info) != 0 || !S_ISREG(info.st_mode);
    if (may_block && len > PIPE_BUF)
        len = PIPE_BUF;
    ssize_t done = write(outlet->fd, outlet->pending + outlet->pending_start, len);
    if (done < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : errno;
    outlet->pending_start += (usize)done;
    return 0;
}
