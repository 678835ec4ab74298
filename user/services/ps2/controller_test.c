// Commands to a keyboard controller and what is behind it: one that works, and ones that say the
// same for ever. Every read of a port takes a millisecond here.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "user/services/ps2/controller.h"

#define DATA       1u
#define COMMAND    2u
#define HAS_BYTE   0x01u
#define IS_MOUSE   0x20u
#define TAKEN      0xfau
#define QUEUE_MAX  16u
#define READS_MOST 1000000u // more is for ever

static struct {
    struct controller controller;
    u64 now_ns;
    u32 reads;
    bool is_stuck; // always the same
    u8 stuck_status[2];
    u8 stuck_data;

    struct {
        u8 byte;
        bool is_mouse;
    } queue[QUEUE_MAX]; // to be read
    u32 count;
    u8 command; // that waits for its byte
    u8 config;
    u8 last_to_mouse;
    bool has_wheel;
    u32 meanwhile; // bytes that came between
} it;

// -- The machine ----------------------------------------------------------------------------------

static void say(u8 byte, bool is_mouse) {
    assert_true(it.count < QUEUE_MAX);
    it.queue[it.count].byte = byte;
    it.queue[it.count++].is_mouse = is_mouse;
}

u16 __wasi_clock_time_get(u32, __wasi_timestamp_t, __wasi_timestamp_t *out) {
    *out = it.now_ns;
    return 0;
}

static u8 next_byte(void) {
    u8 byte = it.queue[0].byte;
    if (it.count == 0)
        return 0;
    it.count--;
    memmove(it.queue, it.queue + 1, it.count * sizeof it.queue[0]);
    return byte;
}

u32 kwast_port_in(kwast_handle ports, u32, u32, u32 *out) {
    it.now_ns += 1000000;
    assert_true(++it.reads < READS_MOST);
    if (it.is_stuck)
        *out = ports == COMMAND ? it.stuck_status[it.reads / 2 % 2] : it.stuck_data;
    else if (ports == DATA)
        *out = next_byte();
    else
        *out = it.count == 0 ? 0 : HAS_BYTE | (it.queue[0].is_mouse ? IS_MOUSE : 0);
    return 0;
}

static void tell_mouse(u8 byte) {
    say(TAKEN, true);
    if (byte == 0xf2)
        say(it.has_wheel && it.last_to_mouse == 80 ? 3 : 0, true);
    it.last_to_mouse = byte;
}

u32 kwast_port_out(kwast_handle ports, u32, u32, u32 value) {
    u8 command = it.command;
    it.command = 0;
    if (it.is_stuck)
        return 0;
    if (ports == COMMAND && value == 0x20)
        say(it.config, false);
    else if (ports == COMMAND)
        it.command = (u8)value;
    else if (command == 0x60)
        it.config = (u8)value;
    else if (command == 0xd4)
        tell_mouse((u8)value);
    else
        say(TAKEN, false);
    return 0;
}

static void take(void *, u8, bool) {
    it.meanwhile++;
}

static int setup(void **) {
    memset(&it, 0, sizeof it);
    it.controller = (struct controller){.data = DATA, .command = COMMAND, .take = take};
    return 0;
}

// -- Tests ----------------------------------------------------------------------------------------

static void test_starts(void **) {
    it.has_wheel = true;
    assert_true(controller_start(&it.controller));
    assert_true(it.controller.has_mouse && it.controller.has_wheel && it.controller.translates);
    assert_int_equal(it.config & 3, 3); // interrupts
    assert_int_equal(it.count, 0);
}

static void test_has_no_wheel(void **) {
    assert_true(controller_start(&it.controller));
    assert_true(it.controller.has_mouse && !it.controller.has_wheel);
}

static void test_keeps_what_comes_meanwhile(void **) {
    assert_true(controller_start(&it.controller));
    say(0x1e, false);
    say(0x08, true);
    controller_set_leds(&it.controller, 1);
    assert_int_equal(it.meanwhile, 2);
}

static void test_no_controller(void **) {
    it.is_stuck = true;
    memset(it.stuck_status, 0xff, sizeof it.stuck_status);
    assert_false(controller_start(&it.controller));
}

// Bytes of either device, or of both in turn, that are never the answer.
static void test_ends_although_bytes_do_not(void **) {
    static const u8 all[][2] = {
        {0, 0},
        {HAS_BYTE, HAS_BYTE},
        {HAS_BYTE | IS_MOUSE, HAS_BYTE | IS_MOUSE},
        {HAS_BYTE, HAS_BYTE | IS_MOUSE},
    };
    for (u32 i = 0; i < COUNT_OF(all); i++) {
        setup(NULL);
        it.is_stuck = true;
        memcpy(it.stuck_status, all[i], sizeof all[i]);
        it.stuck_data = 0x1e;
        assert_false(controller_start(&it.controller));
        controller_set_leds(&it.controller, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_starts, setup),
        cmocka_unit_test_setup(test_has_no_wheel, setup),
        cmocka_unit_test_setup(test_keeps_what_comes_meanwhile, setup),
        cmocka_unit_test_setup(test_no_controller, setup),
        cmocka_unit_test_setup(test_ends_although_bytes_do_not, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
