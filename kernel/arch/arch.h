#pragma once
// The whole interface between the kernel and a machine. Ports: x86_64/ (bare metal), hosted/
// (a Linux process). A port
// includes this header and base/ and nothing else of the kernel; nobody includes a port. (The build
// may name a port's inline.h: this header then has some of the functions below inline as well.)
//
// Contexts: "thread" may block; "any" may be called with interrupts off or from a handler.

#include "base/status.h"
#include "base/string.h"
#include "base/types.h"

// Kinds of address that must not mix. A phys_addr names a frame of RAM; a virt_addr is a kernel or
// program virtual address that C does not dereference as it stands.
struct phys_addr {
    u64 value;
};
struct virt_addr {
    u64 value;
};

enum page_rights {
    PAGE_READ = 1 << 0,
    PAGE_WRITE = 1 << 1,
    PAGE_EXEC = 1 << 2,
    PAGE_DEVICE = 1 << 3,
    PAGE_BORROWED =
        1 << 4, // the frame is not this mapping's to free: arch_unmap does not report it
    PAGE_COMBINING = 1 << 5 // with PAGE_DEVICE: stores may be gathered
};

// Physical memory is two zones. Frames of the kernel's zone are mapped for good, readable and
// writable, and reached by arch_frame_pointer. Frames of the programs' zone (program memory,
// stacks and all code) are mapped only where they belong; the kernel reaches them through windows.
enum zone { ZONE_KERNEL, ZONE_PROGRAM, ZONE_COUNT };

struct phys_range {
    struct phys_addr start;
    u64 bytes;
};

#define BOOT_RANGES_MAX  64
#define BOOT_MODULES_MAX 4

// What the port found out before the kernel proper starts. Free ranges are page-aligned RAM that
// nobody uses: not the kernel image, boot modules, firmware, or the port's own early tables.
struct boot_info {
    const char *machine;     // "x86_64, q35, 2 CPUs" - for people
    const char *boot_loader; // name
    char command_line[1024];
    u64 ram_bytes;
    u32 cpu_count; // as the firmware lists them
    u32 free_count;
    struct phys_range free[BOOT_RANGES_MAX];
    u64 kernel_zone_limit; // frames below this address can be in ZONE_KERNEL (mapped by the port)
    u32 module_count;
    struct bytes modules[BOOT_MODULES_MAX]; // mapped read-only for good
    struct bytes seed;                      // entropy from the loader or launcher; may be empty
};

// ================================================================================================
// THE PORT PROVIDES
// ================================================================================================

// -- Early and last resort ----------------------------------------------------------------------

// Writes to the machine's consoles (serial and framebuffer). False: a program has the line that
// people look at (see arch_ports_claim), and nothing was shown there. Any context.
bool arch_console_write(const char *text, usize len);

// Whether arch_console_write would say so. Any context.
bool arch_console_is_lent(void);

// Takes one byte typed at the machine's consoles; false when there is none. Any context.
MUST_USE bool arch_console_read(u8 *out);

// Whether none will ever come any more: what a Linux process reads from can end. Any context.
bool arch_console_ended(void);

// Size of the text console in characters, 0 x 0 when there is only a serial line.
void arch_console_size(u32 *columns, u32 *rows);

// Stops the machine for good. `status` 0-255 is handed to who started it where that is possible.
[[noreturn]] void arch_power_off(u32 status);
[[noreturn]] void arch_halt(void);

// Prints registers-free return addresses from `fp` up, symbolised, to the console. Any context.
void arch_backtrace_print(u64 fp);
u64 arch_frame_address(void); // the caller's frame pointer

// -- Physical memory ----------------------------------------------------------------------------

// Where a frame of ZONE_KERNEL is mapped: blocks up to ARCH_ZONE_BLOCK_BYTES are as aligned there
// as they are in physical memory. Any context.
void *arch_frame_pointer(struct phys_addr frame);
struct phys_addr arch_frame_of(const void *pointer); // the inverse, for any address in that mapping

// Moves blocks between the zones' mappings. When kernel_main is called, every free range below
// boot_info.kernel_zone_limit is mapped. A block that leaves for the programs' zone is unmapped
// (and invalidated on every CPU before the call returns), one that comes back is mapped again;
// its contents stay. Address and size are multiples of ARCH_ZONE_BLOCK_BYTES, and the whole block
// is free RAM: the ragged edges of free ranges stay in the kernel's zone for good. Cannot fail.
// Any context.
#define ARCH_ZONE_BLOCK_BYTES (4 * MIB)
void arch_zone_map(struct phys_addr start, u64 bytes);
void arch_zone_unmap(struct phys_addr start, u64 bytes);

// A short-lived view of `pages` contiguous frames (at most ARCH_WINDOW_PAGES) of ZONE_PROGRAM,
// writable and not executable. Between open and close preemption is off: no blocking, no program
// code. Windows nest two deep. The mapping is gone when close returns.
#define ARCH_WINDOW_PAGES 16
void *arch_frame_window_open(struct phys_addr frame, u32 pages);
void arch_frame_window_close(void *window);

// -- Address spaces -----------------------------------------------------------------------------

// Page tables. The fields are the port's; whoever makes one provides the memory, which must be
// mapped in all of them.
struct arch_aspace {
    u64 root;
    u64 number;     // of no other one, ever; 0: the kernel's
    u64 generation; // atomic: counts what CPUs have to forget
    u32 loaded;     // atomic: a bit for each CPU that runs in it
};

// The address space that the kernel itself runs in and `sip` processes share.
struct arch_aspace *arch_aspace_kernel(void);

// Regions that the kernel hands out. SLOTS: program memory and stacks. CODE: published code. HEAP:
// large kernel memory, in frames of ZONE_KERNEL, dereferenced by C.
struct virt_range {
    struct virt_addr start;
    u64 bytes;
};

// All that is SLOTS in some address space, and the part that areas of one may be in.
struct virt_range arch_slots_region(void);
struct virt_range arch_aspace_slots(const struct arch_aspace *as);

// A further address space. Everything but SLOTS is the same in all of them; SLOTS is empty.
// ERR_NO_MEMORY. To be destroyed, nothing may be mapped in it, and no context of it may be left.
// Thread context.
MUST_USE enum status arch_aspace_create(struct arch_aspace *as);
void arch_aspace_destroy(struct arch_aspace *as);

// The one that the CPU is in: that of the running context. Any context.
struct arch_aspace *arch_aspace_current(void);

// Whether what is mapped in one address space cannot be reached in another. If not, they are no
// more than an account of who should reach what.
bool arch_aspaces_are_apart(void);

struct virt_range arch_code_region(void);
struct virt_range arch_heap_region(void);

// Where all of ZONE_KERNEL is mapped, for checks; 0 bytes: the port has no page tables to look at.
struct virt_range arch_zone_region(void);

// The byte that unwritten code memory consists of: executing it is a trap.
#define ARCH_CODE_FILL 0xcc

// Maps a run of `pages` contiguous frames at unmapped pages. Fails only with ERR_NO_MEMORY (page
// tables), and then nothing is mapped. Never PAGE_WRITE and PAGE_EXEC together. Thread or fault
// context, interrupts on or off; the caller serialises changes of one region.
MUST_USE enum status arch_map(struct arch_aspace *as, struct virt_addr va, struct phys_addr pa,
                              u64 pages, enum page_rights rights);

// Unmaps a run, mapped or not in parts, and invalidates it on every CPU before returning. Empty
// page tables are given back. `visit` is called for each mapped frame, after invalidation, but for
// borrowed ones. Where nothing is mapped, no other CPU is asked for anything.
void arch_unmap(struct arch_aspace *as, struct virt_addr va, u64 pages,
                void (*visit)(void *context, struct phys_addr frame), void *context);

// The same for a large run that nobody uses any more, in pieces: whatever page tables are for it
// alone are out of every CPU's reach when this returns, with one invalidation, so that arch_unmap
// of the pieces need not ask for more. Nothing else is done with the run until all of it is
// unmapped.
void arch_unmap_prepare(struct arch_aspace *as, struct virt_addr va, u64 pages);

// How many pages from `va` on have no page table, so that there is nothing to unmap.
u64 arch_unmapped_pages(struct arch_aspace *as, struct virt_addr va);

// Changes the rights of a mapped run, with invalidation.
void arch_protect(struct arch_aspace *as, struct virt_addr va, u64 pages, enum page_rights rights);

// The frame mapped at `va`; false when there is none. Any context.
MUST_USE bool arch_translate(struct arch_aspace *as, struct virt_addr va, struct phys_addr *out);

// The same with the rights that it was mapped with; `va` is aligned to a page.
MUST_USE bool arch_page_find(struct arch_aspace *as, struct virt_addr va, struct phys_addr *frame,
                             enum page_rights *rights);

// For checks: visits what is mapped in a range, in ascending order, in runs of contiguous frames
// that have the same rights. The caller keeps it from changing.
struct mapped_run {
    struct virt_addr va;
    struct phys_addr frame;
    u64 pages;
    enum page_rights rights;
};
void arch_mapped_for_each(struct arch_aspace *as, struct virt_range range,
                          void (*visit)(const struct mapped_run *run, void *context),
                          void *context);

// -- Program memory, fault-safe -----------------------------------------------------------------

// Copies between kernel memory and program memory that is mapped in the current address space. A
// fault that upcall_fault cannot repair ends the copy with its status (ERR_FAULT, ERR_NO_MEMORY);
// part may have been copied. Thread context, no spinlock held. Each byte is read once.
MUST_USE enum status arch_copy_from(void *to, struct virt_addr from, usize len);
MUST_USE enum status arch_copy_to(struct virt_addr to, const void *from, usize len);
MUST_USE enum status arch_copy_between(struct virt_addr to, struct virt_addr from, usize len);
MUST_USE enum status arch_fill(struct virt_addr to, u8 byte, usize len);

// With interrupts off they do not wait for a repair: ERR_BUSY.

// The same for a number of words that the compiler knows, where the port has that inline: `words`
// words from one of the two to the other.
MUST_USE static inline enum status arch_copy_words_from(void *to, struct virt_addr from, u32 words);
MUST_USE static inline enum status arch_copy_words_to(struct virt_addr to, const void *from,
                                                      u32 words);

// -- CPUs, interrupts, time ---------------------------------------------------------------------

u32 arch_cpu_id(void); // 0: the one that boots; valid with preemption off
#define ARCH_CPUS_MAX 32

// A word of each CPU that is the kernel's: who runs on it. Reading it is one step, so a thread that
// is moved to another CPU right before or after still finds its own. Setting: interrupts off.
void *arch_current(void);
void arch_current_set(void *current);

// Starts CPUs until `count` of them run, or as many as there are and do start. They are numbered
// without gaps, and each calls upcall_cpu_main. Returns how many run. Once, on CPU 0, interrupts
// off, when memory works.
u32 arch_cpus_start(u32 count);

// Interrupts another CPU, so that its arch_cpu_idle returns, or its thread's way out of the
// interrupt asks upcall_wants_reschedule. Any context.
void arch_cpu_wake(u32 cpu);

// Stops all other CPUs for good, wherever they are. Any context.
void arch_cpus_stop(void);

typedef u64 arch_irq_state; // nonzero: interrupts on
#define ARCH_IRQ_ON 1
arch_irq_state arch_irq_save(void); // interrupts off
void arch_irq_restore(arch_irq_state state);
bool arch_irq_enabled(void);
void arch_irq_disable(void); // where it is known that they are on
void arch_irq_enable(void);  // and off

// Waits for an interrupt with interrupts enabled; returns with them off, as it was called.
void arch_cpu_idle(void);

// One round of waiting for another CPU. Whoever waits with interrupts off must call it: it answers
// the invalidation requests that the other may be waiting for.
void arch_cpu_relax(void);

// Nanoseconds since boot; monotonic, never zero. Any context.
u64 arch_clock_ns(void);
u64 arch_clock_resolution_ns(void);

// A counter for durations on one CPU, which costs less than the clock: what a CPU reads is later
// than what it read before. Interrupts off, or preemption. The conversions are the same all the
// time, and may differ from the clock by some thousandths.
u64 arch_ticks(void);
u64 arch_ticks_to_ns(u64 ticks);
u64 arch_ns_to_ticks(u64 ns);

// Nanoseconds since 1970 (UTC) at which arch_clock_ns was zero, as the machine said at the start.
u64 arch_wall_offset_ns(void);

// How long the machine had been on when arch_clock_ns was zero: firmware and boot loader. As far as
// the machine tells; 0 when it does not.
u64 arch_firmware_ns(void);

// Asks for upcall_timer at or shortly after `deadline_ns`, once, on this CPU; replaces an earlier
// request. UINT64_MAX: never. Interrupts off.
void arch_timer_arm(u64 deadline_ns);

// The same at the tick `at`, where it is `now`, or was just before.
static inline void arch_timer_arm_ticks(u64 now, u64 at);

// Up to `len` random bytes from the hardware; returns how many (0: it has no generator). Any
// context.
usize arch_random(void *out, usize len);

// -- Threads ------------------------------------------------------------------------------------

// A thread. While it does not run, all that is not here is on its stack.
struct arch_context {
    u64 sp;                     // while it does not run
    u64 segment_base;           // of memory 0
    struct arch_aspace *aspace; // that it runs in, and that has its stack
#if __has_feature(thread_sanitizer)
    void *fiber; // what ThreadSanitizer calls it
#endif
};

// Prepares a context on `stack_top` (16-byte aligned), which is mapped in `as` and need not be in
// the current address space. It calls entry(argument), with interrupts off, at its first switch.
// `entry` does not return. Thread context.
void arch_context_init(struct arch_context *context, struct arch_aspace *as, u64 stack_top,
                       void (*entry)(void *), void *argument);

// The context will not run any more, and does not now. Any context.
static inline void arch_context_fini(struct arch_context *context);

// Leaves `from` and continues `to`, interrupts off; the CPU has the segment base of `to` then, and
// is in its address space. What the C calling convention keeps is saved; vector state is saved by
// the interrupt path alone. Neither structure may be on a stack. It returns when somebody switches
// back, perhaps on another CPU: per-CPU values must be read anew. What it returns is what that one
// `passed`.
void *arch_context_switch(struct arch_context *from, struct arch_context *to, void *passed);

// The same where both contexts are in one address space, in two steps. The first sets the segment
// base: the CPU does little else meanwhile, so it pays to have that behind it early. In between,
// nobody touches program memory through the segment. Both only where arch_is_quick.
static inline void arch_context_expect(const struct arch_context *to);
static inline void *arch_context_switch_near(struct arch_context *from, struct arch_context *to,
                                             void *passed);

// Whether setting the segment base and reading the ticks are an instruction each. Fixed.
static inline bool arch_is_quick(void);
static inline u64 arch_ticks_quick(void); // as arch_ticks, there

// Sets the segment base of the running thread, whose context that is.
void arch_segment_base_set(struct arch_context *running, u64 base);

// Which segment that is.
enum arch_segment { ARCH_SEGMENT_FS, ARCH_SEGMENT_GS };
enum arch_segment arch_memory_segment(void);

// -- The link -----------------------------------------------------------------------------------
// A byte stream to who started the machine (virtio-console; in-process when hosted), with flow
// control. abi/kwast/link.h frames it.

bool arch_link_present(void);

// Queues up to `len` bytes; returns how many were taken (0: full, upcall_link will come). Any
// context.
usize arch_link_write(const void *from, usize len);

// Whether all that was written has left the machine, so that no end of it can lose any; if not,
// upcall_link will come. Any context.
bool arch_link_is_sent(void);
usize arch_link_read(void *to, usize len);

// -- Devices for programs -----------------------------------------------------------------------
// What drivers that are programs reach. The caller sees to it that nobody has the same range or
// port twice. Thread context.

// Whether there are any: where there are not, nothing else of this is called.
bool arch_devices_present(void);

// Bits of a pixel that are one colour.
struct arch_channel {
    u8 position;
    u8 bits;
};

#define ARCH_OWN_FUNCTIONS_MAX 4

// What a machine has that no device tells.
struct arch_devices {
    struct phys_range screen; // 0 bytes: there is none
    u32 screen_width;
    u32 screen_height;
    u32 screen_pitch;
    u32 pixel_bytes;
    struct arch_channel red;
    struct arch_channel green;
    struct arch_channel blue;
    // PCI configuration space, 1 MiB for each bus from the first on, 4 KiB for each function. 0
    // bytes: it is reached by ports alone.
    struct phys_range pci_config;
    u32 pci_first_bus;
    u32 own_count; // of PCI functions that the port drives itself, bus << 8 | slot << 3 | function
    u16 own_functions[ARCH_OWN_FUNCTIONS_MAX];
};
void arch_devices_describe(struct arch_devices *out);

// A physical range of whole pages for a program. While one has what the machine's console shows
// itself on, or its port, the console leaves that alone, but for a panic. ERR_INVALID: there are no
// such addresses or ports. ERR_NO_ACCESS: they are RAM, or the port's own.
MUST_USE enum status arch_range_claim(struct phys_addr start, u64 bytes);
void arch_range_release(struct phys_addr start, u64 bytes);
MUST_USE enum status arch_ports_claim(u32 first, u32 count);
void arch_ports_release(u32 first, u32 count);

// Ports that have been claimed; `width` is 1, 2 or 4. ERR_NO_ACCESS: that would not be for programs
// all the same.
u32 arch_port_read(u32 port, u32 width);
MUST_USE enum status arch_port_write(u32 port, u32 width, u32 value);

// Has upcall_device called with *number, from now on, when the interrupt line is raised; one below
// 16 is an ISA interrupt. Where *is_level, it is masked first, and several can have the line: all
// are told, and it comes again when one of them has unmasked it and some device still asks.
// ERR_INVALID: there is no such line. ERR_BUSY: somebody has it. ERR_NO_ACCESS: the port needs it.
// ERR_NO_SPACE.
#define ARCH_INTERRUPTS_MAX 96
MUST_USE enum status arch_interrupt_claim(u32 line, u32 *number, bool *is_level);

// The same when a device writes *data to *address.
MUST_USE enum status arch_message_claim(u32 *number, u64 *address, u32 *data);

// A call of upcall_device may still be under way when it returns.
void arch_interrupt_release(u32 number);
void arch_interrupt_unmask(u32 number); // any context

// -- Profilers and debuggers --------------------------------------------------------------------
// A machine may have tools that want to know compiled functions by name. Thread context.

struct arch_symbol {
    u64 start;
    u64 bytes;
    struct bytes name; // printable, without spaces
};

bool arch_symbols_wanted(void);

// Functions of one piece of published code, by address.
void arch_symbols_publish(const struct arch_symbol *symbols, u32 count);

// The code of the range is about to go.
void arch_symbols_withdraw(u64 start, u64 bytes);

// ================================================================================================
// THE PORT CALLS (kernel/init/upcalls.c and kernel/init/kmain.c)
// ================================================================================================

// The kernel proper, on the boot stack, interrupts off, once all of the above works except
// arch_map (which needs upcall_frame_alloc) and the link. `boot` stays valid.
[[noreturn]] void kernel_main(const struct boot_info *boot);

// The kernel proper on every other CPU, once: on a stack of the port's that stays, interrupts off.
[[noreturn]] void upcall_cpu_main(void);

// Called by kernel_main (declared here because the port implements it): devices, once memory works.
void arch_devices_start(void);

// A zeroed frame of ZONE_KERNEL for page tables and device queues; false when there is none.
MUST_USE bool upcall_frame_alloc(struct phys_addr *out);
MUST_USE bool upcall_frames_alloc(u32 pages, struct phys_addr *out); // contiguous
void upcall_frame_free(struct phys_addr frame);

enum fault_access { FAULT_READ, FAULT_WRITE, FAULT_EXEC };
enum fault_class { FAULT_PAGE, FAULT_UNDEFINED, FAULT_ARITHMETIC, FAULT_OTHER };

struct fault {
    enum fault_class class;
    enum fault_access access; // FAULT_PAGE
    struct virt_addr address; // FAULT_PAGE
    bool is_present;          // FAULT_PAGE: a page is mapped there, and that is not what is wrong
    u64 pc;
    u64 fp;
    u64 sp;
    u32 vector; // the machine's own number and code, for people
    u64 error_code;
    bool in_copy;   // inside one of the arch_copy functions
    bool in_window; // while a window is open, or interrupts are off: then nothing can be repaired
};

enum fault_action {
    FAULT_RETRY,     // repaired: run the instruction again
    FAULT_REDIRECT,  // continue at `resume_pc`, all registers kept
    FAULT_FAIL_COPY, // in_copy only: the copy returns `status`
    FAULT_BUG,       // panic, with registers and backtrace
};

struct fault_result {
    enum fault_action action;
    u64 resume_pc;
    enum status status;
};

// Decides about a CPU exception. Interrupts off, on the faulting thread's stack.
struct fault_result upcall_fault(const struct fault *fault);

// Interrupts, on the CPU's interrupt stack, interrupts off.
void upcall_timer(void);
void upcall_link(void);         // the link became readable, or writable after having been full
void upcall_console(void);      // arch_console_read has something
void upcall_device(u32 number); // of arch_interrupt_claim

// After an interrupt that came while interrupts were on, on the interrupted thread's stack with its
// whole register state (vector registers too) saved, interrupts off: the place to switch threads.
// It may return on another CPU. Returns the pc to continue at: `pc`, or another to redirect a
// thread that runs generated code.
u64 upcall_interrupt_return(u64 pc, u64 fp);

// Whether upcall_interrupt_return wants to be called now. Interrupts off.
bool upcall_wants_reschedule(u64 pc);

[[noreturn]] void upcall_panic(const char *why);
void upcall_log(const char *text); // one line of the kernel log, without newline

#ifdef ARCH_INLINE_HEADER
#include ARCH_INLINE_HEADER
#endif

#ifndef ARCH_HAS_TIMER_TICKS
static inline void arch_timer_arm_ticks(u64 now, u64 at) {
    arch_timer_arm(arch_clock_ns() + arch_ticks_to_ns(at - now));
}
#endif

#ifndef ARCH_HAS_CONTEXT_FINI
static inline void arch_context_fini(struct arch_context *) {
}
#endif

#ifndef ARCH_HAS_SWITCH_NEAR
static inline void arch_context_expect(const struct arch_context *to) {
    (void)to;
}

static inline void *arch_context_switch_near(struct arch_context *from, struct arch_context *to,
                                             void *passed) {
    return arch_context_switch(from, to, passed);
}

static inline bool arch_is_quick(void) {
    return true;
}

static inline u64 arch_ticks_quick(void) {
    return arch_ticks();
}
#endif

// The same for a single word of four or eight bytes: arch_try_load(value, at, label) and
// arch_try_store(at, value, label), where `at` is a number, go to the label when that fails; and so
// does arch_try_copy(to, from, len, label), between program memories.
#ifndef ARCH_HAS_TRY
#define arch_try_load(value, at, fail)                                                             \
    do {                                                                                           \
        if (arch_copy_from(&(value), (struct virt_addr){at}, sizeof(value)) != OK)                 \
            goto fail;                                                                             \
    } while (false)
#define arch_try_store(at, value, fail)                                                            \
    do {                                                                                           \
        typeof(value) stored_ = (value);                                                           \
        if (arch_copy_to((struct virt_addr){at}, &stored_, sizeof stored_) != OK)                  \
            goto fail;                                                                             \
    } while (false)
#define arch_try_copy(to, from, len, fail)                                                         \
    do {                                                                                           \
        if (arch_copy_between((struct virt_addr){to}, (struct virt_addr){from}, (len)) != OK)      \
            goto fail;                                                                             \
    } while (false)
#endif

#ifndef ARCH_HAS_COPY_WORDS
static inline enum status arch_copy_words_from(void *to, struct virt_addr from, u32 words) {
    return arch_copy_from(to, from, (usize)words * sizeof(u64));
}

static inline enum status arch_copy_words_to(struct virt_addr to, const void *from, u32 words) {
    return arch_copy_to(to, from, (usize)words * sizeof(u64));
}
#else
__attribute__((always_inline)) static inline enum status
arch_copy_words_from(void *to, struct virt_addr from, u32 words) {
    return arch_copy_words((uptr)to, from.value, words);
}

__attribute__((always_inline)) static inline enum status
arch_copy_words_to(struct virt_addr to, const void *from, u32 words) {
    return arch_copy_words(to.value, (uptr)from, words);
}
#endif
