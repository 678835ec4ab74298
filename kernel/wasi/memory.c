// The ways between a call and its program's memory.

#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi_internal.h"

STATIC_ASSERT(sizeof(struct wasi_iovec) == 8, "preview 1");

enum wasi_errno wasi_get(struct process *process, u64 from, void *to, u64 len) {
    struct guest_memory memory = process_memory(process);
    return wasi_errno_of(guest_read(&memory, to, (struct guest_addr){from}, len));
}

enum wasi_errno wasi_put(struct process *process, u64 to, const void *from, u64 len) {
    struct guest_memory memory = process_memory(process);
    return wasi_errno_of(guest_write(&memory, (struct guest_addr){to}, from, len));
}

enum wasi_errno wasi_put_u32(struct process *process, u64 to, u32 value) {
    return wasi_put(process, to, &value, sizeof value);
}

enum wasi_errno wasi_put_u64(struct process *process, u64 to, u64 value) {
    return wasi_put(process, to, &value, sizeof value);
}

enum wasi_errno wasi_check(struct process *process, u64 to, u64 len) {
    struct guest_memory memory = process_memory(process);
    return guest_range_ok(&memory, (struct guest_addr){to}, len) ? WASI_ESUCCESS : WASI_EFAULT;
}

static enum wasi_errno check_parts(struct process *process, struct wasi_buffers *buffers) {
    for (u32 i = 0; i < buffers->count; i++) {
        const struct wasi_iovec *part = &buffers->parts[i];
        enum wasi_errno error = wasi_check(process, part->buf, part->buf_len);
        if (error != WASI_ESUCCESS)
            return error;
        buffers->total += part->buf_len; // at most WASI_IOV_MAX times 2^32
    }
    return buffers->total > UINT32_MAX ? WASI_EINVAL : WASI_ESUCCESS;
}

enum wasi_errno wasi_buffers_get(struct process *process, u64 iovecs, u64 count,
                                 struct wasi_buffers *out) {
    *out = (struct wasi_buffers){.count = (u32)count};
    if (count > WASI_IOV_MAX)
        return WASI_EINVAL;
    if (count == 0)
        return WASI_ESUCCESS;
    usize bytes = count * sizeof *out->parts;
    enum wasi_errno error = wasi_check(process, iovecs, bytes);
    if (error != WASI_ESUCCESS)
        return error;
    out->parts = kmalloc(bytes);
    if (out->parts == NULL)
        return WASI_ENOMEM;
    error = wasi_get(process, iovecs, out->parts, bytes);
    if (error == WASI_ESUCCESS)
        error = check_parts(process, out);
    if (error != WASI_ESUCCESS)
        wasi_buffers_fini(out);
    return error;
}

void wasi_buffers_fini(struct wasi_buffers *buffers) {
    if (buffers->parts != NULL)
        kfree(buffers->parts, buffers->count * sizeof *buffers->parts);
    buffers->parts = NULL;
}

// The next run of bytes in the buffers, at most `len`; false at their end.
static bool next_run(struct wasi_buffers *buffers, usize len, u64 *address, usize *run) {
    while (buffers->index < buffers->count &&
           buffers->offset == buffers->parts[buffers->index].buf_len) {
        buffers->index++;
        buffers->offset = 0;
    }
    if (buffers->index == buffers->count)
        return false;
    const struct wasi_iovec *part = &buffers->parts[buffers->index];
    *address = (u64)part->buf + buffers->offset;
    *run = min_u64(len, part->buf_len - buffers->offset);
    buffers->offset += (u32)*run;
    return true;
}

enum wasi_errno wasi_buffers_gather(struct process *process, struct wasi_buffers *buffers, u8 *to,
                                    usize len) {
    while (len != 0) {
        u64 address;
        usize run;
        bool more = next_run(buffers, len, &address, &run);
        CHECK(more);
        enum wasi_errno error = wasi_get(process, address, to, run);
        if (error != WASI_ESUCCESS)
            return error;
        to += run;
        len -= run;
    }
    return WASI_ESUCCESS;
}

enum wasi_errno wasi_buffers_scatter(struct process *process, struct wasi_buffers *buffers,
                                     const u8 *from, usize len) {
    while (len != 0) {
        u64 address;
        usize run;
        bool more = next_run(buffers, len, &address, &run);
        CHECK(more);
        enum wasi_errno error = wasi_put(process, address, from, run);
        if (error != WASI_ESUCCESS)
            return error;
        from += run;
        len -= run;
    }
    return WASI_ESUCCESS;
}
