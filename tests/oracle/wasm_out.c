// A growing string of bytes in the WebAssembly binary format. Running out of memory ends the test.

#include "tests/oracle/wasm_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void out_bytes(struct wasm_out *out, const void *bytes, usize len) {
    if (len > out->capacity - out->len) {
        out->capacity = 2 * out->capacity + len + 64;
        out->data = realloc(out->data, out->capacity);
        CHECK(out->data != NULL);
    }
    if (len != 0)
        memcpy(out->data + out->len, bytes, len);
    out->len += len;
}

void out_byte(struct wasm_out *out, u8 byte) {
    out_bytes(out, &byte, 1);
}

void out_unsigned(struct wasm_out *out, u64 value) {
    do {
        out_byte(out, (u8)((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
        value >>= 7;
    } while (value != 0);
}

void out_signed(struct wasm_out *out, i64 value) {
    for (;;) {
        u8 low = value & 0x7f;
        value >>= 7;
        bool done = value == ((low & 0x40) != 0 ? -1 : 0);
        out_byte(out, done ? low : low | 0x80);
        if (done)
            return;
    }
}

void out_text(struct wasm_out *out, const char *text) {
    out_unsigned(out, strlen(text));
    out_bytes(out, text, strlen(text));
}

void out_fini(struct wasm_out *out) {
    free(out->data);
    *out = (struct wasm_out){0};
}

void out_sized(struct wasm_out *out, struct wasm_out *content) {
    out_unsigned(out, content->len);
    out_bytes(out, content->data, content->len);
    out_fini(content);
}
