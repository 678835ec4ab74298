#pragma once
// The engine as its embedder sees it: WebAssembly bytes in, running native code out.
//
//   engine     canonical types, code registry, host functions; one per kernel
//   module     decoded, validated, compiled; immutable and shared
//   store      everything that one process instantiates; freed as a whole
//   instance   a module with its memories, tables and globals, in a store
//
// No function here keeps a pointer that its contract does not say it keeps. The engine has no
// global variables; thread-safety: engine and module calls may be made by any thread, a store is
// used by one thread at a time (running code in it apart). Threads of one program are instances of
// its module, in a store for each, which import a shared memory from a store that outlives them.

#include "base/status.h"
#include "base/string.h"
#include "engine/api/contract.h"

struct engine;
struct module;
struct store;
struct instance;

enum value_type : u8 {
    VALUE_I32 = 0x7f,
    VALUE_I64 = 0x7e,
    VALUE_F32 = 0x7d,
    VALUE_F64 = 0x7c,
    VALUE_V128 = 0x7b,
    VALUE_FUNCREF = 0x70,
    VALUE_EXTERNREF = 0x6f,
    VALUE_EXNREF = 0x69,
};

// A function type. `types` holds the parameters, then the results.
struct func_type {
    u32 param_count;
    u32 result_count;
    const enum value_type *types;
};

// How many 64-bit slots a value takes where values are passed to and from C, the low half first.
static inline u32 value_type_slots(enum value_type type) {
    return type == VALUE_V128 ? 2 : 1;
}

enum extern_kind : u8 { EXTERN_FUNC, EXTERN_TABLE, EXTERN_MEMORY, EXTERN_GLOBAL, EXTERN_TAG };

struct limits {
    u64 min;
    u64 max; // meaningful only with has_max
    bool has_max;
};

struct table_type {
    enum value_type element;
    struct limits limits; // in elements
    bool is64;            // indexed by i64
};

struct memory_type {
    struct limits limits; // in pages
    bool is_shared;       // then it has a maximum
    bool is64;            // addressed by i64
};

struct global_type {
    enum value_type type;
    bool is_mutable;
};

// -- Engine -------------------------------------------------------------------------------------

// WebAssembly proposals beyond 1.0. A module that uses one that is off is refused by name.
enum feature : u32 {
    FEATURE_SIGN_EXTENSION = 1u << 0,
    FEATURE_SATURATING_CONVERSION = 1u << 1,
    FEATURE_MUTABLE_GLOBALS = 1u << 2,
    FEATURE_MULTI_VALUE = 1u << 3,
    FEATURE_BULK_MEMORY = 1u << 4,
    FEATURE_REFERENCE_TYPES = 1u << 5,
    FEATURE_SIMD = 1u << 6,
    FEATURE_RELAXED_SIMD = 1u << 7,
    FEATURE_TAIL_CALLS = 1u << 8,
    FEATURE_EXTENDED_CONST = 1u << 9,
    FEATURE_MULTI_MEMORY = 1u << 10,
    FEATURE_THREADS = 1u << 11,
    FEATURE_EXCEPTIONS = 1u << 12,        // with exnref; tags and throw, for the older form too
    FEATURE_LEGACY_EXCEPTIONS = 1u << 13, // try, catch, catch_all, delegate, rethrow
    FEATURE_MEMORY64 = 1u << 14,          // tables of 64 bits too
    FEATURE_COMPACT_IMPORTS = 1u << 15,   // of several things from one module

    FEATURES_ALL = (1u << 16) - 1, // what is decoded and validated
    // What there is code for: what an engine is created with.
    FEATURES_SUPPORTED = FEATURES_ALL,
};

// The proposal's name, as refusals give it. `feature` is one bit of FEATURES_ALL.
const char *feature_name(u32 feature);

enum memory_segment { SEGMENT_FS, SEGMENT_GS };

// Which instructions generated code may have. What a program computes depends on it only where
// WebAssembly leaves a choice: in relaxed vector instructions (docs/engine.md).
enum cpu_level : u8 {
    CPU_NATIVE,   // all that this CPU has
    CPU_AVX_ONLY, // x86-64-v2 and AVX, if it has that
    CPU_BASELINE, // x86-64-v2, which every CPU has that the engine runs on
    CPU_LEVEL_COUNT
};

// Its name for people: native, avx, baseline. The way back is false when `name` is none of them.
const char *cpu_level_name(enum cpu_level level);
MUST_USE bool cpu_level_named(struct bytes name, enum cpu_level *out);

struct import_name {
    const char *module;
    const char *name;
};

struct engine_config {
    enum memory_segment segment;
    u32 features;       // enum feature bits
    enum cpu_level cpu; // zero is CPU_NATIVE

    // Functions that can have something else than memory of the program's own appear in a memory:
    // what others write to at any time, or a device. In a module that imports one of them, every
    // access is left as written: none is removed, merged, widened, split or moved. For good.
    const struct import_name *mapping_imports;
    u32 mapping_import_count;
};

MUST_USE enum status engine_create(const struct engine_config *config, struct engine **out);

// All modules and stores of it must be gone.
void engine_destroy(struct engine *engine);

// What modules may use that are made from now on; those that exist stay as they are.
u32 engine_features(const struct engine *engine);
void engine_set_features(struct engine *engine, u32 features);

// What a host function is made from. `type` is copied. Where there is `direct`, that is called.
struct host_func_decl {
    struct func_type type;
    host_func code;
    host_direct direct; // for a type that allows that
    void *context;      // for `code`
};

// Makes host functions that modules can import. They live as long as the engine; making the same
// one again makes a second. Types that had no host function yet get code here, which takes whole
// pages for each call: so those that are known together should be made together. All or none.
MUST_USE enum status engine_host_funcs(struct engine *engine, const struct host_func_decl *decls,
                                       u32 count, struct func_ref **out);
MUST_USE enum status engine_host_func(struct engine *engine, const struct func_type *type,
                                      host_func code, void *context, struct func_ref **out);

// -- Modules ------------------------------------------------------------------------------------

#define NO_FUNC UINT32_MAX

// Why a module was refused, or could not be linked.
struct module_error {
    enum status status;
    u32 offset; // into the module's bytes
    u32 func;   // index of the function, or NO_FUNC
    char text[160];
};

struct module_stats {
    u32 func_count;
    u64 wasm_code_bytes;
    u64 code_bytes;
    u64 held_bytes; // of memory that are given back with the module, the code's pages included
};

// Decodes, validates and compiles a copy of `wasm`. On failure `*error` says why. ERR_KILLED: the
// host wanted the running thread to end.
MUST_USE enum status module_create(struct engine *engine, struct bytes wasm,
                                   struct module_error *error, struct module **out);

// The same without a copy: `wasm` stays as it is as long as there is the module.
MUST_USE enum status module_create_lent(struct engine *engine, struct bytes wasm,
                                        struct module_error *error, struct module **out);

// Decodes and validates only.
MUST_USE enum status module_validate(struct engine *engine, struct bytes wasm,
                                     struct module_error *error);

void module_retain(struct module *module);
void module_release(struct module *module); // NULL is allowed

void module_stats(const struct module *module, struct module_stats *out);

struct import_info {
    struct bytes module; // both live as long as the module
    struct bytes name;
    enum extern_kind kind;
    union {
        struct func_type func;
        struct table_type table;
        struct memory_type memory;
        struct global_type global;
        struct func_type tag; // without results
    };
};

struct export_info {
    struct bytes name;
    enum extern_kind kind;
    u32 index;
};

u32 module_import_count(const struct module *module);

// Whether accesses to memory are left as written (engine_config.mapping_imports).
bool module_keeps_accesses(const struct module *module);
void module_import(const struct module *module, u32 index, struct import_info *out);
u32 module_export_count(const struct module *module);
void module_export(const struct module *module, u32 index, struct export_info *out);

// The name that the name section gives a function, or empty.
struct bytes module_func_name(const struct module *module, u32 func);

// Where the code of a function lies, for profilers and debuggers.
struct func_code {
    u32 func; // index in the module
    u64 address;
    u64 bytes;
};

// The module's own functions, in order of address.
u32 module_code_count(const struct module *module);
void module_code(const struct module *module, u32 index, struct func_code *out);

// Which instructions some places in that code came from: those that may trap, and calls. Stores at
// most `capacity` of them, offsets counting from the function's first byte; returns how many there
// are.
u32 module_code_sites(const struct module *module, u32 index, struct code_site *out, u32 capacity);

// Whether memory 0 of each instance starts with the same bytes, so that they can be made once: it
// is not imported, and all active data segments are for it, at constant offsets, within its initial
// size, ascending and apart.
bool module_has_image(const struct module *module);

// What such a memory starts with, in order of address; all else is zero. The bytes live as long as
// the module. `*cursor` is zero at first. False: that was all.
struct image_piece {
    u64 offset;
    struct bytes bytes; // not empty
};
MUST_USE bool module_image_next(const struct module *module, u32 *cursor, struct image_piece *out);

// What the host keeps with a module, until host_module_end. Setting returns what is there now:
// something else, when somebody was first. NULL: nothing yet.
void *module_host_data(const struct module *module);
void *module_host_data_set(struct module *module, void *data);

// The name that a tag is imported by, else exported by, or empty.
struct bytes module_tag_name(const struct module *module, u32 tag);

// -- Stores and instances -----------------------------------------------------------------------

// One thing that can be imported or exported. The objects belong to their store (host functions
// to the engine).
struct global {
    u64 *cell; // 16 bytes
    struct global_type type;
};

struct extern_ref {
    enum extern_kind kind;
    union {
        struct func_ref *func;
        struct table *table;
        struct memory *memory;
        struct global *global;
        struct tag *tag;
    };
};

// `owner` is handed to the host's functions and is what instance_owner() returns.
MUST_USE enum status store_create(struct engine *engine, void *owner, struct store **out);

// Frees all instances, memories, tables, globals and tags of the store. No thread runs in it. Where
// code of the store has run since it was made, or retired, that is for the owner's own thread
// (host_data_alloc); else for any.
void store_destroy(struct store *store);

// Objects that the embedder itself provides for import.
MUST_USE enum status store_memory(struct store *store, struct memory_type type,
                                  struct memory **out);
MUST_USE enum status store_table(struct store *store, struct table_type type, struct table **out);
MUST_USE enum status store_global(struct store *store, struct global_type type, u64 value,
                                  struct global **out);
MUST_USE enum status store_tag(struct store *store, const struct func_type *type, struct tag **out);

// Links `module` against `imports` (one per import, in order; one whose pointer is NULL is
// unknown), makes the instance, and runs the active segments. ERR_UNLINKABLE says why in `error`.
// When a segment is out of bounds the status is OK, `*trap` is set, and what was already written
// stays, as the specification has it since bulk memory operations; a module that was made without
// that feature is ERR_UNLINKABLE then, and nothing is written. The start function is not run: see
// instance_start_func. The store keeps the module alive.
MUST_USE enum status instance_create(struct store *store, struct module *module,
                                     const struct extern_ref *imports, struct module_error *error,
                                     enum trap *trap, struct instance **out);

// Whether instance_reset is possible: all memories are imported, or there are none.
bool instance_can_reset(const struct instance *instance);

// Makes the instance what instance_create made it, for another to use: globals, tables and segments
// of its own; imported memories stay, and active segments are written again. No code of it runs.
// Returns the trap of a segment that does not fit.
MUST_USE enum trap instance_reset(struct instance *instance);

// The start function, or NULL.
struct func_ref *instance_start_func(struct instance *instance);

// Finds an export. False when there is none of that name.
MUST_USE bool instance_export(struct instance *instance, struct bytes name, struct extern_ref *out);

static inline void *instance_owner(const struct instance *instance) {
    return instance->owner;
}

// Memory 0 as the host functions need it: base address and current size; 0 and 0 without one.
static inline struct memory *instance_memory(const struct instance *instance) {
    return instance->memory;
}

// Takes a store, in which nobody runs any more, from its owner and makes it what it was when its
// instance was new, for store_adopt. False: it cannot be used again, and is to be destroyed. That
// takes one instance of a module with an image and no other memory, which imports nothing but the
// embedder's functions. What the host has to say comes last, in host_memory_retire.
MUST_USE bool store_retire(struct store *store);

// Gives such a store to another owner, who is charged for it. ERR_LIMIT changes nothing.
MUST_USE enum status store_adopt(struct store *store, void *owner, struct instance **out);

void func_ref_type(struct engine *engine, const struct func_ref *func, struct func_type *out);

// -- Running ------------------------------------------------------------------------------------

#define TRAP_REPORT_FRAMES 32
#define NO_TAG             UINT32_MAX

struct trap_frame {
    struct module *module; // not retained: valid while the store lives
    u32 func;
    u32 wasm_offset; // of the instruction, into the module's bytes
};

// Where a trap happened, innermost frame first. `frames_total` may be larger than what was kept.
struct trap_report {
    enum trap trap;
    u32 tag; // TRAP_EXCEPTION: of what was thrown, in the innermost frame's module; or NO_TAG
    u32 frame_count;
    u32 frames_total;
    struct trap_frame frames[TRAP_REPORT_FRAMES];
};

// How many slots func_call needs for this type: those of the parameters, or of the results.
u32 func_type_slots(const struct func_type *type);

// Calls `func` on the current stack. `values` holds the arguments and takes the results, one behind
// the other (func_type_slots() slots). Returns TRAP_NONE or why it did not return; then
// `thread->report`, where set, tells where. A host function that comes from an instance's export
// runs as if that instance had called it; one straight from engine_host_func has no caller (NULL).
MUST_USE enum trap func_call(struct engine *engine, struct thread_block *thread,
                             struct func_ref *func, u64 *values);

// -- Faults and interrupts ----------------------------------------------------------------------
// These are for the embedder's handlers: they take the registry lock and touch nothing that can
// fault.

enum fault_kind { FAULT_ACCESS, FAULT_ILLEGAL, FAULT_DIVIDE };

// Whether `pc` lies in code that this engine published.
MUST_USE bool engine_owns_pc(struct engine *engine, u64 pc);

// Decides what a CPU exception at `pc` means. True: it is a trap of generated code, already noted
// in `thread`; continue at *resume_pc with every other register as it was. False: a bug, or not
// ours. An access fault becomes `access_trap` (TRAP_MEMORY_BOUNDS, or TRAP_OUT_OF_MEMORY when the
// host found no frame for a page that is in bounds, or TRAP_READ_ONLY).
MUST_USE bool engine_fault(struct engine *engine, struct thread_block *thread, enum fault_kind kind,
                           enum trap access_trap, u64 pc, u64 fp, u64 *resume_pc);

// Makes a thread that was interrupted at `pc` in generated code end with `trap` (TRAP_KILLED):
// continue at the returned address.
MUST_USE u64 engine_interrupt(struct engine *engine, struct thread_block *thread, enum trap trap,
                              u64 pc, u64 fp);
