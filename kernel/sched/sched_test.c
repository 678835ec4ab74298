// Tests of threads, the scheduler, wait queues and mutexes, on a machine where time moves only when
// a thread works or all sleep.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"
#include "kernel/sched/sched_internal.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"

#define MS 1000000ull

// What happened, as text.
static struct {
    char text[4096];
    usize len;
} trace;

static void note(const char *format, ...) {
    va_list args;
    va_start(args, format);
    trace.len +=
        (usize)vsnprintf(trace.text + trace.len, sizeof trace.text - trace.len, format, args);
    va_end(args);
    CHECK(trace.len < sizeof trace.text);
}

static void expect(void (*body)(void *), const char *text) {
    trace.text[0] = 0;
    trace.len = 0;
    fake_sched_run(body, NULL);
    assert_string_equal(trace.text, text);
}

static u64 now_ms(void) {
    return (arch_clock_ns() + MS / 2) / MS;
}

static struct thread *start(const char *name, void (*entry)(void *), void *argument) {
    const struct thread_config config = {
        .name = name,
        .entry = entry,
        .argument = argument,
        .stack_bytes = 5 * PAGE_SIZE,
        .stack_committed = 4 * PAGE_SIZE,
        .priority = PRIORITY_NORMAL,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK);
    thread_start(thread);
    return thread;
}

static const char *name(void) {
    return thread_current()->name;
}

// -- Sleeping -----------------------------------------------------------------------------------

static void sleeper(void *until_ms) {
    CHECK(thread_sleep_until((u64)(uptr)until_ms * MS) == OK);
    note("%s %llu, ", name(), (unsigned long long)now_ms());
}

static void sleepers_body(void *) {
    start("c", sleeper, (void *)30);
    start("a", sleeper, (void *)10);
    start("d", sleeper, (void *)40);
    start("b", sleeper, (void *)20);
    start("past", sleeper, (void *)0);
}

static void sleepers_wake_in_the_order_of_their_deadlines(void **) {
    expect(sleepers_body, "past 0, a 10, b 20, c 30, d 40, ");
}

static void an_idle_machine_is_silent(void **) {
    expect(sleepers_body, "past 0, a 10, b 20, c 30, d 40, ");
    // Four deadlines, and once after each thread that ran: its slice might have ended then.
    assert_in_range(fake_timer_rang(), 4, 8);
}

// -- Round robin --------------------------------------------------------------------------------

static u64 spun_ns[8];

static void spinner(void *argument) {
    u64 *spun = argument;
    for (;;) {
        fake_work(MS);
        *spun += MS;
    }
}

// The queues are in order whenever anybody looks.
static void check_runq(void) {
    struct runq *runq = &cpu_this()->runq;
    spin_lock(&runq->lock);
    runq_check_locked(runq, cpu_this());
    spin_unlock(&runq->lock);
}

static void three_spinners_body(void *) {
    memset(spun_ns, 0, sizeof spun_ns);
    for (u32 i = 0; i < 3; i++)
        start("spinner", spinner, &spun_ns[i]);
    CHECK(thread_sleep_until(3000 * MS) == OK);
    fake_sched_stop();
}

static void spinners_share_the_cpu_evenly(void **) {
    expect(three_spinners_body, "");
    for (u32 i = 0; i < 3; i++)
        assert_in_range(spun_ns[i], 970 * MS, 1030 * MS);
}

static void worker(void *) {
    for (u32 i = 0; i < 3; i++) {
        note("%s", name());
        fake_work(THREAD_SLICE_NS);
    }
}

static void slices_body(void *) {
    start("a", worker, NULL);
    start("b", worker, NULL);
    start("c", worker, NULL);
}

static void each_slice_goes_to_the_next(void **) {
    expect(slices_body, "abcabcabc");
}

static void yielder(void *) {
    for (u32 i = 0; i < 3; i++) {
        note("%s", name());
        thread_yield();
    }
}

static void yield_body(void *) {
    start("a", yielder, NULL);
    start("b", yielder, NULL);
}

static void yielding_gives_the_turn_away(void **) {
    expect(yield_body, "ababab");
}

static void printer(void *) {
    for (u32 i = 1; i <= 5; i++) {
        CHECK(thread_sleep_until(i * 1000 * MS) == OK);
        note("%llu ", (unsigned long long)now_ms());
        fake_work(2 * MS);
    }
    fake_sched_stop();
}

static void printer_body(void *) {
    start("spinner", spinner, &spun_ns[0]);
    start("spinner", spinner, &spun_ns[1]);
    start("printer", printer, NULL);
}

static void a_printer_is_on_time_among_spinners(void **) {
    // It uses up its slice with the fifth line: nothing it could wait for comes after that.
    expect(printer_body, "1000 2000 3000 4000 5000 ");
}

// Two that wake each other all the time, and one that only computes.
static struct {
    struct wait_queue queue;
    u32 turn;
} ping;

static void player(void *argument) {
    u32 me = (u32)(uptr)argument;
    for (;;) {
        wait_lock(&ping.queue);
        while (ping.turn != me)
            CHECK(wait_locked(&ping.queue, WAIT_FOREVER) == OK);
        wait_unlock(&ping.queue);
        fake_work(MS / 10);
        spun_ns[1 + me] += MS / 10;
        check_runq();
        wait_lock(&ping.queue);
        ping.turn = 1 - me;
        wake_all_locked(&ping.queue);
        wait_unlock(&ping.queue);
    }
}

static void ping_body(void *) {
    memset(spun_ns, 0, sizeof spun_ns);
    memset(&ping, 0, sizeof ping);
    wait_queue_init(&ping.queue);
    start("spinner", spinner, &spun_ns[0]);
    start("ping", player, (void *)0);
    start("pong", player, (void *)1);
    CHECK(thread_sleep_until(3000 * MS) == OK);
    fake_sched_stop();
}

static void threads_that_wake_each_other_starve_nobody(void **) {
    expect(ping_body, "");
    assert_in_range(spun_ns[0], 900 * MS, 1700 * MS);
    assert_true(spun_ns[1] > 500 * MS);
    assert_true(spun_ns[2] > 500 * MS);
}

static void quick_player(void *argument) {
    u32 me = (u32)(uptr)argument;
    for (;;) { // takes no time that the clock can tell
        wait_lock(&ping.queue);
        while (ping.turn != me)
            CHECK(wait_locked(&ping.queue, WAIT_FOREVER) == OK);
        ping.turn = 1 - me;
        wake_all_locked(&ping.queue);
        wait_unlock(&ping.queue);
    }
}

static void last_worker(void *) {
    worker(NULL);
    fake_sched_stop();
}

static void quick_body(void *) {
    memset(&ping, 0, sizeof ping);
    wait_queue_init(&ping.queue);
    start("ping", quick_player, (void *)0);
    start("pong", quick_player, (void *)1);
    start("worker", last_worker, NULL);
}

static void switches_too_quick_for_the_clock_count(void **) {
    expect(quick_body, "workerworkerworker" /* in spite of them */);
}

// -- Time used ----------------------------------------------------------------------------------

static void accounting_body(void *) {
    CHECK(thread_cpu_time_ns() < MS);
    fake_work(25 * MS);
    CHECK(thread_cpu_time_ns() / MS == 25);
    CHECK(thread_sleep_until(arch_clock_ns() + 100 * MS) == OK);
    CHECK(thread_cpu_time_ns() / MS == 25);
    start("spinner", spinner, &spun_ns[0]);
    fake_work(24 * MS);
    CHECK(thread_cpu_time_ns() / MS == 49);
    CHECK(now_ms() == 169); // two slices went to the other
    note("done");
    fake_sched_stop();
}

static void cpu_time_is_what_the_thread_itself_used(void **) {
    expect(accounting_body, "done");
}

// All threads but the idle one, together, have used what the CPU says that it was busy.
static void sum_body(void *) {
    struct thread *threads[4] = {thread_current()};
    for (u32 i = 1; i < COUNT_OF(threads); i++)
        threads[i] = start("spinner", spinner, &spun_ns[0]);
    for (u32 i = 0; i < 50; i++) {
        fake_work(MS / 3);
        CHECK(thread_sleep_until(arch_clock_ns() + 7 * MS) == OK);
        thread_yield();
    }
    u64 sum_ns = 0;
    for (u32 i = 0; i < COUNT_OF(threads); i++)
        sum_ns += thread_charged_ns(threads[i]);
    struct cpu_stats stats;
    CHECK(sched_cpu_stats(0, &stats));
    CHECK(sum_ns <= stats.busy_ns && stats.busy_ns - sum_ns < MS); // the reaper started
    CHECK(stats.busy_ns + stats.idle_ns >= arch_clock_ns() - MS);
    note("all");
    fake_sched_stop();
}

static void what_threads_used_is_what_has_passed(void **) {
    expect(sum_body, "all");
}

// Works for so long between yields. Looking at the clock takes time, too, twice in a turn at most.
static void unequal_yielder(void *work_us) {
    u64 work_ns = (uptr)work_us * 1000;
    for (u32 i = 0; i < 100; i++) {
        fake_work(work_ns);
        thread_yield();
    }
    u64 used_ns = thread_cpu_time_ns();
    CHECK(used_ns >= 100 * work_ns && used_ns <= 101 * (work_ns + 2 * FAKE_TICK_NS));
    note("%s", name());
}

static void unequal_body(void *) {
    start("a", unequal_yielder, (void *)30);
    start("b", unequal_yielder, (void *)200);
    start("c", unequal_yielder, (void *)7);
}

static void who_yields_is_charged_for_its_own_work_alone(void **) {
    expect(unequal_body, "abc");
}

static void quick_yielder(void *) {
    for (u32 i = 0; i < 1000; i++)
        thread_yield();
}

// The timer rings too early for whoever runs next, but for the first slice of all.
static void lazy_body(void *) {
    start("a", quick_yielder, NULL);
    u64 armed = fake_timer_armed();
    quick_yielder(NULL);
    CHECK(fake_timer_armed() <= armed + 1);
    // And then: it rings, and who runs has his slice, and no more.
    start("b", worker, NULL);
    start("c", worker, NULL);
}

static void switches_leave_the_timer_alone(void **) {
    expect(lazy_body, "bcbcbc");
}

// -- Preemption counting ------------------------------------------------------------------------

static void preempt_body(void *) {
    start("b", worker, NULL);
    preempt_disable();
    preempt_disable();
    fake_work(50 * MS);
    preempt_enable();
    note("-");
    CHECK(fake_timer_rang() <= 6);
    preempt_enable(); // here it is somebody else's turn
    note("!");
}

static void preemption_waits_until_it_is_on_again(void **) {
    expect(preempt_body, "-b!bb");
}

// The slice ends where the thread cannot be switched, and nothing makes up for it afterwards.
static void missed_body(void *) {
    start("b", worker, NULL);
    arch_irq_state irq = arch_irq_save();
    fake_clock_set(arch_clock_ns() + THREAD_SLICE_NS);
    arch_timer_arm(UINT64_MAX); // it has rung
    sched_timer();
    arch_irq_restore(irq);
    note("-");
    fake_work(2 * THREAD_SLICE_NS);
    note("!");
}

static void a_slice_that_could_not_end_ends_later(void **) {
    expect(missed_body, "-bb!b");
}

// -- Wait queues --------------------------------------------------------------------------------

static struct {
    struct wait_queue queue;
    bool is_open;
    u64 opened_ns;
    u64 deadline_ns;
    struct thread *waiter;
    enum status status;
    bool is_done;
} gate;

static void gate_init(u64 deadline_ns) {
    memset(&gate, 0, sizeof gate);
    wait_queue_init(&gate.queue);
    gate.deadline_ns = deadline_ns;
}

static void gate_wait(void *) {
    enum status status = OK;
    wait_lock(&gate.queue);
    while (!gate.is_open && status == OK)
        status = wait_locked(&gate.queue, gate.deadline_ns);
    wait_unlock(&gate.queue);
    gate.status = status;
    gate.is_done = true;
    note("%s %s %llu, ", name(), status_text(status), (unsigned long long)now_ms());
}

static void gate_open(void) {
    wait_lock(&gate.queue);
    gate.is_open = true;
    gate.opened_ns = arch_clock_ns();
    wake_all_locked(&gate.queue);
    wait_unlock(&gate.queue);
}

static void wake_before_wait_body(void *) {
    gate_init(WAIT_FOREVER);
    gate_open();
    gate_wait(NULL);
}

static void a_wake_up_before_the_wait_is_not_lost(void **) {
    expect(wake_before_wait_body, "body ok 0, ");
}

static void open_from_interrupt_body(void *) {
    gate_init(WAIT_FOREVER);
    start("a", gate_wait, NULL);
    start("b", gate_wait, NULL);
    fake_interrupt_at(7 * MS, gate_open);
}

static void an_interrupt_wakes_all(void **) {
    expect(open_from_interrupt_body, "a ok 7, b ok 7, ");
}

static void timeout_body(void *) {
    gate_init(5 * MS);
    start("a", gate_wait, NULL);
    start("b", gate_wait, NULL);
    CHECK(thread_sleep_until(9 * MS) == OK);
    gate_open();
}

static void a_wait_ends_at_its_deadline(void **) {
    expect(timeout_body, "a timed out 5, b timed out 5, ");
}

static void past_deadline_body(void *) {
    fake_work(2 * MS);
    gate_init(MS);
    gate_wait(NULL);
}

static void a_deadline_in_the_past_does_not_block(void **) {
    expect(past_deadline_body, "body timed out 2, ");
}

static void wake_one_waiter(void *) {
    wait_lock(&gate.queue);
    enum status status = wait_locked(&gate.queue, WAIT_FOREVER);
    wait_unlock(&gate.queue);
    note("%s %s, ", name(), status_text(status));
}

static void wake_one(void) {
    wait_lock(&gate.queue);
    wake_one_locked(&gate.queue);
    wait_unlock(&gate.queue);
}

static void wake_one_body(void *) {
    gate_init(WAIT_FOREVER);
    start("a", wake_one_waiter, NULL);
    start("b", wake_one_waiter, NULL);
    start("c", wake_one_waiter, NULL);
    thread_yield();
    wake_one();
    wake_one();
    note("| ");
}

static void wake_one_wakes_who_waited_longest(void **) {
    expect(wake_one_body, "a ok, b ok, | ");
}

static void assert_ended_at(const char *how, u64 at_ns) {
    char expected[64];
    (void)snprintf(expected, sizeof expected, "body %s %llu, ", how,
                   (unsigned long long)(at_ns / MS));
    assert_string_equal(trace.text, expected);
}

// The interrupt that opens the gate comes at every place where one can come.
static void race_body(void *argument) {
    gate_init(1000 * MS);
    fake_interrupt_at_nth_chance((u64)(uptr)argument, gate_open);
    gate_wait(NULL);
}

static void a_wake_up_at_any_moment_is_not_lost(void **) {
    u64 while_waiting = 0;
    for (u64 n = 1; n <= 40; n++) {
        trace.len = 0;
        fake_sched_run(race_body, (void *)(uptr)n);
        assert_true(gate.is_done);
        // It was woken at once, unless the interrupt came after all was over, or not at all.
        if (gate.is_open && gate.opened_ns < 1000 * MS) {
            assert_ended_at("ok", gate.opened_ns);
            while_waiting++;
        }
    }
    assert_in_range(while_waiting, 2, 40);
}

// -- Timeouts against wake-ups -------------------------------------------------------------------

static void both_at_once_body(void *) {
    gate_init(5 * MS);
    start("a", wake_one_waiter, NULL); // the first in the queue, without a deadline
    start("b", gate_wait, NULL);
    fake_interrupt_at(5 * MS, gate_open);
}

static void a_wake_up_at_the_deadline_counts_once(void **) {
    expect(both_at_once_body, "a ok, b ok 5, ");
}

// One wake-up for two waiters, one of which times out at that very moment: the other one gets it
// or the first does, but it is not spent on a thread that says it timed out.
static void not_wasted_body(void *) {
    gate_init(5 * MS);
    start("b", gate_wait, NULL);
    start("a", wake_one_waiter, NULL);
    CHECK(thread_sleep_until(5 * MS) == OK);
    wake_one();
}

static void a_timed_out_thread_takes_no_wake_up(void **) {
    expect(not_wasted_body, "b timed out 5, a ok, ");
}

// -- Killing ------------------------------------------------------------------------------------

static void killed_waiter(void *argument) {
    gate_wait(argument);
    // Every later wait fails too.
    gate.is_open = false;
    gate_wait(argument);
    CHECK(thread_sleep_until(arch_clock_ns() + 100 * MS) == ERR_KILLED);
}

static void kill_blocked_body(void *) {
    gate_init(WAIT_FOREVER);
    struct thread *victim = start("v", killed_waiter, NULL);
    CHECK(thread_sleep_until(3 * MS) == OK);
    thread_kill(victim);
    CHECK(thread_is_killed(victim));
    CHECK(thread_sleep_until(6 * MS) == OK);
    wait_lock(&gate.queue);
    CHECK(list_is_empty(&gate.queue.waiters));
    wait_unlock(&gate.queue);
}

static void a_kill_ends_the_wait_and_all_later_ones(void **) {
    expect(kill_blocked_body, "v killed 3, v killed 3, ");
}

static void kill_ready_body(void *) {
    gate_init(WAIT_FOREVER);
    struct thread *victim = start("v", killed_waiter, NULL);
    thread_kill(victim); // it has not run yet
}

static void a_thread_killed_before_it_waits_does_not_wait(void **) {
    expect(kill_ready_body, "v killed 0, v killed 0, ");
}

static void kill_waiter(void) {
    gate.opened_ns = arch_clock_ns();
    thread_kill(gate.waiter);
}

static void kill_race_body(void *argument) {
    gate_init(1000 * MS);
    gate.waiter = thread_current();
    fake_interrupt_at_nth_chance((u64)(uptr)argument, kill_waiter);
    gate_wait(NULL);
    while (!thread_is_killed(gate.waiter)) // until the interrupt has come
        arch_irq_restore(arch_irq_save());
}

static void a_kill_at_any_moment_ends_the_wait(void **) {
    u64 killed = 0;
    for (u64 n = 1; n <= 40; n++) {
        trace.len = 0;
        fake_sched_run(kill_race_body, (void *)(uptr)n);
        assert_true(gate.is_done);
        if (gate.status == ERR_KILLED) {
            assert_ended_at("killed", gate.opened_ns);
            killed++;
        }
    }
    assert_in_range(killed, 2, 40);
}

static void woken_then_killed_body(void *) {
    gate_init(WAIT_FOREVER);
    struct thread *victim = start("v", gate_wait, NULL);
    CHECK(thread_sleep_until(3 * MS) == OK);
    preempt_disable();
    gate_open();
    thread_kill(victim);
    preempt_enable();
}

static void a_wake_up_before_the_kill_is_reported_as_such(void **) {
    expect(woken_then_killed_body, "v ok 3, ");
}

// -- Mutexes ------------------------------------------------------------------------------------

static struct mutex mutex;

static void mutex_user(void *) {
    CHECK(!mutex_is_held(&mutex));
    mutex_lock(&mutex);
    CHECK(mutex_is_held(&mutex));
    note("%s", name());
    CHECK(thread_sleep_until(arch_clock_ns() + 5 * MS) == OK);
    note("%s ", name());
    mutex_unlock(&mutex);
    CHECK(!mutex_is_held(&mutex));
}

static void mutex_body(void *) {
    mutex_init(&mutex);
    start("a", mutex_user, NULL);
    start("b", mutex_user, NULL);
    start("c", mutex_user, NULL);
}

static void a_mutex_is_held_by_one_and_handed_over_in_order(void **) {
    expect(mutex_body, "aa bb cc ");
}

static void mutex_greedy(void *) {
    for (u32 i = 0; i < 3; i++) {
        mutex_lock(&mutex);
        note("%s", name());
        fake_work(25 * MS);
        mutex_unlock(&mutex);
    }
}

static void mutex_greedy_body(void *) {
    mutex_init(&mutex);
    start("a", mutex_greedy, NULL);
    start("b", mutex_greedy, NULL);
}

static void who_unlocks_does_not_overtake_who_waits(void **) {
    expect(mutex_greedy_body, "ababab");
}

static void mutex_victim(void *) {
    mutex_lock(&mutex);
    note("%s%s", name(), thread_is_killed(thread_current()) ? " killed" : "");
    mutex_unlock(&mutex);
}

static void mutex_kill_body(void *) {
    mutex_init(&mutex);
    mutex_lock(&mutex);
    struct thread *victim = start("v", mutex_victim, NULL);
    CHECK(thread_sleep_until(2 * MS) == OK);
    thread_kill(victim);
    CHECK(thread_sleep_until(4 * MS) == OK);
    note("unlock ");
    mutex_unlock(&mutex);
}

static void a_killed_thread_still_gets_its_mutex(void **) {
    expect(mutex_kill_body, "unlock v killed");
}

// -- Making and freeing -------------------------------------------------------------------------

static void nothing(void *) {
}

static void free_body(void *) {
    struct heap_stats before;
    struct heap_stats after;
    CHECK(thread_sleep_until(MS) == OK);
    reclaim();
    heap_stats(&before);
    u64 pages = fake_mapped_pages();
    for (u32 i = 0; i < 20; i++)
        start("nothing", nothing, NULL);
    CHECK(fake_mapped_pages() == pages + 20 * 4);
    CHECK(thread_sleep_until(2 * MS) == OK);
    u64 kept = fake_mapped_pages() - pages; // stacks for those that come next
    CHECK(kept != 0 && kept < 20 * 4 && kept % 4 == 0);
    for (u64 i = 0; i < kept / 4; i++)
        start("nothing", nothing, NULL);
    CHECK(fake_mapped_pages() == pages + kept);
    CHECK(thread_sleep_until(3 * MS) == OK);
    reclaim();
    heap_stats(&after);
    CHECK(after.bytes_used == before.bytes_used);
    CHECK(fake_mapped_pages() == pages);
    note("same");
}

static void a_dead_thread_leaves_nothing(void **) {
    expect(free_body, "same");
}

static void no_memory_body(void *) {
    struct heap_stats before;
    struct heap_stats after;
    heap_stats(&before);
    struct thread_config config = {
        .name = "x", .entry = nothing, .stack_bytes = 5 * PAGE_SIZE, .stack_committed = PAGE_SIZE};
    struct thread *thread = NULL;
    fake_map_fail_nth(1);
    CHECK(thread_create(&config, &thread) == ERR_NO_MEMORY);
    CHECK(thread == NULL);
    struct memory_account account = {.limit = PAGE_SIZE - 1};
    config.account = &account;
    CHECK(thread_create(&config, &thread) == ERR_LIMIT);
    config.account = NULL;
    config.stack_committed = config.stack_bytes; // no guard left
    CHECK(thread_create(&config, &thread) == ERR_LIMIT);
    heap_stats(&after);
    CHECK(after.bytes_used == before.bytes_used);
    note("undone");
}

static void a_thread_that_cannot_be_made_leaves_nothing(void **) {
    expect(no_memory_body, "undone");
}

static void segment_user(void *argument) {
    arch_segment_base_set(&thread_current()->context, (u64)(uptr)argument);
    fake_work(30 * MS);
    note("%s ", name());
}

static void many_body(void *) {
    for (u32 i = 0; i < 100; i++)
        start("s", sleeper, (void *)(uptr)(1 + i * 37 % 100));
    start("m", segment_user, NULL);
}

static void a_hundred_sleepers_wake_in_time(void **) {
    char expected[4096];
    usize len = 0;
    for (u32 i = 1; i <= 100; i++) {
        len += (usize)snprintf(expected + len, sizeof expected - len, "s %u, ", i);
        if (i == 30)
            len += (usize)snprintf(expected + len, sizeof expected - len, "m ");
    }
    expect(many_body, expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleepers_wake_in_the_order_of_their_deadlines),
        cmocka_unit_test(an_idle_machine_is_silent),
        cmocka_unit_test(spinners_share_the_cpu_evenly),
        cmocka_unit_test(each_slice_goes_to_the_next),
        cmocka_unit_test(yielding_gives_the_turn_away),
        cmocka_unit_test(a_printer_is_on_time_among_spinners),
        cmocka_unit_test(threads_that_wake_each_other_starve_nobody),
        cmocka_unit_test(switches_too_quick_for_the_clock_count),
        cmocka_unit_test(cpu_time_is_what_the_thread_itself_used),
        cmocka_unit_test(what_threads_used_is_what_has_passed),
        cmocka_unit_test(who_yields_is_charged_for_its_own_work_alone),
        cmocka_unit_test(switches_leave_the_timer_alone),
        cmocka_unit_test(a_slice_that_could_not_end_ends_later),
        cmocka_unit_test(preemption_waits_until_it_is_on_again),
        cmocka_unit_test(a_wake_up_before_the_wait_is_not_lost),
        cmocka_unit_test(an_interrupt_wakes_all),
        cmocka_unit_test(a_wait_ends_at_its_deadline),
        cmocka_unit_test(a_deadline_in_the_past_does_not_block),
        cmocka_unit_test(wake_one_wakes_who_waited_longest),
        cmocka_unit_test(a_wake_up_at_any_moment_is_not_lost),
        cmocka_unit_test(a_wake_up_at_the_deadline_counts_once),
        cmocka_unit_test(a_timed_out_thread_takes_no_wake_up),
        cmocka_unit_test(a_kill_ends_the_wait_and_all_later_ones),
        cmocka_unit_test(a_thread_killed_before_it_waits_does_not_wait),
        cmocka_unit_test(a_kill_at_any_moment_ends_the_wait),
        cmocka_unit_test(a_wake_up_before_the_kill_is_reported_as_such),
        cmocka_unit_test(a_mutex_is_held_by_one_and_handed_over_in_order),
        cmocka_unit_test(who_unlocks_does_not_overtake_who_waits),
        cmocka_unit_test(a_killed_thread_still_gets_its_mutex),
        cmocka_unit_test(a_dead_thread_leaves_nothing),
        cmocka_unit_test(a_thread_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(a_hundred_sleepers_wake_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
