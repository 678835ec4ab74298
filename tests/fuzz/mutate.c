// Breaks real modules in small ways, and runs the engine's front on each result:
//
//     mutate [-f FIRST] SEED COUNT FILE.wasm...
//
// Mutation n is a function of SEED, n and the files alone, so that one that failed can be had
// again: `mutate -f n SEED 1 FILE...`. A crash (of the sanitizers or an assertion) and a case that
// takes longer than CASE_SECONDS say which it was and end the program with a failure; nothing else
// does.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/math.h"
#include "engine/api/engine.h"
#include "tests/fuzz/target.h"

#define CASE_SECONDS  300 // of a machine that others use, too
#define INSERTION_MAX 64

struct input {
    const char *name;
    u8 *data;
    usize len;
};

// What is being tried; for the message of a case that does not come back.
static struct {
    u64 seed;
    u64 number;
    const char *name;
} current;

static void report(const char *what) {
    char text[512];
    int len = snprintf(text, sizeof(text), "mutate: %s in mutation %llu of seed %llu, of %s\n",
                       what, (unsigned long long)current.number, (unsigned long long)current.seed,
                       current.name);
    if (write(STDERR_FILENO, text, (usize)len) != len)
        _exit(3);
}

static void on_alarm(int signal) {
    (void)signal;
    report("no end");
    _exit(2);
}

static void on_abort(int signal) {
    (void)signal;
    report("failure");
    _exit(1);
}

// Called by the sanitizers' run-time library before it ends the process, in builds that have one.
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void on_death(void) {
    report("failure");
}

// splitmix64.
static u64 random_next(u64 *state) {
    u64 z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// Below `limit`, which is not 0.
static usize random_below(u64 *state, usize limit) {
    return random_next(state) % limit;
}

struct buffer {
    u8 *data;
    usize len;
    usize capacity;
};

// Replaces `removed` bytes at `at` by `len` others.
static void splice(struct buffer *b, usize at, usize removed, const u8 *bytes, usize len) {
    removed = min_u64(removed, b->len - at);
    len = min_u64(len, b->capacity - (b->len - removed));
    memmove(b->data + at + len, b->data + at + removed, b->len - at - removed);
    if (len != 0)
        memcpy(b->data + at, bytes, len);
    b->len = b->len - removed + len;
}

// Bytes that mean something in many places: ends, types, opcodes with prefixes, parts of numbers.
static const u8 telling[] = {0x00, 0x01, 0x0b, 0x40, 0x41, 0x60, 0x6f, 0x70, 0x7f,
                             0x80, 0x05, 0x0e, 0x1b, 0xd2, 0xfc, 0xfd, 0xff};

enum mutation { FLIP, TELLING, TRUNCATE, INSERT, REMOVE, COPY, SPLICE, NUMBER, MUTATIONS };

static void mutate_once(u64 *state, struct buffer *b, const struct input *other) {
    if (b->len == 0)
        return;
    usize at = random_below(state, b->len);
    u8 noise[INSERTION_MAX];
    usize noise_len = 1 + random_below(state, random_below(state, INSERTION_MAX) + 1);
    for (usize i = 0; i < noise_len; i++)
        noise[i] = (u8)random_next(state);

    switch ((enum mutation)random_below(state, MUTATIONS)) {
    case FLIP:
        b->data[at] ^= (u8)(1 << random_below(state, 8));
        return;
    case TELLING:
        b->data[at] = telling[random_below(state, sizeof(telling))];
        return;
    case TRUNCATE:
        if (random_below(state, 8) == 0) // else most would end here
            b->len = at;
        return;
    case INSERT:
        splice(b, at, 0, noise, noise_len);
        return;
    case REMOVE:
        splice(b, at, noise_len, NULL, 0);
        return;
    case COPY: { // within the module
        u8 copy[INSERTION_MAX];
        noise_len = min_u64(noise_len, b->len - at);
        memcpy(copy, b->data + at, noise_len);
        splice(b, random_below(state, b->len), random_below(state, 2) * noise_len, copy, noise_len);
        return;
    }
    case SPLICE: { // from another module
        usize from = other->len == 0 ? 0 : random_below(state, other->len);
        usize len = min_u64(other->len - from, random_below(state, 1024));
        splice(b, at, len, other->data + from, len);
        return;
    }
    case NUMBER: // a number of up to five bytes, in place
        for (usize i = 0; i < 5 && at + i < b->len; i++)
            b->data[at + i] = i < noise_len ? noise[i] | 0x80 : noise[i] & 0x7f;
        return;
    case MUTATIONS:
        return;
    }
}

static bool load(struct input *input, const char *name) {
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return false;
    input->name = name;
    usize capacity = 0;
    for (;;) {
        if (input->len == capacity) {
            capacity = 2 * capacity + 4096;
            input->data = realloc(input->data, capacity);
        }
        usize got = fread(input->data + input->len, 1, capacity - input->len, file);
        if (got == 0)
            break;
        input->len += got;
    }
    fclose(file);
    return true;
}

static enum status try_mutation(u64 number, u64 seed, const struct input *inputs, usize count) {
    u64 state = seed ^ (number + 1) * 0xd1342543de82ef95;
    const struct input *input = &inputs[random_below(&state, count)];
    const struct input *other = &inputs[random_below(&state, count)];
    current.seed = seed;
    current.number = number;
    current.name = input->name;

    // The allocation is as long as the module, so that reading past its end shows.
    struct buffer b = {.capacity = input->len + 4096, .len = input->len};
    b.data = malloc(b.capacity);
    memcpy(b.data, input->data, input->len);
    for (usize n = 1 + random_below(&state, 4); n > 0; n--)
        mutate_once(&state, &b, other);
    u8 *exact = malloc(b.len == 0 ? 1 : b.len);
    memcpy(exact, b.data, b.len);
    free(b.data);

    u32 features = FEATURES_ALL;
    if (random_below(&state, 8) == 0)
        features &= (u32)random_next(&state);
    alarm(CASE_SECONDS);
    enum status status = fuzz_try((struct bytes){exact, b.len}, features);
    alarm(0);
    free(exact);
    return status;
}

int main(int argc, char **argv) {
    u64 first = 0;
    int option;
    while ((option = getopt(argc, argv, "f:")) == 'f')
        first = strtoull(optarg, NULL, 0);
    if (option != -1 || argc - optind < 3) {
        fputs("usage: mutate [-f FIRST] SEED COUNT FILE.wasm...\n", stderr);
        return 64;
    }
    u64 seed = strtoull(argv[optind], NULL, 0);
    u64 count = strtoull(argv[optind + 1], NULL, 0);
    usize input_count = (usize)(argc - optind - 2);
    struct input *inputs = calloc(input_count, sizeof(*inputs));
    for (usize i = 0; i < input_count; i++) {
        if (!load(&inputs[i], argv[optind + 2 + (int)i])) {
            perror(argv[optind + 2 + (int)i]);
            return 66;
        }
    }

    signal(SIGALRM, on_alarm);
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(on_death);

    u64 accepted = 0;
    for (u64 n = 0; n < count; n++)
        accepted += try_mutation(first + n, seed, inputs, input_count) == OK;
    printf("%llu mutations, %llu accepted, %llu refused\n", (unsigned long long)count,
           (unsigned long long)accepted, (unsigned long long)(count - accepted));

    for (usize i = 0; i < input_count; i++)
        free(inputs[i].data);
    free(inputs);
    return 0;
}
