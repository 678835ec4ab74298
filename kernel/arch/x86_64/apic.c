// The local APIC, through memory (xAPIC) or MSRs (x2APIC), and the I/O APICs.
//
// The old pair of 8259 controllers is moved out of the way of the exceptions' vectors and masked.

#include "kernel/arch/x86_64/apic.h"

#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/traps.h"

#define APIC_BASE_ENABLE (1ull << 11)
#define APIC_BASE_X2APIC (1ull << 10)

// Offsets of the memory form; the MSR form is MSR_X2APIC + offset / 16.
#define REG_ID            0x020
#define REG_TASK_PRIORITY 0x080
#define REG_END           0x0b0
#define REG_SPURIOUS      0x0f0
#define REG_COMMAND       0x300
#define REG_COMMAND_HIGH  0x310
#define REG_LVT_TIMER     0x320
#define REG_LVT_LINT0     0x350
#define REG_LVT_LINT1     0x360
#define REG_LVT_ERROR     0x370
#define REG_TIMER_INITIAL 0x380
#define REG_TIMER_CURRENT 0x390
#define REG_TIMER_DIVIDE  0x3e0

#define SPURIOUS_ENABLE   (1u << 8)
#define LVT_MASKED        (1u << 16)
#define LVT_NMI           (4u << 8)
#define LVT_TSC_DEADLINE  (2u << 17)
#define COMMAND_SELF      (1u << 18)
#define COMMAND_ASSERT    (1u << 14)
#define COMMAND_PENDING   (1u << 12)
#define COMMAND_NMI       (4u << 8)
#define COMMAND_INIT      (5u << 8)
#define COMMAND_STARTUP   (6u << 8)
#define APIC_ID_ALL       0xff // of the memory form: everybody
#define DIVIDE_BY_1       0x0b
#define X2APIC_SELF_MSR   0x83fu
STATIC_ASSERT(MSR_X2APIC + REG_END / 16 == MSR_X2APIC_END, "traps.S");

static struct {
    volatile u32 *registers; // NULL: x2APIC
    u32 ids[ARCH_CPUS_MAX];  // of the CPUs that run
} apic;

volatile u32 *apic_end_register;

static u32 read(u32 offset) {
    if (apic.registers == NULL)
        return (u32)cpu_msr_read(MSR_X2APIC + offset / 16);
    return apic.registers[offset / 4];
}

static void write(u32 offset, u32 value) {
    if (apic.registers == NULL)
        cpu_msr_write(MSR_X2APIC + offset / 16, value);
    else
        apic.registers[offset / 4] = value;
}

// -- I/O APIC -----------------------------------------------------------------------------------

#define IOAPIC_SELECT      0x00
#define IOAPIC_DATA        0x10
#define IOAPIC_VERSION     1
#define IOAPIC_REDIRECTION 0x10
#define REDIRECT_LOW       (1u << 13)
#define REDIRECT_LEVEL     (1u << 15)
#define REDIRECT_MASKED    (1u << 16)

static struct {
    struct port_lock lock;                    // a register is read or written in two steps
    volatile u8 *registers[ACPI_IOAPICS_MAX]; // fixed after apic_init; NULL: none
} ioapics;

static u32 ioapic_read(volatile u8 *ioapic, u32 index) {
    *(volatile u32 *)(ioapic + IOAPIC_SELECT) = index;
    return *(volatile u32 *)(ioapic + IOAPIC_DATA);
}

static void ioapic_write(volatile u8 *ioapic, u32 index, u32 value) {
    *(volatile u32 *)(ioapic + IOAPIC_SELECT) = index;
    *(volatile u32 *)(ioapic + IOAPIC_DATA) = value;
}

static void ioapics_init(void) {
    const struct acpi_info *acpi = acpi_info();
    for (u32 i = 0; i < acpi->ioapic_count; i++)
        ioapics.registers[i] = mmio_map(acpi->ioapics[i].phys, PAGE_SIZE);
}

// The I/O APIC that has the input, and which pin of it that is; NULL: none.
static volatile u8 *find_pin(u32 gsi, u32 *pin) {
    const struct acpi_info *acpi = acpi_info();
    for (u32 i = 0; i < acpi->ioapic_count; i++) {
        volatile u8 *ioapic = ioapics.registers[i];
        if (ioapic == NULL || gsi < acpi->ioapics[i].gsi_base)
            continue;
        *pin = gsi - acpi->ioapics[i].gsi_base;
        if (*pin <= (ioapic_read(ioapic, IOAPIC_VERSION) >> 16 & 0xff))
            return ioapic;
    }
    return NULL;
}

struct ioapic_input ioapic_isa_input(u32 irq) {
    const struct acpi_isa_irq *isa = &acpi_info()->isa_irqs[irq];
    return (struct ioapic_input){isa->gsi, isa->active_low, isa->level};
}

bool ioapic_route(const struct ioapic_input *input, u8 vector) {
    arch_irq_state irq = port_lock(&ioapics.lock);
    u32 pin;
    volatile u8 *ioapic = find_pin(input->gsi, &pin);
    if (ioapic != NULL) {
        u32 low =
            vector | (input->active_low ? REDIRECT_LOW : 0) | (input->level ? REDIRECT_LEVEL : 0);
        ioapic_write(ioapic, IOAPIC_REDIRECTION + 2 * pin + 1, cpu_boot()->apic_id << 24);
        ioapic_write(ioapic, IOAPIC_REDIRECTION + 2 * pin, low);
    }
    port_unlock(&ioapics.lock, irq);
    return ioapic != NULL;
}

void ioapic_mask(u32 gsi, bool is_masked) {
    arch_irq_state irq = port_lock(&ioapics.lock);
    u32 pin;
    volatile u8 *ioapic = find_pin(gsi, &pin);
    if (ioapic != NULL) {
        u32 low = ioapic_read(ioapic, IOAPIC_REDIRECTION + 2 * pin);
        low = is_masked ? low | REDIRECT_MASKED : low & ~REDIRECT_MASKED;
        ioapic_write(ioapic, IOAPIC_REDIRECTION + 2 * pin, low);
    }
    port_unlock(&ioapics.lock, irq);
}

// -- The start ------------------------------------------------------------------------------------

static void pic_disable(void) {
    // Initialisation: edge, cascade; vectors 0xf0 and 0xf8, which nothing else uses; 8086 mode.
    io_write8(0x20, 0x11);
    io_write8(0xa0, 0x11);
    io_write8(0x21, 0xf0);
    io_write8(0xa1, 0xf8);
    io_write8(0x21, 0x04);
    io_write8(0xa1, 0x02);
    io_write8(0x21, 0x01);
    io_write8(0xa1, 0x01);
    io_write8(0x21, 0xff);
    io_write8(0xa1, 0xff);
}

void apic_init(void) {
    pic_disable();
    if (!cpu_features()->x2apic) {
        apic.registers = mmio_map(acpi_info()->lapic_phys, PAGE_SIZE);
        if (apic.registers == NULL)
            boot_fail("no room to map the local APIC");
        apic_end_register = &apic.registers[REG_END / 4];
    }
    ioapics_init();
    apic_init_this();
}

void apic_init_this(void) {
    u64 base = cpu_msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;
    cpu_msr_write(MSR_APIC_BASE, apic.registers == NULL ? base | APIC_BASE_X2APIC : base);
    write(REG_TASK_PRIORITY, 0);
    write(REG_LVT_LINT0, LVT_MASKED);
    write(REG_LVT_LINT1, LVT_NMI);
    write(REG_LVT_ERROR, LVT_MASKED);
    write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    write(REG_TIMER_INITIAL, 0);
    write(REG_LVT_TIMER, VECTOR_TIMER | (cpu_features()->tsc_deadline ? LVT_TSC_DEADLINE : 0));
    write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    // The mode of the timer must have arrived before its MSR is written.
    cpu_fence();
    cpu_this()->apic_id = apic_id();
    apic.ids[cpu_this()->id] = apic_id();
}

u32 apic_id(void) {
    u32 id = read(REG_ID);
    return apic.registers == NULL ? id : id >> 24;
}

void apic_end_of_interrupt(void) {
    write(REG_END, 0);
}

void apic_interrupt_self(u8 vector) {
    if (apic.registers == NULL) {
        cpu_msr_write(X2APIC_SELF_MSR, vector);
        return;
    }
    write(REG_COMMAND_HIGH, 0);
    write(REG_COMMAND, COMMAND_SELF | vector);
}

// -- To other CPUs ------------------------------------------------------------------------------

bool apic_can_reach(u32 apic_id) {
    return apic.registers == NULL || apic_id < APIC_ID_ALL;
}

static void command(u32 apic_id, u32 what) {
    ASSERT(
        !arch_irq_enabled()); // an interrupt that sent one between the two writes would redirect it
    if (apic.registers == NULL) {
        // The MSR form orders nothing: what the other is to see has to be written first.
        __asm__ volatile("mfence; lfence" : : : "memory");
        cpu_msr_write(MSR_X2APIC + REG_COMMAND / 16, (u64)apic_id << 32 | what);
        return;
    }
    while ((read(REG_COMMAND) & COMMAND_PENDING) != 0)
        __asm__ volatile("pause");
    write(REG_COMMAND_HIGH, apic_id << 24);
    write(REG_COMMAND, what);
}

void apic_interrupt(u32 apic_id, u8 vector) {
    command(apic_id, COMMAND_ASSERT | vector);
}

void arch_cpu_wake(u32 cpu) {
    ASSERT(cpu < ARCH_CPUS_MAX);
    arch_irq_state irq = arch_irq_save();
    command(apic.ids[cpu], COMMAND_ASSERT | VECTOR_RESCHEDULE);
    arch_irq_restore(irq);
}

void apic_interrupt_nmi(u32 apic_id) {
    command(apic_id, COMMAND_ASSERT | COMMAND_NMI);
}

void apic_reset(u32 apic_id) {
    command(apic_id, COMMAND_ASSERT | COMMAND_INIT);
}

void apic_startup(u32 apic_id, u8 page) {
    command(apic_id, COMMAND_ASSERT | COMMAND_STARTUP | page);
}

// -- The timer ----------------------------------------------------------------------------------

void apic_timer_start(u32 ticks) {
    write(REG_TIMER_INITIAL, ticks);
}

u32 apic_timer_left(void) {
    return read(REG_TIMER_CURRENT);
}
