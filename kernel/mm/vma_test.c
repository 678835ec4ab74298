// The interval tree against a sorted array: lookups, the lowest gap, refusals, every shape.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/mm/vma.h"
#include "tests/fake_arch.h"

#define REGION_START (16 * PAGE_SIZE)
#define REGION_PAGES 512u
#define REGION_END   (REGION_START + REGION_PAGES * PAGE_SIZE)

static struct vma pool[REGION_PAGES];

static u64 page_address(u64 page) {
    return REGION_START + page * PAGE_SIZE;
}

static void start(struct vma_tree *tree) {
    memset(pool, 0, sizeof pool);
    vma_tree_init(tree, REGION_START, REGION_END);
}

static enum status put(struct vma_tree *tree, u32 slot, u64 start, u64 end) {
    pool[slot] = (struct vma){.start = start, .end = end};
    enum status status = vma_insert(tree, &pool[slot]);
    vma_check(tree);
    return status;
}

static const struct insert_case {
    const char *name;
    u64 start_page;
    u64 end_page;
    enum status status;
} insert_cases[] = {
    {"below, touching", 8, 10, OK},
    {"above, touching", 20, 22, OK},
    {"the same", 10, 20, ERR_EXISTS},
    {"inside", 12, 13, ERR_EXISTS},
    {"around", 9, 21, ERR_EXISTS},
    {"over the lower end", 9, 11, ERR_EXISTS},
    {"over the upper end", 19, 21, ERR_EXISTS},
    {"empty", 30, 30, ERR_INVALID},
    {"backwards", 31, 30, ERR_INVALID},
    {"below the region", (u64)-1, 1, ERR_INVALID},
    {"beyond the region", REGION_PAGES - 1, REGION_PAGES + 1, ERR_INVALID},
    {"up to the end", REGION_PAGES - 1, REGION_PAGES, OK},
    {"from the start", 0, 1, OK},
};

static void inserts_are_refused_where_taken(void **) {
    for (usize i = 0; i < COUNT_OF(insert_cases); i++) {
        const struct insert_case *c = &insert_cases[i];
        struct vma_tree tree;
        start(&tree);
        assert_int_equal(put(&tree, 0, page_address(10), page_address(20)), OK);
        enum status status = put(&tree, 1, page_address(c->start_page), page_address(c->end_page));
        if (status != c->status)
            fail_msg("%s: %s", c->name, status_text(status));
    }
}

static void lookups_know_the_edges(void **) {
    struct vma_tree tree;
    start(&tree);
    assert_null(vma_find(&tree, page_address(0)));
    assert_null(vma_first_from(&tree, 0));
    assert_int_equal(put(&tree, 0, page_address(10), page_address(20)), OK);
    assert_int_equal(put(&tree, 1, page_address(30), page_address(31)), OK);
    assert_null(vma_find(&tree, page_address(10) - 1));
    assert_ptr_equal(vma_find(&tree, page_address(10)), &pool[0]);
    assert_ptr_equal(vma_find(&tree, page_address(20) - 1), &pool[0]);
    assert_null(vma_find(&tree, page_address(20)));
    assert_ptr_equal(vma_first_from(&tree, 0), &pool[0]);
    assert_ptr_equal(vma_first_from(&tree, page_address(20) - 1), &pool[0]);
    assert_ptr_equal(vma_first_from(&tree, page_address(20)), &pool[1]);
    assert_null(vma_first_from(&tree, page_address(31)));
    assert_null(vma_find(&tree, UINT64_MAX));
}

static void the_lowest_gap_that_fits_is_found(void **) {
    struct vma_tree tree;
    struct vma area = {0};
    start(&tree);
    // Gaps: [0,2) of 2, [4,7) of 3, [10,20) of 10, then the rest.
    assert_int_equal(put(&tree, 0, page_address(2), page_address(4)), OK);
    assert_int_equal(put(&tree, 1, page_address(7), page_address(10)), OK);
    assert_int_equal(put(&tree, 2, page_address(20), page_address(21)), OK);
    static const struct {
        u64 pages;
        u64 alignment_pages;
        u64 found;
    } cases[] = {
        {1, 1, 0},
        {2, 1, 0},
        {3, 1, 4},
        {4, 1, 10},
        {10, 1, 10},
        {11, 1, 21},
        {2, 16, 0},
        {3, 4, 4},
        {3, 16, 16},
        {5, 16, 32},
        // page_address(0) is page 16 of the address space, so alignments of 16 start there
        {4, 32, 16},
        {5, 32, 48},
        {REGION_PAGES - 21, 1, 21},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(vma_insert_anywhere(&tree, &area, cases[i].pages * PAGE_SIZE,
                                             cases[i].alignment_pages * PAGE_SIZE),
                         OK);
        assert_int_equal((area.start - REGION_START) / PAGE_SIZE, cases[i].found);
        assert_int_equal(area.end - area.start, cases[i].pages * PAGE_SIZE);
        vma_check(&tree);
        vma_remove(&tree, &area);
        vma_check(&tree);
    }
    u64 too_much = (REGION_PAGES - 20) * PAGE_SIZE;
    assert_int_equal(vma_insert_anywhere(&tree, &area, too_much, PAGE_SIZE), ERR_NO_MEMORY);
    u64 all_addresses = align_down(UINT64_MAX, PAGE_SIZE);
    assert_int_equal(vma_insert_anywhere(&tree, &area, all_addresses, PAGE_SIZE), ERR_NO_MEMORY);
    assert_int_equal(vma_insert_anywhere(&tree, &area, PAGE_SIZE, 1ull << 63), ERR_NO_MEMORY);
}

static void a_region_at_the_top_of_memory_does_not_wrap(void **) {
    struct vma_tree tree;
    struct vma areas[5] = {0};
    u64 end = align_down(UINT64_MAX, PAGE_SIZE);
    vma_tree_init(&tree, end - 4 * PAGE_SIZE, end);
    for (u32 i = 0; i < 4; i++)
        assert_int_equal(vma_insert_anywhere(&tree, &areas[i], PAGE_SIZE, PAGE_SIZE), OK);
    assert_int_equal(vma_insert_anywhere(&tree, &areas[4], PAGE_SIZE, PAGE_SIZE), ERR_NO_MEMORY);
    vma_remove(&tree, &areas[3]);
    assert_int_equal(vma_insert_anywhere(&tree, &areas[4], PAGE_SIZE, 16 * PAGE_SIZE),
                     ERR_NO_MEMORY);
    vma_check(&tree);
}

// Ascending, descending, and from both ends: what makes each rotation happen.
static void the_tree_stays_flat(void **) {
    for (u32 shape = 0; shape < 3; shape++) {
        struct vma_tree tree;
        start(&tree);
        for (u32 i = 0; i < REGION_PAGES; i++) {
            u32 page = shape == 0   ? i
                       : shape == 1 ? REGION_PAGES - 1 - i
                       : i % 2 == 0 ? i / 2
                                    : REGION_PAGES - 1 - i / 2;
            assert_int_equal(put(&tree, i, page_address(page), page_address(page + 1)), OK);
        }
        assert_true(tree.root->height <= 13); // 1.45 log2(512)
        for (u32 i = 0; i < REGION_PAGES; i++) {
            vma_remove(&tree, &pool[shape == 2 ? (i * 37) % REGION_PAGES : i]);
            vma_check(&tree);
        }
        assert_null(tree.root);
    }
}

// -- Against a model ---------------------------------------------------------------------------

// owner[p] is the slot whose area holds page p, plus one.
struct model {
    u32 owner[REGION_PAGES];
};

static u64 model_lowest_gap(const struct model *model, u64 pages, u64 alignment_pages) {
    for (u64 at = 0; at + pages <= REGION_PAGES; at++) {
        bool free = (at + REGION_START / PAGE_SIZE) % alignment_pages == 0;
        for (u64 i = 0; free && i < pages; i++)
            free = model->owner[at + i] == 0;
        if (free)
            return at;
    }
    return REGION_PAGES;
}

static void model_set(struct model *model, const struct vma *area, u32 owner) {
    for (u64 at = area->start; at < area->end; at += PAGE_SIZE)
        model->owner[(at - REGION_START) / PAGE_SIZE] = owner;
}

static void compare(const struct vma_tree *tree, const struct model *model, u64 page) {
    const struct vma *found = vma_find(tree, page_address(page) + 7);
    if (model->owner[page] == 0)
        assert_null(found);
    else
        assert_ptr_equal(found, &pool[model->owner[page] - 1]);

    const struct vma *next = vma_first_from(tree, page_address(page));
    while (page < REGION_PAGES && model->owner[page] == 0)
        page++;
    if (page == REGION_PAGES)
        assert_null(next);
    else
        assert_ptr_equal(next, &pool[model->owner[page] - 1]);
}

static void random_sequences_agree_with_the_model(void **) {
    for (u64 seed = 1; seed <= 4; seed++) {
        struct vma_tree tree;
        struct model model = {0};
        u64 random = seed;
        start(&tree);
        for (u32 step = 0; step < 3000; step++) {
            u32 slot = (u32)(fake_random(&random) % 120);
            if (pool[slot].height != 0) {
                model_set(&model, &pool[slot], 0);
                vma_remove(&tree, &pool[slot]);
            } else {
                u64 pages = 1 + fake_random(&random) % 9;
                u64 alignment = 1ull << (fake_random(&random) % 4);
                u64 expected = model_lowest_gap(&model, pages, alignment);
                enum status status = vma_insert_anywhere(&tree, &pool[slot], pages * PAGE_SIZE,
                                                         alignment * PAGE_SIZE);
                assert_int_equal(status, expected == REGION_PAGES ? ERR_NO_MEMORY : OK);
                if (status == OK) {
                    assert_int_equal(pool[slot].start, page_address(expected));
                    model_set(&model, &pool[slot], slot + 1);
                }
            }
            vma_check(&tree);
            compare(&tree, &model, fake_random(&random) % REGION_PAGES);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserts_are_refused_where_taken),
        cmocka_unit_test(lookups_know_the_edges),
        cmocka_unit_test(the_lowest_gap_that_fits_is_found),
        cmocka_unit_test(a_region_at_the_top_of_memory_does_not_wrap),
        cmocka_unit_test(the_tree_stays_flat),
        cmocka_unit_test(random_sequences_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
