// The script runner: reads commands from a blob, does what they say, counts what holds.
//
// A script's modules live in one store, which goes when the next script begins. Names are slices of
// the blob. Every module is also given to module_validate, which must judge as module_create does.

#include "tests/spec/runner.h"

#include "base/fmt.h"
#include "engine/api/host.h"
#include "tests/spec/spectest.h"

#define VALUES_MAX 2048u // 64-bit slots of parameters or results of one call
#define LANES_MAX  4u

struct lane {
    enum script_value kind;
    u64 bits;
};

// A value of a script: one lane, or the lanes of a v128.
struct value {
    enum script_value kind;
    u32 lane_count;
    struct lane lanes[LANES_MAX];
};

// A module that was defined and may be instantiated by its name, or as the latest.
struct definition {
    struct bytes text;
    struct module *module;
    struct definition *next;
};

// A name by which an instance is known: to actions ($name) or to importers (registered).
struct name {
    struct bytes text;
    bool is_registered;
    struct instance *instance;
    struct name *next;
};

struct runner {
    struct engine *engine;
    struct thread_block *thread;
    const struct spec_sink *sink;
    struct spec_counts *total;
    struct spectest_funcs funcs;

    // The blob; `broken` sticks once a read went past its end.
    const u8 *at;
    const u8 *end;
    bool broken;

    // The script:
    struct bytes script;
    struct spec_counts counts;
    struct store *store;
    struct spectest spectest;
    struct name *names;
    struct definition *definitions; // the latest first
    struct instance *latest;

    // The command:
    enum script_command command;
    u32 line;
    bool failed;
    bool lifted; // it was accepted, as it is today
    u64 values[VALUES_MAX];
    u32 value_count;
    enum value_type value_types[VALUES_MAX]; // of results
};

// -- Reading
// ----------------------------------------------------------------------------------------

static u64 read_number(struct runner *r, u32 bytes) {
    if ((usize)(r->end - r->at) < bytes) {
        r->broken = true;
        return 0;
    }
    u64 number = 0;
    for (u32 i = 0; i < bytes; i++)
        number |= (u64)*r->at++ << (8 * i);
    return number;
}

static struct bytes read_text(struct runner *r) {
    u32 len = (u32)read_number(r, 4);
    if ((usize)(r->end - r->at) < len) {
        r->broken = true;
        return (struct bytes){r->at, 0};
    }
    struct bytes text = {r->at, len};
    r->at += len;
    return text;
}

static struct lane read_lane(struct runner *r, enum script_value kind) {
    return (struct lane){.kind = kind, .bits = read_number(r, 8)};
}

// A value that is no choice between several.
static struct value read_value_of(struct runner *r, enum script_value kind) {
    struct value value = {.kind = kind, .lane_count = 1};
    if (kind != SCRIPT_V128) {
        value.lanes[0] = read_lane(r, kind);
        return value;
    }
    value.lane_count = (u32)read_number(r, 1);
    if (value.lane_count != 2 && value.lane_count != 4) {
        r->broken = true;
        value.lane_count = 0;
    }
    for (u32 i = 0; i < value.lane_count; i++) {
        enum script_value lane = (enum script_value)read_number(r, 1);
        value.lanes[i] = read_lane(r, lane);
    }
    return value;
}

static struct value read_value(struct runner *r) {
    return read_value_of(r, (enum script_value)read_number(r, 1));
}

// -- Reporting
// --------------------------------------------------------------------------------------

// Notes the first failure of the command.
static void fail(struct runner *r, const char *format, ...) PRINTF_LIKE(2, 3);

static void fail(struct runner *r, const char *format, ...) {
    if (r->failed)
        return;
    r->failed = true;
    char text[256];
    va_list args;
    va_start(args, format);
    fmt_string_va(text, sizeof text, format, args);
    va_end(args);
    r->sink->failure(r->sink->context, r->script, r->line, r->command, text);
}

// Whether one text starts with the other: scripts abbreviate, and some say more than an engine.
static bool texts_agree(const char *text, struct bytes expected) {
    usize len = strlen(text);
    if (expected.len < len)
        len = expected.len;
    return memcmp(text, expected.data, len) == 0;
}

static void check_text(struct runner *r, const char *text, struct bytes expected) {
    if (!texts_agree(text, expected))
        fail(r, "expected \"%.*s\", got \"%s\"", (int)expected.len, (const char *)expected.data,
             text);
}

// -- Names
// ------------------------------------------------------------------------------------------

static struct instance *find_name(const struct runner *r, struct bytes text, bool is_registered) {
    for (const struct name *name = r->names; name != NULL; name = name->next) {
        if (name->is_registered == is_registered && bytes_equal(name->text, text))
            return name->instance;
    }
    return NULL;
}

static void add_name(struct runner *r, struct bytes text, bool is_registered,
                     struct instance *instance) {
    struct name *name = host_alloc(sizeof *name);
    if (name == NULL) {
        fail(r, "out of memory");
        return;
    }
    *name = (struct name){text, is_registered, instance, r->names};
    r->names = name;
}

// The instance of that $name, or the latest.
static struct instance *instance_named(struct runner *r, struct bytes text) {
    struct instance *instance = text.len == 0 ? r->latest : find_name(r, text, false);
    if (instance == NULL)
        fail(r, "no module \"%.*s\"", (int)text.len, (const char *)text.data);
    return instance;
}

// -- Scripts
// ----------------------------------------------------------------------------------------

static void end_script(struct runner *r) {
    if (r->script.data != NULL) {
        for (u32 i = 0; i < SCRIPT_COMMAND_COUNT; i++) {
            r->total->passed[i] += r->counts.passed[i];
            r->total->failed[i] += r->counts.failed[i];
            r->total->skipped[i] += r->counts.skipped[i];
            r->total->lifted[i] += r->counts.lifted[i];
        }
        r->sink->script_end(r->sink->context, r->script, &r->counts);
    }
    while (r->names != NULL) {
        struct name *name = r->names;
        r->names = name->next;
        host_free(name, sizeof *name);
    }
    while (r->definitions != NULL) {
        struct definition *definition = r->definitions;
        r->definitions = definition->next;
        module_release(definition->module);
        host_free(definition, sizeof *definition);
    }
    store_destroy(r->store);
    r->store = NULL;
    r->latest = NULL;
    r->script = (struct bytes){0};
}

static enum status begin_script(struct runner *r) {
    end_script(r);
    struct bytes name = read_text(r);
    if (r->broken)
        return ERR_MALFORMED;
    enum status status = store_create(r->engine, NULL, &r->store);
    if (status != OK)
        return status;
    r->counts = (struct spec_counts){0};
    r->script = name;
    return spectest_create(r->store, &r->funcs, &r->spectest);
}

// -- Modules
// ----------------------------------------------------------------------------------------

// module_create, with module_validate agreeing.
static enum status create_module(struct runner *r, struct bytes binary, struct module_error *error,
                                 struct module **out) {
    struct module_error other;
    enum status validated = module_validate(r->engine, binary, &other);
    enum status status = module_create(r->engine, binary, error, out);
    if (status != validated)
        fail(r, "validator says \"%s\", compiler says \"%s\"",
             validated == OK ? "valid" : other.text, status == OK ? "valid" : error->text);
    return status;
}

static struct extern_ref find_import(const struct runner *r, const struct import_info *import) {
    struct extern_ref found = {0};
    if (bytes_equal_text(import->module, "spectest")) {
        if (!spectest_export(&r->spectest, import->name, &found))
            found.func = NULL;
        return found;
    }
    struct instance *instance = find_name(r, import->module, true);
    if (instance == NULL || !instance_export(instance, import->name, &found))
        found.func = NULL;
    return found;
}

// How instantiating went: error.status, and the trap of a segment or the start function.
struct outcome {
    struct module_error error;
    enum trap trap;
    struct instance *instance;
};

static void instantiate(struct runner *r, struct module *module, struct outcome *out) {
    u32 count = module_import_count(module);
    usize bytes = (count + 1) * sizeof(struct extern_ref);
    struct extern_ref *imports = host_alloc(bytes);
    if (imports == NULL) {
        out->error.status = ERR_NO_MEMORY;
        return;
    }
    for (u32 i = 0; i < count; i++) {
        struct import_info import;
        module_import(module, i, &import);
        imports[i] = find_import(r, &import);
    }
    out->error.status =
        instance_create(r->store, module, imports, &out->error, &out->trap, &out->instance);
    host_free(imports, bytes);
    if (out->error.status != OK || out->trap != TRAP_NONE)
        return;
    struct func_ref *start = instance_start_func(out->instance);
    if (start != NULL)
        out->trap = func_call(r->engine, r->thread, start, r->values);
}

static void load(struct runner *r, struct bytes binary, struct outcome *out) {
    *out = (struct outcome){0};
    struct module *module;
    out->error.status = create_module(r, binary, &out->error, &module);
    if (out->error.status != OK)
        return;
    instantiate(r, module, out);
    module_release(module);
}

// Makes the new instance the latest, and known by `name` unless that is empty.
static void take_instance(struct runner *r, struct bytes name, const struct outcome *outcome) {
    r->latest = NULL;
    if (outcome->error.status != OK)
        fail(r, "%s (at 0x%x)", outcome->error.text, outcome->error.offset);
    else if (outcome->trap != TRAP_NONE)
        fail(r, "trap: %s", trap_text(outcome->trap));
    else
        r->latest = outcome->instance;
    if (r->latest != NULL && name.len != 0)
        add_name(r, name, false, r->latest);
}

static void do_module(struct runner *r) {
    struct bytes name = read_text(r);
    struct outcome outcome;
    load(r, read_text(r), &outcome);
    take_instance(r, name, &outcome);
}

static void do_definition(struct runner *r) {
    struct bytes name = read_text(r);
    struct bytes binary = read_text(r);
    struct module_error error;
    struct module *module;
    if (create_module(r, binary, &error, &module) != OK) {
        fail(r, "%s (at 0x%x)", error.text, error.offset);
        return;
    }
    struct definition *definition = host_alloc(sizeof *definition);
    if (definition == NULL) {
        module_release(module);
        fail(r, "out of memory");
        return;
    }
    *definition = (struct definition){name, module, r->definitions};
    r->definitions = definition;
}

static void do_instance(struct runner *r) {
    struct bytes name = read_text(r);
    struct bytes wanted = read_text(r);
    struct definition *definition = r->definitions;
    while (definition != NULL && wanted.len != 0 && !bytes_equal(definition->text, wanted))
        definition = definition->next;
    if (definition == NULL) {
        fail(r, "no definition \"%.*s\"", (int)wanted.len, (const char *)wanted.data);
        return;
    }
    struct outcome outcome = {0};
    instantiate(r, definition->module, &outcome);
    take_instance(r, name, &outcome);
}

static void do_register(struct runner *r) {
    struct bytes as = read_text(r);
    struct instance *instance = instance_named(r, read_text(r));
    if (instance != NULL)
        add_name(r, as, true, instance);
}

// Refusals of version 2.0 that 3.0, with many memories, has lifted. The scripts of 3.0 name none of
// them.
static bool is_lifted(struct bytes text) {
    return bytes_equal_text(text, "multiple memories") ||
           bytes_equal_text(text, "zero byte expected");
}

static void do_assert_refused(struct runner *r) {
    struct bytes text = read_text(r); // not compared: texts differ between engines
    struct bytes binary = read_text(r);
    struct module_error error;
    struct module *module;
    enum status status = create_module(r, binary, &error, &module);
    if (status == OK) {
        module_release(module);
        r->lifted = is_lifted(text);
        if (!r->lifted)
            fail(r, "the module was accepted");
    } else if (status == ERR_NO_MEMORY) {
        fail(r, "out of memory");
    }
}

static void do_assert_unlinkable(struct runner *r) {
    struct bytes expected = read_text(r);
    struct outcome outcome;
    load(r, read_text(r), &outcome);
    if (outcome.error.status == OK)
        fail(r, "the module was linked");
    else if (outcome.error.status != ERR_UNLINKABLE)
        fail(r, "refused: %s", outcome.error.text);
    else
        check_text(r, outcome.error.text, expected);
}

static void do_assert_uninstantiable(struct runner *r) {
    struct bytes expected = read_text(r);
    struct outcome outcome;
    load(r, read_text(r), &outcome);
    if (outcome.error.status != OK)
        fail(r, "refused: %s", outcome.error.text);
    else
        check_text(r, trap_text(outcome.trap), expected);
}

// -- Actions
// ----------------------------------------------------------------------------------------

static bool kind_has_type(enum script_value kind, enum value_type type) {
    switch (kind) {
    case SCRIPT_I32:
        return type == VALUE_I32;
    case SCRIPT_I64:
        return type == VALUE_I64;
    case SCRIPT_F32:
    case SCRIPT_F32_CANONICAL:
    case SCRIPT_F32_ARITHMETIC:
        return type == VALUE_F32;
    case SCRIPT_F64:
    case SCRIPT_F64_CANONICAL:
    case SCRIPT_F64_ARITHMETIC:
        return type == VALUE_F64;
    case SCRIPT_EXTERNREF:
        return type == VALUE_EXTERNREF;
    case SCRIPT_FUNCREF_NULL:
    case SCRIPT_FUNCREF_ANY:
        return type == VALUE_FUNCREF;
    case SCRIPT_EXNREF_NULL:
    case SCRIPT_EXNREF_ANY:
        return type == VALUE_EXNREF;
    case SCRIPT_REF_NULL:
    case SCRIPT_REF_ANY:
        return type == VALUE_FUNCREF || type == VALUE_EXTERNREF || type == VALUE_EXNREF;
    case SCRIPT_V128:
        return type == VALUE_V128;
    case SCRIPT_EITHER:
    case SCRIPT_VALUE_COUNT:
        break;
    }
    return false;
}

static void pack_lanes(const struct value *value, u64 *to) {
    if (value->lane_count != 4) {
        for (u32 i = 0; i < value->lane_count; i++)
            to[i] = value->lanes[i].bits;
        return;
    }
    for (u32 i = 0; i < 2; i++)
        to[i] = (u32)value->lanes[2 * i].bits | value->lanes[2 * i + 1].bits << 32;
}

// Reads the arguments into r->values. False when they do not fit `type`.
static bool read_arguments(struct runner *r, const struct func_type *type) {
    u32 count = (u32)read_number(r, 2);
    bool fits = type != NULL && count == type->param_count && func_type_slots(type) <= VALUES_MAX;
    u32 slot = 0;
    for (u32 i = 0; i < count && !r->broken; i++) {
        struct value value = read_value(r);
        fits = fits && kind_has_type(value.kind, type->types[i]);
        if (!fits)
            continue;
        pack_lanes(&value, &r->values[slot]);
        slot += value_type_slots(type->types[i]);
    }
    return fits;
}

static enum trap invoke(struct runner *r, struct func_ref *func) {
    struct func_type type;
    func_ref_type(r->engine, func, &type);
    if (!read_arguments(r, &type)) {
        fail(r, "the arguments do not fit the function");
        return TRAP_NONE;
    }
    r->value_count = type.result_count;
    for (u32 i = 0; i < type.result_count; i++)
        r->value_types[i] = type.types[type.param_count + i];
    return func_call(r->engine, r->thread, func, r->values);
}

// Results are in r->values. A failed lookup is reported and counts as a return.
static enum trap do_action(struct runner *r) {
    r->value_count = 0;
    enum script_action action = (enum script_action)read_number(r, 1);
    struct instance *instance = instance_named(r, read_text(r));
    struct bytes field = read_text(r);
    struct extern_ref found = {0};
    bool exists = instance != NULL && instance_export(instance, field, &found);
    enum extern_kind wanted = action == SCRIPT_INVOKE ? EXTERN_FUNC : EXTERN_GLOBAL;
    if (!exists || found.kind != wanted) {
        fail(r, "no export \"%.*s\"", (int)field.len, (const char *)field.data);
        (void)read_arguments(r, NULL);
        return TRAP_NONE;
    }
    if (action == SCRIPT_INVOKE)
        return invoke(r, found.func);
    (void)read_arguments(r, NULL);
    r->value_count = 1;
    r->values[0] = found.global->cell[0];
    r->values[1] = found.global->cell[1];
    r->value_types[0] = found.global->type.type;
    return TRAP_NONE;
}

#define F32_QUIET 0x7fc00000u
#define F64_QUIET 0x7ff8000000000000u
#define F32_SIGN  0x80000000u
#define F64_SIGN  0x8000000000000000u

static bool lane_matches(u64 bits, const struct lane *expected) {
    switch (expected->kind) {
    case SCRIPT_FUNCREF_ANY:
    case SCRIPT_EXNREF_ANY:
    case SCRIPT_REF_ANY:
        return bits != 0;
    case SCRIPT_F32_CANONICAL:
        return (bits & ~(u64)F32_SIGN) == F32_QUIET;
    case SCRIPT_F32_ARITHMETIC:
        return (bits & F32_QUIET) == F32_QUIET;
    case SCRIPT_F64_CANONICAL:
        return (bits & ~F64_SIGN) == F64_QUIET;
    case SCRIPT_F64_ARITHMETIC:
        return (bits & F64_QUIET) == F64_QUIET;
    default:
        return bits == expected->bits;
    }
}

// `bits` are the slots of a value of the right type.
static bool value_matches(const u64 *bits, const struct value *expected) {
    for (u32 i = 0; i < expected->lane_count; i++) {
        u64 lane = expected->lane_count != 4 ? bits[i] : (u32)(bits[i / 2] >> (32 * (i % 2)));
        if (!lane_matches(lane, &expected->lanes[i]))
            return false;
    }
    return true;
}

// Reads what is expected of a result: a value, or several of which one matches. `*last` is what was
// compared last.
static bool read_and_match(struct runner *r, const u64 *bits, enum value_type type,
                           struct value *last) {
    enum script_value kind = (enum script_value)read_number(r, 1);
    u32 count = kind == SCRIPT_EITHER ? (u32)read_number(r, 1) : 1;
    bool matches = false;
    for (u32 i = 0; i < count && !r->broken; i++) {
        *last = kind == SCRIPT_EITHER ? read_value(r) : read_value_of(r, kind);
        matches |= kind_has_type(last->kind, type) && value_matches(bits, last);
    }
    return matches;
}

static void report_result(struct runner *r, u32 index, const u64 *bits, enum value_type type,
                          const struct value *expected) {
    u64 wanted[LANES_MAX] = {0};
    pack_lanes(expected, wanted);
    if (!kind_has_type(expected->kind, type))
        fail(r, "result %u has another type", index);
    else if (type == VALUE_V128)
        fail(r, "result %u is 0x%016llx%016llx, expected 0x%016llx%016llx, or NaNs, in %u lanes",
             index, (unsigned long long)bits[1], (unsigned long long)bits[0],
             (unsigned long long)wanted[1], (unsigned long long)wanted[0], expected->lane_count);
    else
        fail(r, "result %u is 0x%llx, expected 0x%llx%s", index, (unsigned long long)bits[0],
             (unsigned long long)wanted[0], expected->kind > SCRIPT_REF_ANY ? " (a NaN)" : "");
}

static void do_assert_return(struct runner *r) {
    enum trap trap = do_action(r);
    u32 count = (u32)read_number(r, 2);
    if (trap != TRAP_NONE)
        fail(r, "trap: %s", trap_text(trap));
    else if (count != r->value_count)
        fail(r, "%u results, expected %u", r->value_count, count);
    const u64 *bits = r->values;
    for (u32 i = 0; i < count && !r->broken; i++) {
        enum value_type type = r->failed ? VALUE_I32 : r->value_types[i];
        struct value expected = {0};
        if (!read_and_match(r, bits, type, &expected) && !r->failed && !r->broken)
            report_result(r, i, bits, type, &expected);
        if (!r->failed)
            bits += value_type_slots(type);
    }
}

static void do_assert_trap(struct runner *r) {
    enum trap trap = do_action(r);
    struct bytes expected = read_text(r);
    check_text(r, trap_text(trap), expected);
}

static void do_assert_exception(struct runner *r) {
    enum trap trap = do_action(r);
    if (trap != TRAP_EXCEPTION)
        fail(r, "%s", trap == TRAP_NONE ? "no exception" : trap_text(trap));
}

// -- Commands
// ---------------------------------------------------------------------------------------

static void do_command(struct runner *r) {
    switch (r->command) {
    case SCRIPT_MODULE:
        return do_module(r);
    case SCRIPT_DEFINITION:
        return do_definition(r);
    case SCRIPT_INSTANCE:
        return do_instance(r);
    case SCRIPT_REGISTER:
        return do_register(r);
    case SCRIPT_ACTION: {
        enum trap trap = do_action(r);
        if (trap != TRAP_NONE)
            fail(r, "trap: %s", trap_text(trap));
        return;
    }
    case SCRIPT_ASSERT_RETURN:
        return do_assert_return(r);
    case SCRIPT_ASSERT_TRAP:
    case SCRIPT_ASSERT_EXHAUSTION:
        return do_assert_trap(r);
    case SCRIPT_ASSERT_EXCEPTION:
        return do_assert_exception(r);
    case SCRIPT_ASSERT_INVALID:
    case SCRIPT_ASSERT_MALFORMED:
        return do_assert_refused(r);
    case SCRIPT_ASSERT_UNLINKABLE:
        return do_assert_unlinkable(r);
    case SCRIPT_ASSERT_UNINSTANTIABLE:
        return do_assert_uninstantiable(r);
    case SCRIPT_ASSERT_TEXT:
        (void)read_text(r);
        return;
    case SCRIPT_BEGIN:
    case SCRIPT_COMMAND_COUNT:
        break;
    }
    r->broken = true;
}

static enum status run_commands(struct runner *r) {
    while (r->at != r->end) {
        r->command = (enum script_command)read_number(r, 1);
        r->line = (u32)read_number(r, 4);
        r->failed = false;
        r->lifted = false;
        if (r->broken)
            return ERR_MALFORMED;
        if (r->command == SCRIPT_BEGIN) {
            enum status status = begin_script(r);
            if (status != OK)
                return status;
            continue;
        }
        if (r->store == NULL)
            return ERR_MALFORMED;
        do_command(r);
        if (r->broken)
            return ERR_MALFORMED;
        if (r->failed)
            r->counts.failed[r->command]++;
        else if (r->command == SCRIPT_ASSERT_TEXT)
            r->counts.skipped[r->command]++;
        else if (r->lifted)
            r->counts.lifted[r->command]++;
        else
            r->counts.passed[r->command]++;
    }
    return OK;
}

enum status spec_run(struct engine *engine, struct thread_block *thread, struct bytes blob,
                     const struct spec_sink *sink, struct spec_counts *counts) {
    *counts = (struct spec_counts){0};
    usize magic = strlen(SCRIPT_MAGIC);
    if (blob.len < magic || memcmp(blob.data, SCRIPT_MAGIC, magic) != 0)
        return ERR_MALFORMED;
    struct runner *r = host_alloc(sizeof *r);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->engine = engine;
    r->thread = thread;
    r->sink = sink;
    r->total = counts;
    r->at = blob.data + magic;
    r->end = blob.data + blob.len;
    enum status status = spectest_funcs_create(engine, &r->funcs);
    if (status == OK)
        status = run_commands(r);
    end_script(r);
    host_free(r, sizeof *r);
    return status;
}

struct spec_sums spec_counts_sum(const struct spec_counts *counts) {
    struct spec_sums sums = {0};
    for (u32 i = 0; i < SCRIPT_COMMAND_COUNT; i++) {
        if (i >= SCRIPT_ASSERT_RETURN)
            sums.passed += counts->passed[i];
        sums.failed += counts->failed[i];
        sums.skipped += counts->skipped[i];
        sums.lifted += counts->lifted[i];
    }
    return sums;
}

const char *spec_command_name(enum script_command command) {
    static const char *const names[SCRIPT_COMMAND_COUNT] = {
        [SCRIPT_BEGIN] = "script",
        [SCRIPT_MODULE] = "module",
        [SCRIPT_DEFINITION] = "definition",
        [SCRIPT_INSTANCE] = "instance",
        [SCRIPT_REGISTER] = "register",
        [SCRIPT_ACTION] = "action",
        [SCRIPT_ASSERT_RETURN] = "assert_return",
        [SCRIPT_ASSERT_TRAP] = "assert_trap",
        [SCRIPT_ASSERT_EXHAUSTION] = "assert_exhaustion",
        [SCRIPT_ASSERT_EXCEPTION] = "assert_exception",
        [SCRIPT_ASSERT_INVALID] = "assert_invalid",
        [SCRIPT_ASSERT_MALFORMED] = "assert_malformed",
        [SCRIPT_ASSERT_UNLINKABLE] = "assert_unlinkable",
        [SCRIPT_ASSERT_UNINSTANTIABLE] = "assert_uninstantiable",
        [SCRIPT_ASSERT_TEXT] = "assert_malformed (text)",
    };
    return command < SCRIPT_COMMAND_COUNT ? names[command] : "?";
}
