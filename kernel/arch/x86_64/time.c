// The clock and the timer.
//
// The clock is the TSC. Its frequency comes from CPUID where that tells, otherwise it is counted
// for a millisecond against the HPET, the ACPI PM timer or the PIT, whichever there is; the local
// APIC's timer is counted in the same millisecond.
//
// nanoseconds = ticks * multiplier / 2^32, with a 128-bit product.

#include "base/math.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/io.h"

#define NS_PER_S         1000000000ull
#define SAMPLE_NS        1000000ull
#define ROUNDS_MAX       10000000u // reads of a reference that does not move
#define TICKS_MAX        UINT32_MAX

#define HPET_PERIOD_HIGH 0x04 // femtoseconds in the upper half of the first register
#define HPET_CONFIG      0x10
#define HPET_COUNTER     0xf0
#define HPET_ENABLE      1u
#define HPET_PERIOD_MAX  100000000u // as the specification bounds it

#define PM_TIMER_HZ      3579545ull
#define PIT_HZ           1193182ull
#define PIT_CHANNEL2     0x42
#define PIT_COMMAND      0x43
#define PIT_GATE         0x61

static struct {
    u64 start_tsc;
    u64 ns_per_tick;  // 32.32
    u64 tick_per_ns;  // 32.32
    u64 timer_per_ns; // 32.32, APIC timer
    u64 wall_offset_ns;
} time;

static u64 scale(u64 value, u64 factor) {
    return (u64)((unsigned __int128)value * factor >> 32);
}

// `numerator` / `denominator` in 32.32.
static u64 ratio(u64 numerator, u64 denominator) {
    // Both are below 2^40, so that one of the two shifts loses nothing that matters.
    u64 whole = numerator / denominator;
    u64 rest = numerator % denominator;
    return whole << 32 | ((rest << 24) / denominator) << 8;
}

// -- References ---------------------------------------------------------------------------------

// A counter of known frequency that the sample is taken against.
struct reference {
    const char *name;
    u64 hz;
    u64 mask;
    u64 (*read)(void);
};

static volatile u32 *hpet_registers;

static u64 hpet_read(void) {
    return hpet_registers[HPET_COUNTER / 4];
}

static bool hpet_open(struct reference *out) {
    if (acpi_info()->hpet_phys == 0)
        return false;
    hpet_registers = mmio_map(acpi_info()->hpet_phys, PAGE_SIZE);
    if (hpet_registers == NULL)
        return false;
    u32 period_fs = hpet_registers[HPET_PERIOD_HIGH / 4];
    if (period_fs == 0 || period_fs > HPET_PERIOD_MAX)
        return false;
    hpet_registers[HPET_CONFIG / 4] |= HPET_ENABLE;
    *out = (struct reference){"HPET", 1000000000000000ull / period_fs, UINT32_MAX, hpet_read};
    return true;
}

static u64 pm_timer_read(void) {
    return io_read32(acpi_info()->pm_timer_port);
}

static bool pm_timer_open(struct reference *out) {
    if (acpi_info()->pm_timer_port == 0)
        return false;
    u64 mask = acpi_info()->pm_timer_32bit ? UINT32_MAX : 0xffffff;
    *out = (struct reference){"PM timer", PM_TIMER_HZ, mask, pm_timer_read};
    return true;
}

// Channel 2 counts down from 65535 without end; its output and the speaker stay off.
static u64 pit_read(void) {
    io_write8(PIT_COMMAND, 0x80); // latch channel 2
    u32 low = io_read8(PIT_CHANNEL2);
    u32 high = io_read8(PIT_CHANNEL2);
    return 0xffff - (high << 8 | low);
}

static void pit_open(struct reference *out) {
    io_write8(PIT_GATE, (u8)((io_read8(PIT_GATE) & ~2u) | 1));
    io_write8(PIT_COMMAND, 0xb4); // channel 2, both bytes, mode 2
    io_write8(PIT_CHANNEL2, 0xff);
    io_write8(PIT_CHANNEL2, 0xff);
    *out = (struct reference){"PIT", PIT_HZ, 0xffff, pit_read};
}

// Waits until the reference shows another value, so that a sample starts and ends at its edges.
static bool next_edge(const struct reference *reference, u64 *value) {
    u64 before = reference->read();
    for (u32 round = 0; round < ROUNDS_MAX; round++) {
        *value = reference->read();
        if (*value != before)
            return true;
    }
    return false;
}

struct sample {
    u64 reference; // ticks that passed
    u64 tsc;
    u64 timer;
};

static bool take_sample(const struct reference *reference, struct sample *out) {
    u64 wanted = reference->hz * (SAMPLE_NS / 1000) / 1000000;
    u64 start;
    if (!next_edge(reference, &start))
        return false;
    u64 tsc = cpu_tsc_read();
    u32 timer = apic_timer_left();
    u64 passed = 0;
    for (u32 round = 0; passed < wanted; round++) {
        if (round == ROUNDS_MAX)
            return false;
        passed = (reference->read() - start) & reference->mask;
    }
    *out = (struct sample){passed, cpu_tsc_read() - tsc, timer - apic_timer_left()};
    return out->tsc != 0;
}

static bool calibrate_against(const struct reference *reference) {
    struct sample sample;
    apic_timer_start(TICKS_MAX);
    bool taken = take_sample(reference, &sample);
    apic_timer_start(0);
    if (!taken)
        return false;

    u64 ns = sample.reference * NS_PER_S / reference->hz;
    u64 tsc_hz = cpu_features()->tsc_hz;
    if (tsc_hz != 0) {
        time.ns_per_tick = ratio(NS_PER_S, tsc_hz);
        time.tick_per_ns = ratio(tsc_hz, NS_PER_S);
    } else {
        time.ns_per_tick = ratio(ns, sample.tsc);
        time.tick_per_ns = ratio(sample.tsc, ns);
    }
    time.timer_per_ns = ratio(sample.timer, ns);
    return true;
}

static void calibrate(void) {
    struct reference reference;
    if (hpet_open(&reference) && calibrate_against(&reference))
        return;
    if (pm_timer_open(&reference) && calibrate_against(&reference))
        return;
    pit_open(&reference);
    if (!calibrate_against(&reference))
        boot_fail("no clock to measure the CPU's against (HPET, PM timer, PIT)");
}

// -- The wall clock -----------------------------------------------------------------------------

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_TRIES 20000u

enum cmos {
    CMOS_SECOND,
    CMOS_MINUTE,
    CMOS_HOUR,
    CMOS_DAY,
    CMOS_MONTH,
    CMOS_YEAR,
    CMOS_CENTURY,
    CMOS_COUNT
};

static u8 cmos_read(u8 index) {
    io_write8(CMOS_INDEX, index);
    return io_read8(CMOS_DATA);
}

static void cmos_read_all(u8 values[CMOS_COUNT]) {
    static const u8 registers[CMOS_CENTURY] = {0, 2, 4, 7, 8, 9};
    // While the clock is being updated its registers are in motion.
    for (u32 i = 0; i < CMOS_TRIES && (cmos_read(0x0a) & 0x80) != 0; i++)
        arch_cpu_relax();
    for (u32 i = 0; i < CMOS_CENTURY; i++)
        values[i] = cmos_read(registers[i]);
    u8 century = acpi_info()->century_register;
    values[CMOS_CENTURY] = century != 0 && century < 0x80 ? cmos_read(century) : 0;
}

static u32 from_bcd(u32 value) {
    return (value & 0x0f) + (value >> 4) * 10;
}

// Days since 1970-01-01 of a day of the proleptic Gregorian calendar.
static u64 days_since_1970(u32 year, u32 month, u32 day) {
    // Years start in March, so that the leap day is the last.
    u32 y = month <= 2 ? year - 1 : year;
    u32 m = month <= 2 ? month + 9 : month - 3;
    return (u64)y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static u64 wall_clock_s(void) {
    u8 values[CMOS_COUNT];
    u8 again[CMOS_COUNT];
    cmos_read_all(values);
    for (u32 i = 0; i < 4; i++) {
        cmos_read_all(again);
        if (memcmp(values, again, sizeof values) == 0)
            break;
        memcpy(values, again, sizeof values);
    }
    u8 format = cmos_read(0x0b);
    bool afternoon = (format & 2) == 0 && (values[CMOS_HOUR] & 0x80) != 0;
    values[CMOS_HOUR] &= 0x7f;
    if ((format & 4) == 0) {
        for (u32 i = 0; i < CMOS_COUNT; i++)
            values[i] = (u8)from_bcd(values[i]);
    }
    u32 hour = values[CMOS_HOUR];
    if ((format & 2) == 0)
        hour = hour % 12 + (afternoon ? 12 : 0);
    u32 century =
        values[CMOS_CENTURY] >= 19 && values[CMOS_CENTURY] <= 29 ? values[CMOS_CENTURY] : 20;
    u32 month = values[CMOS_MONTH];
    if (month < 1 || month > 12 || values[CMOS_DAY] < 1)
        return 0; // a clock that was never set
    u64 days = days_since_1970(century * 100 + values[CMOS_YEAR], month, values[CMOS_DAY]);
    return ((days * 24 + hour) * 60 + values[CMOS_MINUTE]) * 60 + values[CMOS_SECOND];
}

void time_init(void) {
    time.start_tsc = cpu_tsc_read();
    calibrate();
    u64 wall_ns = wall_clock_s() * NS_PER_S;
    u64 now_ns = arch_clock_ns();
    time.wall_offset_ns = wall_ns > now_ns ? wall_ns - now_ns : 0;
}

u64 arch_clock_ns(void) {
    return scale(cpu_tsc_read() - time.start_tsc, time.ns_per_tick) + 1;
}

u64 arch_clock_resolution_ns(void) {
    return max_u64(1, time.ns_per_tick >> 32);
}

u64 arch_wall_offset_ns(void) {
    return time.wall_offset_ns;
}

// -- The timer ----------------------------------------------------------------------------------

// Starts the hardware for `deadline_ns`, or for as near to it as it can count.
static void timer_start(u64 deadline_ns) {
    if (cpu_features()->tsc_deadline) {
        u64 ticks = scale(deadline_ns, time.tick_per_ns);
        u64 tsc;
        if (!add_u64(time.start_tsc, ticks, &tsc))
            tsc = UINT64_MAX;
        cpu_msr_write(MSR_TSC_DEADLINE, tsc == 0 ? 1 : tsc);
        return;
    }
    u64 now_ns = arch_clock_ns();
    u64 wait_ns = deadline_ns > now_ns ? min_u64(deadline_ns - now_ns, NS_PER_S) : 0;
    u64 ticks = scale(wait_ns, time.timer_per_ns) + 1;
    apic_timer_start((u32)min_u64(ticks, TICKS_MAX));
}

static void timer_stop(void) {
    if (cpu_features()->tsc_deadline)
        cpu_msr_write(MSR_TSC_DEADLINE, 0);
    else
        apic_timer_start(0);
}

void arch_timer_arm(u64 deadline_ns) {
    ASSERT(!arch_irq_enabled());
    cpu_this()->timer_deadline_ns = deadline_ns;
    if (deadline_ns == UINT64_MAX)
        timer_stop();
    else
        timer_start(deadline_ns);
}

void timer_interrupt(void) {
    struct cpu *cpu = cpu_this();
    if (cpu->timer_deadline_ns == UINT64_MAX)
        return; // stopped when it was already under way
    if (arch_clock_ns() < cpu->timer_deadline_ns) {
        timer_start(cpu->timer_deadline_ns); // the hardware does not count that far, or ran ahead
        return;
    }
    cpu->timer_deadline_ns = UINT64_MAX;
    upcall_timer();
}
