// The quick way of scheme_call and scheme_reply_receive (kernel/ipc/scheme_quick.h): entries of
// their own, which leave whatever is not plain to the entry that all calls share.
//
// Plain is: the handle was looked up before (struct handle_hint), by the only thread; there is no
// timeout; everything is within the memory, which shows no device.

#include "kernel/ipc/scheme_quick.h"

#include "kernel/kwast/kwast_internal.h"

// Whether the process is one that plain calls can be for; then hints may be set.
bool kwast_is_plain(const struct process *process) {
    return process_is_single(process) && process->memory != NULL && process->area != NULL;
}

static inline bool shows_device(const struct process *process) {
    return __atomic_load_n(&process->area->device_count, __ATOMIC_RELAXED) != 0;
}

static inline u32 attention_of(const struct thread *running) {
    const struct cpu *cpu = __atomic_load_n(&running->cpu, __ATOMIC_RELAXED);
    return __atomic_load_n(&cpu->attention, __ATOMIC_RELAXED);
}

// Whether what the CPU's word says lets calls go the quick way.
static inline bool is_quick(u32 attention, bool *has_company) {
    union {
        u32 word;
        struct {
            bool reschedule, is_traced, is_slow, has_company;
        };
    } const company = {.has_company = true};
    *has_company = attention == company.word;
    return *has_company || attention == 0;
}

[[gnu::noinline]] static enum trap call_resume(struct process *process, u64 *values) {
    struct thread *thread = thread_current();
    struct scheme_call *call = thread_lend(sizeof *call);
    enum status status = kwast_call_resume(process, values, call, thread->wake_status);
    thread_lend_end();
    values[0] = status == OK ? 0 : kwast_error_number(status);
    return process_call_end();
}

// (channel, call, timeout)
enum trap kwast_call_entry(struct instance *caller, u64 *values, void *context) {
    struct process *process = process_of(caller);
    const struct handle_hint *hint = &process->handles.hints[HINT_CALL];
    u64 address = values[1];
    if (values[0] != hint->number || (i64)values[2] >= 0 || shows_device(process) ||
        address + sizeof(struct kwast_call) > memory_bytes(process->memory))
        goto slow;
    u64 at = process->memory->base + address;
    u32 operation, bytes_len, grant_count, handle_count;
    arch_try_load(operation, at + offsetof(struct kwast_call, operation), slow);
    arch_try_load(bytes_len, at + offsetof(struct kwast_call, bytes_len), slow);
    arch_try_load(grant_count, at + offsetof(struct kwast_call, grant_count), slow);
    arch_try_load(handle_count, at + offsetof(struct kwast_call, handle_count), slow);
    if (operation < KWAST_FIRST_OPERATION || (bytes_len | grant_count | handle_count) != 0)
        goto slow;

    const struct channel *channel = container_of(hint->object, struct channel, object);
    struct thread *from = thread_current();
    arch_irq_disable();
    u32 attention = attention_of(from);
    enum quick quick = QUICK_NO;
    bool has_company;
    if (__builtin_expect(attention == 0, 1))
        quick = call_quick(from, channel, at, operation, false);
    else if (is_quick(attention, &has_company))
        quick = call_quick(from, channel, at, operation, true);
    arch_irq_enable();
    if (__builtin_expect(quick == QUICK_DONE, 1)) {
        values[0] = 0;
        return process_call_end();
    }
    if (quick == QUICK_WAITED)
        return call_resume(process, values);
slow:
    return kwast_entry(caller, values, context);
}

[[gnu::noinline]] static enum trap exchange_resume(struct process *process, u64 *values) {
    struct thread *thread = thread_current();
    struct receiver *receiver = thread_lend(sizeof *receiver);
    enum status status = kwast_exchange_resume(process, values, receiver, thread->wake_status);
    values[0] = status == OK ? 0 : kwast_error_number(status);
    return process_call_end();
}

// (server, reply, request, bytes, len, timeout)
enum trap kwast_exchange_entry(struct instance *caller, u64 *values, void *context) {
    struct process *process = process_of(caller);
    const struct handle_hint *hint = &process->handles.hints[HINT_SERVE];
    u64 bytes = values[0] == hint->number ? memory_bytes(process->memory) : 0;
    if (values[1] + sizeof(struct kwast_reply) > bytes ||
        values[2] + sizeof(struct kwast_request) > bytes || values[3] + values[4] > bytes ||
        (i64)values[5] >= 0 || shows_device(process))
        goto slow;
    u64 base = process->memory->base;
    u64 reply_at = base + values[1];
    u64 number;
    u32 handle;
    arch_try_load(number, reply_at + offsetof(struct kwast_reply, number), slow);
    arch_try_load(handle, reply_at + offsetof(struct kwast_reply, handle), slow);
    if (handle != KWAST_NO_HANDLE)
        goto slow;

    struct scheme *scheme = container_of(hint->object, struct server_end, object)->scheme;
    struct thread *from = thread_current();
    arch_irq_disable();
    u32 attention = attention_of(from);
    enum quick quick = QUICK_NO;
    bool has_company;
    if (__builtin_expect(attention == 0, 1))
        quick = exchange_quick(from, scheme, &process->party, number, reply_at, base + values[2],
                               false);
    else if (is_quick(attention, &has_company))
        quick =
            exchange_quick(from, scheme, &process->party, number, reply_at, base + values[2], true);
    arch_irq_enable();
    if (__builtin_expect(quick == QUICK_DONE, 1)) {
        values[0] = 0;
        return process_call_end();
    }
    if (quick == QUICK_WAITED)
        return exchange_resume(process, values);
slow:
    return kwast_entry(caller, values, context);
}
