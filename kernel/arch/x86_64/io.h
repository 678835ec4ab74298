#pragma once
// I/O ports, one wrapper for each instruction.

#include "base/types.h"

static inline u8 io_read8(u16 port) {
    u8 value;
    __asm__ volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline u16 io_read16(u16 port) {
    u16 value;
    __asm__ volatile("inw %w1, %w0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline u32 io_read32(u16 port) {
    u32 value;
    __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void io_write8(u16 port, u8 value) {
    __asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void io_write16(u16 port, u16 value) {
    __asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void io_write32(u16 port, u32 value) {
    __asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port) : "memory");
}
