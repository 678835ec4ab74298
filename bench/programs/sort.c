// Quicksort with a comparison that is passed as a function, then heapsort without one.

#include "bench/programs/bench.h"

#define COUNT 60000

static uint32_t values[COUNT];

typedef int (*comparison)(uint32_t left, uint32_t right);

static int ascending(uint32_t left, uint32_t right) {
    return left < right;
}

static int by_low_bits(uint32_t left, uint32_t right) {
    return (left & 0xffff) != (right & 0xffff) ? (left & 0xffff) < (right & 0xffff) : left < right;
}

static void swap(uint32_t *one, uint32_t *other) {
    uint32_t value = *one;
    *one = *other;
    *other = value;
}

static void quicksort(uint32_t *array, int count, comparison less) {
    while (count > 1) {
        uint32_t pivot = array[count / 2];
        int low = 0;
        int high = count - 1;
        while (low <= high) {
            while (less(array[low], pivot))
                low++;
            while (less(pivot, array[high]))
                high--;
            if (low <= high)
                swap(&array[low++], &array[high--]);
        }
        if (high + 1 < count - low) { // the smaller part by a call, so that the depth is bounded
            quicksort(array, high + 1, less);
            array += low;
            count -= low;
        } else {
            quicksort(array + low, count - low, less);
            count = high + 1;
        }
    }
}

static void sink(uint32_t at, uint32_t count) {
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && values[child] < values[child + 1])
            child++;
        if (values[at] >= values[child])
            return;
        swap(&values[at], &values[child]);
        at = child;
    }
}

static void heapsort_values(void) {
    for (uint32_t i = COUNT / 2; i-- > 0;)
        sink(i, COUNT);
    for (uint32_t end = COUNT; end-- > 1;) {
        swap(&values[0], &values[end]);
        sink(0, end);
    }
}

static void shuffle(struct bench_random *random) {
    for (uint32_t i = 0; i < COUNT; i++)
        values[i] = bench_next(random);
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 5};
    uint64_t checksum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        shuffle(&random);
        quicksort(values, COUNT, round & 1 ? by_low_bits : ascending);
        checksum = bench_mix(checksum, values[COUNT / 3]);
        shuffle(&random);
        heapsort_values();
        checksum = bench_mix(checksum, values[COUNT / 3]);
    }
    return checksum;
}

BENCH_MAIN(22, work)
