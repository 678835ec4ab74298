// Page frames: alignment, disjointness, joining, zones that move, injected failure, misuse, and a
// long random sequence against a list of what is held.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/mm/frame.h"
#include "tests/fake_arch.h"

#define BLOCK_FRAMES (1u << FRAME_ORDER_MAX)

static struct frame_stats stats(void) {
    struct frame_stats now;
    frame_stats(&now);
    return now;
}

static u64 free_frames(void) {
    struct frame_stats now = stats();
    return now.free[ZONE_KERNEL] + now.free[ZONE_PROGRAM];
}

// What all CPUs have taken and not freed is what is not free.
static void check_cpus(void) {
    struct frame_stats now = stats();
    u64 total = now.total[ZONE_KERNEL] + now.total[ZONE_PROGRAM];
    u64 used = 0;
    u64 kept = 0;
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        struct frame_cpu_stats counts;
        frame_cpu_stats(cpu, &counts);
        used += counts.taken - counts.freed;
        kept += counts.kept;
    }
    assert_int_equal(used, total - free_frames());
    assert_true(kept <= free_frames());
}

static u64 take(enum zone zone, u32 order) {
    struct phys_addr frame;
    assert_int_equal(frame_alloc(zone, order, &frame), OK);
    return frame.value;
}

// -- Start -------------------------------------------------------------------------------------

static const struct init_case {
    const char *name;
    struct fake_machine machine;
    enum status status;
    u64 lost_max; // frames that bookkeeping and rounding may take
} init_cases[] = {
    {"no memory", {.free = {{{0}, 0}}}, ERR_NO_MEMORY, 0},
    {"too small for its own books", {.free = {{{1 * MIB}, 2 * PAGE_SIZE}}}, ERR_NO_MEMORY, 0},
    {"one range", {.free = {{{1 * MIB}, 63 * MIB}}}, OK, 64},
    {"whole blocks only", {.free = {{{4 * MIB}, 64 * MIB}}}, OK, 64},
    {"small pieces first",
     {.free = {{{PAGE_SIZE}, 3 * PAGE_SIZE}, {{64 * KIB}, 512 * KIB}, {{8 * MIB}, 32 * MIB}}},
     OK,
     64},
    {"a hole", {.free = {{{1 * MIB}, 15 * MIB}, {{900 * MIB}, 100 * MIB}}}, OK, 200},
    {"two ranges in one block",
     {.free = {{{4 * MIB}, 1 * MIB}, {{6 * MIB}, 1 * MIB}, {{8 * MIB}, 8 * MIB}}},
     OK,
     40},
    {"beyond the kernel's limit",
     {.free = {{{1 * MIB}, 127 * MIB}}, .kernel_zone_limit = 64 * MIB},
     OK,
     200},
    {"the limit cuts a block",
     {.free = {{{1 * MIB}, 127 * MIB}}, .kernel_zone_limit = 62 * MIB},
     OK,
     200 + 512},
};

static void init_accounts_for_all_memory(void **) {
    for (usize i = 0; i < COUNT_OF(init_cases); i++) {
        const struct init_case *c = &init_cases[i];
        print_message("%s\n", c->name);
        const struct boot_info *boot = fake_machine_start(&c->machine);
        assert_int_equal(frame_init(boot), c->status);
        if (c->status != OK)
            continue;
        frame_check();
        u64 ram = boot->ram_bytes / PAGE_SIZE;
        struct frame_stats now = stats();
        assert_int_equal(now.free[ZONE_KERNEL], now.total[ZONE_KERNEL]);
        assert_int_equal(now.free[ZONE_PROGRAM], now.total[ZONE_PROGRAM]);
        assert_in_range(free_frames(), ram - c->lost_max, ram - 1);
    }
}

static void init_with_overlap(void *) {
    struct fake_machine machine = {.free = {{{1 * MIB}, 31 * MIB}}};
    struct boot_info boot = *fake_machine_start(&machine);
    boot.free[boot.free_count++] = (struct phys_range){{9 * MIB}, 11 * MIB};
    (void)!frame_init(&boot);
}

static void strange_ranges_are_left_out_or_stop_the_machine(void **) {
    struct fake_machine machine = {.free = {{{1 * MIB}, 31 * MIB}}};
    struct boot_info boot = *fake_machine_start(&machine);
    boot.free[boot.free_count++] = (struct phys_range){{UINT64_MAX - PAGE_SIZE}, 1 * GIB}; // wraps
    boot.free[boot.free_count++] = (struct phys_range){{40 * MIB + 1}, PAGE_SIZE}; // no whole frame
    boot.free[boot.free_count++] = (struct phys_range){{1ull << 50}, 1 * GIB};     // beyond all use
    assert_int_equal(frame_init(&boot), OK);
    frame_check();
    assert_in_range(free_frames(), 31 * MIB / PAGE_SIZE - 50, 31 * MIB / PAGE_SIZE);
    assert_true(fake_asserts(init_with_overlap, NULL));
}

static void the_kernel_starts_with_an_eighth(void **) {
    struct fake_machine machine = {.free = {{{1 * MIB}, 256 * MIB}}};
    assert_int_equal(frame_init(fake_machine_start(&machine)), OK);
    assert_in_range(stats().total[ZONE_KERNEL], (32 * MIB) >> PAGE_SHIFT, (40 * MIB) >> PAGE_SHIFT);
}

// -- Blocks ------------------------------------------------------------------------------------

static void blocks_are_aligned_and_apart(void **) {
    fake_machine_start_simple(64 * MIB);
    u64 before = free_frames();
    for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
        u64 held[FRAME_ORDER_MAX + 1];
        for (u32 order = 0; order <= FRAME_ORDER_MAX; order++) {
            held[order] = take((enum zone)zone, order);
            assert_true(is_aligned(held[order], PAGE_SIZE << order));
            for (u32 other = 0; other < order; other++)
                assert_true(held[order] + (PAGE_SIZE << order) <= held[other] ||
                            held[other] + (PAGE_SIZE << other) <= held[order]);
            assert_int_equal(fake_kernel_mapped((struct phys_addr){held[order]}),
                             zone == ZONE_KERNEL);
            frame_check();
        }
        for (u32 order = 0; order <= FRAME_ORDER_MAX; order++) {
            frame_free((struct phys_addr){held[order]}, order);
            frame_check();
        }
    }
    assert_int_equal(free_frames(), before);
}

static void a_block_can_be_freed_in_parts(void **) {
    fake_machine_start_simple(64 * MIB);
    struct frame_stats before = stats();
    u64 block = take(ZONE_PROGRAM, 4);
    for (u64 i = 0; i < 16; i++) {
        // an order that mixes halves: 0 15 2 13 4 11 ...
        u64 at = i % 2 == 0 ? i : 16 - i;
        frame_free((struct phys_addr){block + at * PAGE_SIZE}, 0);
        frame_check();
    }
    struct frame_stats after = stats();
    assert_memory_equal(&before, &after, sizeof before);
}

static void runs_take_no_more_than_they_need(void **) {
    fake_machine_start_simple(64 * MIB);
    u64 before = free_frames();
    for (u64 pages = 1; pages <= BLOCK_FRAMES; pages = pages * 3 / 2 + 1) {
        struct phys_addr run;
        assert_int_equal(frame_alloc_run(ZONE_KERNEL, pages, &run), OK);
        assert_int_equal(free_frames(), before - pages);
        frame_check();
        frame_free_run(run, pages);
        assert_int_equal(free_frames(), before);
        frame_check();
    }
    struct phys_addr run;
    assert_int_equal(frame_alloc_run(ZONE_KERNEL, BLOCK_FRAMES + 1, &run), ERR_NO_MEMORY);
    assert_int_equal(frame_alloc_run(ZONE_KERNEL, UINT64_MAX, &run), ERR_NO_MEMORY);
}

static void zeroed_runs_are_zero(void **) {
    fake_machine_start_simple(64 * MIB);
    u64 dirty = take(ZONE_KERNEL, 2);
    memset(arch_frame_pointer((struct phys_addr){dirty}), 0xaa, PAGE_SIZE << 2);
    frame_free((struct phys_addr){dirty}, 2);
    struct phys_addr run;
    assert_int_equal(frame_alloc_kernel_zeroed(FRAME_USUAL, 3, &run), OK);
    const u8 *at = arch_frame_pointer(run);
    for (u64 i = 0; i < 3 * PAGE_SIZE; i++)
        assert_int_equal(at[i], 0);
}

// -- Zones -------------------------------------------------------------------------------------

static u64 drain(enum zone zone, u32 order, struct phys_addr *held, u64 max) {
    u64 count = 0;
    while (count < max && frame_alloc(zone, order, &held[count]) == OK)
        count++;
    return count;
}

static struct phys_addr drained[64 * MIB / PAGE_SIZE];

static void each_zone_grows_into_the_other(void **) {
    fake_machine_start_simple(64 * MIB);
    struct frame_stats before = stats();
    u64 all = before.free[ZONE_KERNEL] + before.free[ZONE_PROGRAM];

    // The kernel can have everything.
    u64 count = drain(ZONE_KERNEL, 0, drained, COUNT_OF(drained));
    frame_check();
    assert_int_equal(count, all);
    assert_int_equal(stats().total[ZONE_PROGRAM], 0);
    struct phys_addr none;
    assert_int_equal(frame_alloc(ZONE_PROGRAM, 0, &none), ERR_NO_MEMORY);
    for (u64 i = 0; i < count; i++)
        frame_free(drained[i], 0);
    frame_check();

    // Programs can have all but a reserve and what cannot move.
    count = drain(ZONE_PROGRAM, 0, drained, COUNT_OF(drained));
    frame_check();
    assert_true(count > before.total[ZONE_PROGRAM]);
    assert_true(stats().free[ZONE_KERNEL] >= all / 64);
    assert_true(stats().free[ZONE_KERNEL] < all / 64 + 3 * BLOCK_FRAMES);
    struct phys_addr one;
    assert_int_equal(frame_alloc(ZONE_KERNEL, 0, &one), OK);
    frame_free(one, 0);
    for (u64 i = 0; i < count; i++)
        frame_free(drained[i], 0);
    frame_check();
    assert_int_equal(free_frames(), all);
}

static void programs_leave_the_kernel_a_reserve(void **) {
    fake_machine_start_simple(64 * MIB);
    // Bring the kernel down to one whole block and a little: without a reserve the block would go.
    while (stats().free[ZONE_KERNEL] > BLOCK_FRAMES + 100)
        take(ZONE_KERNEL, 0);
    drain(ZONE_PROGRAM, 0, drained, COUNT_OF(drained));
    assert_int_equal(stats().free[ZONE_PROGRAM], 0);
    assert_int_equal(stats().free[ZONE_KERNEL], BLOCK_FRAMES + 100);
}

static void moved_blocks_keep_their_contents_reachable(void **) {
    fake_machine_start_simple(64 * MIB);
    // Drain the kernel's zone by whole blocks: each must be mapped, writable, and aligned.
    u64 count = drain(ZONE_KERNEL, FRAME_ORDER_MAX, drained, COUNT_OF(drained));
    assert_true(count >= 14);
    for (u64 i = 0; i < count; i++)
        memset(arch_frame_pointer(drained[i]), (int)i, PAGE_SIZE);
    for (u64 i = 0; i < count; i++)
        frame_free(drained[i], FRAME_ORDER_MAX);
    frame_check();
}

static void memory_above_the_limit_stays_with_programs(void **) {
    struct fake_machine machine = {.free = {{{1 * MIB}, 127 * MIB}}, .kernel_zone_limit = 64 * MIB};
    assert_int_equal(frame_init(fake_machine_start(&machine)), OK);
    // Programs take the memory first that the kernel cannot use.
    u64 block = take(ZONE_PROGRAM, FRAME_ORDER_MAX);
    assert_true(block >= 64 * MIB);
    frame_free((struct phys_addr){block}, FRAME_ORDER_MAX);
    u64 count = drain(ZONE_KERNEL, 0, drained, COUNT_OF(drained));
    for (u64 i = 0; i < count; i++)
        assert_true(drained[i].value < 64 * MIB);
    assert_in_range(count, 15000, 63 * MIB / PAGE_SIZE);
    frame_check();
    assert_int_equal(stats().free[ZONE_PROGRAM], 64 * MIB / PAGE_SIZE);
}

// -- Failure and misuse ------------------------------------------------------------------------

static void the_nth_allocation_fails_once(void **) {
    fake_machine_start_simple(16 * MIB);
    struct phys_addr frame;
    frame_fail_nth(2);
    assert_int_equal(frame_alloc(ZONE_PROGRAM, 0, &frame), OK);
    assert_int_equal(frame_alloc(ZONE_PROGRAM, 0, &frame), ERR_NO_MEMORY);
    assert_int_equal(frame_alloc(ZONE_PROGRAM, 0, &frame), OK);
}

static void free_unaligned(void *) {
    frame_free((struct phys_addr){take(ZONE_PROGRAM, 1) + PAGE_SIZE}, 1);
}

static void free_twice(void *) {
    struct phys_addr frame = {take(ZONE_PROGRAM, 0)};
    frame_free(frame, 0);
    frame_free(frame, 0);
}

static void free_more_than_was_taken(void *) {
    frame_free((struct phys_addr){take(ZONE_PROGRAM, 0)}, 1);
}

static void free_what_is_not_memory(void *) {
    frame_free((struct phys_addr){512 * GIB}, 0);
}

static void misuse_is_caught(void **) {
    fake_machine_start_simple(16 * MIB);
    assert_true(fake_asserts(free_unaligned, NULL));
    assert_true(fake_asserts(free_twice, NULL));
    assert_true(fake_asserts(free_more_than_was_taken, NULL));
    assert_true(fake_asserts(free_what_is_not_memory, NULL));
}

// -- Random ------------------------------------------------------------------------------------

struct holding {
    struct phys_addr frame;
    enum zone zone;
    u32 order;
};

static void random_sequences_keep_the_invariants(void **) {
    static struct holding holdings[600];
    for (u64 seed = 1; seed <= 4; seed++) {
        u64 random = seed;
        u32 count = 0;
        fake_machine_start_simple(32 * MIB);
        struct frame_stats start = stats();
        for (u32 step = 0; step < 1500; step++) {
            fake_cpu_set((u32)(fake_random(&random) % 3));
            if (count < COUNT_OF(holdings) && fake_random(&random) % 5 < 3) {
                struct holding *h = &holdings[count];
                h->zone = (enum zone)(fake_random(&random) % ZONE_COUNT);
                h->order = (u32)(fake_random(&random) % 8);
                if (frame_alloc(h->zone, h->order, &h->frame) == OK) {
                    assert_int_equal(fake_kernel_mapped(h->frame), h->zone == ZONE_KERNEL);
                    count++;
                }
            } else if (count != 0) {
                u32 victim = (u32)(fake_random(&random) % count);
                frame_free(holdings[victim].frame, holdings[victim].order);
                holdings[victim] = holdings[--count];
            }
            u64 used = 0;
            for (u32 i = 0; i < count; i++)
                used += 1u << holdings[i].order;
            assert_int_equal(free_frames() + used,
                             start.free[ZONE_KERNEL] + start.free[ZONE_PROGRAM]);
            check_cpus();
            if (step % 8 == 0)
                frame_check();
        }
        while (count != 0) {
            count--;
            frame_free(holdings[count].frame, holdings[count].order);
        }
        fake_cpu_set(0);
        check_cpus();
        frame_check();
        assert_int_equal(free_frames(), start.free[ZONE_KERNEL] + start.free[ZONE_PROGRAM]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_accounts_for_all_memory),
        cmocka_unit_test(strange_ranges_are_left_out_or_stop_the_machine),
        cmocka_unit_test(the_kernel_starts_with_an_eighth),
        cmocka_unit_test(blocks_are_aligned_and_apart),
        cmocka_unit_test(a_block_can_be_freed_in_parts),
        cmocka_unit_test(runs_take_no_more_than_they_need),
        cmocka_unit_test(zeroed_runs_are_zero),
        cmocka_unit_test(each_zone_grows_into_the_other),
        cmocka_unit_test(programs_leave_the_kernel_a_reserve),
        cmocka_unit_test(moved_blocks_keep_their_contents_reachable),
        cmocka_unit_test(memory_above_the_limit_stays_with_programs),
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(misuse_is_caught),
        cmocka_unit_test(random_sequences_keep_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
