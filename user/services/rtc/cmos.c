// Reading twice until both agree, and writing while the clock stands still.

#include "user/services/rtc/cmos.h"

#include <string.h>

enum cmos_register : u8 {
    REG_SECOND = 0x00,
    REG_MINUTE = 0x02,
    REG_HOUR = 0x04,
    REG_DAY = 0x07,
    REG_MONTH = 0x08,
    REG_YEAR = 0x09,
    REG_STATUS_A = 0x0a,
    REG_STATUS_B = 0x0b,
    REG_CENTURY = 0x32, // where PCs have it, if they do: then it holds one
};

#define STATUS_A_UPDATING 0x80u
#define STATUS_B_24_HOURS 0x02u
#define STATUS_B_BINARY   0x04u
#define STATUS_B_STOP     0x80u
#define HOUR_AFTERNOON    0x80u
#define UPDATE_ROUNDS     100000u // an update takes some 2 ms
#define READ_TRIES        8u
#define CENTURY_USUAL     20u
#define NOTHING           0xffu // what a port reads where nothing is

enum field { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELD_COUNT };

static const u8 registers[FIELD_COUNT] = {REG_SECOND, REG_MINUTE, REG_HOUR,
                                          REG_DAY,    REG_MONTH,  REG_YEAR};

static u32 decoded(u8 format, u8 value) {
    return (format & STATUS_B_BINARY) != 0 ? value : (value & 0x0f) + (value >> 4) * 10u;
}

static u8 encoded(u8 format, u32 value) {
    return (u8)((format & STATUS_B_BINARY) != 0 ? value : value / 10 << 4 | value % 10);
}

// 0: there is no register for it.
static u32 read_century(struct cmos *cmos, u8 format) {
    u32 century = decoded(format, cmos->read(cmos, REG_CENTURY));
    return century >= CMOS_YEAR_FIRST / 100 && century <= CMOS_YEAR_LAST / 100 ? century : 0;
}

bool cmos_time_is_valid(const struct cmos_time *time) {
    static const u8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (time->year < CMOS_YEAR_FIRST || time->year > CMOS_YEAR_LAST || time->month < 1 ||
        time->month > 12)
        return false;
    bool is_leap = (time->year % 4 == 0 && time->year % 100 != 0) || time->year % 400 == 0;
    u32 last = days[time->month - 1] + (time->month == 2 && is_leap ? 1u : 0);
    return time->day >= 1 && time->day <= last && time->hour < 24 && time->minute < 60 &&
           time->second < 60;
}

// While the clock is being updated its registers are in motion.
static void read_all(struct cmos *cmos, u8 values[FIELD_COUNT]) {
    for (u32 i = 0; i < UPDATE_ROUNDS; i++) {
        if ((cmos->read(cmos, REG_STATUS_A) & STATUS_A_UPDATING) == 0)
            break;
    }
    for (u32 i = 0; i < FIELD_COUNT; i++)
        values[i] = cmos->read(cmos, registers[i]);
}

static bool read_stable(struct cmos *cmos, u8 values[FIELD_COUNT]) {
    u8 again[FIELD_COUNT];
    read_all(cmos, values);
    for (u32 i = 0; i < READ_TRIES; i++) {
        read_all(cmos, again);
        if (memcmp(values, again, FIELD_COUNT) == 0)
            return true;
        memcpy(values, again, FIELD_COUNT);
    }
    return false;
}

bool cmos_get(struct cmos *cmos, struct cmos_time *out) {
    u8 values[FIELD_COUNT];
    u8 format = cmos->read(cmos, REG_STATUS_B);
    if (format == NOTHING || !read_stable(cmos, values))
        return false;
    bool is_24_hours = (format & STATUS_B_24_HOURS) != 0;
    bool is_afternoon = !is_24_hours && (values[HOUR] & HOUR_AFTERNOON) != 0;
    u32 hour = decoded(format, is_24_hours ? values[HOUR] : values[HOUR] & ~HOUR_AFTERNOON & 0xff);
    u32 century = read_century(cmos, format);
    *out = (struct cmos_time){
        .year = (century != 0 ? century : CENTURY_USUAL) * 100 + decoded(format, values[YEAR]),
        .month = decoded(format, values[MONTH]),
        .day = decoded(format, values[DAY]),
        .hour = is_24_hours ? hour : hour % 12 + (is_afternoon ? 12 : 0),
        .minute = decoded(format, values[MINUTE]),
        .second = decoded(format, values[SECOND]),
    };
    return cmos_time_is_valid(out);
}

static u8 encoded_hour(u8 format, u32 hour) {
    if ((format & STATUS_B_24_HOURS) != 0)
        return encoded(format, hour);
    u8 shown = encoded(format, hour % 12 == 0 ? 12 : hour % 12);
    return hour >= 12 ? shown | HOUR_AFTERNOON : shown;
}

bool cmos_set(struct cmos *cmos, const struct cmos_time *time) {
    u8 format = cmos->read(cmos, REG_STATUS_B);
    u32 century = read_century(cmos, format);
    if (format == NOTHING || (century == 0 && time->year / 100 != CENTURY_USUAL))
        return false;
    const u8 values[FIELD_COUNT] = {
        [SECOND] = encoded(format, time->second),  [MINUTE] = encoded(format, time->minute),
        [HOUR] = encoded_hour(format, time->hour), [DAY] = encoded(format, time->day),
        [MONTH] = encoded(format, time->month),    [YEAR] = encoded(format, time->year % 100),
    };
    cmos->write(cmos, REG_STATUS_B, format | STATUS_B_STOP);
    for (u32 i = 0; i < FIELD_COUNT; i++)
        cmos->write(cmos, registers[i], values[i]);
    if (century != 0 && century != time->year / 100)
        cmos->write(cmos, REG_CENTURY, encoded(format, time->year / 100));
    cmos->write(cmos, REG_STATUS_B, format & (u8)~STATUS_B_STOP);
    return true;
}
