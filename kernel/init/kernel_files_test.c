// /kernel/clock: what it says, and what can be written to it. The other files cannot be changed.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/arch/arch.h"
#include "kernel/init/kernel_files.h"
#include "kernel/ipc/path.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wall.h"
#include "tests/fake_arch.h"

#define START_NS 1000000000000000000ull

static int setup(void **) {
    // Of no process: nobody pays for what it opens. It stays on its CPU.
    static struct thread kernel = {.preempt_count = 1};
    fake_machine_start_simple(4 * MIB);
    arch_current_set(&kernel);
    return 0;
}

static enum status open_file(const char *name, u32 flags, struct object **out) {
    const struct place place = {kernel_directory(), bytes_of(name)};
    return path_open(&place, flags, out);
}

static enum status write_clock(const char *text, usize *put) {
    struct object *clock;
    assert_int_equal(open_file("clock", OPEN_WRITE | OPEN_TRUNCATE | OPEN_CREATE, &clock), OK);
    enum status status = object_write(clock, 0, text, strlen(text), put);
    object_release(clock);
    return status;
}

static void the_clock_is_set_by_a_line(void **) {
    static const struct {
        const char *text;
        u64 ns;
    } cases[] = {
        {"1795452123\n", 1795452123000000000},
        {"1795452123", 1795452123000000000},
        {"0\n", 0},
        {"0.000000001\n", 1},
        {"1.5\n", 1500000000},
        {"12.123456789\n", 12123456789},
        {"9223372000.000000000\n", 9223372000000000000},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        usize put;
        u64 since = arch_clock_ns();
        assert_int_equal(write_clock(cases[i].text, &put), OK);
        assert_int_equal(put, strlen(cases[i].text));
        u64 now = wall_now_ns();
        assert_true(now >= cases[i].ns && now - cases[i].ns <= arch_clock_ns() - since);
    }
}

static void what_is_no_time_changes_nothing(void **) {
    static const char *const texts[] = {"",
                                        "\n",
                                        ".\n",
                                        ".5\n",
                                        "5.\n",
                                        "1.2.3\n",
                                        "-1\n",
                                        "+1\n",
                                        " 1\n",
                                        "1 \n",
                                        "1\n\n",
                                        "1\n2\n",
                                        "0x10\n",
                                        "1.1234567890\n",
                                        "9223372037\n",
                                        "9223372036.854775808\n",
                                        "9223372036854775808\n",
                                        "18446744073709551617\n",
                                        "99999999999999999999999999\n"};
    assert_int_equal(wall_set(START_NS), OK);
    u64 since = arch_clock_ns();
    for (u32 i = 0; i < COUNT_OF(texts); i++) {
        usize put;
        assert_int_equal(write_clock(texts[i], &put), ERR_INVALID);
    }
    assert_true(wall_now_ns() - START_NS <= arch_clock_ns() - since + (1ull << 40));
}

static void the_clock_is_told_as_it_is_set(void **) {
    struct object *clock;
    char text[64] = {0};
    usize got;
    usize put;
    assert_int_equal(wall_set(5 * 1000000000ull + 7), OK);
    assert_int_equal(open_file("clock", OPEN_READ, &clock), OK);
    assert_int_equal(object_read(clock, 0, text, sizeof text, &got), OK);
    object_release(clock);
    // "5.000000007", or what is a little later than that, and less than a minute.
    assert_true(got >= strlen("5.000000007\n") && text[got - 1] == '\n');
    assert_int_equal(strlen(strchr(text, '.')), strlen(".000000007\n"));
    assert_int_equal(wall_set(START_NS), OK);
    assert_int_equal(write_clock(text, &put), OK);
    assert_true(wall_now_ns() >= 5 * 1000000000ull + 7 && wall_now_ns() < START_NS);
}

static void the_others_stay_as_they_are(void **) {
    static const char *const names[] = {"log", "memory"};
    struct object *file;
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(open_file(names[i], OPEN_WRITE, &file), ERR_READ_ONLY);
        assert_int_equal(open_file(names[i], OPEN_READ | OPEN_TRUNCATE, &file), ERR_READ_ONLY);
    }
    assert_int_equal(open_file("clocks", OPEN_WRITE | OPEN_CREATE, &file), ERR_READ_ONLY);
    assert_int_equal(open_file("clock", OPEN_WRITE | OPEN_CREATE | OPEN_EXCLUSIVE, &file),
                     ERR_EXISTS);
    assert_int_equal(open_file("clock", OPEN_READ, &file), OK);
    assert_int_equal(object_set_size(file, 1), ERR_INVALID);
    object_release(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_is_set_by_a_line),
        cmocka_unit_test(what_is_no_time_changes_nothing),
        cmocka_unit_test(the_clock_is_told_as_it_is_set),
        cmocka_unit_test(the_others_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
