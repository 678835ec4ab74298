// The script runner: it must see each failure that a script can describe, and nothing else. A
// runner that passes everything would make the specification's tests worthless.

#include <pthread.h>

#include "base/fmt.h"
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

// -- Writing blobs --------------------------------------------------------------------------------

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

// The script may use `features`; 0: all.
static void begin_edition(u32 features) {
    blob_len = 0;
    for (const char *at = SCRIPT_MAGIC; *at != 0; at++)
        put((u64)*at, 1);
    put(SCRIPT_BEGIN, 1);
    put(0, 4);
    put_text(bytes_of("test"));
    put(features, 4);
}

static void begin(void) {
    begin_edition(0);
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

// -- Running them ---------------------------------------------------------------------------------

struct heard {
    u32 events[SPEC_VERDICT_COUNT];
    u32 last_line;
    char last_text[64]; // of a lifted one, or one that needs something
    u32 scripts;
};

static void hear_event(void *context, const struct spec_event *event) {
    struct heard *heard = context;
    assert_true(bytes_equal_text(event->script, "test"));
    assert_int_not_equal(event->text[0], 0);
    heard->events[event->verdict]++;
    heard->last_line = event->line;
    if (event->verdict != SPEC_FAILED)
        fmt_string(heard->last_text, sizeof heard->last_text, "%s", event->text);
}

static void hear_end(void *context, struct bytes script, const struct spec_counts *counts) {
    (void)counts;
    assert_true(bytes_equal_text(script, "test"));
    ((struct heard *)context)->scripts++;
}

struct script_thread {
    pthread_t thread;
    void (*main)(void *argument, struct thread_block *block);
    void *argument;
};

static void *thread_main(void *argument) {
    struct script_thread *thread = argument;
    struct thread_block block = {0};
    host_linux_thread(&block, 256 * KIB);
    thread->main(thread->argument, &block);
    host_linux_thread_end();
    return NULL;
}

static enum status thread_start(void *context,
                                void (*main)(void *argument, struct thread_block *block),
                                void *argument, void **out) {
    (void)context;
    struct script_thread *thread = test_malloc(sizeof *thread);
    *thread = (struct script_thread){.main = main, .argument = argument};
    assert_int_equal(pthread_create(&thread->thread, NULL, thread_main, thread), 0);
    *out = thread;
    return OK;
}

static void thread_join(void *context, void *joined) {
    (void)context;
    struct script_thread *thread = joined;
    assert_int_equal(pthread_join(thread->thread, NULL), 0);
    test_free(thread);
}

static enum status run(struct spec_sums *sums, struct heard *heard) {
    struct embedder e;
    embedder_init(&e);
    *heard = (struct heard){0};
    struct spec_host host = {heard, hear_event, hear_end, thread_start, thread_join};
    struct spec_counts counts;
    // Exactly as long as the blob, so that reading past its end shows.
    u8 *exact = test_malloc(blob_len);
    memcpy(exact, blob, blob_len);
    enum status status =
        spec_run(e.engine, &e.thread, (struct bytes){exact, blob_len}, &host, &counts);
    test_free(exact);
    *sums = spec_counts_sum(&counts);
    assert_int_equal(engine_features(e.engine), FEATURES_SUPPORTED);
    embedder_fini(&e);
    return status;
}

// Runs the module and one command; tells whether that passed.
static bool passes(void) {
    struct spec_sums sums;
    struct heard heard;
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(heard.scripts, 1);
    assert_int_equal(heard.events[SPEC_FAILED], sums.of[SPEC_FAILED]);
    assert_int_equal(sums.of[SPEC_PASSED] + sums.of[SPEC_FAILED], 1);
    if (sums.of[SPEC_FAILED] != 0)
        assert_int_equal(heard.last_line, 42);
    return sums.of[SPEC_FAILED] == 0;
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
        assert_int_equal(sums.of[SPEC_FAILED], is_vector ? 1 : 0); // seven gives an i32
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
        assert_int_equal(sums.of[SPEC_FAILED], cases[i].is_there ? 1 : 3);
        assert_int_equal(sums.of[SPEC_PASSED], cases[i].is_there ? 1 : 0);
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
        {"trap", "", true},
        {"seven", "", false}, // any trap, and there is none
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
    assert_int_equal(sums.of[SPEC_FAILED], 1);
    assert_int_equal(heard.last_line, 3);
    // And what needs it fails after it.
    command(SCRIPT_ASSERT_RETURN, 4);
    put_action(SCRIPT_INVOKE, "seven", NULL, 0);
    put(0, 2);
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.of[SPEC_FAILED], 2);
    assert_int_equal(heard.last_line, 4);
}

// -- Editions -------------------------------------------------------------------------------------

#define FIRST_VERSION FEATURE_MUTABLE_GLOBALS

// Two memories.
static const struct bytes two_memories = {(const u8 *)"\0asm\1\0\0\0\5\5\2\0\0\0\0", 15};
// Two memories, and a type with two results.
static const struct bytes two_proposals = {
    (const u8 *)"\0asm\1\0\0\0\1\6\1\x60\0\2\x7f\x7f\5\5\2\0\0\0\0", 23};
// A memory without pages, and data that does not fit.
static const struct bytes unfit_data = {
    (const u8 *)"\0asm\1\0\0\0\5\3\1\0\0\x0b\7\1\0\x41\0\x0b\1x", 22};

static void a_later_proposal_lifts_a_refusal(void **state) {
    (void)state;
    static const struct {
        u32 features;
        enum script_command command;
        const struct bytes *module;
        enum spec_verdict verdict;
        const char *proposal;
    } cases[] = {
        {FIRST_VERSION, SCRIPT_ASSERT_INVALID, &two_memories, SPEC_LIFTED, "multi-memory"},
        {FIRST_VERSION, SCRIPT_ASSERT_MALFORMED, &two_memories, SPEC_LIFTED, "multi-memory"},
        {FIRST_VERSION | FEATURE_MULTI_MEMORY, SCRIPT_ASSERT_INVALID, &two_memories, SPEC_FAILED,
         ""},
        {0, SCRIPT_ASSERT_INVALID, &two_memories, SPEC_FAILED, ""},
        {FIRST_VERSION, SCRIPT_ASSERT_INVALID, &bad_module, SPEC_PASSED, ""},
        {FIRST_VERSION, SCRIPT_ASSERT_INVALID, &unfit_data, SPEC_FAILED, ""},
        {FIRST_VERSION, SCRIPT_ASSERT_INVALID, &two_proposals, SPEC_FAILED, ""}, // no one explains
        {FIRST_VERSION, SCRIPT_ASSERT_UNLINKABLE, &unfit_data, SPEC_LIFTED,
         "bulk memory operations"},
        {FIRST_VERSION | FEATURE_BULK_MEMORY, SCRIPT_ASSERT_UNLINKABLE, &unfit_data, SPEC_FAILED,
         ""},
        {FIRST_VERSION, SCRIPT_ASSERT_UNLINKABLE, &linking[2], SPEC_FAILED, ""}, // another text
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        struct spec_sums sums;
        struct heard heard;
        begin_edition(cases[i].features);
        command(cases[i].command, 42);
        put_text(bytes_of("data segment does not fit"));
        put_text(*cases[i].module);
        assert_int_equal(run(&sums, &heard), OK);
        if (sums.of[cases[i].verdict] != 1 || strcmp(heard.last_text, cases[i].proposal) != 0)
            fail_msg("case %u", i);
        assert_int_equal(heard.scripts, 1);
    }
}

// A wrong result in an earlier edition's script is one, whatever came later.
static void results_are_not_lifted(void **state) {
    (void)state;
    static const u32 editions[] = {0, FEATURES_SUPPORTED & ~(u32)FEATURE_MULTI_MEMORY};
    for (u32 i = 0; i < COUNT_OF(editions); i++) {
        begin_edition(editions[i]);
        put_module(1, good_module);
        command(SCRIPT_ASSERT_RETURN, 42);
        put_action(SCRIPT_INVOKE, "seven", NULL, 0);
        put(1, 2);
        put_value((struct value){SCRIPT_I32, 8});
        struct spec_sums sums;
        struct heard heard;
        assert_int_equal(run(&sums, &heard), OK);
        assert_int_equal(sums.of[SPEC_FAILED], 1);
        assert_int_equal(sums.of[SPEC_LIFTED], 0);
    }
}

// -- Modules that need what the engine lacks ------------------------------------------------------

// A type that is a struct; imports "missing" "x".
static const struct bytes struct_module = {(const u8 *)"\0asm\1\0\0\0\1\3\1\x5f\0", 13};
static const struct bytes importer = {(const u8 *)"\0asm\1\0\0\0\2\16\1\7missing\1x\3\177\0", 24};

static void what_depends_on_a_missing_module_is_counted_apart(void **state) {
    (void)state;
    struct spec_sums sums;
    struct heard heard;
    begin();
    put_module(1, struct_module);
    command(SCRIPT_ASSERT_RETURN, 2);
    put_action(SCRIPT_INVOKE, "seven", NULL, 0);
    put(1, 2);
    put_value((struct value){SCRIPT_I32, 8});
    command(SCRIPT_REGISTER, 3);
    put_text(bytes_of("missing"));
    put_text(bytes_of(""));
    command(SCRIPT_ASSERT_UNLINKABLE, 4);
    put_text(bytes_of("unknown import"));
    put_text(importer);
    command(SCRIPT_ASSERT_INVALID, 5);
    put_text(bytes_of("type mismatch"));
    put_text(struct_module);
    put_module(6, good_module); // and what does not passes
    command(SCRIPT_ASSERT_RETURN, 7);
    put_action(SCRIPT_INVOKE, "seven", NULL, 0);
    put(1, 2);
    put_value((struct value){SCRIPT_I32, 7});
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.of[SPEC_FAILED], 0);
    assert_int_equal(sums.of[SPEC_PASSED], 1);
    assert_int_equal(sums.of[SPEC_NEEDS], 3);
    assert_int_equal(sums.missing_modules, 1);
    assert_int_equal(heard.events[SPEC_NEEDS], 5); // the module and its registration too
    assert_string_equal(heard.last_text, "garbage collection");
}

// An earlier edition has no such modules.
static void an_earlier_edition_misses_nothing(void **state) {
    (void)state;
    struct spec_sums sums;
    struct heard heard;
    begin_edition(FIRST_VERSION);
    put_module(1, struct_module);
    command(SCRIPT_ASSERT_MALFORMED, 2);
    put_text(bytes_of(""));
    put_text(struct_module);
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.of[SPEC_FAILED], 1);
    assert_int_equal(sums.of[SPEC_PASSED], 1);
    assert_int_equal(sums.of[SPEC_NEEDS], 0);
}

// -- Threads --------------------------------------------------------------------------------------

// Begins a thread's commands; end_thread tells their length.
static usize begin_thread(u32 line, const char *name) {
    command(SCRIPT_THREAD, line);
    put_text(bytes_of(name));
    put_text(bytes_of(""));
    put(0, 4);
    return blob_len;
}

static void end_thread(usize start) {
    usize end = blob_len;
    blob_len = start - 4;
    put(end - start, 4);
    blob_len = end;
}

static void put_wait(u32 line, const char *name) {
    command(SCRIPT_WAIT, line);
    put_text(bytes_of(name));
}

static void put_seven(u32 line, u64 expected) {
    command(SCRIPT_ASSERT_RETURN, line);
    put_action(SCRIPT_INVOKE, "seven", NULL, 0);
    put(1, 2);
    put_value((struct value){SCRIPT_I32, expected});
}

static void what_threads_find_is_counted(void **state) {
    (void)state;
    struct spec_sums sums;
    struct heard heard;
    begin();
    usize outer = begin_thread(1, "A");
    put_module(2, good_module);
    put_seven(3, 7);
    usize inner = begin_thread(4, "C");
    put_module(5, good_module);
    put_seven(6, 8); // fails
    end_thread(inner);
    put_wait(7, "C");
    end_thread(outer);
    usize other = begin_thread(8, "B"); // nobody waits for it
    put_module(9, good_module);
    put_seven(10, 9); // fails
    end_thread(other);
    put_wait(11, "A");
    put_wait(12, "A"); // fails: it has ended
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.of[SPEC_PASSED], 1);
    assert_int_equal(sums.of[SPEC_FAILED], 3);
    assert_int_equal(heard.events[SPEC_FAILED], 3);
    assert_int_equal(heard.last_line, 10);
}

static void a_thread_sees_no_other_modules(void **state) {
    (void)state;
    struct spec_sums sums;
    struct heard heard;
    begin();
    put_module(1, good_module);
    usize start = begin_thread(2, "A");
    put_seven(42, 7);
    end_thread(start);
    assert_int_equal(run(&sums, &heard), OK);
    assert_int_equal(sums.of[SPEC_FAILED], 1);
    assert_int_equal(heard.last_line, 42);
}

static void a_thread_of_cut_commands_is_refused(void **state) {
    (void)state;
    struct spec_sums sums;
    struct heard heard;
    begin();
    usize start = begin_thread(2, "A");
    command(SCRIPT_WAIT, 3);
    end_thread(start);
    put_wait(4, "A");
    assert_int_equal(run(&sums, &heard), ERR_MALFORMED);
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
    assert_int_equal(sums.of[SPEC_PASSED], 1);
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
        cmocka_unit_test(a_later_proposal_lifts_a_refusal),
        cmocka_unit_test(results_are_not_lifted),
        cmocka_unit_test(what_depends_on_a_missing_module_is_counted_apart),
        cmocka_unit_test(an_earlier_edition_misses_nothing),
        cmocka_unit_test(what_threads_find_is_counted),
        cmocka_unit_test(a_thread_sees_no_other_modules),
        cmocka_unit_test(a_thread_of_cut_commands_is_refused),
        cmocka_unit_test(a_cut_blob_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
