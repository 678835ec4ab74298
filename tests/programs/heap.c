// The heap under churn, sorting, and memory.grow up to refusal: 200 MiB allocated in total, with
// every block's contents checked when it is resized or freed.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS       512
#define TOTAL_BYTES (200u << 20)
#define SORT_COUNT  1000000u

static uint32_t state = 12345;

static uint32_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

struct slot {
    uint8_t *memory;
    size_t size;
    uint8_t mark;
};

static int check(const struct slot *slot, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (slot->memory[i] != (uint8_t)(slot->mark + i))
            return 0;
    }
    return 1;
}

static void fill(struct slot *slot, size_t from) {
    for (size_t i = from; i < slot->size; i++)
        slot->memory[i] = (uint8_t)(slot->mark + i);
}

static int churn(void) {
    static struct slot slots[SLOTS];
    uint64_t total = 0;
    unsigned resized = 0, freed = 0;
    while (total < TOTAL_BYTES) {
        struct slot *slot = &slots[next_random() % SLOTS];
        size_t size = 1u << (next_random() % 16);
        size += next_random() % size;
        if (slot->memory != NULL && !check(slot, slot->size))
            return 1;
        if (slot->memory != NULL && next_random() % 2 == 0) {
            free(slot->memory);
            slot->memory = NULL;
            freed++;
            continue;
        }
        size_t old = slot->memory == NULL ? 0 : slot->size;
        resized += old != 0;
        slot->memory = realloc(slot->memory, size);
        if (slot->memory == NULL)
            return 2;
        slot->size = size;
        if (old == 0)
            slot->mark = (uint8_t)next_random();
        if (old != 0 && !check(slot, old < size ? old : size))
            return 3;
        fill(slot, old < size ? old : size);
        total += size;
    }
    for (size_t i = 0; i < SLOTS; i++)
        free(slots[i].memory);
    printf("churn: %llu bytes, %u resized, %u freed\n", (unsigned long long)total, resized, freed);
    return 0;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int sort(void) {
    uint32_t *values = malloc(SORT_COUNT * sizeof(*values));
    uint64_t sum = 0, after = 0;
    if (values == NULL)
        return 4;
    for (size_t i = 0; i < SORT_COUNT; i++)
        sum += values[i] = next_random();
    qsort(values, SORT_COUNT, sizeof(*values), compare);
    for (size_t i = 0; i < SORT_COUNT; i++) {
        after += values[i];
        if (i != 0 && values[i - 1] > values[i])
            return 5;
    }
    printf("sort: %u values from %u to %u\n", SORT_COUNT, values[0], values[SORT_COUNT - 1]);
    free(values);
    return sum == after ? 0 : 6;
}

int main(void) {
    int wrong = churn();
    if (wrong == 0)
        wrong = sort();
    uint8_t *zeros = calloc(1 << 20, 1);
    for (size_t i = 0; zeros != NULL && i < 1 << 20; i++)
        wrong |= zeros[i];
    printf("%s\n", wrong == 0 ? "all fine" : "WRONG");
    return wrong;
}
