// The 16550's driver, on a 16550 that exists in memory alone.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/math.h"
#include "user/services/serial/uart.h"

#define FIFO_CONTROL_CLEAR 0x06

// What the machine has at the ports.
enum kind { KIND_16550, KIND_NOTHING, KIND_OTHER, KIND_STUCK };

static struct fake {
    struct uart uart;
    enum kind kind;
    u8 registers[UART_REGISTERS];
    u8 divisor[2];
    u8 received[64];
    u32 received_len;
    u32 received_at;
    u8 sent[256];
    u32 sent_len;
    u32 room;      // of the transmitter's FIFO
    bool is_quick; // the FIFO empties at once
    u32 clears;    // of a FIFO
    u32 writes[UART_REGISTERS];
} fake;

static u8 fake_read(struct uart *, u32 number) {
    bool has_more = fake.received_at < fake.received_len;
    if (fake.kind == KIND_NOTHING)
        return 0xff;
    if (fake.kind == KIND_OTHER)
        return fake.registers[number];
    if (fake.kind == KIND_STUCK) // at what the second half of the test expects
        return number == 6 ? 0x90 : 0;
    switch (number) {
    case 0:
        return has_more ? fake.received[fake.received_at++] : 0;
    case 2:
        return (has_more && (fake.registers[1] & 1) != 0) ||
                       (fake.room == UART_FIFO_BYTES && (fake.registers[1] & 2) != 0)
                   ? 0xc4
                   : 0xc1;
    case 5:
        return (u8)(has_more |
                    (fake.room == UART_FIFO_BYTES ? 0x20
                                                  : 0)); // though the last byte is still on its way
    case 6:
        return (fake.registers[4] & 0x10) != 0
                   ? (u8)(fake.registers[4] << 4 & 0x80) | (fake.registers[4] << 3 & 0x10)
                   : 0xb0;
    default:
        return fake.registers[number];
    }
}

static void fake_write(struct uart *, u32 number, u8 value) {
    fake.writes[number]++;
    if (number <= 1 && (fake.registers[3] & 0x80) != 0) {
        fake.divisor[number] = value;
        return;
    }
    if (number == 0) {
        assert_true(fake.room != 0); // it would be lost
        assert_true(fake.sent_len < sizeof fake.sent);
        fake.sent[fake.sent_len++] = value;
        fake.room -= 1;
        if (fake.room == 0 && fake.is_quick)
            fake.room = UART_FIFO_BYTES;
        return;
    }
    fake.clears += number == 2 && (value & FIFO_CONTROL_CLEAR) != 0;
    fake.registers[number] = value;
}

static int setup(void **) {
    fake = (struct fake){.uart = {.read = fake_read, .write = fake_write},
                         .room = UART_FIFO_BYTES,
                         .is_quick = true};
    return 0;
}

static void receive(const char *text) {
    fake.received_len = (u32)strlen(text);
    fake.received_at = 0;
    memcpy(fake.received, text, fake.received_len);
}

static void what_is_none_is_told_from_one(void **) {
    static const struct {
        enum kind kind;
        bool is_there;
    } cases[] = {
        {KIND_16550, true}, {KIND_NOTHING, false}, {KIND_OTHER, false}, {KIND_STUCK, false}};
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        setup(NULL);
        fake.kind = cases[i].kind;
        fake.registers[1] = 0x05; // somebody has used it
        fake.registers[4] = 0x0b;
        receive("kept");
        assert_int_equal(uart_is_there(&fake.uart), cases[i].is_there);
        assert_int_equal(fake.registers[1], 0);    // it asks for nothing
        assert_int_equal(fake.registers[4], 0x0b); // and is connected as before
        assert_int_equal(fake.received_at, 0);
        assert_int_equal(fake.sent_len, 0);
    }
}

static void the_speed_is_set_and_nothing_is_lost(void **) {
    static const struct {
        u32 speed;
        u32 divisor;
    } cases[] = {{115200, 1}, {57600, 2}, {9600, 12}, {300, 384}};
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u8 bytes[8];
        setup(NULL);
        receive("early");
        uart_start(&fake.uart, cases[i].speed);
        assert_int_equal(fake.divisor[1] << 8 | fake.divisor[0], cases[i].divisor);
        assert_int_equal(fake.registers[3], 0x03); // 8N1, and the divisor is out of the way
        assert_int_equal(fake.registers[4] & 0x0b, 0x0b);
        assert_int_equal(fake.registers[2], 0x81); // it has a FIFO
        assert_int_equal(fake.clears, 0);
        assert_true(uart_has_asked(&fake.uart));
        memset(bytes, '-', sizeof bytes);
        assert_int_equal(uart_take(&fake.uart, bytes, 2), 2);
        assert_memory_equal(bytes, "ea------", sizeof bytes);
        assert_true(uart_has_asked(&fake.uart));
        assert_int_equal(uart_take(&fake.uart, bytes + 2, sizeof bytes - 2), 3);
        assert_memory_equal(bytes, "early---", sizeof bytes);
        assert_false(uart_has_asked(&fake.uart));
    }
}

static void a_quick_line_needs_no_interrupts(void **) {
    u8 text[100];
    memset(text, 'x', sizeof text);
    uart_start(&fake.uart, UART_SPEED_MAX);
    assert_int_equal(uart_put(&fake.uart, text, sizeof text), sizeof text);
    assert_int_equal(fake.sent_len, sizeof text);
    assert_int_equal(fake.registers[1] & 2, 0);
    u32 writes = fake.writes[1]; // each takes a call of the kernel
    uart_is_done(&fake.uart);
    uart_receive(&fake.uart, true);
    assert_int_equal(fake.writes[1], writes);
}

static void a_slow_line_asks_for_more(void **) {
    u8 text[40];
    memset(text, 'y', sizeof text);
    fake.is_quick = false;
    uart_start(&fake.uart, UART_SPEED_MAX);
    u32 done = 0;
    static const u32 expected[] = {16, 16, 8};
    for (u32 i = 0; i < COUNT_OF(expected); i++) {
        u32 put = uart_put(&fake.uart, text + done, sizeof text - done);
        assert_int_equal(put, expected[i]);
        done += put;
        assert_int_equal(fake.registers[1], 3);
        assert_false(uart_has_asked(&fake.uart));
        fake.room = UART_FIFO_BYTES;
        assert_true(uart_has_asked(&fake.uart));
    }
    // Receiving is another matter.
    uart_receive(&fake.uart, false);
    assert_int_equal(fake.registers[1], 2);
    uart_receive(&fake.uart, true);
    assert_int_equal(fake.registers[1], 3);
    uart_is_done(&fake.uart);
    assert_int_equal(fake.registers[1], 1);
    assert_false(uart_has_asked(&fake.uart));
}

static void what_may_not_come_is_not_told(void **) {
    u8 byte;
    uart_start(&fake.uart, UART_SPEED_MAX);
    uart_receive(&fake.uart, false);
    receive("x");
    assert_false(uart_has_asked(&fake.uart));
    assert_int_equal(fake.registers[4] & 0x02, 0); // RTS
    uart_receive(&fake.uart, true);
    assert_true(uart_has_asked(&fake.uart));
    assert_int_equal(fake.registers[4] & 0x02, 0x02);
    assert_int_equal(uart_take(&fake.uart, &byte, 1), 1);
}

// A port that has gone reads as all ones: it neither has something nor takes something.
static void nothing_comes_from_what_has_gone(void **) {
    u8 bytes[16];
    uart_start(&fake.uart, UART_SPEED_MAX);
    fake.kind = KIND_NOTHING;
    assert_false(uart_has_asked(&fake.uart));
    assert_int_equal(uart_take(&fake.uart, bytes, sizeof bytes), 0);
    assert_int_equal(uart_put(&fake.uart, bytes, sizeof bytes), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_none_is_told_from_one, setup),
        cmocka_unit_test_setup(the_speed_is_set_and_nothing_is_lost, setup),
        cmocka_unit_test_setup(a_quick_line_needs_no_interrupts, setup),
        cmocka_unit_test_setup(a_slow_line_asks_for_more, setup),
        cmocka_unit_test_setup(what_may_not_come_is_not_told, setup),
        cmocka_unit_test_setup(nothing_comes_from_what_has_gone, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
