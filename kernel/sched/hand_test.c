// Tests of how a thread that becomes ready is handed to its CPU while that idles: past the queue,
// once, before all that come later, and so that nobody else counts on that CPU. There are several
// CPUs, of which the first runs, and the others are there in the scheduler's books alone.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define CPUS 3u

static struct thread *order[4]; // in which threads have run
static u32 order_count;

static void run_noted(void *) {
    order[order_count++] = thread_current();
}

static struct thread *make(u32 affinity, enum thread_priority priority) {
    return fake_thread_make(run_noted, NULL, priority, affinity);
}

// Makes a thread ready that ran on that CPU last.
static struct thread *wake_on(u32 cpu, u32 affinity) {
    struct thread *thread = make(affinity, PRIORITY_NORMAL);
    thread->cpu = cpu_at(cpu);
    sched_wake(thread);
    return thread;
}

// All but the first idle. Interrupts are off afterwards.
static void bring_up(void) {
    fake_cpus_bring_up(CPUS);
    arch_irq_save();
}

static bool idles(u32 cpu) {
    return (sched_idle() >> cpu & 1) != 0;
}

static void run(void (*body)(void *)) {
    order_count = 0;
    fake_machine_start_simple(16 * MIB);
    fake_sched_run(body, NULL);
}

static void handed_body(void *) {
    bring_up();
    struct cpu *cpu = cpu_at(1);
    struct thread *first = wake_on(1, ANY_CPU);
    CHECK(cpu->handed == first && cpu->runq.count == 0);
    CHECK(fake_cpu_woken(1) == 1 && !idles(1) && idles(2));
    // It is taken: the next one waits in the queue, and somebody else is told of it.
    struct thread *second = wake_on(1, ANY_CPU);
    CHECK(cpu->handed == first && cpu->runq.count == 1 && second->state == THREAD_READY);
    CHECK(fake_cpu_woken(2) == 1 && !idles(2));
    fake_sched_stop();
}

static void a_thread_is_handed_to_its_idle_cpu_past_the_queue(void **) {
    run(handed_body);
}

static void kept_body(void *) {
    bring_up();
    struct thread *first = wake_on(1, 1u << 1);
    wake_on(1, 1u << 1); // may run nowhere else: nobody else is woken
    CHECK(cpu_at(1)->handed == first && cpu_at(1)->runq.count == 1);
    CHECK(fake_cpu_woken(2) == 0 && idles(2));
    fake_sched_stop();
}

static void nobody_is_woken_for_what_it_may_not_run(void **) {
    run(kept_body);
}

static void counted_on_body(void *) {
    bring_up();
    wake_on(0, 1u << 0 | 1u << 1); // waits here, so CPU 1 is told to look for it
    CHECK(fake_cpu_woken(1) == 1 && !idles(1) && cpu_at(1)->handed == HANDED_OPEN);
    struct thread *own = wake_on(1, 1u << 1); // but is to run this one
    CHECK(cpu_at(1)->handed == own);
    CHECK(fake_cpu_woken(2) == 1 && !idles(2)); // so another one is told to look
    fake_sched_stop();
}

static void who_was_counted_on_is_replaced(void **) {
    run(counted_on_body);
}

static void busy_body(void *) {
    bring_up();
    wake_on(0, 1u << 0);
    CHECK(cpu_at(0)->handed == NULL && cpu_at(0)->runq.count == 1);
    fake_sched_stop();
}

static void a_busy_cpu_is_handed_nothing(void **) {
    run(busy_body);
}

// CPU 1 is told of a thread that waits here, then this one is, as if it had idled: it goes on with
// who runs, so all others look.
static void passed_on_body(void *) {
    bring_up();
    struct thread *waiting = make(ANY_CPU, PRIORITY_BACKGROUND);
    waiting->cpu = cpu_at(0);
    sched_wake(waiting);
    CHECK(fake_cpu_woken(1) == 1 && idles(2));
    cpu_at(0)->reschedule = true;
    cpu_at(0)->is_offered = true;
    sched_preempt();
    CHECK(fake_cpu_woken(2) == 1 && !idles(2));
    CHECK(!cpu_at(0)->is_offered && waiting->state == THREAD_READY);
    sched_idle_begin(cpu_at(2)); // it finds nothing; a switch without an offer tells nobody
    cpu_at(0)->reschedule = true;
    sched_preempt();
    CHECK(fake_cpu_woken(1) == 1 && fake_cpu_woken(2) == 1);
    fake_sched_stop();
}

static void what_a_busy_cpu_was_counted_on_for_is_passed_on(void **) {
    run(passed_on_body);
}

static void nothing_body(void *) {
    bring_up();
    cpu_at(0)->reschedule = true;
    cpu_at(0)->is_offered = true;
    sched_preempt();
    CHECK(fake_cpu_woken(1) == 0 && fake_cpu_woken(2) == 0);
    fake_sched_stop();
}

static void nothing_is_passed_on_where_nobody_waits(void **) {
    run(nothing_body);
}

// -- On the CPU that idles ------------------------------------------------------------------------

static struct thread *woken[3];

static void wake_all_three(void) {
    for (u32 i = 0; i < COUNT_OF(woken); i++)
        sched_wake(woken[i]);
}

static void order_body(void *) {
    woken[0] = make(ANY_CPU, PRIORITY_NORMAL);
    woken[1] = make(ANY_CPU, PRIORITY_NORMAL);
    woken[2] = make(ANY_CPU, PRIORITY_HIGH);
    fake_interrupt_at(arch_clock_ns() + 1000, wake_all_three);
}

static void the_highest_runs_first(void **) {
    run(order_body);
    assert_int_equal(order_count, 3);
    assert_ptr_equal(order[0], woken[2]);
}

static void two_body(void *) {
    woken[0] = make(ANY_CPU, PRIORITY_NORMAL);
    woken[1] = make(ANY_CPU, PRIORITY_NORMAL);
    woken[2] = make(ANY_CPU, PRIORITY_BACKGROUND);
    fake_interrupt_at(arch_clock_ns() + 1000, wake_all_three);
}

static void among_equals_the_first_runs_first(void **) {
    run(two_body);
    assert_int_equal(order_count, 3);
    for (u32 i = 0; i < order_count; i++)
        assert_ptr_equal(order[i], woken[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_is_handed_to_its_idle_cpu_past_the_queue),
        cmocka_unit_test(nobody_is_woken_for_what_it_may_not_run),
        cmocka_unit_test(who_was_counted_on_is_replaced),
        cmocka_unit_test(a_busy_cpu_is_handed_nothing),
        cmocka_unit_test(what_a_busy_cpu_was_counted_on_for_is_passed_on),
        cmocka_unit_test(nothing_is_passed_on_where_nobody_waits),
        cmocka_unit_test(the_highest_runs_first),
        cmocka_unit_test(among_equals_the_first_runs_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
