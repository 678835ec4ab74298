// poll_oneoff: which events come, and that a wait sleeps until one does.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/sched/wall.h"
#include "kernel/wasi/wasi_test.h"

#define AT_SUBSCRIPTIONS 16384u
#define AT_EVENTS        32768u

static void subscribe_clock(u32 index, u32 clock, u64 timeout_ns, u16 flags) {
    struct wasi_subscription s = {.userdata = 100 + index, .tag = WASI_EVENT_CLOCK};
    s.clock.id = clock;
    s.clock.timeout_ns = timeout_ns;
    s.clock.flags = flags;
    fake_poke(AT_SUBSCRIPTIONS + index * sizeof s, &s, sizeof s);
}

static void subscribe_fd(u32 index, u8 tag, u32 fd) {
    struct wasi_subscription s = {.userdata = 100 + index, .tag = tag};
    s.fd = fd;
    fake_poke(AT_SUBSCRIPTIONS + index * sizeof s, &s, sizeof s);
}

static enum wasi_errno poll(u32 count) {
    return CALL(poll_oneoff, AT_SUBSCRIPTIONS, AT_EVENTS, count, AT_OUT);
}

static struct wasi_event event_at(u32 index) {
    struct wasi_event event;
    fake_peek(AT_EVENTS + index * sizeof event, &event, sizeof event);
    return event;
}

static void wake_stream(void) {
    wait_lock(&fake_stream.queue);
    fake_stream.is_ready = true;
    fake_stream.len = 9;
    wake_all_locked(&fake_stream.queue);
    wait_unlock(&fake_stream.queue);
}

static void poll_body(void) {
    u64 before = arch_clock_ns();
    subscribe_clock(0, WASI_CLOCK_MONOTONIC, 50000000, 0);
    subscribe_clock(1, WASI_CLOCK_MONOTONIC, 20000000, 0);
    EXPECT(poll(2), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 1);
    CHECK(event_at(0).userdata == 101 && event_at(0).error == WASI_ESUCCESS);
    CHECK(arch_clock_ns() - before >= 20000000 && arch_clock_ns() - before < 50000000);

    before = arch_clock_ns();
    subscribe_clock(0, WASI_CLOCK_REALTIME, wall_now_ns() + 1000000, WASI_SUBCLOCK_ABSTIME);
    EXPECT(poll(1), WASI_ESUCCESS);
    CHECK(arch_clock_ns() - before >= 1000000);

    // Both a file, which is always ready, and errors of single subscriptions are events.
    u32 fd = open_file("file");
    poke_iovec(0, AT_DATA, 4);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 1, AT_OUT), WASI_ESUCCESS);
    fake_process.handles.slots[fd].rights |= WASI_RIGHT_POLL_FD_READWRITE;
    subscribe_clock(0, WASI_CLOCK_MONOTONIC, 50000000, 0);
    subscribe_fd(1, WASI_EVENT_FD_READ, fd);
    subscribe_fd(2, WASI_EVENT_FD_READ, 44);
    subscribe_fd(3, WASI_EVENT_FD_WRITE, 0);
    subscribe_clock(4, 77, 0, 0);
    EXPECT(poll(5), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 4);
    CHECK(event_at(0).userdata == 101 && event_at(0).available == 6);
    CHECK(event_at(1).userdata == 102 && event_at(1).error == WASI_EBADF);
    CHECK(event_at(2).userdata == 103 && event_at(2).error == WASI_ENOTCAPABLE);
    CHECK(event_at(3).userdata == 104 && event_at(3).error == WASI_EINVAL);

    // A stream that becomes ready while we sleep.
    fake_stream.is_ready = false;
    before = arch_clock_ns();
    fake_interrupt_at(before + 30000000, wake_stream);
    subscribe_fd(0, WASI_EVENT_FD_READ, 0);
    subscribe_clock(1, WASI_CLOCK_MONOTONIC, 90000000, 0);
    EXPECT(poll(2), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 1);
    CHECK(event_at(0).userdata == 100 && event_at(0).available == 9);
    CHECK(arch_clock_ns() - before < 90000000);

    EXPECT(poll(0), WASI_EINVAL);
    EXPECT(CALL(poll_oneoff, AT_SUBSCRIPTIONS, AT_EVENTS, UINT32_MAX, AT_OUT), WASI_EINVAL);
    EXPECT(CALL(poll_oneoff, AT_SUBSCRIPTIONS, AT_EVENTS, 2000, AT_OUT), WASI_EFAULT);
    EXPECT(CALL(poll_oneoff, AT_SUBSCRIPTIONS, AT_EVENTS, 1, BAD), WASI_EFAULT);
    EXPECT(CALL(poll_oneoff, AT_SUBSCRIPTIONS, FAKE_MEMORY_BYTES - 31, 1, AT_OUT), WASI_EFAULT);
    subscribe_fd(0, 3, 0);
    EXPECT(poll(1), WASI_EINVAL);
}

static void polling_waits_for_the_first_event(void **) {
    fake_process_run(poll_body);
}

// A second stream, with a queue of its own.
static struct {
    struct object object;
    struct wait_queue queue;
    bool is_ready;
} other;

static u32 other_poll(struct object *, u64 *available) {
    *available = 1;
    return other.is_ready ? POLL_READABLE : 0;
}

static struct wait_queue *other_queue(struct object *) {
    return &other.queue;
}

static enum status other_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type};
    return OK;
}

static void wake_other(void) {
    wait_lock(&other.queue);
    other.is_ready = true;
    wake_all_locked(&other.queue);
    wait_unlock(&other.queue);
}

static void two_queues_body(void) {
    static const struct object_ops ops = {
        .stat = other_stat, .poll = other_poll, .poll_queue = other_queue};
    object_init(&other.object, &ops, OBJECT_STREAM);
    wait_queue_init(&other.queue);
    other.is_ready = false;
    fake_stream.is_ready = false;
    const struct handle handle = {.object = &other.object,
                                  .rights = wasi_stream_rights(true, false)};
    u32 fd;
    CHECK(handle_insert(&fake_process.handles, &handle, &fd) == OK);

    u64 before = arch_clock_ns();
    fake_interrupt_at(before + 12000000, wake_other);
    subscribe_fd(0, WASI_EVENT_FD_READ, 0);
    subscribe_fd(1, WASI_EVENT_FD_READ, fd);
    EXPECT(poll(2), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 1 && event_at(0).userdata == 101);
    CHECK(arch_clock_ns() - before < 13000000);
    CHECK(list_is_empty(&other.queue.watches) && list_is_empty(&fake_stream.queue.watches));
}

static void polling_sleeps_on_all_queues_at_once(void **) {
    fake_process_run(two_queues_body);
    assert_in_range(fake_timer_rang(), 0, 1); // nobody looked in between; a slice might have ended
}

#define DAY_NS    86400000000000ull
#define JUMP_NS   20000000ull // when the clock is set
#define SECOND_NS 1000000000ull

static i64 jump_by;

static void jump(void) {
    CHECK(wall_set(wall_now_ns() + (u64)jump_by) == OK);
}

static void jumps_body(void) {
    // Forward over the time that is waited for: it has come.
    CHECK(wall_set(1000 * DAY_NS) == OK);
    u64 before = arch_clock_ns();
    jump_by = (i64)DAY_NS;
    fake_interrupt_at(before + JUMP_NS, jump);
    subscribe_clock(0, WASI_CLOCK_REALTIME, 1000 * DAY_NS + SECOND_NS, WASI_SUBCLOCK_ABSTIME);
    EXPECT(poll(1), WASI_ESUCCESS);
    CHECK(arch_clock_ns() - before >= JUMP_NS && arch_clock_ns() - before < SECOND_NS);
    CHECK(wall_now_ns() >= 1001 * DAY_NS);

    // Back: it takes longer by so much; by then it is that time, and no earlier.
    CHECK(wall_set(1000 * DAY_NS) == OK);
    before = arch_clock_ns();
    jump_by = -(i64)(5 * JUMP_NS);
    fake_interrupt_at(before + JUMP_NS, jump);
    subscribe_clock(0, WASI_CLOCK_REALTIME, 1000 * DAY_NS + 2 * JUMP_NS, WASI_SUBCLOCK_ABSTIME);
    EXPECT(poll(1), WASI_ESUCCESS);
    CHECK(wall_now_ns() >= 1000 * DAY_NS + 2 * JUMP_NS);
    CHECK(arch_clock_ns() - before >= 7 * JUMP_NS && arch_clock_ns() - before < SECOND_NS);

    // Forward, but not so far: the rest is waited for.
    CHECK(wall_set(1000 * DAY_NS) == OK);
    before = arch_clock_ns();
    jump_by = (i64)(SECOND_NS - 3 * JUMP_NS);
    fake_interrupt_at(before + JUMP_NS, jump);
    subscribe_clock(0, WASI_CLOCK_REALTIME, 1000 * DAY_NS + SECOND_NS, WASI_SUBCLOCK_ABSTIME);
    EXPECT(poll(1), WASI_ESUCCESS);
    CHECK(wall_now_ns() >= 1000 * DAY_NS + SECOND_NS);
    CHECK(arch_clock_ns() - before >= 3 * JUMP_NS && arch_clock_ns() - before < SECOND_NS);

    // Who waits for so long, or by the other clock, is not concerned.
    for (u32 i = 0; i < 2; i++) {
        before = arch_clock_ns();
        jump_by = (i64)DAY_NS;
        fake_interrupt_at(before + JUMP_NS, jump);
        if (i == 0)
            subscribe_clock(0, WASI_CLOCK_REALTIME, 3 * JUMP_NS, 0);
        else
            subscribe_clock(0, WASI_CLOCK_MONOTONIC, before + 3 * JUMP_NS, WASI_SUBCLOCK_ABSTIME);
        EXPECT(poll(1), WASI_ESUCCESS);
        CHECK(arch_clock_ns() - before >= 3 * JUMP_NS && arch_clock_ns() - before < SECOND_NS);
    }

    // A time that is past, and before the machine was on.
    CHECK(wall_set(0) == OK);
    subscribe_clock(0, WASI_CLOCK_REALTIME, 0, WASI_SUBCLOCK_ABSTIME);
    EXPECT(poll(1), WASI_ESUCCESS);
    // One that never comes is no reason not to wake for another.
    before = arch_clock_ns();
    subscribe_clock(0, WASI_CLOCK_REALTIME, UINT64_MAX, WASI_SUBCLOCK_ABSTIME);
    subscribe_clock(1, WASI_CLOCK_MONOTONIC, JUMP_NS, 0);
    EXPECT(poll(2), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 1 && event_at(0).userdata == 101);
    CHECK(list_is_empty(&wall_queue()->watches));
}

static void a_time_of_day_follows_the_clock(void **) {
    fake_process_run(jumps_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_of_day_follows_the_clock),
        cmocka_unit_test(polling_waits_for_the_first_event),
        cmocka_unit_test(polling_sleeps_on_all_queues_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
