// The helper functions at their bounds: what is out of range changes nothing, what is dropped is
// empty, growth stops at its limits.

#include "tests/embedder.h"

#include "engine/driver/driver_internal.h"

static const u8 helpers_wasm[] = {
#embed "wat/helpers.wasm"
};

static struct embedder e;
static struct instance *instance;
static struct table *t;
static struct table *u;
static u64 f0;
static u64 f1;

enum { TABLE_T, TABLE_U };
enum { ELEM_PASSIVE, ELEM_ACTIVE, ELEM_DECLARED };
enum { DATA_BYTES, DATA_PLACED };

static int setup(void **state) {
    (void)state;
    embedder_init(&e);
    instance = embedder_instance(&e, (struct bytes){helpers_wasm, sizeof helpers_wasm}, NULL);
    t = embedder_export(instance, "t").table;
    u = embedder_export(instance, "u").table;
    f0 = (u64)embedder_export(instance, "f0").func;
    f1 = (u64)embedder_export(instance, "f1").func;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

typedef struct helper_result (*helper_func)(struct instance *, u64, u64, u64, u64, u64);

// As generated code calls them: by the registers alone.
[[clang::no_sanitize("function")]] static struct helper_result call(enum helper helper, u64 a,
                                                                    u64 b, u64 c, u64 d, u64 f) {
    return ((helper_func)instance->helpers[helper])(instance, a, b, c, d, f);
}

static void segments_are_placed_at_start(void **state) {
    (void)state;
    static const u64 nulls[10];
    assert_int_equal(t->elements[2], f1);
    assert_int_equal(t->elements[3], f0);
    assert_memory_equal(t->elements + 4, nulls, 6 * sizeof(u64));
    assert_memory_equal((void *)(instance->memory_base + 100), "xyz", 4);
}

static void memory_init_checks_before_it_writes(void **state) {
    (void)state;
    static const struct {
        u64 to, from, count;
        enum trap trap;
    } cases[] = {
        {0, 0, 8, TRAP_NONE},
        {0, 8, 0, TRAP_NONE},
        {65536, 0, 0, TRAP_NONE},
        {65528, 0, 8, TRAP_NONE},
        {65529, 0, 8, TRAP_MEMORY_BOUNDS},
        {65537, 0, 0, TRAP_MEMORY_BOUNDS},
        {0, 9, 0, TRAP_MEMORY_BOUNDS},
        {0, 1, 8, TRAP_MEMORY_BOUNDS},
        {UINT32_MAX, 0, 1, TRAP_MEMORY_BOUNDS},
        {0, UINT32_MAX, UINT32_MAX, TRAP_MEMORY_BOUNDS},
        {UINT32_MAX, 0, UINT32_MAX, TRAP_MEMORY_BOUNDS},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u8 *memory = (u8 *)instance->memory_base;
        u64 visible = cases[i].to < 65536 ? 65536 - cases[i].to : 0;
        memset(memory, '.', 65536);
        struct helper_result result =
            call(HELPER_MEMORY_INIT, 0, DATA_BYTES, cases[i].to, cases[i].from, cases[i].count);
        assert_int_equal(result.trap, cases[i].trap);
        u64 written = cases[i].trap == TRAP_NONE ? cases[i].count : 0;
        for (u64 at = 0; at < visible && at < 16; at++) {
            u8 expected = at < written ? (u8)("abcdefgh"[cases[i].from + at]) : '.';
            assert_int_equal(memory[cases[i].to + at], expected);
        }
    }
}

static void dropped_data_is_empty(void **state) {
    (void)state;
    assert_int_equal(call(HELPER_DATA_DROP, DATA_BYTES, 0, 0, 0, 0).trap, TRAP_NONE);
    assert_int_equal(call(HELPER_DATA_DROP, DATA_BYTES, 0, 0, 0, 0).trap, TRAP_NONE);
    assert_int_equal(call(HELPER_MEMORY_INIT, 0, DATA_BYTES, 0, 0, 0).trap, TRAP_NONE);
    assert_int_equal(call(HELPER_MEMORY_INIT, 0, DATA_BYTES, 0, 0, 1).trap, TRAP_MEMORY_BOUNDS);
    // An active segment is dropped once it is placed.
    assert_int_equal(call(HELPER_MEMORY_INIT, 0, DATA_PLACED, 0, 0, 1).trap, TRAP_MEMORY_BOUNDS);
}

static void table_init_checks_before_it_writes(void **state) {
    (void)state;
    static const struct {
        u64 to, from, count;
        enum trap trap;
    } cases[] = {
        {0, 0, 4, TRAP_NONE},
        {1, 0, 4, TRAP_NONE},
        {5, 4, 0, TRAP_NONE},
        {2, 0, 4, TRAP_TABLE_BOUNDS},
        {0, 1, 4, TRAP_TABLE_BOUNDS},
        {6, 0, 0, TRAP_TABLE_BOUNDS},
        {0, 5, 0, TRAP_TABLE_BOUNDS},
        {UINT32_MAX, 0, 1, TRAP_TABLE_BOUNDS},
        {0, UINT32_MAX, UINT32_MAX, TRAP_TABLE_BOUNDS},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        for (u32 at = 0; at < 5; at++)
            u->elements[at] = 0;
        struct helper_result result = call(HELPER_TABLE_INIT, TABLE_U, ELEM_PASSIVE, cases[i].to,
                                           cases[i].from, cases[i].count);
        assert_int_equal(result.trap, cases[i].trap);
        for (u32 at = 0; at < 5; at++) {
            bool written =
                result.trap == TRAP_NONE && at >= cases[i].to && at < cases[i].to + cases[i].count;
            u64 source = cases[i].from + at - cases[i].to;
            assert_int_equal(u->elements[at], !written ? 0 : source % 2 == 0 ? f0 : f1);
        }
    }
}

static void dropped_elements_are_empty(void **state) {
    (void)state;
    assert_int_equal(call(HELPER_ELEM_DROP, ELEM_PASSIVE, 0, 0, 0, 0).trap, TRAP_NONE);
    for (u32 segment = ELEM_PASSIVE; segment <= ELEM_DECLARED; segment++) {
        assert_int_equal(call(HELPER_TABLE_INIT, TABLE_U, segment, 0, 0, 0).trap, TRAP_NONE);
        assert_int_equal(call(HELPER_TABLE_INIT, TABLE_U, segment, 0, 0, 1).trap,
                         TRAP_TABLE_BOUNDS);
    }
}

static void table_copy_may_overlap(void **state) {
    (void)state;
    for (u64 at = 0; at < 10; at++)
        t->elements[at] = at;
    assert_int_equal(call(HELPER_TABLE_COPY, TABLE_T, TABLE_T, 2, 0, 6).trap, TRAP_NONE);
    static const u64 up[10] = {0, 1, 0, 1, 2, 3, 4, 5, 8, 9};
    assert_memory_equal(t->elements, up, sizeof up);
    assert_int_equal(call(HELPER_TABLE_COPY, TABLE_T, TABLE_T, 0, 3, 7).trap, TRAP_NONE);
    static const u64 down[10] = {1, 2, 3, 4, 5, 8, 9, 5, 8, 9};
    assert_memory_equal(t->elements, down, sizeof down);

    static const u64 bad[][3] = {{4, 0, 2}, {0, 9, 2}, {6, 0, 0}, {0, 11, 0}, {0, 0, UINT32_MAX}};
    for (u32 i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(
            call(HELPER_TABLE_COPY, TABLE_U, TABLE_T, bad[i][0], bad[i][1], bad[i][2]).trap,
            TRAP_TABLE_BOUNDS);
    assert_int_equal(call(HELPER_TABLE_COPY, TABLE_U, TABLE_T, 5, 10, 0).trap, TRAP_NONE);
    assert_int_equal(u->elements[0], 0);
    for (u64 at = 0; at < 10; at++)
        t->elements[at] = 0;
}

static void table_fill_stays_inside(void **state) {
    (void)state;
    assert_int_equal(call(HELPER_TABLE_FILL, TABLE_U, 3, f1, 3, 0).trap, TRAP_TABLE_BOUNDS);
    assert_int_equal(u->elements[3], 0);
    assert_int_equal(call(HELPER_TABLE_FILL, TABLE_U, 6, f1, 0, 0).trap, TRAP_TABLE_BOUNDS);
    assert_int_equal(call(HELPER_TABLE_FILL, TABLE_U, 5, f1, 0, 0).trap, TRAP_NONE);
    assert_int_equal(call(HELPER_TABLE_FILL, TABLE_U, 3, f1, 2, 0).trap, TRAP_NONE);
    assert_int_equal(u->elements[2], 0);
    assert_int_equal(u->elements[3], f1);
    assert_int_equal(u->elements[4], f1);
}

static void tables_grow_to_their_limits(void **state) {
    (void)state;
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_T, f0, 0, 0, 0).value, 10);
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_T, f0, 11, 0, 0).value, UINT32_MAX);
    assert_int_equal(t->size, 10);
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_T, f0, 10, 0, 0).value, 10);
    assert_int_equal(t->size, 20);
    assert_int_equal(t->elements[19], f0);
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_T, f0, 1, 0, 0).value, UINT32_MAX);
    // Without a declared maximum the published limit holds.
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_U, 0, LIMIT_TABLE_SIZE, 0, 0).value, UINT32_MAX);
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_U, 0, UINT32_MAX, 0, 0).value, UINT32_MAX);
    host_linux_fail_nth(1);
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_U, 0, 100, 0, 0).value, UINT32_MAX);
    host_linux_charge_limit(host_linux_charged() + 799);
    assert_int_equal(call(HELPER_TABLE_GROW, TABLE_U, 0, 95, 0, 0).value, UINT32_MAX);
    host_linux_charge_limit(UINT64_MAX);
    assert_int_equal(u->size, 5);
    for (u32 i = 0; i < 1000; i++)
        assert_int_equal(call(HELPER_TABLE_GROW, TABLE_U, i, 1, 0, 0).value, 5 + i);
    assert_int_equal(u->elements[1004], 999);
}

static void memories_grow_to_their_limits(void **state) {
    (void)state;
    struct memory *memory = instance_memory(instance);
    assert_int_equal(call(HELPER_MEMORY_GROW, 0, 0, 0, 0, 0).value, 1);
    assert_int_equal(call(HELPER_MEMORY_GROW, 0, 3, 0, 0, 0).value, UINT32_MAX);
    assert_int_equal(call(HELPER_MEMORY_GROW, 0, UINT32_MAX, 0, 0, 0).value, UINT32_MAX);
    host_linux_fail_nth(1);
    assert_int_equal(call(HELPER_MEMORY_GROW, 0, 1, 0, 0, 0).value, UINT32_MAX);
    assert_int_equal(memory->bytes, WASM_PAGE_BYTES);
    assert_int_equal(call(HELPER_MEMORY_GROW, 0, 2, 0, 0, 0).value, 1);
    assert_int_equal(memory->bytes, 3 * WASM_PAGE_BYTES);
    assert_int_equal(*(u8 *)(memory->base + 3 * WASM_PAGE_BYTES - 1), 0);
    assert_int_equal(call(HELPER_MEMORY_GROW, 0, 1, 0, 0, 0).value, UINT32_MAX);
    assert_int_equal(call(HELPER_MEMORY_GROW, 0, 0, 0, 0, 0).value, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(segments_are_placed_at_start),  TEST(memory_init_checks_before_it_writes),
        TEST(dropped_data_is_empty),         TEST(table_init_checks_before_it_writes),
        TEST(dropped_elements_are_empty),    TEST(table_copy_may_overlap),
        TEST(table_fill_stays_inside),       TEST(tables_grow_to_their_limits),
        TEST(memories_grow_to_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
