// Images of memories: what is shared and what is copied, what a sibling sees, what fails whole, and
// a memory that is used again.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/guest.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

#define SLOT  (4 * GIB + 64 * MIB)
#define BYTES (1 * MIB)

static struct memory_account account;

static struct aspace *start(void) {
    fake_machine_start_simple(32 * MIB);
    struct aspace *as = aspace_kernel();
    aspace_init(as, arch_aspace_kernel());
    account = (struct memory_account){.limit = 1 * GIB};
    return as;
}

// What the port calls. In the tests no fault is anybody's mistake.
struct fault_result upcall_fault(const struct fault *fault) {
    bool is_repairable = !fault->is_present || fault->access == FAULT_WRITE;
    if (!is_repairable)
        return (struct fault_result){.action = FAULT_BUG};
    enum status status = aspace_fault(aspace_kernel(), fault->address, fault->access);
    if (status == OK)
        return (struct fault_result){.action = FAULT_RETRY};
    return (struct fault_result){.action = FAULT_FAIL_COPY, .status = status};
}

static enum status fault(struct aspace *as, u64 address, enum fault_access access) {
    arch_irq_state irq = arch_irq_save();
    enum status status = aspace_fault(as, (struct virt_addr){address}, access);
    arch_irq_restore(irq);
    return status;
}

// Pages 2 and 3 have "second" and, at their border, "both"; page 9 has one byte at its end.
static struct image *make_image(void) {
    struct image *image;
    if (image_create(4, &image) != OK)
        return NULL;
    if (image_write(image, 2 * PAGE_SIZE + 8, bytes_of("second")) != OK ||
        image_write(image, 3 * PAGE_SIZE - 2, bytes_of("both")) != OK ||
        image_write(image, 10 * PAGE_SIZE - 1, bytes_of("x")) != OK) {
        image_release(image);
        return NULL;
    }
    return image;
}

static struct area *make_memory(struct aspace *as, struct image *image) {
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, BYTES), OK);
    area_set_image(as, area, image);
    return area;
}

static u64 at_page(const struct area *area, u64 page) {
    return area->vma.start + page * PAGE_SIZE;
}

static u32 rights_at(const struct area *area, u64 page) {
    return fake_rights((struct virt_addr){at_page(area, page)});
}

static u8 *bytes_at(const struct area *area, u64 page) {
    return fake_page((struct virt_addr){at_page(area, page)});
}

static struct guest_memory guest_of(const struct area *area) {
    return (struct guest_memory){
        .aspace = aspace_kernel(), .base = {area->vma.start}, .bytes = area->accessible};
}

static u64 frames_in_use(void) {
    struct frame_stats frames;
    struct heap_stats heap;
    frame_stats(&frames);
    heap_stats(&heap);
    return frames.total[ZONE_KERNEL] + frames.total[ZONE_PROGRAM] - frames.free[ZONE_KERNEL] -
           frames.free[ZONE_PROGRAM] - heap.frames;
}

static void pages_of_zeros_take_no_frame(void **) {
    start();
    static const u8 zeros[3 * PAGE_SIZE];
    u64 before = frames_in_use();
    struct image *image;
    assert_int_equal(image_create(4, &image), OK);
    assert_int_equal(image_write(image, 100, (struct bytes){zeros, sizeof zeros}), OK);
    assert_int_equal(image->count, 0);
    assert_int_equal(image_write(image, 3 * PAGE_SIZE + 200, bytes_of("a")), OK);
    assert_int_equal(image->count, 1);
    struct phys_addr frame;
    assert_false(image_find(image, 2, &frame));
    assert_true(image_find(image, 3, &frame));
    assert_false(image_find(image, 4, &frame));
    assert_true(image_has_any(image, 0, 4));
    assert_false(image_has_any(image, 0, 3));
    assert_false(image_has_any(image, 4, 100));
    assert_int_equal(frames_in_use(), before + 1);
    image_release(image);
    assert_int_equal(frames_in_use(), before);
    frame_check();
}

static void what_is_read_is_shared_and_what_is_written_is_copied(void **) {
    struct aspace *as = start();
    struct image *image = make_image();
    struct area *one = make_memory(as, image);
    struct area *two = make_memory(as, image);
    struct phys_addr shared;
    struct phys_addr of_one;
    assert_true(image_find(image, 2, &shared));

    assert_int_equal(fault(as, at_page(one, 2) + 5, FAULT_READ), OK);
    assert_int_equal(fault(as, at_page(two, 2), FAULT_READ), OK);
    assert_int_equal(rights_at(one, 2), PAGE_READ | PAGE_BORROWED);
    assert_true(arch_translate(as->arch, (struct virt_addr){at_page(one, 2)}, &of_one));
    assert_int_equal(of_one.value, shared.value);
    assert_memory_equal(bytes_at(two, 2) + 8, "second", 6);
    assert_int_equal(account.committed, 0); // neither has a page of its own
    aspace_check(as);

    // Read and then written, and written at once.
    assert_int_equal(fault(as, at_page(one, 2), FAULT_WRITE), OK);
    assert_int_equal(fault(as, at_page(one, 3), FAULT_WRITE), OK);
    assert_int_equal(rights_at(one, 2), PAGE_READ | PAGE_WRITE);
    assert_int_equal(rights_at(one, 3), PAGE_READ | PAGE_WRITE);
    assert_memory_equal(bytes_at(one, 2) + 8, "second", 6);
    assert_memory_equal(bytes_at(one, 3), "th", 2);
    assert_int_equal(account.committed, 2 * PAGE_SIZE);
    memcpy(bytes_at(one, 2) + 8, "SECOND", 6);
    assert_memory_equal(bytes_at(two, 2) + 8, "second", 6);
    aspace_check(as);

    // It is there: another fault for it, of either kind, changes nothing.
    assert_int_equal(fault(as, at_page(one, 2), FAULT_WRITE), OK);
    assert_int_equal(fault(as, at_page(one, 2), FAULT_READ), OK);
    assert_memory_equal(bytes_at(one, 2) + 8, "SECOND", 6);
    assert_int_equal(account.committed, 2 * PAGE_SIZE);

    // A third finds what the module says, not what the first wrote.
    struct area *three = make_memory(as, image);
    assert_int_equal(fault(as, at_page(three, 2), FAULT_WRITE), OK);
    assert_memory_equal(bytes_at(three, 2) + 8, "second", 6);
    area_destroy(as, one);
    area_destroy(as, two);
    area_destroy(as, three);
    image_release(image);
}

static void the_last_user_frees_the_image(void **) {
    struct aspace *as = start();
    u64 before = frames_in_use();
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    assert_int_equal(fault(as, at_page(area, 2), FAULT_READ), OK);
    assert_int_equal(fault(as, at_page(area, 9), FAULT_WRITE), OK);
    image_release(image); // the module is gone first
    assert_memory_equal(bytes_at(area, 2) + 8, "second", 6);
    area_destroy(as, area);
    assert_int_equal(frames_in_use(), before);
    assert_int_equal(account.charged, 0);
    assert_int_equal(account.committed, 0);
    frame_check();
}

static void runs_of_zeros_keep_off_the_image(void **) {
    struct aspace *as = start();
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    area->touched = 16 * PAGE_SIZE; // runs as large as can be
    assert_int_equal(fault(as, at_page(area, 0), FAULT_WRITE), OK);
    assert_int_equal(rights_at(area, 1), PAGE_READ | PAGE_WRITE);
    assert_int_equal(rights_at(area, 2), 0);
    assert_int_equal(fault(as, at_page(area, 8), FAULT_READ), OK); // alone: 9 is the image's
    assert_int_equal(rights_at(area, 9), 0);
    assert_int_equal(fault(as, at_page(area, 9), FAULT_READ), OK);
    assert_int_equal(bytes_at(area, 9)[PAGE_SIZE - 1], 'x');
    // Behind the image, and in what the memory grows by, pages are zeros, in whole runs.
    assert_int_equal(fault(as, at_page(area, 16), FAULT_WRITE), OK);
    assert_int_equal(rights_at(area, 31), PAGE_READ | PAGE_WRITE);
    assert_int_equal(area_grow(as, area, 2 * BYTES), OK);
    assert_int_equal(fault(as, area->vma.start + BYTES, FAULT_WRITE), OK);
    assert_int_equal(*fake_page((struct virt_addr){area->vma.start + BYTES}), 0);
    aspace_check(as);
    area_destroy(as, area);
    image_release(image);
}

static void guest_copies_copy_pages_on_their_way(void **) {
    struct aspace *as = start();
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    struct area *sibling = make_memory(as, image);
    struct guest_memory memory = guest_of(area);
    struct guest_memory other = guest_of(sibling);
    char text[8] = "";
    struct guest_addr at = {3 * PAGE_SIZE - 2};

    // Over the border of two pages that were read before, so that both faults are in the middle.
    assert_int_equal(guest_read(&memory, text, at, 4), OK);
    assert_memory_equal(text, "both", 4);
    assert_int_equal(guest_write(&memory, at, "BOTH", 4), OK);
    assert_int_equal(guest_read(&memory, text, at, 4), OK);
    assert_memory_equal(text, "BOTH", 4);
    assert_int_equal(guest_read(&other, text, at, 4), OK);
    assert_memory_equal(text, "both", 4);
    // From one memory to the other; what is around stays the image's.
    assert_int_equal(guest_copy(&other, (struct guest_addr){2 * PAGE_SIZE}, &memory, at, 4), OK);
    assert_int_equal(guest_read(&other, text, (struct guest_addr){2 * PAGE_SIZE + 8}, 6), OK);
    assert_memory_equal(text, "second", 6);
    assert_int_equal(guest_fill(&other, (struct guest_addr){9 * PAGE_SIZE}, 1, PAGE_SIZE), OK);
    assert_int_equal(bytes_at(sibling, 9)[PAGE_SIZE - 1], 1);
    aspace_check(as);
    area_destroy(as, area);
    area_destroy(as, sibling);
    image_release(image);
}

// The whole life of an image and a memory. False: it ran out of memory on the way.
static bool life(struct aspace *as) {
    struct image *image = make_image();
    if (image == NULL)
        return false;
    struct area *area;
    bool done = area_create(as, AREA_MEMORY, SLOT, &account, &area) == OK;
    if (!done) {
        image_release(image);
        return false;
    }
    done = area_grow(as, area, BYTES) == OK;
    area_set_image(as, area, image);
    image_release(image);
    done = done && fault(as, at_page(area, 2), FAULT_READ) == OK;
    if (done && fault(as, at_page(area, 2), FAULT_WRITE) != OK) {
        done = false;
        // What failed did so whole: there is the image's page, or nothing.
        assert_int_equal(rights_at(area, 2) & PAGE_WRITE, 0);
        assert_int_equal(account.committed, 0);
    }
    done = done && fault(as, at_page(area, 9), FAULT_WRITE) == OK;
    aspace_check(as);
    area_destroy(as, area);
    return done;
}

static void every_failure_is_undone(void **) {
    static void (*const fail_nth[])(u64) = {frame_fail_nth, fake_map_fail_nth};
    for (u32 kind = 0; kind < COUNT_OF(fail_nth); kind++) {
        struct aspace *as = start();
        assert_true(life(as));
        u64 before = frames_in_use();
        bool done = false;
        for (u64 n = 1; !done; n++) {
            assert_true(n < 100);
            fail_nth[kind](n);
            done = life(as);
            fail_nth[kind](0);
            assert_int_equal(frames_in_use(), before);
            assert_int_equal(account.charged, 0);
            assert_int_equal(account.committed, 0);
            frame_check();
        }
    }
}

static struct race {
    struct aspace *as;
    struct area *area;
    struct image *image; // of the area that takes its place
} race;

static void destroy_it(void *) {
    area_destroy(race.as, race.area);
    race.area = NULL;
    if (race.image != NULL)
        race.area = make_memory(race.as, race.image);
}

static void copy_it_first(void *) {
    assert_int_equal(fault(race.as, at_page(race.area, 2), FAULT_WRITE), OK);
    memcpy(bytes_at(race.area, 2) + 8, "faster", 6);
}

static void races_are_lost_politely(void **) {
    // The memory goes, with the last reference to its image, while a page is copied.
    race = (struct race){.as = start()};
    u64 before = frames_in_use();
    struct image *image = make_image();
    race.area = make_memory(race.as, image);
    image_release(image);
    u64 address = at_page(race.area, 2);
    fake_at_window_close(destroy_it, NULL);
    assert_int_equal(fault(race.as, address, FAULT_WRITE), OK);
    assert_int_equal(fake_mapped_pages(), 0);
    assert_int_equal(frames_in_use(), before);

    // And another memory, of another image, is in its place: it gets nothing of the copy.
    image = make_image();
    assert_int_equal(image_create(1, &race.image), OK);
    assert_int_equal(image_write(race.image, 2 * PAGE_SIZE, bytes_of("other")), OK);
    race.area = make_memory(race.as, image);
    fake_at_window_close(destroy_it, NULL);
    assert_int_equal(fault(race.as, address, FAULT_WRITE), OK);
    assert_int_equal(at_page(race.area, 2), address);
    assert_int_equal(rights_at(race.area, 2), 0);
    assert_int_equal(fault(race.as, address, FAULT_WRITE), OK);
    assert_memory_equal(bytes_at(race.area, 2), "other\0\0\0\0\0", 10);
    area_destroy(race.as, race.area);
    image_release(race.image);

    // Another thread has copied the page meanwhile, and written to it.
    race.area = make_memory(race.as, image);
    fake_at_window_close(copy_it_first, NULL);
    assert_int_equal(fault(race.as, address, FAULT_WRITE), OK);
    assert_memory_equal(bytes_at(race.area, 2) + 8, "faster", 6);
    assert_int_equal(account.committed, PAGE_SIZE);
    area_destroy(race.as, race.area);
    image_release(image);
    assert_int_equal(frames_in_use(), before);
    frame_check();
}

static void a_memory_is_new_when_it_is_used_again(void **) {
    struct aspace *as = start();
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    struct guest_memory memory = guest_of(area);
    char text[8];
    assert_int_equal(guest_read(&memory, text, (struct guest_addr){9 * PAGE_SIZE}, 8), OK);
    assert_int_equal(guest_fill(&memory, (struct guest_addr){PAGE_SIZE + 9}, 7, PAGE_SIZE), OK);
    assert_int_equal(account.committed, 2 * PAGE_SIZE);
    u64 mapped = fake_mapped_pages();

    assert_true(area_retire(as, area, BYTES));
    assert_int_equal(account.charged, 0);
    assert_int_equal(account.committed, 0);
    assert_int_equal(fake_mapped_pages(), mapped); // what the next one will want
    for (u64 i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(bytes_at(area, 1)[i], 0);
    assert_memory_equal(bytes_at(area, 2), "\0\0\0\0\0\0\0\0second\0", 15);
    aspace_check(as);

    struct memory_account next = {.limit = BYTES - 1};
    assert_int_equal(area_adopt(as, area, &next), ERR_LIMIT);
    assert_int_equal(next.charged, 0);
    assert_int_equal(next.committed, 0);
    next.limit = BYTES;
    assert_int_equal(area_adopt(as, area, &next), OK);
    assert_int_equal(next.charged, BYTES);
    assert_int_equal(next.committed, 2 * PAGE_SIZE);
    area_destroy(as, area);
    assert_int_equal(next.charged, 0);
    assert_int_equal(next.committed, 0);
    image_release(image);
}

static void what_a_memory_grew_by_is_gone_when_it_is_used_again(void **) {
    struct aspace *as = start();
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    assert_int_equal(area_grow(as, area, 3 * BYTES), OK);
    assert_int_equal(fault(as, area->vma.start + 2 * BYTES, FAULT_WRITE), OK);
    assert_int_equal(fault(as, at_page(area, 2), FAULT_WRITE), OK);
    assert_int_equal(fault(as, area->vma.start + BYTES, FAULT_WRITE), OK);
    assert_true(area_retire(as, area, BYTES));
    assert_int_equal(fake_mapped_pages(), 1);
    assert_int_equal(area->touched, PAGE_SIZE);
    assert_int_equal(area->accessible, BYTES);
    assert_int_equal(account.charged, 0);
    assert_int_equal(fault(as, area->vma.start + BYTES, FAULT_WRITE), ERR_FAULT);
    aspace_check(as);
    area_destroy(as, area);
    image_release(image);
}

static void a_memory_with_many_pages_is_not_used_again(void **) {
    struct aspace *as = start();
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    for (u64 page = 0; area->touched <= AREA_PAGES_KEPT * PAGE_SIZE; page += 17)
        assert_int_equal(fault(as, at_page(area, page), FAULT_WRITE), OK);
    u64 charged = account.charged;
    assert_false(area_retire(as, area, BYTES));
    assert_int_equal(account.charged, charged);
    area_destroy(as, area);
    image_release(image);
    assert_int_equal(account.charged, 0);
}

static const struct aspace *looked_at;
static u32 looks;

static void look(void) {
    fake_irq_hook_set(NULL); // it takes locks itself
    aspace_check(looked_at);
    looks++;
    fake_irq_hook_set(look);
}

// Whoever checks an address space may come while an area of it goes.
static void a_memory_that_goes_is_in_order_at_every_moment(void **) {
    struct aspace *as = start();
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    assert_int_equal(fault(as, at_page(area, 2), FAULT_WRITE), OK);
    assert_int_equal(fault(as, at_page(area, 3), FAULT_READ), OK);
    image_release(image); // the area's is the last reference
    looked_at = as;
    looks = 0;
    fake_irq_hook_set(look);
    area_destroy(as, area);
    fake_irq_hook_set(NULL);
    assert_true(looks >= 3);
}

// So is one of which more was promised to a service than the next user will have.
static void a_memory_that_is_used_again_is_in_order_at_every_moment(void **) {
    struct aspace *as = start();
    account.is_kept = true;
    struct image *image = make_image();
    struct area *area = make_memory(as, image);
    assert_int_equal(area_grow(as, area, 2 * BYTES), OK);
    assert_int_equal(fault(as, at_page(area, 2), FAULT_WRITE), OK);
    looked_at = as;
    looks = 0;
    fake_irq_hook_set(look);
    assert_true(area_retire(as, area, BYTES));
    fake_irq_hook_set(NULL);
    assert_true(looks >= 3);
    assert_int_equal(frame_promised(), 0);
    area_destroy(as, area);
    image_release(image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_zeros_take_no_frame),
        cmocka_unit_test(what_is_read_is_shared_and_what_is_written_is_copied),
        cmocka_unit_test(the_last_user_frees_the_image),
        cmocka_unit_test(runs_of_zeros_keep_off_the_image),
        cmocka_unit_test(guest_copies_copy_pages_on_their_way),
        cmocka_unit_test(every_failure_is_undone),
        cmocka_unit_test(races_are_lost_politely),
        cmocka_unit_test(a_memory_is_new_when_it_is_used_again),
        cmocka_unit_test(what_a_memory_grew_by_is_gone_when_it_is_used_again),
        cmocka_unit_test(a_memory_with_many_pages_is_not_used_again),
        cmocka_unit_test(a_memory_that_goes_is_in_order_at_every_moment),
        cmocka_unit_test(a_memory_that_is_used_again_is_in_order_at_every_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
