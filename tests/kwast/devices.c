// What a program can do with a machine's devices, and what it cannot.
//
//   devices          as init, with the machine at descriptor 6 (QEMU's)
//   devices none     without: tries every call with every number
//
// It prints what is wrong, and "all right" at the end. While it has the serial line it prints by
// the line's own ports, and what is printed otherwise is kept.

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/math.h"
#include "user/sdk/kwast.h"

#define MACHINE     6u
#define PAGE        KWAST_PAGE_BYTES
#define NUMBERS     200u
#define VGA_ADDRESS 0xa0000u
#define CMOS_PORT   0x70u
#define CMOS_LINE   8u
#define SERIAL_PORT 0x3f8u
#define SERIAL_LINE 4u
#define ALL_DEVICES (KWAST_RIGHT_DEVICES | KWAST_RIGHT_DMA)

static _Alignas(PAGE) u8 pages[16 * PAGE];
static bool is_wrong;

static void expect_at(u32 line, u32 got, u32 wanted) {
    if (got == wanted)
        return;
    is_wrong = true;
    printf("wrong: line %u: %s, not %s\n", line, strerror((int)got), strerror((int)wanted));
}
#define EXPECT(got, wanted) expect_at(__LINE__, (got), (wanted))
#define EXPECT_TRUE(what)   expect_at(__LINE__, (what) ? 0 : EINVAL, 0)

// -- Ranges ---------------------------------------------------------------------------------------

static void ranges_are_refused(void) {
    static const struct {
        u64 address;
        u64 bytes;
        u32 caching;
        u32 error;
    } cases[] = {
        {0, PAGE, 0, EACCES},                      // RAM
        {1u << 20, PAGE, 0, EACCES},               // the kernel
        {64u << 20, 16 * PAGE, 0, EACCES},         // programs
        {VGA_ADDRESS - PAGE, 2 * PAGE, 0, EACCES}, // RAM and registers
        {0xf0000, PAGE, 0, EACCES},                // firmware
        {0xfee00000, PAGE, 0, EACCES},             // the local APIC
        {0xfedff000, 2 * PAGE, 0, EACCES},         //
        {0xfec00000, PAGE, 0, EACCES},             // the I/O APIC
        {0xfed00000, PAGE, 0, EACCES},             // HPET
        {0xfe000000, 0x2000000, 0, EACCES},        // all of them
        {VGA_ADDRESS, 0, 0, EINVAL},               //
        {VGA_ADDRESS, PAGE - 1, 0, EINVAL},        //
        {VGA_ADDRESS + 1, PAGE, 0, EINVAL},        //
        {VGA_ADDRESS, PAGE, 2, EINVAL},            // caching
        {1ull << 52, PAGE, 0, EINVAL},             // no address
        {1ull << 63, PAGE, 0, EINVAL},             //
        {(u64)0 - PAGE, PAGE, 0, EINVAL},          //
        {(u64)0 - PAGE, 2 * PAGE, 0, EINVAL},      //
        {VGA_ADDRESS, (u64)0 - PAGE, 0, EINVAL},   //
    };
    kwast_handle out = 77;
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u32 error = kwast_device_range(MACHINE, cases[i].address, cases[i].bytes,
                                       (enum kwast_caching)cases[i].caching, &out);
        if (error != cases[i].error)
            printf("case %u: ", i);
        EXPECT(error, cases[i].error);
    }
    EXPECT(out, 77);
    EXPECT(kwast_device_range(MACHINE, VGA_ADDRESS, PAGE, KWAST_UNCACHED, (void *)0xfffffffe),
           EFAULT);
}

static void a_range_is_mapped(void) {
    kwast_handle range;
    kwast_handle other;
    u32 word;
    struct kwast_machine machine;
    memset(pages, 0x11, sizeof pages);
    EXPECT(kwast_device_range(MACHINE, VGA_ADDRESS, 4 * PAGE, KWAST_UNCACHED, &range), 0);
    EXPECT(kwast_device_range(MACHINE, VGA_ADDRESS + PAGE, PAGE, KWAST_UNCACHED, &other), EBUSY);
    EXPECT(kwast_device_range(MACHINE, VGA_ADDRESS + 4 * PAGE, PAGE, KWAST_COMBINING, &other), 0);
    EXPECT(kwast_device_describe(range, &machine), 0);
    EXPECT(kwast_memory_map(range, PAGE, pages, 2 * PAGE, KWAST_READ | KWAST_WRITE), 0);
    EXPECT(kwast_memory_map(range, 4 * PAGE, pages + 4 * PAGE, PAGE, KWAST_READ), EINVAL);
    volatile u8 *mapped = pages;
    u8 before = mapped[0];
    mapped[1] = before;
    // Nothing of it goes through the kernel.
    EXPECT_TRUE(write(1, pages, 1) < 0 && errno == EFAULT);
    EXPECT(kwast_device_describe(MACHINE, (void *)pages), EFAULT);
    EXPECT(kwast_memory_wait(range, 0, 0, 0), ENOTCAPABLE);
    EXPECT(kwast_memory_wake(range, 0, 1, &word), ENOTCAPABLE);
    EXPECT_TRUE(write(1, pages + 2 * PAGE, 0) == 0);
    // What is mapped stays, and nobody else gets it.
    close((int)range);
    EXPECT(kwast_device_range(MACHINE, VGA_ADDRESS, PAGE, KWAST_UNCACHED, &range), EBUSY);
    EXPECT(kwast_memory_unmap(pages), 0);
    EXPECT(pages[0], 0x11);
    EXPECT(kwast_device_range(MACHINE, VGA_ADDRESS, PAGE, KWAST_UNCACHED, &range), 0);
    close((int)range);
    close((int)other);
}

// -- Ports ----------------------------------------------------------------------------------------

static void ports_are_refused(void) {
    static const struct {
        u32 first;
        u32 count;
        u32 error;
    } cases[] = {
        {0x20, 1, EACCES},  {0x21, 1, EACCES},       {0xa0, 2, EACCES},
        {0x40, 1, EACCES},  {0x43, 1, EACCES},       {0x61, 1, EACCES},
        {0x60, 5, EACCES},  {0x92, 1, EACCES},       {0xb2, 1, EACCES},
        {0, 65536, EACCES}, {0x4d0, 1, EACCES},      {0x604, 2, EACCES},
        {0x608, 1, EACCES}, {0xffff, 2, EINVAL},     {0x10000, 1, EINVAL},
        {0x60, 0, EINVAL},  {UINT32_MAX, 1, EINVAL}, {0x60, UINT32_MAX, EINVAL},
    };
    kwast_handle out;
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u32 error = kwast_device_ports(MACHINE, cases[i].first, cases[i].count, &out);
        if (error != cases[i].error)
            printf("case %u: ", i);
        EXPECT(error, cases[i].error);
    }
}

static void ports_are_reached(void) {
    kwast_handle config;
    kwast_handle other;
    kwast_handle silent;
    u32 value = 0;
    EXPECT(kwast_device_ports(MACHINE, 0xcf8, 8, &config), 0);
    EXPECT(kwast_device_ports(MACHINE, 0xcff, 1, &other), EBUSY);
    EXPECT(kwast_port_out(config, 0, 4, 0x80000000), 0);
    EXPECT(kwast_port_in(config, 4, 4, &value), 0);
    EXPECT(value & 0xffff, 0x8086); // the host bridge
    EXPECT(kwast_port_in(config, 6, 2, &value), 0);
    EXPECT_TRUE(value != 0 && value <= 0xffff);
    EXPECT(kwast_port_in(config, 8, 1, &value), EINVAL);
    EXPECT(kwast_port_in(config, 5, 4, &value), EINVAL);
    EXPECT(kwast_port_in(config, UINT32_MAX, 4, &value), EINVAL);
    EXPECT(kwast_port_in(config, 0, 3, &value), EINVAL);
    EXPECT(kwast_port_in(config, 0, 0, &value), EINVAL);
    EXPECT(kwast_port_in(config, 0, 4, (void *)0xfffffffe), EFAULT);
    EXPECT(kwast_port_out(config, 1, 1, 6), EACCES); // would reset the machine
    EXPECT(kwast_port_out(config, 0, 2, 6), EACCES);
    EXPECT(kwast_port_out(config, 0, 1, 6), 0);
    EXPECT(kwast_handle_duplicate(config, 0, 0, &silent), 0);
    EXPECT(kwast_port_in(silent, 0, 4, &value), ENOTCAPABLE);
    EXPECT(kwast_port_out(silent, 0, 4, 0), ENOTCAPABLE);
    EXPECT(kwast_port_in(MACHINE, 0, 4, &value), ENOTCAPABLE);
    close((int)config);
    EXPECT(kwast_device_ports(MACHINE, 0xcff, 1, &other), EBUSY); // the duplicate has it
    close((int)silent);
    EXPECT(kwast_device_ports(MACHINE, 0xcff, 1, &other), 0);
    close((int)other);
}

// -- Interrupts -----------------------------------------------------------------------------------

static u32 cmos_read(kwast_handle cmos, u32 index) {
    u32 value = 0;
    EXPECT(kwast_port_out(cmos, 0, 1, index), 0);
    EXPECT(kwast_port_in(cmos, 1, 1, &value), 0);
    return value;
}

static void cmos_write(kwast_handle cmos, u32 index, u32 value) {
    EXPECT(kwast_port_out(cmos, 0, 1, index), 0);
    EXPECT(kwast_port_out(cmos, 1, 1, value), 0);
}

// The clock's periodic interrupt.
static void interrupts_come(void) {
    kwast_handle cmos;
    kwast_handle interrupt;
    kwast_handle other;
    u64 count = 0;
    EXPECT(kwast_device_interrupt(MACHINE, 0, &other), EACCES);
    EXPECT(kwast_device_interrupt(MACHINE, 2, &other), EACCES);
    EXPECT(kwast_device_interrupt(MACHINE, SERIAL_LINE, &other), EACCES);
    EXPECT(kwast_device_interrupt(MACHINE, 1000, &other), EINVAL);
    EXPECT(kwast_device_interrupt(MACHINE, UINT32_MAX, &other), EINVAL);
    EXPECT(kwast_device_ports(MACHINE, CMOS_PORT, 2, &cmos), 0);
    EXPECT(kwast_device_interrupt(MACHINE, CMOS_LINE, &interrupt), 0);
    EXPECT(kwast_device_interrupt(MACHINE, CMOS_LINE, &other), EBUSY);
    EXPECT(kwast_interrupt_take(interrupt, 0, &count), ETIMEDOUT);
    u32 control = cmos_read(cmos, 0x0b);
    cmos_write(cmos, 0x0b, control | 0x40);
    for (u32 i = 0; i < 5; i++) {
        cmos_read(cmos, 0x0c); // lets the next one come
        struct pollfd poll_for = {.fd = (int)interrupt, .events = POLLRDNORM};
        EXPECT_TRUE(poll(&poll_for, 1, -1) == 1);
        EXPECT(kwast_interrupt_take(interrupt, -1, &count), 0);
        EXPECT_TRUE(count >= 1);
    }
    cmos_write(cmos, 0x0b, control);
    cmos_read(cmos, 0x0c);
    close((int)interrupt);
    EXPECT(kwast_device_interrupt(MACHINE, CMOS_LINE, &interrupt), 0);
    EXPECT(kwast_handle_duplicate(interrupt, 0, 0, &other), 0);
    EXPECT(kwast_interrupt_take(other, 0, &count), ENOTCAPABLE);
    close((int)other);
    close((int)interrupt);
    close((int)cmos);
}

static void there_are_only_so_many_messages(void) {
    static kwast_handle handles[NUMBERS];
    struct kwast_message message = {0};
    u64 count;
    u32 made = 0;
    u32 error = 0;
    while (made < NUMBERS && error == 0) {
        error = kwast_device_message(MACHINE, &handles[made], &message);
        made += error == 0;
        EXPECT(message.address >> 20, 0xfee);
    }
    EXPECT(error, ENOSPC);
    EXPECT_TRUE(made >= 64);
    EXPECT(kwast_interrupt_take(handles[0], 0, &count), ETIMEDOUT);
    for (u32 i = 0; i < made; i++)
        close((int)handles[i]);
    EXPECT(kwast_device_message(MACHINE, &handles[0], (void *)0xfffffffe), EFAULT);
    EXPECT(kwast_device_message(MACHINE, &handles[0], &message), 0);
    close((int)handles[0]);
}

// -- Memory for devices ---------------------------------------------------------------------------

static void memory_is_made_for_devices(void) {
    kwast_handle memory;
    kwast_handle plain;
    u64 address = 1;
    EXPECT(kwast_dma_create(MACHINE, 0, &memory, &address), EINVAL);
    EXPECT(kwast_dma_create(MACHINE, 100, &memory, &address), EINVAL);
    EXPECT(kwast_dma_create(MACHINE, KWAST_DMA_MAX + PAGE, &memory, &address), EINVAL);
    EXPECT(kwast_dma_create(MACHINE, 3 * PAGE, &memory, (void *)0xfffffffc), EFAULT);
    EXPECT((u32)address, 1);
    EXPECT(kwast_dma_create(MACHINE, 3 * PAGE, &memory, &address), 0);
    EXPECT_TRUE(address != 0 && address % PAGE == 0);
    memset(pages, 0x22, sizeof pages);
    EXPECT(kwast_memory_map(memory, 0, pages, 3 * PAGE, KWAST_READ | KWAST_WRITE), 0);
    EXPECT(pages[0] | pages[3 * PAGE - 1], 0);
    pages[5] = '\n';
    EXPECT_TRUE(write(1, pages + 5, 1) == 1); // it is memory like any other
    EXPECT(kwast_memory_unmap(pages), 0);
    EXPECT(kwast_memory_create(PAGE, &plain), 0);
    EXPECT(kwast_dma_done(plain), ENOTCAPABLE);
    EXPECT(kwast_dma_done(memory), 0);
    close((int)plain);
    close((int)memory);
    EXPECT(kwast_dma_create(MACHINE, KWAST_DMA_MAX, &memory, &address), 0);
    close((int)memory);
    EXPECT(kwast_dma_reclaim(MACHINE), 0);
}

// -- Rights ---------------------------------------------------------------------------------------

static void nothing_without_rights(kwast_handle machine, u32 error, u32 dma_error) {
    kwast_handle out;
    u64 word;
    struct kwast_message message;
    EXPECT(kwast_device_range(machine, VGA_ADDRESS, PAGE, KWAST_UNCACHED, &out), error);
    EXPECT(kwast_device_ports(machine, 0xcf8, 8, &out), error);
    EXPECT(kwast_device_interrupt(machine, CMOS_LINE, &out), error);
    EXPECT(kwast_device_message(machine, &out, &message), error);
    EXPECT(kwast_dma_create(machine, PAGE, &out, &word), dma_error);
    EXPECT(kwast_dma_reclaim(machine), dma_error);
}

static void rights_are_asked_for(void) {
    kwast_handle machine;
    struct kwast_machine description;
    EXPECT(kwast_handle_duplicate(MACHINE, 0, 0, &machine), 0);
    nothing_without_rights(machine, ENOTCAPABLE, ENOTCAPABLE);
    EXPECT(kwast_device_describe(machine, &description), 0);
    close((int)machine);
    EXPECT(kwast_handle_duplicate(MACHINE, KWAST_RIGHT_DMA, 0, &machine), 0);
    nothing_without_rights(machine, ENOTCAPABLE, 0);
    close((int)machine);
    EXPECT(kwast_handle_duplicate(MACHINE, ALL_DEVICES | 1, 0, &machine), ENOTCAPABLE);
}

static void every_number_is_refused(void) {
    struct kwast_machine description;
    u64 word;
    u32 value;
    for (u32 number = 0; number < NUMBERS; number++) {
        u32 error = kwast_device_describe(number, &description);
        EXPECT_TRUE(error == EBADF || error == ENOTCAPABLE);
        nothing_without_rights(number, error, error);
        EXPECT(kwast_port_in(number, 0, 1, &value), error);
        EXPECT(kwast_port_out(number, 0, 1, 0), error);
        EXPECT(kwast_interrupt_take(number, 0, &word), error);
        EXPECT(kwast_dma_done(number), error);
    }
    nothing_without_rights(KWAST_NO_HANDLE, EBADF, EBADF);
}

// -- The serial line ------------------------------------------------------------------------------

static void type_by_hand(kwast_handle serial, const char *text) {
    for (; *text != 0; text++) {
        u32 status = 0;
        while ((status & 0x20) == 0)
            EXPECT(kwast_port_in(serial, 5, 1, &status), 0);
        EXPECT(kwast_port_out(serial, 0, 1, (u8)*text), 0);
    }
}

// What was printed meanwhile can be read, by whoever shows it instead of the kernel.
static void what_was_said_is_read(void) {
    char text[16] = {0};
    EXPECT_TRUE(write(1, "nobody sees this\n", 17) == 17);
    EXPECT_TRUE(read(2, text, 11) == 11 && strcmp(text, "nobody sees") == 0);
    EXPECT_TRUE(read(2, text, 6) == 6 && memcmp(text, " this\n", 6) == 0);
    EXPECT_TRUE(write(0, "refused", 7) < 0 && errno == EBUSY);
}

// The kernel's console is silent while somebody else has the line, or some of its ports, and back
// afterwards.
static void the_console_yields(void) {
    kwast_handle serial;
    kwast_handle scratch;
    kwast_handle interrupt;
    EXPECT(kwast_device_ports(MACHINE, SERIAL_PORT, 7, &serial), 0);
    EXPECT(kwast_device_ports(MACHINE, SERIAL_PORT + 7, 1, &scratch), 0);
    EXPECT(kwast_device_interrupt(MACHINE, SERIAL_LINE, &interrupt), 0);
    what_was_said_is_read();
    puts("said meanwhile");
    fflush(stdout);
    type_by_hand(serial, "by hand\r\n");
    // An answer typed now is the program's, and the interrupt says so.
    u64 count;
    u32 value = 0;
    EXPECT(kwast_port_out(serial, 1, 1, 1), 0);
    type_by_hand(serial, "type something\r\n");
    EXPECT(kwast_interrupt_take(interrupt, -1, &count), 0);
    EXPECT(kwast_port_in(serial, 0, 1, &value), 0);
    type_by_hand(serial, value == '!' ? "that was it\r\n" : "wrong: that was not it\r\n");
    close((int)scratch);
    type_by_hand(serial, "still ours\r\n");
    close((int)serial);
    close((int)interrupt);
    EXPECT_TRUE(write(0, "back\n", 5) == 5);
    char line[8];
    EXPECT_TRUE(read(0, line, sizeof line) >= 1 && line[0] == '?');
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "none") == 0) {
        every_number_is_refused();
    } else {
        ranges_are_refused();
        a_range_is_mapped();
        ports_are_refused();
        ports_are_reached();
        interrupts_come();
        there_are_only_so_many_messages();
        memory_is_made_for_devices();
        rights_are_asked_for();
        the_console_yields();
    }
    puts(is_wrong ? "not all right" : "all right");
    return is_wrong;
}
