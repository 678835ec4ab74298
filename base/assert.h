#pragma once
// Assertions. A failed one is a bug in Kwast itself; input from outside is refused, never asserted.
//
// ASSERT  states an invariant; compiled out where NDEBUG is defined (release builds).
// CHECK   states an invariant that memory safety rests on; stays in release builds.

#include "base/types.h"

// Provided by each product: the kernel panics with a backtrace, a host program aborts.
[[noreturn]] void assert_failed(const char *file, int line, const char *what);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            assert_failed(__FILE__, __LINE__, #condition);                                         \
    } while (0)

#ifdef NDEBUG
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        (void)sizeof(condition);                                                                   \
    } while (0)
#else
#define ASSERT(condition) CHECK(condition)
#endif

// Marks code that no input can reach; reaching it is a bug and stops the machine.
#define UNREACHABLE()                 assert_failed(__FILE__, __LINE__, "unreachable")

#define STATIC_ASSERT(condition, why) _Static_assert(condition, why)
