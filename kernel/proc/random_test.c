// The generator: the cipher against RFC 8439, and that requests differ.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/proc/random.h"
#include "tests/fake_arch.h"

// RFC 8439, section 2.3.2.
static void block_function_matches_the_rfc(void **) {
    static const u8 expected[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
    };
    u8 key[32];
    u32 words[8];
    static const u8 nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0};
    u32 nonce_words[3];
    u8 out[64];
    for (u32 i = 0; i < sizeof key; i++)
        key[i] = (u8)i;
    memcpy(words, key, sizeof words);
    memcpy(nonce_words, nonce, sizeof nonce_words);
    chacha20_block(words, 1, nonce_words, out);
    assert_memory_equal(out, expected, sizeof out);
}

// RFC 8439, appendix A.1, test vector 1: all zero.
static void the_zero_block_matches_the_rfc(void **) {
    static const u8 expected[16] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
                                    0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28};
    static const u32 zeros[8];
    u8 out[64];
    chacha20_block(zeros, 0, zeros, out);
    assert_memory_equal(out, expected, sizeof expected);
}

static void requests_differ_and_fill_all(void **) {
    static u8 first[1000];
    static u8 second[1000];
    fake_machine_start_simple(16 * MIB);
    random_init(bytes_of("0123456789abcdef"));
    random_fill(first, sizeof first);
    random_fill(second, sizeof second);
    assert_memory_not_equal(first, second, sizeof first);
    for (u32 len = 0; len < 200; len++) {
        u32 zeros = 0;
        memset(first, 0xaa, sizeof first);
        random_fill(first, len);
        assert_int_equal(first[len], 0xaa); // and no byte more
        for (u32 i = 0; i < len; i++)
            zeros += first[i] == 0;
        assert_true(zeros < 16);
    }
}

static void reseeding_keeps_working(void **) {
    fake_machine_start_simple(16 * MIB);
    random_init(bytes_of(""));
    u64 before = random_u64();
    for (u32 i = 0; i < 2000; i++) {
        u64 now = random_u64();
        assert_int_not_equal(now, before);
        before = now;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_function_matches_the_rfc),
        cmocka_unit_test(the_zero_block_matches_the_rfc),
        cmocka_unit_test(requests_differ_and_fill_all),
        cmocka_unit_test(reseeding_keeps_working),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
