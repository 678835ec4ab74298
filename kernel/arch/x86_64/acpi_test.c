// ACPI tables are read within bounds and believed only when their checksums are right.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/fake_phys.h"

#define RSDP_PHYS 0xe1230ull
#define XSDT_PHYS 0x10000ull
#define RSDT_PHYS 0x11000ull
#define MADT_PHYS 0x12000ull
#define FADT_PHYS 0x13000ull
#define HPET_PHYS 0x14000ull
#define DSDT_PHYS 0x15000ull
#define MCFG_PHYS 0x16000ull

struct table {
    u32 len;
    u8 bytes[512];
};

static void put(struct table *table, const void *bytes, u32 len) {
    memcpy(table->bytes + table->len, bytes, len);
    table->len += len;
}

static struct table new_table(const char *signature, u32 len) {
    struct table table = {.len = len};
    memcpy(table.bytes, signature, 4);
    return table;
}

static u8 checksum(const u8 *bytes, u32 len) {
    u8 sum = 0;
    for (u32 i = 0; i < len; i++)
        sum = (u8)(sum + bytes[i]);
    return (u8)-sum;
}

static void put_table(u64 phys, struct table *table) {
    memcpy(table->bytes + 4, &table->len, 4);
    table->bytes[9] = 0;
    table->bytes[9] = checksum(table->bytes, table->len);
    fake_phys_put(phys, table->bytes, table->len);
}

static void store(struct table *table, u32 offset, u64 value, u32 bytes) {
    memcpy(table->bytes + offset, &value, bytes);
}

struct tables {
    struct table madt, fadt, hpet, dsdt, mcfg, xsdt, rsdt;
    u8 rsdp[36];
};

static void put_segment(struct table *mcfg, u64 phys, u16 segment, u8 first, u8 last) {
    u32 at = mcfg->len;
    mcfg->len += 16;
    store(mcfg, at, phys, 8);
    store(mcfg, at + 8, segment, 2);
    store(mcfg, at + 10, first, 1);
    store(mcfg, at + 11, last, 1);
}

static struct tables whole_tables(void) {
    struct tables t = {
        .madt = new_table("APIC", 44),
        .fadt = new_table("FACP", 148),
        .hpet = new_table("HPET", 56),
        .dsdt = new_table("DSDT", 36),
        .mcfg = new_table("MCFG", 44),
        .xsdt = new_table("XSDT", 36),
        .rsdt = new_table("RSDT", 36),
    };
    store(&t.madt, 36, 0xfee00000, 4);
    put(&t.madt, (const u8[]){0, 8, 0, 0, 1, 0, 0, 0}, 8); // CPU 0
    put(&t.madt, (const u8[]){0, 8, 1, 1, 0, 0, 0, 0}, 8); // CPU 1, disabled
    put(&t.madt, (const u8[]){0, 8, 2, 2, 1, 0, 0, 0}, 8); // CPU 2
    put(&t.madt, (const u8[]){1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, 12);
    put(&t.madt, (const u8[]){2, 10, 0, 4, 20, 0, 0, 0, 0x0f, 0}, 10); // IRQ 4 is 20, low, level
    put(&t.madt, (const u8[]){2, 10, 0, 99, 7, 0, 0, 0, 0, 0}, 10);    // no such IRQ
    put(&t.madt, (const u8[]){77, 5, 1, 2, 3}, 5);                     // unknown

    store(&t.fadt, 40, DSDT_PHYS, 4);
    store(&t.fadt, 48, 0xb2, 4);
    store(&t.fadt, 52, 2, 1);
    store(&t.fadt, 64, 0x604, 4);
    store(&t.fadt, 76, 0x608, 4);
    store(&t.fadt, 108, 0x32, 1);
    store(&t.fadt, 112, 1 << 8, 4);
    store(&t.hpet, 44, 0xfed00000, 8);
    // First something with the name that is no such package.
    put(&t.dsdt, "xx_S5_yy", 8);
    put(&t.dsdt, (const u8[]){0x08, '_', 'S', '5', '_', 0x12, 0x08, 4, 0x0a, 5, 0x01, 0, 0}, 13);

    put_segment(&t.mcfg, 0xe0000000, 1, 0, 0xff); // not the first one
    put_segment(&t.mcfg, 0xb0000000, 0, 0, 0xff);

    const u64 xsdt[] = {MADT_PHYS, FADT_PHYS, 0xdead0000, HPET_PHYS, MCFG_PHYS};
    const u32 rsdt[] = {MADT_PHYS, FADT_PHYS, 0xdead0000, HPET_PHYS, MCFG_PHYS};
    put(&t.xsdt, xsdt, sizeof xsdt);
    put(&t.rsdt, rsdt, sizeof rsdt);

    memcpy(t.rsdp, "RSD PTR ", 8);
    t.rsdp[15] = 2;
    memcpy(t.rsdp + 16, &(u32){RSDT_PHYS}, 4);
    memcpy(t.rsdp + 24, &(u64){XSDT_PHYS}, 8);
    t.rsdp[8] = checksum(t.rsdp, 20);
    return t;
}

static void put_tables(struct tables *t) {
    put_table(MADT_PHYS, &t->madt);
    put_table(FADT_PHYS, &t->fadt);
    put_table(HPET_PHYS, &t->hpet);
    put_table(DSDT_PHYS, &t->dsdt);
    put_table(MCFG_PHYS, &t->mcfg);
    put_table(XSDT_PHYS, &t->xsdt);
    put_table(RSDT_PHYS, &t->rsdt);
    fake_phys_put(RSDP_PHYS, t->rsdp, sizeof t->rsdp);
}

static int tear_down(UNUSED void **state) {
    fake_phys_clear();
    return 0;
}

static void check_all_found(void) {
    const struct acpi_info *acpi = acpi_info();
    assert_true(acpi->found);
    assert_int_equal(acpi->cpu_count, 2);
    assert_int_equal(acpi->lapic_phys, 0xfee00000);
    assert_int_equal(acpi->ioapic_count, 1);
    assert_int_equal(acpi->ioapics[0].phys, 0xfec00000);
    assert_int_equal(acpi->isa_irqs[4].gsi, 20);
    assert_true(acpi->isa_irqs[4].active_low && acpi->isa_irqs[4].level);
    assert_int_equal(acpi->isa_irqs[5].gsi, 5);
    assert_int_equal(acpi->hpet_phys, 0xfed00000);
    assert_int_equal(acpi->ecam_phys, 0xb0000000);
    assert_int_equal(acpi->ecam_first_bus, 0);
    assert_int_equal(acpi->ecam_last_bus, 0xff);
    assert_int_equal(acpi->pm_timer_port, 0x608);
    assert_true(acpi->pm_timer_32bit);
    assert_int_equal(acpi->century_register, 0x32);
    assert_true(acpi->can_power_off);
    assert_int_equal(acpi->pm1a_control_port, 0x604);
    assert_int_equal(acpi->sleep_type_a, 5 << 10);
    assert_int_equal(acpi->sleep_type_b, 1 << 10);
    assert_int_equal(acpi->smi_command_port, 0xb2);
}

static void tables_are_found_when_told(UNUSED void **state) {
    struct tables t = whole_tables();
    put_tables(&t);
    acpi_init(RSDP_PHYS);
    check_all_found();
}

static void reduced_hardware_is_switched_off_by_its_own_register(UNUSED void **state) {
    struct tables t = whole_tables();
    store(&t.fadt, 112, 1 << 20 | 1 << 8, 4);
    t.fadt.len = 268;
    store(&t.fadt, 248, 0xfea02000, 8); // in memory
    put_tables(&t);
    acpi_init(RSDP_PHYS);
    const struct acpi_info *acpi = acpi_info();
    assert_true(acpi->is_reduced && acpi->can_power_off && acpi->sleep_control_in_memory);
    assert_int_equal(acpi->sleep_control, 0xfea02000);
    assert_int_equal(acpi->sleep_type_a, 5 << 10);
    assert_int_equal(acpi->pm1a_control_port, 0); // whatever the table says
    assert_int_equal(acpi->pm_timer_port, 0);
    fake_phys_clear();

    store(&t.fadt, 244, 1, 1); // a port
    put_tables(&t);
    acpi_init(RSDP_PHYS);
    assert_true(acpi->can_power_off && !acpi->sleep_control_in_memory);
    fake_phys_clear();

    store(&t.fadt, 248, 0, 8); // none
    put_tables(&t);
    acpi_init(RSDP_PHYS);
    assert_false(acpi->can_power_off);
}

static void configuration_space_is_where_it_can_be(UNUSED void **state) {
    static const struct {
        u64 phys;
        u16 segment;
        u8 first, last;
        bool is_right;
    } cases[] = {
        {0xb0000000, 0, 0, 0xff, true},  {0xb0000000, 0, 0x40, 0x7f, true},
        {0x7000000000, 0, 3, 3, true},   {0, 0, 0, 0xff, false},
        {0xb0080000, 0, 0, 0xff, false}, {0xb0000000, 0, 0x80, 0x7f, false},
        {0xb0000000, 1, 0, 0xff, false}, {0xfffffffffff00000, 0, 0, 0, false},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        struct tables t = whole_tables();
        t.mcfg.len = 44;
        put_segment(&t.mcfg, cases[i].phys, cases[i].segment, cases[i].first, cases[i].last);
        put_tables(&t);
        acpi_init(RSDP_PHYS);
        assert_int_equal(acpi_info()->ecam_phys, cases[i].is_right ? cases[i].phys : 0);
        assert_int_equal(acpi_info()->ecam_first_bus, cases[i].is_right ? cases[i].first : 0);
        assert_int_equal(acpi_info()->ecam_last_bus, cases[i].is_right ? cases[i].last : 0);
        fake_phys_clear();
    }
}

static void tables_are_found_through_the_old_root(UNUSED void **state) {
    struct tables t = whole_tables();
    t.rsdp[15] = 0;
    t.rsdp[8] = 0;
    t.rsdp[8] = checksum(t.rsdp, 20);
    put_tables(&t);
    acpi_init(RSDP_PHYS);
    check_all_found();
}

static void tables_are_searched(UNUSED void **state) {
    struct tables t = whole_tables();
    put_tables(&t);
    acpi_init(0);
    check_all_found();
    acpi_init(0x99990000); // told wrong
    check_all_found();
}

static void damaged_tables_are_ignored(UNUSED void **state) {
    struct tables t = whole_tables();
    t.hpet.bytes[50] ^= 1;
    put_tables(&t);
    fake_phys.pieces[2].data[50] ^= 1; // the HPET's
    acpi_init(RSDP_PHYS);
    assert_true(acpi_info()->found);
    assert_int_equal(acpi_info()->hpet_phys, 0);
    assert_int_equal(acpi_info()->cpu_count, 2);
    fake_phys.pieces[7].data[3] ^= 1; // the RSDP's
    acpi_init(RSDP_PHYS);
    assert_false(acpi_info()->found);
    assert_int_equal(acpi_info()->lapic_phys, 0xfee00000);
}

static void nothing_is_found_in_nothing(UNUSED void **state) {
    acpi_init(0);
    assert_false(acpi_info()->found);
    assert_false(acpi_info()->can_power_off);
    assert_int_equal(acpi_info()->isa_irqs[4].gsi, 4);
}

// Every table cut at every length, and every byte of it replaced, with its checksum made right.
static void wrong_tables_stay_inside(UNUSED void **state) {
    static const u8 values[] = {0, 1, 0x7f, 0x80, 0xff};
    for (u32 which = 0; which < 7; which++) {
        struct tables whole = whole_tables();
        u32 len = (&whole.madt)[which].len;
        for (u32 at = 10; at < len; at++) {
            struct tables t = whole;
            (&t.madt)[which].len = at;
            put_tables(&t);
            acpi_init(RSDP_PHYS);
            fake_phys_clear();
            for (u32 i = 0; i < COUNT_OF(values); i++) {
                t = whole;
                (&t.madt)[which].bytes[at] = values[i];
                put_tables(&t);
                acpi_init(RSDP_PHYS);
                fake_phys_clear();
            }
        }
    }
}

#define TEST(function) cmocka_unit_test_teardown(function, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reduced_hardware_is_switched_off_by_its_own_register),
        TEST(tables_are_found_when_told),
        TEST(configuration_space_is_where_it_can_be),
        TEST(tables_are_found_through_the_old_root),
        TEST(tables_are_searched),
        TEST(damaged_tables_are_ignored),
        TEST(nothing_is_found_in_nothing),
        TEST(wrong_tables_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
