// Tests of shares: who gets how much of one CPU, in time that the threads themselves spend.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/sched/sched_internal.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define MS          1000000ull
#define THREADS_MAX 8u

static struct cpu_share shares[2];
static struct thread *threads[THREADS_MAX];
static u32 thread_count;
static u64 used_ns[THREADS_MAX]; // in the end

static void spin(void *) {
    for (;;)
        fake_work(MS);
}

static void sleep_for_good(void *) {
    CHECK(thread_sleep_until(1000000 * MS) == OK);
}

// Sleeps and wakes all the time, and never uses up a turn at once.
static void doze(void *) {
    for (;;) {
        fake_work(MS / 5);
        CHECK(thread_sleep_until(arch_clock_ns() + 10) == OK);
    }
}

static void add(void (*entry)(void *), struct cpu_share *share) {
    threads[thread_count] = fake_thread_create(
        (struct thread_config){.entry = entry, .share = share, .priority = PRIORITY_NORMAL});
    thread_start(threads[thread_count++]);
}

struct race {
    u32 values[2]; // of the two shares
    void (*first)(void *);
    void (*more)(void *); // of the first share
    u32 more_count;
    bool has_second;
    u64 ms;
};

static void race_body(void *argument) {
    const struct race *race = argument;
    thread_count = 0;
    cpu_share_init(&shares[0], race->values[0]);
    cpu_share_init(&shares[1], race->values[1]);
    add(race->first, &shares[0]);
    if (race->has_second)
        add(spin, &shares[1]);
    for (u32 i = 0; i < race->more_count; i++)
        add(race->more, &shares[0]);
    CHECK(thread_sleep_until(race->ms * MS) == OK);
    for (u32 i = 0; i < thread_count; i++)
        used_ns[i] = thread_charged_ns(threads[i]);
    sched_check();
    fake_sched_stop();
}

// Runs it, and returns what the first share's threads used for each 1000 of what the second's did.
static u64 permille(struct race race) {
    fake_sched_run(race_body, &race);
    u64 first_ns = used_ns[0];
    for (u32 i = 0; i < race.more_count; i++)
        first_ns += used_ns[1 + race.has_second + i];
    return race.has_second ? first_ns * 1000 / used_ns[1] : first_ns * 1000 / (race.ms * MS);
}

static void the_cpu_is_shared_as_the_shares_say(void **) {
    static const struct {
        u32 values[2];
        u32 permille;
    } table[] = {
        {{100, 100}, 1000}, {{200, 100}, 2000}, {{100, 300}, 333},    {{1000, 10}, 100000},
        {{1, 100}, 10},     {{1, 1}, 1000},     {{1000, 1000}, 1000},
    };
    for (u32 i = 0; i < sizeof table / sizeof table[0]; i++) {
        u64 got = permille((struct race){.values = {table[i].values[0], table[i].values[1]},
                                         .first = spin,
                                         .has_second = true,
                                         .ms = 20000});
        assert_in_range(got, table[i].permille * 97 / 100, table[i].permille * 103 / 100);
    }
}

static void a_share_is_no_cap(void **) {
    u64 got = permille((struct race){.values = {1, 1}, .first = spin, .ms = 1000});
    assert_in_range(got, 990, 1020); // looking at the ticks takes some here
}

static void threads_of_a_process_have_its_share_together(void **) {
    for (u32 more = 1; more <= 4; more++) {
        u64 got = permille((struct race){.values = {100, 100},
                                         .first = spin,
                                         .more = spin,
                                         .more_count = more,
                                         .has_second = true,
                                         .ms = 5000});
        assert_in_range(got, 960, 1040);
    }
}

static void threads_that_sleep_take_nothing_from_it(void **) {
    u64 got = permille((struct race){.values = {100, 100},
                                     .first = spin,
                                     .more = sleep_for_good,
                                     .more_count = 4,
                                     .has_second = true,
                                     .ms = 5000});
    assert_in_range(got, 960, 1040);
}

static void waking_up_often_does_not_get_more(void **) {
    u64 got =
        permille((struct race){.values = {50, 100}, .first = doze, .has_second = true, .ms = 5000});
    assert_in_range(got, 400, 520);
}

static void a_thread_that_has_slept_has_a_few_short_turns(void **) {
    cpu_share_init(&shares[0], 100);
    shares[0].threads = 3;
    struct share_turns turns = {0};
    shares[0].turns = 1000;
    assert_int_equal(cpu_share_turn(&shares[0], &turns), THREAD_SLICE_NS / 3);
    u64 before = 0;
    for (u32 i = 0; i < 12; i++) { // the others sleep
        u64 turn = cpu_share_turn(&shares[0], &turns);
        assert_in_range(turn, before, THREAD_SLICE_NS);
        before = turn;
    }
    assert_in_range(before, THREAD_SLICE_NS * 8 / 10, THREAD_SLICE_NS);
}

static void a_thread_that_is_left_alone_has_all_turns(void **) {
    cpu_share_init(&shares[0], 100);
    shares[0].threads = 1;
    struct share_turns turns = {.last = 0, .among = 3 * SHARE_AMONG_ONE};
    shares[0].turns = 1000;
    assert_int_equal(cpu_share_turn(&shares[0], &turns), THREAD_SLICE_NS);
}

static void turns_do_not_get_too_short(void **) {
    cpu_share_init(&shares[0], 1);
    shares[0].threads = 64;
    shares[0].turns = 1000;
    struct share_turns turns = {0};
    assert_int_equal(cpu_share_turn(&shares[0], &turns), CPU_TURN_NS_MIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cpu_is_shared_as_the_shares_say),
        cmocka_unit_test(a_share_is_no_cap),
        cmocka_unit_test(threads_of_a_process_have_its_share_together),
        cmocka_unit_test(threads_that_sleep_take_nothing_from_it),
        cmocka_unit_test(waking_up_often_does_not_get_more),
        cmocka_unit_test(a_thread_that_has_slept_has_a_few_short_turns),
        cmocka_unit_test(a_thread_that_is_left_alone_has_all_turns),
        cmocka_unit_test(turns_do_not_get_too_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
