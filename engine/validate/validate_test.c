// Tests of the validator: bodies that are valid and bodies that are not, with the text and the
// place of the refusal; the limits of its stacks; running out of memory.
//
// A body is written as its bytes: the locals (mostly "\0", none), then the code.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/validate/validate.h"
#include "tests/fake_host.h"
#include "tests/wasm_build.h"

// The module around a body: function 1 is the one under test.
#define NONE_NONE 0 // () -> ()
#define I32_I32   1 // (i32) -> (i32)
#define NONE_PAIR 2 // () -> (i32 i64)
#define PAIR_PAIR 3 // (i32 i64) -> (i32 i64)
#define NONE_I32  4 // () -> (i32)
#define NONE_FUNC 5 // () -> (funcref)
#define NONE_F64  6 // () -> (f64)

static const struct wasm_part types_part = PART(
    1, "\7\x60\0\0\x60\1\x7f\1\x7f\x60\0\2\x7f\x7e\x60\2\x7f\x7e\2\x7f\x7e\x60\0\1\x7f\x60\0\1\x70"
       "\x60\0\1\x7c");

static const struct wasm_part before_code[] = {
    PART(4, "\2\x70\0\1\x6f\0\1"),                 // table 0: funcref, table 1: externref
    PART(5, "\1\0\1"),                             // a memory
    PART(6, "\2\x7f\0\x41\0\x0b\x7e\1\x42\0\x0b"), // global 0: i32, global 1: mutable i64
    PART(9, "\2\1\0\1\0\5\x6f\0"),                 // elements 0: funcref (function 0), 1: externref
    PART(12, "\1"),
};
static const struct wasm_part after_code[] = {PART(11, "\1\1\0")};

struct body {
    const char *bytes;
    usize len;
};
#define BODY(literal) {(literal), sizeof(literal) - 1}

static enum status try_body(u8 type, struct body body, bool bare, struct module_error *error) {
    struct wasm_build b;
    wasm_build_begin(&b);
    wasm_build_section(&b, types_part);
    wasm_build_section(&b, (struct wasm_part)PART(2, "\1\0\0\0\0")); // function 0: () -> ()
    const char func[] = {1, (char)type};
    wasm_build_section(&b, (struct wasm_part){3, func, 2});
    for (usize i = 0; !bare && i < COUNT_OF(before_code); i++)
        wasm_build_section(&b, before_code[i]);
    wasm_build_code(&b, body.bytes, body.len);
    for (usize i = 0; !bare && i < COUNT_OF(after_code); i++)
        wasm_build_section(&b, after_code[i]);

    struct module_decl *decl = NULL;
    enum status status = module_decode(wasm_build_end(&b), FEATURES_ALL, error, &decl);
    if (status != OK)
        return status;
    status = validate_module(decl, error);
    if (status != OK)
        error->offset -= decl->funcs[1].body_offset;
    module_decl_destroy(decl);
    return status;
}

static const struct valid_case {
    const char *name;
    u8 type;
    struct body body;
} valid[] = {
    {"empty", NONE_NONE, BODY("\0\x0b")},
    {"constants and drops", NONE_NONE, BODY("\0\x41\0\x1a\x42\0\x1a\x43\0\0\0\0\x1a\x0b")},
    {"the parameter is a local", I32_I32, BODY("\0\x20\0\x0b")},
    {"locals", I32_I32, BODY("\1\2\x7e\x42\7\x22\1\x21\2\x20\2\xa7\x0b")},
    {"fixed types", NONE_F64, BODY("\0\x41\1\xb7\x41\2\xb7\xa0\x0b")},
    {"loads and stores", NONE_NONE, BODY("\0\x41\0\x41\0\x29\3\0\x37\3\0\x0b")},
    {"block with parameters", NONE_PAIR, BODY("\0\x41\1\x42\2\x02\3\x42\3\x7c\x0b\x0b")},
    {"loop label takes parameters", NONE_NONE, BODY("\0\x41\1\x42\2\x03\3\x0c\0\x0b\x1a\x1a\x0b")},
    {"if and else", NONE_I32, BODY("\0\x41\1\x04\x7f\x41\2\x05\x41\3\x0b\x0b")},
    {"if without else keeps its parameters", I32_I32,
     BODY("\0\x20\0\x20\0\x04\1\x41\1\x6a\x0b\x0b")},
    {"branch carries results", NONE_I32, BODY("\0\x02\x7f\x41\1\x0c\0\x0b\x0b")},
    {"what lies below a branch's operands is dropped", NONE_I32,
     BODY("\0\x02\x7f\x42\0\x41\1\x0c\0\x0b\x0b")},
    {"br_if keeps its operands", NONE_I32, BODY("\0\x02\x7f\x41\1\x41\0\x0d\0\x0b\x0b")},
    {"br_table", NONE_I32, BODY("\0\x02\x7f\x41\1\x41\0\x0e\1\0\1\x0b\x0b")},
    {"return", NONE_PAIR, BODY("\0\x41\1\x42\2\x0f\x0b")},
    {"calls", I32_I32, BODY("\0\x20\0\x10\1\x41\0\x11\1\0\x10\0\x0b")},
    {"select", NONE_I32, BODY("\0\x41\1\x41\2\x41\3\x1b\x0b")},
    {"select of references", NONE_FUNC, BODY("\0\xd0\x70\xd2\0\x41\3\x1c\1\x70\x0b")},
    {"globals", NONE_NONE, BODY("\0\x23\1\x24\1\x23\0\x1a\x0b")},
    {"reference tests", NONE_I32, BODY("\0\xd0\x6f\xd1\x0b")},
    {"tables", NONE_NONE,
     BODY("\0\x41\0\x41\0\x25\1\x26\1\xd0\x70\x41\1\xfc\x0f\0\x1a\x41\0\xd0\x6f\x41\1\xfc\x11\1"
          "\x0b")},
    {"bulk memory", NONE_NONE,
     BODY("\0\x41\0\x41\0\x41\0\xfc\x08\0\0\xfc\x09\0\x41\0\x41\0\x41\0\xfc\x0a\0\0"
          "\x41\0\x41\0\x41\0\xfc\x0b\0\x0b")},
    {"bulk tables", NONE_NONE,
     BODY("\0\x41\0\x41\0\x41\0\xfc\x0c\1\1\xfc\x0d\0\x41\0\x41\0\x41\0\xfc\x0e\0\0\x0b")},
    {"unreachable code gives any operands", NONE_PAIR, BODY("\0\0\x6a\x1a\x0b")},
    {"unreachable code gives any number of operands", NONE_PAIR, BODY("\0\0\x0b")},
    {"select of unknown operands", NONE_F64, BODY("\0\0\x1b\x0b")},
    {"unreachable code is that of its block only", NONE_NONE, BODY("\0\x02\x40\0\x0b\x0b")},
    {"else of an unreachable if can be reached", NONE_I32,
     BODY("\0\x41\0\x04\x7f\0\x05\x41\1\x0b\x0b")},
    {"a null in unreachable code", NONE_I32, BODY("\0\0\xd1\x0b")},
    {"labels of one arity in unreachable code", NONE_NONE,
     BODY("\0\x02\x7f\x02\x7d\0\x41\0\x0e\1\0\1\x0b\x1a\x41\0\x0b\x1a\x0b")},
};

static void valid_bodies_are_accepted(void **state) {
    (void)state;
    u64 before = fake_host_bytes();
    for (usize i = 0; i < COUNT_OF(valid); i++) {
        struct module_error error = {};
        enum status status = try_body(valid[i].type, valid[i].body, false, &error);
        if (status != OK)
            fail_msg("%s: %s at %u", valid[i].name, error.text, error.offset);
    }
    assert_int_equal(fake_host_bytes(), before);
}

static const struct invalid_case {
    const char *name;
    u8 type;
    struct body body;
    const char *text;
    u32 offset; // in the body
    enum status status;
} invalid[] = {
    {"no result", NONE_I32, BODY("\0\x0b"), "type mismatch: expected i32, found nothing", 1, 0},
    {"a result of another type", NONE_I32, BODY("\0\x42\0\x0b"),
     "type mismatch: expected i32, found i64", 3, 0},
    {"a value too many", NONE_NONE, BODY("\0\x41\0\x0b"),
     "type mismatch: values are left over at the end of a block", 3, 0},
    {"an operand missing", NONE_I32, BODY("\0\x41\0\x6a\x0b"),
     "type mismatch: expected i32, found nothing", 3, 0},
    {"an operand of another type", NONE_I32, BODY("\0\x41\0\x42\0\x6a\x0b"),
     "type mismatch: expected i32, found i64", 5, 0},
    {"operands of the block outside", NONE_I32, BODY("\0\x41\0\x02\x7f\x45\x0b\x0b"),
     "type mismatch: expected i32, found nothing", 5, 0},
    {"drop of nothing", NONE_NONE, BODY("\0\x1a\x0b"), "type mismatch", 1, 0},
    {"unreachable code still has types", NONE_I32, BODY("\0\0\x42\0\x6a\x0b"),
     "type mismatch: expected i32, found i64", 4, 0},
    {"unreachable code may not leave values", NONE_NONE, BODY("\0\0\x41\0\x0b"),
     "type mismatch: values are left over at the end of a block", 4, 0},
    {"if without else that gives a value", NONE_I32, BODY("\0\x41\0\x04\x7f\x41\1\x0b\x0b"),
     "type mismatch: if without else must not change types", 7, 0},
    {"else without if", NONE_NONE, BODY("\0\x05\x0b"), "misplaced ELSE opcode", 1, ERR_MALFORMED},
    {"else in a block", NONE_NONE, BODY("\0\x41\0\x04\x40\x02\x40\x05\x0b\x0b\x0b"),
     "misplaced ELSE opcode", 7, ERR_MALFORMED},
    {"two elses", NONE_NONE, BODY("\0\x41\0\x04\x40\x05\x05\x0b\x0b"), "misplaced ELSE opcode", 6,
     ERR_MALFORMED},
    {"no end", NONE_NONE, BODY("\0\1"), "unexpected end of section or function", 2, ERR_TRUNCATED},
    {"an empty body", NONE_NONE, BODY(""), "unexpected end of section or function", 0,
     ERR_TRUNCATED},
    {"code after the end", NONE_NONE, BODY("\0\x0b\1"),
     "section size mismatch: code after the function's end", 2, ERR_MALFORMED},
    {"two ends", NONE_NONE, BODY("\0\x0b\x0b"),
     "section size mismatch: code after the function's end", 2, ERR_MALFORMED},
    {"label", NONE_NONE, BODY("\0\x0c\1\x0b"), "unknown label 1", 1, 0},
    {"label of br_if", NONE_NONE, BODY("\0\x41\0\x0d\1\x0b"), "unknown label 1", 3, 0},
    {"label of br_table", NONE_NONE, BODY("\0\x41\0\x0e\1\0\1\x0b"), "unknown label 1", 3, 0},
    {"br_table of two arities", NONE_NONE, BODY("\0\x02\x7f\x41\0\x41\0\x0e\1\0\1\x0b\x1a\x0b"),
     "type mismatch: labels of a br_table differ", 7, 0},
    {"br_table of two types", NONE_NONE,
     BODY("\0\x02\x7e\x02\x7f\x41\0\x41\0\x0e\1\0\1\x0b\x1a\x42\0\x0b\x1a\x0b"),
     "type mismatch: expected i64, found i32", 9, 0},
    {"loop label takes parameters", NONE_NONE, BODY("\0\x41\0\x03\1\x1a\x0c\0\x0b\x1a\x0b"),
     "type mismatch: expected i32, found nothing", 6, 0},
    {"local", I32_I32, BODY("\0\x20\1\x0b"), "unknown local 1", 1, 0},
    {"local.set of another type", NONE_NONE, BODY("\1\1\x7f\x42\0\x21\0\x0b"),
     "type mismatch: expected i32, found i64", 5, 0},
    {"global", NONE_NONE, BODY("\0\x23\2\x1a\x0b"), "unknown global 2", 1, 0},
    {"immutable global", NONE_NONE, BODY("\0\x41\0\x24\0\x0b"), "global is immutable", 3, 0},
    {"function", NONE_NONE, BODY("\0\x10\2\x0b"), "unknown function 2", 1, 0},
    {"type of call_indirect", NONE_NONE, BODY("\0\x41\0\x11\7\0\x0b"), "unknown type 7", 3, 0},
    {"table of call_indirect", NONE_NONE, BODY("\0\x41\0\x11\0\2\x0b"), "unknown table 2", 3, 0},
    {"call_indirect of external references", NONE_NONE, BODY("\0\x41\0\x11\0\1\x0b"),
     "type mismatch: expected funcref, found externref", 3, 0},
    {"alignment", NONE_I32, BODY("\0\x41\0\x28\3\0\x0b"),
     "alignment must not be larger than natural", 3, 0},
    {"alignment of a byte", NONE_I32, BODY("\0\x41\0\x2c\1\0\x0b"),
     "alignment must not be larger than natural", 3, 0},
    {"select of two types", NONE_NONE, BODY("\0\x41\0\x42\0\x41\0\x1b\x1a\x0b"),
     "type mismatch: expected i32, found i64", 7, 0},
    {"select of references without type", NONE_NONE, BODY("\0\xd0\x70\xd0\x70\x41\0\x1b\x1a\x0b"),
     "type mismatch: select of references must name their type", 7, 0},
    {"ref.is_null of a number", NONE_NONE, BODY("\0\x41\0\xd1\x1a\x0b"),
     "type mismatch: expected a reference", 3, 0},
    {"reference that is not declared", NONE_NONE, BODY("\0\xd2\1\x1a\x0b"),
     "undeclared function reference", 1, 0},
    {"reference to no function", NONE_NONE, BODY("\0\xd2\2\x1a\x0b"), "unknown function 2", 1, 0},
    {"table.set of another reference", NONE_NONE, BODY("\0\x41\0\xd0\x6f\x26\0\x0b"),
     "type mismatch: expected funcref, found externref", 5, 0},
    {"table.size", NONE_NONE, BODY("\0\xfc\x10\2\x1a\x0b"), "unknown table 2", 1, 0},
    {"data segment", NONE_NONE, BODY("\0\xfc\x09\1\x0b"), "unknown data segment 1", 1, 0},
    {"element segment", NONE_NONE, BODY("\0\xfc\x0d\2\x0b"), "unknown elem segment 2", 1, 0},
    {"table.init of another type", NONE_NONE, BODY("\0\x41\0\x41\0\x41\0\xfc\x0c\1\0\x0b"),
     "type mismatch: expected funcref, found externref", 7, 0},
    {"table.copy of another type", NONE_NONE, BODY("\0\x41\0\x41\0\x41\0\xfc\x0e\0\1\x0b"),
     "type mismatch: expected funcref, found externref", 7, 0},
    {"too many locals", NONE_NONE, BODY("\1\xff\xff\3\x7f\x0b"),
     "too many locals: the limit is 50000", 0, ERR_LIMIT},
};

static void invalid_bodies_are_refused(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(invalid); i++) {
        const struct invalid_case *c = &invalid[i];
        struct module_error error = {};
        enum status status = try_body(c->type, c->body, false, &error);
        if (status == OK)
            fail_msg("%s: accepted", c->name);
        if (strcmp(error.text, c->text) != 0 || error.offset != c->offset)
            fail_msg("%s: %s at %u", c->name, error.text, error.offset);
        assert_int_equal(status, c->status == OK ? ERR_INVALID : c->status);
        assert_int_equal(error.status, status);
        assert_int_equal(error.func, 1);
    }
}

// The same module without a memory, tables, globals and segments.
static const struct invalid_case missing[] = {
    {"load", NONE_NONE, BODY("\0\x41\0\x28\2\0\x1a\x0b"), "unknown memory 0", 3, 0},
    {"memory.size", NONE_NONE, BODY("\0\x3f\0\x1a\x0b"), "unknown memory 0", 1, 0},
    {"memory.grow", NONE_NONE, BODY("\0\x41\0\x40\0\x1a\x0b"), "unknown memory 0", 3, 0},
    {"memory.fill", NONE_NONE, BODY("\0\x41\0\x41\0\x41\0\xfc\x0b\0\x0b"), "unknown memory 0", 7,
     0},
    {"memory.copy", NONE_NONE, BODY("\0\x41\0\x41\0\x41\0\xfc\x0a\0\0\x0b"), "unknown memory 0", 7,
     0},
    {"memory.init", NONE_NONE, BODY("\0\xfc\x08\0\0\x0b"), "data count section required", 1,
     ERR_MALFORMED},
    {"call_indirect", NONE_NONE, BODY("\0\x41\0\x11\0\0\x0b"), "unknown table 0", 3, 0},
    {"table.get", NONE_NONE, BODY("\0\x41\0\x25\0\x0b"), "unknown table 0", 3, 0},
    {"table.init", NONE_NONE, BODY("\0\xfc\x0c\0\0\x0b"), "unknown table 0", 1, 0},
    {"elem.drop", NONE_NONE, BODY("\0\xfc\x0d\0\x0b"), "unknown elem segment 0", 1, 0},
    {"global.get", NONE_NONE, BODY("\0\x23\0\x0b"), "unknown global 0", 1, 0},
};

static void what_a_module_lacks_cannot_be_used(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(missing); i++) {
        const struct invalid_case *c = &missing[i];
        struct module_error error = {};
        enum status status = try_body(c->type, c->body, true, &error);
        assert_int_equal(status, c->status == OK ? ERR_INVALID : c->status);
        assert_string_equal(error.text, c->text);
    }
}

// -- The proposals of the 3.0 generation ---------------------------------------------------------

#define VEC_VEC  0 // (v128) -> (v128)
#define CARRIES  1 // (i32 i64) -> (): a tag's
#define NOTHING  2 // () -> ()
#define GIVES    3 // () -> (i32 i64)
#define GIVES_E  4 // () -> (i32 i64 exnref)
#define EXN_ONLY 5 // () -> (exnref)
#define WIDE     6 // (i64) -> (i64)
#define NARROW   7 // () -> (i32)

// Function 0: () -> (), function 1: the one under test, function 2: (i64) -> (i64).
static const struct wasm_part new_before_code[] = {
    PART(1, "\x08\x60\1\x7b\1\x7b\x60\2\x7f\x7e\0\x60\0\0\x60\0\2\x7f\x7e\x60\0\3\x7f\x7e\x69"
            "\x60\0\1\x69\x60\1\x7e\1\x7e\x60\0\1\x7f"),
    PART(2, "\2\0\0\0\2\0\0\4\0\1"), // a function; tag 0: i32 i64
};
static const struct wasm_part new_after_funcs[] = {
    PART(4, "\3\x70\0\1\x70\4\1\x69\0\1"), // tables: of functions, one of 64 bits; of exceptions
    PART(5, "\3\0\1\4\1\3\1\2"),           // memories: 0, 1 of 64 bits, 2 shared
    PART(13, "\1\0\2"),                    // tag 1: nothing
    PART(9, "\1\1\0\1\0"),
    PART(12, "\1"),
};

static enum status try_new(u8 type, struct body body, struct module_error *error) {
    struct wasm_build b;
    wasm_build_begin(&b);
    for (usize i = 0; i < COUNT_OF(new_before_code); i++)
        wasm_build_section(&b, new_before_code[i]);
    const char funcs[] = {2, (char)type, WIDE};
    wasm_build_section(&b, (struct wasm_part){3, funcs, 3});
    for (usize i = 0; i < COUNT_OF(new_after_funcs); i++)
        wasm_build_section(&b, new_after_funcs[i]);
    struct wasm_build code = {};
    wasm_build_leb(&code, 2);
    wasm_build_leb(&code, body.len);
    wasm_build_bytes(&code, body.bytes, body.len);
    wasm_build_bytes(&code, "\4\0\x20\0\x0b", 5);
    wasm_build_section(&b, (struct wasm_part){10, (const char *)code.bytes, code.len});
    wasm_build_section(&b, (struct wasm_part)PART(11, "\1\1\0"));

    struct module_decl *decl = NULL;
    enum status status = module_decode(wasm_build_end(&b), FEATURES_ALL, error, &decl);
    if (status != OK)
        return status;
    status = validate_module(decl, error);
    if (status != OK)
        error->offset -= decl->funcs[1].body_offset;
    module_decl_destroy(decl);
    return status;
}

#define V128 "\xfd\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct valid_case new_valid[] = {
    // Vectors.
    {"vector parameter", VEC_VEC, BODY("\0\x20\0\x0b")},
    {"vector arithmetic", VEC_VEC, BODY("\0\x20\0\x20\0\xfd\xae\1\x0b")},
    {"vector locals and select", VEC_VEC, BODY("\1\1\x7b\x20\0\x20\1\x41\0\x1b\x0b")},
    {"vector block", VEC_VEC, BODY("\0\x02\x7b\x20\0\x0c\0\x0b\x0b")},
    {"lanes", VEC_VEC, BODY("\0\x20\0\x20\0\xfd\x16\x0f\xfd\x17\0\x0b")},
    {"lanes of 64 bits", VEC_VEC, BODY("\0\x20\0\x20\0\xfd\x1d\1\xfd\x1e\1\x0b")},
    {"lanes of floats", VEC_VEC, BODY("\0\x20\0\x20\0\xfd\x21\1\xfd\x22\0\x0b")},
    {"shifts", VEC_VEC, BODY("\0\x20\0\x41\1\xfd\x6b\x0b")},
    {"truth", NARROW, BODY("\0" V128 "\xfd\x53\x0b")},
    {"shuffle", VEC_VEC,
     BODY("\0\x20\0\x20\0\xfd\x0d\0\1\2\3\4\5\6\7\x10\x11\x12\x13\x1c\x1d\x1e\x1f\x0b")},
    {"vector memory", VEC_VEC, BODY("\0\x41\0\x20\0\xfd\x0b\4\0\x41\0\xfd\0\4\0\x0b")},
    {"lane of memory", VEC_VEC, BODY("\0\x41\0\x20\0\xfd\x57\3\0\1\x0b")},
    {"lane to memory of 64 bits", NOTHING, BODY("\0\x42\0" V128 "\xfd\x58\x40\1\0\x0f\x0b")},
    {"bitselect", VEC_VEC, BODY("\0\x20\0\x20\0\x20\0\xfd\x52\x0b")},
    {"relaxed", VEC_VEC, BODY("\0\x20\0\x20\0\x20\0\xfd\x85\2\x0b")},
    // Tail calls.
    {"return_call", WIDE, BODY("\0\x20\0\x12\2\x0b")},
    {"return_call ends its block", NARROW, BODY("\0\x41\0\x04\x7f\x12\1\x05\x41\1\x0b\x0b")},
    {"return_call_indirect", WIDE, BODY("\0\x20\0\x41\0\x13\6\0\x0b")},
    {"return_call_indirect of a table of 64 bits", WIDE, BODY("\0\x20\0\x20\0\x13\6\1\x0b")},
    // Memories and tables.
    {"load of another memory", WIDE, BODY("\0\x20\0\x29\x43\1\x80\x80\x80\x80\x10\x0b")},
    {"copy from 64 to 32 bits", NOTHING, BODY("\0\x41\0\x42\0\x41\0\xfc\x0a\0\1\x0b")},
    {"copy from 32 to 64 bits", NOTHING, BODY("\0\x42\0\x41\0\x41\0\xfc\x0a\1\0\x0b")},
    {"copy within 64 bits", NOTHING, BODY("\0\x42\0\x42\0\x42\0\xfc\x0a\1\1\x0b")},
    {"fill of 64 bits", NOTHING, BODY("\0\x42\0\x41\0\x42\0\xfc\x0b\1\x0b")},
    {"init of 64 bits", NOTHING, BODY("\0\x42\0\x41\0\x41\0\xfc\x08\0\1\x0b")},
    {"size and growth of 64 bits", WIDE, BODY("\0\x3f\1\x40\1\x0b")},
    {"table of 64 bits", NOTHING,
     BODY("\0\x42\0\x42\0\x25\1\x26\1\xd0\x70\xfc\x10\1\xfc\x0f\1\xd0\x70\x42\1\xfc\x11\1\x0b")},
    {"table.init and table.copy of 64 bits", NOTHING,
     BODY("\0\x42\0\x41\0\x41\0\xfc\x0c\0\1\x42\0\x41\0\x41\0\xfc\x0e\1\0\x0b")},
    // Atomics.
    {"atomic add", NARROW, BODY("\0\x41\0\x41\1\xfe\x1e\2\0\x0b")},
    {"atomic compare and exchange of a shared memory", WIDE,
     BODY("\0\x41\0\x20\0\x20\0\xfe\x4e\x42\2\0\x0b")},
    {"wait", NARROW, BODY("\0\x41\0\x42\0\x42\0\xfe\2\3\0\x0b")},
    {"notify of 64 bits", NARROW, BODY("\0\x42\0\x41\0\xfe\0\x42\1\0\x0b")},
    {"fence", NOTHING, BODY("\0\xfe\3\0\x0b")},
    // Exceptions.
    {"throw", NARROW, BODY("\0\x41\0\x42\0\x08\0\x0b")},
    {"throw_ref", NARROW, BODY("\0\xd0\x69\x0a\x0b")},
    {"try_table without catches", NARROW, BODY("\0\x1f\x7f\0\x41\0\x0b\x0b")},
    {"catch", GIVES, BODY("\0\x02\3\x1f\x40\1\0\0\0\x0b\0\x0b\x0b")},
    {"catch to the function", GIVES, BODY("\0\x1f\3\1\0\0\0\0\x0b\x0b")},
    {"catch_ref", GIVES_E, BODY("\0\x02\4\x1f\x40\1\1\0\0\x0b\0\x0b\x0b")},
    {"catch_all", NOTHING, BODY("\0\x02\x40\x1f\x40\1\2\0\x0b\x0b\x0b")},
    {"catch_all_ref", EXN_ONLY, BODY("\0\x02\x69\x1f\x40\1\3\0\x0b\0\x0b\x0b")},
    {"table of exceptions", EXN_ONLY, BODY("\0\x41\0\x25\2\x0b")},
    // The older form.
    {"try and catch", GIVES, BODY("\0\x06\3\x41\0\x42\0\x07\0\x0b\x0b")},
    {"several catches", NARROW, BODY("\0\x06\x7f\x41\0\x07\0\x1a\x07\1\x41\1\x19\x41\2\x0b\x0b")},
    {"try alone", NARROW, BODY("\0\x06\x7f\x41\0\x0b\x0b")},
    {"catch after code that cannot be reached", NARROW, BODY("\0\x06\x7f\0\x19\x41\0\x0b\x0b")},
    {"delegate to the caller", NARROW, BODY("\0\x06\x7f\x41\0\x18\0\x0b")},
    {"delegate outwards", NARROW, BODY("\0\x06\x7f\x06\x7f\x41\0\x18\0\x19\x41\1\x0b\x0b")},
    {"rethrow", NOTHING, BODY("\0\x06\x40\x19\x09\0\x0b\x0b")},
    {"rethrow through a block", NOTHING, BODY("\0\x06\x40\x07\1\x02\x40\x09\1\x0b\x0b\x0b")},
};

static const struct invalid_case new_invalid[] = {
    {"vector for a number", NARROW, BODY("\0" V128 "\x0b"),
     "type mismatch: expected i32, found v128", 19, 0},
    {"lane of bytes", NOTHING, BODY("\0" V128 "\xfd\x15\x10\x1a\x0b"), "invalid lane index", 19, 0},
    {"lane of 64 bits", NOTHING, BODY("\0" V128 "\xfd\x1d\2\x1a\x0b"), "invalid lane index", 19, 0},
    {"lane of memory", NOTHING, BODY("\0\x41\0" V128 "\xfd\x56\0\0\4\x1a\x0b"),
     "invalid lane index", 21, 0},
    {"lane of a shuffle", VEC_VEC,
     BODY("\0\x20\0\x20\0\xfd\x0d\0\1\2\3\4\5\6\7\x10\x11\x12\x13\x1c\x1d\x1e\x20\x0b"),
     "invalid lane index", 5, 0},
    {"alignment of a vector", VEC_VEC, BODY("\0\x41\0\xfd\0\5\0\x0b"),
     "alignment must not be larger than natural", 3, 0},
    {"alignment of a lane", VEC_VEC, BODY("\0\x41\0\x20\0\xfd\x54\1\0\0\x0b"),
     "alignment must not be larger than natural", 5, 0},
    {"alignment of a splat", VEC_VEC, BODY("\0\x41\0\xfd\x09\3\0\x0b"),
     "alignment must not be larger than natural", 3, 0},
    {"tail call of another result", NARROW, BODY("\0\x42\0\x12\2\x0b"),
     "type mismatch: expected i32, found i64", 3, 0},
    {"tail call without result", NARROW, BODY("\0\x12\0\x0b"),
     "type mismatch: results of a tail call", 1, 0},
    {"tail call of an unknown function", NARROW, BODY("\0\x12\3\x0b"), "unknown function 3", 1, 0},
    {"tail call of a table of exceptions", NARROW, BODY("\0\x41\0\x13\7\2\x0b"),
     "type mismatch: expected funcref, found exnref", 3, 0},
    {"index of 32 bits into a table of 64", NARROW, BODY("\0\x41\0\x13\7\1\x0b"),
     "type mismatch: expected i64, found i32", 3, 0},
    {"memory", NARROW, BODY("\0\x41\0\x28\x42\3\0\x0b"), "unknown memory 3", 3, 0},
    {"address of 32 bits", NARROW, BODY("\0\x41\0\x28\x42\1\0\x0b"),
     "type mismatch: expected i64, found i32", 3, 0},
    {"address of 64 bits", NARROW, BODY("\0\x42\0\x28\2\0\x0b"),
     "type mismatch: expected i32, found i64", 3, 0},
    {"offset of 33 bits", NARROW, BODY("\0\x41\0\x28\2\x80\x80\x80\x80\x10\x0b"),
     "offset out of range", 3, 0},
    {"size of 64 bits", NARROW, BODY("\0\x3f\1\x0b"), "type mismatch: expected i32, found i64", 3,
     0},
    {"length of a mixed copy", NOTHING, BODY("\0\x41\0\x42\0\x42\0\xfc\x0a\0\1\x0b"),
     "type mismatch: expected i32, found i64", 7, 0},
    {"length of a mixed table copy", NOTHING, BODY("\0\x42\0\x41\0\x42\0\xfc\x0e\1\0\x0b"),
     "type mismatch: expected i32, found i64", 7, 0},
    {"alignment of an atomic, too small", NARROW, BODY("\0\x41\0\xfe\x10\1\0\x0b"),
     "atomic alignment must be natural", 3, 0},
    {"alignment of an atomic, too large", NARROW, BODY("\0\x41\0\xfe\x12\1\0\x0b"),
     "atomic alignment must be natural", 3, 0},
    {"tag", NOTHING, BODY("\0\x08\2\x0b"), "unknown tag 2", 1, 0},
    {"what is thrown", NOTHING, BODY("\0\x42\0\x08\0\x0b"),
     "type mismatch: expected i32, found nothing", 3, 0},
    {"throw_ref of another reference", NOTHING, BODY("\0\xd0\x70\x0a\x0b"),
     "type mismatch: expected exnref, found funcref", 3, 0},
    {"catch of an unknown tag", NOTHING, BODY("\0\x1f\x40\1\0\2\0\x0b\x0b"), "unknown tag 2", 1, 0},
    {"catch to an unknown label", NOTHING, BODY("\0\x1f\x40\1\2\1\x0b\x0b"), "unknown label 1", 1,
     0},
    {"label of a catch is counted from outside", GIVES,
     BODY("\0\x02\x40\x1f\3\1\0\0\0\0\x0b\0\x0b\0\x0b"),
     "type mismatch: a catch clause and its label differ in their number of types", 3, 0},
    {"catch to a label of other types", NARROW, BODY("\0\x1f\x40\1\3\0\x0b\0\x0b"),
     "type mismatch: expected i32, found exnref", 1, 0},
    {"catch_ref to a label without", GIVES, BODY("\0\x1f\x40\1\1\0\0\x0b\0\x0b"),
     "type mismatch: a catch clause and its label differ in their number of types", 1, 0},
    {"catch without try", NOTHING, BODY("\0\x07\1\x0b"), "misplaced CATCH opcode", 1,
     ERR_MALFORMED},
    {"catch after catch_all", NOTHING, BODY("\0\x06\x40\x19\x07\1\x0b\x0b"),
     "misplaced CATCH opcode", 4, ERR_MALFORMED},
    {"two catch_all", NOTHING, BODY("\0\x06\x40\x19\x19\x0b\x0b"), "misplaced CATCH_ALL opcode", 4,
     ERR_MALFORMED},
    {"catch in a try_table", NOTHING, BODY("\0\x1f\x40\0\x19\x0b\x0b"),
     "misplaced CATCH_ALL opcode", 4, ERR_MALFORMED},
    {"result of a catch", NARROW, BODY("\0\x06\x7f\x41\0\x19\x0b\x0b"),
     "type mismatch: expected i32, found nothing", 6, 0},
    {"result of a try with catches", NARROW, BODY("\0\x06\x7f\x19\x41\0\x0b\x0b"),
     "type mismatch: expected i32, found nothing", 3, 0},
    {"delegate after catch", NOTHING, BODY("\0\x06\x40\x07\1\x18\0\x0b"),
     "misplaced DELEGATE opcode", 5, ERR_MALFORMED},
    {"delegate in a block", NOTHING, BODY("\0\x02\x40\x18\0\x0b"), "misplaced DELEGATE opcode", 3,
     ERR_MALFORMED},
    {"delegate to an unknown label", NOTHING, BODY("\0\x06\x40\x18\1\x0b"), "unknown label 1", 3,
     0},
    {"rethrow to a block", NOTHING, BODY("\0\x02\x40\x09\0\x0b\x0b"), "invalid rethrow label", 3,
     0},
    {"rethrow in the try itself", NOTHING, BODY("\0\x06\x40\x09\0\x19\x0b\x0b"),
     "invalid rethrow label", 3, 0},
};

static void valid_bodies_of_new_proposals_are_accepted(void **state) {
    (void)state;
    u64 before = fake_host_bytes();
    for (usize i = 0; i < COUNT_OF(new_valid); i++) {
        struct module_error error = {};
        enum status status = try_new(new_valid[i].type, new_valid[i].body, &error);
        if (status != OK)
            fail_msg("%s: %s at %u", new_valid[i].name, error.text, error.offset);
    }
    assert_int_equal(fake_host_bytes(), before);
}

static void invalid_bodies_of_new_proposals_are_refused(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(new_invalid); i++) {
        const struct invalid_case *c = &new_invalid[i];
        struct module_error error = {};
        enum status status = try_new(c->type, c->body, &error);
        if (status == OK)
            fail_msg("%s: accepted", c->name);
        if (strcmp(error.text, c->text) != 0 || error.offset != c->offset)
            fail_msg("%s: %s at %u", c->name, error.text, error.offset);
        assert_int_equal(status, c->status == OK ? ERR_INVALID : c->status);
    }
}

// -- What a compiler asks ------------------------------------------------------------------------

static void drop_and_select_tell_their_type(void **state) {
    (void)state;
    struct wasm_build b;
    wasm_build_begin(&b);
    wasm_build_section(&b, types_part);
    wasm_build_section(&b, (struct wasm_part)PART(3, "\1\0"));
    // f64 drop; f32 f32 i32 select drop; unreachable drop
    static const struct body body =
        BODY("\0\x44\0\0\0\0\0\0\0\0\x1a\x43\0\0\0\0\x43\0\0\0\0\x41\0\x1b"
             "\x1a\0\x1a\x0b");
    wasm_build_code(&b, body.bytes, body.len);
    struct module_error error;
    struct module_decl *decl = NULL;
    assert_int_equal(module_decode(wasm_build_end(&b), FEATURES_ALL, &error, &decl), OK);

    static const u8 expected[] = {VALUE_F64, VALUE_F32, VALUE_F32, 0};
    u32 seen = 0;
    bool reachable = true;
    struct validator v = {};
    validator_begin(&v, decl, 0);
    while (!validator_done(&v)) {
        struct insn insn;
        insn_read(&v.reader, decl, &insn);
        assert_int_equal(validator_reachable(&v), reachable);
        assert_true(validator_step(&v, &insn));
        if (insn.op == OP_DROP || insn.op == OP_SELECT)
            assert_int_equal(v.operand_type, expected[seen++]);
        reachable &= insn.op != OP_UNREACHABLE;
    }
    assert_int_equal(validator_end(&v, &error), OK);
    assert_int_equal(seen, 4);
    validator_fini(&v);
    module_decl_destroy(decl);
}

// -- Limits and memory ---------------------------------------------------------------------------

// Decodes one function of type () -> () with `body`, which may be large, and validates it.
static enum status validate_large(const u8 *body, u32 len, struct module_error *error) {
    static const u8 head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10};
    usize total = sizeof(head) + 11 + len;
    u8 *wasm = test_malloc(total);
    memcpy(wasm, head, sizeof(head));
    u8 *at = wasm + sizeof(head);
    u32 numbers[] = {len + 6, 1, len};
    for (u32 i = 0; i < 3; i++) {
        for (u32 byte = 0; byte < (i == 1 ? 1u : 5u); byte++)
            *at++ = (u8)((numbers[i] >> 7 * byte & 0x7f) | (i != 1 && byte < 4 ? 0x80 : 0));
    }
    memcpy(at, body, len);
    struct module_decl *decl = NULL;
    enum status status = module_decode((struct bytes){wasm, total}, FEATURES_ALL, error, &decl);
    if (status == OK)
        status = validate_module(decl, error);
    module_decl_destroy(decl);
    test_free(wasm);
    return status;
}

// `count` times the two bytes, between the (no) locals and the ends.
static enum status repeat(u8 first, u8 second, u32 count, u32 end_count,
                          struct module_error *error) {
    u32 len = 1 + 2 * count + end_count;
    u8 *body = test_malloc(len);
    body[0] = 0;
    for (u32 i = 0; i < count; i++) {
        body[1 + 2 * i] = first;
        body[2 + 2 * i] = second;
    }
    memset(body + 1 + 2 * count, 0x0b, end_count);
    enum status status = validate_large(body, len, error);
    test_free(body);
    return status;
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    struct module_error error = {};
    u32 most = LIMIT_BLOCK_DEPTH - 1; // the function itself is a block
    assert_int_equal(repeat(0x02, 0x40, most, most + 1, &error), OK);
    assert_int_equal(repeat(0x02, 0x40, most + 1, most + 2, &error), ERR_LIMIT);
    assert_string_equal(error.text, "blocks nested too deeply: the limit is 50000");
}

static void operands_have_a_limit(void **state) {
    (void)state;
    struct module_error error = {};
    assert_int_equal(repeat(0x41, 0x00, LIMIT_OPERANDS - 1, 1, &error), ERR_INVALID);
    assert_int_equal(repeat(0x41, 0x00, LIMIT_OPERANDS + 1, 1, &error), ERR_LIMIT);
    assert_string_equal(error.text, "too many operands on the stack: the limit is 131072");
}

static void a_large_body_is_refused_by_the_decoder(void **state) {
    (void)state;
    struct module_error error = {};
    u8 *body = test_calloc(1, LIMIT_FUNCTION_BYTES + 1);
    memset(body + 1, 1, LIMIT_FUNCTION_BYTES - 2);
    body[LIMIT_FUNCTION_BYTES - 1] = 0x0b;
    assert_int_equal(validate_large(body, LIMIT_FUNCTION_BYTES, &error), OK);
    assert_int_equal(validate_large(body, LIMIT_FUNCTION_BYTES + 1, &error), ERR_LIMIT);
    assert_string_equal(error.text, "function body too large: the limit is 7654321");
    assert_int_equal(error.func, 0);
    test_free(body);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    // Locals, and enough blocks and operands for both stacks to grow.
    static u8 bytes[1 + 2 + 2 * 40 + 2 * 200 + 200 + 41];
    u8 *at = bytes;
    *at++ = 1;
    *at++ = 3;
    *at++ = 0x7f;
    for (u32 i = 0; i < 40; i++) {
        *at++ = 0x02;
        *at++ = 0x40;
    }
    for (u32 i = 0; i < 199; i++) {
        *at++ = 0x41;
        *at++ = 0;
    }
    for (u32 i = 0; i < 199; i++)
        *at++ = 0x1a;
    for (u32 i = 0; i < 41; i++)
        *at++ = 0x0b;
    struct body body = {(const char *)bytes, (usize)(at - bytes)};

    u64 before = fake_host_bytes();
    u64 n = 1;
    for (;; n++) {
        struct module_error error = {};
        fake_host_fail_nth(n);
        enum status status = try_body(NONE_NONE, body, false, &error);
        bool failed = fake_host_failed();
        fake_host_fail_nth(0);
        assert_int_equal(status, failed ? ERR_NO_MEMORY : OK);
        assert_int_equal(fake_host_bytes(), before);
        if (!failed)
            break;
        assert_string_equal(error.text, "out of memory");
    }
    assert_true(n > 6);
}

// block (result f64) block (result f32) unreachable br_table 0 1: where operands are unreachable,
// labels may differ in type since reference types, and might not before.
static void labels_may_differ_where_no_operand_is(void **state) {
    (void)state;
    static const struct body two_types = BODY("\0\x02\x7c\x02\x7d\x00\x41\1\x0e\1\0\1\x0b\x1a"
                                              "\x44\0\0\0\0\0\0\0\0\x0b\x1a\x0b");
    static const struct body one_type =
        BODY("\0\x02\x7d\x02\x7d\x00\x41\1\x0e\1\0\1\x0b\x0b\x1a\x0b");
    static const struct {
        u32 features;
        const struct body *body;
        enum status status;
    } cases[] = {
        {FEATURES_ALL, &two_types, OK},
        {FEATURE_REFERENCE_TYPES, &two_types, OK},
        {0, &two_types, ERR_INVALID},
        {0, &one_type, OK},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct wasm_build b;
        wasm_build_begin(&b);
        wasm_build_section(&b, (struct wasm_part)PART(1, "\1\x60\0\0"));
        wasm_build_section(&b, (struct wasm_part)PART(3, "\1\0"));
        wasm_build_code(&b, cases[i].body->bytes, cases[i].body->len);
        struct module_error error;
        struct module_decl *decl = NULL;
        assert_int_equal(module_decode(wasm_build_end(&b), cases[i].features, &error, &decl), OK);
        assert_int_equal(validate_module(decl, &error), cases[i].status);
        if (cases[i].status != OK)
            assert_string_equal(error.text, "type mismatch: labels of a br_table differ");
        module_decl_destroy(decl);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_bodies_are_accepted),
        cmocka_unit_test(invalid_bodies_are_refused),
        cmocka_unit_test(what_a_module_lacks_cannot_be_used),
        cmocka_unit_test(valid_bodies_of_new_proposals_are_accepted),
        cmocka_unit_test(invalid_bodies_of_new_proposals_are_refused),
        cmocka_unit_test(drop_and_select_tell_their_type),
        cmocka_unit_test(labels_may_differ_where_no_operand_is),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(operands_have_a_limit),
        cmocka_unit_test(a_large_body_is_refused_by_the_decoder),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
