#pragma once
// Virtual memory areas of one region: an AVL interval tree, each node augmented with the largest
// gap in its subtree, so that finding a free range and finding the area of an address are both
// O(log n). No allocation: callers embed struct vma.

#include "base/status.h"
#include "base/types.h"

struct vma {
    u64 start; // fixed while in a tree
    u64 end;   // exclusive; page-aligned both

    // Of the tree:
    struct vma *left;
    struct vma *right;
    struct vma *parent;
    i32 height;
    u64 subtree_start; // lowest start and highest end in the subtree
    u64 subtree_end;
    u64 largest_gap; // between areas of the subtree
};

struct vma_tree {
    struct vma *root;
    u64 start; // the region that the tree divides
    u64 end;
};

void vma_tree_init(struct vma_tree *tree, u64 start, u64 end);

// Gives `area` the lowest free range of `bytes` aligned to `alignment` and inserts it. Both are
// multiples of a page.
// ERR_NO_MEMORY when there is no such gap.
MUST_USE enum status vma_insert_anywhere(struct vma_tree *tree, struct vma *area, u64 bytes,
                                         u64 alignment);

// Inserts [area->start, area->end). ERR_EXISTS when it overlaps, ERR_INVALID outside the region.
MUST_USE enum status vma_insert(struct vma_tree *tree, struct vma *area);
void vma_remove(struct vma_tree *tree, struct vma *area);

// The area that contains `address`, or NULL. The lowest area that ends above it, or NULL.
struct vma *vma_find(const struct vma_tree *tree, u64 address);
struct vma *vma_first_from(const struct vma_tree *tree, u64 address);

void vma_check(const struct vma_tree *tree);
