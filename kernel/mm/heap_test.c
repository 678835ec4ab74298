// The heap: zeroed, aligned and disjoint memory of every size, nothing kept, misuse caught.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sanitizer/asan_interface.h>

#include "base/math.h"
#include "base/sanitize.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

static u64 free_frames(void) {
    struct frame_stats stats;
    heap_trim();
    frame_stats(&stats);
    return stats.free[ZONE_KERNEL] + stats.free[ZONE_PROGRAM];
}

static struct heap_stats heap_now(void) {
    struct heap_stats stats;
    heap_trim();
    heap_stats(&stats);
    return stats;
}

static bool all_bytes_are(const u8 *at, u8 byte, usize len) {
    for (usize i = 0; i < len; i++) {
        if (at[i] != byte)
            return false;
    }
    return true;
}

// -- kmalloc -----------------------------------------------------------------------------------

static void every_size_is_zeroed_and_aligned(void **) {
    fake_machine_start_simple(32 * MIB);
    for (usize bytes = 1; bytes <= 4 * MIB; bytes += 1 + bytes / 7) {
        // Dirty the memory, free it, and take it again.
        u8 *first = kmalloc(bytes);
        assert_non_null(first);
        memset(first, 0xee, bytes);
        kfree(first, bytes);
        u8 *memory = kmalloc(bytes);
        assert_non_null(memory);
        assert_true(is_aligned((uptr)memory, 16));
        assert_true(all_bytes_are(memory, 0, bytes));
        assert_int_equal(heap_now().bytes_used, bytes);
        kfree(memory, bytes);
        assert_int_equal(heap_now().bytes_used, 0);
    }
    // What stays when spare slabs have gone: those of the caches with their magazines.
    assert_int_equal(heap_now().frames, 2 * 8);
    frame_check();
}

static void large_sizes_take_whole_frames_only(void **) {
    fake_machine_start_simple(32 * MIB);
    u64 before = free_frames();
    void *memory = kmalloc(5 * PAGE_SIZE - 1);
    assert_true(is_aligned((uptr)memory, PAGE_SIZE));
    assert_int_equal(free_frames(), before - 5);
    kfree(memory, 5 * PAGE_SIZE - 1);
    assert_int_equal(free_frames(), before);
    assert_null(kmalloc(SIZE_MAX));
    kfree(NULL, 1);
    kfree(NULL, 1 * GIB);
}

// -- Large sizes -------------------------------------------------------------------------------

static void large_sizes_are_bounded_by_ram_alone(void **) {
    fake_machine_start_simple(64 * MIB);
    u64 before = free_frames();
    static const usize sizes[] = {HEAP_CONTIGUOUS_MAX + 1, 4 * MIB + 1, 7 * MIB, 60 * MIB};
    for (usize i = 0; i < COUNT_OF(sizes); i++) {
        u8 *memory = kmalloc(sizes[i]);
        assert_non_null(memory);
        assert_true(is_aligned((uptr)memory, PAGE_SIZE));
        assert_true(all_bytes_are(memory, 0, sizes[i]));
        memset(memory, 0xee, sizes[i]);
        heap_check();
        u64 pages = align_up(sizes[i], PAGE_SIZE) / PAGE_SIZE;
        assert_int_equal(fake_mapped_pages(), pages);
        assert_int_equal(heap_now().bytes_used, sizes[i]);
        kfree(memory, sizes[i]);
        assert_int_equal(fake_mapped_pages(), 0);
        assert_int_equal(fake_table_frames(), 0);
    }
    assert_null(kmalloc(64 * MIB)); // the books take some of it
    assert_null(kmalloc(65 * MIB));
    assert_null(kmalloc(UINT64_MAX - PAGE_SIZE));
    assert_int_equal(fake_mapped_pages(), 0);
    assert_true(free_frames() + 8 >= before); // a spare slab
    frame_check();
}

static void large_memory_needs_no_contiguous_frames(void **) {
    fake_machine_start_simple(32 * MIB);
    // Every second frame is taken.
    static struct phys_addr taken[8192];
    u64 count = 0;
    while (frame_alloc(ZONE_KERNEL, 0, &taken[count]) == OK)
        count++;
    for (u64 i = 0; i < count; i += 2)
        frame_free(taken[i], 0);
    struct phys_addr frame;
    assert_int_equal(frame_alloc(ZONE_KERNEL, 1, &frame), ERR_NO_MEMORY);

    u64 before = free_frames();
    u8 *memory = kmalloc(8 * MIB);
    assert_non_null(memory);
    for (usize at = 0; at < 8 * MIB; at += PAGE_SIZE)
        memory[at] = (u8)(at / PAGE_SIZE % 251);
    for (usize at = 0; at < 8 * MIB; at += PAGE_SIZE)
        assert_int_equal(memory[at], (u8)(at / PAGE_SIZE % 251));
    heap_check();
    kfree(memory, 8 * MIB);
    assert_true(free_frames() + 1 >= before);
    for (u64 i = 1; i < count; i += 2)
        frame_free(taken[i], 0);
    frame_check();
}

static void the_nth_failure_of_a_large_size_loses_nothing(void **) {
    fake_machine_start_simple(32 * MIB);
    kfree(kmalloc(MIB), MIB); // the spare slab of the pieces
    u64 before = free_frames();
    struct heap_stats heap_before = heap_now();
    u32 refused = 0;
    for (u64 n = 1; n < 40; n++) {
        for (u32 kind = 0; kind < 2; kind++) {
            frame_fail_nth(kind == 0 ? n : 0);
            fake_map_fail_nth(kind == 1 ? n : 0);
            void *memory = kmalloc(9 * MIB + PAGE_SIZE);
            refused += memory == NULL;
            heap_check();
            kfree(memory, 9 * MIB + PAGE_SIZE);
            frame_fail_nth(0);
            fake_map_fail_nth(0);
            struct heap_stats heap_after = heap_now();
            assert_int_equal(free_frames(), before);
            assert_int_equal(fake_mapped_pages(), 0);
            assert_int_equal(fake_table_frames(), 0);
            assert_memory_equal(&heap_before, &heap_after, sizeof heap_before);
            frame_check();
        }
    }
    assert_true(refused >= 4); // the runs' mappings at least
}

static void running_out_is_null_and_nothing_is_lost(void **) {
    static const usize sizes[] = {16, 100, 2048, 5000, 200000, 300000, 5000000};
    for (usize i = 0; i < COUNT_OF(sizes); i++) {
        fake_machine_start_simple(16 * MIB);
        u64 before = free_frames();
        usize bytes = sizes[i] < sizeof(void *) ? sizeof(void *) : sizes[i];
        void **chain = NULL;
        void **memory;
        u64 count = 0;
        while ((memory = kmalloc(bytes)) != NULL) {
            *memory = chain;
            chain = memory;
            count++;
        }
        assert_true(count * bytes > 8 * MIB);
        while (chain != NULL) {
            void **next = *chain;
            kfree(chain, bytes);
            chain = next;
        }
        frame_check();
        assert_int_equal(heap_now().bytes_used, 0);
        assert_true(free_frames() + 8 >= before); // one spare slab
    }
}

static void the_nth_failure_loses_nothing(void **) {
    for (u64 n = 1; n < 12; n++) {
        fake_machine_start_simple(16 * MIB);
        u64 before = free_frames();
        struct heap_stats heap_before = heap_now();
        frame_fail_nth(n);
        struct slab_cache *cache = slab_cache_create("test", 1000);
        void *objects[60] = {0};
        for (usize i = 0; cache != NULL && i < COUNT_OF(objects); i++) {
            objects[i] = slab_alloc(cache);
            slab_check(cache);
        }
        void *large = kmalloc(3 * PAGE_SIZE);
        kfree(large, 3 * PAGE_SIZE);
        for (usize i = 0; cache != NULL && i < COUNT_OF(objects); i++) {
            slab_free(cache, objects[i]);
            slab_check(cache);
        }
        if (cache != NULL)
            slab_cache_destroy(cache);
        frame_fail_nth(0);
        struct heap_stats heap_after = heap_now();
        assert_int_equal(free_frames(), before);
        assert_memory_equal(&heap_before, &heap_after, sizeof heap_before);
        frame_check();
    }
}

// -- Slabs -------------------------------------------------------------------------------------

static void objects_are_aligned_as_promised(void **) {
    static const struct {
        usize size;
        usize alignment;
    } cases[] = {{1, 1}, {8, 8}, {24, 8}, {16, 16}, {48, 16}, {40, 8}, {4096, 16}, {20000, 16}};
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        fake_machine_start_simple(16 * MIB);
        struct slab_cache *cache = slab_cache_create("test", cases[i].size);
        assert_non_null(cache);
        u8 *objects[40];
        for (usize k = 0; k < COUNT_OF(objects); k++) {
            objects[k] = slab_alloc(cache);
            assert_true(is_aligned((uptr)objects[k], cases[i].alignment));
            assert_true(all_bytes_are(objects[k], 0, cases[i].size));
            memset(objects[k], (int)k + 1, cases[i].size);
        }
        for (usize k = 0; k < COUNT_OF(objects); k++) {
            assert_true(all_bytes_are(objects[k], (u8)(k + 1), cases[i].size));
            slab_free(cache, objects[k]);
        }
        slab_check(cache);
        slab_cache_destroy(cache);
    }
    assert_null(slab_cache_create("too large", 8 * PAGE_SIZE));
}

static void empty_slabs_go_back_but_one(void **) {
    fake_machine_start_simple(16 * MIB);
    struct slab_cache *cache = slab_cache_create("test", 64);
    u64 before = free_frames();
    void *objects[1000];
    for (usize i = 0; i < COUNT_OF(objects); i++)
        objects[i] = slab_alloc(cache);
    assert_true(free_frames() < before - 10);
    for (usize i = 0; i < COUNT_OF(objects); i++)
        slab_free(cache, objects[i]);
    slab_check(cache);
    assert_int_equal(free_frames(), before - 1);
    slab_cache_destroy(cache);
    assert_int_equal(free_frames(), before);
}

static void what_was_not_asked_for_is_forbidden(void **) {
    fake_machine_start_simple(16 * MIB);
    static const usize sizes[] = {1, 16, 17, 2047, 2048, 2049, 5000, 300000};
    for (u32 i = 0; i < COUNT_OF(sizes); i++) {
        u8 *memory = kmalloc(sizes[i]);
        memory[sizes[i] - 1] = 1;
        bool is_exact = is_power_of_two(sizes[i]) && sizes[i] >= 16;
        assert_true(is_exact || __asan_address_is_poisoned(memory + sizes[i]));
        kfree(memory, sizes[i]);
    }
}

static void freed_objects_are_junk(void **) {
    fake_machine_start_simple(16 * MIB);
    struct slab_cache *cache = slab_cache_create("test", 64);
    void *keep = slab_alloc(cache); // so that the slab stays
    u8 *object = slab_alloc(cache);
    slab_free(cache, object);
    assert_int_equal(__asan_address_is_poisoned(object), 1);
    memory_allow(object, 64);
    assert_true(all_bytes_are(object, 0xfd, 64));
    memory_forbid(object, 64);
    slab_free(cache, keep);
    slab_cache_destroy(cache);
}

// -- Misuse ------------------------------------------------------------------------------------

static void free_twice(void *) {
    void *keep = kmalloc(32);
    void *object = kmalloc(32);
    (void)keep;
    kfree(object, 32);
    kfree(object, 32);
}

static void free_with_the_wrong_size(void *) {
    kfree(kmalloc(32), 64);
}

static void free_a_part(void *) {
    u8 *object = kmalloc(32);
    kfree(object + 8, 32);
}

static void free_too_many_frames(void *) {
    // The run's next frame is free: its own tail.
    kfree(kmalloc(3 * PAGE_SIZE), 4 * PAGE_SIZE);
}

static void free_large_with_the_wrong_size(void *) {
    kfree(kmalloc(1 * MIB), 1 * MIB + 1);
}

static void free_the_middle_of_a_large_one(void *) {
    kfree((u8 *)kmalloc(1 * MIB) + PAGE_SIZE, 1 * MIB - PAGE_SIZE);
}

static void ask_for_much_with_interrupts_off(void *) {
    arch_irq_state irq = arch_irq_save();
    kfree(kmalloc(1 * MIB), 1 * MIB);
    arch_irq_restore(irq);
}

static void destroy_a_cache_in_use(void *) {
    struct slab_cache *cache = slab_cache_create("test", 64);
    if (slab_alloc(cache) != NULL)
        slab_cache_destroy(cache);
}

static void misuse_is_caught(void **) {
    fake_machine_start_simple(16 * MIB);
    assert_true(fake_asserts(free_twice, NULL));
    assert_true(fake_asserts(free_with_the_wrong_size, NULL));
    assert_true(fake_asserts(free_a_part, NULL));
    assert_true(fake_asserts(free_too_many_frames, NULL));
    assert_true(fake_asserts(destroy_a_cache_in_use, NULL));
    assert_true(fake_asserts(free_large_with_the_wrong_size, NULL));
    assert_true(fake_asserts(free_the_middle_of_a_large_one, NULL));
    assert_true(fake_asserts(ask_for_much_with_interrupts_off, NULL));
}

// -- Random ------------------------------------------------------------------------------------

struct holding {
    u8 *memory;
    usize bytes;
    u8 mark;
};

static void random_sequences_keep_contents(void **) {
    static struct holding holdings[400];
    for (u64 seed = 1; seed <= 3; seed++) {
        fake_machine_start_simple(32 * MIB);
        u64 random = seed;
        u64 before = free_frames();
        u64 used = 0;
        memset(holdings, 0, sizeof holdings);
        for (u32 step = 0; step < 6000; step++) {
            struct holding *h = &holdings[fake_random(&random) % COUNT_OF(holdings)];
            if (h->memory != NULL) {
                assert_true(all_bytes_are(h->memory, h->mark, h->bytes));
                kfree(h->memory, h->bytes);
                used -= h->bytes;
                h->memory = NULL;
                continue;
            }
            h->bytes = 1 + (usize)(fake_random(&random) % (1ull << (fake_random(&random) % 14)));
            h->memory = kmalloc(h->bytes);
            h->mark = (u8)step;
            assert_non_null(h->memory);
            assert_true(all_bytes_are(h->memory, 0, h->bytes));
            memset(h->memory, h->mark, h->bytes);
            used += h->bytes;
            assert_int_equal(heap_now().bytes_used, used);
        }
        for (u32 i = 0; i < COUNT_OF(holdings); i++) {
            if (holdings[i].memory != NULL)
                kfree(holdings[i].memory, holdings[i].bytes);
        }
        frame_check();
        assert_int_equal(heap_now().bytes_used, 0);
        assert_true(free_frames() + 16 >= before); // a spare slab in each class
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_zeroed_and_aligned),
        cmocka_unit_test(large_sizes_take_whole_frames_only),
        cmocka_unit_test(large_sizes_are_bounded_by_ram_alone),
        cmocka_unit_test(large_memory_needs_no_contiguous_frames),
        cmocka_unit_test(the_nth_failure_of_a_large_size_loses_nothing),
        cmocka_unit_test(running_out_is_null_and_nothing_is_lost),
        cmocka_unit_test(the_nth_failure_loses_nothing),
        cmocka_unit_test(objects_are_aligned_as_promised),
        cmocka_unit_test(empty_slabs_go_back_but_one),
        cmocka_unit_test(what_was_not_asked_for_is_forbidden),
        cmocka_unit_test(freed_objects_are_junk),
        cmocka_unit_test(misuse_is_caught),
        cmocka_unit_test(random_sequences_keep_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
