// Regular expressions by backtracking: characters, dot, classes, star and plus, over lines of text.

#include "bench/programs/bench.h"

#define TEXT_SIZE 40000

static char text[TEXT_SIZE + 1];

static void text_fill(void) {
    struct bench_random random = {.state = 71};
    for (int i = 0; i < TEXT_SIZE; i++) {
        uint32_t value = bench_next(&random);
        text[i] = (char)(value % 9 == 0 ? ' ' : value % 71 == 1 ? '@' : 'a' + (value >> 8) % 12);
    }
}

// The length of the pattern's first element: a class in brackets, or one character.
static int element_length(const char *pattern) {
    int length = 1;
    if (pattern[0] == '[') {
        while (pattern[length] != ']')
            length++;
        length++;
    }
    return length;
}

static int element_matches(const char *pattern, char c) {
    if (c == '\0')
        return 0;
    if (pattern[0] == '.')
        return 1;
    if (pattern[0] != '[')
        return pattern[0] == c;
    for (pattern++; *pattern != ']'; pattern++) {
        if (pattern[1] == '-') {
            if (c >= pattern[0] && c <= pattern[2])
                return 1;
            pattern += 2;
        } else if (*pattern == c) {
            return 1;
        }
    }
    return 0;
}

// The end of the longest match of `pattern` at `at`, or NULL.
static const char *match(const char *pattern, const char *at) {
    if (*pattern == '\0')
        return at;
    int length = element_length(pattern);
    char repeat = pattern[length];
    if (repeat != '*' && repeat != '+')
        return element_matches(pattern, *at) ? match(pattern + length, at + 1) : NULL;
    const char *last = at;
    while (element_matches(pattern, *last))
        last++;
    for (const char *first = at + (repeat == '+'); last >= first; last--) {
        const char *end = match(pattern + length + 1, last);
        if (end != NULL)
            return end;
    }
    return NULL;
}

static uint64_t work(uint32_t rounds) {
    static const char *const patterns[] = {"[a-d]+e[f-h]*i", "[a-l]+@[a-l]+", "ab.*@k", " [bdf]+ ",
                                           "c+a*[hij][hij]k"};
    uint64_t checksum = 0;
    text_fill();
    for (uint32_t round = 0; round < rounds; round++) {
        const char *pattern = patterns[round % 5];
        uint32_t count = 0;
        for (const char *at = text; *at != '\0'; at++) {
            // A line here is 64 characters: the pattern with `.*` must not look at all that
            // follows.
            char *limit = text + ((at - text) / 64 + 1) * 64;
            char saved = limit < text + TEXT_SIZE ? *limit : '\0';
            if (limit < text + TEXT_SIZE)
                *limit = '\0';
            const char *end = match(pattern, at);
            count += end != NULL ? (uint32_t)(end - at) : 0;
            if (limit < text + TEXT_SIZE)
                *limit = saved;
        }
        checksum = bench_mix(checksum, count);
    }
    return checksum;
}

BENCH_MAIN(450, work)
