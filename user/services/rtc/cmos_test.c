// The clock of the CMOS in all its formats, in memory alone.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/math.h"
#include "user/services/rtc/cmos.h"

static u8 registers[128];
static u32
    updates; // how often it is still found being updated; until then its registers are in motion
static u32 moves;     // how often the seconds still change when they are read
static u32 reads;     // of anything
static u8 set_format; // what the clock is set in

static u8 fake_read(struct cmos *, u8 number) {
    reads++;
    if (number == 0x0a && updates != 0) {
        updates--;
        return 0x80;
    }
    if (number < 0x0a && updates != 0)
        return 0x11;
    if (number == 0 && moves != 0) {
        moves--;
        registers[0] = (registers[0] + 1) % 10;
    }
    return registers[number];
}

static void fake_write(struct cmos *, u8 number, u8 value) {
    // Only a clock that stands still can be set, and it keeps its format meanwhile.
    assert_true(number == 0x0b || (registers[0x0b] & 0x80) != 0);
    assert_true(number != 0x0b || (value & 0x7f) == (set_format & 0x7f));
    registers[number] = value;
}

static struct cmos cmos = {fake_read, fake_write};

static const struct format_case {
    u8 format;
    struct cmos_time time;
    u8 bytes[7]; // second, minute, hour, day, month, year, century
} cases[] = {
    {0x02, {2026, 11, 23, 14, 50, 9}, {0x09, 0x50, 0x14, 0x23, 0x11, 0x26, 0x20}},
    {0x06, {2026, 11, 23, 14, 50, 9}, {9, 50, 14, 23, 11, 26, 20}},
    {0x00, {2026, 11, 23, 14, 50, 9}, {0x09, 0x50, 0x82, 0x23, 0x11, 0x26, 0x20}},
    {0x00, {2026, 11, 23, 0, 0, 0}, {0x00, 0x00, 0x12, 0x23, 0x11, 0x26, 0x20}},
    {0x04, {1999, 12, 31, 12, 59, 59}, {59, 59, 0x8c, 31, 12, 99, 19}},
    {0x02, {2100, 2, 28, 23, 0, 59}, {0x59, 0x00, 0x23, 0x28, 0x02, 0x00, 0x21}},
};

static const u8 numbers[] = {0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32};

static void put(const struct format_case *c) {
    memset(registers, 0, sizeof registers);
    registers[0x0b] = c->format;
    set_format = c->format;
    updates = 0;
    moves = 0;
    for (u32 i = 0; i < COUNT_OF(numbers); i++)
        registers[numbers[i]] = c->bytes[i];
}

static void every_format_is_read(void **) {
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        struct cmos_time time;
        put(&cases[i]);
        updates = 3;
        assert_true(cmos_get(&cmos, &time));
        assert_memory_equal(&time, &cases[i].time, sizeof time);
    }
}

static void every_format_is_written(void **) {
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        put(&cases[i]);
        u8 format = registers[0x0b];
        memset(registers, format & 4 ? 20 : 0x20, 10);
        registers[0x32] = format & 4 ? 20 : 0x20;
        assert_true(cmos_set(&cmos, &cases[i].time));
        assert_int_equal(registers[0x0b], format); // it runs again
        registers[0x0b] |= 0x80;                   // nor does one stay that did not run
        assert_true(cmos_set(&cmos, &cases[i].time));
        assert_int_equal(registers[0x0b], format);
        for (u32 j = 0; j < COUNT_OF(numbers); j++)
            assert_int_equal(registers[numbers[j]], cases[i].bytes[j]);
    }
}

static void what_is_no_time_is_refused(void **) {
    static const struct cmos_time wrong[] = {
        {1969, 1, 1, 0, 0, 0},  {3000, 1, 1, 0, 0, 0},  {2026, 0, 1, 0, 0, 0},
        {2026, 13, 1, 0, 0, 0}, {2026, 1, 0, 0, 0, 0},  {2026, 4, 31, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0}, {2100, 2, 29, 0, 0, 0}, {2026, 1, 1, 24, 0, 0},
        {2026, 1, 1, 0, 60, 0}, {2026, 1, 1, 0, 0, 60},
    };
    static const struct cmos_time right[] = {{2024, 2, 29, 0, 0, 0}, {2000, 2, 29, 23, 59, 59}};
    for (u32 i = 0; i < COUNT_OF(wrong); i++)
        assert_false(cmos_time_is_valid(&wrong[i]));
    for (u32 i = 0; i < COUNT_OF(right); i++)
        assert_true(cmos_time_is_valid(&right[i]));
}

static void a_clock_that_makes_no_sense_is_none(void **) {
    struct cmos_time time;
    memset(registers, 0xff, sizeof registers);
    reads = 0;
    assert_false(cmos_get(&cmos, &time));
    assert_true(reads < 10); // nobody waits for the end of an update there
    assert_false(cmos_set(&cmos, &cases[0].time));
    memset(registers, 0, sizeof registers); // never set
    assert_false(cmos_get(&cmos, &time));
    put(&cases[0]);
    moves = 1000;
    assert_false(cmos_get(&cmos, &time));
}

// What changes between two looks is read once more.
static void a_second_that_passes_is_no_harm(void **) {
    for (u32 i = 1; i < 6; i++) {
        struct cmos_time time;
        put(&cases[1]);
        moves = i;
        assert_true(cmos_get(&cmos, &time));
        assert_int_equal(time.second, (9 + i) % 10);
    }
}

// A byte that holds no century is somebody else's.
static void without_a_century_it_is_this_one(void **) {
    struct cmos_time time;
    put(&cases[0]);
    static const u8 others[] = {0x77, 0x05, 0x18, 0x30, 0xff};
    for (u32 i = 0; i < COUNT_OF(others); i++) {
        registers[0x32] = others[i];
        assert_true(cmos_get(&cmos, &time));
        assert_int_equal(time.year, 2026);
        assert_true(cmos_set(&cmos, &cases[0].time));
        assert_false(cmos_set(&cmos, &cases[5].time));
        assert_int_equal(registers[0x32], others[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_read),
        cmocka_unit_test(every_format_is_written),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_clock_that_makes_no_sense_is_none),
        cmocka_unit_test(a_second_that_passes_is_no_harm),
        cmocka_unit_test(without_a_century_it_is_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
