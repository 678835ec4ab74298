// Commands of scripts that make modules and instances, or must fail to.
//
// Every module is also given to module_validate, which must judge as module_create does. A module
// that is refused because it needs a proposal which the engine lacks is no failure where the
// edition has that proposal: the module is missing then, and what depends on it is counted as such.

#include "tests/spec/runner_internal.h"

#include "base/math.h"
#include "engine/api/host.h"

// What version 3.0 has and the engine knows by name only, as its refusals say it.
static const struct {
    const char *refusal;
    const char *name;
} missing_proposals[] = {
    {"proposal typed function references is not supported", "typed function references"},
    {"proposal garbage collection is not supported", "garbage collection"},
};

static const char *find_text(const char *text, const char *wanted) {
    usize len = strlen(wanted);
    for (; *text != 0; text++) {
        if (strlen(text) >= len && memcmp(text, wanted, len) == 0)
            return text;
    }
    return NULL;
}

// The missing proposal that the refusal names, or NULL. An earlier edition misses nothing.
static const char *missing_proposal(const struct runner *r, const struct module_error *error) {
    if (error->status != ERR_UNSUPPORTED || r->features != r->all_features)
        return NULL;
    for (u32 i = 0; i < COUNT_OF(missing_proposals); i++) {
        if (find_text(error->text, missing_proposals[i].refusal) != NULL)
            return missing_proposals[i].name;
    }
    return NULL;
}

// -- Making them ----------------------------------------------------------------------------------

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

// How making an instance went: error.status, the trap of a segment or the start function, or the
// proposal that is missing.
struct outcome {
    struct module_error error;
    enum trap trap;
    bool is_segment_trap;
    struct target target;
};

// An instance that is missing makes what imports from it missing.
static struct extern_ref find_import(const struct runner *r, const struct import_info *import,
                                     const char **needs) {
    struct extern_ref found = {0};
    if (bytes_equal_text(import->module, "spectest")) {
        if (!spectest_export(&r->spectest, import->name, &found))
            found.func = NULL;
        return found;
    }
    const struct target *target = find_name(r, import->module, true);
    if (target == NULL)
        return found;
    if (target->needs != NULL)
        *needs = target->needs;
    else if (!instance_export(target->instance, import->name, &found))
        found.func = NULL;
    return found;
}

#define CHUNK_BYTES     4096u
#define CHECK_BYTES_MAX (4 * MIB)

// What an instance's memory has from `at` on, as far as the image says.
static void image_chunk(const struct module *module, u64 at, u8 out[static CHUNK_BYTES]) {
    memset(out, 0, CHUNK_BYTES);
    struct image_piece piece;
    for (u32 cursor = 0; module_image_next(module, &cursor, &piece);) {
        u64 from = max_u64(at, piece.offset);
        u64 end = min_u64(at + CHUNK_BYTES, piece.offset + piece.bytes.len);
        if (from < end)
            memcpy(out + (from - at), piece.bytes.data + (from - piece.offset), end - from);
    }
}

// A memory that has an image starts with what the image is, whoever writes it.
static void check_image(struct runner *r, const struct module *module,
                        const struct instance *instance) {
    if (!module_has_image(module))
        return;
    const struct memory *memory = instance_memory(instance);
    u64 bytes = min_u64(memory_bytes(memory), CHECK_BYTES_MAX);
    u8 *expected = host_alloc(CHUNK_BYTES);
    u8 *found = host_alloc(CHUNK_BYTES);
    for (u64 at = 0; at < bytes && expected != NULL && found != NULL; at += CHUNK_BYTES) {
        image_chunk(module, at, expected);
        if (host_memory_read(memory->owner, found, memory->base + at, CHUNK_BYTES) != OK ||
            memcmp(found, expected, CHUNK_BYTES) != 0)
            fail(r, "the memory at %lu is not what the image says", at);
    }
    host_free(expected, CHUNK_BYTES);
    host_free(found, CHUNK_BYTES);
}

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
        imports[i] = find_import(r, &import, &out->target.needs);
    }
    struct instance *instance = NULL;
    if (out->target.needs == NULL)
        out->error.status =
            instance_create(r->store, module, imports, &out->error, &out->trap, &instance);
    host_free(imports, bytes);
    out->target.instance = instance;
    out->is_segment_trap = out->trap != TRAP_NONE;
    if (out->error.status != OK || out->trap != TRAP_NONE || instance == NULL)
        return;
    check_image(r, module, instance);
    struct func_ref *start = instance_start_func(instance);
    if (start != NULL)
        out->trap = func_call(r->engine, r->thread, start, r->values);
}

static void load(struct runner *r, struct bytes binary, struct outcome *out) {
    *out = (struct outcome){0};
    struct module *module;
    enum status status = create_module(r, binary, &out->error, &module);
    if (status != OK) {
        out->target.needs = missing_proposal(r, &out->error);
        out->error.status = status;
        return;
    }
    out->error = (struct module_error){0};
    instantiate(r, module, out);
    module_release(module);
}

// Makes the new instance the latest, and known by `name` unless that is empty.
static void take_instance(struct runner *r, struct bytes name, const struct outcome *outcome) {
    r->latest = (struct target){0};
    if (outcome->target.needs != NULL)
        need(r, outcome->target.needs);
    else if (outcome->error.status != OK)
        fail(r, "%s (at 0x%x)", outcome->error.text, outcome->error.offset);
    else if (outcome->trap != TRAP_NONE)
        fail(r, "trap: %s", trap_text(outcome->trap));
    if (r->failed)
        return;
    r->latest = outcome->target;
    if (name.len != 0)
        add_name(r, name, false, r->latest);
}

// -- Commands -------------------------------------------------------------------------------------

void do_module(struct runner *r) {
    struct bytes name = read_text(r);
    struct outcome outcome;
    load(r, read_text(r), &outcome);
    take_instance(r, name, &outcome);
}

void do_definition(struct runner *r) {
    struct bytes name = read_text(r);
    struct bytes binary = read_text(r);
    struct module_error error;
    struct module *module = NULL;
    const char *needs = NULL;
    if (create_module(r, binary, &error, &module) != OK) {
        module = NULL;
        needs = missing_proposal(r, &error);
        if (needs != NULL)
            need(r, needs);
        else
            fail(r, "%s (at 0x%x)", error.text, error.offset);
    }
    if (r->failed)
        return;
    struct definition *definition = host_alloc(sizeof *definition);
    if (definition == NULL) {
        module_release(module);
        fail(r, "out of memory");
        return;
    }
    *definition = (struct definition){name, module, needs, r->definitions};
    r->definitions = definition;
}

void do_instance(struct runner *r) {
    struct bytes name = read_text(r);
    struct bytes wanted = read_text(r);
    struct definition *definition = r->definitions;
    while (definition != NULL && wanted.len != 0 && !bytes_equal(definition->text, wanted))
        definition = definition->next;
    if (definition == NULL) {
        fail(r, "no definition \"%.*s\"", (int)wanted.len, (const char *)wanted.data);
        return;
    }
    struct outcome outcome = {.target.needs = definition->needs};
    if (definition->module != NULL)
        instantiate(r, definition->module, &outcome);
    take_instance(r, name, &outcome);
}

// A refusal that only says that a proposal is missing does not say that the module is bad.
void do_assert_refused(struct runner *r) {
    (void)read_text(r); // not compared: texts differ between engines
    struct bytes binary = read_text(r);
    struct module_error error;
    struct module *module;
    enum status status = create_module(r, binary, &error, &module);
    if (status == OK) {
        module_release(module);
        r->accepted = binary;
        fail(r, "the module was accepted");
    } else if (status == ERR_NO_MEMORY) {
        fail(r, "out of memory");
    } else if (missing_proposal(r, &error) != NULL) {
        need(r, missing_proposal(r, &error));
    }
}

void do_assert_unlinkable(struct runner *r) {
    struct bytes expected = read_text(r);
    struct outcome outcome;
    load(r, read_text(r), &outcome);
    r->has_trapped_segment = outcome.error.status == OK && outcome.is_segment_trap;
    if (outcome.target.needs != NULL)
        need(r, outcome.target.needs);
    else if (outcome.error.status == OK)
        fail(r, "the module was linked");
    else if (outcome.error.status != ERR_UNLINKABLE)
        fail(r, "refused: %s", outcome.error.text);
    else
        check_text(r, outcome.error.text, expected);
}

void do_assert_uninstantiable(struct runner *r) {
    struct bytes expected = read_text(r);
    struct outcome outcome;
    load(r, read_text(r), &outcome);
    if (outcome.target.needs != NULL)
        need(r, outcome.target.needs);
    else if (outcome.error.status != OK)
        fail(r, "refused: %s", outcome.error.text);
    else if (outcome.trap == TRAP_NONE)
        fail(r, "the module was instantiated");
    else
        check_text(r, trap_text(outcome.trap), expected);
}

// -- What a later edition has otherwise -----------------------------------------------------------

// The one proposal with which the edition, too, accepts what it was to refuse.
static u32 accepting_feature(struct runner *r) {
    u32 later = r->all_features & ~r->features;
    u32 found = 0;
    for (u32 bit = 1; bit != 0 && bit <= later && found == 0; bit <<= 1) {
        if ((later & bit) == 0)
            continue;
        struct module_error error;
        engine_set_features(r->engine, r->features | bit);
        if (module_validate(r->engine, r->accepted, &error) == OK)
            found = bit;
    }
    engine_set_features(r->engine, r->all_features);
    return found;
}

u32 lifting_feature(struct runner *r) {
    bool has_bulk = (r->features & FEATURE_BULK_MEMORY) != 0;
    switch (r->command) {
    case SCRIPT_ASSERT_INVALID:
    case SCRIPT_ASSERT_MALFORMED:
        return r->accepted.len != 0 ? accepting_feature(r) : 0;
    case SCRIPT_ASSERT_UNLINKABLE:
        if (has_bulk || !r->has_trapped_segment)
            return 0;
        r->segments_lifted = true;
        return FEATURE_BULK_MEMORY;
    case SCRIPT_ASSERT_RETURN:
    case SCRIPT_ASSERT_TRAP:
        return r->segments_lifted ? FEATURE_BULK_MEMORY : 0;
    default:
        return 0;
    }
}
