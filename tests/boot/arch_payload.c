// The x86_64 port, tested from where the kernel would be: a kernel_main that tries every call of
// kernel/arch/arch.h and reports in TAP. tests/boot/arch_test.py starts it.
//
// The last test overflows a stack: it ends in a double fault, and the machine is switched off from
// upcall_panic.

#include "tests/boot/arch_payload.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/arch/arch.h"

u64 vectors_spin(u64 pattern, const volatile u32 *stop, u64 use_avx);
bool registers_survive(void (*call)(void));

static struct {
    const struct boot_info *boot;
    u32 number;
    u32 failed;

    // Frames:
    u64 next_frame;
    u64 end_frame;
    u64 free_list; // the first word of a free frame is the next one
    i64 in_use;
    i64 fail_after; // allocations that still succeed; negative: no limit

    // Faults:
    u64 resume_pc; // where the next expected fault continues; 0: none is expected
    struct fault fault;
    enum fault_action action;
    enum status copy_status;
    u64 repair_page; // mapped by the next fault, then retried

    // Interrupts:
    volatile u32 ticks;
    u64 period_ns; // 0: the timer is not armed again
    volatile bool want_switch;
    u64 (*on_return)(u64 pc);
    volatile u32 typed;
} test = {.fail_after = -1};

// -- Reporting ----------------------------------------------------------------------------------

void payload_print(const char *format, ...) {
    char line[256];
    va_list args;
    va_start(args, format);
    fmt_string_va(line, sizeof line, format, args);
    va_end(args);
    arch_console_write(line, strlen(line));
}

void payload_check(bool ok, const char *name) {
    test.number++;
    test.failed += !ok;
    payload_print("%s %u %s\n", ok ? "ok" : "not ok", test.number, name);
}

i64 payload_frames_in_use(void) {
    return test.in_use;
}

enum status payload_copy_status(void) {
    test.copy_status = ERR_FAULT;
    return ERR_FAULT;
}

// -- Upcalls ------------------------------------------------------------------------------------

bool upcall_frame_alloc(struct phys_addr *out) {
    if (test.fail_after == 0)
        return false;
    if (test.fail_after > 0)
        test.fail_after--;
    if (test.free_list != 0) {
        out->value = test.free_list;
        test.free_list = *(u64 *)arch_frame_pointer(*out);
    } else if (test.next_frame < test.end_frame) {
        out->value = test.next_frame;
        test.next_frame += PAGE_SIZE;
    } else {
        return false;
    }
    memset(arch_frame_pointer(*out), 0, PAGE_SIZE);
    test.in_use++;
    return true;
}

bool upcall_frames_alloc(u32 pages, struct phys_addr *out) {
    if (test.end_frame - test.next_frame < pages * PAGE_SIZE)
        return false;
    out->value = test.next_frame;
    test.next_frame += pages * PAGE_SIZE;
    test.in_use += pages;
    memset(arch_frame_pointer(*out), 0, pages * PAGE_SIZE);
    return true;
}

void upcall_frame_free(struct phys_addr frame) {
    *(u64 *)arch_frame_pointer(frame) = test.free_list;
    test.free_list = frame.value;
    test.in_use--;
}

struct fault_result upcall_fault(const struct fault *fault) {
    test.fault = *fault;
    if (test.repair_page != 0) {
        struct phys_addr frame;
        struct virt_addr page = {test.repair_page};
        test.repair_page = 0;
        if (upcall_frame_alloc(&frame) &&
            arch_map(arch_aspace_kernel(), page, frame, 1, PAGE_READ | PAGE_WRITE) == OK)
            return (struct fault_result){.action = FAULT_RETRY};
    }
    if (fault->in_copy)
        return (struct fault_result){.action = FAULT_FAIL_COPY, .status = test.copy_status};
    if (test.resume_pc == 0)
        return (struct fault_result){.action = FAULT_BUG};
    u64 pc = test.resume_pc;
    test.resume_pc = 0;
    return (struct fault_result){.action = FAULT_REDIRECT, .resume_pc = pc};
}

void upcall_timer(void) {
    test.ticks++;
    if (test.period_ns != 0)
        arch_timer_arm(arch_clock_ns() + test.period_ns);
}

void upcall_link(void) {
}

void upcall_console(void) {
    u8 byte;
    while (arch_console_read(&byte))
        test.typed = test.typed << 8 | byte;
}

void upcall_device(u32) {
}

bool upcall_wants_reschedule(UNUSED u64 pc) {
    return test.want_switch;
}

u64 upcall_interrupt_return(u64 pc, UNUSED u64 fp) {
    return test.on_return != NULL ? test.on_return(pc) : pc;
}

void upcall_log(const char *text) {
    payload_print("# %s\n", text);
}

void upcall_panic(const char *why) {
    payload_print("# panic: %s\n", why);
    bool expected = strlen(why) > 12 && memcmp(why, "double fault", 12) == 0;
    payload_check(expected, "a stack overflow is a double fault on its own stack");
    arch_backtrace_print(arch_frame_address());
    payload_print("1..%u\n# %s\n", test.number, test.failed == 0 ? "all passed" : "FAILED");
    arch_power_off(test.failed != 0);
}

void assert_failed(const char *file, int line, const char *what) {
    payload_print("# %s:%d: %s\n", file, line, what);
    upcall_panic("assertion failed");
}

// -- Accesses that may fault ----------------------------------------------------------------------

static bool write_faults(u64 address) {
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movb $0x5a, (%1)\n"
                     "1:"
                     : "=m"(test.resume_pc)
                     : "r"(address)
                     : "rax", "memory");
    bool faulted = test.resume_pc == 0;
    test.resume_pc = 0;
    return faulted && test.fault.class == FAULT_PAGE && test.fault.access == FAULT_WRITE &&
           test.fault.address.value == address;
}

bool payload_read_faults(u64 address) {
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movb (%1), %%al\n"
                     "1:"
                     : "=m"(test.resume_pc)
                     : "r"(address)
                     : "rax", "memory");
    bool faulted = test.resume_pc == 0;
    test.resume_pc = 0;
    return faulted && test.fault.class == FAULT_PAGE && test.fault.access == FAULT_READ &&
           test.fault.address.value == address;
}

// Jumps to `address`, where `jmp *%rdx` is expected.
static const u8 jump_back[] = {0xff, 0xe2};

static bool execute_faults(u64 address) {
    __asm__ volatile("leaq 1f(%%rip), %%rdx\n\t"
                     "movq %%rdx, %0\n\t"
                     "jmp *%1\n"
                     "1:"
                     : "=m"(test.resume_pc)
                     : "r"(address)
                     : "rdx", "memory");
    bool faulted = test.resume_pc == 0;
    test.resume_pc = 0;
    return faulted && test.fault.class == FAULT_PAGE && test.fault.access == FAULT_EXEC &&
           test.fault.address.value == address;
}

// -- Memory -------------------------------------------------------------------------------------

static void boot_info_tests(void) {
    const struct boot_info *boot = test.boot;
    u64 tsc = __builtin_readcyclecounter();
    payload_print("# kernel_main after %llu us of the port, TSC %llu\n",
                  (unsigned long long)arch_clock_ns() / 1000, (unsigned long long)tsc);
    payload_print("# %s, started by %s\n", boot->machine, boot->boot_loader);
    payload_print("# command line '%s', %llu KiB\n", boot->command_line, boot->ram_bytes / KIB);
    bool sane = boot->free_count != 0 && boot->cpu_count != 0;
    u64 end = 0;
    for (u32 i = 0; i < boot->free_count; i++) {
        const struct phys_range *range = &boot->free[i];
        payload_print("# free %09lx + %lx\n", range->start.value, range->bytes);
        sane = sane && range->start.value >= end && range->bytes != 0 &&
               is_aligned(range->start.value | range->bytes, PAGE_SIZE);
        end = range->start.value + range->bytes;
    }
    payload_check(sane, "free ranges are sorted, disjoint, whole pages");

    static const u8 seed[] = {0x00, 0xff, 0xa5};
    bool taken = bytes_equal(boot->seed, (struct bytes){seed, sizeof seed}) &&
                 strcmp(boot->command_line, "before after") == 0;
    payload_check(taken, "the seed is taken out of the command line");

    struct bytes module = boot->modules[0];
    bool found = boot->module_count == 1 && module.len > 16 &&
                 memcmp(module.data, "the boot archive", 16) == 0;
    payload_check(found, "the boot module is mapped");
    payload_check(!found || write_faults((uptr)module.data), "the boot module is read-only");
}

static void count_frame(void *context, UNUSED struct phys_addr frame) {
    ++*(u64 *)context;
}

static void release_frame(UNUSED void *context, struct phys_addr frame) {
    upcall_frame_free(frame);
}

// A frame for program memory: it stays in the kernel's mapping, which does not matter here.
static struct phys_addr new_frame(void) {
    struct phys_addr frame = {0};
    CHECK(upcall_frame_alloc(&frame));
    return frame;
}

static void mapping_tests(void) {
    struct arch_aspace *as = arch_aspace_kernel();
    struct virt_addr page = {arch_slots_region().start.value + 5 * GIB - 2 * PAGE_SIZE};
    i64 before = test.in_use;
    struct phys_addr frames;
    CHECK(upcall_frames_alloc(4, &frames));
    // Four pages over the border of two page tables.
    payload_check(arch_map(as, page, frames, 4, PAGE_READ | PAGE_WRITE) == OK, "a run is mapped");
    bool same = true;
    for (u64 i = 0; i < 4; i++) {
        *(u64 *)(page.value + i * PAGE_SIZE) = 0x1000 + i;
        struct phys_addr frame = {frames.value + i * PAGE_SIZE};
        struct phys_addr found;
        same = same && *(u64 *)arch_frame_pointer(frame) == 0x1000 + i &&
               arch_translate(as, (struct virt_addr){page.value + i * PAGE_SIZE + 9}, &found) &&
               found.value == frame.value + 9;
    }
    payload_check(same, "what is mapped is the frames that were given");
    payload_check(payload_read_faults(page.value - 1) &&
                      payload_read_faults(page.value + 4 * PAGE_SIZE),
                  "nothing is mapped beside a run");
    payload_check(execute_faults(page.value), "data is not executable");
    payload_check(!write_faults(page.value), "data is writable");

    memcpy((void *)page.value, jump_back, sizeof jump_back);
    arch_protect(as, page, 4, PAGE_READ | PAGE_EXEC);
    payload_check(!execute_faults(page.value) && write_faults(page.value),
                  "code runs and is not writable");
    arch_protect(as, page, 4, PAGE_READ);
    payload_check(execute_faults(page.value) && write_faults(page.value) &&
                      !payload_read_faults(page.value),
                  "constants are neither");

    u64 visited = 0;
    arch_unmap(as, (struct virt_addr){page.value - 8 * PAGE_SIZE}, 4 * GIB / PAGE_SIZE, count_frame,
               &visited);
    payload_check(visited == 4 && payload_read_faults(page.value),
                  "unmapping visits each frame once");
    payload_check(test.in_use == before + 4, "empty page tables are given back");

    payload_check(arch_map(as, page, frames, 2, PAGE_READ | PAGE_BORROWED) == OK &&
                      !payload_read_faults(page.value) && write_faults(page.value),
                  "a borrowed frame is mapped like any other");
    visited = 0;
    arch_unmap(as, page, 2, count_frame, &visited);
    payload_check(visited == 0 && payload_read_faults(page.value) && test.in_use == before + 4,
                  "unmapping does not visit what is borrowed");
    for (u64 i = 0; i < 4; i++)
        upcall_frame_free((struct phys_addr){frames.value + i * PAGE_SIZE});
}

// Unmaps a run as large ones are: prepared, in pieces. Returns how many frames were there.
static u64 unmap_large(struct arch_aspace *as, u64 start, u64 end) {
    u64 visited = 0;
    while (start < end) {
        u64 pages = arch_unmapped_pages(as, (struct virt_addr){start});
        u64 next = start + (pages == 0 ? 2 * MIB - start % (2 * MIB) : pages * PAGE_SIZE);
        if (pages == 0)
            arch_unmap(as, (struct virt_addr){start},
                       ((next < end ? next : end) - start) / PAGE_SIZE, count_frame, &visited);
        start = next;
    }
    return visited;
}

static void large_unmap_tests(void) {
    struct arch_aspace *as = arch_aspace_kernel();
    u64 base = arch_slots_region().start.value;
    u64 start = base + 7 * GIB + MIB;
    u64 end = base + 9 * GIB + 5 * MIB + 2 * PAGE_SIZE;
    // In tables that others use, in whole ones, and in a whole directory.
    const u64 pages[] = {start, base + 7 * GIB + 3 * MIB, base + 8 * GIB + 512 * MIB,
                         base + 9 * GIB + MIB, end - PAGE_SIZE};
    const u64 beside[] = {start - PAGE_SIZE, end};
    i64 before = test.in_use;
    struct phys_addr frame = new_frame();
    bool mapped = true;
    for (u32 i = 0; i < COUNT_OF(pages); i++)
        mapped = mapped && arch_map(as, (struct virt_addr){pages[i]}, frame, 1, PAGE_READ) == OK &&
                 !payload_read_faults(pages[i]);
    for (u32 i = 0; i < COUNT_OF(beside); i++)
        mapped = mapped && arch_map(as, (struct virt_addr){beside[i]}, frame, 1, PAGE_READ) == OK;
    payload_check(mapped, "pages of a large run are mapped, and two beside it");

    arch_unmap_prepare(as, (struct virt_addr){start}, (end - start) / PAGE_SIZE);
    bool hidden = true;
    for (u32 i = 1; i + 1 < COUNT_OF(pages); i++)
        hidden = hidden && payload_read_faults(pages[i]) &&
                 !arch_translate(as, (struct virt_addr){pages[i]}, &(struct phys_addr){0});
    payload_check(hidden, "what is prepared for unmapping is out of reach");
    payload_check(unmap_large(as, start, end) == COUNT_OF(pages) && payload_read_faults(pages[0]) &&
                      payload_read_faults(pages[COUNT_OF(pages) - 1]),
                  "and each frame of it is visited");
    payload_check(!payload_read_faults(beside[0]) && !payload_read_faults(beside[1]),
                  "what lies beside it stays");
    payload_check(arch_map(as, (struct virt_addr){pages[2]}, frame, 1, PAGE_READ) == OK &&
                      !payload_read_faults(pages[2]),
                  "the place can be used again");
    payload_check(unmap_large(as, start - PAGE_SIZE, end + PAGE_SIZE) == 3 &&
                      test.in_use == before + 1,
                  "all tables are given back");
    upcall_frame_free(frame);
}

static void out_of_memory_tests(void) {
    struct arch_aspace *as = arch_aspace_kernel();
    struct virt_addr page = {arch_slots_region().start.value + 3 * GIB - PAGE_SIZE};
    struct phys_addr frames;
    CHECK(upcall_frames_alloc(2, &frames));
    i64 before = test.in_use;
    // Two pages in two page tables of two directories: five tables, so five ways to fail.
    bool undone = true;
    for (i64 n = 0; n < 5; n++) {
        test.fail_after = n;
        undone = undone && arch_map(as, page, frames, 2, PAGE_READ) == ERR_NO_MEMORY &&
                 test.in_use == before && payload_read_faults(page.value);
    }
    test.fail_after = 5;
    payload_check(undone, "mapping without memory for tables is undone");
    payload_check(arch_map(as, page, frames, 2, PAGE_READ) == OK,
                  "and works when there is just enough");
    test.fail_after = -1;
    arch_unmap(as, page, 2, release_frame, NULL);
}

static void image_tests(void) {
    static const u8 constant = 1;
    static u8 variable[] = {0xff, 0xe2};
    payload_check(write_faults((uptr)&boot_info_tests), "kernel code is not writable");
    payload_check(write_faults((uptr)&constant), "kernel constants are not writable");
    payload_check(execute_faults((uptr)variable) && execute_faults((uptr)&constant),
                  "kernel data is not executable");
    payload_check(payload_read_faults(0) && payload_read_faults(0x100000),
                  "low addresses are not mapped");
}

// The highest block that is free as a whole; the frames of test.next_frame lie below.
static struct phys_addr highest_block(void) {
    for (u32 i = test.boot->free_count; i-- > 0;) {
        const struct phys_range *range = &test.boot->free[i];
        u64 end = min_u64(range->start.value + range->bytes, test.boot->kernel_zone_limit);
        u64 start = align_down(end, ARCH_ZONE_BLOCK_BYTES) - ARCH_ZONE_BLOCK_BYTES;
        if (end >= ARCH_ZONE_BLOCK_BYTES && start >= range->start.value && start < end)
            return (struct phys_addr){start};
    }
    UNREACHABLE();
}

static void zone_tests(void) {
    struct phys_addr block = highest_block();
    u64 *word = arch_frame_pointer((struct phys_addr){block.value + 3 * MIB});
    *word = 0x123456789abcdef0;
    arch_zone_unmap(block, ARCH_ZONE_BLOCK_BYTES);
    payload_check(payload_read_faults((uptr)word) &&
                      payload_read_faults((uptr)arch_frame_pointer(block)),
                  "a block that leaves the kernel's zone is not mapped");

    struct phys_addr frame = {block.value + 3 * MIB};
    u64 *window = arch_frame_window_open(frame, ARCH_WINDOW_PAGES);
    bool same = *window == 0x123456789abcdef0;
    u64 *inner = arch_frame_window_open((struct phys_addr){frame.value + PAGE_SIZE}, 1);
    *inner = 77;
    same = same && window[PAGE_SIZE / sizeof *window] == 77;
    payload_check(same && inner != window, "windows show frames, and nest");
    payload_check(execute_faults((uptr)window), "a window is not executable");
    payload_check(payload_read_faults((uptr)inner + PAGE_SIZE), "a window ends where it ends");
    arch_frame_window_close(inner);
    payload_check(payload_read_faults((uptr)inner), "a closed window is gone");
    window[ARCH_WINDOW_PAGES * PAGE_SIZE / sizeof *window - 1] = 78;
    arch_frame_window_close(window);
    payload_check(payload_read_faults((uptr)window), "and so is the outer one");

    arch_zone_map(block, ARCH_ZONE_BLOCK_BYTES);
    payload_check(*word == 0x123456789abcdef0 && word[PAGE_SIZE / sizeof *word] == 77,
                  "a block that comes back has its contents");
}

// -- Copies -------------------------------------------------------------------------------------

static void copy_tests(void) {
    struct arch_aspace *as = arch_aspace_kernel();
    struct virt_addr page = {arch_slots_region().start.value + 7 * PAGE_SIZE};
    struct virt_addr late = {page.value + PAGE_SIZE - 5}; // five bytes, then nothing
    CHECK(arch_map(as, page, new_frame(), 1, PAGE_READ | PAGE_WRITE) == OK);
    const char text[] = "the quick brown fox";
    char back[sizeof text] = {};

    payload_check(arch_copy_to(page, text, sizeof text) == OK &&
                      arch_copy_from(back, page, sizeof text) == OK &&
                      memcmp(text, back, sizeof text) == 0,
                  "copies in and out");
    struct virt_addr middle = {page.value + 100};
    payload_check(arch_copy_between(middle, page, sizeof text) == OK &&
                      memcmp((void *)middle.value, text, sizeof text) == 0,
                  "copies between");
    payload_check(arch_fill(page, 0xab, 13) == OK && *(u8 *)(page.value + 12) == 0xab &&
                      *(char *)(page.value + 13) == text[13],
                  "fills, and not beyond");

    test.copy_status = ERR_FAULT;
    payload_check(arch_copy_to(late, text, sizeof text) == ERR_FAULT,
                  "a copy that leaves the mapping fails with the status it is told");
    test.copy_status = ERR_NO_MEMORY;
    payload_check(arch_copy_from(back, late, sizeof text) == ERR_NO_MEMORY &&
                      arch_copy_between(page, late, 8) == ERR_NO_MEMORY &&
                      arch_fill(late, 0, 64) == ERR_NO_MEMORY,
                  "whichever copy it is");
    payload_check(test.fault.in_copy && test.fault.access == FAULT_WRITE, "the fault says so");

    test.repair_page = page.value + PAGE_SIZE;
    bool ok = arch_copy_to(late, text, sizeof text) == OK;
    payload_check(ok && memcmp((void *)late.value, text, sizeof text) == 0,
                  "a copy goes on after its fault is repaired");
    arch_unmap(as, page, 2, release_frame, NULL);
}

// -- Exceptions ---------------------------------------------------------------------------------

static void exception_tests(void) {
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "ud2\n"
                     "1:"
                     : "=m"(test.resume_pc)
                     :
                     : "rax", "memory");
    payload_check(test.resume_pc == 0 && test.fault.class == FAULT_UNDEFINED, "ud2 is redirected");
    u64 kept = 0;
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movq $0x1234, %%rax\n\t"
                     "xorl %%edx, %%edx\n\t"
                     "xorl %%ecx, %%ecx\n\t"
                     "divq %%rcx\n"
                     "1:\tmovq %%rax, %1"
                     : "=m"(test.resume_pc), "=r"(kept)
                     :
                     : "rax", "rcx", "rdx", "memory");
    payload_check(test.resume_pc == 0 && test.fault.class == FAULT_ARITHMETIC && kept == 0x1234,
                  "a division by zero is redirected with its registers");
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movabsq $0x1234567812345678, %%rax\n\t"
                     "movb (%%rax), %%al\n"
                     "1:"
                     : "=m"(test.resume_pc)
                     :
                     : "rax", "memory");
    payload_check(test.resume_pc == 0 && test.fault.class == FAULT_OTHER,
                  "an address that is none is a general protection fault");
}

// -- Time ---------------------------------------------------------------------------------------

static void clock_tests(void) {
    bool monotonic = true;
    u64 last = arch_clock_ns();
    for (u32 i = 0; i < 10000; i++) {
        u64 now = arch_clock_ns();
        monotonic = monotonic && now >= last && now != 0;
        last = now;
    }
    payload_check(monotonic && arch_clock_resolution_ns() != 0, "the clock does not go back");
    // 2024 to 2100.
    u64 years = (arch_wall_offset_ns() / 1000000000 / 86400 - 19723) / 366;
    payload_check(years < 76, "the wall clock shows this century");
}

// Waits for `count` timer interrupts in arch_cpu_idle.
static void idle_for_ticks(u32 count) {
    while (test.ticks < count)
        arch_cpu_idle();
}

static void timer_tests(void) {
    test.ticks = 0;
    u64 start = arch_clock_ns();
    arch_timer_arm(start + 3000000);
    idle_for_ticks(1);
    u64 passed = arch_clock_ns() - start;
    payload_check(passed >= 3000000, "the timer does not come early");
    payload_check(test.ticks == 1 && !arch_irq_enabled(), "it comes once, and idling ends with it");

    test.period_ns = 200000;
    arch_timer_arm(arch_clock_ns() + test.period_ns);
    idle_for_ticks(10);
    test.period_ns = 0;
    payload_check(true, "it comes again when it is armed again");

    test.ticks = 0;
    arch_timer_arm(arch_clock_ns() + 1000);
    arch_timer_arm(UINT64_MAX);
    arch_irq_restore(1 << 9);
    u64 until = arch_clock_ns() + 2000000;
    while (arch_clock_ns() < until)
        arch_cpu_relax();
    arch_irq_save();
    payload_check(test.ticks == 0, "a timer that was stopped does not come");

    arch_timer_arm(1);
    idle_for_ticks(1);
    payload_check(test.ticks == 1, "a deadline in the past comes at once");
}

// -- Contexts -----------------------------------------------------------------------------------

#define STACK_BYTES 16384

static struct {
    struct arch_context main;
    struct arch_context thread[2];
    u32 running;
    volatile u32 switches;
    volatile u32 stop;
    volatile u32 done;
    u64 mismatches[2];
    u64 base_seen[2];
    bool use_avx;
    u8 ALIGNED(16) stacks[2][STACK_BYTES];
} threads;

static u64 fs_word(void) {
    u64 value;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(value));
    return value;
}

static void bounce(void *argument) {
    CHECK(argument == &threads);
    for (;;) {
        threads.switches++;
        arch_context_switch(&threads.thread[0], &threads.main, NULL);
    }
}

static void go_and_return(void) {
    arch_context_switch(&threads.main, &threads.thread[0], NULL);
}

static void switch_tests(void) {
    threads.main.aspace = arch_aspace_kernel();
    arch_context_init(&threads.thread[0], arch_aspace_kernel(),
                      (uptr)threads.stacks[0] + STACK_BYTES, bounce, &threads);
    bool kept = true;
    for (u32 i = 0; i < 100; i++)
        kept = kept && registers_survive(go_and_return);
    payload_check(kept && threads.switches == 100, "a context switch keeps registers");
}

static void spin_thread(void *argument) {
    u64 index = (uptr)argument;
    static u64 words[2] = {0xaaaa, 0xbbbb};
    arch_segment_base_set(&threads.thread[index], (uptr)&words[index]);
    arch_irq_restore(1 << 9);
    threads.mismatches[index] =
        vectors_spin(0x0101010101010101 * (index + 1), &threads.stop, threads.use_avx);
    threads.base_seen[index] = fs_word();
    arch_irq_save();
    threads.done++;
    for (;;) {
        // The last one goes back to the test, the first one to the other thread.
        struct arch_context *own = &threads.thread[index];
        threads.running = !index;
        arch_context_switch(own, threads.done == 2 ? &threads.main : &threads.thread[!index], NULL);
    }
}

static u64 preempt(u64 pc) {
    u32 from = threads.running;
    if (++threads.switches >= 40)
        threads.stop = 1;
    if (threads.done != 0)
        return pc;
    threads.running = !from;
    arch_context_switch(&threads.thread[from], &threads.thread[!from], NULL);
    return pc;
}

static bool avx_enabled(void) {
    u32 ecx;
    __asm__ volatile("cpuid" : "=c"(ecx) : "a"(1), "c"(0) : "rbx", "rdx");
    if ((ecx >> 27 & 3) != 3)
        return false;
    u32 xcr0;
    __asm__ volatile("xgetbv" : "=a"(xcr0) : "c"(0) : "rdx");
    return (xcr0 & 6) == 6;
}

static void preemption_tests(void) {
    threads.use_avx = avx_enabled();
    payload_print("# vector registers: %s\n", threads.use_avx ? "256 bits" : "128 bits");
    for (u64 i = 0; i < 2; i++)
        arch_context_init(&threads.thread[i], arch_aspace_kernel(),
                          (uptr)threads.stacks[i] + STACK_BYTES, spin_thread, (void *)i);
    threads.switches = 0;
    threads.running = 0;
    test.on_return = preempt;
    test.want_switch = true;
    test.period_ns = 300000;
    arch_timer_arm(arch_clock_ns() + test.period_ns);
    arch_context_switch(&threads.main, &threads.thread[0], NULL);
    test.want_switch = false;
    test.period_ns = 0;
    arch_timer_arm(UINT64_MAX);
    test.on_return = NULL;
    payload_check(threads.switches >= 40, "threads are preempted");
    payload_check(threads.mismatches[0] == 0 && threads.mismatches[1] == 0,
                  "preemption keeps vector registers");
    payload_check(threads.base_seen[0] == 0xaaaa && threads.base_seen[1] == 0xbbbb,
                  "each thread keeps its segment base");
}

static u64 loop_exit_pc;

static u64 redirect(UNUSED u64 pc) {
    return loop_exit_pc;
}

static void redirect_tests(void) {
    test.on_return = redirect;
    test.want_switch = true;
    arch_timer_arm(arch_clock_ns() + 100000);
    u64 kept;
    __asm__ volatile("leaq 2f(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movq $0x77, %1\n\t"
                     "sti\n"
                     "1:\tpause\n\t"
                     "jmp 1b\n"
                     "2:\tcli"
                     : "=m"(loop_exit_pc), "=&r"(kept)
                     :
                     : "rax", "memory");
    test.on_return = NULL;
    test.want_switch = false;
    payload_check(kept == 0x77, "an endless loop is redirected at an interrupt");
}

static volatile u32 returns_seen;

static u64 count_returns(u64 pc) {
    returns_seen++;
    test.want_switch = false;
    return pc;
}

static void window_preemption_tests(void) {
    struct phys_addr frame = new_frame();
    test.ticks = 0;
    returns_seen = 0;
    test.on_return = count_returns;
    test.want_switch = true;
    void *window = arch_frame_window_open(frame, 1);
    arch_timer_arm(arch_clock_ns() + 100000);
    idle_for_ticks(1);
    bool deferred = returns_seen == 0;
    arch_frame_window_close(window);
    arch_irq_restore(1 << 9);
    u64 until = arch_clock_ns() + 1000000000;
    while (returns_seen == 0 && arch_clock_ns() < until)
        arch_cpu_relax();
    arch_irq_save();
    payload_check(deferred, "an open window puts a switch off");
    payload_check(returns_seen == 1, "closing it makes up for it");
    test.on_return = NULL;
    test.want_switch = false;
    upcall_frame_free(frame);
}

// -- Devices ------------------------------------------------------------------------------------

static void random_tests(void) {
    u8 bytes[37] = {};
    usize got = arch_random(bytes, sizeof bytes);
    u32 bits = 0;
    for (u32 i = 0; i < sizeof bytes; i++)
        bits += (u32)__builtin_popcount(bytes[i]);
    payload_print("# random: %zu bytes, %u bits set\n", got, bits);
    payload_check(got == 0 || (got == sizeof bytes && bits > 80 && bits < 216),
                  "random bytes look random, or there are none");
}

static void console_tests(void) {
    arch_devices_start();
    payload_print("# type: ok\n");
    while (test.typed != ('o' << 8 | 'k'))
        arch_cpu_idle();
    payload_check(true, "what is typed comes by interrupt");
}

[[gnu::noinline]] static void overflow_stack(void) {
    // A stack without memory below: the call cannot push, and neither can the fault.
    u64 stack = arch_slots_region().start.value + 9 * GIB;
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "pushq %%rax"
                     :
                     : "r"(stack));
}

void kernel_main(const struct boot_info *boot) {
    test.boot = boot;
    // Frames for tables come from the middle of the largest range.
    struct phys_range largest = boot->free[0];
    for (u32 i = 1; i < boot->free_count; i++) {
        if (boot->free[i].bytes > largest.bytes)
            largest = boot->free[i];
    }
    test.next_frame = align_down(largest.start.value + largest.bytes / 2, PAGE_SIZE);
    test.end_frame = test.next_frame + largest.bytes / 4;

    boot_info_tests();
    mapping_tests();
    large_unmap_tests();
    out_of_memory_tests();
    image_tests();
    zone_tests();
    copy_tests();
    exception_tests();
    clock_tests();
    timer_tests();
    switch_tests();
    payload_aspace_tests();
    preemption_tests();
    redirect_tests();
    window_preemption_tests();
    random_tests();
    payload_cpu_tests(boot->cpu_count);
    console_tests();
    overflow_stack();
    UNREACHABLE();
}
