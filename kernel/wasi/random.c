// Random bytes.

#include "kernel/proc/random.h"

#include "base/math.h"
#include "kernel/wasi/wasi_internal.h"

#define PIECE_BYTES 512u

// (buffer, length)
enum wasi_errno wasi_random_get(struct process *process, const u64 *args) {
    u8 piece[PIECE_BYTES];
    enum wasi_errno error = wasi_check(process, args[0], args[1]);
    for (u64 at = 0; error == WASI_ESUCCESS && at < args[1]; at += PIECE_BYTES) {
        u64 len = min_u64(args[1] - at, PIECE_BYTES);
        random_fill(piece, len);
        error = wasi_put(process, args[0] + at, piece, len);
        if (thread_is_killed(thread_current()))
            return WASI_EINTR;
    }
    return error;
}
