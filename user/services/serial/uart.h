#pragma once
// A 16550: the usual serial port of a PC, or anything that is like it. Knows nothing of how its
// registers are reached.

#include "base/types.h"

#define UART_REGISTERS  8u
#define UART_SPEED_MAX  115200u
#define UART_FIFO_BYTES 16u

struct uart {
    // The owner's:
    u8 (*read)(struct uart *uart, u32 number);
    void (*write)(struct uart *uart, u32 number, u8 value);

    // Its own:
    u8 interrupts; // as they are enabled
};

// Whether there is one. What it has received stays.
bool uart_is_there(struct uart *uart);

// Bits per second, of which UART_SPEED_MAX is a multiple: 8 data bits, no parity, 1 stop bit. It
// tells when something has been received.
void uart_start(struct uart *uart, u32 speed);

// Whether it asks for something; what, the next two find out. Its interrupt comes again when it
// asks for something after it did not.
bool uart_has_asked(struct uart *uart);

// Takes out received bytes; returns how many: fewer than `len`, and there are no more.
u32 uart_take(struct uart *uart, u8 *to, u32 len);

// Gives it bytes to send; returns how many it took. If not all, it asks for more later.
u32 uart_put(struct uart *uart, const u8 *from, u32 len);

// Nothing more is to be sent.
void uart_is_done(struct uart *uart);

// Whether it may receive: if not, it neither tells of bytes nor, where the other side looks at that
// (RTS), gets any.
void uart_receive(struct uart *uart, bool may);
