// Traps: what a CPU exception in generated code means, and where it happened.
//
// A trap goes like this. The embedder's fault handler asks engine_fault, which notes the trap and
// its place in the thread block and names entry_trap_exit to continue at. That stub, still on the
// faulting stack, calls trap_capture, then unwinds to the entry stub, which returns the trap to
// func_call. No C frame is ever skipped: between the entry stub and the fault there is generated
// code only.
//
// Frames are found by the chain of frame pointers, which every function and thunk keeps. A thunk is
// in a code object without a module and is left out.

#include "base/math.h"
#include "engine/api/host.h"
#include "engine/runtime/entry.h"
#include "engine/runtime/store.h"

const char *trap_text(enum trap trap) {
    static const char *const texts[] = {
#define X(name, text) text,
        TRAP_LIST(X)
#undef X
    };
    return (u32)trap < TRAP_COUNT ? texts[trap] : "unknown trap";
}

bool engine_owns_pc(struct engine *engine, u64 pc) {
    host_registry_lock();
    bool owned = code_registry_find(&engine->codes, pc) != NULL;
    host_registry_unlock();
    return owned;
}

// The trap of the site at exactly `pc`, or TRAP_NONE when there is no such site.
static enum trap site_trap(struct engine *engine, u64 pc) {
    host_registry_lock();
    const struct code_object *object = code_registry_find(&engine->codes, pc);
    struct code_site site;
    enum trap trap = TRAP_NONE;
    if (object != NULL && code_object_site(object, SITE_TRAP, (u32)(pc - object->address), &site))
        trap = site.trap;
    host_registry_unlock();
    return trap;
}

static u64 begin_unwinding(struct thread_block *thread, enum trap trap, u64 pc, u64 fp) {
    thread->trap = trap;
    thread->trap_pc = pc;
    thread->trap_fp = fp;
    return (u64)entry_trap_exit;
}

bool engine_fault(struct engine *engine, struct thread_block *thread, enum fault_kind kind,
                  enum trap access_trap, u64 pc, u64 fp, u64 *resume_pc) {
    enum trap trap = site_trap(engine, pc);
    if (trap == TRAP_NONE || thread->entry_sp == 0)
        return false;
    if (trap == TRAP_DYNAMIC)
        trap = (enum trap)thread->pending_trap;
    else if (kind == FAULT_ACCESS && trap == TRAP_MEMORY_BOUNDS)
        trap = access_trap;
    *resume_pc = begin_unwinding(thread, trap, pc, fp);
    return true;
}

u64 engine_interrupt(struct engine *engine, struct thread_block *thread, enum trap trap, u64 pc,
                     u64 fp) {
    (void)engine;
    ASSERT(thread->entry_sp != 0);
    return begin_unwinding(thread, trap, pc, fp);
}

// What a frame's address is.
enum frame_kind {
    FRAME_TRAPPED,     // the instruction that trapped
    FRAME_INTERRUPTED, // any instruction: the last site below it is as close as we get
    FRAME_CALLED,      // a return address
};

static struct trap_frame describe(const struct code_object *object, u32 offset,
                                  enum frame_kind kind) {
    struct code_site site;
    bool found;
    if (kind == FRAME_INTERRUPTED)
        found = code_object_site_before(object, offset, &site);
    else
        found =
            code_object_site(object, kind == FRAME_TRAPPED ? SITE_TRAP : SITE_CALL, offset, &site);
    // A return address may be the entry of the next function: the call lies before it.
    u32 inside = kind == FRAME_CALLED ? offset - 1 : offset;
    return (struct trap_frame){
        .module = object->module,
        .func = code_object_func(object, inside),
        .wasm_offset = found ? site.wasm_offset : 0,
    };
}

static void add_frame(struct engine *engine, struct trap_report *report, u64 pc,
                      enum frame_kind kind) {
    host_registry_lock();
    u64 inside = kind == FRAME_CALLED ? pc - 1 : pc;
    const struct code_object *object = code_registry_find(&engine->codes, inside);
    if (object != NULL && object->module != NULL) {
        if (report->frame_count < TRAP_REPORT_FRAMES)
            report->frames[report->frame_count++] =
                describe(object, (u32)(pc - object->address), kind);
        report->frames_total++;
    }
    host_registry_unlock();
}

// The throwing instance's number for a tag.
static u32 tag_index(struct instance *instance, const struct tag *tag) {
    for (u32 i = 0; i < instance->module->decl->tag_count; i++) {
        if (*instance_tag_ptr(instance, i) == tag)
            return i;
    }
    return NO_TAG; // a reference from elsewhere was thrown
}

void trap_capture(struct thread_block *thread, struct instance *instance) {
    struct trap_report *report = thread->report;
    if (report == NULL)
        return;
    struct engine *engine = instance->module->engine;
    *report = (struct trap_report){.trap = (enum trap)thread->trap, .tag = NO_TAG};
    if (thread->trap == TRAP_EXCEPTION)
        report->tag = tag_index(instance, thread->thrown);
    add_frame(engine, report, thread->trap_pc,
              thread->trap == TRAP_KILLED ? FRAME_INTERRUPTED : FRAME_TRAPPED);

    // Frames lie between here and the entry stub and ascend strictly, so the walk ends.
    u64 low = (u64)__builtin_frame_address(0);
    u64 fp = thread->trap_fp;
    while (fp > low && fp < thread->entry_sp && is_aligned(fp, 8)) {
        const u64 *frame = (const u64 *)fp;
        add_frame(engine, report, frame[1], FRAME_CALLED);
        low = fp;
        fp = frame[0];
    }
}
