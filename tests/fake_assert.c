// What a failed assertion does in a host program: say where, and abort.

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

[[noreturn]] void assert_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}
