// Ctrl-C: a request is neither lost, when it comes before its process is in the foreground, nor
// kept for the next one.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/init/init.h"
#include "tests/fake_process.h"
#include "tests/fake_sched.h"

#define MS 1000000ull

static bool at_first, after_one, later, sleeper_was_killed;

static void early_body(void) {
    foreground_init();
    at_first = foreground_set(NULL);
    fake_interrupt_at(arch_clock_ns() + MS, foreground_interrupt);
    CHECK(thread_sleep_until(arch_clock_ns() + 3 * MS) == OK); // its thread finds nobody to kill
    CHECK(foreground_was_interrupted());
    after_one = foreground_set(NULL);
    later = foreground_set(NULL);
}

static void a_request_before_the_process_is_told_once(void **) {
    fake_process_run(early_body);
    assert_false(at_first);
    assert_true(after_one);
    assert_false(later);
}

static void kill_body(void) {
    foreground_init();
    fake_process.ref_count = 1; // the test's own
    fake_process.first.thread = thread_current();
    list_init(&fake_process.first.link);
    list_push_back(&fake_process.threads, &fake_process.first.link);
    foreground_set(&fake_process);
    fake_interrupt_at(arch_clock_ns() + MS, foreground_interrupt);
    sleeper_was_killed = thread_sleep_until(arch_clock_ns() + 1000 * MS) == ERR_KILLED;
}

static void the_foreground_process_is_killed(void **) {
    fake_process_run(kill_body);
    assert_true(sleeper_was_killed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_before_the_process_is_told_once),
        cmocka_unit_test(the_foreground_process_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
