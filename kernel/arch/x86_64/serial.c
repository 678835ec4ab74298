// The first serial line: a 16550 at I/O port 0x3f8, 115200 bits per second, 8N1.
//
// Output waits for room, but not for ever: a port that is not there reads as all ones, and one that
// is stuck must not stop the machine.

#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/traps.h"

#define PORT                 0x3f8
#define REG_DATA             (PORT + 0)
#define REG_INTERRUPT_ENABLE (PORT + 1)
#define REG_FIFO_CONTROL     (PORT + 2)
#define REG_LINE_CONTROL     (PORT + 3)
#define REG_MODEM_CONTROL    (PORT + 4)
#define REG_LINE_STATUS      (PORT + 5)
#define REG_SCRATCH          (PORT + 7)

#define LINE_8N1             0x03
#define LINE_DIVISOR         0x80
#define FIFO_ENABLE          0x01
#define FIFO_CLEAR           0x06 // both directions
#define FIFO_BYTES           16
#define MODEM_DTR_RTS_OUT2   0x0b // OUT2 lets the interrupt through
#define STATUS_RECEIVED      0x01
#define STATUS_CAN_SEND      0x20 // the transmit FIFO is empty
#define STATUS_ALL_SENT      0x40 // and its last byte is on the line
#define INTERRUPT_RECEIVED   0x01
#define WAIT_ROUNDS          100000u // several times what a byte takes
#define LOCK_ROUNDS          10000000u

static struct {
    u32 lock;        // atomic
    bool present;    // fixed after serial_init
    bool is_yielded; // atomic: a program has it. Changed under lock

    // Under lock:
    bool stuck;
    u32 room;    // bytes that the transmit FIFO surely takes
    u32 holders; // programs that have some of the ports
} serial;

// Whatever was done to it before. Received bytes stay, unless `fifo` says otherwise.
static void set_up(u8 fifo) {
    io_write8(REG_INTERRUPT_ENABLE, 0);
    io_write8(REG_LINE_CONTROL, LINE_DIVISOR | LINE_8N1);
    io_write8(REG_DATA, 1); // divisor 1: 115200
    io_write8(REG_INTERRUPT_ENABLE, 0);
    io_write8(REG_LINE_CONTROL, LINE_8N1);
    io_write8(REG_FIFO_CONTROL, fifo);
    io_write8(REG_MODEM_CONTROL, MODEM_DTR_RTS_OUT2);
}

void serial_init(void) {
    io_write8(REG_SCRATCH, 0xa5);
    serial.present = io_read8(REG_SCRATCH) == 0xa5;
    if (serial.present)
        set_up(FIFO_ENABLE | FIFO_CLEAR);
}

bool serial_is_present(void) {
    return serial.present;
}

bool serial_is_yielded(void) {
    return __atomic_load_n(&serial.is_yielded, __ATOMIC_ACQUIRE); // pairs with serial_yield
}

static bool is_ours(void) {
    return serial.present && (!serial_is_yielded() || cpus_are_stopping());
}

// Who holds the lock may be a CPU that was stopped, or what panics here: then a garbled line beats
// a silent one.
static arch_irq_state lock(void) {
    arch_irq_state irq = arch_irq_save();
    for (u32 round = 0; round < LOCK_ROUNDS; round++) {
        if (__atomic_exchange_n(&serial.lock, 1, __ATOMIC_ACQUIRE) == 0)
            break;
        arch_cpu_relax();
    }
    return irq;
}

static void unlock(arch_irq_state irq) {
    __atomic_store_n(&serial.lock, 0, __ATOMIC_RELEASE); // pairs with the exchange
    arch_irq_restore(irq);
}

static bool wait_for_room(void) {
    if (serial.room != 0)
        return true;
    // A line that once got stuck is only looked at, so that output does not crawl.
    for (u32 round = serial.stuck ? WAIT_ROUNDS : 0; round <= WAIT_ROUNDS; round++) {
        if ((io_read8(REG_LINE_STATUS) & STATUS_CAN_SEND) != 0) {
            serial.room = FIFO_BYTES;
            serial.stuck = false;
            return true;
        }
        arch_cpu_relax();
    }
    serial.stuck = true;
    return false;
}

static void put(u8 byte) {
    if (!wait_for_room())
        return;
    serial.room--;
    io_write8(REG_DATA, byte);
}

bool serial_write(const char *text, usize len) {
    if (!serial.present)
        return false;
    arch_irq_state irq = lock();
    bool is_shown = is_ours();
    for (usize i = 0; is_shown && i < len; i++) {
        if (text[i] == '\n')
            put('\r');
        put((u8)text[i]);
    }
    unlock(irq);
    return is_shown;
}

static void wait_until_sent(void) {
    for (u32 round = 0; round <= WAIT_ROUNDS; round++) {
        if ((io_read8(REG_LINE_STATUS) & STATUS_ALL_SENT) != 0)
            return;
        arch_cpu_relax();
    }
}

void serial_drain(void) {
    if (is_ours() && !serial.stuck)
        wait_until_sent();
}

bool serial_read(u8 *out) {
    if (!is_ours() || (io_read8(REG_LINE_STATUS) & STATUS_RECEIVED) == 0)
        return false;
    *out = io_read8(REG_DATA);
    return true;
}

void serial_interrupt_start(void) {
    const struct ioapic_input input = ioapic_isa_input(SERIAL_LINE);
    if (!serial.present || !ioapic_route(&input, VECTOR_SERIAL))
        return;
    // Off first: what came while nobody listened asks once more.
    io_write8(REG_INTERRUPT_ENABLE, 0);
    io_write8(REG_INTERRUPT_ENABLE, INTERRUPT_RECEIVED);
}

// -- For a program --------------------------------------------------------------------------------

static void lend_locked(void) {
    if (serial.present) {
        wait_until_sent(); // who comes next may empty the FIFO
        io_write8(REG_INTERRUPT_ENABLE, 0);
        ioapic_mask(ioapic_isa_input(SERIAL_LINE).gsi, true);
    }
    serial.room = 0; // for a panic
    __atomic_store_n(&serial.is_yielded, true, __ATOMIC_RELEASE);
}

static void take_back_locked(void) {
    if (serial.present) {
        wait_until_sent();
        set_up(FIFO_ENABLE);
    }
    serial.room = 0;
    serial.stuck = false;
    __atomic_store_n(&serial.is_yielded, false, __ATOMIC_RELEASE);
    serial_interrupt_start();
}

void serial_yield(bool to_program) {
    arch_irq_state irq = lock();
    if (to_program && serial.holders++ == 0)
        lend_locked();
    else if (!to_program && --serial.holders == 0)
        take_back_locked();
    unlock(irq);
}
