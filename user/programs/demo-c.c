// Demonstration in C: primes by a sieve, a sort, and a little arithmetic with fractions.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT 2000000u
#define COUNT 150000u

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned count_primes(unsigned limit) {
    unsigned char *composite = calloc(limit + 1, 1);
    unsigned count = 0;
    if (composite == NULL)
        return 0;
    for (unsigned n = 2; n <= limit; n++) {
        if (composite[n])
            continue;
        count++;
        for (unsigned long long m = (unsigned long long)n * n; m <= limit; m += n)
            composite[m] = 1;
    }
    free(composite);
    return count;
}

static int compare(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a;
    unsigned y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

static int sort_random(unsigned count) {
    unsigned *values = malloc(count * sizeof(*values));
    unsigned state = 1;
    if (values == NULL)
        return 0;
    for (unsigned i = 0; i < count; i++)
        values[i] = state = state * 1664525u + 1013904223u;
    qsort(values, count, sizeof(*values), compare);
    int sorted = 1;
    for (unsigned i = 1; i < count; i++)
        sorted &= values[i - 1] <= values[i];
    free(values);
    return sorted;
}

int main(int argc, char **argv) {
    double start = seconds();
    printf("Hello from C: %s with %d argument%s.\n", argv[0], argc - 1, argc == 2 ? "" : "s");
    printf("  [C]    primes up to %u: %u\n", LIMIT, count_primes(LIMIT));
    printf("  [C]    sorted %u numbers: %s\n", COUNT, sort_random(COUNT) ? "in order" : "WRONG");
    double sum = 0;
    for (unsigned n = 1; n <= 3000000; n++)
        sum += 1.0 / n;
    printf("  [C]    the sum of 1/n up to 3000000: %.12f\n", sum);
    printf("  [C]    took %.0f ms\n", (seconds() - start) * 1000);
    return 0;
}
