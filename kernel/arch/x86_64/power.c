// The end: power off by ACPI's state S5, or a halt. Full hardware has the PM1 control registers for
// it, reduced hardware (a microVM's) one sleep control register.

#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/io.h"

#define PM1_SCI_ENABLE   (1u << 0)
#define PM1_SLEEP_ENABLE (1u << 13)
#define PM1_SLEEP_SHIFT  10
#define PM1_SLEEP_MASK   (7u << PM1_SLEEP_SHIFT)
#define CONTROL_SHIFT    2
#define CONTROL_ENABLE   (1u << 5)
#define ENABLE_ROUNDS    1000000u
#define OFF_WAIT_NS      2000000000ull // switching off takes effect some time after the request

static volatile u8 *sleep_control; // where it is in memory

void power_init(void) {
    const struct acpi_info *acpi = acpi_info();
    if (acpi->can_power_off && acpi->is_reduced && acpi->sleep_control_in_memory)
        sleep_control = mmio_map(acpi->sleep_control, 1);
}

// Hands power management from the firmware to us, where that is not so already.
static void acpi_enable(const struct acpi_info *acpi) {
    if ((io_read16(acpi->pm1a_control_port) & PM1_SCI_ENABLE) != 0)
        return;
    if (acpi->smi_command_port == 0 || acpi->acpi_enable == 0)
        return;
    io_write8(acpi->smi_command_port, acpi->acpi_enable);
    for (u32 i = 0; i < ENABLE_ROUNDS; i++) {
        if ((io_read16(acpi->pm1a_control_port) & PM1_SCI_ENABLE) != 0)
            return;
        arch_cpu_relax();
    }
}

static void sleep_write(u16 port, u16 sleep_type) {
    if (port == 0)
        return;
    u32 value = io_read16(port) & ~PM1_SLEEP_MASK;
    io_write16(port, (u16)(value | sleep_type | PM1_SLEEP_ENABLE));
}

static void sleep_full(const struct acpi_info *acpi) {
    acpi_enable(acpi);
    sleep_write(acpi->pm1a_control_port, acpi->sleep_type_a);
    sleep_write(acpi->pm1b_control_port, acpi->sleep_type_b);
}

static void sleep_reduced(const struct acpi_info *acpi) {
    u8 type = (u8)(acpi->sleep_type_a >> PM1_SLEEP_SHIFT);
    u8 value = (u8)(type << CONTROL_SHIFT | CONTROL_ENABLE);
    if (sleep_control != NULL)
        *sleep_control = value;
    else if (!acpi->sleep_control_in_memory)
        io_write8((u16)acpi->sleep_control, value);
}

// The machine has no way to hand a status to anybody; who wants it uses the link.
void arch_power_off(UNUSED u32 status) {
    arch_irq_save();
    arch_cpus_stop();
    serial_drain();
    const struct acpi_info *acpi = acpi_info();
    if (acpi->can_power_off) {
        if (acpi->is_reduced)
            sleep_reduced(acpi);
        else
            sleep_full(acpi);
        u64 asked_ns = arch_clock_ns();
        while (arch_clock_ns() - asked_ns < OFF_WAIT_NS)
            arch_cpu_relax();
    }
    console_print("The machine can be switched off now.\n");
    arch_halt();
}

void arch_halt(void) {
    for (;;)
        __asm__ volatile("cli; hlt");
}
