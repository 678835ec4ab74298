#pragma once
// WebAssembly has no setjmp without exceptions. The benchmarks use it only where nothing goes
// wrong: it returns once, and a jump ends the program. Native builds use this header too, so that
// all compile the same program.

#include <stdlib.h>

typedef int jmp_buf[1];

#define setjmp(buffer)         ((void)(buffer), 0)
#define longjmp(buffer, value) ((void)(buffer), (void)(value), abort())
#define _setjmp                setjmp
#define _longjmp               longjmp
