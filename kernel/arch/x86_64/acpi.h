#pragma once
// What the firmware's ACPI tables tell. Read once, while the boot page tables are in use.

#include "base/types.h"

#define ACPI_CPUS_MAX    64
#define ACPI_IOAPICS_MAX 8
#define ACPI_ISA_IRQS    16

struct acpi_ioapic {
    u64 phys;
    u32 gsi_base;
};

// Where a legacy interrupt goes; by default to the global interrupt of the same number.
struct acpi_isa_irq {
    u32 gsi;
    bool active_low;
    bool level;
};

struct acpi_info {
    bool found;
    u32 cpu_count; // enabled ones, as far as there is room; 0: not told
    u32 cpu_apic_ids[ACPI_CPUS_MAX];
    u64 lapic_phys;
    u32 ioapic_count;
    struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
    struct acpi_isa_irq isa_irqs[ACPI_ISA_IRQS];
    u64 hpet_phys;     // 0: none
    u64 ecam_phys;     // where bus 0's part of PCI configuration space would be; 0: none
    u8 ecam_first_bus; // of those that are there
    u8 ecam_last_bus;
    u16 pm_timer_port; // 0: none
    bool pm_timer_32bit;
    u8 century_register; // of the CMOS clock; 0: none
    // Power off, by the PM1 control registers or, where the hardware is reduced, the sleep control:
    bool can_power_off;
    bool is_reduced;
    bool sleep_control_in_memory; // else it is a port
    u64 sleep_control;            // 0: none
    u16 pm1a_control_port;
    u16 pm1b_control_port; // 0: none
    u16 sleep_type_a;      // SLP_TYP of state S5
    u16 sleep_type_b;
    u16 smi_command_port; // 0: none
    u8 acpi_enable;
};

// Finds the tables from `rsdp_phys` (0: search where BIOSes put it). Everything is optional: what
// is missing or broken is left at its default.
void acpi_init(u64 rsdp_phys);
const struct acpi_info *acpi_info(void);
