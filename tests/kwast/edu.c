// Drives QEMU's device for education, which can do a little of what devices do: it computes
// factorials, moves memory, and asks for interrupts, by messages or by its line.
//
//   edu DEVICES [INPUT]
//
// with the channel DEVICES of the PCI service; INPUT is an interrupt that its line comes to as
// well. Prints what is wrong, and "all right" at the end.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/pci.h"
#include "base/status.h"
#include "user/sdk/kwast.h"

#define PAGE         KWAST_PAGE_BYTES
#define IDENTITY     0x010000edu
#define DEVICE_BYTES 0x40000u // where its own memory is
#define MOVED_BYTES  2048u    // not all of its memory: QEMU takes that for too much
#define ROUNDS       5u

enum edu_register {
    REG_IDENTITY = 0x00,
    REG_NOT = 0x04,
    REG_FACTORIAL = 0x08,
    REG_STATUS = 0x20,
    REG_CAUSE = 0x24,
    REG_RAISE = 0x60,
    REG_LOWER = 0x64,
    REG_FROM = 0x80,
    REG_TO = 0x88,
    REG_COUNT = 0x90,
    REG_COMMAND = 0x98,
};

#define STATUS_TELL    0x80u
#define CAUSE_RESULT   0x01u
#define CAUSE_MOVED    0x100u
#define COMMAND_START  0x01u
#define COMMAND_TO_RAM 0x02u
#define COMMAND_TELL   0x04u

static _Alignas(PAGE) u8 registers[PAGE];
static _Alignas(PAGE) u8 memory[2 * PAGE];
static bool is_wrong;

static void expect(bool is_right, u32 line, const char *what) {
    if (is_right)
        return;
    is_wrong = true;
    printf("wrong: line %u: %s\n", line, what);
}
#define EXPECT(what) expect((what), __LINE__, #what)

static volatile u32 *at(enum edu_register number) {
    return (volatile u32 *)(void *)(registers + number);
}

static u32 ask(kwast_handle channel, struct kwast_call *call) {
    u32 error = kwast_scheme_call(channel, call, -1);
    return error != 0 ? UINT32_MAX : call->answer;
}

// The one before it may still be being reset.
static kwast_handle claim(kwast_handle devices) {
    for (;;) {
        struct kwast_call call = {.operation = PCI_CLAIM};
        u32 answer = ask(devices, &call);
        if (answer == OK)
            return call.handle;
        if (answer != ERR_BUSY) {
            printf("wrong: claim: %u\n", answer);
            exit(1);
        }
        usleep(10000);
    }
}

static void open_registers(kwast_handle function) {
    struct kwast_call range = {.operation = PCI_RANGE};
    struct kwast_call start = {.operation = PCI_START};
    EXPECT(ask(function, &range) == OK && range.words[1] == 1u << 20);
    EXPECT(kwast_memory_map(range.handle, 0, registers, PAGE, KWAST_READ | KWAST_WRITE) == 0);
    close((int)range.handle);
    EXPECT(ask(function, &start) == OK);
}

static kwast_handle open_interrupt(kwast_handle function, bool is_line) {
    struct kwast_call call = {.operation = PCI_INTERRUPT, .words = {0, is_line ? PCI_LINE : 0}};
    struct kwast_call again = call;
    EXPECT(ask(function, &call) == OK && call.words[0] == (is_line ? 0 : 1));
    EXPECT(ask(function, &again) == ERR_BUSY);
    return call.handle;
}

static void lower(u32 cause) {
    EXPECT(*at(REG_CAUSE) == cause);
    *at(REG_LOWER) = cause;
    EXPECT(*at(REG_CAUSE) == 0);
}

static void wait(kwast_handle interrupt) {
    u64 count = 0;
    EXPECT(kwast_interrupt_take(interrupt, -1, &count) == 0 && count >= 1);
}

static void interrupts_come(kwast_handle interrupt, bool is_line) {
    u64 count;
    EXPECT(kwast_interrupt_take(interrupt, 0, &count) == __WASI_ERRNO_TIMEDOUT);
    for (u32 i = 1; i <= ROUNDS; i++) {
        *at(REG_RAISE) = i;
        wait(interrupt);
        if (is_line) // who does not quiet the device hears of it again
            wait(interrupt);
        lower(i);
        EXPECT(kwast_interrupt_take(interrupt, 0, &count) == __WASI_ERRNO_TIMEDOUT);
    }
    *at(REG_STATUS) = STATUS_TELL;
    *at(REG_FACTORIAL) = 10;
    wait(interrupt);
    EXPECT(*at(REG_FACTORIAL) == 3628800);
    lower(CAUSE_RESULT);
    *at(REG_STATUS) = 0;
}

static void come_to_input(kwast_handle input) {
    u64 count = 0;
    while (kwast_interrupt_take(input, 0, &count) == 0)
        ; // those that were meant for the line
    EXPECT(count != 0);
    interrupts_come(input, true);
}

static void move(kwast_handle interrupt, u64 from, u64 to, u32 command) {
    *at(REG_FROM) = (u32)from;
    *at(REG_TO) = (u32)to;
    *at(REG_COUNT) = MOVED_BYTES;
    *at(REG_COMMAND) = command | COMMAND_START | COMMAND_TELL;
    wait(interrupt);
    lower(CAUSE_MOVED);
}

// To the device and back, to the page behind it.
static void memory_is_moved(kwast_handle function, kwast_handle interrupt) {
    struct kwast_call dma = {.operation = PCI_DMA, .words = {sizeof memory}};
    EXPECT(ask(function, &dma) == OK);
    u64 address = dma.words[0];
    EXPECT(kwast_memory_map(dma.handle, 0, memory, sizeof memory, KWAST_READ | KWAST_WRITE) == 0);
    close((int)dma.handle);
    for (u32 i = 0; i < MOVED_BYTES; i++)
        memory[i] = (u8)(i * 7 + 1);
    move(interrupt, address, DEVICE_BYTES, 0);
    move(interrupt, DEVICE_BYTES, address + PAGE, COMMAND_TO_RAM);
    EXPECT(memcmp(memory, memory + PAGE, MOVED_BYTES) == 0);
    EXPECT(kwast_memory_unmap(memory) == 0);
}

int main(int argc, char **argv) {
    kwast_handle devices = argc > 1 ? (kwast_handle)atoi(argv[1]) : 0;
    for (u32 is_line = 0; is_line < 2; is_line++) {
        kwast_handle function = claim(devices);
        open_registers(function);
        EXPECT(*at(REG_IDENTITY) == IDENTITY);
        *at(REG_NOT) = 0x12345678;
        EXPECT(*at(REG_NOT) == ~0x12345678u);
        kwast_handle interrupt = open_interrupt(function, is_line != 0);
        interrupts_come(interrupt, is_line != 0);
        if (is_line != 0 && argc > 2)
            come_to_input((kwast_handle)atoi(argv[2]));
        memory_is_moved(function, interrupt);
        close((int)interrupt);
        EXPECT(kwast_memory_unmap(registers) == 0);
        close((int)function);
    }
    puts(is_wrong ? "not all right" : "all right");
    return is_wrong;
}
