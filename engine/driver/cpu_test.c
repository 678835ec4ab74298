// CPU levels: their names, and that code has no instruction beyond its engine's.

#include <string.h>

#include "engine/runtime/entry.h"
#include "engine/runtime/runtime.h"
#include "tests/embedder.h"

static void levels_have_names(void **) {
    for (u32 i = 0; i < CPU_LEVEL_COUNT; i++) {
        enum cpu_level level = CPU_LEVEL_COUNT;
        assert_true(cpu_level_named(bytes_of(cpu_level_name((enum cpu_level)i)), &level));
        assert_int_equal(level, i);
    }
    enum cpu_level level = CPU_NATIVE;
    assert_false(cpu_level_named(bytes_of("av"), &level));
    assert_false(cpu_level_named(bytes_of(""), &level));
    assert_int_equal(level, CPU_NATIVE);
}

static void what_the_cpu_has_is_found(void **) {
    u32 found = engine_cpu_features();
    assert_int_equal((found & CPU_AVX) != 0, __builtin_cpu_supports("avx") != 0);
    assert_int_equal((found & CPU_AVX2) != 0, __builtin_cpu_supports("avx2") != 0);
    assert_int_equal((found & CPU_FMA) != 0, __builtin_cpu_supports("fma") != 0);
    assert_int_equal((found & CPU_BMI1) != 0, __builtin_cpu_supports("bmi") != 0);
}

static void levels_leave_out_what_is_above_them(void **) {
    for (u32 i = 0; i < CPU_LEVEL_COUNT; i++) {
        struct embedder e;
        embedder_init_config(&e, FEATURES_SUPPORTED, (enum cpu_level)i);
        u32 all = engine_cpu_features();
        u32 used = e.engine->cpu;
        assert_int_equal(used & ~all, 0);
        assert_int_equal(used, i == CPU_NATIVE ? all : i == CPU_AVX_ONLY ? all & CPU_AVX : 0);
        embedder_fini(&e);
    }
}

// (f32.add (local.get 0) (local.get 0)) is addss xmm, xmm, or has another prefix in front of 58.
static void code_has_avx_or_sse(void **) {
    static const u8 wasm[] = {0, 'a', 's', 'm', 1,  0, 0, 0, 1, 6,    1, 0x60, 1, 0x7d, 1,   0x7d,
                              3, 2,   1,   0,   10, 9, 1, 7, 0, 0x20, 0, 0x20, 0, 0x92, 0x0b};
    static const u8 sse[] = {0xf3, 0x0f, 0x58};
    for (u32 i = 0; i < CPU_LEVEL_COUNT; i++) {
        struct embedder e;
        embedder_init_config(&e, FEATURES_SUPPORTED, (enum cpu_level)i);
        struct module *module = embedder_module(&e, (struct bytes){wasm, sizeof wasm});
        bool has_sse = memmem((const void *)(uptr)module->code->address, module->code->bytes, sse,
                              sizeof sse) != NULL;
        assert_int_equal(has_sse, (e.engine->cpu & CPU_AVX) == 0);
        module_release(module);
        embedder_fini(&e);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(what_the_cpu_has_is_found),
        cmocka_unit_test(levels_leave_out_what_is_above_them),
        cmocka_unit_test(code_has_avx_or_sse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
