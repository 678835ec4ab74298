#pragma once
// What a test program finds wrong: said at once, by line, and counted; the program goes on. It says
// "all right" at its end if nothing was (`failures` is 0).

#include <errno.h>
#include <stdio.h>

#include "base/types.h"

static int failures;

static inline void check(bool is_right, const char *what, int line) {
    if (is_right)
        return;
    printf("wrong: line %d: %s (errno %d)\n", line, what, errno);
    fflush(stdout);
    failures++;
}

#define CHECK(condition) check(condition, #condition, __LINE__)
