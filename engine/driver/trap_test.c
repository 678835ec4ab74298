// Traps and their reports: which trap, which functions, where in the bytes.

#include "tests/embedder.h"

#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#include "engine/driver/driver_internal.h"
#include "engine/ops/ops.h"

static const u8 trap_wasm[] = {
#embed "wat/trap.wasm"
};

static struct embedder e;
static struct instance *instance;

// Ends the program with the trap that its argument names.
static enum trap stop(struct instance *caller, u64 *values, void *context) {
    assert_ptr_equal(caller, instance);
    assert_ptr_equal(context, &e);
    return (enum trap)values[0];
}

static int setup(void **state) {
    (void)state;
    static const enum value_type i32 = VALUE_I32;
    embedder_init(&e);
    struct extern_ref import = embedder_host_func(&e, &(struct func_type){1, 0, &i32}, stop, &e);
    instance = embedder_instance(&e, (struct bytes){trap_wasm, sizeof trap_wasm}, &import);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embedder_fini(&e);
    return 0;
}

static void check_frame(u32 index, const char *name, u8 opcode) {
    const struct trap_frame *frame = &e.report.frames[index];
    assert_ptr_equal(frame->module, instance->module);
    struct bytes found = module_func_name(frame->module, frame->func);
    if (!bytes_equal_text(found, name))
        fail_msg("frame %u is %.*s, not %s", index, (int)found.len, found.data, name);
    assert_in_range(frame->wasm_offset, 0, sizeof trap_wasm - 1);
    assert_int_equal(trap_wasm[frame->wasm_offset], opcode);
}

#define OPCODE_UNREACHABLE 0x00
#define OPCODE_CALL        0x10
#define OPCODE_I32_LOAD    0x28
#define OPCODE_I32_DIV_U   0x6e

static void a_report_names_every_function(void **state) {
    (void)state;
    u64 values[1] = {0};
    assert_int_equal(embedder_call(&e, instance, "outer", values), TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(e.report.trap, TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(e.report.frame_count, 3);
    assert_int_equal(e.report.frames_total, 3);
    check_frame(0, "divide", OPCODE_I32_DIV_U);
    check_frame(1, "middle", OPCODE_CALL);
    check_frame(2, "outer", OPCODE_CALL);

    values[0] = 7;
    assert_int_equal(embedder_call(&e, instance, "outer", values), TRAP_NONE);
    assert_int_equal(values[0], 3);
    assert_int_equal(e.report.trap, TRAP_NONE);
    assert_int_equal(e.report.frame_count, 0);
}

static void a_deep_report_keeps_the_innermost(void **state) {
    (void)state;
    static const u32 depths[] = {0, 30, 31, 32, 1000};
    for (u32 i = 0; i < COUNT_OF(depths); i++) {
        u64 values[1] = {depths[i]};
        assert_int_equal(embedder_call(&e, instance, "deep", values), TRAP_UNREACHABLE);
        assert_int_equal(e.report.frames_total, depths[i] + 1);
        u32 kept = depths[i] + 1 < TRAP_REPORT_FRAMES ? depths[i] + 1 : TRAP_REPORT_FRAMES;
        assert_int_equal(e.report.frame_count, kept);
        check_frame(0, "deep", OPCODE_UNREACHABLE);
        for (u32 frame = 1; frame < kept; frame++)
            check_frame(frame, "deep", OPCODE_CALL);
    }
}

static void endless_recursion_is_stopped(void **state) {
    (void)state;
    u64 values[1];
    for (u32 round = 0; round < 3; round++) {
        assert_int_equal(embedder_call(&e, instance, "forever", values), TRAP_STACK_OVERFLOW);
        assert_in_range(e.report.frames_total, 1000, UINT32_MAX);
        check_frame(1, "forever", OPCODE_CALL);
        assert_int_equal(e.thread.entry_sp, 0);
    }
}

static void memory_bounds_are_exact(void **state) {
    (void)state;
    static const struct {
        u32 at;
        enum trap trap;
    } cases[] = {
        {0, TRAP_NONE},
        {65532, TRAP_NONE},
        {65533, TRAP_MEMORY_BOUNDS},
        {65536, TRAP_MEMORY_BOUNDS},
        {0x7fffffff, TRAP_MEMORY_BOUNDS},
        {UINT32_MAX, TRAP_MEMORY_BOUNDS},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u64 values[1] = {cases[i].at};
        assert_int_equal(embedder_call(&e, instance, "load", values), cases[i].trap);
        if (cases[i].trap != TRAP_NONE)
            check_frame(0, "load", OPCODE_I32_LOAD);
    }
}

static void a_host_function_ends_the_program(void **state) {
    (void)state;
    static const enum trap traps[] = {TRAP_EXIT, TRAP_KILLED, TRAP_OUT_OF_MEMORY};
    u64 values[1] = {TRAP_NONE};
    assert_int_equal(embedder_call(&e, instance, "host", values), TRAP_NONE);
    for (u32 i = 0; i < COUNT_OF(traps); i++) {
        values[0] = traps[i];
        assert_int_equal(embedder_call(&e, instance, "host", values), traps[i]);
        assert_int_equal(e.report.trap, traps[i]);
        assert_int_equal(e.report.frame_count, 1); // the thunk is left out
        check_frame(0, "host", OPCODE_CALL);
    }
}

static void arguments_need_no_clean_upper_half(void **state) {
    (void)state;
    u64 values[1] = {0xdeadbeef00000000 + 65532};
    assert_int_equal(embedder_call(&e, instance, "load", values), TRAP_NONE);
}

static void faults_elsewhere_are_not_taken(void **state) {
    (void)state;
    u64 resume_pc;
    struct thread_block thread = {.entry_sp = 1};
    const struct code_object *code = instance->module->code;
    // Not generated code; generated code, but no place that traps; not inside WebAssembly.
    assert_false(engine_owns_pc(e.engine, (u64)stop));
    assert_false(engine_owns_pc(e.engine, code->address - 1));
    assert_true(engine_owns_pc(e.engine, code->address));
    assert_true(engine_owns_pc(e.engine, code->address + code->bytes - 1));
    assert_false(engine_owns_pc(e.engine, code->address + code->bytes));
    assert_false(engine_fault(e.engine, &thread, FAULT_ACCESS, TRAP_MEMORY_BOUNDS, (u64)stop, 0,
                              &resume_pc));
    assert_false(engine_fault(e.engine, &thread, FAULT_ILLEGAL, TRAP_MEMORY_BOUNDS, code->address,
                              0, &resume_pc));
    u32 sites = 0;
    for (u32 offset = 0; offset < code->bytes; offset++) {
        struct code_site site;
        if (!code_object_site(code, SITE_TRAP, offset, &site))
            continue;
        sites++;
        u64 pc = code->address + offset;
        thread.entry_sp = 1;
        thread.trap = TRAP_NONE;
        bool taken =
            engine_fault(e.engine, &thread, FAULT_ACCESS, TRAP_OUT_OF_MEMORY, pc, 0, &resume_pc);
        assert_true(taken);
        if (site.trap == TRAP_MEMORY_BOUNDS)
            assert_int_equal(thread.trap, TRAP_OUT_OF_MEMORY);
        thread.entry_sp = 0;
        assert_false(
            engine_fault(e.engine, &thread, FAULT_ACCESS, TRAP_OUT_OF_MEMORY, pc, 0, &resume_pc));
    }
    assert_true(sites > 5);
}

// A timer's signal does what the kernel's interrupt does: ends the program wherever it is.
static volatile u32 alarms_elsewhere;

static void on_alarm(int signal, siginfo_t *info, void *argument) {
    (void)signal;
    (void)info;
    greg_t *registers = ((ucontext_t *)argument)->uc_mcontext.gregs;
    u64 pc = (u64)registers[REG_RIP];
    const struct code_object *code = instance->module->code;
    if (pc - code->address >= code->bytes) { // perhaps in the engine, with the registry's lock
        alarms_elsewhere++;
        return;
    }
    assert_true(engine_owns_pc(e.engine, pc));
    registers[REG_RIP] =
        (greg_t)engine_interrupt(e.engine, &e.thread, TRAP_KILLED, pc, (u64)registers[REG_RBP]);
}

static void an_interrupt_ends_a_loop(void **state) {
    (void)state;
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction previous;
    assert_int_equal(sigaction(SIGALRM, &action, &previous), 0);
    for (u32 round = 0; round < 40; round++) {
        // Repeating, in case it comes before the program has begun.
        struct itimerval timer = {.it_interval.tv_usec = 1000,
                                  .it_value.tv_usec = 500 + 37 * (suseconds_t)round};
        struct itimerval off = {0};
        u64 values[1];
        assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
        enum trap trap = embedder_call(&e, instance, "spin", values);
        assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
        assert_int_equal(trap, TRAP_KILLED);
        assert_int_equal(e.report.trap, TRAP_KILLED);
        assert_in_range(e.report.frame_count, 1, 2);
        struct bytes name = module_func_name(instance->module, e.report.frames[0].func);
        bool in_step = bytes_equal_text(name, "step");
        assert_true(in_step || bytes_equal_text(name, "spin"));
    }
    assert_int_equal(sigaction(SIGALRM, &previous, NULL), 0);
}

// A program that spends all its time in what its code calls is never found in its own code: it ends
// all the same.
static void a_loop_of_helper_calls_ends(void **state) {
    (void)state;
    static const char *const loops[] = {
        "loop_memory_grow", "loop_memory_init", "loop_data_drop",  "loop_table_grow",
        "loop_table_fill",  "loop_table_copy",  "loop_table_init", "loop_elem_drop",
        "loop_wait",        "loop_throw",
    };
    for (u32 i = 0; i < COUNT_OF(loops); i++) {
        u64 values[1];
        host_linux_stop_nth(50);
        enum trap trap = embedder_call(&e, instance, loops[i], values);
        host_linux_stop_nth(0);
        if (trap != TRAP_KILLED)
            fail_msg("%s ended with %u", loops[i], trap);
        assert_int_equal(e.report.trap, TRAP_KILLED);
        assert_int_equal(embedder_call(&e, instance, loops[i], values), TRAP_NONE);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_report_names_every_function),    TEST(a_deep_report_keeps_the_innermost),
        TEST(endless_recursion_is_stopped),     TEST(memory_bounds_are_exact),
        TEST(a_host_function_ends_the_program), TEST(arguments_need_no_clean_upper_half),
        TEST(faults_elsewhere_are_not_taken),   TEST(an_interrupt_ends_a_loop),
        TEST(a_loop_of_helper_calls_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
