// ACPI tables: MADT (CPUs, interrupt controllers), HPET, MCFG (PCI configuration space), FADT
// (timer, power), and of the DSDT only the package \_S5_, found by its shape.
//
// The tables come from firmware and are often wrong: every length is checked against the bytes that
// there are, every table against its checksum; what does not fit is ignored.

#include "kernel/arch/x86_64/acpi.h"

#include "base/math.h"
#include "kernel/arch/x86_64/early.h"

#define TABLES_MAX       64u
#define TABLE_BYTES_MAX  (16 * MIB)
#define LAPIC_PHYS_USUAL 0xfee00000ull
#define PM1_SLEEP_SHIFT  10 // where both sleep types are kept
#define SCAN_STEP        16

struct PACKED rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    // Revision 2:
    u32 bytes;
    u64 xsdt;
    u8 extended_checksum;
    u8 reserved[3];
};
#define RSDP_BYTES_1 20

struct PACKED table {
    char signature[4];
    u32 bytes;
    u8 revision;
    u8 checksum;
    char oem[6];
    char oem_table[8];
    u32 oem_revision;
    u32 creator;
    u32 creator_revision;
};
STATIC_ASSERT(sizeof(struct table) == 36, "as in memory");

static struct acpi_info acpi;

const struct acpi_info *acpi_info(void) {
    return &acpi;
}

// -- Reading ------------------------------------------------------------------------------------

static bool sums_to_zero(const u8 *at, u64 bytes) {
    u8 sum = 0;
    for (u64 i = 0; i < bytes; i++)
        sum = (u8)(sum + at[i]);
    return sum == 0;
}

// A whole, correct table, or NULL.
static const struct table *table_at(u64 phys) {
    const struct table *table = boot_phys(phys, sizeof *table);
    if (table == NULL || table->bytes < sizeof *table || table->bytes > TABLE_BYTES_MAX)
        return NULL;
    u32 bytes = table->bytes;
    table = boot_phys(phys, bytes);
    if (table == NULL || !sums_to_zero((const u8 *)table, bytes))
        return NULL;
    return table;
}

static bool has_signature(const struct table *table, const char *signature) {
    return memcmp(table->signature, signature, 4) == 0;
}

// Fields may be missing (older, shorter tables) and then read as zero.
static u64 field(const struct table *table, u32 offset, u32 bytes) {
    u64 value = 0;
    if (range_fits(offset, bytes, table->bytes))
        memcpy(&value, (const u8 *)table + offset, bytes);
    return value;
}

// -- MADT ---------------------------------------------------------------------------------------

enum madt_entry {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_ADDRESS = 5,
    MADT_X2APIC = 9
};

#define MADT_ENTRIES     44u
#define MADT_CPU_ENABLED 1u

// A CPU may be listed twice, for old and for new systems.
static void add_cpu(u32 apic_id) {
    for (u32 i = 0; i < acpi.cpu_count; i++) {
        if (acpi.cpu_apic_ids[i] == apic_id)
            return;
    }
    if (acpi.cpu_count < ACPI_CPUS_MAX)
        acpi.cpu_apic_ids[acpi.cpu_count++] = apic_id;
}

static void parse_madt_entry(const struct table *madt, u32 at, u32 bytes) {
    switch (field(madt, at, 1)) {
    case MADT_LAPIC:
        if (bytes >= 8 && (field(madt, at + 4, 4) & MADT_CPU_ENABLED) != 0)
            add_cpu((u32)field(madt, at + 3, 1));
        break;
    case MADT_X2APIC:
        if (bytes >= 16 && (field(madt, at + 8, 4) & MADT_CPU_ENABLED) != 0)
            add_cpu((u32)field(madt, at + 4, 4));
        break;
    case MADT_IOAPIC:
        if (bytes >= 12 && acpi.ioapic_count < ACPI_IOAPICS_MAX)
            acpi.ioapics[acpi.ioapic_count++] = (struct acpi_ioapic){
                .phys = field(madt, at + 4, 4), .gsi_base = (u32)field(madt, at + 8, 4)};
        break;
    case MADT_OVERRIDE: {
        u64 irq = field(madt, at + 3, 1);
        u64 flags = field(madt, at + 8, 2);
        if (bytes >= 10 && irq < ACPI_ISA_IRQS)
            acpi.isa_irqs[irq] = (struct acpi_isa_irq){.gsi = (u32)field(madt, at + 4, 4),
                                                       .active_low = (flags & 3) == 3,
                                                       .level = (flags >> 2 & 3) == 3};
        break;
    }
    case MADT_LAPIC_ADDRESS:
        if (bytes >= 12)
            acpi.lapic_phys = field(madt, at + 4, 8);
        break;
    }
}

static void parse_madt(const struct table *madt) {
    u64 lapic = field(madt, 36, 4);
    if (lapic != 0)
        acpi.lapic_phys = lapic;
    for (u32 at = MADT_ENTRIES; range_fits(at, 2, madt->bytes);) {
        u32 bytes = (u32)field(madt, at + 1, 1);
        if (bytes < 2 || !range_fits(at, bytes, madt->bytes))
            return;
        parse_madt_entry(madt, at, bytes);
        at += bytes;
    }
}

// -- FADT and DSDT ------------------------------------------------------------------------------

// A small number in AML: ZeroOp, OneOp, or a byte, word or double word. Moves `at` past it.
static bool aml_number(const struct table *dsdt, u32 *at, u64 *out) {
    u64 opcode = field(dsdt, *at, 1);
    u32 bytes = opcode == 0x0a ? 1 : opcode == 0x0b ? 2 : opcode == 0x0c ? 4 : 0;
    if (opcode > 1 && bytes == 0)
        return false;
    *out = bytes == 0 ? opcode : field(dsdt, *at + 1, bytes);
    *at += 1 + bytes;
    return true;
}

// Name (_S5_, Package () {a, b, ...}): 08 "_S5_" 12 length count a b
static bool parse_s5(const struct table *dsdt, u32 name) {
    bool named = field(dsdt, name - 1, 1) == 0x08 ||
                 (field(dsdt, name - 2, 1) == 0x08 && field(dsdt, name - 1, 1) == '\\');
    if (!named || field(dsdt, name + 4, 1) != 0x12)
        return false;
    u32 at = name + 5;
    at += 1 + (u32)(field(dsdt, at, 1) >> 6); // package length: the lead byte tells how many follow
    at += 1;                                  // number of elements
    u64 a;
    u64 b;
    if (!aml_number(dsdt, &at, &a) || !aml_number(dsdt, &at, &b))
        return false;
    acpi.sleep_type_a = (u16)((a & 7) << PM1_SLEEP_SHIFT);
    acpi.sleep_type_b = (u16)((b & 7) << PM1_SLEEP_SHIFT);
    return true;
}

static bool find_s5(const struct table *dsdt) {
    const u8 *bytes = (const u8 *)dsdt;
    for (u32 at = sizeof *dsdt + 2; at + 8 < dsdt->bytes; at++) {
        if (bytes[at] == '_' && memcmp(bytes + at, "_S5_", 4) == 0 && parse_s5(dsdt, at))
            return true;
    }
    return false;
}

static void parse_fadt(const struct table *fadt) {
    acpi.smi_command_port = (u16)field(fadt, 48, 4);
    acpi.acpi_enable = (u8)field(fadt, 52, 1);
    acpi.pm1a_control_port = (u16)field(fadt, 64, 4);
    acpi.pm1b_control_port = (u16)field(fadt, 68, 4);
    acpi.pm_timer_port = (u16)field(fadt, 76, 4);
    acpi.century_register = (u8)field(fadt, 108, 1);
    acpi.pm_timer_32bit = (field(fadt, 112, 4) >> 8 & 1) != 0;

    // Reduced hardware has neither the PM1 registers nor the timer, whatever their fields hold.
    acpi.is_reduced = (field(fadt, 112, 4) >> 20 & 1) != 0;
    if (acpi.is_reduced) {
        acpi.pm1a_control_port = 0;
        acpi.pm1b_control_port = 0;
        acpi.pm_timer_port = 0;
        acpi.sleep_control_in_memory = field(fadt, 244, 1) == 0;
        acpi.sleep_control = field(fadt, 248, 8);
    }
    bool has_control = acpi.is_reduced ? acpi.sleep_control != 0 : acpi.pm1a_control_port != 0;

    u64 dsdt_phys = field(fadt, 140, 8);
    if (dsdt_phys == 0)
        dsdt_phys = field(fadt, 40, 4);
    const struct table *dsdt = table_at(dsdt_phys);
    if (dsdt != NULL && has_signature(dsdt, "DSDT") && has_control)
        acpi.can_power_off = find_s5(dsdt);
}

static void parse_hpet(const struct table *hpet) {
    if (field(hpet, 40, 1) == 0) // in memory space
        acpi.hpet_phys = field(hpet, 44, 8);
}

#define MCFG_ENTRIES     44u
#define MCFG_ENTRY_BYTES 16u
#define ECAM_BUS_SHIFT   20

// Segment 0 alone: the others are further machines' worth of buses, which no PC has that we know.
static void parse_mcfg(const struct table *mcfg) {
    for (u32 at = MCFG_ENTRIES; range_fits(at, MCFG_ENTRY_BYTES, mcfg->bytes);
         at += MCFG_ENTRY_BYTES) {
        u64 phys = field(mcfg, at, 8);
        u8 first = (u8)field(mcfg, at + 10, 1);
        u8 last = (u8)field(mcfg, at + 11, 1);
        u64 end;
        if (field(mcfg, at + 8, 2) != 0 || phys == 0 || first > last ||
            !is_aligned(phys, 1ull << ECAM_BUS_SHIFT) ||
            !add_u64(phys, (last + 1ull) << ECAM_BUS_SHIFT, &end))
            continue;
        acpi.ecam_phys = phys;
        acpi.ecam_first_bus = first;
        acpi.ecam_last_bus = last;
        return;
    }
}

// -- The root -----------------------------------------------------------------------------------

static void parse_root(const struct table *root, u32 entry_bytes) {
    u32 count = (root->bytes - (u32)sizeof *root) / entry_bytes;
    for (u32 i = 0; i < count && i < TABLES_MAX; i++) {
        const struct table *table =
            table_at(field(root, (u32)sizeof *root + i * entry_bytes, entry_bytes));
        if (table == NULL)
            continue;
        if (has_signature(table, "APIC"))
            parse_madt(table);
        else if (has_signature(table, "FACP"))
            parse_fadt(table);
        else if (has_signature(table, "HPET"))
            parse_hpet(table);
        else if (has_signature(table, "MCFG"))
            parse_mcfg(table);
    }
}

static const struct rsdp *rsdp_at(u64 phys) {
    const struct rsdp *rsdp = boot_phys(phys, RSDP_BYTES_1);
    if (rsdp == NULL || memcmp(rsdp->signature, "RSD PTR ", 8) != 0)
        return NULL;
    return sums_to_zero((const u8 *)rsdp, RSDP_BYTES_1) ? rsdp : NULL;
}

// BIOSes put it into the first KiB of the extended BIOS data area or into the BIOS's own memory.
static const struct rsdp *rsdp_search(void) {
    const u16 *told = boot_phys(0x40e, 2);
    u64 ebda = told != NULL ? (u64)*told << 4 : 0;
    u64 areas[2][2] = {{ebda, ebda + KIB}, {0xe0000, 0x100000}};
    for (u32 i = 0; i < COUNT_OF(areas); i++) {
        for (u64 phys = areas[i][0]; phys < areas[i][1]; phys += SCAN_STEP) {
            const struct rsdp *rsdp = rsdp_at(phys);
            if (rsdp != NULL)
                return rsdp;
        }
    }
    return NULL;
}

void acpi_init(u64 rsdp_phys) {
    acpi = (struct acpi_info){.lapic_phys = LAPIC_PHYS_USUAL};
    for (u32 irq = 0; irq < ACPI_ISA_IRQS; irq++)
        acpi.isa_irqs[irq].gsi = irq;

    const struct rsdp *rsdp = rsdp_phys != 0 ? rsdp_at(rsdp_phys) : NULL;
    if (rsdp == NULL)
        rsdp = rsdp_search();
    if (rsdp == NULL)
        return;
    const struct table *root = NULL;
    u32 entry_bytes = 8;
    if (rsdp->revision >= 2)
        root = table_at(rsdp->xsdt);
    if (root == NULL || !has_signature(root, "XSDT")) {
        root = table_at(rsdp->rsdt);
        entry_bytes = 4;
        if (root == NULL || !has_signature(root, "RSDT"))
            return;
    }
    acpi.found = true;
    parse_root(root, entry_bytes);
}
