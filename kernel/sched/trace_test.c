// Tests of the trace's rings: what is in them, in which order, and what is lost. The rings stay for
// good, so all happens on one machine.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/sched/trace.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define EVENTS 8u
#define MS     1000000ull

// What the machine found, one stream for each step.
enum step { NOTHING, FEW, MANY, STOPPED, AGAIN, SWITCHES, STEP_COUNT };
static struct stream {
    struct trace_header header;
    struct trace_cpu cpu;
    struct trace_event events[EVENTS];
    usize len;
} streams[STEP_COUNT];
static usize bytes_before;

static void take(enum step step) {
    struct stream *stream = &streams[step];
    u8 *copy = malloc(trace_bytes_most());
    stream->len = trace_copy(copy);
    memcpy(&stream->header, copy, sizeof stream->header);
    memcpy(&stream->cpu, copy + sizeof stream->header, sizeof stream->cpu);
    CHECK(stream->cpu.count <= EVENTS);
    memcpy(stream->events, copy + sizeof stream->header + sizeof stream->cpu,
           stream->cpu.count * sizeof stream->events[0]);
    free(copy);
}

static void sleep_and_end(void *) {
    CHECK(thread_sleep_until(arch_clock_ns() + MS) == OK);
}

static void start(const char *name) {
    thread_start(fake_thread_create(
        (struct thread_config){.name = name, .entry = sleep_and_end, .priority = PRIORITY_NORMAL}));
}

static void body(void *) {
    trace(TRACE_WAKE, 99, 0, 0); // nobody wants it
    bytes_before = trace_bytes_most();
    CHECK(trace_start(1, EVENTS - 1) == OK); // becomes a power of two
    take(NOTHING);
    for (u32 i = 0; i < 3; i++)
        trace(TRACE_WAKE, i, 10 + i, 20 + i);
    take(FEW);
    for (u32 i = 3; i < 20; i++)
        trace(TRACE_WAKE, i, 0, 0);
    take(MANY);
    trace_stop();
    trace(TRACE_WAKE, 99, 0, 0);
    fake_work(MS);
    take(STOPPED);
    CHECK(trace_start(1, 1024) == OK); // the rings are as long as they were
    trace(TRACE_KILL, 5, 0, 0);
    take(AGAIN);
    CHECK(trace_start(1, EVENTS) == OK);
    start("a name that is longer than there is room");
    CHECK(thread_sleep_until(arch_clock_ns() + 3 * MS) == OK);
    take(SWITCHES);
}

static int run_once(void **) {
    fake_sched_run(body, NULL);
    return 0;
}

static void without_a_trace_nothing_is_kept(void **) {
    assert_int_equal(bytes_before, 0);
    assert_int_equal(streams[NOTHING].cpu.count, 0);
    assert_int_equal(streams[NOTHING].cpu.lost, 0);
    assert_int_equal(streams[NOTHING].len, sizeof(struct trace_header) + sizeof(struct trace_cpu));
}

static void a_stream_says_what_it_is(void **) {
    const struct trace_header *header = &streams[FEW].header;
    assert_int_equal(header->magic, TRACE_MAGIC);
    assert_int_equal(header->header_bytes, sizeof *header);
    assert_int_equal(header->cpu_bytes, sizeof(struct trace_cpu));
    assert_int_equal(header->event_bytes, sizeof(struct trace_event));
    assert_int_equal(header->cpu_count, 1);
    assert_true(header->began_ns != 0 && header->began_ns <= header->ended_ns);
}

static void events_are_in_order_with_all_that_is_known(void **) {
    assert_int_equal(streams[FEW].cpu.count, 3);
    assert_int_equal(streams[FEW].cpu.lost, 0);
    for (u32 i = 0; i < 3; i++) {
        const struct trace_event *event = &streams[FEW].events[i];
        assert_int_equal(event->type, TRACE_WAKE);
        assert_int_equal(event->other, i);
        assert_int_equal(event->words[0], 10 + i);
        assert_int_equal(event->words[1], 20 + i);
        assert_true(event->thread != 0);
        assert_int_equal(event->process, 0);
        assert_string_equal(event->name, "body");
    }
}

static void the_oldest_are_lost_and_counted(void **) {
    // One less than there is room for: that one could be half overwritten.
    assert_int_equal(streams[MANY].cpu.count, EVENTS - 1);
    assert_int_equal(streams[MANY].cpu.lost, 20 - (EVENTS - 1));
    for (u32 i = 0; i < EVENTS - 1; i++)
        assert_int_equal(streams[MANY].events[i].other, 20 - (EVENTS - 1) + i);
}

static void a_stopped_trace_stays_as_it_is(void **) {
    assert_int_equal(streams[STOPPED].cpu.count, EVENTS - 1);
    assert_int_equal(streams[STOPPED].events[EVENTS - 2].other, 19);
    assert_true(streams[STOPPED].header.ended_ns + MS <= streams[AGAIN].header.began_ns);
}

static void a_new_trace_begins_with_nothing(void **) {
    assert_int_equal(streams[AGAIN].cpu.count, 1);
    assert_int_equal(streams[AGAIN].cpu.lost, 0);
    assert_int_equal(streams[AGAIN].events[0].type, TRACE_KILL);
}

static void switches_say_who_and_why(void **) {
    const struct trace_event *events = streams[SWITCHES].events;
    u32 thread = 0;
    bool has_ended = false;
    for (usize i = 0; i < streams[SWITCHES].cpu.count; i++) {
        if (events[i].type != TRACE_SWITCH)
            continue;
        if (events[i].name[0] == 'a') {
            thread = events[i].thread;
            assert_memory_equal(events[i].name, "a name that is longer th", TRACE_NAME_BYTES);
        } else if (thread != 0 && events[i].other == thread) {
            has_ended = events[i].words[0] == TRACE_LEFT_DEAD;
        }
    }
    assert_true(thread != 0 && has_ended);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_trace_nothing_is_kept),
        cmocka_unit_test(a_stream_says_what_it_is),
        cmocka_unit_test(events_are_in_order_with_all_that_is_known),
        cmocka_unit_test(the_oldest_are_lost_and_counted),
        cmocka_unit_test(a_stopped_trace_stays_as_it_is),
        cmocka_unit_test(a_new_trace_begins_with_nothing),
        cmocka_unit_test(switches_say_who_and_why),
    };
    return cmocka_run_group_tests(tests, run_once, NULL);
}
