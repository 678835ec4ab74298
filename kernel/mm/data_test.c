// Data of programs: pieces are apart, cleared, and in pages that one address space alone has
// mapped; everything is given back, from anywhere; the check of who has which frame finds what is
// wrong.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/mm/data.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

#define PIECES 300u

static void start(void) {
    fake_machine_start_simple(32 * MIB);
    aspace_init(aspace_kernel(), arch_aspace_kernel());
}

// A further address space, which the running code is in.
static struct aspace *enter_further(void) {
    struct aspace *as;
    assert_int_equal(aspace_create(&as), OK);
    fake_aspace_enter(as->arch);
    return as;
}

static void leave_further(struct aspace *as) {
    fake_aspace_enter(arch_aspace_kernel());
    aspace_release(as);
}

struct level {
    u64 free;
    u64 heap_bytes;
};

static struct level level_now(void) {
    struct frame_stats frames;
    struct heap_stats heap;
    frame_stats(&frames);
    heap_stats(&heap);
    return (struct level){frames.free[ZONE_KERNEL] + frames.free[ZONE_PROGRAM] + heap.frames,
                          heap.bytes_used};
}

static void assert_level(struct level expected) {
    struct level now = level_now();
    assert_int_equal(now.free, expected.free);
    assert_int_equal(now.heap_bytes, expected.heap_bytes);
}

// -- A model ------------------------------------------------------------------------------------

struct piece {
    void *data; // NULL: none
    u64 bytes;
    u8 byte; // that it is full of
};

static void piece_take(struct aspace *as, struct piece *piece, u64 bytes, u8 byte) {
    assert_int_equal(data_alloc(as, bytes, &piece->data), OK);
    assert_true(is_aligned((uptr)piece->data, 16));
    static u8 found[64 * KIB];
    assert_true(bytes <= sizeof found);
    struct virt_addr at = {(uptr)piece->data};
    assert_int_equal(arch_copy_from(found, at, bytes), OK);
    for (u64 i = 0; i < bytes; i++)
        assert_int_equal(found[i], 0);
    assert_int_equal(arch_fill(at, byte, bytes), OK);
    piece->bytes = bytes;
    piece->byte = byte;
}

static void piece_give(struct aspace *as, struct piece *piece) {
    static u8 found[64 * KIB];
    struct virt_addr at = {(uptr)piece->data};
    assert_int_equal(arch_copy_from(found, at, piece->bytes), OK);
    for (u64 i = 0; i < piece->bytes; i++)
        assert_int_equal(found[i], piece->byte); // nobody else wrote to it
    data_free(as, piece->data, piece->bytes);
    piece->data = NULL;
}

static u64 random_bytes(u64 *random) {
    static const u64 edges[] = {1, 63, 64, 65, 2047, 2048, 2049, 4095, 4096, 4097, 9000};
    if (fake_random(random) % 4 == 0)
        return edges[fake_random(random) % COUNT_OF(edges)];
    return 1 + fake_random(random) % 1200;
}

static void pieces_are_apart_cleared_and_given_back(void **) {
    start();
    struct level before = level_now();
    struct aspace *as = enter_further();
    static struct piece pieces[PIECES];
    u64 random = 7;
    for (u32 step = 0; step < 20000; step++) {
        struct piece *piece = &pieces[fake_random(&random) % PIECES];
        if (piece->data != NULL)
            piece_give(as, piece);
        else
            piece_take(as, piece, random_bytes(&random), (u8)fake_random(&random));
        if (step % 1000 == 0)
            aspace_check(as);
    }
    for (u32 i = 0; i < PIECES; i++) {
        if (pieces[i].data != NULL)
            piece_give(as, &pieces[i]);
    }
    leave_further(as);
    assert_level(before);
}

static void small_pieces_share_pages(void **) {
    start();
    struct aspace *as = enter_further();
    void *pieces[128];
    for (u32 i = 0; i < 128; i++)
        assert_int_equal(data_alloc(as, 64, &pieces[i]), OK);
    assert_int_equal(aspace_check(as), 2); // pages
    for (u32 i = 0; i < 128; i++)
        data_free(as, pieces[i], 64);
    assert_int_equal(aspace_check(as), 1); // which is kept for the next
    leave_further(as);
}

static void it_is_given_back_from_another_address_space(void **) {
    start();
    struct level before = level_now();
    struct aspace *as = enter_further();
    void *small, *large;
    assert_int_equal(data_alloc(as, 100, &small), OK);
    assert_int_equal(data_alloc(as, 10000, &large), OK);
    fake_aspace_enter(arch_aspace_kernel());
    data_free(as, large, 10000);
    data_free(as, small, 100);
    aspace_release(as);
    assert_level(before);
}

static void without_memory_nothing_has_changed(void **) {
    static const u64 sizes[] = {100, 4000};
    for (u32 which = 0; which < COUNT_OF(sizes); which++) {
        u32 failures = 0;
        for (u64 nth = 1; nth < 8; nth++) { // the heap takes some, and gets over it
            start();
            struct aspace *as = enter_further();
            struct level before = level_now();
            void *data;
            frame_fail_nth(nth);
            enum status status = data_alloc(as, sizes[which], &data);
            frame_fail_nth(0);
            if (status == OK) {
                data_free(as, data, sizes[which]);
                data_trim(as);
            }
            failures += status != OK;
            assert_level(before);
            aspace_check(as);
            leave_further(as);
        }
        assert_true(failures >= 1);
    }
}

// The fake machine's RAM is shared with the process that fails: so each does all of it.

static void give_back_twice(void *) {
    start();
    struct aspace *as = enter_further();
    void *kept, *data;
    CHECK(data_alloc(as, 64, &kept) == OK);
    CHECK(data_alloc(as, 64, &data) == OK);
    data_free(as, data, 64);
    data_free(as, data, 64);
}

static void a_piece_given_back_twice_is_a_bug(void **) {
    assert_true(fake_asserts(give_back_twice, NULL));
}

// -- Who has which frame ------------------------------------------------------------------------

struct leak {
    bool to_kernel;
    enum page_rights rights;
};

static void show_elsewhere_and_check(void *context) {
    const struct leak *leak = context;
    start();
    struct aspace *further;
    CHECK(aspace_create(&further) == OK);
    struct aspace *to = leak->to_kernel ? aspace_kernel() : further;
    struct aspace *from = enter_further();
    void *data;
    struct phys_addr frame;
    CHECK(data_alloc(from, 64, &data) == OK);
    CHECK(arch_translate(from->arch, (struct virt_addr){(uptr)data}, &frame));
    struct area *area;
    CHECK(area_create(to, AREA_MEMORY, 4 * GIB, NULL, &area) == OK);
    CHECK(area_grow(to, area, MIB) == OK);
    CHECK(arch_map(to->arch, (struct virt_addr){area->vma.start}, frame, 1, leak->rights) == OK);
    aspace_check(from); // where nothing is wrong
    aspace_check(to);
}

static void a_frame_of_another_address_space_is_found(void **) {
    struct leak leak = {.rights = PAGE_READ};
    assert_true(fake_asserts(show_elsewhere_and_check, &leak));
    leak.to_kernel = true;
    assert_true(fake_asserts(show_elsewhere_and_check, &leak));
    leak.rights = PAGE_READ | PAGE_BORROWED; // as a grant is
    assert_false(fake_asserts(show_elsewhere_and_check, &leak));
}

static void count_further(struct aspace *as, void *context) {
    *(u32 *)context += as != aspace_kernel();
}

static void all_address_spaces_are_visited(void **) {
    start();
    u32 before = 0;
    aspace_for_each(count_further, &before);
    struct aspace *some[3];
    for (u32 i = 0; i < 3; i++)
        assert_int_equal(aspace_create(&some[i]), OK);
    u32 count = 0;
    aspace_for_each(count_further, &count);
    assert_int_equal(count, before + 3);
    for (u32 i = 0; i < 3; i++)
        aspace_release(some[i]);
    count = 0;
    aspace_for_each(count_further, &count);
    assert_int_equal(count, before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_address_spaces_are_visited),
        cmocka_unit_test(pieces_are_apart_cleared_and_given_back),
        cmocka_unit_test(small_pieces_share_pages),
        cmocka_unit_test(it_is_given_back_from_another_address_space),
        cmocka_unit_test(without_memory_nothing_has_changed),
        cmocka_unit_test(a_piece_given_back_twice_is_a_bug),
        cmocka_unit_test(a_frame_of_another_address_space_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
