// Throwing: from the throwing function's frame up to the first catch that matches, and there.
//
// The walk only reads. What it trusts is written by generated code and stubs alone: the chain of
// frame pointers, the return addresses beside them, and r15 as the cross-call stubs saved it.
// Frames ascend strictly and end at the entry stub, so the walk is as long as the stack has frames,
// with a binary search for each and a comparison for each catch around its call. It runs like any
// helper, with preemption on.
//
// Delivering cannot fail but for a reference that cannot be made, which comes first.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/runtime/entry.h"
#include "engine/runtime/store.h"

// One function's activation, as the walk sees it: `pc` is where it continues.
struct frame {
    u64 pc;
    u64 fp;
    struct instance *instance;
};

// What is thrown. `made` is NULL until a catch wants the reference.
struct thrown {
    const struct tag *tag;
    const u64 *payload;
    const struct exception *made;
};

static const struct code_object *object_at(const struct engine *engine, u64 pc) {
    host_registry_lock();
    const struct code_object *object = code_registry_find(&engine->codes, pc);
    host_registry_unlock();
    return object; // its code is on this thread's stack: it stays
}

static bool contains(const struct code_object *object, u64 pc) {
    return object != NULL && pc - object->address < object->bytes;
}

static bool catch_matches(const struct code_catch *catch, struct instance *instance,
                          const struct tag *tag) {
    return catch->tag == ANY_TAG || *instance_tag_ptr(instance, catch->tag) == tag;
}

struct handler {
    struct frame frame;
    const struct code_object *object;
    const struct code_try *try;
    const struct code_catch *catch;
};

// The catch for `tag` around the call that the frame is in.
static bool find_in_frame(const struct tag *tag, struct handler *h) {
    const struct code_object *object = h->object;
    h->try = code_object_try(object, (u32)(h->frame.pc - object->address));
    for (; h->try != NULL; h->try = code_object_try_at(object, h->try->outer)) {
        h->catch = code_object_catch_at(object, h->try->first_catch);
        for (; h->catch != NULL; h->catch = code_object_catch_at(object, h->catch->next)) {
            if (catch_matches(h->catch, h->frame.instance, tag))
                return true;
        }
    }
    return false;
}

// A cross-call stub is the only thing without a module that calls generated code: its caller's
// instance lies below its frame pointer.
static struct instance *instance_saved(const struct frame *frame) {
    u32 mark;
    memcpy(&mark, (const void *)frame->pc, sizeof mark); // at any address
    CHECK(mark == CROSS_RETURN_MARK);
    return ((struct instance *const *)frame->fp)[-1];
}

// Looks through the frames from `h->frame` upwards. False when nothing catches.
static bool find_handler(const struct thread_block *thread, const struct tag *tag,
                         struct handler *h) {
    const struct engine *engine = h->frame.instance->module->engine;
    u64 low = (u64)__builtin_frame_address(0);
    while (h->frame.fp < thread->entry_sp) {
        CHECK(h->frame.fp > low && is_aligned(h->frame.fp, 16));
        // A return address may be the end of its object: the call lies before it.
        if (!contains(h->object, h->frame.pc - 1))
            h->object = object_at(engine, h->frame.pc - 1);
        CHECK(h->object != NULL);
        if (h->object->module == NULL)
            h->frame.instance = instance_saved(&h->frame);
        else if (find_in_frame(tag, h))
            return true;
        low = h->frame.fp;
        h->frame.pc = ((const u64 *)low)[1];
        h->frame.fp = ((const u64 *)low)[0];
    }
    return false;
}

static u64 *frame_slot(const struct frame *frame, u32 slot) {
    return (u64 *)(frame->fp - 8ull * slot);
}

// Puts what the catch takes into its frame.
static enum trap deliver(const struct unwind *unwind, const struct thrown *thrown,
                         const struct handler *h) {
    const struct code_catch *catch = h->catch;
    u32 slots = thrown->tag->payload_slots;
    const struct exception *made = thrown->made;
    if (catch->ref_slot != NO_SLOT && made == NULL) {
        struct stack_range stack = {.low = (const u64 *)unwind,
                                    .high = (const u64 *)unwind->thread->entry_sp};
        made = exception_create(unwind->instance->store, thrown->tag, thrown->payload, stack);
        if (made == NULL)
            return TRAP_OUT_OF_MEMORY;
    }
    // The payload may lie where it goes, or across: in the same frame.
    if (catch->tag != ANY_TAG && slots != 0)
        memmove(frame_slot(&h->frame, catch->payload_slot + slots), thrown->payload, 8ull * slots);
    if (catch->ref_slot != NO_SLOT)
        *frame_slot(&h->frame, catch->ref_slot) = (u64)made;
    return TRAP_NONE;
}

static enum trap throw_it(struct unwind *unwind, const struct thrown *thrown) {
    struct handler h = {
        .frame = {.pc = unwind->pc, .fp = unwind->fp, .instance = unwind->instance}};
    if (!find_handler(unwind->thread, thrown->tag, &h)) {
        unwind->thread->thrown = thrown->tag;
        return TRAP_EXCEPTION;
    }
    if (host_is_stopping()) // a loop of throwing is as good as any other (helpers.c)
        return TRAP_KILLED;
    enum trap trap = deliver(unwind, thrown, &h);
    if (trap != TRAP_NONE)
        return trap;
    if (h.frame.instance->memory_base != unwind->instance->memory_base)
        host_segment_base_set(h.frame.instance->memory_base);
    unwind->pc = h.object->address + h.catch->landing;
    unwind->fp = h.frame.fp;
    unwind->sp = h.frame.fp - h.try->frame_bytes;
    unwind->instance = h.frame.instance;
    return TRAP_NONE;
}

enum trap exception_throw(struct unwind *unwind, u64 tag_index, const u64 *payload) {
    struct thrown thrown = {
        .tag = *instance_tag_ptr(unwind->instance, (u32)tag_index),
        .payload = payload,
    };
    return throw_it(unwind, &thrown);
}

enum trap exception_throw_ref(struct unwind *unwind, const struct exception *exception) {
    if (exception == NULL)
        return TRAP_NULL_EXCEPTION;
    CHECK(exception->state == EXCEPTION_USED);
    struct thrown thrown = {
        .tag = exception->tag,
        .payload = exception_payload(exception),
        .made = exception,
    };
    return throw_it(unwind, &thrown);
}
