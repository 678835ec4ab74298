// A hash table with open addressing and strings as keys: insert, find, remove.

#include "bench/programs/bench.h"

#define SLOTS    65536
#define KEY_SIZE 12

enum slot_state { SLOT_EMPTY, SLOT_REMOVED, SLOT_USED };

struct slot {
    char key[KEY_SIZE];
    uint32_t value;
    enum slot_state state;
};

static struct slot slots[SLOTS];

static uint32_t hash(const char *key) {
    uint32_t sum = 2166136261u;
    for (int i = 0; i < KEY_SIZE; i++)
        sum = (sum ^ (uint8_t)key[i]) * 16777619u;
    return sum ^ sum >> 15;
}

static int equal(const char *one, const char *other) {
    for (int i = 0; i < KEY_SIZE; i++) {
        if (one[i] != other[i])
            return 0;
    }
    return 1;
}

static struct slot *find(const char *key) {
    for (uint32_t i = hash(key);; i++) {
        struct slot *slot = &slots[i % SLOTS];
        if (slot->state == SLOT_EMPTY)
            return NULL;
        if (slot->state == SLOT_USED && equal(slot->key, key))
            return slot;
    }
}

static void insert(const char *key, uint32_t value) {
    uint32_t i = hash(key);
    while (slots[i % SLOTS].state == SLOT_USED)
        i++;
    struct slot *slot = &slots[i % SLOTS];
    for (int k = 0; k < KEY_SIZE; k++)
        slot->key[k] = key[k];
    slot->value = value;
    slot->state = SLOT_USED;
}

static void key_of(uint32_t number, char *key) {
    for (int i = 0; i < KEY_SIZE; i++, number = number * 5 + 1)
        key[i] = (char)('a' + (number >> 8) % 26);
}

static uint64_t work(uint32_t rounds) {
    struct bench_random random = {.state = 17};
    uint64_t checksum = 0;
    char key[KEY_SIZE];
    for (uint32_t round = 0; round < rounds; round++) {
        memset(slots, 0, sizeof(slots));
        for (uint32_t i = 0; i < 60000; i++) {
            key_of(bench_next(&random) % 20000, key);
            struct slot *slot = find(key);
            if (slot == NULL)
                insert(key, i);
            else if (i % 8 == 7)
                slot->state = SLOT_REMOVED;
            else
                checksum = bench_mix(checksum, slot->value++);
        }
    }
    return checksum;
}

BENCH_MAIN(90, work)
