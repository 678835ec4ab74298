// Conway's game on a torus of bytes: neighbours, conditions, a store for each cell.

#include "bench/programs/bench.h"

#define SIZE 256

static uint8_t cells[2][SIZE][SIZE];

static void generation(uint8_t from[SIZE][SIZE], uint8_t to[SIZE][SIZE]) {
    for (int row = 0; row < SIZE; row++) {
        const uint8_t *above = from[(row + SIZE - 1) % SIZE];
        const uint8_t *here = from[row];
        const uint8_t *below = from[(row + 1) % SIZE];
        for (int column = 0; column < SIZE; column++) {
            int left = (column + SIZE - 1) % SIZE;
            int right = (column + 1) % SIZE;
            int sum = above[left] + above[column] + above[right] + here[left] + here[right] +
                      below[left] + below[column] + below[right];
            if (sum == 3 || (sum == 2 && here[column]))
                to[row][column] = 1;
            else
                to[row][column] = 0;
        }
    }
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 41};
    for (int i = 0; i < SIZE * SIZE; i++)
        cells[0][i / SIZE][i % SIZE] = bench_next(&random) % 3 == 0;
    for (uint32_t round = 0; round < rounds; round++) {
        generation(cells[0], cells[1]);
        generation(cells[1], cells[0]);
    }
    uint64_t checksum = 0;
    for (int i = 0; i < SIZE * SIZE; i++)
        checksum = bench_mix(checksum, cells[0][i / SIZE][i % SIZE]);
    return checksum;
}

BENCH_MAIN(450, work)
