// Tests of shares on several CPUs: who gets how much of all of them together. What everybody is
// entitled to is worked out here: the CPUs in proportion to the shares, but no process has more of
// them than threads, and what it cannot have goes to the others in proportion again.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/sched/sched_internal.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define MS            1000000ull
#define PROCESSES_MAX 12u
#define THREADS_MAX   8u
#define ONE           100000u // a CPU

static void spin(void *) {
    for (;;)
        fake_work(100 * MS);
}

struct process_like {
    u32 share;
    u32 threads;
};

struct mix {
    const char *name;
    u32 cpus;
    u64 ms;
    struct process_like processes[PROCESSES_MAX]; // up to the first without threads
};

// Of the next run; special ones
static void (*first_entry)(void *); // of the first process; NULL: spin
static u32 kept_count;              // the first ones may run on CPU 0 only

static struct cpu_share shares[PROCESSES_MAX];
static struct thread *threads[PROCESSES_MAX][THREADS_MAX];
static u64 used_ns[PROCESSES_MAX];

static u32 count_of(const struct mix *mix) {
    u32 count = 0;
    while (count < PROCESSES_MAX && mix->processes[count].threads != 0)
        count++;
    return count;
}

static struct thread *start(u32 which) {
    struct thread *thread = fake_thread_create((struct thread_config){
        .entry = which == 0 && first_entry != NULL ? first_entry : spin,
        .share = &shares[which],
        .priority = PRIORITY_NORMAL,
        .affinity = which < kept_count ? 1 : 0,
    });
    thread_start(thread);
    return thread;
}

static void start_all(const struct mix *mix) {
    for (u32 i = 0; i < count_of(mix); i++) {
        cpu_share_init(&shares[i], mix->processes[i].share);
        for (u32 k = 0; k < mix->processes[i].threads; k++)
            threads[i][k] = start(i);
    }
}

static void look(const struct mix *mix) {
    for (u32 i = 0; i < count_of(mix); i++) {
        used_ns[i] = 0;
        for (u32 k = 0; k < mix->processes[i].threads; k++)
            used_ns[i] += thread_charged_ns(threads[i][k]);
    }
}

static void sleep_ms(u64 ms) {
    CHECK(thread_sleep_until(arch_clock_ns() + ms * MS) == OK);
}

static void mix_body(void *argument) {
    const struct mix *mix = argument;
    start_all(mix);
    sleep_ms(mix->ms);
    look(mix);
    sched_check();
    fake_sched_stop();
}

// What everybody is entitled to, of each CPU's ONE.
static void entitle(const struct mix *mix, u64 *entitled) {
    u32 count = count_of(mix);
    bool is_capped[PROCESSES_MAX] = {false};
    for (bool is_new = true; is_new;) {
        u64 left = (u64)mix->cpus * ONE;
        u64 sum = 0;
        for (u32 i = 0; i < count; i++) {
            if (is_capped[i])
                left -= entitled[i];
            else
                sum += mix->processes[i].share;
        }
        is_new = false;
        for (u32 i = 0; i < count; i++) {
            if (is_capped[i])
                continue;
            entitled[i] = left * mix->processes[i].share / sum;
            u64 most = (u64)mix->processes[i].threads * ONE;
            if (entitled[i] > most) {
                entitled[i] = most;
                is_capped[i] = is_new = true;
            }
        }
    }
}

// Everybody got what it is entitled to, within that many percent.
static void check_mix(const struct mix *mix, u32 percent) {
    u64 entitled[PROCESSES_MAX];
    entitle(mix, entitled);
    fake_sched_run_on(mix->cpus, mix_body, (void *)(uptr)mix);
    for (u32 i = 0; i < count_of(mix); i++) {
        u64 got = used_ns[i] / (mix->ms * MS / ONE);
        if (got < entitled[i] * (100 - percent) / 100 || got > entitled[i] * (100 + percent) / 100)
            fail_msg("%s: process %u got %llu of %llu", mix->name, i, (unsigned long long)got,
                     (unsigned long long)entitled[i]);
    }
}

static void run_special(const struct mix *mix, void (*body)(void *), void (*entry)(void *)) {
    first_entry = entry;
    fake_sched_run_on(mix->cpus, body, (void *)(uptr)mix);
    first_entry = NULL;
}

static const struct mix singles[] = {
    {"three on two", 2, 20000, {{100, 1}, {100, 1}, {100, 1}}},
    {"five on four", 4, 20000, {{100, 1}, {100, 1}, {100, 1}, {100, 1}, {100, 1}}},
    {"one worth a CPU", 2, 20000, {{300, 1}, {100, 1}, {100, 1}, {100, 1}}},
    {"one worth more", 2, 20000, {{1000, 1}, {10, 1}, {10, 1}, {10, 1}}},
    {"pairs", 2, 20000, {{300, 1}, {300, 1}, {100, 1}, {100, 1}}},
    {"large and small", 2, 40000, {{1000, 1}, {1000, 1}, {10, 1}, {10, 1}, {10, 1}}},
    {"many", 4, 40000, {{100, 1}, {150, 1}, {50, 1}, {75, 1}, {110, 1}, {20, 1}, {90, 1}, {60, 1}}},
    {"more CPUs than threads", 4, 20000, {{100, 1}, {1000, 1}}},
};

static void shares_hold_for_all_cpus_together(void **) {
    for (u32 i = 0; i < COUNT_OF(singles); i++)
        check_mix(&singles[i], 1);
}

static void threads_have_the_share_of_their_process_together(void **) {
    static const struct mix mixes[] = {
        {"four and one", 2, 20000, {{100, 4}, {100, 1}}},
        {"four, one, one", 2, 20000, {{100, 4}, {100, 1}, {100, 1}}},
        {"as many as CPUs", 4, 20000, {{100, 4}, {200, 4}}},
        {"eight, two, and two alone", 4, 20000, {{100, 8}, {50, 2}, {200, 1}, {200, 1}}},
        {"one process", 2, 5000, {{100, 3}}},
    };
    for (u32 i = 0; i < COUNT_OF(mixes); i++)
        check_mix(&mixes[i], 3);
}

static void shares_hold_for_any_mix(void **) {
    u64 seed = 1;
    for (u32 i = 0; i < 16; i++) {
        char name[16];
        snprintf(name, sizeof name, "mix %u", i);
        struct mix mix = {name, 2 + (u32)(fake_random(&seed) % 7), 20000, {}};
        u64 count = 2 + fake_random(&seed) % 10;
        for (u64 k = 0; k < count; k++) {
            u64 most = fake_random(&seed) % 3 == 0 ? 400 : 100;
            mix.processes[k].share = 20 + (u32)(fake_random(&seed) % most);
            mix.processes[k].threads =
                fake_random(&seed) % 3 == 0 ? 1 + (u32)(fake_random(&seed) % 7) : 1;
        }
        check_mix(&mix, 5);
    }
}

// -- When -----------------------------------------------------------------------------------------

static u64 furthest_turns; // in 1/100, that anybody was from what it is entitled to

static void when_body(void *argument) {
    const struct mix *mix = argument;
    u64 entitled[PROCESSES_MAX];
    entitle(mix, entitled);
    start_all(mix);
    u64 start_ns = arch_clock_ns();
    while (arch_clock_ns() < start_ns + 5000 * MS) {
        sleep_ms(50);
        look(mix);
        u64 passed_ns = arch_clock_ns() - start_ns;
        for (u32 i = 0; i < count_of(mix); i++) {
            u64 due_ns = passed_ns / ONE * entitled[i];
            u64 off_ns = used_ns[i] > due_ns ? used_ns[i] - due_ns : due_ns - used_ns[i];
            off_ns -= min_u64(off_ns, passed_ns / 200); // looking at the ticks takes some here
            furthest_turns = max_u64(furthest_turns, off_ns * 100 / shares[i].turn_ticks);
        }
    }
    fake_sched_stop();
}

static void nobody_is_ever_far_from_its_share(void **) {
    static const struct mix mixes[] = {
        {"three on two", 2, 0, {{100, 1}, {100, 1}, {100, 1}}},
        {"five on four", 4, 0, {{100, 1}, {100, 1}, {100, 1}, {100, 1}, {100, 1}}},
        {"one worth a CPU", 2, 0, {{300, 1}, {100, 1}, {100, 1}, {100, 1}}},
        {"pairs", 2, 0, {{300, 1}, {300, 1}, {100, 1}, {100, 1}}},
        {"many", 4, 0, {{100, 1}, {150, 1}, {50, 1}, {75, 1}, {110, 1}, {90, 1}, {60, 1}}},
    };
    for (u32 i = 0; i < COUNT_OF(mixes); i++) {
        furthest_turns = 0;
        fake_sched_run_on(mixes[i].cpus, when_body, (void *)(uptr)&mixes[i]);
        assert_in_range(furthest_turns, 0, 200);
    }
}

// -- Who would have more --------------------------------------------------------------------------

static void sleep_and_spin(void *) {
    sleep_ms(5000);
    spin(NULL);
}

static void late_body(void *argument) {
    const struct mix *mix = argument;
    start_all(mix);
    sleep_ms(5500);
    look(mix);
    fake_sched_stop();
}

static void who_has_slept_has_saved_nothing(void **) {
    static const struct mix mix = {"late", 2, 0, {{100, 1}, {100, 1}, {100, 1}, {100, 1}}};
    run_special(&mix, late_body, sleep_and_spin);
    assert_in_range(used_ns[0], 230 * MS, 290 * MS); // half of a CPU for half a second
}

// Gives its turn back just before its end.
static void yield_late(void *) {
    for (;;) {
        fake_work(99 * MS / 10);
        thread_yield();
    }
}

static void yielding_in_time_does_not_get_more(void **) {
    static const struct mix mix = {"yields", 2, 10000, {{100, 1}, {100, 1}, {100, 1}, {100, 1}}};
    first_entry = yield_late;
    check_mix(&mix, 5);
    first_entry = NULL;
}

static u32 relay_ms;

// Another one goes on when this one ends.
static void relay(void *) {
    fake_work(relay_ms * MS);
    used_ns[0] += relay_ms * MS;
    start(0);
    thread_exit();
}

static void relay_body(void *argument) {
    const struct mix *mix = argument;
    start_all(mix);
    used_ns[0] = 0;
    sleep_ms(10000);
    fake_sched_stop();
}

static void new_threads_do_not_get_more(void **) {
    static const struct mix mix = {"relay", 2, 0, {{100, 1}, {100, 1}, {100, 1}, {100, 1}}};
    static const u32 each_ms[] = {5, 9, 15, 30};
    for (u32 i = 0; i < COUNT_OF(each_ms); i++) {
        relay_ms = each_ms[i];
        run_special(&mix, relay_body, relay);
        assert_in_range(used_ns[0], 0, 5500 * MS);
    }
}

// -- Nobody starves -------------------------------------------------------------------------------

static u64 ahead_ns; // what it had then

static void ahead_body(void *argument) {
    const struct mix *mix = argument;
    cpu_share_init(&shares[0], 1);
    cpu_share_init(&shares[1], 1000);
    threads[0][0] = start(0);
    sleep_ms(10000); // 100,000 turns
    ahead_ns = thread_charged_ns(threads[0][0]);
    for (u32 i = 0; i < mix->processes[1].threads; i++)
        threads[1][i] = start(1);
    sleep_ms(10000);
    look(mix);
    fake_sched_stop();
}

// One with a small share had a CPU for itself, and is that far ahead when others come.
static void who_is_far_ahead_goes_on(void **) {
    static const struct mix mix = {"ahead", 2, 0, {{1, 1}, {1000, 4}}};
    fake_sched_run_on(2, ahead_body, (void *)(uptr)&mix);
    assert_in_range(used_ns[0] - ahead_ns, 15 * MS, 30 * MS); // entitled to 20
}

// -- Where threads may run ------------------------------------------------------------------------

static void who_is_kept_on_a_cpu_is_given_way(void **) {
    static const struct mix mix = {"kept", 2, 10000, {{100, 1}, {100, 1}, {100, 1}, {100, 1}}};
    check_mix(&mix, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_hold_for_all_cpus_together),
        cmocka_unit_test(threads_have_the_share_of_their_process_together),
        cmocka_unit_test(shares_hold_for_any_mix),
        cmocka_unit_test(nobody_is_ever_far_from_its_share),
        cmocka_unit_test(who_has_slept_has_saved_nothing),
        cmocka_unit_test(yielding_in_time_does_not_get_more),
        cmocka_unit_test(new_threads_do_not_get_more),
        cmocka_unit_test(who_is_far_ahead_goes_on),
        cmocka_unit_test(who_is_kept_on_a_cpu_is_given_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
