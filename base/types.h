#pragma once
// The integer types, attributes and small macros that all of Kwast speaks in.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef size_t usize;
typedef uintptr_t uptr;

#define MUST_USE          [[nodiscard]]
#define PACKED            __attribute__((packed))
#define ALIGNED(n)        __attribute__((aligned(n)))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define UNUSED            [[maybe_unused]]

#define COUNT_OF(array)   (sizeof(array) / sizeof((array)[0]))

// The structure of type `type` whose member `member` is at `pointer`.
#define container_of(pointer, type, member) ((type *)((u8 *)(pointer) - offsetof(type, member)))

#define KIB                                 (1024ull)
#define MIB                                 (1024ull * KIB)
#define GIB                                 (1024ull * MIB)

#define PAGE_SIZE                           4096ull
#define PAGE_SHIFT                          12
