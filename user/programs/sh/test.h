#pragma once
// test, also called [: conditions about files, strings and numbers.

#include "base/types.h"

int test_run(u32 count, char **arguments); // 0: true, 1: false, 2: wrong use
