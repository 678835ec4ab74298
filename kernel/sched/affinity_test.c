// Tests of where threads go on a machine with several CPUs, of which the first runs, and the others
// are there in the scheduler's books alone: they idle, and what they are told is counted.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define CPUS 4u

static void nothing(void *) {
}

static struct thread *start(u32 affinity) {
    struct thread *thread = fake_thread_make(nothing, NULL, PRIORITY_NORMAL, affinity);
    thread_start(thread);
    return thread;
}

static u32 woken(void) {
    u32 sum = 0;
    for (u32 id = 1; id < CPUS; id++)
        sum += fake_cpu_woken(id);
    return sum;
}

static void run(void (*body)(void *)) {
    fake_machine_start_simple(16 * MIB);
    fake_sched_run(body, NULL);
}

// -- Placement ------------------------------------------------------------------------------------

static void placement_body(void *) {
    static const struct {
        u32 affinity;
        u32 cpu;
    } cases[] = {
        {0, 0},                  // anywhere: here
        {1u << 0 | 1u << 3, 0},  // here, as one may be
        {1u << 2, 2},            //
        {1u << 31 | 1u << 3, 3}, // the machine has no CPU 31
        {1u << 2 | 1u << 1, 1},  // CPU 2 has something to do already
    };
    fake_cpus_bring_up(CPUS);
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        arch_irq_state irq = arch_irq_save(); // the thread is not to run
        u32 before = fake_cpu_woken(cases[i].cpu);
        struct thread *thread = start(cases[i].affinity);
        CHECK(thread->cpu == cpu_at(cases[i].cpu));
        if (cases[i].cpu != 0) {
            CHECK(fake_cpu_woken(cases[i].cpu) == before + 1);
            CHECK((sched_idle() >> cases[i].cpu & 1) == 0);
        }
        arch_irq_restore(irq);
    }
    fake_sched_stop();
}

static void a_thread_begins_where_it_may_run(void **) {
    run(placement_body);
}

// -- Taking ---------------------------------------------------------------------------------------

static void take_body(void *) {
    fake_cpus_bring_up(CPUS);
    arch_irq_state irq = arch_irq_save();
    struct thread *pinned = start(1u << 0);
    struct thread *other = start(1u << 0 | 1u << 2);
    struct runq *runq = &cpu_this()->runq;
    spin_lock(&runq->lock);
    CHECK(runq_take_locked(runq, 1) == NULL);
    CHECK(runq_take_locked(runq, 2) == other); // past the one that may not go
    CHECK(runq_take_locked(runq, 2) == NULL);
    runq_put_taken_locked(runq, other);
    spin_unlock(&runq->lock);
    CHECK(pinned->state == THREAD_READY);
    arch_irq_restore(irq);
    fake_sched_stop();
}

static void a_cpu_takes_only_what_may_run_there(void **) {
    run(take_body);
}

// -- Telling idle CPUs ----------------------------------------------------------------------------

static void told_body(void *) {
    fake_cpus_bring_up(CPUS);
    arch_irq_state irq = arch_irq_save();
    start(1u << 1); // CPU 1 is woken for its own thread, and idles no more
    CHECK(fake_cpu_woken(1) == 1 && (sched_idle() & 1u << 1) == 0);
    start(1u << 0 | 1u << 1); // so nobody counts on it for another one
    CHECK(fake_cpu_woken(1) == 1 && woken() == 1);
    start(0); // CPU 2 and 3 have nothing to do
    CHECK(fake_cpu_woken(1) == 1 && woken() == 2);
    start(0);
    CHECK(fake_cpu_woken(2) == 1 && fake_cpu_woken(3) == 1);
    start(0);
    CHECK(woken() == 3);
    arch_irq_restore(irq);
    fake_sched_stop();
}

static void a_cpu_that_was_woken_is_not_taken_for_idle(void **) {
    run(told_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_begins_where_it_may_run),
        cmocka_unit_test(a_cpu_takes_only_what_may_run_there),
        cmocka_unit_test(a_cpu_that_was_woken_is_not_taken_for_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
