// Tests of instruction decoding: every form of immediate, what is refused, locals.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/host.h"
#include "engine/decode/insn.h"
#include "tests/fake_host.h"

// Types: () -> (), (i32) -> (i64).
static const enum value_type type_list[] = {VALUE_I32, VALUE_I64};
static struct func_type types[] = {{0, 0, type_list}, {1, 1, type_list}};

static struct module_decl decl_with(u32 features) {
    return (struct module_decl){.features = features,
                                .type_count = COUNT_OF(types),
                                .types = types,
                                .has_data_count = true};
}

struct text {
    const char *bytes;
    usize len;
};
#define TEXT(literal) {(literal), sizeof(literal) - 1}

static struct reader read_one(struct text text, const struct module_decl *decl, struct insn *out) {
    struct reader r;
    const u8 *bytes = (const u8 *)text.bytes;
    reader_init(&r, bytes, (struct bytes){bytes, text.len});
    insn_read(&r, decl, out);
    return r;
}

// -- What is accepted ----------------------------------------------------------------------------

static const struct index_case {
    struct text text;
    enum wasm_op op;
    u64 a;
    u64 b;
} index_cases[] = {
    {TEXT("\x0c\x05"), OP_BR, 5, 0},
    {TEXT("\x10\x80\x01"), OP_CALL, 128, 0},
    {TEXT("\x11\x01\x03"), OP_CALL_INDIRECT, 1, 3},
    {TEXT("\x20\xff\xff\xff\xff\x0f"), OP_LOCAL_GET, UINT32_MAX, 0},
    {TEXT("\x23\x02"), OP_GLOBAL_GET, 2, 0},
    {TEXT("\x25\x01"), OP_TABLE_GET, 1, 0},
    {TEXT("\x3f\0"), OP_MEMORY_SIZE, 0, 0},
    {TEXT("\xd2\x04"), OP_REF_FUNC, 4, 0},
    {TEXT("\xfc\x08\x02\0"), OP_MEMORY_INIT, 2, 0},
    {TEXT("\xfc\x09\x02"), OP_DATA_DROP, 2, 0},
    {TEXT("\xfc\x0a\0\0"), OP_MEMORY_COPY, 0, 0},
    {TEXT("\xfc\x0b\0"), OP_MEMORY_FILL, 0, 0},
    {TEXT("\xfc\x0c\x02\x01"), OP_TABLE_INIT, 2, 1},
    {TEXT("\xfc\x0d\x06"), OP_ELEM_DROP, 6, 0},
    {TEXT("\xfc\x0e\x01\x02"), OP_TABLE_COPY, 1, 2},
    {TEXT("\xfc\x11\x01"), OP_TABLE_FILL, 1, 0},
    {TEXT("\xfc\x91\x80\x80\x80\0\x01"), OP_TABLE_FILL, 1, 0}, // the opcode is a padded number
};

static void indices_are_read(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    for (usize i = 0; i < COUNT_OF(index_cases); i++) {
        const struct index_case *c = &index_cases[i];
        struct insn insn = {};
        struct reader r = read_one(c->text, &decl, &insn);
        assert_int_equal(r.status, OK);
        assert_int_equal(reader_left(&r), 0);
        assert_int_equal(insn.op, c->op);
        assert_int_equal(insn.offset, 0);
        assert_int_equal(insn.index, c->a);
        enum immediate form = wasm_ops[c->op].immediate;
        if (form == IMM_TYPE_TABLE || form == IMM_TABLE_TABLE || form == IMM_ELEM_TABLE)
            assert_int_equal(insn.pair.b, c->b);
    }
}

static void constants_are_read(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    struct insn insn;
    assert_int_equal(read_one((struct text)TEXT("\x41\x7f"), &decl, &insn).status, OK);
    assert_int_equal(insn.i32, -1);
    assert_int_equal(read_one((struct text)TEXT("\x42\x80\x7f"), &decl, &insn).status, OK);
    assert_true(insn.i64 == -128);
    assert_int_equal(read_one((struct text)TEXT("\x43\x01\x02\x03\xff"), &decl, &insn).status, OK);
    assert_int_equal(insn.f32, 0xff030201);
    struct text f64 = TEXT("\x44\x01\x02\x03\x04\x05\x06\x07\xff");
    assert_int_equal(read_one(f64, &decl, &insn).status, OK);
    assert_true(insn.f64 == 0xff07060504030201);
    assert_int_equal(read_one((struct text)TEXT("\xd0\x6f"), &decl, &insn).status, OK);
    assert_int_equal(insn.type, VALUE_EXTERNREF);
    assert_int_equal(read_one((struct text)TEXT("\x1c\x01\x7d"), &decl, &insn).status, OK);
    assert_int_equal(insn.op, OP_SELECT_T);
    assert_int_equal(insn.type, VALUE_F32);
}

static void memory_accesses_are_read(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    struct insn insn;
    struct text load = TEXT("\x29\x03\xff\xff\xff\xff\x0f");
    assert_int_equal(read_one(load, &decl, &insn).status, OK);
    assert_int_equal(insn.op, OP_I64_LOAD);
    assert_int_equal(insn.mem.align, 3);
    assert_true(insn.mem.offset == UINT32_MAX);
    assert_int_equal(insn.mem.memory, 0);
}

// Memory 0 is of 32 bits, memory 1 of 64.
static void memory_accesses_name_their_memory(void **state) {
    (void)state;
    struct memory_type memories[] = {{}, {.is64 = true}};
    struct module_decl decl = decl_with(FEATURES_ALL);
    decl.memories = memories;
    decl.memory_count = 2;
    struct insn insn;
    struct text load = TEXT("\x29\x43\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    assert_int_equal(read_one(load, &decl, &insn).status, OK);
    assert_int_equal(insn.mem.align, 3);
    assert_int_equal(insn.mem.memory, 1);
    assert_true(insn.mem.is64);
    assert_true(insn.mem.offset == UINT64_MAX);

    struct text lane = TEXT("\xfd\x54\x40\x00\x05\x0f");
    assert_int_equal(read_one(lane, &decl, &insn).status, OK);
    assert_int_equal(insn.op, OP_V128_LOAD8_LANE);
    assert_int_equal(insn.mem.memory, 0);
    assert_false(insn.mem.is64);
    assert_int_equal(insn.mem.offset, 5);
    assert_int_equal(insn.mem.lane, 15);

    struct text copy = TEXT("\xfc\x0a\x01\x02");
    assert_int_equal(read_one(copy, &decl, &insn).status, OK);
    assert_int_equal(insn.pair.a, 1);
    assert_int_equal(insn.pair.b, 2);
}

static void without_multi_memory_and_memory64_the_older_form_is_read(void **state) {
    (void)state;
    u32 features = FEATURES_ALL & ~(u32)(FEATURE_MULTI_MEMORY | FEATURE_MEMORY64);
    struct module_decl decl = decl_with(features);
    static const struct {
        struct text text;
        enum status status;
        const char *error;
    } cases[] = {
        {TEXT("\x28\x42\x00\x00"), ERR_UNSUPPORTED,
         "malformed memop flags: proposal multi-memory is switched off"},
        {TEXT("\x28\x02\x80\x80\x80\x80\x10"), ERR_MALFORMED, "integer too large"},
        {TEXT("\x3f\x01"), ERR_MALFORMED,
         "zero byte expected: proposal multi-memory is switched off"},
        {TEXT("\x40\x80\x00"), ERR_MALFORMED,
         "zero byte expected: proposal multi-memory is switched off"},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct insn insn;
        struct reader r = read_one(cases[i].text, &decl, &insn);
        assert_int_equal(r.status, cases[i].status);
        assert_string_equal(r.error, cases[i].error);
    }
}

static void vectors_are_read(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    struct insn insn;
    struct text constant = TEXT("\xfd\x0c\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10");
    assert_int_equal(read_one(constant, &decl, &insn).status, OK);
    assert_true(insn.v128[0] == 0x0807060504030201);
    assert_true(insn.v128[1] == 0x100f0e0d0c0b0a09);
    struct text shuffle = TEXT("\xfd\x0d\x1f\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x11");
    assert_int_equal(read_one(shuffle, &decl, &insn).status, OK);
    assert_int_equal(insn.lanes[0], 31);
    assert_int_equal(insn.lanes[15], 17);
    struct text lane = TEXT("\xfd\x15\x0f");
    assert_int_equal(read_one(lane, &decl, &insn).status, OK);
    assert_int_equal(insn.op, OP_I8X16_EXTRACT_LANE_S);
    assert_int_equal(insn.lane, 15);
    struct text relaxed = TEXT("\xfd\x93\x02");
    assert_int_equal(read_one(relaxed, &decl, &insn).status, OK);
    assert_int_equal(insn.op, OP_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S);
}

static void catch_clauses_can_be_walked(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    struct insn insn;
    struct text text = TEXT("\x1f\x7f\x04\0\x05\x01\x01\x85\x01\x02\x02\x03\x03\x84\0");
    struct reader r = read_one(text, &decl, &insn);
    assert_int_equal(r.status, OK);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(insn.op, OP_TRY_TABLE);
    assert_int_equal(insn.block.type->types[0], VALUE_I32);
    assert_ptr_equal(insn.block.type, insn.try_table.block.type);
    assert_int_equal(insn.try_table.count, 4);
    static const struct catch_clause expected[] = {
        {CATCH_TAG, 5, 1}, {CATCH_TAG_REF, 133, 2}, {CATCH_ALL, 0, 3}, {CATCH_ALL_REF, 0, 4}};
    const u8 *at = insn.try_table.at;
    for (usize i = 0; i < COUNT_OF(expected); i++) {
        struct catch_clause clause = insn_next_catch(&at);
        assert_int_equal(clause.kind, expected[i].kind);
        assert_int_equal(clause.tag, expected[i].tag);
        assert_int_equal(clause.label, expected[i].label);
    }
    assert_ptr_equal(at, r.at);
}

static void block_types_are_read(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    struct insn insn;
    assert_int_equal(read_one((struct text)TEXT("\x02\x40"), &decl, &insn).status, OK);
    assert_int_equal(insn.block.type->param_count + insn.block.type->result_count, 0);
    static const struct text shorthand[] = {TEXT("\x03\x7f"), TEXT("\x03\x7e"), TEXT("\x03\x7d"),
                                            TEXT("\x03\x7c"), TEXT("\x03\x70"), TEXT("\x03\x6f"),
                                            TEXT("\x03\x7b"), TEXT("\x03\x69")};
    for (usize i = 0; i < COUNT_OF(shorthand); i++) {
        assert_int_equal(read_one(shorthand[i], &decl, &insn).status, OK);
        assert_int_equal(insn.block.type->param_count, 0);
        assert_int_equal(insn.block.type->result_count, 1);
        assert_int_equal(insn.block.type->types[0], (u8)shorthand[i].bytes[1]);
    }
    assert_int_equal(read_one((struct text)TEXT("\x04\x01"), &decl, &insn).status, OK);
    assert_ptr_equal(insn.block.type, &types[1]);
    assert_int_equal(read_one((struct text)TEXT("\x04\x81\x80\x80\x80\0"), &decl, &insn).status,
                     OK);
    assert_ptr_equal(insn.block.type, &types[1]);
}

static void labels_can_be_walked(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    struct insn insn;
    struct text table = TEXT("\x0e\x03\x01\x80\x01\x00\x83\x80\x80\x80\0");
    struct reader r = read_one(table, &decl, &insn);
    assert_int_equal(r.status, OK);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(insn.labels.count, 3);
    const u8 *at = insn.labels.at;
    assert_int_equal(insn_next_label(&at), 1);
    assert_int_equal(insn_next_label(&at), 128);
    assert_int_equal(insn_next_label(&at), 0);
    assert_int_equal(insn_next_label(&at), 3);
    assert_ptr_equal(at, r.at);
}

// -- What is refused -----------------------------------------------------------------------------

static const struct refusal_case {
    struct text text;
    enum status status;
    const char *error;
} refusals[] = {
    {TEXT(""), ERR_TRUNCATED, "unexpected end of section or function"},
    {TEXT("\xff"), ERR_MALFORMED, "illegal opcode"},
    {TEXT("\x27"), ERR_MALFORMED, "illegal opcode"},
    {TEXT("\xfc\x12"), ERR_MALFORMED, "illegal opcode"},
    {TEXT("\xfc\x80\x02"), ERR_MALFORMED, "illegal opcode"}, // 0x100 is not 0
    {TEXT("\xfc\x13"), ERR_UNSUPPORTED,
     "illegal opcode: proposal wide arithmetic is not supported"},
    {TEXT("\xfc"), ERR_TRUNCATED, "unexpected end of section or function"},
    {TEXT("\xfd\x9a\x01"), ERR_MALFORMED, "illegal opcode"},
    {TEXT("\xfd\x94\x02"), ERR_MALFORMED, "illegal opcode"},
    {TEXT("\xfd\x80\x80\x04"), ERR_MALFORMED, "illegal opcode"}, // 0x10000 is not 0
    {TEXT("\xfd\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), ERR_TRUNCATED,
     "unexpected end of section or function"},
    {TEXT("\xfe\x04"), ERR_MALFORMED, "illegal opcode"},
    {TEXT("\xfe\x03\x01"), ERR_MALFORMED, "zero byte expected"},
    {TEXT("\xfb\x00"), ERR_UNSUPPORTED,
     "illegal opcode: proposal garbage collection is not supported"},
    {TEXT("\x1f\x40\x01\x04\x00"), ERR_MALFORMED, "malformed catch clause"},
    {TEXT("\x1f\x40\x02\x02\x00"), ERR_TRUNCATED, "unexpected end of section or function"},
    {TEXT("\x1f\x40\xff\xff\xff\xff\x0f\x02\x00"), ERR_TRUNCATED,
     "unexpected end of section or function"},
    {TEXT("\x14\x00"), ERR_UNSUPPORTED,
     "illegal opcode: proposal typed function references is not supported"},
    {TEXT("\x02\x41"), ERR_MALFORMED, "malformed value type"},
    {TEXT("\x02\x64"), ERR_UNSUPPORTED,
     "malformed value type: proposal typed function references is not supported"},
    {TEXT("\x02\xff\x7f"), ERR_MALFORMED, "malformed block type"}, // negative, but not one byte
    {TEXT("\x02\x02"), ERR_INVALID, "unknown type"},
    {TEXT("\x02\xff\xff\xff\xff\x0f"), ERR_INVALID, "unknown type"},
    {TEXT("\x28\x20\x00"), ERR_MALFORMED, "malformed memop flags"},
    {TEXT("\x28\x60\x00"), ERR_MALFORMED, "malformed memop flags"},
    {TEXT("\x28\x80\x01\x00"), ERR_MALFORMED, "malformed memop flags"},
    {TEXT("\x28\x02\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), ERR_MALFORMED, "integer too large"},
    {TEXT("\x1c\x00"), ERR_INVALID, "invalid result arity"},
    {TEXT("\x1c\x02\x7f\x7f"), ERR_INVALID, "invalid result arity"},
    {TEXT("\xd0\x7f"), ERR_MALFORMED, "malformed reference type"},
    {TEXT("\x0e\x02\x00\x00"), ERR_TRUNCATED, "unexpected end of section or function"},
    {TEXT("\x0e\xff\xff\xff\xff\x0f\x00"), ERR_TRUNCATED, "unexpected end of section or function"},
    {TEXT("\x0e\x01\x80\x80"), ERR_TRUNCATED, "unexpected end of section or function"},
    {TEXT("\x43\x00\x00\x00"), ERR_TRUNCATED, "unexpected end of section or function"},
    {TEXT("\x44\x00\x00\x00\x00\x00\x00\x00"), ERR_TRUNCATED,
     "unexpected end of section or function"},
};

static void refusals_say_what(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    for (usize i = 0; i < COUNT_OF(refusals); i++) {
        struct insn insn;
        struct reader r = read_one(refusals[i].text, &decl, &insn);
        assert_non_null(r.error);
        assert_string_equal(r.error, refusals[i].error);
        assert_int_equal(r.status, refusals[i].status);
        assert_int_equal(reader_left(&r), 0);
    }
}

static void segments_of_data_need_their_number_first(void **state) {
    (void)state;
    struct module_decl decl = decl_with(FEATURES_ALL);
    decl.has_data_count = false;
    static const struct text texts[] = {TEXT("\xfc\x08\x00\x00"), TEXT("\xfc\x09\x00")};
    for (usize i = 0; i < COUNT_OF(texts); i++) {
        struct insn insn;
        struct reader r = read_one(texts[i], &decl, &insn);
        assert_int_equal(r.status, ERR_MALFORMED);
        assert_string_equal(r.error, "data count section required");
    }
}

static void instructions_of_proposals_that_are_off_are_refused(void **state) {
    (void)state;
    for (u32 op = 0; op < OP_COUNT; op++) {
        if (wasm_ops[op].feature == 0)
            continue;
        u32 code = wasm_ops[op].code;
        char bytes[8] = {};
        usize at = 0;
        if (code >= 0x100)
            bytes[at++] = (char)(code >> 12);
        code &= 0xfff;
        if (code >= 0x80 && at != 0)
            bytes[at++] = (char)(code | 0x80), code >>= 7;
        bytes[at] = (char)code;
        struct module_decl decl = decl_with(FEATURES_ALL & ~wasm_ops[op].feature);
        struct insn insn;
        struct reader r = read_one((struct text){bytes, sizeof(bytes)}, &decl, &insn);
        assert_int_equal(r.status, ERR_UNSUPPORTED);
        assert_non_null(strstr(r.error, "is switched off"));
        assert_int_equal(r.error_offset, 0);
    }
    struct module_decl decl = decl_with(FEATURES_ALL & ~(u32)FEATURE_MULTI_VALUE);
    struct insn insn;
    struct reader r = read_one((struct text)TEXT("\x02\x01"), &decl, &insn);
    assert_string_equal(r.error, "proposal multi-value is switched off");
}

// -- Locals --------------------------------------------------------------------------------------

static struct reader read_locals(struct text text, enum value_type **locals, u32 *count) {
    static struct func_decl func = {.type = 1}; // one parameter: i32
    struct module_decl decl = decl_with(FEATURES_ALL);
    decl.funcs = &func;
    decl.func_count = 1;
    struct reader r;
    const u8 *bytes = (const u8 *)text.bytes;
    reader_init(&r, bytes, (struct bytes){bytes, text.len});
    insn_read_locals(&r, &decl, 0, locals, count);
    return r;
}

static void locals_follow_parameters(void **state) {
    (void)state;
    enum value_type *locals;
    u32 count;
    struct reader r =
        read_locals((struct text)TEXT("\x03\x02\x7c\x00\x7e\x01\x70"), &locals, &count);
    assert_int_equal(r.status, OK);
    assert_int_equal(count, 4);
    static const u8 expected[] = {VALUE_I32, VALUE_F64, VALUE_F64, VALUE_FUNCREF};
    assert_memory_equal(locals, expected, sizeof(expected));
    host_free(locals, count);
}

static void too_many_locals_are_refused_before_there_is_memory(void **state) {
    (void)state;
    static const struct {
        struct text text;
        enum status status;
        const char *error;
    } cases[] = {
        // 49999 and the parameter are the limit.
        {TEXT("\x01\xcf\x86\x03\x7f"), OK, NULL},
        {TEXT("\x01\xd0\x86\x03\x7f"), ERR_LIMIT, "too many locals: the limit is"},
        {TEXT("\x02\x01\x7f\xcf\x86\x03\x7f"), ERR_LIMIT, "too many locals: the limit is"},
        {TEXT("\x02\xff\xff\xff\xff\x0f\x7f\x01\x7f"), ERR_MALFORMED, "too many locals"},
        {TEXT("\x01\xff\xff\xff\xff\x0f\x7f"), ERR_LIMIT, "too many locals: the limit is"},
        {TEXT("\x02\x01\x7f"), ERR_TRUNCATED, "unexpected end of section or function"},
        {TEXT("\x7f\x01\x7f"), ERR_TRUNCATED, "length out of bounds"},
        {TEXT("\x01\x01\x40"), ERR_MALFORMED, "malformed value type"},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        enum value_type *locals;
        u32 count;
        u64 before = fake_host_bytes();
        fake_host_peak_reset();
        struct reader r = read_locals(cases[i].text, &locals, &count);
        assert_int_equal(r.status, cases[i].status);
        if (r.status == OK) {
            assert_int_equal(count, LIMIT_LOCALS);
        } else {
            assert_string_equal(r.error, cases[i].error);
            assert_null(locals);
            assert_int_equal(fake_host_peak(), before);
        }
        host_free(locals, count);
    }
}

static void locals_may_find_no_memory(void **state) {
    (void)state;
    enum value_type *locals;
    u32 count;
    fake_host_fail_nth(1);
    assert_int_equal(read_locals((struct text)TEXT("\x00"), &locals, &count).status, ERR_NO_MEMORY);
    fake_host_fail_nth(0);
    assert_null(locals);
    assert_int_equal(count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_are_read),
        cmocka_unit_test(constants_are_read),
        cmocka_unit_test(memory_accesses_are_read),
        cmocka_unit_test(memory_accesses_name_their_memory),
        cmocka_unit_test(without_multi_memory_and_memory64_the_older_form_is_read),
        cmocka_unit_test(vectors_are_read),
        cmocka_unit_test(catch_clauses_can_be_walked),
        cmocka_unit_test(block_types_are_read),
        cmocka_unit_test(labels_can_be_walked),
        cmocka_unit_test(refusals_say_what),
        cmocka_unit_test(segments_of_data_need_their_number_first),
        cmocka_unit_test(instructions_of_proposals_that_are_off_are_refused),
        cmocka_unit_test(locals_follow_parameters),
        cmocka_unit_test(too_many_locals_are_refused_before_there_is_memory),
        cmocka_unit_test(locals_may_find_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
