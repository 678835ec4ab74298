// What the headers of functions say, in memory alone: lists that end and that do not, BARs of every
// kind, buses behind bridges.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/math.h"
#include "user/services/pci/config.h"

#define FUNCTIONS  6u
#define HERE       0x0018u
#define BAR_END    (CONFIG_BAR + 4 * BARS)
#define HAS_LIST   0x10u
#define MULTIPLE   0x80u
#define FOUND_MOST 16u

// Each is 4 KiB of registers; of its BARs the bits of a mask can be written.
static struct fake {
    pci_place place;
    u8 bytes[CONFIG_BYTES];
    u32 masks[BARS];
    u32 probed_alive; // BARs that were all ones while it answered at them
} functions[FUNCTIONS];
static u32 count;

static struct fake *fake_at(pci_place place) {
    for (u32 i = 0; i < count; i++) {
        if (functions[i].place == place)
            return &functions[i];
    }
    return NULL;
}

u32 config_read(pci_place place, u32 at, u32 width) {
    const struct fake *fake = fake_at(place);
    u32 value = UINT32_MAX >> (32 - 8 * width);
    assert_true(at % width == 0 && at + width <= CONFIG_BYTES);
    if (fake == NULL)
        return value;
    value = 0;
    memcpy(&value, fake->bytes + at, width);
    return value;
}

void config_write(pci_place place, u32 at, u32 width, u32 value) {
    struct fake *fake = fake_at(place);
    assert_non_null(fake);
    assert_true(at % width == 0 && at + width <= CONFIG_BYTES);
    if (at >= CONFIG_BAR && at < BAR_END) {
        u32 mask = fake->masks[(at - CONFIG_BAR) / 4];
        u32 before = config_read(place, at, 4);
        fake->probed_alive += value == UINT32_MAX && (fake->bytes[CONFIG_COMMAND] & 3) != 0;
        value = (value & mask) | (before & ~mask);
    }
    memcpy(fake->bytes + at, &value, width);
}

static void put(struct fake *fake, u32 at, u32 width, u32 value) {
    memcpy(fake->bytes + at, &value, width);
}

static struct fake *add(pci_place place) {
    struct fake *fake = &functions[count++];
    *fake = (struct fake){.place = place};
    put(fake, CONFIG_VENDOR, 4, 0x10421af4);
    return fake;
}

static int setup(void **) {
    count = 0;
    return 0;
}

// -- Lists ----------------------------------------------------------------------------------------

static void capabilities_are_found(void **) {
    struct fake *fake = add(HERE);
    put(fake, 0x40, 2, 0x5009); // something, then at 0x50
    put(fake, 0x50, 2, 0x6011);
    put(fake, 0x60, 2, 0x0005);
    put(fake, CONFIG_CAPABILITIES, 1, 0x43); // the low bits mean nothing
    assert_int_equal(config_capability(HERE, CAPABILITY_MSIX), 0);
    put(fake, CONFIG_STATUS, 2, HAS_LIST);
    assert_int_equal(config_capability(HERE, CAPABILITY_MSIX), 0x50);
    assert_int_equal(config_capability(HERE, CAPABILITY_MSI), 0x60);
    assert_int_equal(config_capability(HERE, CAPABILITY_EXPRESS), 0);
    put(fake, 0x60, 2, 0x4005); // a circle
    assert_int_equal(config_capability(HERE, CAPABILITY_EXPRESS), 0);
}

static void extended_capabilities_are_listed(void **) {
    struct config_extended list[4];
    struct fake *fake = add(HERE);
    assert_int_equal(config_extended(HERE, list, COUNT_OF(list)), 0);
    put(fake, 0x100, 4, 0x14020001); // version 2 of kind 1, the next at 0x140
    put(fake, 0x140, 4, 0xffc10003);
    put(fake, 0xffc, 4, 0x0001000d);
    assert_int_equal(config_extended(HERE, list, COUNT_OF(list)), 3);
    assert_int_equal(list[0].kind, 1);
    assert_int_equal(list[0].at, 0x100);
    assert_int_equal(list[1].kind, 3);
    assert_int_equal(list[1].at, 0x140);
    assert_int_equal(list[2].kind, 13);
    assert_int_equal(list[2].at, 0xffc);
    assert_int_equal(config_extended(HERE, list, 2), 2);
    put(fake, 0x140, 4, 0x0401000b); // back into the header
    assert_int_equal(config_extended(HERE, list, COUNT_OF(list)), 2);
    put(fake, 0x140, 4, 0x10010003); // a circle
    assert_int_equal(config_extended(HERE, list, COUNT_OF(list)), COUNT_OF(list));
    put(fake, 0x100, 4, UINT32_MAX); // nobody answers there
    assert_int_equal(config_extended(HERE, list, COUNT_OF(list)), 0);
    assert_int_equal(config_extended(HERE + 1, list, COUNT_OF(list)), 0);
}

// -- BARs -----------------------------------------------------------------------------------------

static void bars_are_what_they_can_be(void **) {
    static const struct {
        u32 low, high;
        u32 low_mask, high_mask;
        struct bar bar;
        u32 next;
    } cases[] = {
        {0xfebf1000, 0, 0xfffff000, 0, {BAR_MEMORY, 0xfebf1000, 0x1000}, 1},
        {0xfebf1008, 0, 0xfffff000, 0, {BAR_MEMORY, 0xfebf1000, 0x1000}, 1},
        {0x00000004, 0x80, 0xffffc000, UINT32_MAX, {BAR_MEMORY, 0x8000000000, 0x4000}, 2},
        {0x00000004, 0x80, 0, 0xfffffff0, {BAR_MEMORY, 0x8000000000, 0x1000000000}, 2},
        {0x0000000c, 0x80, 0x80000000, UINT32_MAX, {BAR_MEMORY, 0x8000000000, 0x80000000}, 2},
        {0xc001, 0, 0xffffffe0, 0, {BAR_PORTS, 0xc000, 0x20}, 1},
        {0xc001, 0, 0xffe0, 0, {BAR_PORTS, 0xc000, 0x20}, 1}, // 16 bits of them
        {0, 0, 0, 0, {BAR_NONE, 0, 0}, 1},
        {0, 0, 0xfffff000, 0, {BAR_NONE, 0, 0}, 1},          // nobody gave it an address
        {0xfebf1000, 0, 0xffff1000, 0, {BAR_NONE, 0, 0}, 1}, // no size
        {0xfebf1000, 0, 0xffff0000, 0, {BAR_NONE, 0, 0}, 1}, // not aligned
        {1, 0, 0xffffffe0, 0, {BAR_NONE, 0, 0}, 1},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u32 next;
        setup(NULL);
        struct fake *fake = add(HERE);
        put(fake, CONFIG_COMMAND, 2, COMMAND_PORTS | COMMAND_MEMORY | COMMAND_MASTER);
        put(fake, CONFIG_BAR + 4, 4, cases[i].low);
        put(fake, CONFIG_BAR + 8, 4, cases[i].high);
        fake->masks[1] = cases[i].low_mask;
        fake->masks[2] = cases[i].high_mask;
        struct bar bar = config_bar(HERE, 1, &next);
        assert_int_equal(bar.kind, cases[i].bar.kind);
        assert_int_equal(bar.address, cases[i].bar.address);
        assert_int_equal(bar.bytes, cases[i].bar.bytes);
        assert_int_equal(next, 1 + cases[i].next);
        // Everything is as before.
        assert_int_equal(config_read(HERE, CONFIG_BAR + 4, 4), cases[i].low);
        assert_int_equal(config_read(HERE, CONFIG_BAR + 8, 4), cases[i].high);
        assert_int_equal(config_read(HERE, CONFIG_COMMAND, 2), 7);
        assert_int_equal(fake->probed_alive, 0);
    }
}

static void bars_end_where_the_header_says(void **) {
    u32 next;
    struct fake *fake = add(HERE);
    for (u32 i = 0; i < BARS; i++) {
        put(fake, CONFIG_BAR + 4 * i, 4, 0xfe000004 + 0x10000 * i); // each wide
        fake->masks[i] = 0xffff0000;
    }
    put(fake, CONFIG_BAR + 4 * 5, 4, 0xfe050000);
    assert_int_equal(config_bar(HERE, 5, &next).kind, BAR_MEMORY);
    put(fake, CONFIG_BAR + 4 * 5, 4, 0xfe050004); // without a second half
    assert_int_equal(config_bar(HERE, 5, &next).bytes, 0x10000);
    assert_int_equal(next, 6);
    assert_int_equal(config_bar(HERE, 6, &next).kind, BAR_NONE);
    put(fake, CONFIG_HEADER, 1, 1); // a bridge has two
    assert_int_equal(config_bar(HERE, 2, &next).kind, BAR_NONE);
    put(fake, CONFIG_HEADER, 1, 2); // and this kind none
    assert_int_equal(config_bar(HERE, 0, &next).kind, BAR_NONE);
}

// -- Finding --------------------------------------------------------------------------------------

static pci_place found[FOUND_MOST];
static u32 found_count;

static void note(pci_place place) {
    assert_true(found_count < FOUND_MOST);
    found[found_count++] = place;
}

static void functions_are_found_behind_bridges(void **) {
    put(add(0x0000), CONFIG_HEADER, 1, MULTIPLE);
    add(0x0003); // a function of the same device, after a gap
    struct fake *bridge = add(0x00f8);
    put(bridge, CONFIG_HEADER, 1, 1);
    put(bridge, CONFIG_SECONDARY_BUS, 1, 9);
    struct fake *second = add(0x0900);
    put(second, CONFIG_HEADER, 1, 1);
    put(second, CONFIG_SECONDARY_BUS, 1, 2); // to a lower number
    add(0x02f8);
    add(0x0500); // behind nothing
    found_count = 0;
    config_enumerate(note);
    static const pci_place expected[] = {0x0000, 0x0003, 0x00f8, 0x0900, 0x02f8};
    assert_int_equal(found_count, COUNT_OF(expected));
    for (u32 i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(found[i], expected[i]);
    // Bridges in a circle are walked once.
    put(second, CONFIG_SECONDARY_BUS, 1, 0);
    found_count = 0;
    config_enumerate(note);
    assert_int_equal(found_count, 4);
}

static void functions_of_a_device_that_has_one_are_its_echoes(void **) {
    add(0x0008);
    add(0x0009);
    found_count = 0;
    config_enumerate(note);
    assert_int_equal(found_count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(capabilities_are_found, setup),
        cmocka_unit_test_setup(extended_capabilities_are_listed, setup),
        cmocka_unit_test_setup(bars_are_what_they_can_be, setup),
        cmocka_unit_test_setup(bars_end_where_the_header_says, setup),
        cmocka_unit_test_setup(functions_are_found_behind_bridges, setup),
        cmocka_unit_test_setup(functions_of_a_device_that_has_one_are_its_echoes, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
