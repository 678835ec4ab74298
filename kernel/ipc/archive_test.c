// The boot archive: what a tar becomes, and that every damaged one is refused with its place.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/ipc/archive.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

// -- A small tar writer -------------------------------------------------------------------------

#define TAR_BYTES (256 * KIB)

struct writer {
    u8 bytes[TAR_BYTES];
    usize len;
};

static struct writer tar;

static void sign(u8 *header) {
    memset(header + 148, ' ', 8);
    u32 sum = 0;
    for (u32 i = 0; i < 512; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

static u8 *put_header(char type, const char *name, const char *target, usize size) {
    u8 *header = tar.bytes + tar.len;
    memset(header, 0, 512);
    memcpy(header, name, strlen(name) < 100 ? strlen(name) : 100);
    memcpy(header + 100, "0000644", 7);
    snprintf((char *)header + 124, 12, "%011lo", (unsigned long)size);
    memcpy(header + 136, "00000001750", 11); // 1000 seconds
    header[156] = (u8)type;
    memcpy(header + 157, target, strlen(target));
    memcpy(header + 257, "ustar\00000", 8);
    sign(header);
    tar.len += 512;
    return header;
}

static void put_data(const char *text) {
    usize len = strlen(text);
    memset(tar.bytes + tar.len, 0, (len + 511) / 512 * 512);
    memcpy(tar.bytes + tar.len, text, len);
    tar.len += (len + 511) / 512 * 512;
}

static void put_file(const char *name, const char *text) {
    put_header('0', name, "", strlen(text));
    put_data(text);
}

static void put_end(void) {
    memset(tar.bytes + tar.len, 0, 1024);
    tar.len += 1024;
}

static void start(void) {
    fake_machine_start_simple(32 * MIB);
    tar.len = 0;
}

static struct archive *open_archive(void) {
    struct archive *archive = NULL;
    struct archive_error error = {.why = "?"};
    enum status status = archive_create((struct bytes){tar.bytes, tar.len}, &error, &archive);
    if (status != OK)
        fail_msg("refused: %s at %llu", error.why, (unsigned long long)error.offset);
    return archive;
}

static void expect_refusal(const char *why, u64 offset) {
    struct archive *archive;
    struct archive_error error = {.why = "accepted"};
    enum status status = archive_create((struct bytes){tar.bytes, tar.len}, &error, &archive);
    assert_int_equal(status, ERR_MALFORMED);
    assert_string_equal(error.why, why);
    assert_int_equal(error.offset, offset);
    struct heap_stats stats;
    heap_stats(&stats);
    assert_int_equal(stats.bytes_used, 0); // nothing is kept of it
}

static void expect_text(struct archive *archive, const char *path, const char *text) {
    struct object *file;
    assert_int_equal(object_walk(archive_root(archive), bytes_of(path), true, &file), OK);
    struct bytes bytes;
    assert_true(archive_file_bytes(file, &bytes));
    assert_true(bytes_equal_text(bytes, text));

    // And the same through the operations, in two pieces.
    char buffer[64] = {0};
    usize first = 0;
    usize second = 0;
    usize third = 1;
    usize half = strlen(text) / 2;
    assert_int_equal(object_read(file, 0, buffer, half, &first), OK);
    assert_int_equal(object_read(file, half, buffer + half, sizeof buffer - half, &second), OK);
    assert_int_equal(object_read(file, first + second, buffer, 1, &third), OK);
    assert_int_equal(third, 0);
    assert_memory_equal(buffer, text, strlen(text));
    usize put;
    assert_int_equal(object_write(file, 0, "x", 1, &put), ERR_READ_ONLY);
    object_release(file);
}

// -- What is accepted ---------------------------------------------------------------------------

static void files_and_implied_directories(void **) {
    start();
    put_file("a/b/c.txt", "deep");
    put_file("./top", "high");
    put_header('5', "a/", "", 0);
    put_header('2', "a/link", "b/c.txt", 0);
    put_header('1', "hard", "a/b/c.txt", 0);
    put_end();
    struct archive *archive = open_archive();
    expect_text(archive, "a/b/c.txt", "deep");
    expect_text(archive, "top", "high");
    expect_text(archive, "a/link", "deep");
    expect_text(archive, "hard", "deep");
    archive_destroy(archive);
}

static void an_empty_archive_is_an_empty_root(void **) {
    start();
    put_end();
    struct archive *archive = open_archive();
    struct object_entry entry;
    assert_int_equal(object_read_entry(archive_root(archive), 0, &entry), ERR_NOT_FOUND);
    archive_destroy(archive);
}

static void prefix_and_long_names_make_paths(void **) {
    start();
    u8 *header = put_header('0', "name", "", 1);
    memcpy(header + 345, "some/where", 10);
    sign(header);
    put_data("1");

    char path[301];
    memset(path, 'd', sizeof path);
    for (u32 i = 50; i < 300; i += 50)
        path[i] = '/';
    path[300] = 0;
    put_header('L', "././@LongLink", "", sizeof path); // with its NUL
    put_data(path);
    put_file("cut", "2");

    put_header('x', "pax", "", 16);
    put_data("16 path=pax/put\n");
    put_file("short", "3");
    put_end();

    struct archive *archive = open_archive();
    expect_text(archive, "some/where/name", "1");
    expect_text(archive, path, "2");
    expect_text(archive, "pax/put", "3");
    archive_destroy(archive);
}

static void entries_are_sorted_and_cookies_stable(void **) {
    static const char *const names[] = {"m", "a", "zz", "z", "b"};
    static const char *const sorted[] = {"a", "b", "m", "z", "zz"};
    start();
    for (u32 i = 0; i < COUNT_OF(names); i++)
        put_file(names[i], "");
    put_end();
    struct archive *archive = open_archive();
    u64 cookie = 0;
    u64 seen = 0;
    for (u32 i = 0; i < COUNT_OF(sorted); i++) {
        struct object_entry entry;
        assert_int_equal(object_read_entry(archive_root(archive), cookie, &entry), OK);
        assert_true(bytes_equal_text(entry.name, sorted[i]));
        assert_true(entry.inode > 1 && (seen & 1ull << entry.inode) == 0);
        seen |= 1ull << entry.inode;
        cookie = entry.next_cookie;
    }
    struct object_entry entry;
    assert_int_equal(object_read_entry(archive_root(archive), cookie, &entry), ERR_NOT_FOUND);
    assert_int_equal(object_read_entry(archive_root(archive), UINT64_MAX, &entry), ERR_NOT_FOUND);
    archive_destroy(archive);
}

// -- What is refused ----------------------------------------------------------------------------

static void damaged_headers_are_refused(void **) {
    static const struct {
        const char *why;
        u32 at;
        const char *bytes;
        u32 len;
        bool resign;
    } cases[] = {
        {"wrong checksum", 0, "X", 1, false},
        {"the checksum is not a number", 148, "x", 1, false},
        {"not a ustar header", 257, "abcde", 5, true},
        {"the size is not a number", 124, "9", 1, true},
        {"the size is not a number", 124, "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12,
         true},
        {"the archive ends inside an entry", 124, "77777777777", 11, true},
        {"the time is not a number", 136, "junk", 4, true},
        {"neither a file, a directory nor a link", 156, "3", 1, true},
        {"an empty name", 0, "\0\0", 2, true},
        {"a name is not UTF-8", 0, "\xff", 1, true},
        {"a name contains \"..\"", 0, "..\0", 3, true},
        {"a name contains \"..\"", 0, "a/../b\0", 7, true},
        {"a hard link to nothing", 156, "1gone", 5, true},
        {"an empty name", 156, "2", 1, true}, // a link's target
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        start();
        put_file("ok", "fine");
        usize at = tar.len;
        u8 *header = put_header('0', "bad", "", 4);
        put_data("data");
        put_end();
        memcpy(header + cases[i].at, cases[i].bytes, cases[i].len);
        if (cases[i].resign)
            sign(header);
        expect_refusal(cases[i].why, at);
    }
}

static void conflicting_names_are_refused(void **) {
    static const struct {
        char type1;
        const char *name1;
        char type2;
        const char *name2;
        const char *why;
    } cases[] = {
        {'0', "a", '0', "a", "a name appears twice"},
        {'0', "a", '0', "./a", "a name appears twice"},
        {'5', "a", '5', "a/", "a name appears twice"},
        {'0', "a", '5', "a", "a name appears twice"},
        {'5', "a", '0', "a", "a name appears twice"},
        {'0', "a", '0', "a/b", "a name below something that is not a directory"},
        {'0', "a/b", '0', "a", "a name appears twice"},
        {'0', "x", '0', "a/", "a file without a name"},
        {'0', "x", '0', ".", "a file without a name"},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        start();
        put_header(cases[i].type1, cases[i].name1, "", 0);
        put_header(cases[i].type2, cases[i].name2, "", 0);
        put_end();
        expect_refusal(cases[i].why, 512);
    }
}

static void every_truncation_is_refused(void **) {
    start();
    put_file("dir/file", "some data that is here");
    put_header('L', "././@LongLink", "", 5);
    put_data("long");
    put_file("other", "x");
    put_end();
    usize whole = tar.len;
    for (usize len = 0; len < whole; len += 128) {
        struct archive *archive;
        struct archive_error error;
        tar.len = len;
        assert_int_equal(archive_create((struct bytes){tar.bytes, len}, &error, &archive),
                         ERR_MALFORMED);
        assert_true(error.offset <= len);
    }
}

static void a_single_zero_block_is_no_end(void **) {
    start();
    memset(tar.bytes, 0, 512);
    tar.len = 512;
    put_file("after", "");
    put_end();
    expect_refusal("a single block of zeros", 512);
}

static void damaged_pax_records_are_refused(void **) {
    static const char *const records[] = {
        "x path=a\n", "99 path=a\n", "9 path=a ",     "5 p=\n\n\n",
        "3 a",        "8 patha\n",   "20 size=1x2\n", "99999999999999999999999 path=a\n",
    };
    for (u32 i = 0; i < COUNT_OF(records); i++) {
        start();
        put_header('x', "pax", "", strlen(records[i]));
        put_data(records[i]);
        put_file("f", "");
        put_end();
        struct archive *archive;
        struct archive_error error;
        assert_int_equal(archive_create((struct bytes){tar.bytes, tar.len}, &error, &archive),
                         ERR_MALFORMED);
    }
}

// Any bytes are accepted or refused, with nothing else happening: the sanitizers are the judge.
static void mutations_never_do_harm(void **) {
    static u8 original[TAR_BYTES];
    u64 seed = 7;
    start();
    put_file("a/b", "text");
    put_header('x', "pax", "", 16);
    put_data("16 path=pax/put\n");
    put_file("short", "3");
    put_header('2', "link", "a/b", 0);
    put_header('1', "hard", "a/b", 0);
    put_end();
    memcpy(original, tar.bytes, tar.len);
    for (u32 round = 0; round < 4000; round++) {
        memcpy(tar.bytes, original, tar.len);
        u32 changes = 1 + (u32)(fake_random(&seed) % 4);
        for (u32 i = 0; i < changes; i++) {
            usize at = fake_random(&seed) % tar.len;
            tar.bytes[at] = (u8)fake_random(&seed);
            u8 *header = tar.bytes + at / 512 * 512;
            if (memcmp(header + 257, "ustar", 5) == 0)
                sign(header);
        }
        // An allocation of its own size, so that reading past the end is seen.
        u8 *exact = kmalloc(tar.len);
        memcpy(exact, tar.bytes, tar.len);
        struct archive *archive;
        struct archive_error error;
        enum status status = archive_create((struct bytes){exact, tar.len}, &error, &archive);
        if (status == OK)
            archive_destroy(archive);
        else
            assert_int_equal(status, ERR_MALFORMED);
        kfree(exact, tar.len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_implied_directories),
        cmocka_unit_test(an_empty_archive_is_an_empty_root),
        cmocka_unit_test(prefix_and_long_names_make_paths),
        cmocka_unit_test(entries_are_sorted_and_cookies_stable),
        cmocka_unit_test(damaged_headers_are_refused),
        cmocka_unit_test(conflicting_names_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_single_zero_block_is_no_end),
        cmocka_unit_test(damaged_pax_records_are_refused),
        cmocka_unit_test(mutations_never_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
