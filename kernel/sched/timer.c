// Deadlines in a pairing heap.
//
// A node's children form a list: `child` is the first, `next` leads on, `prev` leads back and from
// the first to the parent. Two heaps are merged by making the later root the first child of the
// earlier; removing a root merges its children in pairs, and then the pairs from the last to the
// first, which is what makes it logarithmic in the long run.
//
// A sorted list would be simpler; it is searched with interrupts off for every sleep, and there are
// as many sleepers as programs care to start.
//
// Invariants (timer_check): no child is earlier than its parent; x->next->prev == x and
// x->child->prev == x; the root has neither next nor prev; armed is who is in a heap.

#include "kernel/sched/timer.h"

#include "base/assert.h"

// Merges two heaps; `a` and `b` are roots without siblings, or NULL. On a tie `a` stays in front.
static struct timer *merge(struct timer *a, struct timer *b) {
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->at_ns < a->at_ns) {
        struct timer *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next != NULL)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

// Cuts the first off a list of siblings.
static struct timer *take_first(struct timer **list) {
    struct timer *first = *list;
    if (first == NULL)
        return NULL;
    *list = first->next;
    first->next = NULL;
    first->prev = NULL;
    return first;
}

// Makes one heap of a list of siblings.
static struct timer *merge_siblings(struct timer *list) {
    struct timer *pairs = NULL; // linked by `next`, the last pair first
    while (list != NULL) {
        struct timer *a = take_first(&list);
        struct timer *b = take_first(&list);
        struct timer *pair = merge(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct timer *heap = NULL;
    while (pairs != NULL) {
        struct timer *pair = take_first(&pairs);
        heap = merge(heap, pair);
    }
    return heap;
}

void timer_add(struct timer_queue *queue, struct timer *timer, u64 at_ns) {
    ASSERT(!timer->is_armed);
    *timer = (struct timer){.at_ns = at_ns, .is_armed = true};
    queue->first = merge(queue->first, timer);
}

void timer_remove(struct timer_queue *queue, struct timer *timer) {
    ASSERT(timer->is_armed);
    if (timer != queue->first) {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next != NULL)
            timer->next->prev = timer->prev;
    }
    struct timer *children = merge_siblings(timer->child);
    queue->first = timer == queue->first ? children : merge(queue->first, children);
    *timer = (struct timer){0};
}

u64 timer_next_ns(const struct timer_queue *queue) {
    return queue->first == NULL ? UINT64_MAX : queue->first->at_ns;
}

struct timer *timer_pop_due(struct timer_queue *queue, u64 now_ns) {
    struct timer *timer = queue->first;
    if (timer == NULL || timer->at_ns > now_ns)
        return NULL;
    timer_remove(queue, timer);
    return timer;
}

// The node after `node` in a walk over the whole heap, or NULL: children first, then siblings.
static const struct timer *walk_next(const struct timer *node) {
    if (node->child != NULL)
        return node->child;
    while (node->next == NULL) {
        // Back along the siblings to the parent: the one whose first child this list is.
        while (node->prev != NULL && node->prev->child != node)
            node = node->prev;
        node = node->prev;
        if (node == NULL)
            return NULL;
    }
    return node->next;
}

void timer_check(const struct timer_queue *queue) {
    const struct timer *root = queue->first;
    if (root == NULL)
        return;
    ASSERT(root->next == NULL);
    ASSERT(root->prev == NULL);
    for (const struct timer *node = root; node != NULL; node = walk_next(node)) {
        ASSERT(node->is_armed);
        ASSERT(node->next == NULL || node->next->prev == node);
        ASSERT(node->child == NULL || node->child->prev == node);
        for (const struct timer *child = node->child; child != NULL; child = child->next)
            ASSERT(child->at_ns >= node->at_ns);
    }
}
