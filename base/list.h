#pragma once
// Doubly linked circular lists whose links live in the listed objects.
//
// Invariant: for every node n of a list, n->next->prev == n and n->prev->next == n. A node that is
// on no list links to itself (list_init) so that removing it twice is caught by the assertion.

#include "base/assert.h"
#include "base/types.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *list) {
    list->next = list;
    list->prev = list;
}

static inline bool list_is_empty(const struct list *list) {
    return list->next == list;
}

static inline void list_insert_before(struct list *where, struct list *node) {
    ASSERT(list_is_empty(node));
    node->prev = where->prev;
    node->next = where;
    where->prev->next = node;
    where->prev = node;
}

static inline void list_push_back(struct list *list, struct list *node) {
    list_insert_before(list, node);
}

static inline void list_push_front(struct list *list, struct list *node) {
    list_insert_before(list->next, node);
}

static inline void list_remove(struct list *node) {
    ASSERT(!list_is_empty(node));
    ASSERT(node->next->prev == node);
    ASSERT(node->prev->next == node);
    node->next->prev = node->prev;
    node->prev->next = node->next;
    list_init(node);
}

// Removes and returns the first node, or NULL when the list is empty.
static inline struct list *list_pop_front(struct list *list) {
    if (list_is_empty(list))
        return NULL;
    struct list *node = list->next;
    list_remove(node);
    return node;
}

// Visits each node; `node` may be removed while it is visited.
#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)
