// Error messages of the `kwast` command.

#include "tools/lib/report.h"

#include <stdarg.h>
#include <stdio.h>

void report_error(const char *what, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "kwast: %s: ", what);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}
