// The 16550's registers. The transmitter is looked at after each FIFO's worth: its interrupt is
// only asked for when it takes a while, so what is sent to a fast one costs no interrupts at all.

#include "user/services/serial/uart.h"

enum uart_register : u8 {
    REG_DATA,
    REG_INTERRUPTS,
    REG_IDENTIFY, // read
    REG_FIFO = REG_IDENTIFY,
    REG_LINE,
    REG_MODEM,
    REG_LINE_STATUS,
    REG_MODEM_STATUS,
    REG_DIVISOR_LOW = REG_DATA, // with LINE_DIVISOR
    REG_DIVISOR_HIGH = REG_INTERRUPTS,
};

#define INTERRUPT_RECEIVED 0x01u
#define INTERRUPT_CAN_SEND 0x02u
#define INTERRUPTS_ALL     0x0fu
#define IDENTIFY_NOTHING   0x01u
#define FIFO_ENABLE        0x01u
#define FIFO_TELL_AT_8     0x80u // or when nothing more comes
#define LINE_8N1           0x03u
#define LINE_DIVISOR       0x80u
#define MODEM_READY        0x01u // DTR
#define MODEM_MAY_SEND     0x02u // RTS: the other side may
#define MODEM_INTERRUPTS   0x08u // OUT2 lets them through
#define MODEM_LOOP         0x10u
#define MODEM_STATUS_LINES 0xf0u
#define LOOPED_LINES       0x90u // of RTS and OUT2
#define STATUS_RECEIVED    0x01u
#define STATUS_CAN_SEND    0x20u
#define NO_DEVICE          0xffu

static void set_interrupts(struct uart *uart, u8 interrupts) {
    if (uart->interrupts == interrupts)
        return;
    uart->interrupts = interrupts;
    uart->write(uart, REG_INTERRUPTS, interrupts);
}

// Registers that nobody drives read as all ones; some other device's do not loop.
bool uart_is_there(struct uart *uart) {
    uart->write(uart, REG_INTERRUPTS, 0);
    u8 none = uart->read(uart, REG_INTERRUPTS);
    uart->write(uart, REG_INTERRUPTS, INTERRUPTS_ALL);
    u8 all = uart->read(uart, REG_INTERRUPTS);
    uart->write(uart, REG_INTERRUPTS, 0);
    uart->interrupts = 0;
    if ((none & INTERRUPTS_ALL) != 0 || (all & INTERRUPTS_ALL) != INTERRUPTS_ALL)
        return false;
    u8 modem = uart->read(uart, REG_MODEM);
    uart->write(uart, REG_MODEM, MODEM_LOOP | MODEM_MAY_SEND | MODEM_INTERRUPTS);
    u8 looped = uart->read(uart, REG_MODEM_STATUS) & MODEM_STATUS_LINES;
    uart->write(uart, REG_MODEM, modem);
    return looped == LOOPED_LINES;
}

void uart_start(struct uart *uart, u32 speed) {
    u32 divisor = UART_SPEED_MAX / speed;
    uart->write(uart, REG_INTERRUPTS, 0);
    uart->interrupts = 0;
    uart->write(uart, REG_LINE, LINE_DIVISOR | LINE_8N1);
    uart->write(uart, REG_DIVISOR_LOW, (u8)divisor);
    uart->write(uart, REG_DIVISOR_HIGH, (u8)(divisor >> 8));
    uart->write(uart, REG_LINE, LINE_8N1);
    uart->write(uart, REG_FIFO, FIFO_ENABLE | FIFO_TELL_AT_8); // nothing is cleared
    uart_receive(uart, true);
}

bool uart_has_asked(struct uart *uart) {
    return (uart->read(uart, REG_IDENTIFY) & IDENTIFY_NOTHING) == 0;
}

static u8 line_status(struct uart *uart) {
    u8 status = uart->read(uart, REG_LINE_STATUS);
    return status == NO_DEVICE ? 0 : status;
}

u32 uart_take(struct uart *uart, u8 *to, u32 len) {
    u32 count = 0;
    while (count < len && (line_status(uart) & STATUS_RECEIVED) != 0)
        to[count++] = uart->read(uart, REG_DATA);
    return count;
}

u32 uart_put(struct uart *uart, const u8 *from, u32 len) {
    u32 count = 0;
    while (count < len && (line_status(uart) & STATUS_CAN_SEND) != 0) {
        for (u32 i = 0; i < UART_FIFO_BYTES && count < len; i++)
            uart->write(uart, REG_DATA, from[count++]);
    }
    if (count < len)
        set_interrupts(uart, uart->interrupts | INTERRUPT_CAN_SEND);
    return count;
}

void uart_is_done(struct uart *uart) {
    set_interrupts(uart, (u8)(uart->interrupts & ~INTERRUPT_CAN_SEND));
}

void uart_receive(struct uart *uart, bool may) {
    u8 modem = MODEM_READY | MODEM_INTERRUPTS | (may ? MODEM_MAY_SEND : 0);
    u8 others = (u8)(uart->interrupts & ~INTERRUPT_RECEIVED);
    uart->write(uart, REG_MODEM, modem);
    set_interrupts(uart, others | (may ? INTERRUPT_RECEIVED : 0));
}
