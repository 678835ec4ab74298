// The path walk: the sandbox of a directory descriptor. And the defaults of the operations.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/ipc/object.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

// -- A little file system -----------------------------------------------------------------------

struct entry {
    struct object object;
    const char *path; // from the root, "" for the root itself
    const char *target;
};

static struct entry entries[32];
static u32 entry_count;

static struct entry *entry_of(struct object *object) {
    return container_of(object, struct entry, object);
}

static enum status entry_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type};
    return OK;
}

static enum status entry_lookup(struct object *object, struct bytes name, struct object **out) {
    const char *at = entry_of(object)->path;
    usize len = strlen(at);
    assert_true(name.len != 0 && !bytes_equal_text(name, ".") && !bytes_equal_text(name, ".."));
    for (u32 i = 0; i < entry_count; i++) {
        const char *path = entries[i].path;
        usize start = len == 0 ? 0 : len + 1;
        if (strlen(path) != start + name.len || memcmp(path, at, len) != 0)
            continue;
        if (len != 0 && path[len] != '/')
            continue;
        if (memcmp(path + start, name.data, name.len) == 0) {
            *out = &entries[i].object;
            object_retain(*out);
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum status entry_read_link(struct object *object, struct bytes *out) {
    *out = bytes_of(entry_of(object)->target);
    return OK;
}

static const struct object_ops directory_ops = {.stat = entry_stat, .lookup = entry_lookup};
static const struct object_ops file_ops = {.stat = entry_stat};
static const struct object_ops link_ops = {.stat = entry_stat, .read_link = entry_read_link};

static void add(const char *path, enum object_type type, const char *target) {
    struct entry *entry = &entries[entry_count++];
    const struct object_ops *ops = type == OBJECT_DIRECTORY ? &directory_ops
                                   : type == OBJECT_FILE    ? &file_ops
                                                            : &link_ops;
    object_init(&entry->object, ops, type);
    entry->path = path;
    entry->target = target;
}

static char long_name[256]; // 255 characters
static char too_long_name[257];
static char long_target[4096]; // 4095 characters

static void start(void) {
    fake_machine_start_simple(16 * MIB);
    memset(long_name, 'n', 255);
    memset(too_long_name, 'n', 256);
    memset(long_target, '/', 4095);
    memcpy(long_target, "d", 1);
    entry_count = 0;
    add("", OBJECT_DIRECTORY, NULL);
    add("f", OBJECT_FILE, NULL);
    add("d", OBJECT_DIRECTORY, NULL);
    add("d/f", OBJECT_FILE, NULL);
    add("d/e", OBJECT_DIRECTORY, NULL);
    add("d/e/g", OBJECT_FILE, NULL);
    add("to-f", OBJECT_LINK, "f");
    add("to-d", OBJECT_LINK, "d");
    add("to-d-slash", OBJECT_LINK, "d/");
    add("to-f-slash", OBJECT_LINK, "f/");
    add("d/up", OBJECT_LINK, "../f");
    add("d/e/top", OBJECT_LINK, "../..");
    add("d/out", OBJECT_LINK, "../../f");
    add("absolute", OBJECT_LINK, "/f");
    add("loop", OBJECT_LINK, "loop");
    add("ping", OBJECT_LINK, "pong");
    add("pong", OBJECT_LINK, "ping");
    add("dangling", OBJECT_LINK, "nothing");
    add("bad", OBJECT_LINK, "\xff");
    add("empty", OBJECT_LINK, "");
    add("twice", OBJECT_LINK, "to-d/up");
    add("long", OBJECT_LINK, long_target);
    add(long_name, OBJECT_FILE, NULL);
}

static void expect_walk(struct bytes path, bool follow, enum status status, const char *found) {
    struct object *object = NULL;
    enum status got = object_walk(&entries[0].object, path, follow, &object);
    if (got != status)
        fail_msg("\"%.*s\": %s instead of %s", (int)path.len, (const char *)path.data,
                 status_text(got), status_text(status));
    if (status == OK) {
        assert_string_equal(entry_of(object)->path, found);
        object_release(object);
    } else {
        assert_null(object);
    }
    for (u32 i = 0; i < entry_count; i++)
        assert_int_equal(entries[i].object.ref_count, 1); // nothing is kept
    struct heap_stats stats;
    heap_stats(&stats);
    assert_int_equal(stats.bytes_used, 0);
}

static const struct walk_case {
    const char *path;
    enum status status; // with following the last link
    const char *found;
    enum status raw_status; // and without
    const char *raw_found;
} walk_cases[] = {
    {"f", OK, "f", OK, "f"},
    {".", OK, "", OK, ""},
    {"./", OK, "", OK, ""},
    {"d", OK, "d", OK, "d"},
    {"d/", OK, "d", OK, "d"},
    {"d//", OK, "d", OK, "d"},
    {"d//f", OK, "d/f", OK, "d/f"},
    {"./d/./e/.//g", OK, "d/e/g", OK, "d/e/g"},
    {"d/..", OK, "", OK, ""},
    {"d/../f", OK, "f", OK, "f"},
    {"d/e/../../f", OK, "f", OK, "f"},
    {"d/e/..", OK, "d", OK, "d"},
    {"", ERR_NOT_FOUND, NULL, ERR_NOT_FOUND, NULL},
    {"g", ERR_NOT_FOUND, NULL, ERR_NOT_FOUND, NULL},
    {"d/g", ERR_NOT_FOUND, NULL, ERR_NOT_FOUND, NULL},
    {"f/", ERR_NOT_DIRECTORY, NULL, ERR_NOT_DIRECTORY, NULL},
    {"f/.", ERR_NOT_DIRECTORY, NULL, ERR_NOT_DIRECTORY, NULL},
    {"f/..", ERR_NOT_DIRECTORY, NULL, ERR_NOT_DIRECTORY, NULL},
    {"f/x", ERR_NOT_DIRECTORY, NULL, ERR_NOT_DIRECTORY, NULL},
    {"..", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"../", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"../d", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"d/../..", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"d/e/../../../d", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"/", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"/f", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"//f", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"...", ERR_NOT_FOUND, NULL, ERR_NOT_FOUND, NULL},
    {"to-f", OK, "f", OK, "to-f"},
    {"to-f/", ERR_NOT_DIRECTORY, NULL, ERR_NOT_DIRECTORY, NULL},
    {"to-d", OK, "d", OK, "to-d"},
    {"to-d/", OK, "d", OK, "d"},
    {"to-d/f", OK, "d/f", OK, "d/f"},
    {"to-d/..", OK, "", OK, ""},
    {"to-d-slash", OK, "d", OK, "to-d-slash"},
    {"to-d-slash/f", OK, "d/f", OK, "d/f"},
    {"to-f-slash", ERR_NOT_DIRECTORY, NULL, OK, "to-f-slash"},
    {"d/up", OK, "f", OK, "d/up"},
    {"d/e/top", OK, "", OK, "d/e/top"},
    {"d/e/top/d/e/top/f", OK, "f", OK, "f"},
    {"d/out", ERR_ESCAPES, NULL, OK, "d/out"},
    {"d/out/x", ERR_ESCAPES, NULL, ERR_ESCAPES, NULL},
    {"absolute", ERR_ESCAPES, NULL, OK, "absolute"},
    {"loop", ERR_LOOP, NULL, OK, "loop"},
    {"loop/x", ERR_LOOP, NULL, ERR_LOOP, NULL},
    {"ping", ERR_LOOP, NULL, OK, "ping"},
    {"dangling", ERR_NOT_FOUND, NULL, OK, "dangling"},
    {"bad", ERR_BAD_NAME, NULL, OK, "bad"},
    {"empty", ERR_NOT_FOUND, NULL, OK, "empty"},
    {"twice", OK, "f", OK, "twice"},
    {"long", OK, "d", OK, "long"},
    {"long/f", ERR_NAME_TOO_LONG, NULL, ERR_NAME_TOO_LONG, NULL},
    {"\xc3\xa4", ERR_NOT_FOUND, NULL, ERR_NOT_FOUND, NULL},
    {"\xff", ERR_BAD_NAME, NULL, ERR_BAD_NAME, NULL},
    {"\xc0\xaf", ERR_BAD_NAME, NULL, ERR_BAD_NAME, NULL},         // an overlong slash
    {"\xed\xa0\x80", ERR_BAD_NAME, NULL, ERR_BAD_NAME, NULL},     // a surrogate
    {"\xf4\x90\x80\x80", ERR_BAD_NAME, NULL, ERR_BAD_NAME, NULL}, // above U+10FFFF
    {"d/\xe2\x82", ERR_BAD_NAME, NULL, ERR_BAD_NAME, NULL},       // cut off
};

static void paths_lead_where_they_should(void **) {
    start();
    for (u32 i = 0; i < COUNT_OF(walk_cases); i++) {
        const struct walk_case *c = &walk_cases[i];
        expect_walk(bytes_of(c->path), true, c->status, c->found);
        expect_walk(bytes_of(c->path), false, c->raw_status, c->raw_found);
    }
}

static void a_nul_is_no_part_of_a_name(void **) {
    start();
    expect_walk((struct bytes){(const u8 *)"f\0", 2}, true, ERR_INVALID, NULL);
    expect_walk((struct bytes){(const u8 *)"\0", 1}, true, ERR_INVALID, NULL);
    expect_walk((struct bytes){(const u8 *)"d\0/f", 4}, true, ERR_INVALID, NULL);
}

static void lengths_have_limits(void **) {
    static char path[5000];
    start();
    expect_walk(bytes_of(long_name), true, OK, long_name);
    expect_walk(bytes_of(too_long_name), true, ERR_NAME_TOO_LONG, NULL);

    memset(path, '/', sizeof path);
    path[0] = 'd';
    expect_walk((struct bytes){(const u8 *)path, 4095}, true, OK, "d");
    expect_walk((struct bytes){(const u8 *)path, 4096}, true, ERR_NAME_TOO_LONG, NULL);
    expect_walk((struct bytes){(const u8 *)path, 5000}, true, ERR_NAME_TOO_LONG, NULL);

    // Deep, but not long: the chain of directories grows.
    usize len = 0;
    for (u32 i = 0; i < 300; i++, len += 8)
        memcpy(path + len, "d/e/top/", 8);
    expect_walk((struct bytes){(const u8 *)path, 32 * 8}, true, OK, "");
    expect_walk((struct bytes){(const u8 *)path, 33 * 8}, true, ERR_LOOP, NULL);
}

static void only_directories_have_paths(void **) {
    start();
    struct object *object = NULL;
    assert_int_equal(object_walk(&entries[1].object, bytes_of("."), true, &object),
                     ERR_NOT_DIRECTORY);
}

static void operations_have_defaults(void **) {
    start();
    struct object *file = &entries[1].object;
    struct object *directory = &entries[0].object;
    struct object *found;
    struct object_entry entry;
    struct bytes target;
    usize count;
    u64 available;
    assert_int_equal(object_read(file, 0, NULL, 0, &count), ERR_DENIED);
    assert_int_equal(object_write(file, 0, NULL, 0, &count), ERR_READ_ONLY);
    assert_int_equal(object_read(directory, 0, NULL, 0, &count), ERR_IS_DIRECTORY);
    assert_int_equal(object_write(directory, 0, NULL, 0, &count), ERR_DENIED);
    assert_int_equal(object_lookup(file, bytes_of("x"), &found), ERR_NOT_DIRECTORY);
    assert_int_equal(object_read_entry(file, 0, &entry), ERR_NOT_DIRECTORY);
    assert_int_equal(object_read_link(file, &target), ERR_NOT_LINK);
    assert_int_equal(object_poll(file, &available), POLL_READABLE | POLL_WRITABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_where_they_should),
        cmocka_unit_test(a_nul_is_no_part_of_a_name),
        cmocka_unit_test(lengths_have_limits),
        cmocka_unit_test(only_directories_have_paths),
        cmocka_unit_test(operations_have_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
