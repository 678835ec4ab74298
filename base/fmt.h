#pragma once
// Text formatting for kernel and engine: a small, bounded printf.
//
// Conversions: %d %i %u %x %X %c %s %p %% with flags '-' and '0', a width, a precision for %s
// (also as '*'), and the lengths l, ll, z. No floating point.

#include <stdarg.h>

#include "base/types.h"

// Receives a piece of formatted text.
typedef void (*fmt_sink)(void *context, const char *text, usize len);

void fmt_write(fmt_sink sink, void *context, const char *format, va_list args);

// Formats into `out` of `size` bytes, always NUL-terminated when size is not zero. Returns the
// length that the whole text has, which may be `size` or more: then it was cut.
usize fmt_string(char *out, usize size, const char *format, ...) PRINTF_LIKE(3, 4);
usize fmt_string_va(char *out, usize size, const char *format, va_list args);
