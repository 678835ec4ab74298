#pragma once
// What the files of this port offer each other: device drivers, interrupt vectors, device memory.
// Nobody outside this folder includes it.

#include "base/status.h"
#include "base/types.h"
#include "kernel/arch/arch.h"

// -- Serial line (16550 at I/O port 0x3f8), serial.c ----------------------------------------------

void serial_init(void); // output works afterwards; callable before anything else
bool serial_is_present(void);
bool serial_write(const char *text, usize len); // false: nothing was shown
void serial_drain(void);                        // waits until all of it has been sent
MUST_USE bool serial_read(u8 *out);             // false: nothing typed
void serial_interrupt_start(void);              // input by interrupt: upcall_console

// Leaves the line to one more program, all but a panic, or takes it back when the last one gives
// back its ports. Line 4 may be a program's only as long as some of the ports are. What was typed
// and nobody has read stays in the device.
#define SERIAL_PORTS_FIRST 0x3f8u
#define SERIAL_PORTS_COUNT 8u
#define SERIAL_LINE        4u
void serial_yield(bool to_program);
bool serial_is_yielded(void);

// -- Framebuffer console, framebuffer.c -----------------------------------------------------------

enum framebuffer_kind : u8 {
    FRAMEBUFFER_NONE,
    FRAMEBUFFER_RGB,  // direct colour, one pixel in bits_per_pixel bits
    FRAMEBUFFER_TEXT, // EGA text cells of two bytes: width and height are in characters
};

// What the boot loader says about the screen. Checked: pitch * height does not overflow and
// bits_per_pixel is 15, 16, 24 or 32 (16 for text).
struct framebuffer_info {
    enum framebuffer_kind kind;
    u8 bits_per_pixel;
    u8 red_position; // lowest bit
    u8 red_bits;
    u8 green_position;
    u8 green_bits;
    u8 blue_position;
    u8 blue_bits;
    u32 pitch; // bytes from one line to the next
    u32 width;
    u32 height;
    u64 phys;
};

// Maps the screen with mmio_map and clears it. Called once, before kernel_main. Without it (or with
// FRAMEBUFFER_NONE) framebuffer_write does nothing.
void framebuffer_init(const struct framebuffer_info *info);
void framebuffer_write(const char *text, usize len); // any context
void framebuffer_size(u32 *columns, u32 *rows);      // 0 x 0 without a screen

// Leaves the screen to a program, all but a panic, or takes it back and draws all of it again.
void framebuffer_yield(bool to_program);
bool framebuffer_is_yielded(void);
const struct framebuffer_info *framebuffer_info(void); // kind FRAMEBUFFER_NONE without a screen

// -- PCI and the link, pci.c and virtio_console.c -------------------------------------------------

// Finds the device, sets up its queues (upcall_frames_alloc) and its interrupt. Called by
// arch_devices_start. Defines the arch_link_* functions.
void virtio_console_start(void);
void virtio_console_interrupt(void); // on the interrupt stack, interrupts off

// PCI functions that this port drives, for arch_devices_describe: noted at boot.
void device_note_own(u8 bus, u8 slot, u8 function);

// -- Programs' devices, program_devices.c ---------------------------------------------------------

// What is no device: at boot, with what the firmware lists as RAM, and as anything else.
struct range_set;
void program_devices_init(const struct range_set *ram, const struct range_set *reserved);

// An interrupt that a program has asked for; on the interrupt stack, interrupts off.
void program_interrupt(u32 number);

// -- Interrupts, interrupt.c ----------------------------------------------------------------------

// Takes a free vector for a device. `handler` runs on the CPU's interrupt stack with interrupts
// off; the local APIC is told of the end afterwards. Returns 0 when all vectors are taken.
MUST_USE u8 irq_vector_install(void (*handler)(void));

// What a device writes where to raise `vector` on the boot CPU (MSI, MSI-X).
struct msi_message {
    u64 address;
    u32 data;
};
struct msi_message irq_msi_message(u8 vector);

// -- Device memory, paging.c ----------------------------------------------------------------------

// Maps [phys, phys + bytes), uncached, for good; NULL when address space or tables run out. Works
// before kernel_main (tables from the early reserve) and after frame_init.
MUST_USE void *mmio_map(u64 phys, u64 bytes);

// Whether a part of [start, end) has been mapped so: then it is no program's.
bool mmio_is_own(u64 start, u64 end);

// The same as mmio_map, write-combining: for framebuffers, which programs may have.
MUST_USE void *mmio_map_combining(u64 phys, u64 bytes);
