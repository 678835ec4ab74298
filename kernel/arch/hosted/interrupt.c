// Interrupts are signals, and turning them off is a flag: what comes then is noted, and handled
// when they are turned on. Faults are signals too.
//
// All handlers run on the alternate stack, one at a time: interrupts are blocked while one runs.
// None switches threads: where generated code was interrupted and the kernel wants to switch, its
// thread continues at preempt_entry (context.S), which saves all registers on the thread's own
// stack and calls the kernel as an interrupt's exit does on bare metal. Interrupted C is never
// switched away from; a note has the switch made up for when interrupts are next turned on, or a
// window closes. So C code stays on its CPU, and libc's state of a thread (errno) needs no care, up
// to such a place.

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fmt.h"
#include "kernel/arch/hosted/hosted.h"

#define STACK_BYTES         (128 * KIB)
#define PAGE_FAULT_PRESENT  (1u << 0)
#define PAGE_FAULT_WRITE    (1u << 1)
#define PAGE_FAULT_RESERVED (1u << 3)
#define PAGE_FAULT_FETCH    (1u << 4)

#define VECTOR_DIVIDE       0
#define VECTOR_UNDEFINED    6
#define VECTOR_PAGE_FAULT   14
#define VECTOR_X87          16
#define VECTOR_SIMD         19

static struct {
    ALIGNED(16) u8 signals[STACK_BYTES];
    ALIGNED(16) u8 interrupts[STACK_BYTES];
} stacks[ARCH_CPUS_MAX];

static const struct {
    int number;
    u32 pending; // enum pending
} interrupts[] = {
    {SIGALRM, PENDING_TIMER},
    {SIGIO, PENDING_LINK},
    {SIGNAL_WAKE, 0}, // its sender has set PENDING_WAKE
};

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

// -- Interrupts ---------------------------------------------------------------------------------

UNWATCHED static void pending_add(u32 bits) {
    // Relaxed: handlers run on the same thread.
    __atomic_fetch_or(&cpu_this()->pending, bits, __ATOMIC_RELAXED);
}

// Interrupts off.
static void pending_handle(void) {
    // Acquire pairs with the release in arch_cpu_wake.
    u32 bits = __atomic_exchange_n(&cpu_this()->pending, 0, __ATOMIC_ACQUIRE);
    if ((bits & PENDING_TIMER) != 0)
        timer_interrupt();
    if ((bits & PENDING_LINK) != 0)
        upcall_link();
    bool is_look = (bits & PENDING_TIMER) != 0 && arch_cpu_id() == 0;
    if ((bits & PENDING_CONSOLE) != 0 || (is_look && console_has_input()))
        upcall_console();
}

void interrupt_deliver(void) {
    u64 fp = (uptr)__builtin_frame_address(0);
    u64 pc = (uptr)__builtin_return_address(0);
    // The CPU may be another one after each upcall_interrupt_return.
    while (__atomic_load_n(&cpu_this()->pending, __ATOMIC_RELAXED) != 0) {
        cpu_this()->irq_enabled = false;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        stack_call((uptr)stacks[arch_cpu_id()].interrupts + STACK_BYTES, pending_handle);
        bool wanted = upcall_wants_reschedule(pc);
        bool can = cpu_this()->window_depth == 0;
        if (wanted && can)
            (void)upcall_interrupt_return(pc, fp);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        cpu_this()->irq_enabled = true;
        if (wanted && !can) {
            pending_add(PENDING_RESCHEDULE); // closing the window looks at it
            return;
        }
    }
}

#if __has_feature(thread_sanitizer)
// Interrupted C may be ThreadSanitizer's, which must not be entered again. The interrupt waits for
// C to turn interrupts on, or for another one that meets generated code.
UNWATCHED static bool is_put_off(u64 pc) {
    if (is_in_code(pc))
        return false;
    time_interrupt_soon();
    return true;
}
#else
static bool is_put_off(u64) {
    return false;
}
#endif

// Not by write, which ThreadSanitizer watches: handlers call this, too.
UNWATCHED static void event_send(const struct cpu *cpu) {
    static const u64 one = 1;
    long done = syscall(SYS_write, cpu->event_fd, &one, sizeof one);
    (void)done; // it is full: then there are events enough
}

// The first CPU may have looked at its word already, and be about to wait for its sources: then
// nothing but an event keeps it from sleeping over this. A futex looks for itself.
UNWATCHED static void interrupt_note(int number) {
    for (u32 i = 0; i < COUNT_OF(interrupts); i++)
        pending_add(interrupts[i].number == number ? interrupts[i].pending : 0);
    const struct cpu *cpu = cpu_this();
    if (cpu->id == 0 && __atomic_load_n(&cpu->sleeps, __ATOMIC_RELAXED))
        event_send(cpu);
}

static void interrupt_handle(ucontext_t *context);

UNWATCHED static void interrupt_signal(int number, siginfo_t *, void *context) {
    if (cpus_are_stopping())
        cpu_stop();
    int keep = errno;
    interrupt_note(number);
    ucontext_t *interrupted = context;
    if (cpu_this()->irq_enabled && !is_put_off((u64)interrupted->uc_mcontext.gregs[REG_RIP]))
        interrupt_handle(interrupted);
    errno = keep;
}

static void interrupt_handle(ucontext_t *context) {
    struct cpu *cpu = cpu_this();
    cpu->irq_enabled = false;
    pending_handle();
    greg_t *registers = context->uc_mcontext.gregs;
    u64 pc = (u64)registers[REG_RIP];
    bool wanted = upcall_wants_reschedule(pc);
    if (wanted && is_in_code(pc)) {
        registers[REG_RSP] -= (greg_t)sizeof(u64);
        *(u64 *)registers[REG_RSP] = pc;
        registers[REG_RIP] = (greg_t)(uptr)preempt_entry;
        return; // interrupts stay off
    }
    if (wanted)
        pending_add(PENDING_RESCHEDULE);
    cpu->irq_enabled = true;
}

// Called by context.S on the interrupted thread's stack, all of its registers saved, interrupts
// off.
u64 preempt_continue(u64 pc, u64 fp) {
    pc = upcall_interrupt_return(pc, fp);
    arch_irq_restore(ARCH_IRQ_ON);
    return pc;
}

arch_irq_state arch_irq_save(void) {
    struct cpu *cpu = cpu_this();
    arch_irq_state state = cpu->irq_enabled ? ARCH_IRQ_ON : 0;
    cpu->irq_enabled = false;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what follows stays behind it
    return state;
}

void arch_irq_restore(arch_irq_state state) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // what precedes stays before it
    struct cpu *cpu = cpu_this();
    cpu->irq_enabled = state != 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (state != 0 && __atomic_load_n(&cpu->pending, __ATOMIC_RELAXED) != 0)
        interrupt_deliver();
}

bool arch_irq_enabled(void) {
    return cpu_this()->irq_enabled;
}

void arch_irq_disable(void) {
    arch_irq_save();
}

void arch_irq_enable(void) {
    arch_irq_restore(ARCH_IRQ_ON);
}

// -- Waiting ------------------------------------------------------------------------------------

static void interrupt_set(sigset_t *set) {
    sigemptyset(set);
    for (u32 i = 0; i < COUNT_OF(interrupts); i++)
        sigaddset(set, interrupts[i].number);
}

// A CPU that devices do not interrupt sleeps on its word: a signal changes that as well, and who
// wakes the CPU need send none. Interrupts are off, so handlers only note what comes.
static void sleep_on_pending(struct cpu *cpu) {
    // Before the look at the word; pairs with the look at `sleeps` in arch_cpu_wake.
    __atomic_store_n(&cpu->sleeps, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&cpu->pending, __ATOMIC_SEQ_CST) == 0)
        syscall(SYS_futex, &cpu->pending, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    // Who still takes it for asleep has changed the word before, which is about to be taken.
    __atomic_store_n(&cpu->sleeps, false, __ATOMIC_SEQ_CST);
}

static void events_take(const struct cpu *cpu) {
    u64 count;
    ssize_t done = read(cpu->event_fd, &count, sizeof count);
    (void)done; // there are none
}

// The first one waits for its devices, too. Who changes its word between the look at that and the
// wait sends an event: another CPU (cpu_rouse), or a handler (interrupt_note).
static void sleep_on_sources(struct cpu *cpu) {
    __atomic_store_n(&cpu->sleeps, true, __ATOMIC_SEQ_CST); // as above
    if (__atomic_load_n(&cpu->pending, __ATOMIC_SEQ_CST) == 0) {
        struct pollfd sources[3] = {{.fd = link_poll_fd(&sources[0].events)},
                                    {.fd = console_poll_fd(), .events = POLLIN},
                                    {.fd = cpu->event_fd, .events = POLLIN}};
        int ready = poll(sources, COUNT_OF(sources), -1);
        if (ready > 0 && sources[0].revents != 0)
            pending_add(PENDING_LINK);
        if (ready > 0 && sources[1].revents != 0)
            pending_add(PENDING_CONSOLE);
        if (ready <= 0 || sources[2].revents != 0) // a signal's handler has sent one, too
            events_take(cpu);
    }
    __atomic_store_n(&cpu->sleeps, false, __ATOMIC_SEQ_CST);
}

void cpu_rouse(struct cpu *cpu) {
    if (cpu->id == 0)
        event_send(cpu);
    else
        syscall(SYS_futex, &cpu->pending, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void arch_cpu_idle(void) {
    ASSERT(!arch_irq_enabled());
    struct cpu *cpu = cpu_this();
    if (cpu->id == 0)
        sleep_on_sources(cpu);
    else
        sleep_on_pending(cpu);
    pending_handle();
}

// -- Faults -------------------------------------------------------------------------------------

static enum fault_class class_of(int number, u64 vector) {
    switch (vector) {
    case VECTOR_PAGE_FAULT:
        return number == SIGBUS ? FAULT_OTHER : FAULT_PAGE;
    case VECTOR_UNDEFINED:
        return FAULT_UNDEFINED;
    case VECTOR_DIVIDE:
    case VECTOR_X87:
    case VECTOR_SIMD:
        return FAULT_ARITHMETIC;
    default:
        return FAULT_OTHER;
    }
}

static u64 fixup_of(u64 pc) {
    for (const struct fixup *fixup = __start_fixups; fixup < __stop_fixups; fixup++) {
        if (pc >= fixup->start && pc < fixup->end)
            return fixup->resume;
    }
    return 0;
}

[[noreturn]] static void fault_fatal(int number, const greg_t *registers) {
    static const struct {
        const char *name;
        u8 index;
    } shown[] = {
        {"rip", REG_RIP}, {"rsp", REG_RSP}, {"rbp", REG_RBP}, {"rax", REG_RAX}, {"rbx", REG_RBX},
        {"rcx", REG_RCX}, {"rdx", REG_RDX}, {"rsi", REG_RSI}, {"rdi", REG_RDI}, {"r8 ", REG_R8},
        {"r9 ", REG_R9},  {"r10", REG_R10}, {"r11", REG_R11}, {"r12", REG_R12}, {"r13", REG_R13},
        {"r14", REG_R14}, {"r15", REG_R15}, {"cr2", REG_CR2},
    };
    static u32 reporter; // CPU + 1
    u32 self = arch_cpu_id() + 1;
    u32 first = 0;
    if (!__atomic_compare_exchange_n(&reporter, &first, self, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        if (first == self)
            arch_halt(); // the report itself failed
        cpu_stop();      // the other one's goes first
    }
    arch_cpus_stop();
    for (u32 i = 0; i < COUNT_OF(shown); i++)
        console_print("%s%s %016lx", i % 4 == 0 ? "\n" : "  ", shown[i].name,
                      (u64)registers[shown[i].index]);
    console_print("\n");
    arch_backtrace_print((u64)registers[REG_RBP]);
    char why[96];
    fmt_string(why, sizeof why, "signal %d (%s) at 0x%lx%s", number, sigabbrev_np(number),
               (u64)registers[REG_RIP],
               number == SIGBUS ? ": Linux has no memory left for the machine's" : "");
    upcall_panic(why);
}

static struct fault fault_of(int number, const greg_t *registers, u64 fixup, bool irq) {
    u64 error = (u64)registers[REG_ERR];
    u64 vector = (u64)registers[REG_TRAPNO];
    struct fault fault = {
        .class = class_of(number, vector),
        .pc = (u64)registers[REG_RIP],
        .fp = (u64)registers[REG_RBP],
        .sp = (u64)registers[REG_RSP],
        .vector = (u32)vector,
        .error_code = error,
        .in_copy = fixup != 0,
        .in_window = cpu_this()->window_depth != 0 || !irq,
    };
    if (fault.class == FAULT_PAGE) {
        fault.address.value = (u64)registers[REG_CR2];
        fault.is_present = (error & (PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED)) != 0;
        fault.access = (error & PAGE_FAULT_FETCH)   ? FAULT_EXEC
                       : (error & PAGE_FAULT_WRITE) ? FAULT_WRITE
                                                    : FAULT_READ;
    }
    return fault;
}

static void fault_signal(int number, siginfo_t *, void *context) {
    int keep = errno;
    struct cpu *cpu = cpu_this();
    bool irq = cpu->irq_enabled;
    cpu->irq_enabled = false;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    u64 fixup = fixup_of((u64)registers[REG_RIP]);
    struct fault fault = fault_of(number, registers, fixup, irq);
    struct fault_result result = upcall_fault(&fault);
    switch (result.action) {
    case FAULT_RETRY:
        break;
    case FAULT_REDIRECT:
        registers[REG_RIP] = (greg_t)result.resume_pc;
        break;
    case FAULT_FAIL_COPY:
        CHECK(fixup != 0);
        registers[REG_RIP] = (greg_t)fixup;
        registers[REG_RAX] = (greg_t)result.status;
        break;
    case FAULT_BUG:
        fault_fatal(number, registers);
    }
    cpu->irq_enabled = irq;
    errno = keep;
}

// -- The start ----------------------------------------------------------------------------------

// ThreadSanitizer's sigaction would put off handlers until the thread calls libc.
#if __has_feature(thread_sanitizer)
int __sigaction(int number, const struct sigaction *action, struct sigaction *before);
#define sigaction(number, action, before) __sigaction(number, action, before)
#endif

static void handler_install(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | flags};
    action.sa_sigaction = handler;
    interrupt_set(&action.sa_mask);
    if (sigaction(number, &action, NULL) != 0)
        start_fail("no handler for signal %d: %s", number, strerror(errno));
}

void interrupt_init_this(void) {
    stack_t stack = {.ss_sp = stacks[arch_cpu_id()].signals, .ss_size = STACK_BYTES};
    if (sigaltstack(&stack, NULL) != 0)
        start_fail("no signal stack: %s", strerror(errno));
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

void interrupt_init(void) {
    cpu_this()->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (cpu_this()->event_fd < 0)
        start_fail("no event descriptor: %s", strerror(errno));
    for (u32 i = 0; i < COUNT_OF(interrupts); i++)
        handler_install(interrupts[i].number, interrupt_signal, SA_RESTART);
    // A fault in the handler of a fault is a bug that is to be reported.
    for (u32 i = 0; i < COUNT_OF(faults); i++)
        handler_install(faults[i], fault_signal, SA_NODEFER);
    interrupt_init_this();
}
