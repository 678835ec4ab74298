#pragma once
// Puts small modules together for tests: sections as string literals, lengths computed.

#include <string.h>

#include "base/assert.h"
#include "base/string.h"
#include "base/types.h"

// A section, or a function body. The literal may hold zero bytes.
struct wasm_part {
    u8 id;
    const char *content;
    usize len;
};

#define PART(id, content) {(id), (content), sizeof(content) - 1}

struct wasm_build {
    usize len;
    u8 bytes[8192];
};

static inline void wasm_build_bytes(struct wasm_build *b, const void *bytes, usize len) {
    CHECK(len <= sizeof(b->bytes) - b->len);
    memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
}

static inline void wasm_build_leb(struct wasm_build *b, usize value) {
    do {
        u8 byte = (u8)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        wasm_build_bytes(b, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static inline void wasm_build_begin(struct wasm_build *b) {
    b->len = 0;
    wasm_build_bytes(b, "\0asm\1\0\0\0", 8);
}

static inline void wasm_build_section(struct wasm_build *b, struct wasm_part part) {
    wasm_build_bytes(b, &part.id, 1);
    wasm_build_leb(b, part.len);
    wasm_build_bytes(b, part.content, part.len);
}

// A code section with one body: its locals and code.
static inline void wasm_build_code(struct wasm_build *b, const char *body, usize len) {
    struct wasm_build content = {};
    wasm_build_leb(&content, 1);
    wasm_build_leb(&content, len);
    wasm_build_bytes(&content, body, len);
    wasm_build_section(b, (struct wasm_part){10, (const char *)content.bytes, content.len});
}

static inline struct bytes wasm_build_end(const struct wasm_build *b) {
    return (struct bytes){b->bytes, b->len};
}
