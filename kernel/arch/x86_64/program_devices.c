// What programs may have of the machine: physical ranges, I/O ports, interrupts.
//
// A range is a device's where nothing else is: what the firmware's memory map lists, as RAM or as
// anything but RAM, is refused, and so are the registers that the port itself uses. Exceptions are
// the screen and PCI's configuration space, as some firmware lists them. Who may have what among
// the rest is not decided here.
//
// Interrupts of programs have vectors of their own and go to the boot CPU. A line that is
// level-triggered is masked before the kernel hears of it, since the device asks until a program
// has answered it; several devices may share one.
//
// Locks: vectors.lock, then the I/O APICs'. The kernel is called without.

#include "base/math.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/traps.h"

#define LOW_MEMORY_END     (1 * MIB)
#define VGA_START          0xa0000u // the only registers in low memory
#define VGA_END            0xc0000u
#define MESSAGES_START     0xfee00000ull // the local APICs, and where messages are written
#define MESSAGES_END       0xfef00000ull
#define ADDRESS_BITS_USUAL 36u
#define ISA_LINES          16u
#define PORTS_END          0x10000u
#define ECAM_BUS_BYTES     (1 * MIB)
#define RESET_PORT         0xcf9u // a byte within the word that selects PCI configuration space

// The firmware's memory map. Fixed after boot.
static struct {
    struct range_set ram;
    struct range_set reserved;
    u32 own_count;
    u16 own_functions[ARCH_OWN_FUNCTIONS_MAX];
} machine;

void program_devices_init(const struct range_set *ram, const struct range_set *reserved) {
    machine.ram = *ram;
    machine.reserved = *reserved;
}

void device_note_own(u8 bus, u8 slot, u8 function) {
    CHECK(machine.own_count < ARCH_OWN_FUNCTIONS_MAX);
    machine.own_functions[machine.own_count++] = (u16)(bus << 8 | slot << 3 | function);
}

bool arch_devices_present(void) {
    return true;
}

// -- The screen -----------------------------------------------------------------------------------

static struct phys_range screen_range(void) {
    const struct framebuffer_info *info = framebuffer_info();
    if (info->kind != FRAMEBUFFER_RGB)
        return (struct phys_range){};
    return (struct phys_range){{info->phys}, (u64)info->pitch * info->height};
}

static struct phys_range config_range(void) {
    const struct acpi_info *acpi = acpi_info();
    if (acpi->ecam_phys == 0)
        return (struct phys_range){};
    u64 buses = acpi->ecam_last_bus - acpi->ecam_first_bus + 1ull;
    return (struct phys_range){{acpi->ecam_phys + acpi->ecam_first_bus * ECAM_BUS_BYTES},
                               buses * ECAM_BUS_BYTES};
}

void arch_devices_describe(struct arch_devices *out) {
    const struct framebuffer_info *info = framebuffer_info();
    *out = (struct arch_devices){.screen = screen_range(),
                                 .pci_config = config_range(),
                                 .pci_first_bus = acpi_info()->ecam_first_bus,
                                 .own_count = machine.own_count};
    memcpy(out->own_functions, machine.own_functions, sizeof out->own_functions);
    if (out->screen.bytes == 0)
        return;
    out->screen_width = info->width;
    out->screen_height = info->height;
    out->screen_pitch = info->pitch;
    out->pixel_bytes = (info->bits_per_pixel + 7u) / 8;
    out->red = (struct arch_channel){info->red_position, info->red_bits};
    out->green = (struct arch_channel){info->green_position, info->green_bits};
    out->blue = (struct arch_channel){info->blue_position, info->blue_bits};
}

// -- Ranges ---------------------------------------------------------------------------------------

static bool overlaps(u64 start, u64 end, u64 other_start, u64 other_end) {
    return start < other_end && end > other_start;
}

static bool set_overlaps(const struct range_set *set, u64 start, u64 end) {
    for (u32 i = 0; i < set->count; i++) {
        const struct phys_range *range = &set->ranges[i];
        if (overlaps(start, end, range->start.value, range->start.value + range->bytes))
            return true;
    }
    return false;
}

// Behind it an entry of a page table has reserved bits.
static u64 address_end(void) {
    bool is_told = cpu_cpuid(0x80000000, 0).eax >= 0x80000008;
    u32 bits = is_told ? cpu_cpuid(0x80000008, 0).eax & 0xff : ADDRESS_BITS_USUAL;
    return 1ull << min_u64(bits, 52);
}

static bool is_on_screen(u64 start, u64 end) {
    const struct phys_range screen = screen_range();
    u64 screen_start = align_down(screen.start.value, PAGE_SIZE);
    u64 screen_end = align_up(screen.start.value + screen.bytes, PAGE_SIZE);
    return screen.bytes != 0 && start >= screen_start && end <= screen_end;
}

static bool is_config(u64 start, u64 end) {
    const struct phys_range config = config_range();
    return start >= config.start.value && end <= config.start.value + config.bytes;
}

static bool touches_screen(u64 start, u64 end) {
    const struct phys_range screen = screen_range();
    return screen.bytes != 0 &&
           overlaps(start, end, screen.start.value, screen.start.value + screen.bytes);
}

static bool is_refused(u64 start, u64 end) {
    u64 hpet = align_down(acpi_info()->hpet_phys, PAGE_SIZE);
    if (start < LOW_MEMORY_END && (start < VGA_START || end > VGA_END))
        return true;
    if (overlaps(start, end, MESSAGES_START, MESSAGES_END) || mmio_is_own(start, end) ||
        (hpet != 0 && overlaps(start, end, hpet, hpet + PAGE_SIZE)))
        return true;
    return set_overlaps(&machine.ram, start, end) ||
           (set_overlaps(&machine.reserved, start, end) && start >= LOW_MEMORY_END &&
            !is_on_screen(start, end) && !is_config(start, end));
}

enum status arch_range_claim(struct phys_addr start, u64 bytes) {
    u64 end;
    ASSERT(is_aligned(start.value | bytes, PAGE_SIZE));
    if (bytes == 0 || !add_u64(start.value, bytes, &end) || end > address_end())
        return ERR_INVALID;
    if (is_refused(start.value, end))
        return ERR_NO_ACCESS;
    if (touches_screen(start.value, end))
        framebuffer_yield(true);
    return OK;
}

void arch_range_release(struct phys_addr start, u64 bytes) {
    if (touches_screen(start.value, start.value + bytes))
        framebuffer_yield(false);
}

// -- Ports ----------------------------------------------------------------------------------------

struct port_range {
    u32 first;
    u32 last;
};

static bool ports_overlap(u32 first, u32 count, u32 other_first, u32 other_last) {
    return first <= other_last && first + count - 1 >= other_first;
}

// What the port uses itself, and what reaches memory or the machine's power behind its back.
static bool ports_refused(u32 first, u32 count) {
    static const struct port_range refused[] = {
        {0x00, 0x5f},   // DMA, interrupt controllers, timer
        {0x61, 0x63},   // the timer's gate
        {0x65, 0x6f},   //
        {0x72, 0xff},   // DMA pages, fast reset, interrupt controllers, power, coprocessor
        {0x4d0, 0x4d1}, // what interrupts are like
    };
    const struct acpi_info *acpi = acpi_info();
    const struct port_range firmware[] = {
        {acpi->pm1a_control_port, acpi->pm1a_control_port + 1u},
        {acpi->pm1b_control_port, acpi->pm1b_control_port + 1u},
        {acpi->pm_timer_port, acpi->pm_timer_port + 3u},
        {acpi->smi_command_port, acpi->smi_command_port},
        {acpi->sleep_control_in_memory ? 0 : (u32)acpi->sleep_control,
         acpi->sleep_control_in_memory ? 0 : (u32)acpi->sleep_control},
    };
    for (u32 i = 0; i < COUNT_OF(refused); i++) {
        if (ports_overlap(first, count, refused[i].first, refused[i].last))
            return true;
    }
    for (u32 i = 0; i < COUNT_OF(firmware); i++) {
        if (firmware[i].first != 0 &&
            ports_overlap(first, count, firmware[i].first, firmware[i].last))
            return true;
    }
    return false;
}

static bool touches_serial(u32 first, u32 count) {
    return ports_overlap(first, count, SERIAL_PORTS_FIRST,
                         SERIAL_PORTS_FIRST + SERIAL_PORTS_COUNT - 1);
}

enum status arch_ports_claim(u32 first, u32 count) {
    if (count == 0 || !range_fits(first, count, PORTS_END))
        return ERR_INVALID;
    if (ports_refused(first, count))
        return ERR_NO_ACCESS;
    if (touches_serial(first, count))
        serial_yield(true);
    return OK;
}

void arch_ports_release(u32 first, u32 count) {
    if (touches_serial(first, count))
        serial_yield(false);
}

u32 arch_port_read(u32 port, u32 width) {
    switch (width) {
    case 1:
        return io_read8((u16)port);
    case 2:
        return io_read16((u16)port);
    default:
        ASSERT(width == 4);
        return io_read32((u16)port);
    }
}

enum status arch_port_write(u32 port, u32 width, u32 value) {
    // Chipsets take the byte for a reset, and the whole word for PCI.
    if (ports_overlap(port, width, RESET_PORT, RESET_PORT) &&
        (width != 4 || port != RESET_PORT - 1))
        return ERR_NO_ACCESS;
    switch (width) {
    case 1:
        io_write8((u16)port, (u8)value);
        break;
    case 2:
        io_write16((u16)port, (u16)value);
        break;
    default:
        ASSERT(width == 4);
        io_write32((u16)port, value);
        break;
    }
    return OK;
}

// -- Interrupts -----------------------------------------------------------------------------------

// A line that is level-triggered can have several holders, and comes to all of them. One vector is
// the line's, as long as it has a holder, though that of its first one may have gone: an I/O APIC
// must not be told of another while it waits for the end of an interrupt.
struct program_vector {
    bool is_taken;
    bool is_held; // somebody is told; if not, it is a line's vector for other holders
    bool is_line;
    struct ioapic_input input; // of a line
};

static struct {
    struct port_lock lock;
    struct program_vector slots[ARCH_INTERRUPTS_MAX]; // under lock
    u32 next; // under lock: which is given first. One that was given back rests, as its last
              // interrupt may still be on its way
} vectors;

static struct program_vector *free_slot_locked(u32 *number) {
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++) {
        u32 at = (vectors.next + i) % ARCH_INTERRUPTS_MAX;
        if (!vectors.slots[at].is_taken) {
            vectors.next = at + 1;
            *number = at;
            return &vectors.slots[at];
        }
    }
    return NULL;
}

static bool is_of_line(const struct program_vector *slot, u32 gsi) {
    return slot->is_taken && slot->is_line && slot->input.gsi == gsi;
}

static bool line_has_vector_locked(u32 gsi) {
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++) {
        if (is_of_line(&vectors.slots[i], gsi))
            return true;
    }
    return false;
}

static bool line_is_held_locked(u32 gsi) {
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++) {
        if (is_of_line(&vectors.slots[i], gsi) && vectors.slots[i].is_held)
            return true;
    }
    return false;
}

static enum status claim_line_locked(const struct ioapic_input *input, u32 *number) {
    bool is_shared = line_has_vector_locked(input->gsi);
    if (is_shared && !input->level)
        return ERR_BUSY;
    struct program_vector *slot = free_slot_locked(number);
    if (slot == NULL)
        return ERR_NO_SPACE;
    *slot = (struct program_vector){
        .is_taken = true, .is_held = true, .is_line = true, .input = *input};
    if (is_shared || ioapic_route(input, (u8)(VECTOR_PROGRAM_FIRST + *number)))
        return OK;
    *slot = (struct program_vector){};
    return ERR_INVALID;
}

// Of the ISA interrupts, the timer's and the second controller's are not for programs, nor is what
// the kernel's own console uses.
static bool line_refused(u32 line) {
    return line == 0 || line == 2 || (line == SERIAL_LINE && !serial_is_yielded());
}

enum status arch_interrupt_claim(u32 line, u32 *number, bool *is_level) {
    struct ioapic_input input = {.gsi = line, .active_low = true, .level = true};
    if (line < ISA_LINES)
        input = ioapic_isa_input(line);
    if (line_refused(line))
        return ERR_NO_ACCESS;
    arch_irq_state irq = port_lock(&vectors.lock);
    enum status status = claim_line_locked(&input, number);
    port_unlock(&vectors.lock, irq);
    *is_level = input.level;
    return status;
}

enum status arch_message_claim(u32 *number, u64 *address, u32 *data) {
    arch_irq_state irq = port_lock(&vectors.lock);
    struct program_vector *slot = free_slot_locked(number);
    if (slot != NULL)
        *slot = (struct program_vector){.is_taken = true, .is_held = true};
    port_unlock(&vectors.lock, irq);
    if (slot == NULL)
        return ERR_NO_SPACE;
    struct msi_message message = irq_msi_message((u8)(VECTOR_PROGRAM_FIRST + *number));
    *address = message.address;
    *data = message.data;
    return OK;
}

// A holder of a line has gone; returns whether it was the last one.
static bool release_line_locked(struct program_vector *slot) {
    u32 gsi = slot->input.gsi;
    slot->is_held = false;
    if (line_is_held_locked(gsi))
        return false;
    ioapic_mask(gsi, true);
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++) {
        if (is_of_line(&vectors.slots[i], gsi))
            vectors.slots[i] = (struct program_vector){};
    }
    return true;
}

void arch_interrupt_release(u32 number) {
    ASSERT(number < ARCH_INTERRUPTS_MAX);
    struct program_vector *slot = &vectors.slots[number];
    arch_irq_state irq = port_lock(&vectors.lock);
    CHECK(slot->is_held);
    bool is_serial = slot->is_line && slot->input.gsi == ioapic_isa_input(SERIAL_LINE).gsi;
    if (slot->is_line)
        is_serial &= release_line_locked(slot);
    else
        *slot = (struct program_vector){};
    port_unlock(&vectors.lock, irq);
    if (is_serial && !serial_is_yielded())
        serial_interrupt_start(); // the ports came back first
}

void arch_interrupt_unmask(u32 number) {
    ASSERT(number < ARCH_INTERRUPTS_MAX);
    const struct program_vector *slot = &vectors.slots[number];
    arch_irq_state irq = port_lock(&vectors.lock);
    if (slot->is_held && slot->is_line)
        ioapic_mask(slot->input.gsi, false);
    port_unlock(&vectors.lock, irq);
}

#define NUMBER_WORDS ((ARCH_INTERRUPTS_MAX + 63) / 64)

// Whom the interrupt of a vector is told.
static void holders_locked(u32 number, u64 told[NUMBER_WORDS]) {
    const struct program_vector *slot = &vectors.slots[number];
    bool is_level = slot->is_taken && slot->is_line && slot->input.level;
    if (slot->is_held)
        told[number / 64] |= 1ull << number % 64;
    if (!is_level)
        return;
    ioapic_mask(slot->input.gsi, true);
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++) {
        if (is_of_line(&vectors.slots[i], slot->input.gsi) && vectors.slots[i].is_held)
            told[i / 64] |= 1ull << i % 64;
    }
}

void program_interrupt(u32 number) {
    u64 told[NUMBER_WORDS] = {};
    arch_irq_state irq = port_lock(&vectors.lock);
    holders_locked(number, told);
    port_unlock(&vectors.lock, irq);
    for (u32 i = 0; i < NUMBER_WORDS; i++) {
        for (; told[i] != 0; told[i] &= told[i] - 1)
            upcall_device(64 * i + (u32)__builtin_ctzll(told[i]));
    }
}
