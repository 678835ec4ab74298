// Address spaces: what is charged, committed, cleared and given back, and what a fault answers;
// every failure on the way undone; a random sequence against a model.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

#define SLOT (4 * GIB + 64 * MIB)
#define RUN  (16 * PAGE_SIZE)

static struct memory_account account;

static struct aspace *start(u64 limit) {
    fake_machine_start_simple(32 * MIB);
    struct aspace *as = aspace_kernel();
    aspace_init(as, arch_aspace_kernel());
    account = (struct memory_account){.limit = limit};
    return as;
}

// All that can leak.
struct level {
    u64 free; // frames, those that the heap keeps in reserve too
    u64 heap_bytes;
    u64 mapped;
    u64 table_frames;
    u64 charged;
    u64 committed;
};

static struct level level_now(void) {
    struct frame_stats frames;
    struct heap_stats heap;
    frame_stats(&frames);
    heap_stats(&heap);
    return (struct level){
        .free = frames.free[ZONE_KERNEL] + frames.free[ZONE_PROGRAM] + heap.frames,
        .heap_bytes = heap.bytes_used,
        .mapped = fake_mapped_pages(),
        .table_frames = fake_table_frames(),
        .charged = account.charged,
        .committed = account.committed,
    };
}

static void assert_level(struct level expected) {
    struct level now = level_now();
    assert_int_equal(now.free, expected.free);
    assert_int_equal(now.heap_bytes, expected.heap_bytes);
    assert_int_equal(now.mapped, expected.mapped);
    assert_int_equal(now.table_frames, expected.table_frames);
    assert_int_equal(now.charged, expected.charged);
    assert_int_equal(now.committed, expected.committed);
    frame_check();
    aspace_check(aspace_kernel());
}

// A fault as it comes: with interrupts off.
static enum status fault(struct aspace *as, u64 address) {
    arch_irq_state irq = arch_irq_save();
    enum status status = aspace_fault(as, (struct virt_addr){address}, FAULT_WRITE);
    arch_irq_restore(irq);
    return status;
}

// Leaves nonzero bytes in all frames that programs can get.
static void dirty_free_memory(void) {
    static struct phys_addr held[8192];
    u32 count = 0;
    while (count < COUNT_OF(held) && frame_alloc(ZONE_PROGRAM, 0, &held[count]) == OK) {
        u8 *window = arch_frame_window_open(held[count++], 1);
        memset(window, 0x5a, PAGE_SIZE);
        arch_frame_window_close(window);
    }
    while (count != 0)
        frame_free(held[--count], 0);
}

static void assert_page_zero(u64 address) {
    const u8 *page = fake_page((struct virt_addr){address});
    for (u64 i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(page[i], 0);
}

// -- Accounts ----------------------------------------------------------------------------------

static void accounts_never_pass_their_limit(void **) {
    struct memory_account a = {.limit = 100};
    assert_int_equal(account_charge(&a, 100), OK);
    assert_int_equal(account_charge(&a, 1), ERR_LIMIT);
    assert_int_equal(account_charge(&a, UINT64_MAX), ERR_LIMIT); // would wrap
    assert_int_equal(a.charged, 100);
    account_refund(&a, 60);
    assert_int_equal(account_charge(&a, 61), ERR_LIMIT);
    assert_int_equal(account_charge(&a, 60), OK);
    assert_int_equal(account_charge(NULL, UINT64_MAX), OK);
    account_refund(NULL, UINT64_MAX);
}

// -- Memory ------------------------------------------------------------------------------------

static void memory_is_committed_on_touch_in_cleared_runs(void **) {
    struct aspace *as = start(1 * GIB);
    dirty_free_memory();
    struct level before = level_now();
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 4 * RUN), OK);
    assert_int_equal(account.charged, 4 * RUN);
    assert_int_equal(account.committed, 0);
    assert_int_equal(fake_mapped_pages(), 0);

    // One fault brings the whole aligned run, zeroed, not executable.
    u64 start_address = area->vma.start;
    assert_int_equal(fault(as, start_address + RUN + 5 * PAGE_SIZE + 123), OK);
    assert_int_equal(fake_mapped_pages(), 16);
    assert_int_equal(account.committed, RUN);
    for (u64 i = 0; i < 16; i++) {
        u64 page = start_address + RUN + i * PAGE_SIZE;
        assert_int_equal(fake_rights((struct virt_addr){page}), PAGE_READ | PAGE_WRITE);
        assert_page_zero(page);
    }
    // A second fault at the same place (another CPU was faster) changes nothing.
    assert_int_equal(fault(as, start_address + RUN), OK);
    assert_int_equal(fake_mapped_pages(), 16);
    aspace_check(as);

    area_destroy(as, area);
    assert_level(before);
}

static void partly_mapped_runs_are_completed_in_smaller_ones(void **) {
    struct aspace *as = start(1 * GIB);
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, 4 * RUN, &account, &area), OK);
    // Five accessible pages: the run of sixteen would pass the end, as would that of eight.
    assert_int_equal(area_grow(as, area, 5 * PAGE_SIZE), OK);
    assert_int_equal(fault(as, area->vma.start + 4 * PAGE_SIZE), OK);
    assert_int_equal(fake_mapped_pages(), 1);
    assert_int_equal(fault(as, area->vma.start), OK);
    assert_int_equal(fake_mapped_pages(), 5);
    // Grown, the rest of that run comes in the largest pieces that are free of mappings.
    assert_int_equal(area_grow(as, area, 2 * RUN), OK);
    assert_int_equal(fault(as, area->vma.start + 5 * PAGE_SIZE), OK);
    assert_int_equal(fake_mapped_pages(), 6);
    assert_int_equal(fault(as, area->vma.start + 9 * PAGE_SIZE), OK);
    assert_int_equal(fake_mapped_pages(), 14);
    area_destroy(as, area);
    assert_int_equal(fake_mapped_pages(), 0);
}

static void fragmented_memory_is_still_committed(void **) {
    struct aspace *as = start(1 * GIB);
    // Take everything and give back every other frame: no two adjacent ones are free.
    static struct phys_addr held[8192];
    u32 count = 0;
    while (count < COUNT_OF(held) && frame_alloc(ZONE_PROGRAM, 0, &held[count]) == OK)
        count++;
    for (u32 i = 0; i < count; i++) {
        if (held[i].value / PAGE_SIZE % 2 == 0)
            frame_free(held[i], 0);
    }
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 4 * RUN), OK);
    for (u64 at = 0; at < 4 * RUN; at += PAGE_SIZE)
        assert_int_equal(fault(as, area->vma.start + at), OK);
    assert_int_equal(fake_mapped_pages(), 64);
    aspace_check(as);
    area_destroy(as, area);
}

static const struct fault_case {
    const char *name;
    enum area_kind kind;
    u64 offset;
    enum fault_access access;
    enum status status;
} fault_cases[] = {
    {"first byte", AREA_MEMORY, 0, FAULT_READ, OK},
    {"last byte", AREA_MEMORY, 2 * RUN - 1, FAULT_WRITE, OK},
    {"first byte of the guard", AREA_MEMORY, 2 * RUN, FAULT_READ, ERR_FAULT},
    {"last byte of the guard", AREA_MEMORY, SLOT - 1, FAULT_WRITE, ERR_FAULT},
    {"executing data", AREA_MEMORY, 0, FAULT_EXEC, ERR_FAULT},
    {"beyond the area", AREA_MEMORY, SLOT, FAULT_READ, ERR_FAULT},
    {"below the area", AREA_MEMORY, (u64)-1, FAULT_READ, ERR_FAULT},
    {"a stack's guard", AREA_STACK, SLOT - 2 * RUN - 1, FAULT_WRITE, ERR_FAULT},
    {"a stack's lower end", AREA_STACK, 0, FAULT_WRITE, ERR_FAULT},
};

static void faults_are_repaired_only_where_accessible(void **) {
    for (usize i = 0; i < COUNT_OF(fault_cases); i++) {
        const struct fault_case *c = &fault_cases[i];
        struct aspace *as = start(1 * GIB);
        struct area *area;
        assert_int_equal(area_create(as, c->kind, SLOT, &account, &area), OK);
        assert_int_equal(area_grow(as, area, 2 * RUN), OK);
        u64 mapped = fake_mapped_pages();
        enum status status =
            aspace_fault(as, (struct virt_addr){area->vma.start + c->offset}, c->access);
        if (status != c->status)
            fail_msg("%s: %s", c->name, status_text(status));
        assert_int_equal(fake_mapped_pages(), mapped + (c->status == OK ? 16 : 0));
        aspace_check(as);
        area_destroy(as, area);
    }
}

// Generated code of one process at an address of another's, or of nobody's.
static void a_fault_is_repaired_only_for_the_owner(void **) {
    struct aspace *as = start(1 * GIB);
    struct memory_account other = {.limit = 1 * GIB};
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 2 * RUN), OK);
    const struct {
        u64 address;
        const struct memory_account *account;
        enum status status;
    } cases[] = {
        {area->vma.start, &other, ERR_DENIED},    {area->vma.start, NULL, ERR_DENIED},
        {area->vma.end - 1, &other, ERR_DENIED}, // the guard
        {area->vma.end, &account, ERR_DENIED},    {area->vma.start - 1, &account, ERR_DENIED},
        {area->vma.end - 1, &account, ERR_FAULT}, {area->vma.start, &account, OK},
    };
    u64 mapped = fake_mapped_pages();
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(fake_mapped_pages(), mapped);
        arch_irq_state irq = arch_irq_save();
        enum status status = aspace_fault_own(as, (struct virt_addr){cases[i].address}, FAULT_READ,
                                              cases[i].account);
        arch_irq_restore(irq);
        assert_int_equal(status, cases[i].status);
    }
    area_destroy(as, area);
}

static void running_out_of_frames_is_an_answer(void **) {
    struct aspace *as = start(1 * GIB);
    struct level before = level_now();
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 512 * MIB), OK); // more than the machine has
    u64 at = area->vma.start;
    enum status status = OK;
    while ((status = fault(as, at)) == OK)
        at += PAGE_SIZE;
    assert_int_equal(status, ERR_NO_MEMORY);
    aspace_check(as);
    frame_check();
    area_destroy(as, area);
    assert_level(before);
}

// -- Races: what another CPU does while this one clears frames -----------------------------------

static void fault_too(void *area) {
    u64 address = ((struct area *)area)->vma.start + 3 * PAGE_SIZE;
    assert_int_equal(aspace_fault(aspace_kernel(), (struct virt_addr){address}, FAULT_READ), OK);
}

static void destroy(void *area) {
    area_destroy(aspace_kernel(), area);
}

// Another area comes to the same place, of which a single page is accessible.
static void replace(void *area) {
    struct aspace *as = aspace_kernel();
    u64 place = ((struct area *)area)->vma.start;
    area_destroy(as, area);
    struct area *other;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &other), OK);
    assert_int_equal(other->vma.start, place);
    assert_int_equal(area_grow(as, other, PAGE_SIZE), OK);
}

static void two_faults_at_once_commit_once(void **) {
    struct aspace *as = start(1 * GIB);
    struct level before = level_now();
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 4 * RUN), OK);
    fake_at_window_close(fault_too, area);
    assert_int_equal(fault(as, area->vma.start), OK);
    assert_int_equal(fake_mapped_pages(), 16);
    assert_int_equal(account.committed, RUN);
    area_destroy(as, area);
    assert_level(before);
}

static void a_fault_in_a_vanishing_area_commits_nothing(void **) {
    struct aspace *as = start(1 * GIB);
    struct level before = level_now();
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 4 * RUN), OK);
    u64 address = area->vma.start;
    fake_at_window_close(destroy, area);
    assert_int_equal(fault(as, address), OK); // tried again,
    assert_int_equal(fault(as, address), ERR_FAULT);
    assert_level(before);
}

static void a_fault_in_a_smaller_new_area_keeps_to_its_size(void **) {
    struct aspace *as = start(1 * GIB);
    struct area *area;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 4 * RUN), OK);
    u64 address = area->vma.start;
    fake_at_window_close(replace, area);
    assert_int_equal(fault(as, address), OK);
    assert_int_equal(fake_mapped_pages(), 0);
    assert_int_equal(fault(as, address), OK);
    assert_int_equal(fake_mapped_pages(), 1);
    aspace_check(as);
}

// -- Stacks ------------------------------------------------------------------------------------

static void stacks_are_committed_downwards_at_once(void **) {
    struct aspace *as = start(1 * GIB);
    dirty_free_memory();
    struct level before = level_now();
    struct area *area;
    assert_int_equal(area_create(as, AREA_STACK, 1 * MIB, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 3 * PAGE_SIZE), OK);
    assert_int_equal(fake_mapped_pages(), 3);
    assert_int_equal(area_grow(as, area, 100 * PAGE_SIZE), OK);
    assert_int_equal(fake_mapped_pages(), 100);
    assert_int_equal(account.charged, 100 * PAGE_SIZE);
    assert_int_equal(account.committed, 100 * PAGE_SIZE);
    for (u64 i = 1; i <= 100; i++)
        assert_page_zero(area->vma.end - i * PAGE_SIZE);
    assert_int_equal(fake_rights((struct virt_addr){area->vma.end - 101 * PAGE_SIZE}), 0);
    // Growing to less is nothing.
    assert_int_equal(area_grow(as, area, PAGE_SIZE), OK);
    assert_int_equal(fake_mapped_pages(), 100);
    aspace_check(as);
    // The guard page cannot be had.
    assert_int_equal(area_grow(as, area, 1 * MIB), ERR_LIMIT);
    assert_int_equal(area_grow(as, area, 1 * MIB - PAGE_SIZE), OK);
    aspace_check(as);
    area_destroy(as, area);
    assert_level(before);
}

// -- Limits and failures -----------------------------------------------------------------------

static void limits_are_kept(void **) {
    struct aspace *as = start(10 * RUN);
    struct area *area;
    struct area *other;
    assert_int_equal(area_create(as, AREA_MEMORY, SLOT, &account, &area), OK);
    assert_int_equal(area_create(as, AREA_STACK, 1 * MIB, &account, &other), OK);
    struct level before = level_now();
    assert_int_equal(area_grow(as, area, 11 * RUN), ERR_LIMIT);
    assert_int_equal(area_grow(as, other, 11 * RUN), ERR_LIMIT);
    assert_int_equal(area_grow(as, area, SLOT + PAGE_SIZE), ERR_LIMIT);
    assert_level(before);
    assert_int_equal(area_grow(as, area, 6 * RUN), OK);
    assert_int_equal(area_grow(as, other, 5 * RUN), ERR_LIMIT); // shared account
    assert_int_equal(area_grow(as, other, 4 * RUN), OK);
    assert_int_equal(account.charged, 10 * RUN);
    area_destroy(as, area);
    area_destroy(as, other);
    assert_int_equal(account.charged, 0);
}

static void the_region_runs_out_politely(void **) {
    struct aspace *as = start(1 * GIB);
    struct level before = level_now();
    struct area *areas[64];
    u32 count = 0;
    while (area_create(as, AREA_MEMORY, SLOT, &account, &areas[count]) == OK)
        count++;
    assert_int_equal(count, arch_slots_region().bytes / SLOT);
    while (count != 0)
        area_destroy(as, areas[--count]);
    assert_level(before);
    area_destroy(as, NULL);
}

// Runs `work` with the n-th frame allocation (or mapping) failing, for every n until none fails:
// whatever it did must be undone.
static void assert_undone(void (*fail_nth)(u64 n), bool (*work)(struct aspace *as)) {
    for (u64 n = 1;; n++) {
        struct aspace *as = start(1 * GIB);
        struct level before = level_now();
        fail_nth(n);
        bool done = work(as);
        fail_nth(0);
        assert_level(before);
        if (done && n > 1)
            return;
        assert_true(n < 200);
    }
}

static bool memory_life(struct aspace *as) {
    struct area *area;
    if (area_create(as, AREA_MEMORY, SLOT, &account, &area) != OK)
        return false;
    bool done = area_grow(as, area, 8 * RUN) == OK;
    for (u64 at = 0; done && at < 8 * RUN; at += RUN) {
        u64 mapped = fake_mapped_pages();
        u64 committed = account.committed;
        done = fault(as, area->vma.start + at) == OK;
        // A missing run is replaced by smaller ones.
        if (done && fake_mapped_pages() != mapped + 16)
            done = false;
        if (!done)
            assert_int_equal(account.committed - committed,
                             (fake_mapped_pages() - mapped) * PAGE_SIZE);
        aspace_check(as);
    }
    area_destroy(as, area);
    return done;
}

static bool stack_life(struct aspace *as) {
    struct area *area;
    if (area_create(as, AREA_STACK, 1 * MIB, &account, &area) != OK)
        return false;
    bool done = true;
    for (u64 bytes = 3 * PAGE_SIZE; done && bytes < 1 * MIB; bytes *= 3) {
        struct level before = level_now();
        u64 accessible = area->accessible;
        done = area_grow(as, area, bytes) == OK;
        if (!done) {
            assert_int_equal(area->accessible, accessible);
            assert_level(before);
        }
        aspace_check(as);
    }
    area_destroy(as, area);
    return done;
}

static void every_failure_is_undone(void **) {
    assert_undone(frame_fail_nth, memory_life);
    assert_undone(fake_map_fail_nth, memory_life);
    assert_undone(fake_map_fail_nth, stack_life);
}

// Frames that fail once only make the runs smaller; a machine without frames fails for good.
static void a_stack_that_cannot_grow_stays_as_it_is(void **) {
    struct aspace *as = start(1 * GIB);
    struct area *area;
    assert_int_equal(area_create(as, AREA_STACK, 64 * MIB, &account, &area), OK);
    assert_int_equal(area_grow(as, area, 1 * MIB), OK);
    struct level before = level_now();
    assert_int_equal(area_grow(as, area, 48 * MIB), ERR_NO_MEMORY); // of 32
    assert_level(before);
    assert_int_equal(area->accessible, 1 * MIB);
    area_destroy(as, area);
}

// -- Random ------------------------------------------------------------------------------------

struct model {
    struct area *area;
    enum area_kind kind;
    u64 accessible;
};

static void random_step(struct aspace *as, struct model *m, u64 *random) {
    u64 what = fake_random(random) % 10;
    if (m->area == NULL) {
        m->kind = what < 5 ? AREA_MEMORY : AREA_STACK;
        m->accessible = 0;
        assert_int_equal(area_create(as, m->kind, 1 * MIB, &account, &m->area), OK);
    } else if (what < 3) {
        u64 bytes = fake_random(random) % 257 * PAGE_SIZE;
        enum status status = area_grow(as, m->area, bytes);
        if (status == OK)
            m->accessible = max_u64(m->accessible, bytes);
        else if (status == ERR_LIMIT)
            assert_true(bytes - m->accessible + account.charged > account.limit ||
                        (m->kind == AREA_STACK && bytes == 1 * MIB));
    } else if (what < 9) {
        u64 offset = fake_random(random) % (1 * MIB);
        bool inside = m->kind == AREA_MEMORY && offset < m->accessible;
        enum status status = fault(as, m->area->vma.start + offset);
        assert_true(status == (inside ? OK : ERR_FAULT) || (inside && status == ERR_NO_MEMORY));
    } else {
        area_destroy(as, m->area);
        m->area = NULL;
    }
}

static void random_sequences_keep_the_invariants(void **) {
    for (u64 seed = 1; seed <= 3; seed++) {
        struct aspace *as = start(6 * MIB);
        struct level before = level_now();
        struct model models[24] = {0};
        u64 random = seed;
        for (u32 step = 0; step < 1500; step++) {
            random_step(as, &models[fake_random(&random) % COUNT_OF(models)], &random);
            u64 charged = 0;
            for (u32 i = 0; i < COUNT_OF(models); i++)
                charged += models[i].area == NULL ? 0 : models[i].accessible;
            assert_int_equal(account.charged, charged);
            assert_int_equal(account.committed, fake_mapped_pages() * PAGE_SIZE);
            aspace_check(as);
        }
        for (u32 i = 0; i < COUNT_OF(models); i++)
            area_destroy(as, models[i].area);
        assert_level(before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_never_pass_their_limit),
        cmocka_unit_test(memory_is_committed_on_touch_in_cleared_runs),
        cmocka_unit_test(partly_mapped_runs_are_completed_in_smaller_ones),
        cmocka_unit_test(fragmented_memory_is_still_committed),
        cmocka_unit_test(faults_are_repaired_only_where_accessible),
        cmocka_unit_test(a_fault_is_repaired_only_for_the_owner),
        cmocka_unit_test(running_out_of_frames_is_an_answer),
        cmocka_unit_test(two_faults_at_once_commit_once),
        cmocka_unit_test(a_fault_in_a_vanishing_area_commits_nothing),
        cmocka_unit_test(a_fault_in_a_smaller_new_area_keeps_to_its_size),
        cmocka_unit_test(stacks_are_committed_downwards_at_once),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(the_region_runs_out_politely),
        cmocka_unit_test(every_failure_is_undone),
        cmocka_unit_test(a_stack_that_cannot_grow_stays_as_it_is),
        cmocka_unit_test(random_sequences_keep_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
