// The TSC itself, HPET, ACPI PM timer, PIT: opening and reading.

#include "kernel/arch/x86_64/reference.h"

#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/io.h"

#define HPET_PERIOD      0x04 // femtoseconds
#define HPET_CONFIG      0x10
#define HPET_COUNTER     0xf0
#define HPET_ENABLE      1u
#define HPET_PERIOD_MAX  100000000u // as the specification bounds it
#define FS_PER_S         1000000000000000ull

#define PM_TIMER_HZ      3579545ull

#define PIT_HZ           1193182ull
#define PIT_CHANNEL2     0x42
#define PIT_COMMAND      0x43
#define PIT_LATCH2       0x80
#define PIT_COUNT2_MODE2 0xb4
#define PIT_GATE         0x61
#define PIT_GATE_ON      1u
#define PIT_SPEAKER_ON   2u

#define ROUNDS_MAX       1000000u // reads of a counter that stands still

// Where CPUID tells its frequency, for the local APIC's timer.
static bool tsc_open(struct reference *out) {
    u64 hz = cpu_features()->tsc_hz;
    *out = (struct reference){"TSC", hz, UINT64_MAX, cpu_tsc_read};
    return hz != 0;
}

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
    u32 period_fs = hpet_registers[HPET_PERIOD / 4];
    if (period_fs == 0 || period_fs > HPET_PERIOD_MAX)
        return false;
    hpet_registers[HPET_CONFIG / 4] |= HPET_ENABLE;
    *out = (struct reference){"HPET", FS_PER_S / period_fs, UINT32_MAX, hpet_read};
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

// Channel 2 counts down from 65536 without end; the speaker stays off.
static u64 pit_read(void) {
    io_write8(PIT_COMMAND, PIT_LATCH2);
    u32 low = io_read8(PIT_CHANNEL2);
    u32 high = io_read8(PIT_CHANNEL2);
    return 0xffff - (high << 8 | low);
}

static bool pit_open(struct reference *out) {
    io_write8(PIT_GATE, (u8)((io_read8(PIT_GATE) & ~PIT_SPEAKER_ON) | PIT_GATE_ON));
    io_write8(PIT_COMMAND, PIT_COUNT2_MODE2);
    io_write8(PIT_CHANNEL2, 0); // 65536
    io_write8(PIT_CHANNEL2, 0);
    *out = (struct reference){"PIT", PIT_HZ, 0xffff, pit_read};
    return true;
}

bool reference_open(u32 index, struct reference *out) {
    static bool (*const open[REFERENCE_COUNT])(struct reference *) = {tsc_open, hpet_open,
                                                                      pm_timer_open, pit_open};
    return open[index](out);
}

bool reference_edge(const struct reference *reference, u64 *value) {
    u64 before = reference->read();
    for (u32 round = 0; round < ROUNDS_MAX; round++) {
        *value = reference->read();
        if (*value != before)
            return true;
    }
    return false;
}
