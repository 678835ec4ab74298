// Tests of waiting for several queues at once: whichever is woken, at any moment, ends the wait;
// deadlines and kills do, too; and nobody else loses a wake-up by it.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kernel/mm/heap.h"
#include "kernel/sched/wait.h"
#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define MS         1000000ull
#define GATE_COUNT 3u

static struct {
    struct wait_queue queue;
    bool is_open;
} gates[GATE_COUNT];

static struct {
    struct thread *thread;
    enum status status;
    u64 ended_ns;
    u32 looks; // how often it looked at all gates
    bool is_done;
} waiter;

static void gates_init(void) {
    for (u32 i = 0; i < GATE_COUNT; i++) {
        wait_queue_init(&gates[i].queue);
        gates[i].is_open = false;
    }
    waiter = (typeof(waiter)){0};
}

static void gate_open(u32 index) {
    wait_lock(&gates[index].queue);
    gates[index].is_open = true;
    wake_all_locked(&gates[index].queue);
    wait_unlock(&gates[index].queue);
}

static u64 opened_ns;

static void open_first(void) {
    opened_ns = arch_clock_ns();
    gate_open(0);
}

static void open_last(void) {
    gate_open(GATE_COUNT - 1);
}

static void wake_without_opening(void) {
    wake_all(&gates[1].queue);
}

static bool is_any_open(void) {
    bool any = false;
    waiter.looks++;
    for (u32 i = 0; i < GATE_COUNT; i++) {
        wait_lock(&gates[i].queue);
        any = any || gates[i].is_open;
        wait_unlock(&gates[i].queue);
    }
    return any;
}

static void wait_for_any(void *deadline_ns) {
    struct wait_set set;
    struct wait_watch watches[GATE_COUNT];
    waiter.thread = thread_current();
    wait_set_init(&set);
    for (u32 i = 0; i < GATE_COUNT; i++)
        wait_set_watch(&set, &watches[i], &gates[i].queue);
    enum status status = OK;
    while (status == OK && !is_any_open())
        status = wait_set_wait(&set, (u64)(uptr)deadline_ns);
    for (u32 i = 0; i < GATE_COUNT; i++) {
        wait_set_unwatch(&watches[i]);
        CHECK(list_is_empty(&gates[i].queue.watches));
    }
    waiter.status = status;
    waiter.ended_ns = arch_clock_ns();
    waiter.is_done = true;
}

static void assert_ended(enum status status, u64 at_ns) {
    assert_true(waiter.is_done);
    assert_int_equal(waiter.status, status);
    assert_in_range(waiter.ended_ns, at_ns, at_ns + MS - 1);
}

static void last_body(void *) {
    gates_init();
    fake_interrupt_at(7 * MS, open_last);
    wait_for_any((void *)(uptr)WAIT_FOREVER);
}

static void the_last_queue_ends_the_wait_at_once(void **) {
    fake_sched_run(last_body, NULL);
    assert_ended(OK, 7 * MS);
    assert_int_equal(waiter.looks, 2);        // nobody looked in between
    assert_in_range(fake_timer_rang(), 0, 1); // the end of a slice that was not used up
}

static void open_before_body(void *) {
    gates_init();
    gate_open(1);
    wait_for_any((void *)(uptr)WAIT_FOREVER);
}

static void an_open_gate_needs_no_wait(void **) {
    fake_sched_run(open_before_body, NULL);
    assert_ended(OK, 0);
}

static void spurious_body(void *) {
    gates_init();
    fake_interrupt_at(3 * MS, wake_without_opening);
    wait_for_any((void *)(uptr)(9 * MS));
}

static void a_wake_up_without_news_is_looked_at_once(void **) {
    fake_sched_run(spurious_body, NULL);
    assert_ended(ERR_TIMED_OUT, 9 * MS);
    assert_int_equal(waiter.looks, 2);
}

static void race_body(void *n) {
    gates_init();
    fake_interrupt_at_nth_chance((u64)(uptr)n, open_first);
    wait_for_any((void *)(uptr)(1000 * MS));
}

static void a_wake_up_at_any_moment_is_not_lost(void **) {
    u32 woken = 0;
    for (u64 n = 1; n <= 60; n++) {
        fake_sched_run(race_body, (void *)(uptr)n);
        assert_true(waiter.is_done);
        if (gates[0].is_open && waiter.status == OK) {
            assert_ended(OK, opened_ns);
            woken++;
        }
    }
    assert_in_range(woken, 4, 60);
}

static void kill_waiter(void) {
    if (waiter.thread != NULL)
        thread_kill(waiter.thread);
}

static void kill_body(void *) {
    gates_init();
    fake_interrupt_at(4 * MS, kill_waiter);
    wait_for_any((void *)(uptr)WAIT_FOREVER);
}

static void a_kill_ends_the_wait(void **) {
    fake_sched_run(kill_body, NULL);
    assert_ended(ERR_KILLED, 4 * MS);
}

static u32 served;

static void plain_waiter(void *) {
    wait_lock(&gates[0].queue);
    enum status status = wait_locked(&gates[0].queue, WAIT_FOREVER);
    wait_unlock(&gates[0].queue);
    CHECK(status == OK);
    served++;
}

static void wake_one(void) {
    wait_lock(&gates[0].queue);
    gates[0].is_open = true;
    wake_one_locked(&gates[0].queue);
    wait_unlock(&gates[0].queue);
}

static void one_body(void *) {
    gates_init();
    served = 0;
    fake_thread_start(wait_for_any, (void *)(uptr)WAIT_FOREVER);
    fake_thread_start(plain_waiter, NULL);
    fake_interrupt_at(2 * MS, wake_one);
}

static void a_watch_takes_no_wake_up_away(void **) {
    fake_sched_run(one_body, NULL);
    assert_ended(OK, 2 * MS);
    assert_int_equal(served, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_queue_ends_the_wait_at_once),
        cmocka_unit_test(an_open_gate_needs_no_wait),
        cmocka_unit_test(a_wake_up_without_news_is_looked_at_once),
        cmocka_unit_test(a_wake_up_at_any_moment_is_not_lost),
        cmocka_unit_test(a_kill_ends_the_wait),
        cmocka_unit_test(a_watch_takes_no_wake_up_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
