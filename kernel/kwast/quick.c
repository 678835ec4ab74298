// The quick way of scheme_call and scheme_reply_receive (kernel/ipc/scheme_quick.h): entries of
// their own, which leave whatever is not plain to the entry that all calls share.
//
// Plain is: the handle was looked up before (struct handle_hint), by the only thread; there is no
// timeout, and no handle comes along; everything is within the memory, which shows no device.
//
// Addresses and lengths of the programs' are numbers of 32 bits, so sums of two do not overflow.

#include "kernel/ipc/scheme_quick.h"

#include "kernel/kwast/kwast_internal.h"

#define NO_TIMEOUT UINT64_MAX

// A device that is mapped ends hints (kwast_memory_map), as a second thread does.
bool kwast_may_hint(const struct process *process, const struct lent_object *lent) {
    return !lent->is_retained && process->memory != NULL && process->area != NULL &&
           __atomic_load_n(&process->area->device_count, __ATOMIC_RELAXED) == 0;
}

// Whether what the CPU's word says lets calls go the quick way though it is not 0: that it has
// company is all.
static inline bool has_company_alone(u32 attention) {
    union {
        u32 word;
        struct {
            bool reschedule, is_traced, is_slow, has_company;
        };
    } const company = {.has_company = true};
    return attention == company.word;
}

// What a call returns that ended with this status: a kill or a stop takes effect before the program
// goes on, as in process_call_end.
static inline struct helper_result call_result(const struct thread *running, u32 error) {
    return (struct helper_result){error, thread_asked_of(running)};
}

static struct helper_result call_end(enum status status) {
    return call_result(thread_current(), status == OK ? 0 : kwast_error_number(status));
}

// -- Calling -------------------------------------------------------------------------------------

[[gnu::noinline]] static struct helper_result call_slow(u64 channel, u64 call, u64 timeout) {
    const u64 args[] = {channel, call, timeout};
    return call_end(kwast_scheme_call(process_current(), args));
}

// The same from what was found out already, so that nothing else has to be kept meanwhile.
__attribute__((always_inline)) static inline struct helper_result
call_again(struct thread *running) {
    const struct process *process = running->owner;
    return call_slow(process->handles.hints[HINT_CALL].number,
                     quick_lent(running)->reply_at - process->memory->base, NO_TIMEOUT);
}

[[gnu::noinline]] static struct helper_result call_resume(const struct thread *running) {
    struct process *process = running->owner;
    struct scheme_call *call = thread_lend(sizeof *call);
    u64 address = call->reply_at - process->memory->base;
    enum status status = kwast_call_resume(process, address, call, running->wake_status);
    thread_lend_end();
    return call_end(status);
}

// Describes the grants of the call at `at` in the memory that the thread will lend. False: they are
// for the other way.
[[gnu::noinline]] static bool get_grants(const struct process *process, u64 at, u64 count) {
    struct scheme_call *call = quick_lent(thread_current());
    u64 base = process->memory->base;
    u64 bytes = memory_bytes(process->memory);
    u32 grants;
    arch_try_load(grants, at + offsetof(struct kwast_call, grants), missing);
    if (count > KWAST_GRANTS_MAX || grants + count * sizeof(struct kwast_grant) > bytes)
        return false;
    for (u64 i = 0; i < count; i++) {
        u64 grant_at = base + grants + i * sizeof(struct kwast_grant);
        u32 address, len, access;
        arch_try_load(address, grant_at + offsetof(struct kwast_grant, address), missing);
        arch_try_load(len, grant_at + offsetof(struct kwast_grant, len), missing);
        arch_try_load(access, grant_at + offsetof(struct kwast_grant, access), missing);
        if (access == 0 || (access & ~(u32)(KWAST_READ | KWAST_WRITE)) != 0 ||
            (u64)address + len > bytes)
            return false;
        call->grants[i] = kwast_own_memory(process, address, len, (enum grant_access)access);
    }
    return true;
missing:
    return false;
}

// (channel, call, timeout)
struct helper_result kwast_call_entry(u64 number, u64 address, u64 timeout, u64, u64, u64) {
    struct thread *from = thread_current();
    const struct process *process = from->owner;
    struct scheme_call *call = quick_lent(from); // not before it is sure, but it lends nothing yet
    const struct handle_hint *hint = &process->handles.hints[HINT_CALL];
    if (number != hint->number || (i64)timeout >= 0)
        goto slow;
    const struct memory *memory = process->memory;
    u64 memory_len = memory_bytes(memory);
    if (address + sizeof(struct kwast_call) > memory_len)
        goto slow;
    u64 at = memory->base + address;
    struct quick_call what;
    arch_try_load(what.operation_and_bytes_len, at, slow);
    arch_try_load(what.grant_count, at + offsetof(struct kwast_call, grant_count), slow);
    if ((u32)what.operation_and_bytes_len < KWAST_FIRST_OPERATION)
        goto slow;
    u64 bytes_len = what.operation_and_bytes_len >> 32;
    if (__builtin_expect(bytes_len != 0, 0)) {
        u32 bytes;
        arch_try_load(bytes, at + offsetof(struct kwast_call, bytes), slow);
        if (bytes_len > KWAST_BYTES_MAX || bytes + bytes_len > memory_len)
            goto slow;
        call->bytes_at = memory->base + bytes;
    }
    // Handles would be counted above the grants.
    call->grant_count = (u32)what.grant_count;
    if (__builtin_expect(what.grant_count != 0, 0) && !get_grants(process, at, what.grant_count))
        goto slow;
    call->reply_at = at;

    const struct channel *channel = container_of(hint->object, struct channel, object);
    arch_irq_disable();
    u32 attention = __atomic_load_n(&cpu_of_running(from)->attention, __ATOMIC_RELAXED);
    enum quick quick = QUICK_NO;
    if (__builtin_expect(attention == 0, 1))
        quick = call_quick(from, channel, &what, false);
    else if (has_company_alone(attention))
        quick = call_quick(from, channel, &what, true);
    arch_irq_enable();
    if (__builtin_expect(quick == QUICK_DONE, 1))
        return call_result(from, 0);
    if (quick == QUICK_WAITED)
        return call_resume(from);
    return call_again(from);
slow:
    return call_slow(number, address, timeout);
}

// -- Replying, and receiving ---------------------------------------------------------------------

[[gnu::noinline]] static struct helper_result exchange_slow(u64 server, u64 reply, u64 request,
                                                            u64 bytes, u64 len, u64 timeout) {
    const u64 args[] = {server, reply, request, bytes, len, timeout};
    return call_end(kwast_scheme_reply_receive(process_current(), args));
}

__attribute__((always_inline)) static inline struct helper_result
exchange_again(const struct thread *running, const struct quick_reply *what) {
    const struct process *process = running->owner;
    u64 base = process->memory->base;
    return exchange_slow(process->handles.hints[HINT_SERVE].number, what->at - base,
                         what->request_at - base, what->bytes_at - base, what->bytes_len,
                         NO_TIMEOUT);
}

[[gnu::noinline]] static struct helper_result exchange_resume(const struct thread *running) {
    struct process *process = running->owner;
    struct receiver *receiver = thread_lend(sizeof *receiver);
    u64 base = process->memory->base;
    const u64 args[] = {receiver->request_at - base, receiver->bytes_at - base,
                        receiver->bytes_len};
    return call_end(kwast_exchange_resume(process, args, receiver, running->wake_status));
}

// (server, reply, request, bytes, len, timeout)
struct helper_result kwast_exchange_entry(u64 number, u64 reply, u64 request, u64 bytes, u64 len,
                                          u64 timeout) {
    struct thread *from = thread_current();
    struct process *process = from->owner;
    const struct handle_hint *hint = &process->handles.hints[HINT_SERVE];
    if (number != hint->number || (i64)timeout >= 0)
        goto slow;
    const struct memory *memory = process->memory;
    u64 memory_len = memory_bytes(memory);
    if (reply + sizeof(struct kwast_reply) > memory_len ||
        request + sizeof(struct kwast_request) > memory_len || bytes + len > memory_len)
        goto slow;
    u64 base = memory->base;
    struct quick_reply what = {
        .party = &process->party,
        .at = base + reply,
        .request_at = base + request,
        .bytes_at = base + bytes,
        .bytes_len = len,
    };
    arch_try_load(what.number, what.at + offsetof(struct kwast_reply, number), slow);
    arch_try_load(what.answer_and_handle, what.at + offsetof(struct kwast_reply, answer), slow);
    if (what.answer_and_handle >> 32 != KWAST_NO_HANDLE)
        goto slow;

    struct scheme *scheme = container_of(hint->object, struct server_end, object)->scheme;
    arch_irq_disable();
    u32 attention = __atomic_load_n(&cpu_of_running(from)->attention, __ATOMIC_RELAXED);
    enum quick quick = QUICK_NO;
    if (__builtin_expect(attention == 0, 1))
        quick = exchange_quick(from, scheme, &what, false);
    else if (has_company_alone(attention))
        quick = exchange_quick(from, scheme, &what, true);
    arch_irq_enable();
    if (__builtin_expect(quick == QUICK_DONE, 1))
        return call_result(from, 0);
    if (quick == QUICK_WAITED)
        return exchange_resume(from);
    return exchange_again(from, &what);
slow:
    return exchange_slow(number, reply, request, bytes, len, timeout);
}
