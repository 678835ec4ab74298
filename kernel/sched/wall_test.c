// The time of day goes on by itself and jumps when it is set; the monotonic clock knows nothing.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "base/status.h"
#include "kernel/arch/arch.h"
#include "kernel/sched/wall.h"

// Between two looks at the clock some time passes.
static void assert_is_now(u64 wall_ns, u64 since_ns) {
    u64 now = wall_now_ns();
    assert_true(now >= wall_ns);
    assert_true(now - wall_ns <= arch_clock_ns() - since_ns);
}

static void it_begins_as_the_machine_says(void **) {
    u64 since = arch_clock_ns();
    assert_is_now(arch_wall_offset_ns() + since, since);
}

static void it_goes_on_from_what_it_was_set_to(void **) {
    static const u64 times[] = {1, 0, 1795452123123456789, 946684800000000000,
                                WALL_LAST_NS - (1ull << 40)};
    for (u32 i = 0; i < COUNT_OF(times); i++) {
        u64 since = arch_clock_ns();
        assert_int_equal(wall_set(times[i]), OK);
        assert_is_now(times[i], since);
        assert_true(arch_clock_ns() >= since);
        assert_true(arch_clock_ns() - since < 1ull << 40); // monotonic time has not jumped
    }
}

static void what_no_program_could_tell_is_refused(void **) {
    u64 since = arch_clock_ns();
    assert_int_equal(wall_set(1000), OK);
    assert_int_equal(wall_set(WALL_LAST_NS + 1), ERR_INVALID);
    assert_int_equal(wall_set(UINT64_MAX), ERR_INVALID);
    assert_is_now(1000, since);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_as_the_machine_says),
        cmocka_unit_test(it_goes_on_from_what_it_was_set_to),
        cmocka_unit_test(what_no_program_could_tell_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
