// The trace's rings.
//
// A ring is written by its CPU alone, with interrupts off: no lock, no atomic step. It is read by
// anybody at any time, by copying first and asking afterwards what may have been overwritten
// meanwhile.
//
// Invariants:
//   1. `head` counts the events ever written; event i is in slot i % count until event i + count is
//      begun, which is not before head is i + count;
//   2. so who copies slots, then reads head, knows that those of events up to head - count may be
//      of two events, and that the others are whole. The fences on both sides see to the order;
//   3. slots are there for good once they are there, so a writer that was late writes to memory
//      that is its own.
//
// An event has all that is to be known of it, the name of its thread too: there is no table that
// could be incomplete when the oldest events are gone.

#include "kernel/sched/trace.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/sched_internal.h"

#define EVENT_WORDS (sizeof(struct trace_event) / sizeof(u64))

STATIC_ASSERT(sizeof(struct trace_event) == 64, "a cache line");

bool trace_is_on;

struct trace_ring {
    // Atomic:
    alignas(64) u64 *words; // NULL: this CPU has none
    u64 head;

    // Fixed while there is a trace:
    u64 first; // the event that it began with
};

static struct {
    // Fixed after the first start:
    u32 count; // of slots of each ring, a power of two

    // Written by who starts and stops, atomically:
    u32 cpu_count;
    u64 began_ns;
    u64 ended_ns; // 0: not yet

    struct trace_ring rings[ARCH_CPUS_MAX];
} state;

// -- Starting and stopping ----------------------------------------------------------------------

static enum status add_ring(struct trace_ring *ring) {
    if (ring->words != NULL)
        return OK;
    u64 *words = kmalloc((usize)state.count * sizeof(struct trace_event));
    if (words == NULL)
        return ERR_NO_MEMORY;
    // Pairs with the loads in trace_write and copy_ring.
    __atomic_store_n(&ring->words, words, __ATOMIC_RELEASE);
    return OK;
}

enum status trace_start(u32 cpu_count, u32 events) {
    ASSERT(cpu_count != 0 && cpu_count <= ARCH_CPUS_MAX);
    ASSERT(events != 0 && events <= TRACE_EVENTS_MOST);
    trace_stop();
    if (state.count == 0) {
        state.count = 1;
        while (state.count < events)
            state.count *= 2;
    }
    enum status status = OK;
    for (u32 cpu = 0; cpu < cpu_count && status == OK; cpu++) {
        struct trace_ring *ring = &state.rings[cpu];
        status = add_ring(ring);
        __atomic_store_n(&ring->first, __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELAXED);
    }
    if (status != OK)
        return status;
    __atomic_store_n(&state.cpu_count, cpu_count, __ATOMIC_RELAXED);
    __atomic_store_n(&state.began_ns, arch_clock_ns(), __ATOMIC_RELAXED);
    __atomic_store_n(&state.ended_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&trace_is_on, true, __ATOMIC_RELEASE);
    sched_set_traced(true);
    return OK;
}

void trace_stop(void) {
    if (!trace_is_on)
        return;
    __atomic_store_n(&trace_is_on, false, __ATOMIC_RELAXED);
    sched_set_traced(false);
    __atomic_store_n(&state.ended_ns, arch_clock_ns(), __ATOMIC_RELAXED);
}

// -- Writing ------------------------------------------------------------------------------------

void trace_write(const struct thread *thread, enum trace_type type, u32 other, u64 word0,
                 u64 word1) {
    arch_irq_state irq = arch_irq_save();
    struct trace_ring *ring = &state.rings[arch_cpu_id()];
    u64 *words = __atomic_load_n(&ring->words, __ATOMIC_ACQUIRE);
    if (words != NULL) {
        union {
            struct trace_event event;
            u64 words[EVENT_WORDS];
        } from = {.event = {
                      .time_ns = arch_clock_ns(),
                      .type = type,
                      .thread = thread->id,
                      .process = thread->process_id,
                      .other = other,
                      .words = {word0, word1},
                  }};
        for (u32 i = 0; i < TRACE_NAME_BYTES && thread->name[i] != 0; i++)
            from.event.name[i] = thread->name[i];
        u64 *to = words + (ring->head & (state.count - 1)) * EVENT_WORDS;
        // Whoever sees a word of this event sees the head that the one before has left.
        __atomic_thread_fence(__ATOMIC_RELEASE);
        for (u32 i = 0; i < EVENT_WORDS; i++)
            __atomic_store_n(&to[i], from.words[i], __ATOMIC_RELAXED);
        __atomic_store_n(&ring->head, ring->head + 1, __ATOMIC_RELEASE);
    }
    arch_irq_restore(irq);
}

// -- Reading ------------------------------------------------------------------------------------

usize trace_bytes_most(void) {
    u32 cpu_count = __atomic_load_n(&state.cpu_count, __ATOMIC_RELAXED);
    usize each = sizeof(struct trace_cpu) + (usize)state.count * sizeof(struct trace_event);
    return cpu_count == 0 ? 0 : sizeof(struct trace_header) + cpu_count * each;
}

// Copies a ring's part; returns how long that is.
static usize copy_ring(u32 cpu, u8 *to) {
    const struct trace_ring *ring = &state.rings[cpu];
    const u64 *words = __atomic_load_n(&ring->words, __ATOMIC_ACQUIRE);
    u64 first = __atomic_load_n(&ring->first, __ATOMIC_RELAXED);
    u64 head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    u64 from = head - min_u64(head - first, state.count);
    u64 *copy = (u64 *)(to + sizeof(struct trace_cpu));
    for (u64 i = from; i < head; i++) {
        const u64 *event = words + (i & (state.count - 1)) * EVENT_WORDS;
        for (u32 k = 0; k < EVENT_WORDS; k++)
            copy[(i - from) * EVENT_WORDS + k] = __atomic_load_n(&event[k], __ATOMIC_RELAXED);
    }
    // Pairs with the fence in trace_write.
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    u64 now = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    // The slot of the event `now` may be half written, too, and nobody knows whether it is.
    u64 whole = now >= state.count ? now - state.count + 1 : 0;
    u64 kept = min_u64(max_u64(from, whole), head);
    u64 count = head - kept;
    memmove(copy, copy + (kept - from) * EVENT_WORDS, count * sizeof(struct trace_event));
    const struct trace_cpu part = {.cpu = cpu, .lost = kept - first, .count = count};
    memcpy(to, &part, sizeof part);
    return sizeof part + count * sizeof(struct trace_event);
}

usize trace_copy(void *to) {
    u32 cpu_count = __atomic_load_n(&state.cpu_count, __ATOMIC_RELAXED);
    u64 ended_ns = __atomic_load_n(&state.ended_ns, __ATOMIC_RELAXED);
    usize len = sizeof(struct trace_header);
    for (u32 cpu = 0; cpu < cpu_count; cpu++)
        len += copy_ring(cpu, (u8 *)to + len);
    const struct trace_header header = {
        .magic = TRACE_MAGIC,
        .header_bytes = sizeof header,
        .cpu_bytes = sizeof(struct trace_cpu),
        .event_bytes = sizeof(struct trace_event),
        .cpu_count = cpu_count,
        .began_ns = __atomic_load_n(&state.began_ns, __ATOMIC_RELAXED),
        .ended_ns = ended_ns == 0 ? arch_clock_ns() : ended_ns,
    };
    memcpy(to, &header, sizeof header);
    return len;
}
