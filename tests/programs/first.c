// Says how long the kernel had been running when this program's main began.

#include <stdio.h>
#include <time.h>

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("first program at %lld us\n", now.tv_sec * 1000000LL + now.tv_nsec / 1000);
    return 0;
}
