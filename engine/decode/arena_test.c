// Tests of the arena: alignment, zeros, sizes that overflow, and running out.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/math.h"
#include "base/string.h"
#include "engine/decode/arena.h"
#include "tests/fake_host.h"

static void memory_is_zeroed_aligned_and_apart(void **state) {
    (void)state;
    u64 before = fake_host_bytes();
    struct arena *arena = arena_create();
    u8 *last[200];
    for (u32 i = 0; i < COUNT_OF(last); i++) {
        usize bytes = 1 + i * i % 5000;
        last[i] = arena_alloc(arena, bytes, 1);
        assert_non_null(last[i]);
        assert_true(is_aligned((uptr)last[i], 8));
        for (usize at = 0; at < bytes; at++)
            assert_int_equal(last[i][at], 0);
        memset(last[i], 1 + (int)(i % 255), bytes);
    }
    for (u32 i = 0; i < COUNT_OF(last); i++) {
        for (usize at = 0; at < 1 + i * i % 5000; at++)
            assert_int_equal(last[i][at], 1 + i % 255);
    }
    arena_destroy(arena);
    assert_int_equal(fake_host_bytes(), before);
}

static void small_things_cost_little(void **state) {
    (void)state;
    u64 before = fake_host_bytes();
    struct arena *arena = arena_create();
    for (u32 i = 0; i < 100000; i++)
        assert_non_null(arena_alloc(arena, 1, 8));
    assert_true(fake_host_bytes() - before < 2 * 100000 * 8);
    arena_destroy(arena);
    arena_destroy(NULL);
}

static void impossible_sizes_are_refused(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    assert_null(arena_alloc(arena, UINT64_MAX, 2));
    assert_null(arena_alloc(arena, UINT64_MAX, 1));
    assert_null(arena_alloc(arena, 1ull << 61, 16));
    assert_non_null(arena_alloc(arena, 0, 16));
    assert_non_null(arena_alloc(arena, 1, 1));
    arena_destroy(arena);
}

static void running_out_is_reported(void **state) {
    (void)state;
    u64 before = fake_host_bytes();
    fake_host_fail_nth(1);
    assert_null(arena_create());

    struct arena *arena = arena_create();
    fake_host_fail_nth(1);
    assert_null(arena_alloc(arena, 10, 1));
    assert_non_null(arena_alloc(arena, 10, 1)); // it goes on when there is memory again
    fake_host_fail_nth(1);
    assert_null(arena_alloc(arena, 1000000, 1));
    fake_host_fail_nth(0);
    arena_destroy(arena);
    assert_int_equal(fake_host_bytes(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(small_things_cost_little),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(running_out_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
