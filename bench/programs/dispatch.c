// Calls through function pointers: a tree of expressions, each node with its own evaluator.

#include "bench/programs/bench.h"

#define NODES 4096

struct expression {
    int64_t (*evaluate)(const struct expression *self, int64_t variable);
    const struct expression *left;
    const struct expression *right;
    int64_t value;
};

static struct expression pool[NODES];
static uint32_t used;

static int64_t constant(const struct expression *self, int64_t) {
    return self->value;
}

static int64_t variable_of(const struct expression *self, int64_t variable) {
    return variable + self->value;
}

static int64_t sum(const struct expression *self, int64_t variable) {
    return self->left->evaluate(self->left, variable) +
           self->right->evaluate(self->right, variable);
}

static int64_t product(const struct expression *self, int64_t variable) {
    return self->left->evaluate(self->left, variable) *
           self->right->evaluate(self->right, variable);
}

static int64_t difference(const struct expression *self, int64_t variable) {
    return self->left->evaluate(self->left, variable) ^
           self->right->evaluate(self->right, variable);
}

// A condition evaluates one side only.
static int64_t choice(const struct expression *self, int64_t variable) {
    const struct expression *chosen = (variable + self->value) & 1 ? self->left : self->right;
    return chosen->evaluate(chosen, variable);
}

static const struct expression *grow(struct bench_random *random, int depth) {
    static int64_t (*const inner[])(const struct expression *, int64_t) = {sum, product, difference,
                                                                           choice};
    struct expression *node = &pool[used++];
    node->value = bench_next(random) % 1000;
    if (depth == 0) {
        node->evaluate = bench_next(random) & 1 ? constant : variable_of;
        return node;
    }
    node->evaluate = inner[bench_next(random) % 4];
    node->left = grow(random, depth - 1);
    node->right = grow(random, depth - 1);
    return node;
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 67};
    const struct expression *root = grow(&random, 10);
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++)
        checksum = bench_mix(checksum, (uint64_t)root->evaluate(root, round));
    return checksum;
}

BENCH_MAIN(140000, work)
