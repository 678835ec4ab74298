// The other CPUs: starting, waking, and whether they forget what is unmapped.
//
// Each runs a loop of its own that looks for orders: `order` counts them, and a CPU has carried out
// as many as its `done` says.

#include "tests/boot/arch_payload.h"

#include "base/assert.h"
#include "base/string.h"

#define ROUNDS 40u

static struct {
    u32 count;
    u64 page; // that all are to read
    struct cpu_report {
        u32 seen;        // atomic: it runs
        u32 done;        // atomic: orders carried out
        u32 wakes;       // atomic: returns from arch_cpu_idle
        enum status got; // of the last order, with what was read
        u64 value;
        void *current;
    } reports[ARCH_CPUS_MAX];
    u32 order; // atomic
    bool idle; // atomic: they wait in arch_cpu_idle
} cpus = {.count = 1};

static void carry_out(struct cpu_report *report) {
    report->got = arch_copy_from(&report->value, (struct virt_addr){cpus.page}, sizeof(u64));
    // A look at the present order would not do: there may be a newer one.
    __atomic_fetch_add(&report->done, 1, __ATOMIC_RELEASE);
}

void upcall_cpu_main(void) {
    struct cpu_report *report = &cpus.reports[arch_cpu_id()];
    arch_current_set(report);
    report->current = arch_current();
    __atomic_store_n(&report->seen, 1, __ATOMIC_RELEASE);
    for (;;) {
        if (__atomic_load_n(&cpus.idle, __ATOMIC_ACQUIRE)) {
            arch_cpu_idle();
            __atomic_fetch_add(&report->wakes, 1, __ATOMIC_RELEASE);
        } else if (__atomic_load_n(&cpus.order, __ATOMIC_ACQUIRE) != report->done) {
            carry_out(report);
        } else {
            arch_cpu_relax(); // with interrupts off: it answers invalidations here
        }
    }
}

static bool all_have(bool (*has)(const struct cpu_report *report)) {
    for (u32 i = 1; i < cpus.count; i++) {
        u64 asked_ns = arch_clock_ns();
        while (!has(&cpus.reports[i])) {
            if (arch_clock_ns() - asked_ns > 60 * 1000000000ull)
                return false;
            arch_cpu_relax();
        }
    }
    return true;
}

static bool has_been_seen(const struct cpu_report *report) {
    return __atomic_load_n(&report->seen, __ATOMIC_ACQUIRE) == 1;
}

static bool has_carried_out(const struct cpu_report *report) {
    return __atomic_load_n(&report->done, __ATOMIC_ACQUIRE) == cpus.order;
}

static bool has_woken(const struct cpu_report *report) {
    return __atomic_load_n(&report->wakes, __ATOMIC_ACQUIRE) != 0;
}

static void start_test(u32 listed) {
    cpus.count = arch_cpus_start(ARCH_CPUS_MAX);
    payload_print("# %u of %u CPUs run\n", cpus.count, listed);
    payload_check(cpus.count == listed, "all CPUs start");
    bool fine = all_have(has_been_seen);
    for (u32 i = 1; i < cpus.count; i++)
        fine = fine && cpus.reports[i].current == &cpus.reports[i];
    payload_check(fine && arch_cpu_id() == 0, "each has its number and its own data");
}

static bool order_all(enum status wanted, u64 value) {
    __atomic_fetch_add(&cpus.order, 1, __ATOMIC_RELEASE);
    bool fine = all_have(has_carried_out);
    for (u32 i = 1; i < cpus.count; i++)
        fine = fine && cpus.reports[i].got == wanted &&
               (wanted != OK || cpus.reports[i].value == value);
    return fine;
}

static void invalidation_test(void) {
    struct arch_aspace *as = arch_aspace_kernel();
    struct phys_addr frames[2];
    bool fine = upcall_frames_alloc(1, &frames[0]) && upcall_frames_alloc(1, &frames[1]);
    cpus.page = arch_slots_region().start.value + 20 * GIB;
    for (u32 round = 0; round < ROUNDS && fine; round++) {
        struct phys_addr frame = frames[round % 2];
        *(u64 *)arch_frame_pointer(frame) = round;
        fine = arch_map(as, (struct virt_addr){cpus.page}, frame, 1, PAGE_READ) == OK &&
               order_all(OK, round);
        arch_unmap(as, (struct virt_addr){cpus.page}, 1, NULL, NULL);
        fine = fine && order_all(payload_copy_status(), 0);
    }
    payload_check(fine, "no CPU remembers what was unmapped, or has what is mapped instead");
}

static void wake_test(void) {
    __atomic_store_n(&cpus.idle, true, __ATOMIC_RELEASE);
    bool fine = true;
    for (u32 i = 1; i < cpus.count; i++)
        arch_cpu_wake(i);
    fine = all_have(has_woken);
    payload_check(fine, "a waiting CPU is woken");
    // From now on they wait with interrupts on, and answer in the interrupt.
    struct phys_addr frame;
    fine = upcall_frames_alloc(1, &frame) &&
           arch_map(arch_aspace_kernel(), (struct virt_addr){cpus.page}, frame, 1, PAGE_READ) == OK;
    arch_unmap(arch_aspace_kernel(), (struct virt_addr){cpus.page}, 1, NULL, NULL);
    payload_check(fine, "waiting CPUs answer invalidations");
}

void payload_cpu_tests(u32 listed) {
    arch_irq_state irq = arch_irq_save();
    start_test(listed);
    invalidation_test();
    wake_test();
    arch_irq_restore(irq);
}
