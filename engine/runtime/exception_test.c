// References to exceptions: how long exceptions live, and what happens when there are too many. The
// module is put together here, for not every assembler knows exnref.

#include "tests/embedder.h"

#include "engine/runtime/store.h"
#include "tests/wasm_build.h"

// -- The module -----------------------------------------------------------------------------------

#define I32        "\x7f"
#define I64        "\x7e"
#define EXNREF     "\x69"
#define END        "\x0b"
#define DROP       "\x1a"
#define BR(label)  "\x0c" label
#define BR_IF(l)   "\x0d" l
#define GET(local) "\x20" local
#define SET(local) "\x21" local
#define TEE(local) "\x22" local
#define GGET       "\x23\x00"
#define GSET       "\x24\x00"
#define TGET       "\x25\x00"
#define TSET       "\x26\x00"
#define ONE        "\x41\x01"
#define ADD        "\x6a"
#define LT_U       "\x49"
#define IS_NULL    "\xd1"
#define NULL_EXN   "\xd0\x69"
#define EXTEND     "\xad"
#define WRAP       "\xa7"
#define THROW(tag) "\x08" tag
#define THROW_REF  "\x0a"
#define BLOCK(t)   "\x02" t
#define LOOP(t)    "\x03" t
#define VOID       "\x40"
// try_table (type t) (one clause, to the block around it).
#define TRY_CATCH(t, tag)     "\x1f" t "\x01\x00" tag "\x00"
#define TRY_CATCH_REF(t, tag) "\x1f" t "\x01\x01" tag "\x00"
#define TRY_ALL_REF(t)        "\x1f" t "\x01\x03\x00"

// Types: 0 ()->(), 1 (i32)->(), 2 (i32)->(i32), 3 (i32 exnref)->(), 4 ()->(i32 exnref),
// 5 (i64 * 8)->(), 6 ()->(i64 * 8)
#define EIGHT I64 I64 I64 I64 I64 I64 I64 I64
static const struct wasm_part sections[] = {
    PART(1, "\x07\x60\0\0"
            "\x60\1" I32 "\0"
            "\x60\1" I32 "\1" I32 "\x60\2" I32 EXNREF "\0"
            "\x60\0\2" I32 EXNREF "\x60\x08" EIGHT "\0"
            "\x60\0\x08" EIGHT),
    PART(3, "\x0b\2\2\2\2\2\2\2\2\2\2\2"),
    PART(4, "\1" EXNREF "\0\x80\x08"), // a table of 1024
    PART(13, "\3\0\1\0\3\0\5"),        // tags: 0 number, 1 link, 2 wide
    PART(6, "\1" EXNREF "\1" NULL_EXN END),
    PART(7, "\x0b"
            "\4make\0\0"
            "\5raise\0\1"
            "\5churn\0\2"
            "\3set\0\3"
            "\3get\0\4"
            "\4link\0\5"
            "\4walk\0\6"
            "\4wide\0\7"
            "\4twin\0\x08"
            "\5again\0\x09"
            "\6direct\0\x0a"),
};

// local 1 := local 1 + 1; again while it is less than the parameter
#define COUNT_UP GET("\1") ONE ADD TEE("\1") GET("\0") LT_U BR_IF("\0")

static const struct wasm_part bodies[] = {
    // make: throws the parameter, keeps the reference in the global.
    PART(0, "\0" BLOCK("\4") TRY_CATCH_REF(VOID, "\0") GET("\0") THROW("\0") END "\0" END GSET END),
    // raise: throws the global's; its number.
    PART(1, "\0" BLOCK(I32) TRY_CATCH(VOID, "\0") GGET THROW_REF END "\0" END END),
    // churn: makes as many, keeps none.
    PART(2, "\1\1" I32 LOOP(VOID) BLOCK(EXNREF) TRY_ALL_REF(VOID) GET("\1") THROW("\0") END
         "\0" END DROP COUNT_UP END GET("\1") END),
    // set: table[parameter] = an exception of that number; get: its number, by throwing it.
    PART(3, "\1\1" EXNREF BLOCK("\4") TRY_CATCH_REF(VOID, "\0") GET("\0") THROW("\0") END
         "\0" END SET("\1") GET("\0") GET("\1") TSET END),
    PART(4, "\0" BLOCK(I32) TRY_CATCH(VOID, "\0") GET("\0") TGET THROW_REF END "\0" END END),
    // link: as many times, the global = an exception that carries the global.
    PART(5, "\1\1" I32 LOOP(VOID) BLOCK(EXNREF) TRY_ALL_REF(VOID) GET("\1") GGET THROW("\1") END
         "\0" END GSET COUNT_UP END GET("\1") END),
    // walk: takes the chain apart; how long it was.
    PART(6, "\1\1" I32 BLOCK(VOID) LOOP(VOID) GGET IS_NULL BR_IF("\1") BLOCK("\4")
                TRY_CATCH(VOID, "\1") GGET THROW_REF END "\0" END GSET DROP GET("\1")
                    ONE ADD SET("\1") BR("\0") END END GET("\1") END),
    // wide: eight numbers, thrown, kept as a local, thrown again; the last, as many times.
    PART(7, "\2\1" I32 "\1" EXNREF LOOP(VOID) BLOCK(EXNREF) TRY_ALL_REF(VOID) GET("\1")
                EXTEND GET("\1") EXTEND GET("\1") EXTEND GET("\1") EXTEND GET("\1") EXTEND GET("\1")
                    EXTEND GET("\1") EXTEND GET("\1") EXTEND THROW("\2") END "\0" END SET("\2")
                        BLOCK("\6") TRY_CATCH(VOID, "\2") GET("\2") THROW_REF END
         "\0" END WRAP GET("\1") "\x6b"
                                 "\x04" VOID
                                 "\0" END DROP DROP DROP DROP DROP DROP DROP COUNT_UP END GET("\1")
                                     END),
    // twin: two references to one exception are thrown one behind the other.
    PART(8, "\1\1" EXNREF BLOCK("\4") TRY_CATCH_REF(VOID, "\0") GET("\0") THROW("\0") END
         "\0" END SET("\1") DROP BLOCK(I32) TRY_CATCH(VOID, "\0") GET("\1") THROW_REF END
         "\0" END BLOCK(I32) TRY_CATCH(VOID, "\0") GET("\1") THROW_REF END "\0" END ADD END),
    // again: a catch that goes to the start of a loop, with one less each time; 77 at zero.
    PART(9, "\1\1" I32 GET("\0") LOOP("\2") SET("\1")
                GET("\1") "\x45\x04" VOID "\x41\xcd\0\x0f" END TRY_CATCH(VOID, "\0") GET("\1") ONE
         "\x6b" THROW("\0") END "\0" END END),
    // direct: a catch that returns from the function.
    PART(10, "\0" TRY_CATCH(VOID, "\0") GET("\0") THROW("\0") END "\0" END),
};

static struct wasm_build module;

static void build_module(void) {
    struct wasm_build code = {};
    wasm_build_leb(&code, COUNT_OF(bodies));
    for (u32 i = 0; i < COUNT_OF(bodies); i++) {
        wasm_build_leb(&code, bodies[i].len);
        wasm_build_bytes(&code, bodies[i].content, bodies[i].len);
    }
    wasm_build_begin(&module);
    for (u32 i = 0; i < COUNT_OF(sections); i++)
        wasm_build_section(&module, sections[i]);
    wasm_build_section(&module, (struct wasm_part){10, (const char *)code.bytes, code.len});
}

// -- The tests ------------------------------------------------------------------------------------

static struct embedder e;
static struct instance *instance;

static int setup(void **state) {
    (void)state;
    build_module();
    embedder_init(&e);
    instance = embedder_instance(&e, wasm_build_end(&module), NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

static enum trap call(const char *name, u64 argument, u64 *result) {
    u64 values[1] = {argument};
    enum trap trap = embedder_call(&e, instance, name, values);
    *result = values[0];
    return trap;
}

static u64 run(const char *name, u64 argument) {
    u64 result;
    enum trap trap = call(name, argument, &result);
    if (trap != TRAP_NONE)
        fail_msg("%s: %s", name, trap_text(trap));
    return result;
}

static const struct exception_pool *pool(void) {
    return &instance->store->exceptions;
}

static u64 *kept(void) {
    return *instance_global_ptr(instance, 0);
}

static void null_is_a_trap(void **state) {
    (void)state;
    u64 ignored;
    assert_int_equal(call("raise", 0, &ignored), TRAP_NULL_EXCEPTION);
    assert_int_equal(call("get", 5, &ignored), TRAP_NULL_EXCEPTION);
}

static void a_reference_can_be_thrown_again_and_again(void **state) {
    (void)state;
    assert_int_equal(run("make", 41), 41);
    assert_int_equal(run("raise", 0), 41);
    assert_int_equal(run("raise", 0), 41);
    assert_int_equal(run("twin", 21), 42);
}

static void a_catch_goes_to_any_label(void **state) {
    (void)state;
    assert_int_equal(run("again", 0), 77);
    assert_int_equal(run("again", 100000), 77);
    assert_int_equal(run("direct", 9), 9);
}

static void what_nobody_has_is_given_back(void **state) {
    (void)state;
    run("churn", 1000);
    u64 charged = host_linux_charged();
    u32 capacity = pool()->capacity;
    assert_int_equal(run("churn", 1000000), 1000000);
    assert_int_equal(host_linux_charged(), charged);
    assert_int_equal(pool()->capacity, capacity);
}

static void globals_and_tables_keep(void **state) {
    (void)state;
    run("make", 7777);
    for (u32 i = 0; i < 1024; i++)
        assert_int_equal(run("set", i), i);
    run("churn", 100000);
    assert_int_equal(run("raise", 0), 7777);
    for (u32 i = 0; i < 1024; i++)
        assert_int_equal(run("get", i), i);
    assert_in_range(pool()->capacity - pool()->free_count, 1025, pool()->capacity);
}

static void exceptions_keep_what_they_carry(void **state) {
    (void)state;
    *kept() = 0;
    assert_int_equal(run("link", 10000), 10000);
    run("churn", 100000);
    assert_int_equal(run("walk", 0), 10000);
    assert_int_equal(run("walk", 0), 0);
}

// Payloads that do not fit into a cell are charged, and given back with it.
static void wide_payloads(void **state) {
    (void)state;
    run("wide", 1000);
    run("churn", 100000); // takes back all but what is on the stack by chance
    u64 live = host_linux_live_count();
    assert_int_equal(run("wide", 100000), 100000);
    run("churn", 100000);
    assert_in_range(host_linux_live_count(), 0, live + 2);
}

static void running_out_is_a_trap(void **state) {
    (void)state;
    u64 ignored;
    *kept() = 0;
    run("churn", 1000);
    host_linux_charge_limit(host_linux_charged() + 100000);
    assert_int_equal(call("link", 1000000, &ignored), TRAP_OUT_OF_MEMORY);
    assert_int_not_equal(*kept(), 0);
    assert_int_equal(call("make", 1, &ignored), TRAP_OUT_OF_MEMORY);
    assert_int_not_equal(run("walk", 0), 0); // needs no new one
    assert_int_equal(run("churn", 100000), 100000);
    host_linux_charge_limit(UINT64_MAX);
    assert_int_equal(run("link", 1000000), 1000000);
    assert_int_equal(call("link", 1000000, &ignored), TRAP_OUT_OF_MEMORY); // LIMIT_EXCEPTIONS
    assert_int_equal(pool()->capacity, LIMIT_EXCEPTIONS);
    *kept() = 0;
    assert_int_equal(run("churn", 1), 1);
}

static void without_memory_nothing_is_half_done(void **state) {
    (void)state;
    struct instance *first = instance;
    struct store *store = e.store;
    for (u64 nth = 1;; nth++) {
        assert_int_equal(store_create(e.engine, &e, &e.store), OK);
        instance = embedder_instance(&e, wasm_build_end(&module), NULL);
        host_linux_fail_nth(nth);
        u64 result = 0;
        enum trap trap = call("wide", 3, &result);
        bool has_failed = host_linux_has_failed();
        host_linux_fail_nth(0);
        assert_int_equal(trap, has_failed ? TRAP_OUT_OF_MEMORY : TRAP_NONE);
        assert_int_equal(run("wide", 3), 3);
        store_destroy(e.store);
        if (!has_failed)
            break;
    }
    instance = first;
    e.store = store;
}

// Other threads' stacks may hold references then: nothing is given back before the store is.
static void a_shared_memory_keeps_everything(void **state) {
    (void)state;
    struct memory_type type = {.limits = {.min = 1, .max = 1, .has_max = true}, .is_shared = true};
    struct memory *memory;
    struct instance *first = instance;
    struct store *store = e.store;
    assert_int_equal(store_create(e.engine, &e, &e.store), OK);
    instance = embedder_instance(&e, wasm_build_end(&module), NULL);
    assert_int_equal(store_memory(e.store, type, &memory), OK);
    run("churn", 1000);
    assert_int_equal(pool()->capacity - pool()->free_count, 1000);
    store_destroy(e.store);
    instance = first;
    e.store = store;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_a_trap),
        cmocka_unit_test(a_reference_can_be_thrown_again_and_again),
        cmocka_unit_test(a_catch_goes_to_any_label),
        cmocka_unit_test(what_nobody_has_is_given_back),
        cmocka_unit_test(globals_and_tables_keep),
        cmocka_unit_test(exceptions_keep_what_they_carry),
        cmocka_unit_test(wide_payloads),
        cmocka_unit_test(running_out_is_a_trap),
        cmocka_unit_test(without_memory_nothing_is_half_done),
        cmocka_unit_test(a_shared_memory_keeps_everything),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
