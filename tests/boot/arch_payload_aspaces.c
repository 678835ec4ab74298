// The test payload's part for address spaces: two contexts, each in one of its own with its stack
// and a page at the same addresses, which take turns with the main one in the kernel's.

#include "base/assert.h"
#include "tests/boot/arch_payload.h"

#define STACK_PAGES 4u
#define SPACES      2u

// In each of them: a stack, a page that differs, and one that only the first has.
#define AT(offset) (arch_slots_region().start.value + 7 * GIB + (offset))
#define STACK_AT   AT(0)
#define OWN_AT     AT(1 * MIB)
#define FIRST_AT   AT(2 * MIB)

static struct {
    struct arch_context main;
    struct {
        struct arch_aspace as;
        struct arch_context context;
        struct phys_addr stack;
        struct phys_addr own;
        u64 seen;
        bool first_faults;
        bool is_current;
    } spaces[SPACES];
    struct phys_addr first;
} test;

// What a context does at each of its turns.
static void look(void *argument) {
    u64 i = (uptr)argument;
    for (;;) {
        test.spaces[i].seen = *(volatile u64 *)OWN_AT;
        test.spaces[i].first_faults = payload_read_faults(FIRST_AT);
        test.spaces[i].is_current = arch_aspace_current() == &test.spaces[i].as;
        arch_context_switch(&test.spaces[i].context, &test.main, NULL);
    }
}

static void give_turn(u64 i) {
    test.spaces[i].seen = 0;
    arch_context_switch(&test.main, &test.spaces[i].context, NULL);
}

static struct phys_addr frame_with(u64 word) {
    struct phys_addr frame;
    CHECK(upcall_frames_alloc(1, &frame));
    *(u64 *)arch_frame_pointer(frame) = word;
    return frame;
}

static void map(struct arch_aspace *as, u64 va, struct phys_addr frame, u64 pages) {
    CHECK(arch_map(as, (struct virt_addr){va}, frame, pages, PAGE_READ | PAGE_WRITE) == OK);
}

static void unmap(struct arch_aspace *as, u64 va, u64 pages) {
    arch_unmap(as, (struct virt_addr){va}, pages, NULL, NULL);
}

static void create(u64 i) {
    struct arch_aspace *as = &test.spaces[i].as;
    CHECK(arch_aspace_create(as) == OK);
    CHECK(upcall_frames_alloc(STACK_PAGES, &test.spaces[i].stack));
    test.spaces[i].own = frame_with(100 + i);
    map(as, STACK_AT, test.spaces[i].stack, STACK_PAGES);
    map(as, OWN_AT, test.spaces[i].own, 1);
    arch_context_init(&test.spaces[i].context, as, STACK_AT + STACK_PAGES * PAGE_SIZE, look,
                      (void *)i);
}

static void destroy(u64 i) {
    struct arch_aspace *as = &test.spaces[i].as;
    unmap(as, STACK_AT, 16 * MIB / PAGE_SIZE);
    arch_aspace_destroy(as);
    for (u64 page = 0; page < STACK_PAGES; page++)
        upcall_frame_free((struct phys_addr){test.spaces[i].stack.value + page * PAGE_SIZE});
    upcall_frame_free(test.spaces[i].own);
}

// Nobody is in the address space while it changes: it is not to be found as it was.
static bool change_is_seen(u64 i, u64 word) {
    upcall_frame_free(test.spaces[i].own);
    unmap(&test.spaces[i].as, OWN_AT, 1);
    test.spaces[i].own = frame_with(word);
    map(&test.spaces[i].as, OWN_AT, test.spaces[i].own, 1);
    give_turn(i);
    return test.spaces[i].seen == word;
}

// More of them than a CPU remembers, in turn: each is found as it is.
static bool many_are_told_apart(void) {
    bool fine = true;
    for (u64 round = 0; round < 40; round++) {
        destroy(1);
        create(1);
        give_turn(1);
        give_turn(0);
        fine = fine && test.spaces[1].seen == 101 && test.spaces[1].is_current;
        fine = fine && test.spaces[0].seen == 100 && test.spaces[0].is_current;
    }
    return fine;
}

void payload_aspace_tests(void) {
    i64 before = payload_frames_in_use();
    test.main.aspace = arch_aspace_kernel();
    create(0);
    create(1);
    test.first = frame_with(7);
    map(&test.spaces[0].as, FIRST_AT, test.first, 1);
    payload_check(payload_read_faults(OWN_AT) && payload_read_faults(STACK_AT),
                  "what is mapped in another address space is not mapped here");
    payload_check(many_are_told_apart(), "each context finds its own address space");
    payload_check(!test.spaces[0].first_faults && test.spaces[1].first_faults,
                  "and nothing of the other's");
    payload_check(arch_aspace_current() == arch_aspace_kernel(), "the way back is one, too");

    bool seen = true;
    for (u64 round = 0; round < 40; round++)
        seen = seen && change_is_seen(round % SPACES, 1000 + round);
    payload_check(seen, "a change in an address space that nobody is in is seen by the next");

    unmap(&test.spaces[0].as, FIRST_AT, 1);
    give_turn(0);
    payload_check(test.spaces[0].first_faults, "so is that a page is gone");
    upcall_frame_free(test.first);
    destroy(0);
    destroy(1);
    payload_check(payload_frames_in_use() == before, "address spaces give all their tables back");
}
