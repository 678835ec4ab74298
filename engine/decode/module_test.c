// Tests of the module decoder: what it makes of each section, what it refuses and where, what a
// switched-off proposal costs, and that running out of memory leaves nothing behind.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/decode/module.h"
#include "tests/fake_host.h"
#include "tests/wasm_build.h"

#define TYPES     1
#define IMPORTS   2
#define FUNCTIONS 3
#define TABLES    4
#define MEMORIES  5
#define GLOBALS   6
#define EXPORTS   7
#define START     8
#define ELEMS     9
#define CODE      10
#define DATAS     11
#define TAGS      13
#define COUNT     12

// () -> (), and one function of it.
#define T0 PART(TYPES, "\1\x60\0\0")
#define F0 PART(FUNCTIONS, "\1\0")
#define C0 PART(CODE, "\1\2\0\x0b")

static struct bytes build(struct wasm_build *b, const struct wasm_part *parts, usize count) {
    wasm_build_begin(b);
    for (usize i = 0; i < count && parts[i].content != NULL; i++)
        wasm_build_section(b, parts[i]);
    return wasm_build_end(b);
}

// -- What is accepted ----------------------------------------------------------------------------

// Everything that a module can declare, once.
static const struct wasm_part full[] = {
    // () -> (), (i32 f64) -> (i64 i64)
    PART(TYPES, "\2\x60\0\0\x60\2\x7f\x7c\2\x7e\x7e"),
    // func 0 "m" "f", table 0, memory 0, global 0 (an immutable i32)
    PART(IMPORTS, "\4\1m\1f\0\1\1m\1t\1\x70\0\1\1m\1m\2\1\1\2\1m\1g\3\x7f\0"),
    PART(FUNCTIONS, "\3\0\1\0"),
    PART(TABLES, "\1\x6f\1\2\5"),
    // i64 = -2 (mutable), i32 = global 0, funcref = func 2, externref = null
    PART(GLOBALS, "\4\x7e\1\x42\x7e\x0b\x7f\0\x23\0\x0b\x70\0\xd2\2\x0b\x6f\0\xd0\x6f\x0b"),
    PART(EXPORTS, "\3\1a\0\0\1b\1\1\1c\3\1"),
    PART(START, "\1"),
    // all eight forms
    PART(ELEMS, "\x08"
                "\0\x41\1\x0b\1\1"
                "\1\0\1\1"
                "\2\0\x41\0\x0b\0\2\1\0"
                "\3\0\1\3"
                "\4\x41\0\x0b\1\xd0\x70\x0b"
                "\5\x70\1\xd2\1\x0b"
                "\6\1\x41\0\x0b\x6f\1\xd0\x6f\x0b"
                "\7\x6f\0"),
    PART(COUNT, "\3"),
    PART(CODE, "\3\2\0\x0b\2\0\x0b\2\0\x0b"),
    PART(DATAS, "\3\0\x23\0\x0b\2hi\1\1x\2\0\x41\7\x0b\0"),
    // module name, then function names 0 and 2
    PART(0, "\4name\0\2\1M\1\x0a\2\0\3one\2\2ab"),
};

static struct module_decl *decode(struct bytes wasm) {
    struct module_error error;
    struct module_decl *decl = NULL;
    assert_int_equal(module_decode(wasm, FEATURES_ALL, &error, &decl), OK);
    assert_non_null(decl);
    return decl;
}

static void index_spaces_hold_imports_first(void **state) {
    (void)state;
    struct wasm_build b;
    struct module_decl *decl = decode(build(&b, full, COUNT_OF(full)));

    assert_int_equal(decl->type_count, 2);
    assert_int_equal(decl->types[1].param_count, 2);
    assert_int_equal(decl->types[1].result_count, 2);
    assert_int_equal(decl->types[1].types[1], VALUE_F64);
    assert_int_equal(decl->types[1].types[3], VALUE_I64);
    assert_int_equal(decl->import_count, 4);
    assert_true(bytes_equal_text(decl->imports[3].module, "m"));
    assert_true(bytes_equal_text(decl->imports[3].name, "g"));
    assert_int_equal(decl->imports[3].kind, EXTERN_GLOBAL);
    assert_int_equal(decl->func_count, 4);
    assert_int_equal(decl->func_import_count, 1);
    assert_int_equal(decl->funcs[2].type, 1);
    assert_int_equal(decl->funcs[3].body.len, 2);
    assert_ptr_equal(decl->funcs[3].body.data, decl->bytes.data + decl->funcs[3].body_offset);
    assert_int_equal(decl->table_count, 2);
    assert_int_equal(decl->tables[0].element, VALUE_FUNCREF);
    assert_false(decl->tables[0].limits.has_max);
    assert_int_equal(decl->tables[1].element, VALUE_EXTERNREF);
    assert_int_equal(decl->tables[1].limits.min, 2);
    assert_int_equal(decl->tables[1].limits.max, 5);
    assert_int_equal(decl->memory_count, 1);
    assert_int_equal(decl->memories[0].limits.max, 2);
    assert_true(decl->has_start);
    assert_int_equal(decl->start_func, 1);
    module_decl_destroy(decl);
}

// (import "m" (item "f" func) (item "g" global i32)), (import "n" "h" func),
// (import "o" (item "t") (item "u") table) and (import "p" (no items)).
static void compact_imports_are_several(void **state) {
    (void)state;
    static const struct wasm_part parts[] = {
        PART(TYPES, "\1\x60\0\0"),
        PART(IMPORTS, "\4\1m\0\x7f\2\1f\0\0\1g\3\x7f\0\1n\1h\0\0\1o\0\x7e\1\x70\0\1\2\1t\1u\1p\0"
                      "\x7f\0"),
        PART(TABLES, "\1\x70\0\5"),
    };
    static const struct {
        const char *module;
        const char *name;
        enum extern_kind kind;
        u32 index;
    } expected[] = {
        {"m", "f", EXTERN_FUNC, 0},  {"m", "g", EXTERN_GLOBAL, 0}, {"n", "h", EXTERN_FUNC, 1},
        {"o", "t", EXTERN_TABLE, 0}, {"o", "u", EXTERN_TABLE, 1},
    };
    struct wasm_build b;
    struct module_decl *decl = decode(build(&b, parts, COUNT_OF(parts)));
    assert_int_equal(decl->import_count, COUNT_OF(expected));
    for (usize i = 0; i < COUNT_OF(expected); i++) {
        const struct import_decl *import = &decl->imports[i];
        assert_true(bytes_equal_text(import->module, expected[i].module));
        assert_true(bytes_equal_text(import->name, expected[i].name));
        assert_int_equal(import->kind, expected[i].kind);
        assert_int_equal(import->index, expected[i].index);
    }
    assert_int_equal(decl->func_import_count, 2);
    assert_int_equal(decl->table_import_count, 2);
    assert_int_equal(decl->tables[1].limits.min, 1);
    assert_int_equal(decl->tables[2].limits.min, 5);
    assert_int_equal(decl->global_import_count, 1);
    module_decl_destroy(decl);
}

static void constants_are_read(void **state) {
    (void)state;
    struct wasm_build b;
    struct module_decl *decl = decode(build(&b, full, COUNT_OF(full)));
    assert_int_equal(decl->global_count, 5);
    assert_int_equal(decl->global_import_count, 1);
    assert_false(decl->globals[0].type.is_mutable);
    assert_true(decl->globals[1].type.is_mutable);
    assert_int_equal(decl->globals[1].init.kind, CONST_VALUE);
    assert_true(decl->globals[1].init.value == (u64)-2);
    assert_int_equal(decl->globals[2].init.kind, CONST_GLOBAL);
    assert_int_equal(decl->globals[3].init.kind, CONST_REF_FUNC);
    assert_int_equal(decl->globals[3].init.index, 2);
    assert_int_equal(decl->globals[4].init.kind, CONST_REF_NULL);
    assert_int_equal(decl->globals[4].init.type, VALUE_EXTERNREF);
    module_decl_destroy(decl);
}

static void segments_of_all_forms_are_read(void **state) {
    (void)state;
    static const struct {
        enum segment_mode mode;
        enum value_type type;
        u32 table;
        u32 count;
    } elems[] = {
        {SEGMENT_ACTIVE, VALUE_FUNCREF, 0, 1},   {SEGMENT_PASSIVE, VALUE_FUNCREF, 0, 1},
        {SEGMENT_ACTIVE, VALUE_FUNCREF, 0, 2},   {SEGMENT_DECLARED, VALUE_FUNCREF, 0, 1},
        {SEGMENT_ACTIVE, VALUE_FUNCREF, 0, 1},   {SEGMENT_PASSIVE, VALUE_FUNCREF, 0, 1},
        {SEGMENT_ACTIVE, VALUE_EXTERNREF, 1, 1}, {SEGMENT_DECLARED, VALUE_EXTERNREF, 0, 0},
    };
    struct wasm_build b;
    struct module_decl *decl = decode(build(&b, full, COUNT_OF(full)));
    assert_int_equal(decl->elem_count, COUNT_OF(elems));
    for (u32 i = 0; i < COUNT_OF(elems); i++) {
        assert_int_equal(decl->elems[i].mode, elems[i].mode);
        assert_int_equal(decl->elems[i].type, elems[i].type);
        assert_int_equal(decl->elems[i].table, elems[i].table);
        assert_int_equal(decl->elems[i].count, elems[i].count);
    }
    assert_int_equal(decl->elems[0].offset.value, 1);
    assert_int_equal(decl->elems[2].items[0].index, 1);
    assert_int_equal(decl->elems[4].items[0].kind, CONST_REF_NULL);
    assert_int_equal(decl->elems[5].items[0].kind, CONST_REF_FUNC);

    assert_int_equal(decl->data_count, 3);
    assert_true(decl->has_data_count);
    assert_int_equal(decl->datas[0].offset.kind, CONST_GLOBAL);
    assert_true(bytes_equal_text(decl->datas[0].bytes, "hi"));
    assert_int_equal(decl->datas[1].mode, SEGMENT_PASSIVE);
    assert_int_equal(decl->datas[2].mode, SEGMENT_ACTIVE);
    assert_int_equal(decl->datas[2].offset.value, 7);
    module_decl_destroy(decl);
}

// Exports, segments and initial values declare references; being the start function does not.
static void declared_references_are_numbered(void **state) {
    (void)state;
    struct wasm_build b;
    struct module_decl *decl = decode(build(&b, full, COUNT_OF(full)));
    bool seen[4] = {};
    assert_int_equal(decl->func_ref_count, 4);
    for (u32 func = 0; func < 4; func++) {
        assert_in_range(decl->funcs[func].ref_index, 0, 3);
        assert_false(seen[decl->funcs[func].ref_index]);
        seen[decl->funcs[func].ref_index] = true;
    }
    module_decl_destroy(decl);

    static const struct wasm_part plain[] = {T0, F0, PART(START, "\0"), C0};
    decl = decode(build(&b, plain, COUNT_OF(plain)));
    assert_int_equal(decl->func_ref_count, 0);
    assert_int_equal(decl->funcs[0].ref_index, NO_REF);
    module_decl_destroy(decl);
}

static void names_are_found_by_index(void **state) {
    (void)state;
    struct wasm_build b;
    struct module_decl *decl = decode(build(&b, full, COUNT_OF(full)));
    assert_true(bytes_equal_text(decl_func_name(decl, 0), "one"));
    assert_int_equal(decl_func_name(decl, 1).len, 0);
    assert_true(bytes_equal_text(decl_func_name(decl, 2), "ab"));
    assert_int_equal(decl_func_name(decl, 3).len, 0);
    assert_int_equal(decl_func_name(decl, NO_FUNC).len, 0);
    module_decl_destroy(decl);
}

// Each has one function. A name section that is wrong is no reason to refuse a module.
static void broken_names_are_ignored(void **state) {
    (void)state;
    static const struct {
        struct wasm_part section;
        const char *name; // of function 0
    } cases[] = {
        {PART(0, "\4name\1\4\1\0\1f"), "f"},
        {PART(0, "\4name"), ""},
        {PART(0, "\4name\1"), ""},
        {PART(0, "\4name\1\x7f\1\0\1f"), ""},       // longer than the section
        {PART(0, "\4name\1\4\1\0\1\xff"), ""},      // not UTF-8
        {PART(0, "\4name\1\4\1\1\1f"), ""},         // no such function
        {PART(0, "\4name\1\7\2\0\1f\0\1g"), "f"},   // twice
        {PART(0, "\4name\1\7\2\0\1f\0\x55g"), "f"}, // the second is cut off
        {PART(0, "\4name\1\5\xff\xff\xff\xff\x0f"), ""},
        {PART(0, "\4name\2\1\0\1\4\1\0\1f"), "f"}, // behind another subsection
        {PART(0, "\5names\1\4\1\0\1f"), ""},       // another section
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        const struct wasm_part parts[] = {cases[i].section, T0, F0, C0};
        struct wasm_build b;
        struct module_decl *decl = decode(build(&b, parts, COUNT_OF(parts)));
        assert_true(bytes_equal_text(decl_func_name(decl, 0), cases[i].name));
        module_decl_destroy(decl);
    }
}

// -- What is refused -----------------------------------------------------------------------------

static const struct refusal_case {
    struct wasm_part parts[5];
    enum status status;
    const char *text;
    u32 offset; // 0: not looked at
} refusals[] = {
    // Sections.
    {{PART(14, "")}, ERR_MALFORMED, "malformed section id", 8},
    {{PART(TAGS, "\1\0\0")}, ERR_INVALID, "unknown type 0", 12},
    {{T0, PART(TAGS, "\1\1\0")}, ERR_MALFORMED, "malformed tag attribute", 17},
    {{PART(TYPES, "\1\x60\0\1\x7f"), PART(TAGS, "\1\0\0")},
     ERR_INVALID,
     "non-empty tag result type",
     19},
    {{T0, PART(GLOBALS, "\0"), PART(TAGS, "\0")},
     ERR_MALFORMED,
     "unexpected content after last section: section out of order or repeated",
     17},
    {{PART(TYPES, "\0"), PART(TYPES, "\0")},
     ERR_MALFORMED,
     "unexpected content after last section: section out of order or repeated",
     11},
    {{PART(FUNCTIONS, "\0"), PART(TYPES, "\0")},
     ERR_MALFORMED,
     "unexpected content after last section: section out of order or repeated",
     11},
    {{PART(CODE, "\0"), PART(COUNT, "\0")},
     ERR_MALFORMED,
     "unexpected content after last section: section out of order or repeated",
     11},
    {{PART(TYPES, "\0\0")}, ERR_MALFORMED, "section size mismatch", 11},
    {{PART(TYPES, "\1\x60\0")}, ERR_TRUNCATED, "unexpected end of section or function", 13},
    {{PART(0, "\1\xff")}, ERR_MALFORMED, "malformed UTF-8 encoding", 11},
    {{PART(0, "\5name")}, ERR_TRUNCATED, "length out of bounds", 10},
    // Types.
    {{PART(TYPES, "\1\x5f\0")},
     ERR_UNSUPPORTED,
     "malformed type form: proposal garbage collection is not supported",
     11},
    {{PART(TYPES, "\1\x40\0\0")}, ERR_MALFORMED, "malformed type form", 11},
    {{PART(TYPES, "\1\x60\1\x6e\0")},
     ERR_UNSUPPORTED,
     "malformed value type: proposal garbage collection is not supported",
     13},
    {{PART(TYPES, "\1\x60\1\x7a\0")}, ERR_MALFORMED, "malformed value type", 13},
    {{PART(TYPES, "\7\x60\0\0")}, ERR_TRUNCATED, "length out of bounds", 10},
    // Imports.
    {{PART(IMPORTS, "\1\0\0\0\0")}, ERR_INVALID, "unknown type 0", 14},
    {{PART(IMPORTS, "\1\0\0\4\0\0")}, ERR_INVALID, "unknown type 0", 15},
    {{PART(IMPORTS, "\1\0\0\5\0")}, ERR_MALFORMED, "malformed import kind", 13},
    {{PART(IMPORTS, "\1\0\1x\x7f\0")}, ERR_MALFORMED, "malformed import kind", 14},
    {{PART(IMPORTS, "\1\0\0\x7d\0")}, ERR_MALFORMED, "malformed import kind", 13},
    {{PART(IMPORTS, "\1\0\0\x7f\1\1a\x7f\0")}, ERR_MALFORMED, "malformed import kind", 17},
    {{PART(IMPORTS, "\1\0\0\x7e\0\0\0")}, ERR_INVALID, "unknown type 0", 15},
    {{PART(IMPORTS, "\1\0\0\x7f\2\1a\3\x7f\0")},
     ERR_TRUNCATED,
     "unexpected end of section or function",
     20},
    {{PART(IMPORTS, "\1\0\0\x7e\3\x7f\0\2\1a")},
     ERR_TRUNCATED,
     "unexpected end of section or function",
     20},
    {{PART(IMPORTS, "\1\0\1\x80\3\x7f\0")}, ERR_MALFORMED, "malformed UTF-8 encoding", 13},
    {{PART(IMPORTS, "\1\0\0\3\x7f\2")}, ERR_MALFORMED, "malformed mutability", 15},
    // Functions and code.
    {{T0, PART(FUNCTIONS, "\1\1")}, ERR_INVALID, "unknown type 1", 17},
    {{T0, F0}, ERR_MALFORMED, "function and code section have inconsistent lengths", 18},
    {{C0}, ERR_MALFORMED, "function and code section have inconsistent lengths", 10},
    {{T0, F0, PART(CODE, "\1\3\0\x0b")}, ERR_TRUNCATED, "length out of bounds", 21},
    // Tables and memories.
    {{PART(TABLES, "\1\x7f\0\0")}, ERR_MALFORMED, "malformed reference type", 11},
    {{PART(TABLES, "\1\x40\0\x70\0\0\x0b")},
     ERR_UNSUPPORTED,
     "malformed reference type: proposal typed function references is not supported",
     11},
    {{PART(TABLES, "\1\x70\1\2\1")},
     ERR_INVALID,
     "size minimum must not be greater than maximum",
     13},
    {{PART(TABLES, "\1\x70\3\0\0")},
     ERR_MALFORMED,
     "malformed limits flags: a table is not shared",
     12},
    {{PART(TABLES, "\1\x70\0\x80\x80\x80\x80\x10")}, ERR_MALFORMED, "integer too large", 0},
    {{PART(TABLES, "\1\x70\5\1\0")},
     ERR_INVALID,
     "size minimum must not be greater than maximum",
     13},
    {{PART(MEMORIES, "\1\0\x81\x80\4")},
     ERR_INVALID,
     "memory size must be at most 65536 pages (4GiB)",
     11},
    {{PART(MEMORIES, "\1\1\0\x81\x80\4")},
     ERR_INVALID,
     "memory size must be at most 65536 pages (4GiB)",
     11},
    {{PART(MEMORIES, "\1\2\0")}, ERR_INVALID, "shared memory must have maximum", 11},
    {{PART(MEMORIES, "\1\6\0")}, ERR_INVALID, "shared memory must have maximum", 11},
    {{PART(MEMORIES, "\1\4\x81\x80\x80\x80\x80\x80\x40")}, // 2^48 + 1
     ERR_INVALID,
     "memory size must be at most 2^48 pages",
     11},
    {{PART(MEMORIES, "\1\x08\0")},
     ERR_UNSUPPORTED,
     "integer too large for limits flags: proposal custom page sizes is not supported",
     11},
    {{PART(MEMORIES, "\1\x10\0")}, ERR_MALFORMED, "integer too large for limits flags", 11},
    // Globals.
    {{PART(GLOBALS, "\1\x7f\0\x0b")}, ERR_INVALID, "type mismatch in a constant expression", 13},
    {{PART(GLOBALS, "\1\x7f\0\x42\0\x0b")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     13},
    {{PART(GLOBALS, "\1\x7f\0\x41\0\x41\0\x0b")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     13},
    {{PART(GLOBALS, "\1\x7f\0\x41\0\1\x0b")}, ERR_INVALID, "constant expression required", 15},
    {{PART(GLOBALS, "\1\x7f\0\x41\0\x6a\x0b")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     15},
    {{PART(GLOBALS, "\1\x7f\0\x41\0\x42\0\x6a\x0b")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     17},
    {{PART(GLOBALS, "\1\x7e\0\x41\0\x41\0\x6c\x0b")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     13},
    {{PART(GLOBALS, "\1\x7f\0\x41\0\x41\1\x6d\x0b")},
     ERR_INVALID,
     "constant expression required",
     17},
    {{PART(GLOBALS, "\1\x7f\0\x23\0\x0b")}, ERR_INVALID, "unknown global 0", 13},
    {{PART(GLOBALS, "\2\x7f\0\x41\0\x0b\x7f\0\x23\1\x0b")}, ERR_INVALID, "unknown global 1", 18},
    {{PART(GLOBALS, "\2\x7f\1\x41\0\x0b\x7f\0\x23\0\x0b")},
     ERR_INVALID,
     "constant expression required: the global is mutable",
     18},
    {{PART(IMPORTS, "\1\0\0\3\x7f\1"), PART(GLOBALS, "\1\x7f\0\x23\0\x0b")},
     ERR_INVALID,
     "constant expression required: the global is mutable",
     21},
    {{PART(GLOBALS, "\1\x70\0\xd2\0\x0b")}, ERR_INVALID, "unknown function 0", 13},
    {{PART(GLOBALS, "\1\x7f\0\x41\0")}, ERR_TRUNCATED, "unexpected end of section or function", 15},
    {{PART(GLOBALS, "\1\x7b\0\xfd\x0c\0")},
     ERR_TRUNCATED,
     "unexpected end of section or function",
     0},
    // Exports and start.
    {{PART(EXPORTS, "\1\0\0\0")}, ERR_INVALID, "unknown function 0", 13},
    {{PART(EXPORTS, "\1\0\1\0")}, ERR_INVALID, "unknown table 0", 13},
    {{PART(EXPORTS, "\1\0\2\0")}, ERR_INVALID, "unknown memory 0", 13},
    {{PART(EXPORTS, "\1\0\3\0")}, ERR_INVALID, "unknown global 0", 13},
    {{PART(EXPORTS, "\1\0\4\0")}, ERR_INVALID, "unknown tag 0", 13},
    {{PART(EXPORTS, "\1\0\5\0")}, ERR_MALFORMED, "malformed export kind", 12},
    {{T0, F0, PART(EXPORTS, "\3\1a\0\0\1b\0\0\1a\0\0")}, ERR_INVALID, "duplicate export name", 0},
    {{PART(START, "\0")}, ERR_INVALID, "unknown function 0", 10},
    {{PART(TYPES, "\1\x60\1\x7f\0"), F0, PART(START, "\0")},
     ERR_INVALID,
     "start function must have no parameters and no results",
     0},
    // Segments.
    {{PART(ELEMS, "\1\x08")}, ERR_MALFORMED, "malformed elements segment kind", 11},
    {{PART(ELEMS, "\1\0\x41\0\x0b\0")}, ERR_INVALID, "unknown table 0", 12},
    {{PART(ELEMS, "\1\1\1\0")}, ERR_MALFORMED, "malformed element kind", 12},
    {{PART(ELEMS, "\1\1\0\1\0")}, ERR_INVALID, "unknown function 0", 14},
    {{PART(ELEMS, "\1\5\x6f\1\xd0\x70\x0b")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     14},
    {{PART(TABLES, "\1\x6f\0\0"), PART(ELEMS, "\1\0\x41\0\x0b\0")},
     ERR_INVALID,
     "type mismatch: element segment and table",
     21},
    {{PART(DATAS, "\1\0\x41\0\x0b\0")}, ERR_INVALID, "unknown memory 0", 12},
    {{PART(MEMORIES, "\1\0\0"), PART(DATAS, "\1\2\1\x41\0\x0b\0")},
     ERR_INVALID,
     "unknown memory 1",
     17},
    {{PART(MEMORIES, "\2\0\0\4\0"), PART(DATAS, "\1\2\1\x41\0\x0b\0")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     20},
    {{PART(TABLES, "\1\x70\4\0"), PART(ELEMS, "\1\0\x41\0\x0b\0")},
     ERR_INVALID,
     "type mismatch in a constant expression",
     18},
    {{PART(DATAS, "\1\3\0")}, ERR_MALFORMED, "malformed data segment kind", 11},
    {{PART(DATAS, "\1\1\2x")}, ERR_TRUNCATED, "length out of bounds", 12},
    {{PART(COUNT, "\1")},
     ERR_MALFORMED,
     "data count and data section have inconsistent lengths",
     11},
    {{PART(COUNT, "\xa1\x8d\6")}, ERR_LIMIT, "too many data segments: the limit is 100000", 10},
};

static void refusals_say_what_and_where(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal_case *c = &refusals[i];
        struct wasm_build b;
        struct module_error error = {};
        struct module_decl *decl = NULL;
        u64 before = fake_host_bytes();
        enum status status =
            module_decode(build(&b, c->parts, COUNT_OF(c->parts)), FEATURES_ALL, &error, &decl);
        if (strcmp(error.text, c->text) != 0 || (c->offset != 0 && error.offset != c->offset))
            fail_msg("%s: got %s at %u", c->text, error.text, error.offset);
        assert_int_equal(status, c->status);
        assert_int_equal(error.status, c->status);
        assert_null(decl);
        assert_int_equal(fake_host_bytes(), before);
    }
}

static void headers_must_be_right(void **state) {
    (void)state;
    static const struct {
        struct bytes wasm;
        const char *text;
    } cases[] = {
        {{(const u8 *)"", 0}, "unexpected end of section or function"},
        {{(const u8 *)"\0as", 3}, "unexpected end of section or function"},
        {{(const u8 *)"asm\0\1\0\0\0", 8}, "magic header not detected"},
        {{(const u8 *)"\0asm\1\0", 6}, "unexpected end of section or function"},
        {{(const u8 *)"\0asm\2\0\0\0", 8}, "unknown binary version"},
        {{(const u8 *)"\0asm\x0d\0\1\0", 8}, "unknown binary version"}, // a component
        {{NULL, 0}, "unexpected end of section or function"},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct module_error error;
        struct module_decl *decl = NULL;
        assert_int_not_equal(module_decode(cases[i].wasm, FEATURES_ALL, &error, &decl), OK);
        assert_string_equal(error.text, cases[i].text);
        assert_int_equal(error.func, NO_FUNC);
    }
}

static void every_truncation_is_refused_or_a_module(void **state) {
    (void)state;
    struct wasm_build b;
    struct bytes whole = build(&b, full, COUNT_OF(full));
    u64 before = fake_host_bytes();
    for (usize len = 0; len < whole.len; len++) {
        u8 *copy = test_malloc(len + 1); // so that reading too far would show
        memcpy(copy + 1, whole.data, len);
        struct module_error error = {};
        struct module_decl *decl = NULL;
        enum status status =
            module_decode((struct bytes){copy + 1, len}, FEATURES_ALL, &error, &decl);
        if (status != OK)
            assert_in_range(error.offset, 0, len);
        module_decl_destroy(decl);
        test_free(copy);
    }
    assert_int_equal(fake_host_bytes(), before);
}

// -- Proposals that are off ----------------------------------------------------------------------

static const struct feature_case {
    u32 feature;
    struct wasm_part parts[5];
    const char *text;
} feature_cases[] = {
    {FEATURE_MULTI_VALUE,
     {PART(TYPES, "\1\x60\0\2\x7f\x7f")},
     "proposal multi-value is switched off"},
    {FEATURE_REFERENCE_TYPES,
     {PART(TYPES, "\1\x60\1\x6f\0")},
     "proposal reference types is switched off"},
    {FEATURE_REFERENCE_TYPES,
     {PART(TABLES, "\1\x6f\0\0")},
     "proposal reference types is switched off"},
    {FEATURE_REFERENCE_TYPES,
     {PART(TABLES, "\2\x70\0\0\x70\0\0")},
     "proposal reference types is switched off"},
    {FEATURE_REFERENCE_TYPES,
     {PART(ELEMS, "\1\3\0\0")},
     "proposal reference types is switched off"},
    {FEATURE_MUTABLE_GLOBALS,
     {PART(IMPORTS, "\1\0\0\3\x7f\1")},
     "proposal import/export of mutable globals is switched off"},
    {FEATURE_MUTABLE_GLOBALS,
     {PART(GLOBALS, "\1\x7f\1\x41\0\x0b"), PART(EXPORTS, "\1\0\3\0")},
     "proposal import/export of mutable globals is switched off"},
    {FEATURE_BULK_MEMORY, {PART(COUNT, "\0")}, "proposal bulk memory operations is switched off"},
    {FEATURE_BULK_MEMORY,
     {PART(DATAS, "\1\1\0")},
     "proposal bulk memory operations is switched off"},
    {FEATURE_BULK_MEMORY,
     {PART(ELEMS, "\1\1\0\0")},
     "proposal bulk memory operations is switched off"},
    {FEATURE_SIMD, {PART(TYPES, "\1\x60\1\x7b\0")}, "proposal fixed-width SIMD is switched off"},
    {FEATURE_EXCEPTIONS,
     {PART(TYPES, "\1\x60\1\x69\0")},
     "proposal exception handling is switched off"},
    {FEATURE_EXCEPTIONS,
     {PART(TABLES, "\1\x69\0\0")},
     "proposal exception handling is switched off"},
    {FEATURE_EXCEPTIONS, {T0, PART(TAGS, "\0")}, "proposal exception handling is switched off"},
    {FEATURE_EXCEPTIONS,
     {T0, PART(IMPORTS, "\1\0\0\4\0\0")},
     "proposal exception handling is switched off"},
    {FEATURE_THREADS, {PART(MEMORIES, "\1\3\0\0")}, "proposal threads is switched off"},
    {FEATURE_MEMORY64, {PART(MEMORIES, "\1\4\0")}, "proposal memory64 is switched off"},
    {FEATURE_MEMORY64, {PART(TABLES, "\1\x70\4\0")}, "proposal memory64 is switched off"},
    {FEATURE_COMPACT_IMPORTS,
     {PART(IMPORTS, "\1\0\0\x7f\0")},
     "proposal compact import section is switched off"},
    {FEATURE_EXTENDED_CONST,
     {PART(GLOBALS, "\1\x7f\0\x41\0\x41\0\x6a\x0b")},
     "proposal extended constant expressions is switched off"},
};

// Those of the older texts, which are invalid rather than of a proposal.
static void what_multi_memory_allows_is_invalid_without(void **state) {
    (void)state;
    static const struct {
        struct wasm_part parts[2];
        u32 offset;
    } cases[] = {
        {{PART(MEMORIES, "\2\0\0\0\0")}, 10},
        {{PART(IMPORTS, "\1\0\0\2\0\0"), PART(MEMORIES, "\1\0\0")}, 18},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        struct wasm_build b;
        struct bytes wasm = build(&b, cases[i].parts, COUNT_OF(cases[i].parts));
        struct module_error error;
        struct module_decl *decl = NULL;
        assert_int_equal(
            module_decode(wasm, FEATURES_ALL & ~(u32)FEATURE_MULTI_MEMORY, &error, &decl),
            ERR_INVALID);
        assert_string_equal(error.text, "multiple memories: proposal multi-memory is switched off");
        assert_int_equal(error.offset, cases[i].offset);
        module_decl_destroy(decode(wasm));
    }
}

// Without extended constant expressions a global's value may use imported globals only.
static void own_globals_are_constants_with_extended_expressions(void **state) {
    (void)state;
    struct wasm_build b;
    struct wasm_part parts[] = {PART(GLOBALS, "\2\x7f\0\x41\0\x0b\x7f\0\x23\0\x0b")};
    struct bytes wasm = build(&b, parts, COUNT_OF(parts));
    struct module_error error;
    struct module_decl *decl = NULL;
    assert_int_equal(
        module_decode(wasm, FEATURES_ALL & ~(u32)FEATURE_EXTENDED_CONST, &error, &decl),
        ERR_INVALID);
    assert_string_equal(error.text, "unknown global 0");
    module_decl_destroy(decode(wasm));
}

static void extended_constants_are_programs(void **state) {
    (void)state;
    // (i64) 7 * (global 0 - 2) + 1
    struct wasm_build b;
    struct wasm_part parts[] = {
        PART(GLOBALS, "\3\x7e\0\x42\5\x0b"
                      "\x7e\0\x42\7\x23\0\x42\2\x7d\x7e\x42\1\x7c\x0b"
                      "\x7b\0\xfd\x0c\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x0b")};
    struct module_decl *decl = decode(build(&b, parts, COUNT_OF(parts)));
    const struct const_expr *init = &decl->globals[1].init;
    assert_int_equal(init->kind, CONST_PROGRAM);
    assert_int_equal(init->type, VALUE_I64);
    static const struct {
        enum const_step_kind kind;
        u64 value;
    } steps[] = {{STEP_VALUE, 7}, {STEP_GLOBAL, 0}, {STEP_VALUE, 2}, {STEP_SUB, 0},
                 {STEP_MUL, 0},   {STEP_VALUE, 1},  {STEP_ADD, 0}};
    assert_int_equal(init->program->count, COUNT_OF(steps));
    for (usize i = 0; i < COUNT_OF(steps); i++) {
        assert_int_equal(init->program->steps[i].kind, steps[i].kind);
        assert_int_equal(init->program->steps[i].type, VALUE_I64);
        assert_int_equal(init->program->steps[i].value, steps[i].value);
    }
    assert_int_equal(decl->globals[0].init.kind, CONST_VALUE);
    assert_int_equal(decl->globals[2].init.kind, CONST_V128);
    assert_int_equal(decl->globals[2].init.v128[0], 1);
    assert_int_equal(decl->globals[2].init.v128[15], 16);
    module_decl_destroy(decl);
}

static void constants_may_not_nest_too_deeply(void **state) {
    (void)state;
    for (u32 depth = LIMIT_CONST_DEPTH; depth <= LIMIT_CONST_DEPTH + 1; depth++) {
        char content[4 * LIMIT_CONST_DEPTH] = "\1\x7f\0";
        usize len = 3;
        for (u32 i = 0; i < depth; i++) {
            content[len++] = 0x41;
            content[len++] = 0;
        }
        for (u32 i = 1; i < depth; i++)
            content[len++] = 0x6a;
        content[len++] = 0x0b;
        struct wasm_build b;
        struct wasm_part part = {GLOBALS, content, len};
        struct module_error error;
        struct module_decl *decl = NULL;
        enum status status = module_decode(build(&b, &part, 1), FEATURES_ALL, &error, &decl);
        assert_int_equal(status, depth > LIMIT_CONST_DEPTH ? ERR_LIMIT : OK);
        module_decl_destroy(decl);
    }
}

static void memories_tables_and_tags_have_their_types(void **state) {
    (void)state;
    struct wasm_build b;
    struct wasm_part parts[] = {
        PART(TYPES, "\2\x60\0\0\x60\2\x7f\x7b\0"),
        PART(IMPORTS, "\2\0\0\4\0\1\0\0\2\3\1\2"),
        PART(TABLES, "\2\x69\4\x80\x80\x80\x80\x10\x70\1\1\2"),
        PART(MEMORIES, "\2\5\1\x80\x80\x80\x80\x80\x80\x40\0\7"),
        PART(TAGS, "\1\0\0"),
        PART(EXPORTS, "\1\1t\4\1"),
    };
    struct module_decl *decl = decode(build(&b, parts, COUNT_OF(parts)));
    assert_int_equal(decl->memory_count, 3);
    assert_int_equal(decl->memory_import_count, 1);
    assert_true(decl->memories[0].is_shared && !decl->memories[0].is64);
    assert_int_equal(decl->memories[0].limits.max, 2);
    assert_true(!decl->memories[1].is_shared && decl->memories[1].is64);
    assert_int_equal(decl->memories[1].limits.max, 1ull << 48);
    assert_true(!decl->memories[2].is_shared && !decl->memories[2].is64);
    assert_int_equal(decl->memories[2].limits.min, 7);
    assert_int_equal(decl->tables[0].element, VALUE_EXNREF);
    assert_true(decl->tables[0].is64 && !decl->tables[1].is64);
    assert_int_equal(decl->tables[0].limits.min, 1ull << 32);
    assert_true(decl->has_address64);
    assert_int_equal(decl->tag_count, 2);
    assert_int_equal(decl->tag_import_count, 1);
    assert_int_equal(decl_tag_type(decl, 0)->param_count, 2);
    assert_int_equal(decl_tag_type(decl, 1)->param_count, 0);
    assert_int_equal(decl->exports[0].kind, EXTERN_TAG);
    assert_int_equal(decl->exports[0].index, 1);
    module_decl_destroy(decl);
}

static void proposals_that_are_off_are_named(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(feature_cases); i++) {
        const struct feature_case *c = &feature_cases[i];
        struct wasm_build b;
        struct bytes wasm = build(&b, c->parts, COUNT_OF(c->parts));
        struct module_error error;
        struct module_decl *decl = NULL;
        assert_int_equal(module_decode(wasm, FEATURES_ALL & ~c->feature, &error, &decl),
                         ERR_UNSUPPORTED);
        assert_string_equal(error.text, c->text);
        module_decl_destroy(decode(wasm));
    }
}

// -- Memory --------------------------------------------------------------------------------------

static void every_allocation_may_fail(void **state) {
    (void)state;
    struct wasm_build b;
    struct bytes wasm = build(&b, full, COUNT_OF(full));
    u64 before = fake_host_bytes();
    for (u64 n = 1;; n++) {
        struct module_error error = {};
        struct module_decl *decl = NULL;
        fake_host_fail_nth(n);
        enum status status = module_decode(wasm, FEATURES_ALL, &error, &decl);
        bool failed = fake_host_failed();
        fake_host_fail_nth(0);
        assert_int_equal(status, failed ? ERR_NO_MEMORY : OK);
        module_decl_destroy(decl);
        assert_int_equal(fake_host_bytes(), before);
        if (!failed)
            break;
        assert_string_equal(error.text, "out of memory");
    }
}

// A count that the bytes could still hold allocates in proportion to them, and no more.
static void memory_is_bounded_by_the_input(void **state) {
    (void)state;
    static const u8 sections[] = {TYPES,   IMPORTS, FUNCTIONS, TABLES, GLOBALS,
                                  EXPORTS, ELEMS,   CODE,      DATAS};
    static u8 zeros[60000];
    for (usize i = 0; i < COUNT_OF(sections); i++) {
        u8 *wasm = test_calloc(1, sizeof(zeros) + 64);
        const u8 head[] = {
            0,           'a',  's',  'm', 1,    0,    0, 0,
            sections[i], 0xe0, 0xd4, 3,   0xdd, 0xd4, 3}; // as many elements as bytes
        memcpy(wasm, head, sizeof(head));
        usize len = 12 + 60000;
        struct module_error error;
        struct module_decl *decl = NULL;
        u64 before = fake_host_bytes();
        fake_host_peak_reset();
        (void)module_decode((struct bytes){wasm, len}, FEATURES_ALL, &error, &decl);
        module_decl_destroy(decl);
        assert_true(fake_host_peak() - before < 80 * len);
        assert_int_equal(fake_host_bytes(), before);
        test_free(wasm);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_spaces_hold_imports_first),
        cmocka_unit_test(compact_imports_are_several),
        cmocka_unit_test(constants_are_read),
        cmocka_unit_test(segments_of_all_forms_are_read),
        cmocka_unit_test(declared_references_are_numbered),
        cmocka_unit_test(names_are_found_by_index),
        cmocka_unit_test(broken_names_are_ignored),
        cmocka_unit_test(refusals_say_what_and_where),
        cmocka_unit_test(headers_must_be_right),
        cmocka_unit_test(every_truncation_is_refused_or_a_module),
        cmocka_unit_test(proposals_that_are_off_are_named),
        cmocka_unit_test(what_multi_memory_allows_is_invalid_without),
        cmocka_unit_test(own_globals_are_constants_with_extended_expressions),
        cmocka_unit_test(extended_constants_are_programs),
        cmocka_unit_test(constants_may_not_nest_too_deeply),
        cmocka_unit_test(memories_tables_and_tags_have_their_types),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(memory_is_bounded_by_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
