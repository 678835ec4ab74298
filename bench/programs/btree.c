// A B-tree of integers: binary search in nodes, splits on the way down, walks in order.

#include "bench/programs/bench.h"

#define MIN_DEGREE 8
#define MAX_KEYS   (2 * MIN_DEGREE - 1)
#define POOL       20000

struct node {
    uint32_t count;
    uint32_t is_leaf;
    uint32_t keys[MAX_KEYS];
    struct node *children[MAX_KEYS + 1];
};

static struct node pool[POOL];
static uint32_t used;

static struct node *node_new(uint32_t is_leaf) {
    struct node *node = &pool[used++];
    node->count = 0;
    node->is_leaf = is_leaf;
    return node;
}

// The first key that is not below `key`.
static uint32_t position(const struct node *node, uint32_t key) {
    uint32_t low = 0;
    uint32_t high = node->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (node->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void make_room(struct node *node, uint32_t at) {
    for (uint32_t i = node->count; i > at; i--) {
        node->keys[i] = node->keys[i - 1];
        node->children[i + 1] = node->children[i];
    }
    node->count++;
}

static void split_child(struct node *parent, uint32_t at) {
    struct node *full = parent->children[at];
    struct node *right = node_new(full->is_leaf);
    for (uint32_t i = 0; i < MIN_DEGREE - 1; i++)
        right->keys[i] = full->keys[i + MIN_DEGREE];
    for (uint32_t i = 0; i < MIN_DEGREE && !full->is_leaf; i++)
        right->children[i] = full->children[i + MIN_DEGREE];
    right->count = full->count = MIN_DEGREE - 1;
    make_room(parent, at);
    parent->keys[at] = full->keys[MIN_DEGREE - 1];
    parent->children[at + 1] = right;
}

static struct node *insert(struct node *root, uint32_t key) {
    if (root->count == MAX_KEYS) {
        struct node *above = node_new(0);
        above->children[0] = root;
        split_child(above, 0);
        root = above;
    }
    struct node *node = root;
    for (;;) {
        uint32_t at = position(node, key);
        if (at < node->count && node->keys[at] == key)
            return root;
        if (node->is_leaf) {
            make_room(node, at);
            node->keys[at] = key;
            return root;
        }
        if (node->children[at]->count == MAX_KEYS) {
            split_child(node, at);
            continue;
        }
        node = node->children[at];
    }
}

static int contains(const struct node *node, uint32_t key) {
    for (;;) {
        uint32_t at = position(node, key);
        if (at < node->count && node->keys[at] == key)
            return 1;
        if (node->is_leaf)
            return 0;
        node = node->children[at];
    }
}

static uint64_t walk(const struct node *node, uint64_t sum) {
    for (uint32_t i = 0; i <= node->count; i++) {
        if (!node->is_leaf)
            sum = walk(node->children[i], sum);
        if (i < node->count)
            sum = bench_mix(sum, node->keys[i]);
    }
    return sum;
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 23};
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        used = 0;
        struct node *root = node_new(1);
        for (int i = 0; i < 30000; i++)
            root = insert(root, bench_next(&random) % 100000);
        uint32_t found = 0;
        for (int i = 0; i < 60000; i++)
            found += (uint32_t)contains(root, bench_next(&random) % 100000);
        checksum = bench_mix(walk(root, checksum), found);
    }
    return checksum;
}

BENCH_MAIN(25, work)
