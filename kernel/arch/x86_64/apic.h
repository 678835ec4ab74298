#pragma once
// Interrupt controllers: this CPU's local APIC with its timer, and the I/O APICs.

#include "base/types.h"

void apic_init(void);
void apic_end_of_interrupt(void);
void apic_interrupt_self(u8 vector);
u32 apic_id(void);

// The timer counts down from `ticks`, once; 0 stops it.
void apic_timer_start(u32 ticks);
u32 apic_timer_left(void);

// Routes a legacy interrupt to this CPU. False when no I/O APIC has it.
bool ioapic_route_isa(u32 irq, u8 vector);

// Time (time.c).
void time_init(void);
void timer_interrupt(void);
