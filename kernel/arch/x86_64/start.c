// The start of the machine, as a list: from boot.S to kernel_main.

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/image.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/traps.h"

// Below is where BIOSes keep what their memory maps forget.
#define LOW_MEMORY_BYTES (1 * MIB)
#define MEMORY_BYTES_MIN (4 * MIB)

static struct boot_data boot_data;

void boot_start(u32 how, u64 info_phys, u64 load_distance);

static void read_boot_info(u32 how, u64 info_phys) {
    enum status status = ERR_UNSUPPORTED;
    if (how == BOOT_BY_MULTIBOOT2)
        status = multiboot2_parse(info_phys, &boot_data);
    else if (how == BOOT_BY_PVH)
        status = pvh_parse(info_phys, &boot_data);
    if (status == ERR_UNSUPPORTED)
        boot_fail("the boot loader speaks neither Multiboot 2 nor PVH");
    if (status != OK)
        boot_fail("the boot loader's information is damaged");
    if (!boot_data.has_memory_map)
        boot_fail("the boot loader gives no memory map");
}

// Takes everything that is in use out of the RAM that the firmware calls usable.
static void reserve_used(u64 load_distance) {
    struct range_set *ram = &boot_data.ram;
    boot_data.info.ram_bytes = range_set_bytes(ram);
    program_devices_init(ram, &boot_data.reserved);
    for (u32 i = 0; i < boot_data.reserved.count; i++) {
        const struct phys_range *range = &boot_data.reserved.ranges[i];
        range_set_remove(ram, range->start.value, range->start.value + range->bytes);
    }
    range_set_remove(ram, (uptr)kernel_start - KERNEL_BASE + load_distance,
                     (uptr)kernel_end - KERNEL_BASE + load_distance);
    for (u32 i = 0; i < boot_data.module_count; i++) {
        const struct boot_module *module = &boot_data.modules[i];
        range_set_remove(ram, align_down(module->phys, PAGE_SIZE),
                         align_up(module->phys + module->bytes, PAGE_SIZE));
    }
    smp_low_page_keep(ram);
    range_set_remove(ram, 0, LOW_MEMORY_BYTES);
    boot_command_line_apply(&boot_data);
    if (range_set_bytes(ram) < MEMORY_BYTES_MIN)
        boot_fail("too little memory: %llu KiB are free, %llu are needed",
                  range_set_bytes(ram) / KIB, MEMORY_BYTES_MIN / KIB);
}

static void describe_machine(void) {
    static char machine[96];
    char brand[52];
    cpu_brand(brand, sizeof brand);
    u32 cpus = boot_data.info.cpu_count;
    fmt_string(machine, sizeof machine, "x86_64, %s, %u CPU%s", brand, cpus, cpus == 1 ? "" : "s");
    boot_data.info.machine = machine;
}

static void finish_boot_info(void) {
    struct boot_info *info = &boot_data.info;
    u32 cpus = acpi_info()->cpu_count;
    info->cpu_count = cpus == 0 ? 1 : (u32)min_u64(cpus, ARCH_CPUS_MAX);
    info->kernel_zone_limit = DIRECT_MAP_BYTES_MAX;
    info->free_count = boot_data.ram.count;
    memcpy(info->free, boot_data.ram.ranges, sizeof info->free);
    describe_machine();
}

// Calls kernel_main on the boot stack, interrupts off. `load_distance` is how far from its linked
// address the image was loaded.
void boot_start(u32 how, u64 info_phys, u64 load_distance) {
    serial_init();
    cpu_init();
    gdt_init(cpu_this());
    interrupt_init();

    read_boot_info(how, info_phys);
    reserve_used(load_distance);
    acpi_init(boot_data.rsdp_phys);
    paging_init(&boot_data, load_distance);

    boot_framebuffer_check(&boot_data.framebuffer);
    framebuffer_init(&boot_data.framebuffer);
    apic_init();
    time_init();
    power_init();
    finish_boot_info();
    paging_early_end();
    kernel_main(&boot_data.info);
}

static void tell_features(void) {
    const struct cpu_features *features = cpu_features();
    char text[96];
    fmt_string(text, sizeof text, "in use: %s, %s%s%s%s", features->x2apic ? "x2APIC" : "xAPIC",
               features->tsc_deadline ? "TSC-deadline timer" : "APIC timer",
               features->pcid ? ", PCID" : "",
               features->pcid && features->invpcid ? ", INVPCID" : "",
               features->fsgsbase ? ", FSGSBASE" : "");
    upcall_log(text);
}

void arch_devices_start(void) {
    tell_features();
    serial_interrupt_start();
    virtio_console_start();
}
