// The receiving half of the link: whole frames however they are cut, and no trust in the sender.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/ipc/frame_parser.h"
#include "kernel/ipc/ring.h"
#include "tests/fake_arch.h"

static struct {
    u8 data[4096];
    usize len;
    u32 frames; // ended
    u16 last_type;
} seen;

static void take(void *context, u16 type, struct bytes piece, u32 left) {
    assert_ptr_equal(context, &seen);
    assert_true(seen.len + piece.len <= sizeof seen.data);
    memcpy(seen.data + seen.len, piece.data, piece.len);
    seen.len += piece.len;
    seen.last_type = type;
    seen.frames += left == 0;
}

static struct frame_parser fresh(void) {
    memset(&seen, 0, sizeof seen);
    return (struct frame_parser){.piece = take, .context = &seen};
}

static usize put_frame(u8 *at, u16 magic, u16 type, u32 len, const char *payload) {
    struct link_header header = {magic, type, len};
    memcpy(at, &header, sizeof header);
    memcpy(at + sizeof header, payload, strlen(payload));
    return sizeof header + strlen(payload);
}

static void frames_arrive_whole_however_they_are_cut(void **) {
    u8 stream[256];
    usize len = 0;
    len += put_frame(stream + len, LINK_MAGIC, LINK_STDIN, 5, "hello");
    len += put_frame(stream + len, LINK_MAGIC, LINK_STDIN, 0, "");
    len += put_frame(stream + len, LINK_MAGIC, 999, 3, "new"); // an unknown type is handed on
    len += put_frame(stream + len, LINK_MAGIC, LINK_STDIN_END, 0, "");
    for (usize cut = 1; cut <= len; cut++) {
        struct frame_parser parser = fresh();
        for (usize at = 0; at < len; at += cut)
            frame_parser_feed(&parser,
                              (struct bytes){stream + at, cut < len - at ? cut : len - at});
        assert_false(parser.is_broken);
        assert_int_equal(seen.frames, 4);
        assert_int_equal(seen.last_type, LINK_STDIN_END);
        assert_int_equal(seen.len, 8);
        assert_memory_equal(seen.data, "hellonew", 8);
    }
}

static void bad_headers_end_the_stream(void **) {
    static const struct {
        u16 magic;
        u32 len;
    } cases[] = {
        {0, 0}, {LINK_MAGIC + 1, 4}, {LINK_MAGIC, LINK_PAYLOAD_MAX + 1}, {LINK_MAGIC, UINT32_MAX}};
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u8 stream[64];
        struct frame_parser parser = fresh();
        usize len = put_frame(stream, cases[i].magic, LINK_STDIN, cases[i].len, "data");
        len += put_frame(stream + len, LINK_MAGIC, LINK_STDIN, 4, "more");
        frame_parser_feed(&parser, (struct bytes){stream, len});
        assert_true(parser.is_broken);
        frame_parser_feed(&parser, (struct bytes){stream, len}); // and stays so
        assert_int_equal(seen.len, 0);
        assert_int_equal(seen.frames, 0);
    }
}

static void the_largest_frame_is_taken(void **) {
    u8 piece[512];
    u64 total = 0;
    struct frame_parser parser = fresh();
    usize len = put_frame(piece, LINK_MAGIC, LINK_STDIN, LINK_PAYLOAD_MAX, "");
    frame_parser_feed(&parser, (struct bytes){piece, len});
    memset(piece, 'x', sizeof piece);
    while (seen.frames == 0 && total <= LINK_PAYLOAD_MAX) {
        seen.len = 0;
        frame_parser_feed(&parser, (struct bytes){piece, sizeof piece});
        total += sizeof piece;
    }
    assert_int_equal(total, LINK_PAYLOAD_MAX);
    assert_false(parser.is_broken);
}

static void any_bytes_do_no_harm(void **) {
    u64 seed = 3;
    for (u32 round = 0; round < 20000; round++) {
        u8 stream[64];
        struct frame_parser parser = fresh();
        usize len =
            put_frame(stream, LINK_MAGIC, LINK_STDIN, (u32)(fake_random(&seed) % 20), "abc");
        for (usize i = len; i < sizeof stream; i++)
            stream[i] = (u8)fake_random(&seed);
        stream[fake_random(&seed) % len] ^= (u8)(fake_random(&seed) & 1);
        frame_parser_feed(&parser, (struct bytes){stream, sizeof stream});
    }
}

static void a_ring_keeps_order_around_its_end(void **) {
    u8 memory[16];
    struct ring ring = {
        .data = memory, .size = sizeof memory, .head = UINT32_MAX - 5, .tail = UINT32_MAX - 5};
    u8 next_in = 0;
    u8 next_out = 0;
    u64 seed = 1;
    for (u32 round = 0; round < 10000; round++) {
        u8 piece[16];
        u32 put = (u32)(fake_random(&seed) % (ring_room(&ring) + 1));
        for (u32 i = 0; i < put; i++)
            piece[i] = next_in++;
        ring_put(&ring, piece, put);
        u32 used = ring_used(&ring);
        u32 want = (u32)(fake_random(&seed) % sizeof piece);
        u32 got = ring_take(&ring, piece, want);
        assert_int_equal(got, want < used ? want : used);
        for (u32 i = 0; i < got; i++)
            assert_int_equal(piece[i], next_out++);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_whole_however_they_are_cut),
        cmocka_unit_test(bad_headers_end_the_stream),
        cmocka_unit_test(the_largest_frame_is_taken),
        cmocka_unit_test(any_bytes_do_no_harm),
        cmocka_unit_test(a_ring_keeps_order_around_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
