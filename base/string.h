#pragma once
// Bytes and strings. On the host these are libc's own; in the kernel base/string.c provides them.

#include "base/types.h"

void *memcpy(void *restrict to, const void *restrict from, usize len);
void *memmove(void *to, const void *from, usize len);
void *memset(void *to, int byte, usize len);
int memcmp(const void *a, const void *b, usize len);
usize strlen(const char *text);
int strcmp(const char *a, const char *b);

// A run of bytes that somebody else owns; not NUL-terminated.
struct bytes {
    const u8 *data;
    usize len;
};

static inline struct bytes bytes_of(const char *text) {
    return (struct bytes){(const u8 *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool bytes_equal_text(struct bytes a, const char *text) {
    usize i = 0; // most differ early: no need to know how long the text is
    while (i < a.len && text[i] != 0 && a.data[i] == (u8)text[i])
        i++;
    return i == a.len && text[i] == 0;
}
