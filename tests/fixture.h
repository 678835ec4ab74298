#pragma once
// What tests of one module share: an embedder, the module's instance, and tables of calls.

#include "base/string.h"
#include "tests/embedder.h"

struct fixture {
    struct embedder e;
    struct instance *instance;
};

// Both return 0, as cmocka has it.
static inline int fixture_init_cpu(struct fixture *f, enum cpu_level cpu, const u8 *wasm,
                                   usize len) {
    embedder_init_config(&f->e, FEATURES_SUPPORTED, cpu);
    f->instance = embedder_instance(&f->e, (struct bytes){wasm, len}, NULL);
    return 0;
}

static inline int fixture_init(struct fixture *f, const u8 *wasm, usize len) {
    return fixture_init_cpu(f, CPU_NATIVE, wasm, len);
}

static inline int fixture_fini(struct fixture *f) {
    embedder_fini(&f->e);
    return 0;
}

static inline enum trap fixture_call(struct fixture *f, const char *name, u64 *values) {
    return embedder_call(&f->e, f->instance, name, values);
}

// The contents of an exported memory.
static inline u8 *fixture_memory(struct fixture *f, const char *name) {
    struct extern_ref ref = embedder_export(f->instance, name);
    assert_int_equal(ref.kind, EXTERN_MEMORY);
    return (u8 *)ref.memory->base;
}

// A call of an export and what comes of it. A function without a result leaves its first argument.
struct call_case {
    const char *name;
    u64 args[6];
    u64 result;
    enum trap trap;
};

static inline void fixture_run(struct fixture *f, const struct call_case *cases, usize count) {
    for (usize i = 0; i < count; i++) {
        const struct call_case *c = &cases[i];
        u64 values[20] = {0};
        memcpy(values, c->args, sizeof c->args);
        enum trap trap = fixture_call(f, c->name, values);
        if (trap != c->trap || (trap == TRAP_NONE && values[0] != c->result))
            fail_msg("%s (case %zu): trap %s, result 0x%llx, expected %s, 0x%llx", c->name, i,
                     trap_text(trap), (unsigned long long)values[0], trap_text(c->trap),
                     (unsigned long long)c->result);
    }
}
