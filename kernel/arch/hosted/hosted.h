#pragma once
// What the files of this port share: the CPUs, and the machine as it was asked for.

#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include "base/assert.h"
#include "kernel/arch/arch.h"

// Virtual memory, from the bottom. All of it is reserved at the start, so nothing else gets there.
//   0000_0020_0000       the program itself: static, not position-independent
//                        and above it, by up to 1 GiB at random, libc's heap
//   0000_4800_0000       code (arch_code_region), within 2 GiB of the kernel's functions
//   2000_0000_0000       slots: program memory and stacks (arch_slots_region)
//   5800_0000_0000       large kernel memory (arch_heap_region); ASan has what is at 5000_0000_0000
//   6000_0000_0000       the kernel's zone of RAM (arch_frame_pointer)
//   6100_0000_0000       windows
#define CODE_BASE     0x48000000ull
#define CODE_BYTES    (880 * MIB)
#define HEAP_BYTES    (256 * GIB)
#define RAM_BYTES_MAX (64 * GIB)
// SLICES are of SLOTS: for each address space but the kernel's, at the end; the kernel's has the
// rest.
#if !__has_feature(thread_sanitizer)
#define SLOTS_BASE   0x200000000000ull
#define SLOTS_BYTES  (40 * 1024 * GIB)
#define SLICE_BYTES  (128 * GIB)
#define SLICE_COUNT  128u
#define HEAP_BASE    0x580000000000ull
#define DIRECT_BASE  0x600000000000ull
#define WINDOWS_BASE 0x610000000000ull
#else
// ThreadSanitizer leaves programs what lies below 200_0000_0000, at 5500_0000_0000 (five TiB, which
// are for programs that are position-independent), and at the top.
#define SLOTS_BASE   0x550000000000ull
#define SLOTS_BYTES  (4 * 1024 * GIB)
#define SLICE_BYTES  (32 * GIB)
#define SLICE_COUNT  64u
#define HEAP_BASE    0x590000000000ull
#define DIRECT_BASE  0x594000000000ull
#define WINDOWS_BASE 0x598000000000ull
#endif

// Frames are offsets in the RAM's file. No frame has the address 0.
#define RAM_START ARCH_ZONE_BLOCK_BYTES

enum pending : u32 {
    PENDING_TIMER = 1 << 0,
    PENDING_LINK = 1 << 1,
    PENDING_CONSOLE = 1 << 2,
    PENDING_RESCHEDULE = 1 << 3, // the kernel wanted to switch threads where that was not possible
    PENDING_WAKE = 1 << 4,       // arch_cpu_wake
};

// A CPU is a thread of Linux's. Its signal handlers change `pending` at any time, and `irq_enabled`
// only for as long as they run.
struct cpu {
    void *current; // the kernel's, see arch_current
    u32 id;
    u32 pending; // atomic, enum pending; others set PENDING_WAKE
    bool irq_enabled;
    struct arch_aspace *aspace; // that it is in
    u32 window_depth;
    u32 relaxed; // rounds of arch_cpu_relax
    u64 timer_deadline_ns;
    timer_t timer;
    bool timer_is_armed;
    pid_t tid;    // atomic; 0: it does not run yet
    bool sleeps;  // atomic: asleep, or about to be, until `pending` is not 0
    int event_fd; // the first CPU's
};

#ifdef ARCH_INLINE_HEADER
STATIC_ASSERT(offsetof(struct cpu, current) == offsetof(struct arch_cpu_head, current), "inline.h");
STATIC_ASSERT(offsetof(struct cpu, id) == offsetof(struct arch_cpu_head, id), "inline.h");
STATIC_ASSERT(offsetof(struct cpu, pending) == offsetof(struct arch_cpu_head, pending), "inline.h");
STATIC_ASSERT(offsetof(struct cpu, irq_enabled) == offsetof(struct arch_cpu_head, irq_enabled),
              "inline.h");
#endif

extern __thread struct cpu *cpu_self;

// The CPU that runs this. Kernel code is switched away from at known places only, but then may go
// on on another CPU: the compiler must not keep what it has read before.
__attribute__((always_inline)) static inline struct cpu *cpu_this(void) {
    struct cpu *cpu;
    __asm__ volatile("movq %%fs:cpu_self@tpoff, %0" : "=r"(cpu));
    return cpu;
}

// A message to standard error and the end, before there is a kernel to panic.
[[noreturn]] void PRINTF_LIKE(1, 2) start_fail(const char *format, ...);
void PRINTF_LIKE(1, 2) console_print(const char *format, ...);

// Whether [va, va + bytes) is in the code region.
__attribute__((always_inline)) static inline bool is_in_code(u64 va) {
    return va - CODE_BASE < CODE_BYTES;
}

void memory_init(u64 ram_bytes);

// Whether a run that lies in slots is of the address space that this CPU is in.
bool memory_is_current(u64 va, u64 bytes);
void time_init(void);
void time_init_this(void); // on each CPU
void time_interrupt_soon(void);
void context_init(void);
void interrupt_init(void);
void interrupt_init_this(void); // on every other CPU

// Wakes a CPU that sleeps, after its `pending` has been changed.
void cpu_rouse(struct cpu *cpu);

// The CPUs (cpus.c).
void cpus_init(u32 count);        // that there are; the caller is the first
void cpus_keep(const char *list); // on these CPUs of Linux's, one each: numbers with commas
bool cpus_are_stopping(void);
[[noreturn]] void cpu_stop(void); // this one, for good
#define SIGNAL_WAKE SIGUSR1
void link_start(int fd);
void console_start(void);
void console_stop(void);

// Handles what is pending, and switches threads if the kernel wants that. Called where interrupts
// have just been turned on.
void interrupt_deliver(void);

void timer_interrupt(void);

// Functions that signal handlers call wherever a thread may be, ThreadSanitizer's own code too:
// they leave no trace with it.
#define UNWATCHED __attribute__((disable_sanitizer_instrumentation))

// Tells `tool`, which is perf or gdb, of compiled functions; false when it is neither.
MUST_USE bool symbols_start(const char *tool);

// What an idle CPU waits for besides signals; -1: nothing.
int link_poll_fd(short *events);
int console_poll_fd(void);
bool console_has_input(void);

// copy.S: copies with a fix-up. Both return enum status.
enum status copy_guarded(u64 to, u64 from, usize len);
enum status fill_guarded(u64 to, u64 pattern, usize len);

// Where a copy that failed continues; the linker names the ends of the section.
struct fixup {
    u64 start;
    u64 end;
    u64 resume;
};
extern const struct fixup __start_fixups[], __stop_fixups[];

// context.S
void context_start(void);
void stack_call(u64 stack_top, void (*function)(void));

// Where interrupted generated code continues, with its pc pushed: saves everything, calls
// preempt_continue, restores, returns.
void preempt_entry(void);
u64 preempt_continue(u64 pc, u64 fp);
extern u64 preempt_state_bytes; // of vector state, a multiple of 64
extern u64 preempt_state_mask;
