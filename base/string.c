// The memory and string functions that a compiler expects to find, for the kernel. Host programs
// link their C library's instead.

#include "base/string.h"

void *memcpy(void *restrict to, const void *restrict from, usize len) {
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(len) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, usize len) {
    if ((uptr)to - (uptr)from >= len)
        return memcpy(to, from, len);
    u8 *t = to;
    const u8 *f = from;
    while (len-- != 0)
        t[len] = f[len];
    return to;
}

void *memset(void *to, int byte, usize len) {
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(len) : "a"(byte) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, usize len) {
    const u8 *x = a;
    const u8 *y = b;
    for (usize i = 0; i < len; i++) {
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
