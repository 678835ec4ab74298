// Lists: order, removal while visiting, and the double insertions and removals that are caught.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "tests/fake_assert.h"

struct item {
    u32 value;
    struct list link;
};

static struct item items[5];
static struct list head;

static void start(void) {
    list_init(&head);
    for (u32 i = 0; i < COUNT_OF(items); i++) {
        items[i].value = i;
        list_init(&items[i].link);
    }
}

static void assert_order(const u32 *values, u32 count) {
    u32 seen = 0;
    LIST_FOR_EACH(node, &head) {
        assert_true(seen < count);
        assert_int_equal(container_of(node, struct item, link)->value, values[seen]);
        assert_ptr_equal(node->next->prev, node);
        seen++;
    }
    assert_int_equal(seen, count);
}

static void items_keep_their_order(void **) {
    start();
    assert_true(list_is_empty(&head));
    assert_null(list_pop_front(&head));
    list_push_back(&head, &items[1].link);
    list_push_back(&head, &items[2].link);
    list_push_front(&head, &items[0].link);
    list_insert_before(&items[2].link, &items[3].link);
    assert_order((u32[]){0, 1, 3, 2}, 4);
    assert_ptr_equal(list_pop_front(&head), &items[0].link);
    list_remove(&items[3].link);
    assert_order((u32[]){1, 2}, 2);
    assert_true(list_is_empty(&items[3].link));
}

static void items_can_be_removed_while_visited(void **) {
    start();
    for (u32 i = 0; i < COUNT_OF(items); i++)
        list_push_back(&head, &items[i].link);
    LIST_FOR_EACH(node, &head) {
        if (container_of(node, struct item, link)->value % 2 == 0)
            list_remove(node);
    }
    assert_order((u32[]){1, 3}, 2);
}

static void remove_twice(void *) {
    list_push_back(&head, &items[0].link);
    list_remove(&items[0].link);
    list_remove(&items[0].link);
}

static void insert_twice(void *) {
    list_push_back(&head, &items[0].link);
    list_push_back(&head, &items[0].link);
}

static void misuse_is_caught(void **) {
    start();
    assert_true(fake_asserts(remove_twice, NULL));
    assert_true(fake_asserts(insert_twice, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_their_order),
        cmocka_unit_test(items_can_be_removed_while_visited),
        cmocka_unit_test(misuse_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
