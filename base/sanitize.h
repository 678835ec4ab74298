#pragma once
// What an allocator tells AddressSanitizer, where that is compiled in: which memory nobody may
// touch. Nothing otherwise.

#include "base/types.h"

#if __has_feature(address_sanitizer)
void __asan_poison_memory_region(const volatile void *memory, usize bytes);
void __asan_unpoison_memory_region(const volatile void *memory, usize bytes);

static inline void memory_forbid(const void *memory, usize bytes) {
    __asan_poison_memory_region(memory, bytes);
}

static inline void memory_allow(const void *memory, usize bytes) {
    __asan_unpoison_memory_region(memory, bytes);
}
#else
static inline void memory_forbid(const void *memory, usize bytes) {
    (void)memory;
    (void)bytes;
}

static inline void memory_allow(const void *memory, usize bytes) {
    (void)memory;
    (void)bytes;
}
#endif
