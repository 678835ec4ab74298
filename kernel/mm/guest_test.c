// The way into a program's memory: bounds without overflow, faults repaired or reported, every kind
// of copy across page and run boundaries.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/guest.h"
#include "tests/fake_arch.h"

#define BYTES (4 * 64 * KIB)

static struct guest_memory start(void) {
    fake_machine_start_simple(32 * MIB);
    struct aspace *as = aspace_kernel();
    aspace_init(as, arch_aspace_kernel());
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, 4 * GIB, NULL, &area), OK);
    assert_int_equal(area_grow(as, area, BYTES), OK);
    return (struct guest_memory){.aspace = as, .base = {area->vma.start}, .bytes = BYTES};
}

static const struct bounds_case {
    const char *name;
    u64 address;
    u64 len;
    bool inside;
} bounds_cases[] = {
    {"nothing at the start", 0, 0, true},
    {"nothing at the end", BYTES, 0, true},
    {"nothing beyond", BYTES + 1, 0, false},
    {"everything", 0, BYTES, true},
    {"one too many", 0, BYTES + 1, false},
    {"the last byte", BYTES - 1, 1, true},
    {"over the end", BYTES - 1, 2, false},
    {"the first beyond", BYTES, 1, false},
    {"a length that wraps", 1, UINT64_MAX, false},
    {"an address that wraps", UINT64_MAX, 1, false},
    {"both wrap to inside", UINT64_MAX - 3, 8, false},
    {"4 GiB more", 4 * GIB, 1, false},
};

static void bounds_are_exact(void **) {
    static u8 buffer[BYTES + 1];
    struct guest_memory memory = start();
    for (usize i = 0; i < COUNT_OF(bounds_cases); i++) {
        const struct bounds_case *c = &bounds_cases[i];
        struct guest_addr at = {c->address};
        enum status expected = c->inside ? OK : ERR_FAULT;
        print_message("%s\n", c->name);
        assert_int_equal(guest_range_ok(&memory, at, c->len), c->inside);
        assert_int_equal(guest_read(&memory, buffer, at, c->len), expected);
        assert_int_equal(guest_write(&memory, at, buffer, c->len), expected);
        assert_int_equal(guest_fill(&memory, at, 0, c->len), expected);
        assert_int_equal(guest_copy(&memory, at, &memory, at, c->len), expected);
        if (!c->inside) {
            struct guest_addr zero = {0};
            assert_int_equal(guest_copy(&memory, at, &memory, zero, c->len), ERR_FAULT);
            assert_int_equal(guest_copy(&memory, zero, &memory, at, c->len), ERR_FAULT);
        }
    }
}

static void an_empty_memory_has_no_bytes(void **) {
    start();
    struct guest_memory none = {.base = {arch_slots_region().start.value}, .bytes = 0};
    u8 byte;
    assert_int_equal(guest_read(&none, &byte, (struct guest_addr){0}, 0), OK);
    assert_int_equal(guest_read(&none, &byte, (struct guest_addr){0}, 1), ERR_FAULT);
}

static void copies_cross_pages_and_commit_them(void **) {
    struct guest_memory memory = start();
    static u8 out[100000], in[100000];
    for (usize i = 0; i < sizeof out; i++)
        out[i] = (u8)(i * 7 + i / 256);

    // Untouched memory reads as zeros.
    assert_int_equal(guest_read(&memory, in, (struct guest_addr){5}, 1000), OK);
    for (usize i = 0; i < 1000; i++)
        assert_int_equal(in[i], 0);

    struct guest_addr there = {4093};
    assert_int_equal(guest_write(&memory, there, out, sizeof out), OK);
    assert_int_equal(guest_read(&memory, in, there, sizeof in), OK);
    assert_memory_equal(in, out, sizeof in);

    struct guest_addr elsewhere = {140001};
    assert_int_equal(guest_copy(&memory, elsewhere, &memory, there, sizeof out), OK);
    memset(in, 0, sizeof in);
    assert_int_equal(guest_read(&memory, in, elsewhere, sizeof in), OK);
    assert_memory_equal(in, out, sizeof in);

    assert_int_equal(guest_fill(&memory, there, 0x77, 5000), OK);
    assert_int_equal(guest_read(&memory, in, (struct guest_addr){4092}, 5002), OK);
    assert_int_equal(in[0], 0);
    assert_int_equal(in[1], 0x77);
    assert_int_equal(in[5000], 0x77);
    assert_int_equal(in[5001], out[5000]);
}

static void no_frame_is_reported(void **) {
    struct guest_memory memory = start();
    struct phys_addr frame;
    while (frame_alloc(ZONE_PROGRAM, 0, &frame) == OK)
        ;
    u8 byte = 1;
    struct guest_addr at = {100};
    assert_int_equal(guest_read(&memory, &byte, at, 1), ERR_NO_MEMORY);
    assert_int_equal(guest_write(&memory, at, &byte, 1), ERR_NO_MEMORY);
    assert_int_equal(guest_fill(&memory, at, 1, 1), ERR_NO_MEMORY);
}

static void memory_that_is_gone_is_a_fault(void **) {
    // Larger than the area's accessible part: the port's copy faults in the guard.
    struct guest_memory memory = start();
    memory.bytes = 2 * BYTES;
    u8 bytes[16];
    struct guest_addr last = {BYTES - 8};
    assert_int_equal(guest_read(&memory, bytes, last, 8), OK);
    assert_int_equal(guest_read(&memory, bytes, last, 9), ERR_FAULT);
}

// -- Between address spaces ----------------------------------------------------------------------

// A memory in an address space of its own, which the running thread is not in.
static struct guest_memory elsewhere(void) {
    struct aspace *as;
    struct area *area;
    assert_int_equal(aspace_create(&as), OK);
    assert_int_equal(area_create(as, AREA_MEMORY, 4 * GIB, NULL, &area), OK);
    assert_int_equal(area_grow(as, area, BYTES), OK);
    return (struct guest_memory){.aspace = as, .base = {area->vma.start}, .bytes = BYTES};
}

static void forget(const struct guest_memory *memory) {
    struct vma *vma = vma_find(&memory->aspace->slots, memory->base.value);
    area_destroy(memory->aspace, container_of(vma, struct area, vma));
    aspace_release(memory->aspace);
}

static void fill_pattern(u8 *out, usize len, u8 salt) {
    for (usize i = 0; i < len; i++)
        out[i] = (u8)(i * 7 + i / 256 + salt);
}

static void another_address_space_is_reached(void **) {
    struct guest_memory here = start();
    struct frame_stats before, after;
    assert_int_equal(guest_fill(&here, (struct guest_addr){0}, 0, BYTES), OK);
    frame_stats(&before);
    struct guest_memory there = elsewhere();
    assert_int_equal(here.base.value, there.base.value); // so what is copied is not found by chance
    static u8 out[70000], in[70000];
    fill_pattern(out, sizeof out, 1);
    struct guest_addr at = {4093};

    assert_int_equal(guest_read(&there, in, at, 1000), OK);
    for (usize i = 0; i < 1000; i++)
        assert_int_equal(in[i], 0);
    assert_int_equal(guest_write(&there, at, out, sizeof out), OK);
    assert_int_equal(guest_read(&there, in, at, sizeof in), OK);
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(guest_read(&here, in, at, 100), OK);
    assert_int_equal(in[0] | in[99], 0);

    // Both ways between the two, the own side committed and not; then between two others.
    assert_int_equal(guest_copy(&here, (struct guest_addr){100001}, &there, at, sizeof out), OK);
    memset(in, 0, sizeof in);
    assert_int_equal(guest_read(&here, in, (struct guest_addr){100001}, sizeof in), OK);
    assert_memory_equal(in, out, sizeof in);
    struct guest_memory third = elsewhere();
    assert_int_equal(guest_copy(&third, at, &there, at, sizeof out), OK);
    assert_int_equal(guest_copy(&here, at, &third, at, sizeof out), OK);
    assert_int_equal(guest_read(&here, in, at, sizeof in), OK);
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(guest_copy(&there, (struct guest_addr){190000}, &here, at, 5000), OK);
    assert_int_equal(guest_fill(&there, (struct guest_addr){190001}, 9, 4998), OK);
    assert_int_equal(guest_read(&there, in, (struct guest_addr){190000}, 5000), OK);
    assert_int_equal(in[0], out[0]);
    assert_int_equal(in[1] == 9 && in[4998] == 9, 1);
    assert_int_equal(in[4999], out[4999]);

    aspace_check(there.aspace);
    assert_int_equal(aspace_count(), 2);
    forget(&there);
    forget(&third);
    assert_int_equal(aspace_count(), 0);
    frame_stats(&after);
    assert_int_equal(after.free[ZONE_PROGRAM], before.free[ZONE_PROGRAM]);
}

static void running_out_elsewhere_is_reported(void **) {
    struct guest_memory here = start();
    struct guest_memory there = elsewhere();
    u8 byte = 1;
    struct guest_addr at = {100};
    assert_int_equal(guest_write(&here, at, &byte, 1), OK);
    struct phys_addr frame;
    while (frame_alloc(ZONE_PROGRAM, 0, &frame) == OK)
        ;
    assert_int_equal(guest_read(&there, &byte, at, 1), ERR_NO_MEMORY);
    assert_int_equal(guest_copy(&there, at, &here, at, 1), ERR_NO_MEMORY);
    assert_int_equal(guest_copy(&here, (struct guest_addr){BYTES - 1}, &there, at, 1),
                     ERR_NO_MEMORY);
    there.bytes = 2 * BYTES; // the guard
    struct guest_addr last = {BYTES};
    assert_int_equal(guest_read(&there, &byte, last, 1), ERR_FAULT);
    assert_int_equal(guest_write(&there, last, &byte, 1), ERR_FAULT);
    forget(&there);
}

// The own side of a copy has no page although the other has: found out under a window.
static void own_pages_are_committed_in_between(void **) {
    struct guest_memory here = start();
    struct guest_memory there = elsewhere();
    static u8 out[3 * PAGE_SIZE], in[3 * PAGE_SIZE];
    fill_pattern(out, sizeof out, 5);
    assert_int_equal(guest_write(&there, (struct guest_addr){0}, out, sizeof out), OK);
    struct guest_addr odd = {PAGE_SIZE + 77};
    assert_int_equal(guest_copy(&here, odd, &there, (struct guest_addr){0}, sizeof out), OK);
    assert_int_equal(guest_read(&here, in, odd, sizeof in), OK);
    assert_memory_equal(in, out, sizeof in);
    forget(&there);
}

// What is mapped in one is not in another, and both go away whole.
static void address_spaces_share_no_page(void **) {
    struct guest_memory here = start();
    struct guest_memory there = elsewhere();
    static u8 out[BYTES];
    assert_int_equal(guest_write(&there, (struct guest_addr){0}, out, sizeof out), OK);
    u64 seen = 0;
    for (u64 offset = 0; offset < BYTES; offset += PAGE_SIZE) {
        struct phys_addr frame;
        struct virt_addr page = {there.base.value + offset};
        assert_false(arch_translate(here.aspace->arch, page, &frame));
        seen += arch_translate(there.aspace->arch, page, &frame);
    }
    assert_int_equal(seen, BYTES / PAGE_SIZE);
    forget(&there);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_exact),
        cmocka_unit_test(an_empty_memory_has_no_bytes),
        cmocka_unit_test(copies_cross_pages_and_commit_them),
        cmocka_unit_test(no_frame_is_reported),
        cmocka_unit_test(memory_that_is_gone_is_a_fault),
        cmocka_unit_test(another_address_space_is_reached),
        cmocka_unit_test(running_out_elsewhere_is_reported),
        cmocka_unit_test(own_pages_are_committed_in_between),
        cmocka_unit_test(address_spaces_share_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
