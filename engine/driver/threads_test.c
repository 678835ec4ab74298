// Several threads in one engine: each compiles, instantiates, calls and traps in stores of its own,
// while the others change the registries of types and code.

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/embedder.h"

#include "engine/driver/driver_internal.h"

static const u8 exporter_wasm[] = {
#embed "wat/exporter.wasm"
};

#define THREADS 4
#define ROUNDS  25

static struct embedder e;
static _Atomic u32 failures;

static void expect(bool condition) {
    if (!condition)
        failures++;
}

// (module (func (export "f") (param i64 x n) (result i64) local.get 0)): a type of its own for
// each n.
static struct bytes numbered_module(u8 n, u8 storage[128]) {
    u8 *at = storage;
    static const u8 head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1};
    static const u8 rest[] = {1, VALUE_I64, 3,  2, 1, 0, 7, 5,    1, 1,   'f',
                              0, 0,         10, 6, 1, 4, 0, 0x20, 0, 0x0b};
    for (u32 i = 0; i < sizeof head; i++)
        *at++ = head[i];
    *at++ = (u8)(5 + n);
    *at++ = 1;
    *at++ = 0x60;
    *at++ = n;
    for (u32 i = 0; i < n; i++)
        *at++ = VALUE_I64;
    for (u32 i = 0; i < sizeof rest; i++)
        *at++ = rest[i];
    return (struct bytes){storage, (usize)(at - storage)};
}

static struct instance *load(struct store *store, struct bytes wasm) {
    struct module_error error;
    struct module *module;
    struct instance *instance = NULL;
    enum trap trap;
    bool made = module_create(e.engine, wasm, &error, &module) == OK;
    expect(made);
    if (!made)
        return NULL;
    expect(instance_create(store, module, NULL, &error, &trap, &instance) == OK);
    module_release(module);
    return instance;
}

static enum trap call(struct thread_block *thread, struct instance *instance, const char *name,
                      u64 *values) {
    struct extern_ref found;
    if (instance == NULL || !instance_export(instance, bytes_of(name), &found))
        return TRAP_NONE;
    return func_call(e.engine, thread, found.func, values);
}

static void round_of(struct thread_block *thread, u32 number) {
    struct store *store;
    expect(store_create(e.engine, NULL, &store) == OK);
    u8 storage[128];
    u64 values[64] = {number + 1000};
    struct instance *numbered = load(store, numbered_module((u8)(number % 40 + 1), storage));
    expect(call(thread, numbered, "f", values) == TRAP_NONE);
    expect(values[0] == number + 1000);
    struct instance *exporter = load(store, (struct bytes){exporter_wasm, sizeof exporter_wasm});
    expect(call(thread, exporter, "peek", values) == TRAP_NONE);
    expect(values[0] == 42);
    expect(call(thread, exporter, "fail", values) == TRAP_UNREACHABLE);
    expect(thread->report->frame_count == 1);
    expect(thread->report->frames[0].module == exporter->module);
    store_destroy(store);
}

static void *thread_main(void *argument) {
    u32 first = *(const u32 *)argument;
    struct trap_report report;
    struct thread_block thread = {.report = &report};
    host_linux_thread(&thread, 256 * KIB);
    for (u32 i = 0; i < ROUNDS; i++)
        round_of(&thread, first + i * 7);
    host_linux_thread_end();
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state) {
    (void)state;
    embedder_init(&e);
    pthread_t threads[THREADS];
    u32 firsts[THREADS];
    for (u32 i = 0; i < THREADS; i++) {
        firsts[i] = i * 3;
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &firsts[i]), 0);
    }
    for (u32 i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(failures, 0);
    embedder_fini(&e);
}

// -- One memory -----------------------------------------------------------------------------------

static const u8 atomics_wasm[] = {
#embed "wat/atomics.wasm"
};

#define SLEEPERS 3
#define ADDRESS  256u

// Waits at ADDRESS in the shared memory of one instance until it is woken.
static void *sleeper_main(void *argument) {
    struct thread_block thread = {0};
    host_linux_thread(&thread, 256 * KIB);
    u64 values[3] = {ADDRESS, 0, (u64)-1};
    expect(call(&thread, argument, "wait32", values) == TRAP_NONE);
    expect(values[0] == 0); // woken
    host_linux_thread_end();
    return NULL;
}

// Each notification wakes one, whenever the sleepers come to wait; then there is nobody left.
static void a_notification_wakes_a_thread_that_waits(void **state) {
    (void)state;
    failures = 0;
    embedder_init(&e);
    struct bytes wasm = {atomics_wasm, sizeof atomics_wasm};
    struct instance *instance = embedder_instance(&e, wasm, NULL);
    pthread_t threads[SLEEPERS];
    for (u32 i = 0; i < SLEEPERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sleeper_main, instance), 0);
    for (u32 woken = 0; woken < SLEEPERS;) {
        u64 values[2] = {ADDRESS, 1};
        assert_int_equal(embedder_call(&e, instance, "notify", values), TRAP_NONE);
        assert_true(values[0] <= 1);
        woken += (u32)values[0];
        sched_yield();
    }
    for (u32 i = 0; i < SLEEPERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    u64 values[2] = {ADDRESS, SLEEPERS};
    assert_int_equal(embedder_call(&e, instance, "notify", values), TRAP_NONE);
    assert_int_equal(values[0], 0);
    assert_int_equal(failures, 0);
    embedder_fini(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(a_notification_wakes_a_thread_that_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
