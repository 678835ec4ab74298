// Tests of SHA-256 with the examples that NIST publishes for it, and at the edges of its padding.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/sha256.h"

static void text_of(const struct sha256 *hash, char out[static 2 * SHA256_BYTES + 1]) {
    for (u32 i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = "0123456789abcdef"[hash->bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[hash->bytes[i] & 15];
    }
    out[2 * SHA256_BYTES] = 0;
}

static void published_examples(void **state) {
    (void)state;
    static const struct {
        const char *data;
        const char *hash;
    } examples[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (u32 i = 0; i < COUNT_OF(examples); i++) {
        struct sha256 hash;
        char text[2 * SHA256_BYTES + 1];
        sha256(bytes_of(examples[i].data), &hash);
        text_of(&hash, text);
        assert_string_equal(text, examples[i].hash);
    }
}

static void million_of_a(void **state) {
    (void)state;
    static u8 data[1000000];
    memset(data, 'a', sizeof data);
    struct sha256 hash;
    char text[2 * SHA256_BYTES + 1];
    sha256((struct bytes){data, sizeof data}, &hash);
    text_of(&hash, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Lengths at which the padding takes one block more, or one less.
static void lengths_around_a_block(void **state) {
    (void)state;
    static const struct {
        u32 len;
        const char *start;
    } examples[] = {{55, "9f4390f8"}, {56, "b35439a4"}, {63, "7d3e74a0"},
                    {64, "ffe054fe"}, {65, "635361c4"}, {119, "31eba51c"}};
    for (u32 i = 0; i < COUNT_OF(examples); i++) {
        u8 data[128];
        memset(data, 'a', sizeof data);
        struct sha256 hash;
        char text[2 * SHA256_BYTES + 1];
        sha256((struct bytes){data, examples[i].len}, &hash);
        text_of(&hash, text);
        assert_memory_equal(text, examples[i].start, 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples),
        cmocka_unit_test(million_of_a),
        cmocka_unit_test(lengths_around_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
