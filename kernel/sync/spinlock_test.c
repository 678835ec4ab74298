// Spinlocks on one CPU: interrupts, ownership, and the misuse that debug builds catch.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/sync/spinlock.h"
#include "tests/fake_arch.h"

static struct spinlock outer, inner, same;

static void start(void) {
    fake_machine_start_simple(16 * MIB);
    spin_init(&outer, LOCK_ASPACE, "outer");
    spin_init(&inner, LOCK_SLAB, "inner");
    spin_init(&same, LOCK_SLAB, "same rank");
}

static void interrupts_are_off_while_held(void **) {
    start();
    assert_true(arch_irq_enabled());
    spin_lock(&outer);
    assert_false(arch_irq_enabled());
    assert_true(spin_is_held(&outer));
    assert_false(spin_is_held(&inner));
    spin_lock(&inner);
    assert_true(spin_is_held(&inner));
    spin_unlock(&inner);
    assert_false(arch_irq_enabled());
    assert_false(spin_is_held(&inner));
    spin_unlock(&outer);
    assert_true(arch_irq_enabled());
    assert_false(spin_is_held(&outer));
}

static void interrupts_stay_off_when_they_were(void **) {
    start();
    arch_irq_state state = arch_irq_save();
    spin_lock(&outer);
    spin_unlock(&outer);
    assert_false(arch_irq_enabled());
    arch_irq_restore(state);
}

static void tickets_wrap_around(void **) {
    start();
    for (u32 i = 0; i < 3 * 65536 + 7; i++) {
        spin_lock(&outer);
        spin_unlock(&outer);
    }
    spin_lock(&outer);
    assert_true(spin_is_held(&outer));
    spin_unlock(&outer);
}

static void take_in_the_wrong_order(void *) {
    spin_lock(&inner);
    spin_lock(&outer);
}

static void take_two_of_one_rank(void *) {
    spin_lock(&inner);
    spin_lock(&same);
}

static void take_twice(void *) {
    spin_lock(&inner);
    spin_lock(&inner);
}

static void release_in_the_wrong_order(void *) {
    spin_lock(&outer);
    spin_lock(&inner);
    spin_unlock(&outer);
}

static void release_what_is_free(void *) {
    spin_unlock(&outer);
}

static void take_in_order(void *) {
    spin_lock(&outer);
    spin_lock(&inner);
    spin_unlock(&inner);
    spin_lock(&same);
    spin_unlock(&same);
    spin_unlock(&outer);
}

static void misuse_is_caught(void **) {
    start();
    assert_true(fake_asserts(take_in_the_wrong_order, NULL));
    assert_true(fake_asserts(take_two_of_one_rank, NULL));
    assert_true(fake_asserts(take_twice, NULL));
    assert_true(fake_asserts(release_in_the_wrong_order, NULL));
    assert_true(fake_asserts(release_what_is_free, NULL));
    assert_false(fake_asserts(take_in_order, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupts_are_off_while_held),
        cmocka_unit_test(interrupts_stay_off_when_they_were),
        cmocka_unit_test(tickets_wrap_around),
        cmocka_unit_test(misuse_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
