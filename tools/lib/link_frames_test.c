// The host's framing of the link: pieces of every size, and streams that are none of ours.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/math.h"
#include "tools/lib/link_frames.h"

static struct link_frames frames;

static int restart(void **) {
    frames.used = 0;
    return 0;
}

static void arrive(const void *bytes, usize len) {
    usize room;
    void *space = link_frames_space(&frames, &room);
    assert_true(len <= room);
    memcpy(space, bytes, len);
    link_frames_arrived(&frames, len);
}

static usize make(u8 *out, u16 type, u32 len) {
    struct link_header header = {.magic = LINK_MAGIC, .type = type, .len = len};
    memcpy(out, &header, sizeof(header));
    for (u32 i = 0; i < len; i++)
        out[sizeof(header) + i] = (u8)(type + i);
    return sizeof(header) + len;
}

static void assert_frame(u16 type, u32 len) {
    u16 got_type;
    struct bytes payload;
    assert_int_equal(link_frames_peek(&frames, &got_type, &payload), LINK_NEXT_FRAME);
    assert_int_equal(got_type, type);
    assert_int_equal(payload.len, len);
    for (u32 i = 0; i < len; i++)
        assert_int_equal(payload.data[i], (u8)(type + i));
    link_frames_drop(&frames);
}

static enum link_next peek(void) {
    u16 type;
    struct bytes payload;
    return link_frames_peek(&frames, &type, &payload);
}

static void frames_are_found_however_they_are_cut(void **) {
    static const u32 lens[] = {0, 1, 4, 1000, 0, 17};
    u8 stream[2000];
    usize total = 0;
    for (u32 i = 0; i < COUNT_OF(lens); i++)
        total += make(stream + total, (u16)(i + 1), lens[i]);
    for (usize piece = 1; piece < total; piece += piece < 20 ? 1 : 97) {
        u32 found = 0;
        for (usize at = 0; at < total; at += piece) {
            arrive(stream + at, min_u64(piece, total - at));
            while (peek() == LINK_NEXT_FRAME) {
                assert_frame((u16)(found + 1), lens[found]);
                found++;
            }
            assert_int_equal(peek(), LINK_NEXT_INCOMPLETE);
        }
        assert_int_equal(found, COUNT_OF(lens));
        assert_int_equal(frames.used, 0);
    }
}

static void the_largest_frame_fits(void **) {
    static u8 stream[sizeof(struct link_header) + LINK_PAYLOAD_MAX];
    usize total = make(stream, 5, LINK_PAYLOAD_MAX);
    arrive(stream, total - 1);
    assert_int_equal(peek(), LINK_NEXT_INCOMPLETE);
    arrive(stream + total - 1, 1);
    usize room;
    link_frames_space(&frames, &room);
    assert_int_equal(room, 0);
    assert_frame(5, LINK_PAYLOAD_MAX);
}

static void a_larger_one_is_broken(void **) {
    struct link_header header = {.magic = LINK_MAGIC, .type = 2, .len = LINK_PAYLOAD_MAX + 1};
    arrive(&header, sizeof(header) - 1);
    assert_int_equal(peek(), LINK_NEXT_INCOMPLETE);
    arrive((u8 *)&header + sizeof(header) - 1, 1);
    assert_int_equal(peek(), LINK_NEXT_BROKEN);
}

static void another_magic_is_broken(void **) {
    arrive("SeaBIOS (version", 16);
    assert_int_equal(peek(), LINK_NEXT_BROKEN);
}

static void payloads_have_one_size(void **) {
    const u8 bytes[4] = {1, 2, 3, 4};
    u32 value = 0;
    assert_true(link_payload_read((struct bytes){bytes, 4}, &value, 4));
    assert_int_equal(value, 0x04030201);
    value = 7;
    assert_false(link_payload_read((struct bytes){bytes, 3}, &value, 4));
    assert_int_equal(value, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(frames_are_found_however_they_are_cut, restart),
        cmocka_unit_test_setup(the_largest_frame_fits, restart),
        cmocka_unit_test_setup(a_larger_one_is_broken, restart),
        cmocka_unit_test_setup(another_magic_is_broken, restart),
        cmocka_unit_test_setup(payloads_have_one_size, restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
