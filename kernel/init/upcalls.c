// What the port calls: faults, interrupts, the last resort. The port knows nothing of processes;
// here a fault address and a program counter become a page, a trap, or a bug.

#include "base/assert.h"
#include "engine/api/engine.h"
#include "kernel/init/log.h"
#include "kernel/ipc/device.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/stream.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/proc/process.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/trace.h"

#define PANIC_STATUS 101u

// -- Frames for the port ------------------------------------------------------------------------

bool upcall_frame_alloc(struct phys_addr *out) {
    return upcall_frames_alloc(1, out);
}

bool upcall_frames_alloc(u32 pages, struct phys_addr *out) {
    // These are page tables, mostly. A service that has the page must not end for want of one.
    enum frame_need need = frame_reserve_is_ours() ? FRAME_PROMISED : FRAME_USUAL;
    return frame_alloc_kernel_zeroed(need, pages, out) == OK;
}

void upcall_frame_free(struct phys_addr frame) {
    frame_free(frame, 0);
}

// -- Faults -------------------------------------------------------------------------------------

static bool is_in_slots(struct virt_addr address) {
    struct virt_range slots = arch_slots_region();
    return address.value - slots.start.value < slots.bytes;
}

// Whether a page may be what is missing, or the right to write to it. Where one is mapped for the
// access, a page table is broken: trying again would go on for ever.
static bool is_repairable(const struct fault *fault) {
    return fault->class == FAULT_PAGE && is_in_slots(fault->address) &&
           (!fault->is_present || fault->access == FAULT_WRITE);
}

// A guarded copy. Its program's side is checked to be in the program's memory, and is in the slots;
// anything else that faults here is the kernel's own mistake, which must not pass for EFAULT.
static struct fault_result copy_fault(const struct fault *fault) {
    if (!is_repairable(fault))
        return (struct fault_result){.action = FAULT_BUG};
    if (fault->in_window) // guest.c tries again without
        return (struct fault_result){.action = FAULT_FAIL_COPY, .status = ERR_BUSY};
    enum status status = aspace_fault(thread_aspace(), fault->address, fault->access);
    if (status == OK)
        return (struct fault_result){.action = FAULT_RETRY};
    return (struct fault_result){.action = FAULT_FAIL_COPY, .status = status};
}

static enum fault_kind kind_of(const struct fault *fault) {
    switch (fault->class) {
    case FAULT_UNDEFINED:
        return FAULT_ILLEGAL;
    case FAULT_ARITHMETIC:
        return FAULT_DIVIDE;
    default:
        return FAULT_ACCESS;
    }
}

// A fault of generated code: a page to commit, or a trap. An address outside of what is the
// process's own must not have been formed: the sandbox has a hole, and what reached it is not to
// run on.
static struct fault_result program_fault(const struct fault *fault, struct thread *thread) {
    enum trap access_trap = TRAP_MEMORY_BOUNDS;
    if (is_repairable(fault)) {
        const struct process *process = thread->owner;
        enum status status = aspace_fault_own(thread_aspace(), fault->address, fault->access,
                                              process == NULL ? NULL : &process->account);
        if (status == OK)
            return (struct fault_result){.action = FAULT_RETRY};
        if (status == ERR_DENIED)
            return (struct fault_result){.action = FAULT_BUG};
        if (status == ERR_NO_MEMORY)
            access_trap = TRAP_OUT_OF_MEMORY;
        if (status == ERR_NO_ACCESS)
            access_trap = TRAP_READ_ONLY;
    } else if (fault->class == FAULT_PAGE || fault->class == FAULT_OTHER) {
        return (struct fault_result){.action = FAULT_BUG}; // generated code reaches nothing else
    }
    struct fault_result result = {.action = FAULT_REDIRECT};
    if (!engine_fault(process_engine(), thread->block, kind_of(fault), access_trap, fault->pc,
                      fault->fp, &result.resume_pc))
        return (struct fault_result){.action = FAULT_BUG};
    return result;
}

struct fault_result upcall_fault(const struct fault *fault) {
    if (thread_current() != NULL)
        trace(TRACE_FAULT, 0, fault->address.value, fault->in_copy);
    if (fault->in_copy)
        return copy_fault(fault);
    struct engine *engine = process_engine();
    struct thread *thread = engine == NULL ? NULL : thread_current();
    if (thread != NULL && thread->block != NULL && engine_owns_pc(engine, fault->pc))
        return program_fault(fault, thread);
    return (struct fault_result){.action = FAULT_BUG};
}

// -- Interrupts ---------------------------------------------------------------------------------

static void trace_interrupt(enum trace_interrupt which) {
    if (trace_wanted() && thread_current() != NULL)
        trace(TRACE_INTERRUPT, 0, which, 0);
}

void upcall_timer(void) {
    trace_interrupt(TRACE_TIMER);
    sched_timer();
}

void upcall_link(void) {
    trace_interrupt(TRACE_LINK);
    link_interrupt();
}

void upcall_console(void) {
    trace_interrupt(TRACE_CONSOLE);
    console_interrupt();
}

void upcall_device(u32 number) {
    trace_interrupt(TRACE_DEVICE);
    interrupt_raise(number);
}

// Whether the running thread is asked to end, or to stand still, and is in code where it can.
static bool is_asked(const struct thread *thread, u64 pc) {
    return thread != NULL && thread_asked_of(thread) != 0 && thread->block != NULL &&
           engine_owns_pc(process_engine(), pc);
}

bool upcall_wants_reschedule(u64 pc) {
    return is_asked(thread_current(), pc) || sched_wants_switch();
}

// Interrupts were on in the code; they are meanwhile, and then in the kernel's own, which does not
// come here again.
static enum trap pause(void) {
    arch_irq_enable();
    enum trap trap = process_pause();
    arch_irq_disable();
    return trap;
}

u64 upcall_interrupt_return(u64 pc, u64 fp) {
    sched_preempt();
    // Read after the switch: the request may have come while the thread was not running.
    struct thread *thread = thread_current();
    if (is_asked(thread, pc) && pause() == TRAP_KILLED)
        return engine_interrupt(process_engine(), thread->block, TRAP_KILLED, pc, fp);
    return pc;
}

// -- The last resort ----------------------------------------------------------------------------

static void print(const char *text) {
    arch_console_write(text, strlen(text));
}

void upcall_panic(const char *why) {
    static u32 reporter; // CPU + 1 that panics
    arch_irq_save();
    u32 self = arch_cpu_id() + 1;
    u32 first = 0;
    if (__atomic_compare_exchange_n(&reporter, &first, self, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
        arch_cpus_stop();
        print("\nkwast: kernel panic: ");
        print(why);
        print("\n");
        arch_backtrace_print(arch_frame_address());
    } else if (first != self) {
        for (;;) // the other one's report goes first, and then stops this CPU
            arch_cpu_relax();
    } // else: a panic in the panic must end, too
    if (arch_link_present())
        arch_power_off(PANIC_STATUS); // somebody waits for it
    arch_halt();
}

void upcall_log(const char *text) {
    log_write(LOG_INFO, "%s", text);
}
