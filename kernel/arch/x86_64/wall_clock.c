// The CMOS clock: read twice until both agree, in the format that it says it is in.

#include "kernel/arch/x86_64/wall_clock.h"

#include "base/string.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/io.h"

#define CMOS_INDEX        0x70
#define CMOS_DATA         0x71
#define CMOS_STATUS_A     0x0a
#define CMOS_STATUS_B     0x0b
#define STATUS_A_UPDATING 0x80
#define STATUS_B_24_HOURS 0x02
#define STATUS_B_BINARY   0x04
#define HOUR_AFTERNOON    0x80
#define UPDATE_ROUNDS     20000u // an update takes some 2 ms
#define READ_TRIES        4u
#define CENTURY_USUAL     20u

enum field { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, CENTURY, FIELD_COUNT };

static u8 cmos_read(u8 index) {
    io_write8(CMOS_INDEX, index);
    return io_read8(CMOS_DATA);
}

static void read_all(u8 values[FIELD_COUNT]) {
    static const u8 registers[CENTURY] = {0, 2, 4, 7, 8, 9};
    // While the clock is being updated its registers are in motion.
    for (u32 i = 0; i < UPDATE_ROUNDS && (cmos_read(CMOS_STATUS_A) & STATUS_A_UPDATING) != 0; i++)
        arch_cpu_relax();
    for (u32 i = 0; i < CENTURY; i++)
        values[i] = cmos_read(registers[i]);
    u8 century = acpi_info()->century_register;
    values[CENTURY] = century != 0 && century < 0x80 ? cmos_read(century) : 0;
}

static void read_stable(u8 values[FIELD_COUNT]) {
    read_all(values);
    for (u32 i = 0; i < READ_TRIES; i++) {
        u8 again[FIELD_COUNT];
        read_all(again);
        if (memcmp(values, again, FIELD_COUNT) == 0)
            return;
        memcpy(values, again, FIELD_COUNT);
    }
}

static u8 from_bcd(u8 value) {
    return (u8)((value & 0x0f) + (value >> 4) * 10);
}

// Days from 1970-01-01 to a day of the Gregorian calendar.
static u64 days_since_1970(u32 year, u32 month, u32 day) {
    // Years are taken to start in March, so that the leap day is the last of a year.
    u32 y = month <= 2 ? year - 1 : year;
    u32 m = month <= 2 ? month + 9 : month - 3;
    return (u64)y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

u64 wall_clock_s(void) {
    u8 values[FIELD_COUNT];
    if (cmos_read(CMOS_STATUS_B) == 0xff)
        return 0; // nobody drives the bus: there is no such clock
    read_stable(values);
    u8 format = cmos_read(CMOS_STATUS_B);
    bool is_24_hours = (format & STATUS_B_24_HOURS) != 0;
    bool afternoon = !is_24_hours && (values[HOUR] & HOUR_AFTERNOON) != 0;
    if (!is_24_hours)
        values[HOUR] &= (u8)~HOUR_AFTERNOON;
    if ((format & STATUS_B_BINARY) == 0) {
        for (u32 i = 0; i < FIELD_COUNT; i++)
            values[i] = from_bcd(values[i]);
    }
    u32 hour = is_24_hours ? values[HOUR] : values[HOUR] % 12u + (afternoon ? 12 : 0);
    u32 century = values[CENTURY] >= 19 && values[CENTURY] <= 29 ? values[CENTURY] : CENTURY_USUAL;
    u32 year = century * 100 + values[YEAR];
    if (year < 1970 || values[MONTH] < 1 || values[MONTH] > 12 || values[DAY] < 1)
        return 0;
    u64 days = days_since_1970(year, values[MONTH], values[DAY]);
    return ((days * 24 + hour) * 60 + values[MINUTE]) * 60 + values[SECOND];
}
