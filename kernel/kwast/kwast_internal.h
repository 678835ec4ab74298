#pragma once
// Shared inside kernel/kwast: how a call is declared, and the ways to what it was given. The rules
// are those of kernel/wasi: handles first, then rights, then addresses; where results go is checked
// before anything changes; what a program's memory says is read once, and checked in the kernel.

#include "abi/kwast/calls.h"
#include "base/math.h"
#include "kernel/proc/process.h"

typedef enum status (*kwast_func)(struct process *process, const u64 *args);

#define KWAST_CALL(name, parameters)                                                               \
    enum status kwast_##name(struct process *process, const u64 *args);
#include "kernel/kwast/calls.def"
#undef KWAST_CALL

// The entries of those calls that try the quick way first (quick.c); all others share one.
struct helper_result kwast_call_entry(u64 number, u64 address, u64 timeout, u64, u64, u64);
struct helper_result kwast_exchange_entry(u64 number, u64 reply, u64 request, u64 bytes, u64 len,
                                          u64 timeout);
u32 kwast_error_number(enum status status);

// What remains of a call, or of a reply and the next request, whose wait in the quick way ended
// with `status`. The call is that at `address`; `args` are request, bytes, len. The thread lends
// `call` or `receiver`; the latter is given back.
struct receiver;
MUST_USE enum status kwast_call_resume(struct process *process, u64 address,
                                       struct scheme_call *call, enum status status);
MUST_USE enum status kwast_exchange_resume(struct process *process, const u64 *args,
                                           struct receiver *receiver, enum status status);

// What a handle must name.
typedef bool (*object_test)(const struct object *object);

// Looks a handle up. It is a copy, that is to be dropped or inserted. ERR_BAD_HANDLE,
// ERR_NO_MEMORY; ERR_DENIED when it is of another kind (`is` may be NULL: any) or lacks a right. Of
// the object alone the reference is to be released.
MUST_USE enum status kwast_handle(struct process *process, u64 number, object_test is, u64 rights,
                                  struct handle *out);
MUST_USE enum status kwast_object(struct process *process, u64 number, object_test is, u64 rights,
                                  struct object **out);

// The same for the time of a call: without a reference where nobody else can close the handle
// meanwhile. kwast_object_return ends it.
struct lent_object {
    struct object *object;
    bool is_retained;
};

MUST_USE static inline enum status kwast_object_borrow(struct process *process, u64 number,
                                                       enum scheme_end end, u64 rights,
                                                       struct lent_object *out) {
    object_test is = end == SCHEME_END_SERVER ? scheme_is_server : scheme_is_channel;
    out->is_retained = !process_is_single(process);
    if (__builtin_expect(out->is_retained, 0))
        return kwast_object(process, number, is, rights, &out->object);
    const struct handle *handle = handle_peek(&process->handles, (u32)number);
    if (handle == NULL)
        return ERR_BAD_HANDLE;
    out->object = handle->object;
    return out->object->scheme_end == end && (rights & ~handle->rights) == 0 ? OK : ERR_DENIED;
}

// Whether a hint (struct handle_hint) may name what a call has borrowed: the process is one that
// plain calls can be for, and was at the beginning, for another thread may have closed the handle
// and left since.
bool kwast_may_hint(const struct process *process, const struct lent_object *lent);

static inline void kwast_object_return(const struct lent_object *lent) {
    if (__builtin_expect(lent->is_retained, 0))
        object_release(lent->object);
}

// Puts a handle into the process's table and its number to `out`, or neither. Takes over the
// reference in either case.
MUST_USE enum status kwast_give(struct process *process, const struct handle *handle, u64 out);

// Closes a handle that the process may know of already: another thread may have closed it.
void kwast_close(struct process *process, u32 number);

// Copies out of and into the process's memory.
MUST_USE enum status kwast_get(struct process *process, u64 from, void *to, u64 len);
MUST_USE enum status kwast_put(struct process *process, u64 to, const void *from, u64 len);
MUST_USE static inline enum status kwast_check(struct process *process, u64 address, u64 len) {
    struct guest_memory memory = process_memory(process);
    return guest_range_ok(&memory, (struct guest_addr){address}, len) ? OK : ERR_FAULT;
}

// A run of the process's memory, to be lent.
static inline struct grant kwast_own_memory(const struct process *process, u64 address, u64 len,
                                            enum grant_access access) {
    return (struct grant){
        .memory = process_memory(process),
        .start = {address},
        .len = len,
        .access = access,
    };
}

// Copies a string of 1 to `max` bytes in.
MUST_USE enum status kwast_get_text(struct process *process, u64 from, u64 len, u64 max, u8 *to);

// What a timeout means: WAIT_FOREVER when it is negative.
static inline u64 kwast_deadline(u64 timeout_ns) {
    u64 deadline_ns;
    if ((i64)timeout_ns < 0 || !add_u64(arch_clock_ns(), timeout_ns, &deadline_ns))
        return WAIT_FOREVER;
    return deadline_ns;
}
