#pragma once
// Interrupt controllers: this CPU's local APIC with its timer, and the I/O APICs.

#include "base/types.h"

void apic_init(void);
void apic_init_this(void); // on every other CPU
void apic_end_of_interrupt(void);
extern volatile u32
    *apic_end_register; // the same, for traps.S; NULL: MSR_X2APIC_END. Fixed after apic_init
void apic_interrupt_self(u8 vector);
u32 apic_id(void);

// Whether interrupts can be sent to the CPU of that number; the others need x2APIC.
bool apic_can_reach(u32 apic_id);

// To another CPU, interrupts off: an interrupt, an NMI, and what starts it at `page` << 12.
void apic_interrupt(u32 apic_id, u8 vector);
void apic_interrupt_nmi(u32 apic_id);
void apic_reset(u32 apic_id);
void apic_startup(u32 apic_id, u8 page);

// The timer counts down from `ticks`, once; 0 stops it.
void apic_timer_start(u32 ticks);
u32 apic_timer_left(void);

// An input of the I/O APICs, by its global number, and how it behaves.
struct ioapic_input {
    u32 gsi;
    bool active_low;
    bool level;
};

// Where a legacy interrupt goes.
struct ioapic_input ioapic_isa_input(u32 irq);

// Routes an input to the boot CPU, unmasked. False when no I/O APIC has it.
bool ioapic_route(const struct ioapic_input *input, u8 vector);
void ioapic_mask(u32 gsi, bool is_masked); // one that has been routed; any context

// Time (time.c).
void time_init(void);
void timer_interrupt(void);
