// Tests of what drivers hold: ranges and ports have one holder, an interrupt is counted and masked
// as its line demands, and the frames of memory for devices are used again when no device can
// write there.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kernel/ipc/device.h"
#include "kernel/ipc/memory_object.h"
#include "kernel/ipc/stream.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/wait.h"
#include "tests/fake_arch.h"
#include "tests/fake_devices.h"
#include "tests/fake_sched.h"

#define RAM_BYTES  (16 * MIB)
#define LINE_EDGE  4u
#define LINE_LEVEL 10u

// The kernel's own; the machine for unit tests has none.
void upcall_device(u32 number) {
    interrupt_raise(number);
}

static struct object payer = {.ref_count = 1};
static struct memory_account account;

static struct object *dma(u64 pages) {
    struct object *memory;
    account.limit = 64 * MIB;
    assert_int_equal(memory_object_create_dma(pages, &account, &payer, &memory), OK);
    return memory;
}

static int setup(void **state) {
    (void)state;
    fake_machine_start_simple(RAM_BYTES);
    fake_devices_start();
    console_init(NULL);     // it hears of ranges and ports that are given back
    object_release(dma(1)); // so that the heap has what it needs
    memory_object_dma_reclaim();
    return 0;
}

// -- Claims ---------------------------------------------------------------------------------------

static enum status range_at(u64 start, u64 pages, struct object **out) {
    return memory_object_create_range((struct phys_addr){start}, pages, PAGE_DEVICE, out);
}

static void a_range_has_one_holder(void **state) {
    (void)state;
    struct object *first;
    struct object *other = NULL;
    const u64 at = FAKE_RANGE_START + 8 * PAGE_SIZE;
    assert_int_equal(range_at(at, 2, &first), OK);
    assert_int_equal(range_at(at, 2, &other), ERR_BUSY);
    assert_int_equal(range_at(at - PAGE_SIZE, 2, &other), ERR_BUSY);
    assert_int_equal(range_at(at + PAGE_SIZE, 1, &other), ERR_BUSY);
    assert_int_equal(range_at(FAKE_RANGE_START, 100, &other), ERR_BUSY);
    assert_null(other);
    assert_int_equal(range_at(at + 2 * PAGE_SIZE, 1, &other), OK);
    object_release(other);
    assert_int_equal(range_at(at - PAGE_SIZE, 1, &other), OK);
    object_release(other);
    assert_int_equal(fake_claims(), 1);
    object_retain(first);
    object_release(first);
    assert_int_equal(range_at(at, 2, &other), ERR_BUSY);
    object_release(first);
    assert_int_equal(fake_claims(), 0);
    assert_int_equal(range_at(at, 2, &other), OK);
    object_release(other);
}

static void a_range_is_what_the_port_allows(void **state) {
    (void)state;
    struct object *range;
    assert_int_equal(range_at(0, 1, &range), ERR_NO_ACCESS);
    assert_int_equal(range_at(FAKE_RANGE_START - PAGE_SIZE, 2, &range), ERR_NO_ACCESS);
    assert_int_equal(range_at(FAKE_RANGE_END - PAGE_SIZE, 2, &range), ERR_INVALID);
    assert_int_equal(range_at(UINT64_MAX - PAGE_SIZE + 1, 1, &range), ERR_INVALID);
    assert_int_equal(range_at(FAKE_RANGE_START, 0, &range), ERR_INVALID);
    assert_int_equal(fake_claims(), 0);
    assert_int_equal(range_at(FAKE_RANGE_START, 3, &range), OK);
    assert_true(memory_object_is(range));
    assert_false(memory_object_is_dma(range));
    assert_int_equal(memory_object_pages(range), 3);
    assert_int_equal(memory_object_rights(range), PAGE_DEVICE);
    assert_int_equal(memory_object_frame(range, 2).value, FAKE_RANGE_START + 2 * PAGE_SIZE);
    object_release(range);
}

static void ports_are_read_and_written_within(void **state) {
    (void)state;
    static const struct {
        u64 offset;
        u32 width;
        enum status status;
    } cases[] = {
        {0, 1, OK},
        {0, 2, OK},
        {0, 4, OK},
        {3, 1, OK},
        {2, 2, OK},
        {4, 1, ERR_INVALID},
        {3, 2, ERR_INVALID},
        {1, 4, ERR_INVALID},
        {0, 0, ERR_INVALID},
        {0, 3, ERR_INVALID},
        {0, 8, ERR_INVALID},
        {UINT64_MAX, 1, ERR_INVALID},
        {UINT32_MAX, 4, ERR_INVALID},
    };
    struct object *ports;
    struct object *other;
    u32 value;
    assert_int_equal(ports_create(0x60, 4, &ports), OK);
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(ports_write(ports, cases[i].offset, cases[i].width, i + 1),
                         cases[i].status);
        assert_int_equal(ports_read(ports, cases[i].offset, cases[i].width, &value),
                         cases[i].status);
        if (cases[i].status == OK)
            assert_int_equal(value, i + 1);
    }
    assert_int_equal(fake_port(0x63), 4);
    assert_int_equal(ports_create(0x5f, 2, &other), ERR_BUSY);
    assert_int_equal(ports_create(0x63, 1, &other), ERR_BUSY);
    assert_int_equal(ports_create(0x64, 1, &other), OK);
    object_release(other);
    object_release(ports);
    assert_int_equal(fake_claims(), 0);
}

static void ports_are_what_the_port_allows(void **state) {
    (void)state;
    struct object *ports;
    assert_int_equal(ports_create(0x1f, 2, &ports), ERR_NO_ACCESS);
    assert_int_equal(ports_create(0xffff, 2, &ports), ERR_INVALID);
    assert_int_equal(ports_create(0x10000, 1, &ports), ERR_INVALID);
    assert_int_equal(ports_create(0x100000060, 1, &ports), ERR_INVALID);
    assert_int_equal(ports_create(0x60, 0, &ports), ERR_INVALID);
    assert_int_equal(ports_create(0xcf8, 8, &ports), OK);
    assert_int_equal(ports_write(ports, 0, 4, 1), OK);
    assert_int_equal(ports_write(ports, 1, 1, 6), ERR_NO_ACCESS);
    object_release(ports);
}

// -- Interrupts -----------------------------------------------------------------------------------

static void an_edge_is_counted(void **state) {
    (void)state;
    struct object *interrupt;
    u64 count;
    u64 available;
    assert_int_equal(interrupt_create_line(LINE_EDGE, &interrupt), OK);
    assert_int_equal(object_poll(interrupt, &available), 0);
    for (u32 i = 0; i < 3; i++)
        assert_true(fake_raise(0));
    assert_int_equal(object_poll(interrupt, &available), POLL_READABLE);
    assert_int_equal(interrupt_take(interrupt, 0, &count), OK);
    assert_int_equal(count, 3);
    assert_int_equal(object_poll(interrupt, &available), 0);
    object_release(interrupt);
}

static void a_level_is_masked_until_the_next_is_waited_for(void **state) {
    (void)state;
    struct object *interrupt;
    u64 count;
    assert_int_equal(interrupt_create_line(LINE_LEVEL, &interrupt), OK);
    assert_false(fake_is_masked(0));
    assert_true(fake_raise(0));
    assert_false(fake_raise(0));
    assert_int_equal(interrupt_take(interrupt, 0, &count), OK);
    assert_int_equal(count, 1);
    assert_true(fake_is_masked(0)); // the driver has not quieted its device yet
    assert_false(fake_raise(0));
    // The next wait unmasks it: a_thread_waits_for_an_interrupt.
    arch_interrupt_unmask(0);
    assert_true(fake_raise(0));
    assert_int_equal(interrupt_take(interrupt, 0, &count), OK);
    assert_int_equal(count, 1);
    object_release(interrupt);
    assert_int_equal(fake_vectors(), 0);
}

static void what_comes_for_one_that_is_gone_is_nobodys(void **state) {
    (void)state;
    struct object *interrupt;
    u64 count;
    assert_int_equal(interrupt_create_line(LINE_EDGE, &interrupt), OK);
    object_release(interrupt);
    interrupt_raise(0); // it was on its way
    u64 address;
    u32 data;
    assert_int_equal(interrupt_create_message(&address, &data, &interrupt), OK);
    assert_int_equal(data, 0); // the same number
    u64 available;
    assert_int_equal(object_poll(interrupt, &available), 0);
    assert_true(fake_raise(0));
    assert_int_equal(interrupt_take(interrupt, 0, &count), OK);
    assert_int_equal(count, 1);
    object_release(interrupt);
}

static void there_are_only_so_many_interrupts(void **state) {
    (void)state;
    struct object *interrupts[ARCH_INTERRUPTS_MAX];
    struct object *other;
    u64 address;
    u32 data;
    assert_int_equal(interrupt_create_line(0, &other), ERR_NO_ACCESS);
    assert_int_equal(interrupt_create_line(FAKE_LINES, &other), ERR_INVALID);
    assert_int_equal(interrupt_create_line(LINE_EDGE, &interrupts[0]), OK);
    assert_int_equal(interrupt_create_line(LINE_EDGE, &other), ERR_BUSY);
    for (u32 i = 1; i < ARCH_INTERRUPTS_MAX; i++)
        assert_int_equal(interrupt_create_message(&address, &data, &interrupts[i]), OK);
    assert_int_equal(interrupt_create_message(&address, &data, &other), ERR_NO_SPACE);
    assert_int_equal(interrupt_create_line(5, &other), ERR_NO_SPACE);
    for (u32 i = 0; i < ARCH_INTERRUPTS_MAX; i++)
        object_release(interrupts[i]);
    assert_int_equal(fake_vectors(), 0);
}

static struct {
    enum status statuses[3];
    u64 counts[2];
    bool was_masked;
    bool was_unmasked;
} waited;

static void raise_0(void) {
    waited.was_unmasked = fake_raise(0);
}

// In a thread: waits for two interrupts of a level-triggered line, and for a third in vain.
static void wait_for_interrupts(void *argument) {
    (void)argument;
    struct object *interrupt;
    CHECK(interrupt_create_line(LINE_LEVEL, &interrupt) == OK);
    for (u32 i = 0; i < 2; i++) {
        fake_interrupt_at(arch_clock_ns() + 1000000, raise_0);
        waited.statuses[i] = interrupt_take(interrupt, WAIT_FOREVER, &waited.counts[i]);
        waited.was_masked = fake_is_masked(0);
    }
    u64 count;
    waited.statuses[2] = interrupt_take(interrupt, arch_clock_ns() + 1000000, &count);
    object_release(interrupt);
    fake_sched_stop();
}

static void a_thread_waits_for_an_interrupt(void **state) {
    (void)state;
    fake_devices_start();
    fake_sched_run(wait_for_interrupts, NULL);
    assert_int_equal(waited.statuses[0], OK);
    assert_int_equal(waited.statuses[1], OK);
    assert_int_equal(waited.counts[0], 1);
    assert_int_equal(waited.counts[1], 1);
    assert_true(waited.was_masked);
    assert_true(waited.was_unmasked);
    assert_int_equal(waited.statuses[2], ERR_TIMED_OUT);
}

// -- Memory for devices ---------------------------------------------------------------------------

static u64 free_frames(void) {
    struct frame_stats stats;
    frame_stats(&stats);
    return stats.free[ZONE_PROGRAM] + stats.free[ZONE_KERNEL];
}

static u64 aside(void) {
    struct dma_stats stats;
    memory_object_dma_stats(&stats);
    return stats.aside;
}

static void memory_for_devices_is_put_aside(void **state) {
    (void)state;
    u64 before = free_frames();
    struct object *memory = dma(5);
    for (u64 i = 1; i < 5; i++)
        assert_int_equal(memory_object_frame(memory, i).value,
                         memory_object_frame(memory, 0).value + i * PAGE_SIZE);
    assert_int_equal(account.charged, 5 * PAGE_SIZE);
    object_release(memory);
    assert_int_equal(account.charged, 0);
    assert_int_equal(payer.ref_count, 1);
    assert_int_equal(free_frames(), before - 5);
    assert_int_equal(aside(), 5);
    memory_object_dma_reclaim();
    assert_int_equal(free_frames(), before);
    assert_int_equal(aside(), 0);
}

static void memory_that_no_device_knows_is_freed_at_once(void **state) {
    (void)state;
    u64 before = free_frames();
    struct object *memory = dma(3);
    memory_object_dma_done(memory);
    assert_int_equal(free_frames(), before - 3);
    object_release(memory);
    assert_int_equal(free_frames(), before);
}

static void reclaiming_counts_for_memory_that_is_still_held(void **state) {
    (void)state;
    u64 before = free_frames();
    struct object *memory = dma(2);
    memory_object_dma_reclaim();
    assert_int_equal(free_frames(), before - 2);
    struct object *younger = dma(1);
    object_release(memory);
    assert_int_equal(aside(), 0);
    object_release(younger);
    assert_int_equal(aside(), 1);
    memory_object_dma_reclaim();
    assert_int_equal(free_frames(), before);
}

static void running_out_of_memory_changes_nothing(void **state) {
    (void)state;
    struct object *memory;
    u64 before = free_frames();
    account.limit = 2 * PAGE_SIZE;
    assert_int_equal(memory_object_create_dma(3, &account, &payer, &memory), ERR_LIMIT);
    account.limit = UINT64_MAX;
    assert_int_equal(memory_object_create_dma(RAM_BYTES / PAGE_SIZE, &account, &payer, &memory),
                     ERR_NO_MEMORY);
    assert_int_equal(memory_object_create_dma(0, &account, &payer, &memory), ERR_INVALID);
    assert_int_equal(account.charged, 0);
    assert_int_equal(payer.ref_count, 1);
    assert_int_equal(free_frames(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_range_has_one_holder, setup),
        cmocka_unit_test_setup(a_range_is_what_the_port_allows, setup),
        cmocka_unit_test_setup(ports_are_read_and_written_within, setup),
        cmocka_unit_test_setup(ports_are_what_the_port_allows, setup),
        cmocka_unit_test_setup(an_edge_is_counted, setup),
        cmocka_unit_test_setup(a_level_is_masked_until_the_next_is_waited_for, setup),
        cmocka_unit_test_setup(what_comes_for_one_that_is_gone_is_nobodys, setup),
        cmocka_unit_test_setup(there_are_only_so_many_interrupts, setup),
        cmocka_unit_test_setup(memory_for_devices_is_put_aside, setup),
        cmocka_unit_test_setup(memory_that_no_device_knows_is_freed_at_once, setup),
        cmocka_unit_test_setup(reclaiming_counts_for_memory_that_is_still_held, setup),
        cmocka_unit_test_setup(running_out_of_memory_changes_nothing, setup),
        cmocka_unit_test(a_thread_waits_for_an_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
