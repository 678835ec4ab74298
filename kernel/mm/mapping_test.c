// Mappings over a memory's pages: what shows where, what is back afterwards, what is refused, every
// failure on the way undone; a random sequence against a model.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mapping.h"
#include "tests/fake_arch.h"

#define AREA_PAGES   256u
#define AREA_BYTES   (AREA_PAGES * PAGE_SIZE)
#define SHARED_PAGES 100u

static struct memory_account account;
static struct area *area;
static struct phys_addr shared[SHARED_PAGES]; // frames to map, in no order

static u8 *window(struct phys_addr frame) {
    return arch_frame_window_open(frame, 1);
}

static u8 frame_tag(struct phys_addr frame) {
    u8 *bytes = window(frame);
    u8 tag = bytes[17];
    arch_frame_window_close(bytes);
    return tag;
}

static void frame_set_tag(struct phys_addr frame, u8 tag) {
    u8 *bytes = window(frame);
    bytes[17] = tag;
    arch_frame_window_close(bytes);
}

struct level {
    u64 free;
    u64 heap_bytes;
    u64 mapped;
    u64 table_frames;
};

static struct level level_now(void) {
    struct frame_stats frames;
    struct heap_stats heap;
    frame_stats(&frames);
    heap_stats(&heap);
    return (struct level){frames.free[ZONE_KERNEL] + frames.free[ZONE_PROGRAM] + heap.frames,
                          heap.bytes_used, fake_mapped_pages(), fake_table_frames()};
}

static void assert_level(struct level expected) {
    struct level now = level_now();
    assert_int_equal(now.free, expected.free);
    assert_int_equal(now.heap_bytes, expected.heap_bytes);
    assert_int_equal(now.mapped, expected.mapped);
    assert_int_equal(now.table_frames, expected.table_frames);
    frame_check();
    aspace_check(aspace_kernel());
}

static struct level fresh; // as it was before the area was made

static struct aspace *start(void) {
    fake_machine_start_simple(32 * MIB);
    struct aspace *as = aspace_kernel();
    aspace_init(as, arch_aspace_kernel());
    account = (struct memory_account){.limit = 1 * GIB};
    for (u32 i = 0; i < SHARED_PAGES; i++) {
        assert_int_equal(frame_alloc(ZONE_PROGRAM, 0, &shared[(i * 37 + 5) % SHARED_PAGES]), OK);
        frame_set_tag(shared[(i * 37 + 5) % SHARED_PAGES], 0);
    }
    for (u32 i = 0; i < SHARED_PAGES; i++)
        frame_set_tag(shared[i], (u8)(100 + i));
    fresh = level_now();
    assert_int_equal(area_create(as, AREA_MEMORY, 2 * AREA_BYTES, &account, &area), OK);
    assert_int_equal(area_grow(as, area, AREA_BYTES), OK);
    return as;
}

// Nothing of the area is left.
static void finish(struct aspace *as) {
    area_destroy(as, area);
    assert_int_equal(account.committed, 0);
    assert_int_equal(account.charged, 0);
    assert_level(fresh);
}

static enum status fault(u64 offset, enum fault_access access) {
    arch_irq_state irq = arch_irq_save();
    enum status status =
        aspace_fault(aspace_kernel(), (struct virt_addr){area->vma.start + offset}, access);
    arch_irq_restore(irq);
    return status;
}

static struct virt_addr at_page(u64 page) {
    return (struct virt_addr){area->vma.start + page * PAGE_SIZE};
}

// What a program finds in a page, or writes to it: touches it first where it has to.
static u8 tag_at(u64 page) {
    if (fake_rights(at_page(page)) == 0)
        assert_int_equal(fault(page * PAGE_SIZE, FAULT_READ), OK);
    return fake_page(at_page(page))[17];
}

static void set_tag_at(u64 page, u8 tag) {
    if ((fake_rights(at_page(page)) & PAGE_WRITE) == 0)
        assert_int_equal(fault(page * PAGE_SIZE, FAULT_WRITE), OK);
    fake_page(at_page(page))[17] = tag;
}

static struct area_range range(u64 page, u64 pages) {
    return (struct area_range){area, page * PAGE_SIZE, pages};
}

static enum status map(struct mapping *mapping, u64 page, u64 pages, enum page_rights rights) {
    const struct area_range over = range(page, pages);
    const struct mapping_frames frames = {.each = shared};
    return mapping_create(mapping, &over, &frames, rights);
}

#define BOTH (PAGE_READ | PAGE_WRITE)

static void a_mapping_shows_its_frames_and_own_pages_come_back(void **) {
    struct aspace *as = start();
    set_tag_at(60, 1);
    set_tag_at(70, 2);
    struct mapping mapping;
    assert_int_equal(map(&mapping, 58, 20, BOTH), OK); // across the boundary of a piece
    aspace_check(as);
    for (u32 i = 0; i < 20; i++)
        assert_int_equal(tag_at(58 + i), 100 + i);
    assert_int_equal(tag_at(57), 0);
    assert_int_equal(tag_at(78), 0);
    set_tag_at(60, 77); // goes to the shared frame, not to the own page
    mapping_remove(&mapping);
    assert_int_equal(frame_tag(shared[2]), 77);
    assert_int_equal(tag_at(58), 0);
    assert_int_equal(tag_at(60), 1);
    assert_int_equal(tag_at(70), 2);
    aspace_check(as);

    // Own pages that nobody touched since are still put away, and freed with the area.
    assert_int_equal(map(&mapping, 58, 20, BOTH), OK);
    mapping_remove(&mapping);
    finish(as);
}

static void what_was_never_touched_is_zero_afterwards(void **) {
    struct aspace *as = start();
    struct mapping mapping;
    assert_int_equal(map(&mapping, 0, SHARED_PAGES, BOTH), OK);
    mapping_remove(&mapping);
    for (u32 i = 0; i < SHARED_PAGES; i++)
        assert_int_equal(tag_at(i), 0);
    assert_int_equal(account.committed, fake_mapped_pages() * PAGE_SIZE);
    finish(as);
}

static void a_store_to_what_is_mapped_for_reading_is_refused(void **) {
    struct aspace *as = start();
    struct mapping mapping;
    set_tag_at(3, 9);
    assert_int_equal(map(&mapping, 3, 2, PAGE_READ), OK);
    assert_int_equal(fake_rights(at_page(3)), PAGE_READ | PAGE_BORROWED);
    assert_int_equal(fault(3 * PAGE_SIZE, FAULT_WRITE), ERR_NO_ACCESS);
    assert_int_equal(fault(3 * PAGE_SIZE, FAULT_READ), OK);
    assert_int_equal(fault(5 * PAGE_SIZE, FAULT_WRITE), OK);
    mapping_remove(&mapping);
    assert_int_equal(fault(3 * PAGE_SIZE, FAULT_WRITE), OK);
    assert_int_equal(tag_at(3), 9);
    finish(as);
}

static void only_free_places_within_the_memory_can_be_mapped(void **) {
    struct aspace *as = start();
    struct mapping mapping;
    struct mapping other;
    static const struct {
        u64 page;
        u64 pages;
        enum status status;
    } cases[] = {
        {AREA_PAGES, 1, ERR_FAULT},
        {AREA_PAGES - 1, 2, ERR_FAULT},
        {0, AREA_PAGES + 1, ERR_FAULT},
        {UINT64_MAX >> PAGE_SHIFT, 1, ERR_FAULT},
        {0, 1ull << 52, ERR_FAULT},
        {1, UINT64_MAX >> PAGE_SHIFT, ERR_FAULT},
        {9, 2, ERR_EXISTS},
        {19, 2, ERR_EXISTS},
        {10, 10, ERR_EXISTS},
        {12, 3, ERR_EXISTS},
        {5, 50, ERR_EXISTS},
        {9, 1, OK},
        {20, 1, OK},
        {AREA_PAGES - 1, 1, OK},
    };
    assert_int_equal(map(&mapping, 10, 10, BOTH), OK);
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        struct level before = level_now();
        assert_int_equal(map(&other, cases[i].page, cases[i].pages, BOTH), cases[i].status);
        if (cases[i].status == OK)
            mapping_remove(&other);
        assert_level(before);
    }
    assert_ptr_equal(mapping_find(area, 0), &mapping);
    assert_ptr_equal(mapping_find(area, 19 * PAGE_SIZE), &mapping);
    assert_null(mapping_find(area, 20 * PAGE_SIZE));
    mapping_remove(&mapping);

    // Grown, there is more room; a stack takes none.
    assert_int_equal(area_grow(as, area, AREA_BYTES + PAGE_SIZE), OK);
    assert_int_equal(map(&mapping, AREA_PAGES, 1, BOTH), OK);
    mapping_remove(&mapping);
    struct area *stack;
    assert_int_equal(area_create(as, AREA_STACK, 64 * KIB, &account, &stack), OK);
    assert_int_equal(area_grow(as, stack, PAGE_SIZE), OK);
    const struct area_range over = {stack, 15 * PAGE_SIZE, 1};
    assert_int_equal(
        mapping_create(&mapping, &over, &(struct mapping_frames){.each = shared}, BOTH), ERR_FAULT);
    area_destroy(as, stack);
    finish(as);
}

static void own_frames_can_be_lent(void **) {
    struct aspace *as = start();
    struct phys_addr frames[8];
    struct phys_addr again[8];
    set_tag_at(11, 5);
    struct area_range lent = range(10, 8);
    assert_int_equal(area_own_frames(&lent, frames), OK); // the untouched are committed
    assert_int_equal(frame_tag(frames[1]), 5);
    assert_int_equal(frame_tag(frames[7]), 0);

    // They stay the same, whatever lies over them; and that itself cannot be lent.
    struct mapping mapping;
    assert_int_equal(map(&mapping, 12, 3, BOTH), OK);
    assert_int_equal(area_own_frames(&lent, again), ERR_BUSY);
    mapping_remove(&mapping);
    assert_int_equal(area_own_frames(&lent, again), OK);
    assert_memory_equal(frames, again, sizeof frames);
    lent = range(AREA_PAGES - 4, 8);
    assert_int_equal(area_own_frames(&lent, frames), ERR_FAULT);
    finish(as);
}

static void devices_are_known_as_such(void **) {
    struct aspace *as = start();
    struct mapping mapping;
    const struct area_range over = range(8, 2);
    const struct mapping_frames device = {.first = {64 * GIB}};
    assert_false(area_shows_device(area, 0, AREA_BYTES));
    assert_int_equal(mapping_create(&mapping, &over, &device, BOTH | PAGE_DEVICE), OK);
    struct phys_addr frame;
    assert_true(arch_translate(as->arch, at_page(9), &frame));
    assert_int_equal(frame.value, 64 * GIB + PAGE_SIZE);
    assert_true(area_shows_device(area, 0, AREA_BYTES));
    assert_true(area_shows_device(area, 10 * PAGE_SIZE - 1, 1));
    assert_true(area_shows_device(area, 8 * PAGE_SIZE - 1, 2));
    assert_false(area_shows_device(area, 8 * PAGE_SIZE, 0));
    assert_false(area_shows_device(area, 10 * PAGE_SIZE, PAGE_SIZE));
    assert_false(area_shows_device(area, 0, 8 * PAGE_SIZE));
    mapping_remove(&mapping);
    assert_false(area_shows_device(area, 0, AREA_BYTES));
    finish(as);
}

// A fault that was being answered while something was mapped and unmapped again: the page's old
// contents must not be lost to a new frame.
static void map_and_remove(void *context) {
    struct mapping mapping;
    set_tag_at(3, 33); // the other CPU was faster
    assert_int_equal(map(&mapping, 0, 8, BOTH), OK);
    mapping_remove(&mapping);
    *(bool *)context = true;
}

static void a_late_fault_does_not_replace_what_was_set_aside(void **) {
    struct aspace *as = start();
    bool happened = false;
    fake_at_window_close(map_and_remove, &happened);
    assert_int_equal(fault(3 * PAGE_SIZE, FAULT_WRITE), OK);
    assert_true(happened);
    assert_int_equal(tag_at(3), 33);
    aspace_check(as);
    finish(as);
}

static void every_failure_is_undone(void **) {
    for (u32 kind = 0; kind < 3; kind++) {
        for (u64 n = 1;; n++) {
            struct aspace *as = start();
            for (u32 i = 0; i < 150; i += 3)
                set_tag_at(i, (u8)(1 + i));
            struct mapping mapping;
            if (kind == 0)
                fake_map_fail_nth(n);
            else if (kind == 1)
                heap_fail_nth(n);
            else
                frame_fail_nth(n);
            enum status status = map(&mapping, 50, SHARED_PAGES, BOTH);
            fake_map_fail_nth(0);
            heap_fail_nth(0);
            frame_fail_nth(0);
            aspace_check(as);
            if (status == OK)
                mapping_remove(&mapping);
            else
                assert_int_equal(status, ERR_NO_MEMORY);
            for (u32 i = 0; i < 150; i += 3)
                assert_int_equal(tag_at(i), 1 + i);
            finish(as);
            if (status == OK) {
                assert_true(n > 1 || kind == 2);
                break;
            }
        }
    }
}

// A page that had to make room, and for which there is no page table when it is wanted again.
static void a_page_that_cannot_come_back_now_comes_back_later(void **) {
    struct aspace *as = start();
    struct mapping mapping;
    set_tag_at(1, 44);
    assert_int_equal(map(&mapping, 0, 4, BOTH), OK);
    mapping_remove(&mapping);
    fake_map_fail_nth(1);
    assert_int_equal(fault(PAGE_SIZE, FAULT_READ), ERR_NO_MEMORY);
    aspace_check(as);
    assert_int_equal(tag_at(1), 44);
    finish(as);
}

static void random_sequences_agree_with_the_model(void **) {
    for (u64 seed = 1; seed <= 4; seed++) {
        struct aspace *as = start();
        u64 random = seed;
        u8 own[AREA_PAGES] = {0};
        struct mapping mappings[6];
        bool is_used[6] = {false};
        for (u32 step = 0; step < 3000; step++) {
            u64 i = fake_random(&random) % COUNT_OF(mappings);
            u64 page = fake_random(&random) % AREA_PAGES;
            u64 pages = 1 + fake_random(&random) % (SHARED_PAGES - 1);
            struct mapping *over = mapping_find(area, page * PAGE_SIZE);
            bool is_over = over != NULL && over->vma.start <= at_page(page).value;
            u64 what = fake_random(&random) % 4;
            if (what == 0 && !is_used[i]) {
                is_used[i] = map(&mappings[i], page, pages, BOTH) == OK;
            } else if (what == 1 && is_used[i]) {
                mapping_remove(&mappings[i]);
                is_used[i] = false;
            } else if (what == 2 && !is_over) {
                own[page] = (u8)(1 + fake_random(&random) % 99);
                set_tag_at(page, own[page]);
            } else {
                u64 shown = is_over ? (at_page(page).value - over->vma.start) >> PAGE_SHIFT : 0;
                assert_int_equal(tag_at(page), is_over ? 100 + shown : own[page]);
            }
            if (step % 64 == 0)
                aspace_check(as);
        }
        for (u32 i = 0; i < COUNT_OF(mappings); i++) {
            if (is_used[i])
                mapping_remove(&mappings[i]);
        }
        for (u32 i = 0; i < AREA_PAGES; i++)
            assert_int_equal(tag_at(i), own[i]);
        assert_int_equal(account.committed, fake_mapped_pages() * PAGE_SIZE);
        finish(as);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_shows_its_frames_and_own_pages_come_back),
        cmocka_unit_test(what_was_never_touched_is_zero_afterwards),
        cmocka_unit_test(a_store_to_what_is_mapped_for_reading_is_refused),
        cmocka_unit_test(only_free_places_within_the_memory_can_be_mapped),
        cmocka_unit_test(own_frames_can_be_lent),
        cmocka_unit_test(devices_are_known_as_such),
        cmocka_unit_test(a_late_fault_does_not_replace_what_was_set_aside),
        cmocka_unit_test(every_failure_is_undone),
        cmocka_unit_test(a_page_that_cannot_come_back_now_comes_back_later),
        cmocka_unit_test(random_sequences_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
