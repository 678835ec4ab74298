// Prints a line ten times a second, for ever.

#include <stdio.h>
#include <time.h>

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    for (int i = 1;; i++) {
        printf("still here %d\n", i);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}
