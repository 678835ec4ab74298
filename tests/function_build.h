#pragma once
// Functions of extreme shapes for tests, put together byte by byte.

#include <stdlib.h>

#include "tests/embedder.h"

// A module with one function (i32) -> i32, exported as "f", put together byte by byte.
struct builder {
    u8 *bytes;
    usize len;
    usize capacity;
};

static inline void put(struct builder *b, u8 byte) {
    if (b->len == b->capacity) {
        b->capacity = b->capacity == 0 ? 4096 : 2 * b->capacity;
        b->bytes = realloc(b->bytes, b->capacity);
        assert_non_null(b->bytes);
    }
    b->bytes[b->len++] = byte;
}

static inline void put_leb(struct builder *b, u64 value) {
    for (; value >= 0x80; value >>= 7)
        put(b, (u8)(value | 0x80));
    put(b, (u8)value);
}

// An instruction with one unsigned immediate.
static inline void put_insn(struct builder *b, u8 opcode, u64 immediate) {
    put(b, opcode);
    put_leb(b, immediate);
}

// i32.const of a number below 2^30.
static inline void put_const(struct builder *b, u32 value) {
    put(b, 0x41);
    for (; value >= 0x40; value >>= 7)
        put(b, (u8)(value | 0x80));
    put(b, (u8)value);
}

static inline void put_bytes(struct builder *b, const void *bytes, usize len) {
    for (usize i = 0; i < len; i++)
        put(b, ((const u8 *)bytes)[i]);
}

// The module with one function of `body`: its locals and code, without the last end. Frees it.
static inline struct builder function_module(struct builder *body) {
    static const u8 head[] = {0, 'a',  's', 'm', 1, 0, 0, 0, 1, 6, 1,   0x60, 1, 0x7f,
                              1, 0x7f, 3,   2,   1, 0, 7, 5, 1, 1, 'f', 0,    0, 10};
    put(body, 0x0b);
    struct builder size = {0};
    put_leb(&size, body->len);
    struct builder b = {0};
    put_bytes(&b, head, sizeof head);
    put_leb(&b, 1 + size.len + body->len);
    put(&b, 1);
    put_bytes(&b, size.bytes, size.len);
    put_bytes(&b, body->bytes, body->len);
    free(size.bytes);
    free(body->bytes);
    return b;
}

// Compiles and calls it.
static inline u64 function_run(struct embedder *e, struct builder *body, u64 argument) {
    struct builder b = function_module(body);
    u64 values[2] = {argument};
    struct instance *made = embedder_instance(e, (struct bytes){b.bytes, b.len}, NULL);
    enum trap trap = embedder_call(e, made, "f", values);
    free(b.bytes);
    if (trap != TRAP_NONE)
        fail_msg("%s", trap_text(trap));
    return values[0];
}

enum {
    BLOCK = 0x02,
    LOOP = 0x03,
    IF = 0x04,
    END = 0x0b,
    BR = 0x0c,
    BR_IF = 0x0d,
    BR_TABLE = 0x0e,
    DROP = 0x1a,
    LOCAL_GET = 0x20,
    LOCAL_SET = 0x21,
    I32_ADD = 0x6a,
    I32_MUL = 0x6c,
    VOID = 0x40,
    I32 = 0x7f,
};
