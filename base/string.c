// The memory and string functions that a compiler expects to find, for the kernel. Host programs
// link their C library's instead.

#include "base/string.h"

void *memcpy(void *restrict to, const void *restrict from, usize len) {
    void *at = to;
    usize words = len / 8;
    usize rest = len % 8;
    __asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

// Copies from the last byte down: the ranges overlap and `to` is the higher one.
static void copy_down(u8 *to, const u8 *from, usize len) {
    while (len % 8 != 0) {
        len--;
        to[len] = from[len];
    }
    while (len != 0) {
        len -= 8;
        u64 word;
        __builtin_memcpy_inline(&word, from + len, 8);
        __builtin_memcpy_inline(to + len, &word, 8);
    }
}

void *memmove(void *to, const void *from, usize len) {
    if ((uptr)to - (uptr)from >= len)
        return memcpy(to, from, len);
    copy_down(to, from, len);
    return to;
}

void *memset(void *to, int byte, usize len) {
    void *at = to;
    usize words = len / 8;
    usize rest = len % 8;
    u64 pattern = (u8)byte * 0x0101010101010101ull;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, usize len) {
    const u8 *x = a;
    const u8 *y = b;
    usize i = 0;
    for (; i + 8 <= len; i += 8) {
        u64 left;
        u64 right;
        __builtin_memcpy_inline(&left, x + i, 8);
        __builtin_memcpy_inline(&right, y + i, 8);
        if (left != right)
            break; // the bytes below say which is smaller
    }
    for (; i < len; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

usize strlen(const char *text) {
    usize len = 0;
    while (text[len] != 0)
        len++;
    return len;
}

int strcmp(const char *a, const char *b) {
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return (u8)*a - (u8)*b;
}
