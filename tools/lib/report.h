#pragma once
// How the `kwast` command says what went wrong: `kwast: what: why`, on standard error.

#include "base/types.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_TIMED_OUT = 124,
    EXIT_TRAPPED = 134,
    EXIT_SIGNAL_BASE = 128,
};

void report_error(const char *what, const char *format, ...) PRINTF_LIKE(2, 3);
