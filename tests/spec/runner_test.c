// The script runner: it must see each failure that a script can describe, and nothing else. A
// runner that passes everything would make the specification's tests worthless.

#include "tests/embedder.h"
#include "tests/spec/runner.h"

static const u8 script_wasm[] = {
#embed "wat/script.wasm"
};
static const struct bytes good_module = {script_wasm, sizeof script_wasm};
static const struct bytes bad_module = {(const u8 *)"\0asm\2\0\0\0", 8};
// Imports "spectest" "global_i32" as an i32 and as an i64; "nobody" "x".
static const struct bytes linking[] = {
    {(const u8 *)"\0asm\1\0\0\0\2\30\1\10spectest\12global_i32\3\177\0", 34},
    {(const u8 *)"\0asm\1\0\0\0\2\30\1\10spectest\12global_i32\3\176\0", 34},
    {(const u8 *)"\0asm\1\0\0\0\2\15\1\6nobody\1x\3\177\0", 23},
};

// -- Writing blobs
// ----------------------------------------------------------------------------------

static u8 blob[64 * KIB];
static usize blob_len;

static void put(u64 number, u32 bytes) {
    for (u32 i = 0; i < bytes; i++)
        blob[blob_len++] = (u8)(number >> (8 * i));
}

static void put_text(struct bytes text) {
    put(text.len, 4);
    for (usize i = 0; i < text.len; i++)
        blob[blob_len++] = text.data[i];
}

static void begin(void) {
    blob_len = 0;
    for (const char *at = SCRIPT_MAGIC; *at != 0; at++)
        put((u64)*at, 1);
    put(SCRIPT_BEGIN, 1);
    put(0, 4);
    put_text(bytes_of("test"));
}

static void command(enum script_command command, u32 line) {
    put(command, 1);
    put(line, 4);
}

static void put_module(u32 line, struct bytes binary) {
    command(SCRIPT_MODULE, line);
    put_text(bytes_of(""));
    put_text(binary);
}

struct value {
    enum script_value kind;
    u64 bits;
};

static void put_value(struct value value) {
    put(value.kind, 1);
    put(value.bits, 8);
}

static void put_action(enum script_action action, const char *field, const struct value *arguments,
                       u32 count) {
    put(action, 1);
    put_text(bytes_of(""));
    put_text(bytes_of(field));
    put(count, 2);
    for (u32 i = 0; i < count; i++)
        put_value(arguments[i]);
}

// -- Running them
// -----------------------------------------------------------------------------------

struct heard {
    u32 failures;
    u32 last_line;
    u32 scripts;
};

static void hear_failure(void *context, struct bytes script, u32 line, enum script_command command,
                         const char *text) {
    (void)command;
    struct heard *heard = context;
    assert_true(bytes_equal_text(script, "test"));
    assert_int_not_equal(text[0], 0);
    heard->failures++;
    heard->last_line = line;
}

static void hear_end(void *context, struct bytes script, const struct spec_counts *counts) {
    (void)counts;
    assert_true(bytes_equal_text(script, "test"));
    ((struct heard *)context)->scripts++;
}

static enum status run(struct spec_sums *sums, struct heard *heard) {
    struct embedder e;
    embedder_init(&e);
    *heard = (struct heard){0};
    struct spec_sink sink = {heard, hear_failure, hear_end};
    struct spec_counts counts;
    // Exactly as long as the blob, so that reading past its end shows.
    u8 *exact = test_malloc(blob_len);
    memcpy(exact, blob, blob_len);
    enum status status =
        spec_run(e.engine, &e.thread, (struct bytes){exact, blob_len}, &sink, &counts);
    test_free(exact);
    *sums = spec_counts_sum(&counts);
    embedder_fini(&e);
    return status;
}

// Runs the module and one command; tells whether that passed.
static bool passes(void) {
    struct spec_sums sums;
    struct heard heard;
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(heard.scripts, 1);
    assert_int_equal(heard.failures, sums.failed);
    assert_int_equal(sums.passed + sums.failed, 1);
    if (sums.failed != 0)
        assert_int_equal(heard.last_line, 42);
    return sums.failed == 0;
}

static bool returns(const char *field, struct value argument, struct value expected) {
    begin();
    put_module(1, good_module);
    command(SCRIPT_ASSERT_RETURN, 42);
    put_action(SCRIPT_INVOKE, field, &argument, 1);
    put(1, 2);
    put_value(expected);
    return passes();
}

static void values_are_compared_by_pattern(void **state) {
    (void)state;
    static const struct {
        const char *field;
        struct value argument;
        struct value expected;
        bool passes;
    } cases[] = {
        {"f32_bits", {SCRIPT_I32, 0x3f800000}, {SCRIPT_F32, 0x3f800000}, true},
        {"f32_bits", {SCRIPT_I32, 0x3f800001}, {SCRIPT_F32, 0x3f800000}, false},
        {"f32_bits", {SCRIPT_I32, 0x80000000}, {SCRIPT_F32, 0}, false}, // -0
        {"f32_bits", {SCRIPT_I32, 0x7fc00000}, {SCRIPT_F32_CANONICAL, 0}, true},
        {"f32_bits", {SCRIPT_I32, 0xffc00000}, {SCRIPT_F32_CANONICAL, 0}, true},
        {"f32_bits", {SCRIPT_I32, 0x7fc00001}, {SCRIPT_F32_CANONICAL, 0}, false},
        {"f32_bits", {SCRIPT_I32, 0x7fc00001}, {SCRIPT_F32_ARITHMETIC, 0}, true},
        {"f32_bits", {SCRIPT_I32, 0x7fa00000}, {SCRIPT_F32_ARITHMETIC, 0}, false},
        {"f32_bits", {SCRIPT_I32, 0x7f800000}, {SCRIPT_F32_ARITHMETIC, 0}, false},
        {"f64_bits", {SCRIPT_I64, 0x7ff8000000000000}, {SCRIPT_F64_CANONICAL, 0}, true},
        {"f64_bits", {SCRIPT_I64, 0xfff8000000000001}, {SCRIPT_F64_CANONICAL, 0}, false},
        {"f64_bits", {SCRIPT_I64, 0xfff8000000000001}, {SCRIPT_F64_ARITHMETIC, 0}, true},
        {"f64_bits", {SCRIPT_I64, 0x7ff4000000000000}, {SCRIPT_F64_ARITHMETIC, 0}, false},
        {"f64_bits", {SCRIPT_I64, 0}, {SCRIPT_F32, 0}, false}, // another type
        {"f64_bits", {SCRIPT_I32, 0}, {SCRIPT_F64, 0}, false}, // a wrong argument
        {"extern", {SCRIPT_EXTERNREF, 5}, {SCRIPT_EXTERNREF, 5}, true},
        {"extern", {SCRIPT_EXTERNREF, 5}, {SCRIPT_EXTERNREF, 0}, false},
        {"nothing", {SCRIPT_I32, 0}, {SCRIPT_I32, 0}, false}, // no such export
        {"seven", {SCRIPT_I32, 0}, {SCRIPT_I32, 7}, false},   // too many arguments
        {"trap", {SCRIPT_I32, 0}, {SCRIPT_I32, 7}, false},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        if (returns(cases[i].field, cases[i].argument, cases[i].expected) != cases[i].passes)
            fail_msg("case %u (%s)", i, cases[i].field);
    }
}

static void one_of_several_values_is_enough(void **state) {
    (void)state;
    for (u64 first = 5; first < 9; first++) {
        begin();
        put_module(1, good_module);
        command(SCRIPT_ASSERT_RETURN, 42);
        put_action(SCRIPT_INVOKE, "seven", NULL, 0);
        put(1, 2);
        put(SCRIPT_EITHER, 1);
        put(2, 1);
        put_value((struct value){SCRIPT_I64, 7}); // another type
        put_value((struct value){SCRIPT_I32, first});
        assert_int_equal(passes(), first == 7);
    }
}

static void lanes_are_those_of_vectors(void **state) {
    (void)state;
    for (u32 lanes = 0; lanes < 6; lanes++) {
        begin();
        put_module(1, good_module);
        command(SCRIPT_ASSERT_RETURN, 42);
        put_action(SCRIPT_INVOKE, "seven", NULL, 0);
        put(1, 2);
        put(SCRIPT_V128, 1);
        put(lanes, 1);
        for (u32 i = 0; i < lanes; i++)
            put_value((struct value){lanes == 2 ? SCRIPT_I64 : SCRIPT_I32, 7});
        struct spec_sums sums;
        struct heard heard;
        bool is_vector = lanes == 2 || lanes == 4;
        assert_int_equal(run(&sums, &heard), is_vector ? OK : ERR_MALFORMED);
        assert_int_equal(sums.failed, is_vector ? 1 : 0); // seven gives an i32
    }
}

static void what_is_thrown_is_an_exception(void **state) {
    (void)state;
    static const char *const others[] = {"seven", "trap", "nothing"};
    for (u32 i = 0; i < COUNT_OF(others); i++) {
        begin();
        put_module(1, good_module);
        command(SCRIPT_ASSERT_EXCEPTION, 42);
        put_action(SCRIPT_INVOKE, others[i], NULL, 0);
        assert_false(passes());
    }
}

static void definitions_are_instantiated_by_name(void **state) {
    (void)state;
    static const struct {
        const char *wanted;
        bool is_there;
    } cases[] = {{"D", true}, {"", true}, {"E", false}};
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        struct spec_sums sums;
        struct heard heard;
        begin();
        command(SCRIPT_DEFINITION, 1);
        put_text(bytes_of("D"));
        put_text(good_module);
        command(SCRIPT_ASSERT_RETURN, 2); // a definition is no instance
        put_action(SCRIPT_INVOKE, "seven", NULL, 0);
        put(0, 2);
        command(SCRIPT_INSTANCE, 3);
        put_text(bytes_of("I"));
        put_text(bytes_of(cases[i].wanted));
        command(SCRIPT_ASSERT_RETURN, 4);
        put_action(SCRIPT_INVOKE, "seven", NULL, 0);
        put(1, 2);
        put_value((struct value){SCRIPT_I32, 7});
        assert_int_equal(run(&sums, &heard), OK);
        assert_int_equal(sums.failed, cases[i].is_there ? 1 : 3);
        assert_int_equal(sums.passed, cases[i].is_there ? 1 : 0);
        assert_int_equal(heard.last_line, cases[i].is_there ? 2 : 4);
    }
}

static void the_number_of_results_counts(void **state) {
    (void)state;
    for (u32 count = 0; count < 3; count++) {
        begin();
        put_module(1, good_module);
        command(SCRIPT_ASSERT_RETURN, 42);
        put_action(SCRIPT_INVOKE, "seven", NULL, 0);
        put(count, 2);
        for (u32 i = 0; i < count; i++)
            put_value((struct value){SCRIPT_I32, 7});
        assert_int_equal(passes(), count == 1);
    }
}

static void globals_are_read(void **state) {
    (void)state;
    for (u64 expected = 8; expected < 11; expected++) {
        begin();
        put_module(1, good_module);
        command(SCRIPT_ASSERT_RETURN, 42);
        put_action(SCRIPT_GET, "g", NULL, 0);
        put(1, 2);
        put_value((struct value){SCRIPT_I32, expected});
        assert_int_equal(passes(), expected == 9);
    }
}

static void traps_are_compared_by_text(void **state) {
    (void)state;
    static const struct {
        const char *field;
        const char *text;
        bool passes;
    } cases[] = {
        {"trap", "unreachable", true},
        {"trap", "unreachable executed", true},
        {"trap", "integer overflow", false},
        {"seven", "unreachable", false},
        {"forever", "call stack exhausted", true},
        {"forever", "unreachable", false},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        begin();
        put_module(1, good_module);
        command(SCRIPT_ASSERT_TRAP, 42);
        put_action(SCRIPT_INVOKE, cases[i].field, NULL, 0);
        put_text(bytes_of(cases[i].text));
        assert_int_equal(passes(), cases[i].passes);
    }
}

static void refusals_must_be_refusals(void **state) {
    (void)state;
    static const struct {
        enum script_command command;
        const char *text;
        const struct bytes *module;
        bool passes;
    } cases[] = {
        {SCRIPT_ASSERT_MALFORMED, "unknown binary version", &bad_module, true},
        {SCRIPT_ASSERT_MALFORMED, "unknown binary version", &good_module, false},
        {SCRIPT_ASSERT_INVALID, "type mismatch", &good_module, false},
        {SCRIPT_ASSERT_UNLINKABLE, "incompatible import type", &linking[1], true},
        {SCRIPT_ASSERT_UNLINKABLE, "unknown import", &linking[1], false},
        {SCRIPT_ASSERT_UNLINKABLE, "incompatible import type", &linking[0], false},
        {SCRIPT_ASSERT_UNLINKABLE, "unknown import", &linking[2], true},
        {SCRIPT_ASSERT_UNLINKABLE, "unknown import", &bad_module, false},
        {SCRIPT_ASSERT_UNINSTANTIABLE, "unreachable", &good_module, false},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        begin();
        command(cases[i].command, 42);
        put_text(bytes_of(cases[i].text));
        put_text(*cases[i].module);
        if (passes() != cases[i].passes)
            fail_msg("case %u", i);
    }
}

static void a_module_that_fails_is_a_failure(void **state) {
    (void)state;
    struct spec_sums sums;
    struct heard heard;
    begin();
    put_module(3, linking[2]);
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.failed, 1);
    assert_int_equal(heard.last_line, 3);
    // And what needs it fails after it.
    command(SCRIPT_ASSERT_RETURN, 4);
    put_action(SCRIPT_INVOKE, "seven", NULL, 0);
    put(0, 2);
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.failed, 2);
    assert_int_equal(heard.last_line, 4);
}

static void a_cut_blob_is_refused(void **state) {
    (void)state;
    begin();
    put_module(1, good_module);
    command(SCRIPT_ASSERT_RETURN, 2);
    put_action(SCRIPT_INVOKE, "seven", NULL, 0);
    put(1, 2);
    put_value((struct value){SCRIPT_I32, 7});
    usize whole = blob_len;
    struct spec_sums sums;
    struct heard heard;
    usize accepted = 0;
    for (blob_len = 0; blob_len < whole; blob_len++) {
        enum status status = run(&sums, &heard);
        if (status == OK)
            accepted++; // cut between two commands
        else
            assert_int_equal(status, ERR_MALFORMED);
    }
    assert_int_equal(accepted, 3); // behind the magic, the beginning, the module
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.passed, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_compared_by_pattern),
        cmocka_unit_test(one_of_several_values_is_enough),
        cmocka_unit_test(lanes_are_those_of_vectors),
        cmocka_unit_test(what_is_thrown_is_an_exception),
        cmocka_unit_test(definitions_are_instantiated_by_name),
        cmocka_unit_test(the_number_of_results_counts),
        cmocka_unit_test(globals_are_read),
        cmocka_unit_test(traps_are_compared_by_text),
        cmocka_unit_test(refusals_must_be_refusals),
        cmocka_unit_test(a_module_that_fails_is_a_failure),
        cmocka_unit_test(a_cut_blob_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
