// Recursion that is deep but ends (argument: the depth), or that does not (no argument).

#include <stdio.h>
#include <stdlib.h>

static __attribute__((noinline)) unsigned long descend(unsigned long left,
                                                       volatile unsigned *seen) {
    *seen += 1;
    if (left == 0)
        return 1;
    return 1 + descend(left - 1, seen) * (*seen != 0);
}

int main(int argc, char **argv) {
    unsigned seen = 0;
    unsigned long depth = argc > 1 ? strtoul(argv[1], NULL, 10) : ~0ul;
    printf("descending\n");
    fflush(stdout);
    printf("depth %lu\n", descend(depth, &seen));
    return 0;
}
