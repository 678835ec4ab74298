// What becomes of a fault: a page, a failed copy, or a bug of the kernel's, which must never pass
// for something else and never be tried again for ever.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/mm/aspace.h"
#include "tests/fake_arch.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_commits_what_it_may_touch),
        cmocka_unit_test(a_copy_beyond_the_program_fails_with_a_status),
        cmocka_unit_test(a_copy_with_a_wild_kernel_pointer_is_a_bug),
        cmocka_unit_test(kernel_code_in_the_slots_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
