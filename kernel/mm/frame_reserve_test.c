// What is left when memory is short: who is refused first, that what was promised is there, and
// that a memory's promises follow what it is granted, commits and gives back.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

#define SLOT (4 * GIB + 64 * MIB)
#define MOST 16384u

static bool is_service;
static struct phys_addr held[ZONE_COUNT][MOST];
static u32 held_count[ZONE_COUNT];

static bool is_service_running(void) {
    return is_service;
}

static void start(void) {
    fake_machine_start_simple(32 * MIB);
    aspace_init(aspace_kernel(), arch_aspace_kernel());
    frame_reserve_set_services(is_service_running);
    is_service = false;
    memset(held_count, 0, sizeof held_count);
}

// Takes single frames until there are no more for who asks. Returns how many.
static u32 take_all(enum zone zone, enum frame_need need) {
    u32 before = held_count[zone];
    while (held_count[zone] < MOST &&
           frame_alloc_for(need, zone, 0, &held[zone][held_count[zone]]) == OK)
        held_count[zone]++;
    return held_count[zone] - before;
}

static void give_all(void) {
    for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
        while (held_count[zone] != 0)
            frame_free(held[zone][--held_count[zone]], 0);
    }
    frame_check();
}

static u64 free_frames(void) {
    struct frame_stats now;
    frame_stats(&now);
    return now.free[ZONE_KERNEL] + now.free[ZONE_PROGRAM];
}

static void programs_leave_something_for_services(void **) {
    for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
        start();
        u64 before = free_frames();
        u32 programs = take_all((enum zone)zone, FRAME_USUAL);
        assert_int_equal(take_all((enum zone)zone, FRAME_USUAL), 0);
        frame_check();
        is_service = true;
        u32 services = take_all((enum zone)zone, FRAME_USUAL);
        u32 promised = take_all((enum zone)zone, FRAME_PROMISED);
        assert_in_range(programs, 4096, 32 * MIB >> PAGE_SHIFT);
        assert_in_range(services + promised, (16 * MIB >> PAGE_SHIFT) / 128,
                        2048); // a service can have a whole block moved
        assert_true(zone == ZONE_PROGRAM || promised != 0); // page tables
        frame_check();
        give_all();
        assert_int_equal(free_frames(), before);
    }
}

// What services free while memory is short is not for whoever comes next, on whichever CPU.
static void the_reserve_does_not_leak_away(void **) {
    start();
    take_all(ZONE_PROGRAM, FRAME_USUAL);
    for (u32 i = 0; i < 1000; i++) {
        struct phys_addr frame;
        fake_cpu_set(i % 2);
        is_service = true;
        assert_int_equal(frame_alloc(ZONE_PROGRAM, 0, &frame), OK);
        fake_cpu_set(i / 2 % 2);
        frame_free(frame, 0);
        is_service = false;
        assert_int_equal(frame_alloc(ZONE_PROGRAM, 0, &frame), ERR_NO_MEMORY);
    }
    fake_cpu_set(0);
    // One that a program gives back is for programs again.
    frame_free(held[ZONE_PROGRAM][--held_count[ZONE_PROGRAM]], 0);
    assert_int_equal(take_all(ZONE_PROGRAM, FRAME_USUAL), 1);
    give_all();
}

static void promises_are_kept(void **) {
    start();
    u64 before = free_frames();
    assert_int_equal(frame_promise(100, PROMISE_TO_GROW), OK);
    assert_int_equal(frame_promised(), 100);
    take_all(ZONE_PROGRAM, FRAME_USUAL);
    take_all(ZONE_KERNEL, FRAME_USUAL);
    is_service = true;
    take_all(ZONE_PROGRAM, FRAME_USUAL);
    take_all(ZONE_KERNEL, FRAME_USUAL); // no block moves away either
    for (u32 i = 0; i < 100; i++) {
        assert_int_equal(take_all(ZONE_PROGRAM, FRAME_USUAL), 0);
        struct phys_addr *frame = &held[ZONE_PROGRAM][held_count[ZONE_PROGRAM]++];
        assert_int_equal(frame_alloc_for(FRAME_PROMISED, ZONE_PROGRAM, 0, frame), OK);
        frame_promise_end(1);
    }
    assert_int_equal(frame_promised(), 0);
    give_all();
    assert_int_equal(free_frames(), before);
}

static void what_cannot_be_kept_is_not_promised(void **) {
    start();
    assert_int_equal(frame_promise(0, PROMISE_TO_GROW), OK);
    assert_int_equal(frame_promise(free_frames() + 1, PROMISE_TO_START), ERR_NO_MEMORY);
    assert_int_equal(frame_promise(UINT64_MAX / PAGE_SIZE, PROMISE_TO_GROW), ERR_NO_MEMORY);
    frame_fail_nth(1);
    assert_int_equal(frame_promise(1, PROMISE_TO_GROW), ERR_NO_MEMORY);
    assert_int_equal(frame_promised(), 0);
    take_all(ZONE_PROGRAM, FRAME_USUAL);
    // The reserve is for those that start.
    assert_int_equal(frame_promise(1, PROMISE_TO_GROW), ERR_NO_MEMORY);
    assert_int_equal(frame_promise(16, PROMISE_TO_START), OK);
    frame_promise_end(16);
    give_all();
}

static void programs_are_granted_nothing_when_next_to_nothing_is_left(void **) {
    start();
    assert_true(frame_can_grant());
    u32 taken = take_all(ZONE_PROGRAM, FRAME_USUAL);
    assert_false(frame_can_grant());
    is_service = true;
    assert_true(frame_can_grant());
    is_service = false;
    // A margin is left, so that what was granted before can be touched.
    u32 given = 0;
    while (!frame_can_grant()) {
        frame_free(held[ZONE_PROGRAM][--held_count[ZONE_PROGRAM]], 0);
        given++;
    }
    assert_in_range(given, 16, taken / 32);
    give_all();
}

// -- Memories ------------------------------------------------------------------------------------

static enum status fault(struct aspace *as, u64 address) {
    arch_irq_state irq = arch_irq_save();
    enum status status = aspace_fault(as, (struct virt_addr){address}, FAULT_WRITE);
    arch_irq_restore(irq);
    return status;
}

static void a_kept_memory_finds_its_pages(void **) {
    start();
    struct aspace *as = aspace_kernel();
    struct memory_account account = {.limit = GIB, .is_kept = true};
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 64 * PAGE_SIZE), OK);
    assert_int_equal(frame_promised(), 64);
    // Page tables are there, so that only the pages are what may be missing.
    assert_int_equal(fault(as, area->vma.start), OK);
    assert_int_equal(frame_promised(), 63);
    take_all(ZONE_PROGRAM, FRAME_USUAL);
    is_service = true;
    take_all(ZONE_PROGRAM, FRAME_USUAL);
    is_service = false; // whoever's thread it is: a copy for it may be what touches the page
    assert_int_equal(area_grow(as, area, 65 * PAGE_SIZE), ERR_NO_MEMORY);
    assert_int_equal(account.charged, 64 * PAGE_SIZE);
    for (u64 page = 64; page-- > 1;)
        assert_int_equal(fault(as, area->vma.start + page * PAGE_SIZE), OK);
    assert_int_equal(frame_promised(), 0);
    aspace_check(as);
    area_destroy(as, area);
    give_all();
    assert_int_equal(frame_promised(), 0);
}

static void promises_end_with_what_they_were_for(void **) {
    start();
    struct aspace *as = aspace_kernel();
    struct memory_account kept = {.limit = GIB, .is_kept = true};
    struct memory_account other = {.limit = GIB};
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &kept, &area), OK);
    assert_int_equal(area_grow(as, area, 20 * PAGE_SIZE), OK);
    kept.is_kept = false; // room to map something over
    assert_int_equal(area_grow(as, area, 2000 * PAGE_SIZE), OK);
    assert_int_equal(frame_promised(), 20);
    assert_int_equal(fault(as, area->vma.start), OK);
    aspace_check(as);
    assert_true(area_retire(as, area, 10 * PAGE_SIZE));
    assert_int_equal(frame_promised(), 0);
    assert_int_equal(area_adopt(as, area, &other), OK);
    assert_int_equal(frame_promised(), 0);
    assert_true(area_retire(as, area, 10 * PAGE_SIZE));
    kept.is_kept = true;
    assert_int_equal(area_adopt(as, area, &kept), OK);
    assert_int_equal(frame_promised(), 9);
    aspace_check(as);
    area_destroy(as, area);
    assert_int_equal(frame_promised(), 0);
    assert_int_equal(kept.charged + other.charged, 0);
}

static void memories_are_refused_before_their_pages_are(void **) {
    start();
    struct aspace *as = aspace_kernel();
    struct memory_account account = {.limit = GIB};
    struct area *area;
    struct area *late;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &late), OK);
    assert_int_equal(area_grow(as, area, 16 * PAGE_SIZE), OK);
    take_all(ZONE_PROGRAM, FRAME_USUAL);
    for (u32 i = 0; i < 16; i++) // of the margin
        frame_free(held[ZONE_PROGRAM][--held_count[ZONE_PROGRAM]], 0);
    assert_int_equal(area_grow(as, area, 17 * PAGE_SIZE), ERR_NO_MEMORY);
    assert_int_equal(area_grow(as, late, PAGE_SIZE), ERR_NO_MEMORY);
    for (u64 page = 0; page < 16; page++)
        assert_int_equal(fault(as, area->vma.start + page * PAGE_SIZE), OK);
    area_destroy(as, late);
    area_destroy(as, area);
    assert_int_equal(account.charged, 0);
    give_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_leave_something_for_services),
        cmocka_unit_test(the_reserve_does_not_leak_away),
        cmocka_unit_test(promises_are_kept),
        cmocka_unit_test(what_cannot_be_kept_is_not_promised),
        cmocka_unit_test(programs_are_granted_nothing_when_next_to_nothing_is_left),
        cmocka_unit_test(a_kept_memory_finds_its_pages),
        cmocka_unit_test(promises_end_with_what_they_were_for),
        cmocka_unit_test(memories_are_refused_before_their_pages_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
