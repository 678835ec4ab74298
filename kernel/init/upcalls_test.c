// What becomes of a fault: a page, a failed copy, or a bug of the kernel's, which must never pass
// for something else and never be tried again for ever.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/code.h"
#include "tests/fake_arch.h"
#include "tests/fake_process.h"

static struct area *memory;
static struct area *stack;

static void start(void) {
    fake_machine_start_simple(32 * MIB);
    struct aspace *as = aspace_kernel();
    aspace_init(as, arch_aspace_kernel());
    assert_int_equal(area_create(as, AREA_MEMORY, 64 * MIB, NULL, &memory), OK);
    assert_int_equal(area_grow(as, memory, 2 * MIB), OK);
    assert_int_equal(area_create(as, AREA_STACK, 64 * KIB, NULL, &stack), OK);
    assert_int_equal(area_grow(as, stack, 8 * KIB), OK);
}

static struct fault_result page_fault(bool in_copy, u64 address, enum fault_access access) {
    const struct fault fault = {
        .class = FAULT_PAGE,
        .access = access,
        .address = {address},
        .pc = 0x1234,
        .in_copy = in_copy,
    };
    return upcall_fault(&fault);
}

static void a_copy_commits_what_it_may_touch(void **) {
    start();
    u64 address = memory->vma.start + 5 * PAGE_SIZE;
    assert_int_equal(page_fault(true, address, FAULT_WRITE).action, FAULT_RETRY);
    struct phys_addr frame;
    assert_true(arch_translate(arch_aspace_kernel(), (struct virt_addr){address}, &frame));
}

static void a_copy_beyond_the_program_fails_with_a_status(void **) {
    start();
    const u64 addresses[] = {
        memory->vma.start + 2 * MIB,                // a memory that is smaller by now
        stack->vma.start,                           // a guard
        arch_slots_region().start.value + 60 * GIB, // no area
    };
    for (usize i = 0; i < COUNT_OF(addresses); i++) {
        struct fault_result result = page_fault(true, addresses[i], FAULT_READ);
        assert_int_equal(result.action, FAULT_FAIL_COPY);
        assert_int_equal(result.status, ERR_FAULT);
    }
}

static void a_copy_with_a_wild_kernel_pointer_is_a_bug(void **) {
    start();
    assert_int_equal(page_fault(true, 0, FAULT_READ).action, FAULT_BUG);
    assert_int_equal(page_fault(true, 0xffffffff80200000, FAULT_WRITE).action, FAULT_BUG);
    const struct fault not_canonical = {.class = FAULT_OTHER, .in_copy = true};
    assert_int_equal(upcall_fault(&not_canonical).action, FAULT_BUG);
}

// The kernel's own code reaches programs through copies only: a stray access is not made good, even
// where a page could be committed.
static void kernel_code_in_the_slots_is_a_bug(void **) {
    start();
    assert_int_equal(page_fault(false, memory->vma.start, FAULT_WRITE).action, FAULT_BUG);
    assert_int_equal(page_fault(false, stack->vma.start, FAULT_WRITE).action, FAULT_BUG);
    assert_int_equal(page_fault(false, memory->vma.start, FAULT_EXEC).action, FAULT_BUG);
}

// A page that is there and faults all the same would fault for ever.
static void a_page_that_is_there_is_not_tried_again(void **) {
    start();
    struct fault fault = {.class = FAULT_PAGE,
                          .access = FAULT_READ,
                          .address = {memory->vma.start},
                          .is_present = true,
                          .in_copy = true};
    assert_int_equal(upcall_fault(&fault).action, FAULT_BUG);
    fault.is_present = false;
    assert_int_equal(upcall_fault(&fault).action, FAULT_RETRY);
}

// -- Generated code -------------------------------------------------------------------------------

// (memory 1) (func (export "f") (drop (i32.load (i32.const 0))))
static const u8 module_wasm[] = {0, 'a', 's', 'm', 1, 0, 0, 0,    1, 4,    1, 0x60, 0,    0,
                                 3, 2,   1,   0,   5, 3, 1, 0,    1, 7,    5, 1,    1,    'f',
                                 0, 0,   10,  10,  1, 8, 0, 0x41, 0, 0x28, 2, 0,    0x1a, 0x0b};

static struct fault_result program_page_fault(u64 pc, u64 address, bool is_present) {
    const struct fault fault = {.class = FAULT_PAGE,
                                .access = FAULT_READ,
                                .address = {address},
                                .is_present = is_present,
                                .pc = pc};
    return upcall_fault(&fault);
}

static void program_faults(void) {
    static struct thread_block block;
    struct engine_config config = {.segment = SEGMENT_FS, .features = FEATURES_SUPPORTED};
    struct engine *engine;
    struct store *store;
    struct module *module;
    struct module_error error;
    struct memory *own_memory;
    struct func_code code;
    code_init();
    CHECK(engine_create(&config, &engine) == OK);
    process_init(engine);
    fake_process.account.limit = 1 * GIB;
    CHECK(store_create(engine, &fake_process, &store) == OK);
    struct bytes wasm = {module_wasm, sizeof module_wasm};
    CHECK(module_create(engine, wasm, &error, &module) == OK);
    // An instance would be at addresses of the fake machine, which C cannot reach.
    CHECK(store_memory(store, (struct memory_type){.limits.min = 1}, &own_memory) == OK);
    module_code(module, 0, &code);
    u64 pc = code.address;
    u64 own = own_memory->base;

    struct area *other;
    struct memory_account account = {.limit = 1 * GIB};
    CHECK(area_create(aspace_kernel(), AREA_MEMORY, 64 * MIB, &account, &other) == OK);
    CHECK(area_grow(aspace_kernel(), other, 1 * MIB) == OK);
    thread_current()->block = &block;
    thread_current()->owner = &fake_process;
    arch_irq_state irq = arch_irq_save();
    CHECK(program_page_fault(pc, own, false).action == FAULT_RETRY);
    CHECK(program_page_fault(pc, own, true).action == FAULT_BUG);
    // No trap either, in bounds or not: it is not the program's to survive.
    CHECK(program_page_fault(pc, other->vma.start, false).action == FAULT_BUG);
    CHECK(program_page_fault(pc, other->vma.end - 1, false).action == FAULT_BUG);
    CHECK(program_page_fault(pc, other->vma.end + 60 * GIB, false).action == FAULT_BUG);
    arch_irq_restore(irq);
    thread_current()->block = NULL;
    thread_current()->owner = NULL;

    area_destroy(aspace_kernel(), other);
    store_destroy(store);
    module_release(module);
    engine_destroy(engine);
}

static void generated_code_reaches_its_own_process_only(void **) {
    fake_process_run(program_faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_commits_what_it_may_touch),
        cmocka_unit_test(a_copy_beyond_the_program_fails_with_a_status),
        cmocka_unit_test(a_copy_with_a_wild_kernel_pointer_is_a_bug),
        cmocka_unit_test(kernel_code_in_the_slots_is_a_bug),
        cmocka_unit_test(a_page_that_is_there_is_not_tried_again),
        cmocka_unit_test(generated_code_reaches_its_own_process_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
