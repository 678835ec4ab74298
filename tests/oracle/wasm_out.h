#pragma once
// A growing string of bytes in the WebAssembly binary format.

#include "base/string.h"
#include "base/types.h"

struct wasm_out {
    u8 *data;
    usize len;
    usize capacity;
};

void out_bytes(struct wasm_out *out, const void *bytes, usize len);
void out_byte(struct wasm_out *out, u8 byte);
void out_unsigned(struct wasm_out *out, u64 value);
void out_signed(struct wasm_out *out, i64 value);
void out_text(struct wasm_out *out, const char *text); // with its length in front
void out_fini(struct wasm_out *out);

// Appends `content`, its length in front, and frees it.
void out_sized(struct wasm_out *out, struct wasm_out *content);
