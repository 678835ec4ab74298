// Tests of the queue of deadlines against a plain list.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/sched/timer.h"
#include "tests/fake_arch.h"

#define TIMERS 64

static void an_empty_queue_is_never_due(void **) {
    struct timer_queue queue = {0};
    assert_true(timer_next_ns(&queue) == UINT64_MAX);
    assert_null(timer_pop_due(&queue, UINT64_MAX));
    timer_check(&queue);
}

static void a_timer_is_due_at_its_time_and_not_before(void **) {
    struct timer_queue queue = {0};
    struct timer timer = {0};
    timer_add(&queue, &timer, 100);
    assert_true(timer.is_armed);
    assert_int_equal(timer_next_ns(&queue), 100);
    assert_null(timer_pop_due(&queue, 99));
    assert_ptr_equal(timer_pop_due(&queue, 100), &timer);
    assert_false(timer.is_armed);
    timer_add(&queue, &timer, UINT64_MAX - 1); // and can be used again
    timer_remove(&queue, &timer);
    assert_false(timer.is_armed);
    assert_true(timer_next_ns(&queue) == UINT64_MAX);
}

static u64 earliest(const struct timer *timers) {
    u64 at_ns = UINT64_MAX;
    for (u32 i = 0; i < TIMERS; i++)
        if (timers[i].is_armed && timers[i].at_ns < at_ns)
            at_ns = timers[i].at_ns;
    return at_ns;
}

static void any_sequence_keeps_the_earliest_first(void **) {
    struct timer_queue queue = {0};
    struct timer timers[TIMERS] = {0};
    u64 random = 1;
    u64 now_ns = 0;
    for (u32 step = 0; step < 20000; step++) {
        u64 what = fake_random(&random);
        struct timer *timer = &timers[what % TIMERS];
        if (timer->is_armed && what >> 32 & 1) {
            timer_remove(&queue, timer);
        } else if (!timer->is_armed) {
            timer_add(&queue, timer, now_ns + (what >> 40) % 100); // with many ties
        } else {
            now_ns += (what >> 40) % 20;
            u64 expected = earliest(timers);
            struct timer *due = timer_pop_due(&queue, now_ns);
            assert_int_equal(due != NULL, expected <= now_ns);
            assert_true(due == NULL || !due->is_armed);
        }
        timer_check(&queue);
        assert_true(timer_next_ns(&queue) == earliest(timers));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_is_never_due),
        cmocka_unit_test(a_timer_is_due_at_its_time_and_not_before),
        cmocka_unit_test(any_sequence_keeps_the_earliest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
