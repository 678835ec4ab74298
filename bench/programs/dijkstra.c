// Shortest paths from many sources through a graph kept as lists, with a binary heap.

#include "bench/programs/bench.h"

#define NODES  4000
#define DEGREE 5
#define FAR    0xffffffffu

struct edge {
    uint32_t to;
    uint32_t length;
};

struct entry {
    uint32_t distance;
    uint32_t node;
};

static struct edge edges[NODES][DEGREE];
static uint32_t distances[NODES];
static struct entry heap[NODES * DEGREE + 1];
static uint32_t heap_count;

static void push(uint32_t distance, uint32_t node) {
    uint32_t at = heap_count++;
    while (at > 0 && heap[(at - 1) / 2].distance > distance) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = (struct entry){distance, node};
}

static struct entry pop(void) {
    struct entry first = heap[0];
    struct entry last = heap[--heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= heap_count)
            break;
        if (child + 1 < heap_count && heap[child + 1].distance < heap[child].distance)
            child++;
        if (heap[child].distance >= last.distance)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

static void paths_from(uint32_t source) {
    for (int i = 0; i < NODES; i++)
        distances[i] = FAR;
    distances[source] = 0;
    push(0, source);
    while (heap_count > 0) {
        struct entry entry = pop();
        if (entry.distance != distances[entry.node])
            continue;
        for (int i = 0; i < DEGREE; i++) {
            struct edge edge = edges[entry.node][i];
            uint32_t distance = entry.distance + edge.length;
            if (distance < distances[edge.to]) {
                distances[edge.to] = distance;
                push(distance, edge.to);
            }
        }
    }
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 43};
    for (int i = 0; i < NODES * DEGREE; i++) {
        uint32_t to = bench_next(&random) % NODES;
        edges[i / DEGREE][i % DEGREE] = (struct edge){to, 1 + bench_next(&random) % 1000};
    }
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        paths_from(round % NODES);
        for (int i = 0; i < NODES; i += 97)
            checksum = bench_mix(checksum, distances[i]);
    }
    return checksum;
}

BENCH_MAIN(450, work)
