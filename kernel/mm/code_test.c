// Code memory: the life of a range, no page both writable and executable at any moment of it, every
// failure undone, and misuse stopped.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/mm/code.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

static void start(void) {
    fake_machine_start_simple(32 * MIB);
    code_init();
}

struct level {
    u64 free; // frames, those that the heap keeps in reserve too
    u64 heap_bytes;
    u64 mapped;
    u64 table_frames;
    u64 ranges;
    u64 bytes;
};

static struct level level_now(void) {
    struct frame_stats frames;
    struct heap_stats heap;
    struct code_stats code;
    frame_stats(&frames);
    heap_stats(&heap);
    code_stats(&code);
    return (struct level){
        .free = frames.free[ZONE_KERNEL] + frames.free[ZONE_PROGRAM] + heap.frames,
        .heap_bytes = heap.bytes_used,
        .mapped = fake_mapped_pages(),
        .table_frames = fake_table_frames(),
        .ranges = code.ranges,
        .bytes = code.bytes,
    };
}

static void assert_level(struct level expected) {
    struct level now = level_now();
    assert_memory_equal(&now, &expected, sizeof now);
    code_check();
    frame_check();
}

static u8 byte_at(struct virt_addr code, u64 offset) {
    struct virt_addr page = {(code.value + offset) & ~(PAGE_SIZE - 1)};
    return fake_page(page)[(code.value + offset) % PAGE_SIZE];
}

static void a_range_is_mapped_only_when_published(void **) {
    start();
    struct level before = level_now();
    struct virt_addr code;
    static const u64 bytes = 3 * PAGE_SIZE + 5;
    assert_int_equal(code_reserve(bytes, &code), OK);
    assert_int_equal(code.value % PAGE_SIZE, 0);
    assert_int_equal(fake_mapped_pages(), 0);

    static u8 text[2 * PAGE_SIZE];
    for (usize i = 0; i < sizeof text; i++)
        text[i] = (u8)(i * 31);
    code_write((struct virt_addr){code.value + 100}, text, sizeof text);
    code_write((struct virt_addr){code.value + bytes - 1}, "z", 1);
    code_write((struct virt_addr){code.value + bytes}, text, 0); // nothing
    assert_int_equal(fake_mapped_pages(), 0);
    code_check();

    assert_int_equal(code_publish(code), OK);
    assert_int_equal(fake_mapped_pages(), 4);
    for (u64 page = 0; page < 4; page++)
        assert_int_equal(fake_rights((struct virt_addr){code.value + page * PAGE_SIZE}),
                         PAGE_READ | PAGE_EXEC);
    for (u64 i = 0; i < 4 * PAGE_SIZE; i++) {
        u8 expected = ARCH_CODE_FILL;
        if (i >= 100 && i < 100 + sizeof text)
            expected = text[i - 100];
        else if (i == bytes - 1)
            expected = 'z';
        assert_int_equal(byte_at(code, i), expected);
    }
    code_check();
    code_release(code);
    assert_level(before);
}

static void unpublished_ranges_can_be_given_back(void **) {
    start();
    struct level before = level_now();
    struct virt_addr code;
    assert_int_equal(code_reserve(100 * PAGE_SIZE, &code), OK);
    code_write(code, "abc", 3);
    code_release(code);
    assert_level(before);
}

static void ranges_do_not_touch_each_other(void **) {
    start();
    struct level before = level_now();
    struct virt_addr codes[20];
    for (u32 i = 0; i < COUNT_OF(codes); i++) {
        u8 mark = (u8)(i + 1);
        assert_int_equal(code_reserve(1 + i * 1000, &codes[i]), OK);
        code_write(codes[i], &mark, 1);
        if (i % 2 == 0)
            assert_int_equal(code_publish(codes[i]), OK);
        code_check();
    }
    for (u32 i = 0; i < COUNT_OF(codes); i += 2)
        assert_int_equal(byte_at(codes[i], 0), i + 1);
    for (u32 i = 0; i < COUNT_OF(codes); i++) {
        code_release(codes[(i * 7) % COUNT_OF(codes)]);
        code_check();
    }
    assert_level(before);
}

static void fragmented_frames_make_one_range(void **) {
    start();
    static struct phys_addr held[8192];
    u32 count = 0;
    while (count < COUNT_OF(held) && frame_alloc(ZONE_PROGRAM, 0, &held[count]) == OK)
        count++;
    for (u32 i = 0; i < count; i++) {
        if (held[i].value / PAGE_SIZE % 2 == 0)
            frame_free(held[i], 0);
    }
    struct virt_addr code;
    static u8 text[20 * PAGE_SIZE];
    for (usize i = 0; i < sizeof text; i++)
        text[i] = (u8)(i / 3);
    assert_int_equal(code_reserve(sizeof text, &code), OK);
    code_write(code, text, sizeof text);
    assert_int_equal(code_publish(code), OK);
    code_check();
    for (usize i = 0; i < sizeof text; i += 97)
        assert_int_equal(byte_at(code, i), text[i]);
    code_release(code);
}

static void too_much_is_refused(void **) {
    start();
    struct level before = level_now();
    struct virt_addr code;
    assert_int_equal(code_reserve(arch_code_region().bytes + 1, &code), ERR_NO_MEMORY);
    assert_int_equal(code_reserve(UINT64_MAX, &code), ERR_NO_MEMORY);
    assert_int_equal(code_reserve(64 * MIB, &code), ERR_NO_MEMORY); // of 32
    assert_level(before);
}

// -- Failures ----------------------------------------------------------------------------------

static bool life(void) {
    struct virt_addr code;
    if (code_reserve(40 * PAGE_SIZE, &code) != OK)
        return false;
    code_write(code, "code", 4);
    struct level before = level_now();
    bool done = code_publish(code) == OK;
    if (!done)
        assert_level(before); // still there, still unpublished
    code_release(code);
    return done;
}

static void every_failure_is_undone(void **) {
    static void (*const fail_nth[])(u64 n) = {frame_fail_nth, fake_map_fail_nth};
    for (u32 kind = 0; kind < COUNT_OF(fail_nth); kind++) {
        bool failed_once = false;
        for (u64 n = 1; n < 12; n++) {
            start();
            struct level before = level_now();
            fail_nth[kind](n);
            failed_once |= !life();
            fail_nth[kind](0);
            assert_level(before);
        }
        assert_true(failed_once);
    }
}

// -- Misuse ------------------------------------------------------------------------------------

static struct virt_addr published;
static struct virt_addr unpublished;

static void write_published(void *) {
    code_write(published, "x", 1);
}

static void write_beyond(void *) {
    code_write((struct virt_addr){unpublished.value + PAGE_SIZE - 1}, "xy", 2);
}

static void write_nowhere(void *) {
    code_write((struct virt_addr){unpublished.value + 16 * PAGE_SIZE}, "x", 1);
}

static void publish_twice(void *) {
    (void)!code_publish(published);
}

static void publish_the_middle(void *) {
    (void)!code_publish((struct virt_addr){unpublished.value + 8});
}

static void release_twice(void *) {
    code_release(unpublished);
    code_release(unpublished);
}

static void map_both_ways(void *) {
    struct phys_addr frame;
    if (frame_alloc(ZONE_PROGRAM, 0, &frame) == OK)
        (void)!arch_map(arch_aspace_kernel(),
                        (struct virt_addr){arch_code_region().start.value + 64 * PAGE_SIZE}, frame,
                        1, PAGE_WRITE | PAGE_EXEC);
}

static void misuse_is_stopped(void **) {
    start();
    assert_int_equal(code_reserve(PAGE_SIZE, &published), OK);
    assert_int_equal(code_publish(published), OK);
    assert_int_equal(code_reserve(PAGE_SIZE, &unpublished), OK);
    assert_true(fake_asserts(write_published, NULL));
    assert_true(fake_asserts(write_beyond, NULL));
    assert_true(fake_asserts(write_nowhere, NULL));
    assert_true(fake_asserts(publish_twice, NULL));
    assert_true(fake_asserts(publish_the_middle, NULL));
    assert_true(fake_asserts(release_twice, NULL));
    assert_true(fake_asserts(map_both_ways, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_mapped_only_when_published),
        cmocka_unit_test(unpublished_ranges_can_be_given_back),
        cmocka_unit_test(ranges_do_not_touch_each_other),
        cmocka_unit_test(fragmented_frames_make_one_range),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(every_failure_is_undone),
        cmocka_unit_test(misuse_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
