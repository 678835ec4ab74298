// The clock and the timer.
//
// The clock is the TSC. Its frequency comes from CPUID where that tells. Otherwise it is counted
// for a moment against the best reference there is, and again over a second or more when the timer
// first interrupts after that; the local APIC's timer, where it is used, is counted in the first
// moment. A moment is long enough that the two reads that bound it, which take about a microsecond
// each, and the steps of the reference are less than a hundredth of it.
//
// Invariant: nanoseconds = base_ns + (tsc - base_tsc) * ns_per_tick, and a change of the three
// never makes the clock jump. `version` lets a reader see that they were changed under its hands,
// which the first CPU's timer does: it is odd meanwhile.

#include "base/math.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/image.h"
#include "kernel/arch/x86_64/reference.h"
#include "kernel/arch/x86_64/wall_clock.h"

#define NS_PER_S      1000000000ull
#define SAMPLE_NS     200000ull
#define SAMPLE_STEPS  300ull    // of the reference, at least
#define SAMPLE_ROUNDS 10000000u // reads of a reference that does not get on
#define REFINE_AFTER  NS_PER_S
#define TIMER_MAX     UINT32_MAX
#define TIMER_MAX_NS  NS_PER_S             // no use in counting further in one go
#define TIMER_FAR_NS  (1000000 * NS_PER_S) // nor in telling what is later apart

// Factors are 32.32 fixed point numbers.
static struct {
    // Under `version`:
    u64 base_tsc;
    u64 base_ns;
    u64 ns_per_tick;
    u64 ticks_per_ns;
    u32 version;

    // Fixed after time_init:
    u64 timer_per_tick;  // of the local APIC's timer; 0: it goes by TSC deadlines
    u64 timer_ticks_max; // that it is to count in one go
    u64 duration_ns_per_tick;
    u64 duration_ticks_per_ns;
    u64 wall_offset_ns;
    u64 firmware_ns;

    // Until the frequency is refined:
    u64 refine_at; // in ticks; UINT64_MAX: not any more
    struct reference reference;
    u64 mark_reference;
    u64 mark_tsc;
} time;

static u64 scale(u64 value, u64 factor) {
    return (u64)((unsigned __int128)value * factor >> 32);
}

// The remainder keeps 31 bits of fraction: it is below 2^33 for all that is divided here.
static u64 ratio(u64 numerator, u64 denominator) {
    ASSERT(denominator != 0 && denominator < 1ull << 33);
    u64 whole = numerator / denominator;
    u64 rest = numerator % denominator;
    return whole << 32 | (rest << 31) / denominator << 1;
}

// -- Measuring ----------------------------------------------------------------------------------

struct sample {
    u64 ns;
    u64 tsc;
    u64 timer;
};

static bool take_sample(const struct reference *reference, struct sample *out) {
    u64 wanted = max_u64(reference->hz * (SAMPLE_NS / 1000) / 1000000, SAMPLE_STEPS);
    u64 start;
    if (!reference_edge(reference, &start))
        return false;
    u64 start_tsc = cpu_tsc_read();
    u32 start_timer = apic_timer_left();
    u64 passed = 0;
    for (u32 round = 0; passed < wanted; round++) {
        if (round == SAMPLE_ROUNDS)
            return false;
        passed = (reference->read() - start) & reference->mask;
    }
    u64 end_tsc = cpu_tsc_read();
    *out = (struct sample){
        .ns = passed * NS_PER_S / reference->hz,
        .tsc = end_tsc - start_tsc,
        .timer = start_timer - apic_timer_left(),
    };
    time.mark_reference = start;
    time.mark_tsc = start_tsc;
    return out->tsc != 0;
}

static bool calibrate_against(const struct reference *reference) {
    struct sample sample;
    apic_timer_start(TIMER_MAX);
    bool taken = take_sample(reference, &sample);
    apic_timer_start(0);
    if (!taken)
        return false;

    u64 tsc_hz = cpu_features()->tsc_hz;
    time.ns_per_tick = tsc_hz != 0 ? ratio(NS_PER_S, tsc_hz) : ratio(sample.ns, sample.tsc);
    time.ticks_per_ns = tsc_hz != 0 ? ratio(tsc_hz, NS_PER_S) : ratio(sample.tsc, sample.ns);
    if (!cpu_features()->tsc_deadline)
        time.timer_per_tick = ratio(sample.timer, sample.tsc);
    time.reference = *reference;
    // A counter that wraps within two seconds cannot measure one that may take a little longer.
    bool is_to_refine = tsc_hz == 0 && reference->mask / reference->hz >= 2;
    time.refine_at =
        is_to_refine ? time.mark_tsc + scale(REFINE_AFTER, time.ticks_per_ns) : UINT64_MAX;
    return true;
}

// What CPUID tells needs no measuring, unless there is another timer than the TSC's.
static bool calibrate_as_told(void) {
    u64 tsc_hz = cpu_features()->tsc_hz;
    if (tsc_hz == 0 || !cpu_features()->tsc_deadline)
        return false;
    time.ns_per_tick = ratio(NS_PER_S, tsc_hz);
    time.ticks_per_ns = ratio(tsc_hz, NS_PER_S);
    time.refine_at = UINT64_MAX;
    return true;
}

static void calibrate(void) {
    if (calibrate_as_told())
        return;
    for (u32 i = 0; i < REFERENCE_COUNT; i++) {
        struct reference reference;
        if (reference_open(i, &reference) && calibrate_against(&reference))
            return;
    }
    boot_fail("there is no clock to measure the CPU's against (CPUID, HPET, PM timer, PIT)");
}

// Measures the TSC once more, over the time since the mark. Interrupts off.
static void refine(void) {
    u64 now_reference = time.reference.read();
    u64 now_tsc = cpu_tsc_read();
    u64 passed_ns = scale(now_tsc - time.mark_tsc, time.ns_per_tick);
    if (passed_ns / NS_PER_S >= time.reference.mask / time.reference.hz - 1) {
        // The reference may have wrapped meanwhile: from here again.
        time.mark_reference = now_reference;
        time.mark_tsc = now_tsc;
        time.refine_at = now_tsc + scale(REFINE_AFTER, time.ticks_per_ns);
        return;
    }
    time.refine_at = UINT64_MAX;
    u64 passed = (now_reference - time.mark_reference) & time.reference.mask;
    u64 ns = passed / time.reference.hz * NS_PER_S +
             passed % time.reference.hz * NS_PER_S / time.reference.hz;
    u64 ticks = now_tsc - time.mark_tsc;
    // Bring both into the range of ratio().
    while ((ns | ticks) >> 33 != 0) {
        ns >>= 1;
        ticks >>= 1;
    }
    if (ns == 0 || ticks == 0)
        return;
    u64 factor = ratio(ns, ticks);
    if (factor > time.ns_per_tick + time.ns_per_tick / 64 ||
        factor < time.ns_per_tick - time.ns_per_tick / 64)
        return; // such an error has other causes: a paused virtual machine

    u64 now_ns = time.base_ns + scale(now_tsc - time.base_tsc, time.ns_per_tick);
    __atomic_fetch_add(&time.version, 1, __ATOMIC_SEQ_CST); // pairs with the loads in arch_clock_ns
    __atomic_store_n(&time.base_tsc, now_tsc, __ATOMIC_RELAXED);
    __atomic_store_n(&time.base_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&time.ns_per_tick, factor, __ATOMIC_RELAXED);
    __atomic_store_n(&time.ticks_per_ns, ratio(ticks, ns), __ATOMIC_RELAXED);
    __atomic_fetch_add(&time.version, 1, __ATOMIC_SEQ_CST);
}

// -- The clock ----------------------------------------------------------------------------------

void time_init(void) {
    time.base_tsc = boot_entry_tsc;
    time.base_ns = 1; // the clock is never zero
    calibrate();
    time.timer_ticks_max = scale(TIMER_MAX_NS, time.ticks_per_ns);
    if (time.timer_per_tick != 0)
        time.timer_ticks_max =
            min_u64(time.timer_ticks_max, ((u64)(TIMER_MAX - 1) << 32) / time.timer_per_tick);
    time.duration_ns_per_tick = time.ns_per_tick;
    time.duration_ticks_per_ns = time.ticks_per_ns;
    time.firmware_ns = scale(time.base_tsc, time.ns_per_tick); // the TSC counts from reset
    u64 wall_ns = wall_clock_s() * NS_PER_S;
    u64 now_ns = arch_clock_ns();
    time.wall_offset_ns = wall_ns > now_ns ? wall_ns - now_ns : 0;
}

u64 arch_clock_ns(void) {
    for (;;) {
        u32 version = __atomic_load_n(&time.version, __ATOMIC_SEQ_CST);
        u64 base_tsc = __atomic_load_n(&time.base_tsc, __ATOMIC_RELAXED);
        u64 base_ns = __atomic_load_n(&time.base_ns, __ATOMIC_RELAXED);
        u64 ns_per_tick = __atomic_load_n(&time.ns_per_tick, __ATOMIC_RELAXED);
        u64 tsc = cpu_tsc_read();
        // Another CPU's may be some ticks behind.
        u64 now_ns = base_ns + (tsc > base_tsc ? scale(tsc - base_tsc, ns_per_tick) : 0);
        if (__atomic_load_n(&time.version, __ATOMIC_SEQ_CST) == version && version % 2 == 0)
            return now_ns;
    }
}

u64 arch_clock_resolution_ns(void) {
    return max_u64(1, time.ns_per_tick >> 32);
}

u64 arch_ticks(void) {
    return cpu_tsc_read();
}

u64 arch_ticks_to_ns(u64 ticks) {
    return scale(ticks, time.duration_ns_per_tick);
}

u64 arch_ns_to_ticks(u64 ns) {
    return scale(ns, time.duration_ticks_per_ns);
}

u64 arch_wall_offset_ns(void) {
    return time.wall_offset_ns;
}

u64 arch_firmware_ns(void) {
    return time.firmware_ns;
}

// -- The timer ----------------------------------------------------------------------------------

// Starts the hardware for so many ticks, or as many as it can count.
static void timer_start(u64 wait) {
    wait = min_u64(wait, time.timer_ticks_max);
    if (time.timer_per_tick == 0)
        cpu_msr_write(MSR_TSC_DEADLINE, cpu_tsc_read() + wait + 1);
    else
        apic_timer_start((u32)scale(wait, time.timer_per_tick) + 1);
}

static void timer_stop(void) {
    if (time.timer_per_tick == 0)
        cpu_msr_write(MSR_TSC_DEADLINE, 0);
    else
        apic_timer_start(0);
}

void timer_arm_ticks(u64 now, u64 at) {
    ASSERT(!arch_irq_enabled());
    cpu_this()->timer_deadline = at;
    timer_start(at - now);
}

void arch_timer_arm(u64 deadline_ns) {
    ASSERT(!arch_irq_enabled());
    if (deadline_ns == UINT64_MAX) {
        cpu_this()->timer_deadline = UINT64_MAX;
        timer_stop();
        return;
    }
    u64 now_ns = arch_clock_ns();
    u64 wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    u64 now = cpu_tsc_read();
    timer_arm_ticks(now, now + scale(min_u64(wait_ns, TIMER_FAR_NS), time.ticks_per_ns));
}

void timer_interrupt(void) {
    struct cpu *cpu = cpu_this();
    u64 now = arch_ticks();
    if (now >= time.refine_at && cpu->id == 0)
        refine();
    if (cpu->timer_deadline == UINT64_MAX)
        return; // stopped when it was already under way
    if (now < cpu->timer_deadline) {
        timer_start(cpu->timer_deadline -
                    now); // the hardware does not count that far, or ran ahead
        return;
    }
    cpu->timer_deadline = UINT64_MAX;
    upcall_timer();
}
