// An AVL interval tree over one region.
//
// Areas do not overlap, so ordering them by start orders them by end too. Each node knows the
// extent of its subtree and the largest gap between two areas inside of it; the gaps at the outer
// edges belong to the ancestors. A search for free space enters a subtree only when a large enough
// gap is in there, and with page alignment the first such gap fits, so it is O(log n). A coarser
// alignment can make a gap unfit and the search go on.
//
// Invariants, checked by vma_check: order, no overlap, AVL balance, parents, and every augmented
// field. Recursion is as deep as the tree is high: under 1.45 log2(n).

#include "kernel/mm/vma.h"

#include "base/assert.h"
#include "base/math.h"

// -- Augmentation ------------------------------------------------------------------------------

static i32 height_of(const struct vma *node) {
    return node == NULL ? 0 : node->height;
}

static i32 balance_of(const struct vma *node) {
    return height_of(node->right) - height_of(node->left);
}

static void update(struct vma *node) {
    const struct vma *left = node->left;
    const struct vma *right = node->right;
    i32 left_height = height_of(left);
    i32 right_height = height_of(right);

    node->height = 1 + (left_height > right_height ? left_height : right_height);
    node->subtree_start = left == NULL ? node->start : left->subtree_start;
    node->subtree_end = right == NULL ? node->end : right->subtree_end;
    node->largest_gap = 0;
    if (left != NULL)
        node->largest_gap = max_u64(left->largest_gap, node->start - left->subtree_end);
    if (right != NULL)
        node->largest_gap = max_u64(node->largest_gap,
                                    max_u64(right->largest_gap, right->subtree_start - node->end));
}

// -- Balance -----------------------------------------------------------------------------------

// Puts `new` (may be NULL) where `old` hangs.
static void replace_child(struct vma_tree *tree, struct vma *old, struct vma *new) {
    struct vma *parent = old->parent;
    if (parent == NULL)
        tree->root = new;
    else if (parent->left == old)
        parent->left = new;
    else
        parent->right = new;
    if (new != NULL)
        new->parent = parent;
}

static struct vma *rotate_left(struct vma_tree *tree, struct vma *node) {
    struct vma *top = node->right;
    replace_child(tree, node, top);
    node->right = top->left;
    if (node->right != NULL)
        node->right->parent = node;
    top->left = node;
    node->parent = top;
    update(node);
    update(top);
    return top;
}

static struct vma *rotate_right(struct vma_tree *tree, struct vma *node) {
    struct vma *top = node->left;
    replace_child(tree, node, top);
    node->left = top->right;
    if (node->left != NULL)
        node->left->parent = node;
    top->right = node;
    node->parent = top;
    update(node);
    update(top);
    return top;
}

// Restores balance and augmentation from `node` up to the root.
static void repair(struct vma_tree *tree, struct vma *node) {
    for (; node != NULL; node = node->parent) {
        update(node);
        i32 balance = balance_of(node);
        ASSERT(balance >= -2 && balance <= 2);
        if (balance == 2) {
            if (balance_of(node->right) < 0)
                rotate_right(tree, node->right);
            node = rotate_left(tree, node);
        } else if (balance == -2) {
            if (balance_of(node->left) > 0)
                rotate_left(tree, node->left);
            node = rotate_right(tree, node);
        }
        ASSERT(balance_of(node) >= -1 && balance_of(node) <= 1);
    }
}

// -- Searching ---------------------------------------------------------------------------------

struct vma *vma_first_from(const struct vma_tree *tree, u64 address) {
    struct vma *found = NULL;
    struct vma *node = tree->root;
    while (node != NULL) {
        if (node->end > address) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return found;
}

struct vma *vma_find(const struct vma_tree *tree, u64 address) {
    struct vma *area = vma_first_from(tree, address);
    return area != NULL && area->start <= address ? area : NULL;
}

struct gap_search {
    u64 bytes;
    u64 alignment;
    u64 found;
};

static bool gap_fits(struct gap_search *search, u64 low, u64 high) {
    u64 padding = (0 - low) & (search->alignment - 1);
    if (high - low < padding || high - low - padding < search->bytes)
        return false;
    search->found = low + padding;
    return true;
}

// Finds the lowest fitting gap in [low, high), which holds the areas of the subtree and no other.
static bool gap_find(struct gap_search *search, const struct vma *node, u64 low, u64 high) {
    if (node == NULL)
        return gap_fits(search, low, high);
    if (node->largest_gap < search->bytes && node->subtree_start - low < search->bytes &&
        high - node->subtree_end < search->bytes)
        return false;
    return gap_find(search, node->left, low, node->start) ||
           gap_find(search, node->right, node->end, high);
}

// -- Changing ----------------------------------------------------------------------------------

void vma_tree_init(struct vma_tree *tree, u64 start, u64 end) {
    ASSERT(start < end);
    ASSERT(is_aligned(start | end, PAGE_SIZE));
    *tree = (struct vma_tree){.start = start, .end = end};
}

// Hangs an area that overlaps nothing into the tree.
static void insert(struct vma_tree *tree, struct vma *area) {
    struct vma *parent = NULL;
    struct vma **link = &tree->root;
    while (*link != NULL) {
        parent = *link;
        link = area->start < parent->start ? &parent->left : &parent->right;
    }
    area->left = NULL;
    area->right = NULL;
    area->parent = parent;
    *link = area;
    repair(tree, area);
}

enum status vma_insert(struct vma_tree *tree, struct vma *area) {
    ASSERT(is_aligned(area->start | area->end, PAGE_SIZE));
    if (area->start >= area->end || area->start < tree->start || area->end > tree->end)
        return ERR_INVALID;
    const struct vma *next = vma_first_from(tree, area->start);
    if (next != NULL && next->start < area->end)
        return ERR_EXISTS;
    insert(tree, area);
    return OK;
}

enum status vma_insert_anywhere(struct vma_tree *tree, struct vma *area, u64 bytes, u64 alignment) {
    ASSERT(bytes != 0 && is_aligned(bytes, PAGE_SIZE));
    ASSERT(is_power_of_two(alignment) && alignment >= PAGE_SIZE);

    struct gap_search search = {.bytes = bytes, .alignment = alignment};
    if (!gap_find(&search, tree->root, tree->start, tree->end))
        return ERR_NO_MEMORY;
    area->start = search.found;
    area->end = search.found + bytes;
    insert(tree, area);
    return OK;
}

void vma_remove(struct vma_tree *tree, struct vma *area) {
    struct vma *repair_from = area->parent;
    if (area->left == NULL || area->right == NULL) {
        replace_child(tree, area, area->left != NULL ? area->left : area->right);
    } else {
        // The next area has no left child; it takes the removed one's place.
        struct vma *next = area->right;
        while (next->left != NULL)
            next = next->left;
        repair_from = next->parent == area ? next : next->parent;
        if (next->parent != area) {
            replace_child(tree, next, next->right);
            next->right = area->right;
            next->right->parent = next;
        }
        next->left = area->left;
        next->left->parent = next;
        replace_child(tree, area, next);
    }
    repair(tree, repair_from);
    area->left = NULL;
    area->right = NULL;
    area->parent = NULL;
    area->height = 0;
}

// -- Checking ----------------------------------------------------------------------------------

// Checks a subtree whose areas must all lie in [low, high).
static void subtree_check(const struct vma *node, const struct vma *parent, u64 low, u64 high) {
    if (node == NULL)
        return;

    ASSERT(node->parent == parent);
    ASSERT(low <= node->start);
    ASSERT(node->start < node->end);
    ASSERT(node->end <= high);
    ASSERT(is_aligned(node->start | node->end, PAGE_SIZE));
    subtree_check(node->left, node, low, node->start);
    subtree_check(node->right, node, node->end, high);

    i32 left = height_of(node->left);
    i32 right = height_of(node->right);
    ASSERT(left - right <= 1);
    ASSERT(right - left <= 1);
    ASSERT(node->height == 1 + (left > right ? left : right));

    struct vma fresh = *node;
    update(&fresh);
    ASSERT(fresh.subtree_start == node->subtree_start);
    ASSERT(fresh.subtree_end == node->subtree_end);
    ASSERT(fresh.largest_gap == node->largest_gap);
}

void vma_check(const struct vma_tree *tree) {
    subtree_check(tree->root, NULL, tree->start, tree->end);
}
