// Tests of virtqueues against a device that does what it should, and against ones that do not.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/math.h"
#include "user/sdk/virtio_ring.h"

#define SIZE    8u
#define ADDRESS 0x10000u

static _Alignas(16) u8 memory[1024];
static struct virtio_book book[SIZE];
static struct virtio_ring ring;
static u16 seen; // by the device

static int setup(void **state) {
    (void)state;
    memset(memory, 0, sizeof memory);
    assert_true(virtio_ring_bytes(SIZE) <= sizeof memory);
    virtio_ring_init(&ring, SIZE, memory, ADDRESS, book);
    seen = 0;
    return 0;
}

static u16 put(u32 count, u32 written_count, u32 len) {
    struct virtio_buffer buffers[SIZE];
    u16 token;
    for (u32 i = 0; i < count; i++)
        buffers[i] = (struct virtio_buffer){0x1000 * (i + 1), len, i >= count - written_count};
    assert_int_equal(virtio_ring_put(&ring, buffers, count, &token), OK);
    return token;
}

// What the device finds next, and how long the chain is.
static u16 device_sees(u32 *count) {
    assert_true(ring.available->index != seen);
    u16 first = ring.available->ring[seen++ % SIZE];
    *count = 1;
    for (u16 at = first; (ring.descriptors[at].flags & 1) != 0; at = ring.descriptors[at].next)
        (*count)++;
    return first;
}

static void device_answers(u32 id, u32 len) {
    ring.used->ring[ring.used->index % SIZE].id = id;
    ring.used->ring[ring.used->index % SIZE].len = len;
    ring.used->index++;
}

static void nothing_there(void) {
    u16 token;
    u32 written;
    assert_int_equal(virtio_ring_take(&ring, &token, &written), ERR_NOT_FOUND);
}

static void rings_lie_as_the_specification_has_them(void **state) {
    (void)state;
    assert_int_equal(ring.available_address, ADDRESS + 16 * SIZE);
    assert_int_equal(ring.used_address % 4, 0);
    assert_true(ring.used_address >= ring.available_address + 6 + 2 * SIZE);
    assert_int_equal((u8 *)(uptr)ring.used - memory, ring.used_address - ADDRESS);
    assert_true(virtio_ring_bytes(SIZE) >= ring.used_address - ADDRESS + 6 + 8 * SIZE);
}

static void a_chain_reaches_the_device_and_comes_back(void **state) {
    (void)state;
    u32 count;
    u16 token;
    u32 written;
    nothing_there();
    u16 put_token = put(3, 2, 100);
    assert_int_equal(ring.free_count, SIZE - 3);
    u16 first = device_sees(&count);
    assert_int_equal(first, put_token);
    assert_int_equal(count, 3);
    assert_int_equal(ring.descriptors[first].address, 0x1000);
    assert_int_equal(ring.descriptors[first].flags, 1);
    u16 second = ring.descriptors[first].next;
    assert_int_equal(ring.descriptors[second].flags, 3);
    assert_int_equal(ring.descriptors[ring.descriptors[second].next].flags, 2);
    nothing_there();
    device_answers(first, 200);
    assert_int_equal(virtio_ring_take(&ring, &token, &written), OK);
    assert_int_equal(token, put_token);
    assert_int_equal(written, 200);
    assert_int_equal(ring.free_count, SIZE);
    nothing_there();
}

static void full_means_full(void **state) {
    (void)state;
    struct virtio_buffer buffers[SIZE + 1] = {};
    u16 token;
    assert_int_equal(virtio_ring_put(&ring, buffers, 0, &token), ERR_INVALID);
    assert_int_equal(virtio_ring_put(&ring, buffers, SIZE + 1, &token), ERR_INVALID);
    put(SIZE - 1, 0, 1);
    assert_int_equal(virtio_ring_put(&ring, buffers, 2, &token), ERR_WOULD_BLOCK);
    put(1, 0, 1);
    assert_int_equal(virtio_ring_put(&ring, buffers, 1, &token), ERR_WOULD_BLOCK);
    buffers[0].is_written = true;
    assert_int_equal(virtio_ring_put(&ring, buffers, 2, &token), ERR_INVALID);
}

// Chains of all lengths come back in any order, far beyond the wrap of the 16-bit indices.
static void a_long_life(void **state) {
    (void)state;
    u64 random = 1;
    u16 with_device[SIZE];
    u32 lengths[SIZE];
    u32 held = 0;
    for (u32 round = 0; round < 200000; round++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        u32 count = 1 + (random >> 33) % 3;
        if ((random >> 60) % 2 == 0 && count <= ring.free_count) {
            put(count, count, 10);
            with_device[held] = device_sees(&lengths[held]);
            assert_int_equal(lengths[held], count);
            held++;
        } else if (held != 0) {
            u32 pick = (random >> 40) % held;
            u16 token;
            u32 written;
            device_answers(with_device[pick], lengths[pick] * 10);
            assert_int_equal(virtio_ring_take(&ring, &token, &written), OK);
            assert_int_equal(token, with_device[pick]);
            assert_int_equal(written, lengths[pick] * 10);
            held--;
            with_device[pick] = with_device[held];
            lengths[pick] = lengths[held];
        }
    }
    u32 in_chains = 0;
    for (u32 i = 0; i < held; i++)
        in_chains += lengths[i];
    assert_int_equal(ring.free_count + in_chains, SIZE);
}

// -- Devices that lie -----------------------------------------------------------------------------

static void is_broken_now(void) {
    u16 token;
    u32 written;
    struct virtio_buffer buffer = {.len = 1};
    assert_int_equal(virtio_ring_take(&ring, &token, &written), ERR_MALFORMED);
    assert_int_equal(virtio_ring_take(&ring, &token, &written), ERR_MALFORMED);
    assert_int_equal(virtio_ring_put(&ring, &buffer, 1, &token), ERR_MALFORMED);
}

static void an_answer_to_nothing_is_refused(void **state) {
    (void)state;
    device_answers(0, 0);
    is_broken_now();
}

static void an_unknown_chain_is_refused(void **state) {
    (void)state;
    static const u32 ids[] = {SIZE, SIZE + 1, 0x10000, UINT32_MAX};
    for (u32 i = 0; i < COUNT_OF(ids); i++) {
        setup(NULL);
        put(2, 1, 10);
        device_answers(ids[i], 0);
        is_broken_now();
    }
}

static void the_middle_of_a_chain_is_refused(void **state) {
    (void)state;
    u16 first = put(2, 1, 10);
    device_answers(ring.descriptors[first].next, 0);
    is_broken_now();
}

static void the_same_chain_twice_is_refused(void **state) {
    (void)state;
    u16 token;
    u32 written;
    u16 first = put(1, 1, 10);
    put(1, 1, 10);
    device_answers(first, 1);
    device_answers(first, 1);
    assert_int_equal(virtio_ring_take(&ring, &token, &written), OK);
    is_broken_now();
}

static void more_than_there_is_room_for_is_refused(void **state) {
    (void)state;
    u16 first = put(2, 1, 10);
    device_answers(first, 11);
    is_broken_now();
    setup(NULL);
    first = put(2, 0, 10);
    device_answers(first, 1);
    is_broken_now();
}

static void an_index_that_jumps_is_refused(void **state) {
    (void)state;
    put(1, 1, 10);
    ring.used->index = 2;
    is_broken_now();
    setup(NULL);
    put(1, 1, 10);
    ring.used->index = UINT16_MAX;
    is_broken_now();
}

// What the device does to the descriptors makes no difference to us.
static void descriptors_that_are_overwritten_change_nothing(void **state) {
    (void)state;
    u16 token;
    u32 written;
    u16 first = put(3, 3, 10);
    for (u32 i = 0; i < SIZE; i++) {
        ring.descriptors[i].next = 0xffff;
        ring.descriptors[i].flags = 0xffff;
        ring.descriptors[i].len = UINT32_MAX;
    }
    ring.available->index = 0x7777;
    device_answers(first, 30);
    assert_int_equal(virtio_ring_take(&ring, &token, &written), OK);
    assert_int_equal(ring.free_count, SIZE);
    put(SIZE, 0, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rings_lie_as_the_specification_has_them, setup),
        cmocka_unit_test_setup(a_chain_reaches_the_device_and_comes_back, setup),
        cmocka_unit_test_setup(full_means_full, setup),
        cmocka_unit_test_setup(a_long_life, setup),
        cmocka_unit_test_setup(an_answer_to_nothing_is_refused, setup),
        cmocka_unit_test_setup(an_unknown_chain_is_refused, setup),
        cmocka_unit_test_setup(the_middle_of_a_chain_is_refused, setup),
        cmocka_unit_test_setup(the_same_chain_twice_is_refused, setup),
        cmocka_unit_test_setup(more_than_there_is_room_for_is_refused, setup),
        cmocka_unit_test_setup(an_index_that_jumps_is_refused, setup),
        cmocka_unit_test_setup(descriptors_that_are_overwritten_change_nothing, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
