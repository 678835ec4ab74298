// Huffman codes for a text: counts, tree, codes, packed bits, and back through the tree.

#include "bench/programs/bench.h"

#define SIZE  100000
#define NODES 511
#define NONE  (-1)

struct node {
    uint32_t weight;
    int left;
    int right;
};

static uint8_t plain[SIZE], packed[SIZE + 8], back[SIZE];
static struct node nodes[NODES];
static uint32_t codes[256], lengths[256];

static void plain_fill(void) {
    struct bench_random random = {.state = 59};
    for (int i = 0; i < SIZE; i++) {
        uint32_t value = bench_next(&random);
        plain[i] = (uint8_t)(__builtin_ctz(value | 0x4000) * 4 + (value >> 16 & 3));
    }
}

// Takes the lightest node that is still a root.
static int take_lightest(uint8_t *is_root, int count) {
    int best = NONE;
    for (int i = 0; i < count; i++) {
        if (is_root[i] && (best == NONE || nodes[i].weight < nodes[best].weight))
            best = i;
    }
    if (best != NONE)
        is_root[best] = 0;
    return best;
}

static int tree_make(void) {
    uint8_t is_root[NODES] = {0};
    for (int i = 0; i < 256; i++)
        nodes[i] = (struct node){0, NONE, NONE};
    for (int i = 0; i < SIZE; i++)
        nodes[plain[i]].weight++;
    for (int i = 0; i < 256; i++)
        is_root[i] = nodes[i].weight != 0;
    int count = 256;
    for (;;) {
        int left = take_lightest(is_root, count);
        int right = take_lightest(is_root, count);
        if (right == NONE)
            return left;
        nodes[count] = (struct node){nodes[left].weight + nodes[right].weight, left, right};
        is_root[count++] = 1;
    }
}

static void codes_make(int node, uint32_t code, uint32_t length) {
    if (nodes[node].left == NONE) {
        codes[node] = code;
        lengths[node] = length;
        return;
    }
    codes_make(nodes[node].left, code << 1, length + 1);
    codes_make(nodes[node].right, code << 1 | 1, length + 1);
}

static uint32_t pack(void) {
    uint64_t bits = 0;
    uint32_t pending = 0;
    uint32_t out = 0;
    for (int i = 0; i < SIZE; i++) {
        bits = bits << lengths[plain[i]] | codes[plain[i]];
        for (pending += lengths[plain[i]]; pending >= 8; pending -= 8)
            packed[out++] = (uint8_t)(bits >> (pending - 8));
    }
    packed[out++] = (uint8_t)(bits << (8 - pending));
    return out;
}

static void unpack(int root) {
    uint32_t bit = 0;
    for (int i = 0; i < SIZE; i++) {
        int node = root;
        while (nodes[node].left != NONE) {
            int right = packed[bit >> 3] >> (7 - (bit & 7)) & 1;
            node = right ? nodes[node].right : nodes[node].left;
            bit++;
        }
        back[i] = (uint8_t)node;
    }
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    plain_fill();
    for (uint32_t round = 0; round < rounds; round++) {
        plain[round * 37 % SIZE] = (uint8_t)(round % 60);
        int root = tree_make();
        codes_make(root, 0, 0);
        uint32_t count = pack();
        unpack(root);
        checksum = bench_mix(checksum, (uint64_t)count + back[round % SIZE]);
        if (memcmp(plain, back, SIZE) != 0)
            return 0;
    }
    return checksum;
}

BENCH_MAIN(110, work)
