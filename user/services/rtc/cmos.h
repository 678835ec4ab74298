#pragma once
// The clock of a PC's CMOS: its registers, in whatever format they are. Knows nothing of how they
// are reached.

#include "base/types.h"

struct cmos {
    // The owner's:
    u8 (*read)(struct cmos *cmos, u8 number);
    void (*write)(struct cmos *cmos, u8 number, u8 value);
};

struct cmos_time {
    u32 year;
    u32 month; // from 1 on
    u32 day;
    u32 hour;
    u32 minute;
    u32 second;
};

#define CMOS_YEAR_FIRST 1970u
#define CMOS_YEAR_LAST  2999u

// Whether there is such a time.
bool cmos_time_is_valid(const struct cmos_time *time);

// False: the clock does not run, or was never set.
bool cmos_get(struct cmos *cmos, struct cmos_time *out);

// `time` is valid. False: its century cannot be kept.
bool cmos_set(struct cmos *cmos, const struct cmos_time *time);
