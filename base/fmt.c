// A bounded printf without floating point.

#include "base/fmt.h"

#include "base/string.h"

struct spec {
    bool left;
    bool zero;
    bool wide; // 64-bit argument
    int width;
    int precision; // -1: none
};

static void emit_padding(fmt_sink sink, void *context, char fill, int count) {
    while (count-- > 0)
        sink(context, &fill, 1);
}

static void emit_field(fmt_sink sink, void *context, const struct spec *spec, const char *text,
                       usize len) {
    int padding = spec->width - (int)len;
    if (!spec->left)
        emit_padding(sink, context, ' ', padding);
    sink(context, text, len);
    if (spec->left)
        emit_padding(sink, context, ' ', padding);
}

static void emit_number(fmt_sink sink, void *context, const struct spec *spec, u64 value, u32 base,
                        bool negative, bool upper) {
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    usize at = sizeof text;
    do {
        text[--at] = digits[value % base];
        value /= base;
    } while (value != 0);

    int len = (int)(sizeof text - at) + negative;
    bool zeros = spec->zero && !spec->left;
    if (zeros && negative)
        sink(context, "-", 1);
    if (!spec->left)
        emit_padding(sink, context, zeros ? '0' : ' ', spec->width - len);
    if (!zeros && negative)
        sink(context, "-", 1);
    sink(context, text + at, sizeof text - at);
    if (spec->left)
        emit_padding(sink, context, ' ', spec->width - len);
}

static const char *parse_number(const char *at, int *out) {
    *out = 0;
    while (*at >= '0' && *at <= '9')
        *out = *out * 10 + (*at++ - '0');
    return at;
}

static const char *parse_flags(const char *at, struct spec *spec) {
    for (;; at++) {
        if (*at == '-')
            spec->left = true;
        else if (*at == '0')
            spec->zero = true;
        else
            return at;
    }
}

static const char *parse_length(const char *at, struct spec *spec) {
    for (; *at == 'l' || *at == 'z'; at++)
        spec->wide = true;
    return at;
}

// Reads everything between '%' and the conversion's letter.
static const char *parse_spec(const char *at, struct spec *spec, va_list *args) {
    *spec = (struct spec){.precision = -1};
    at = parse_flags(at, spec);
    if (*at == '*') {
        spec->width = va_arg(*args, int);
        at++;
    } else {
        at = parse_number(at, &spec->width);
    }
    if (*at == '.' && at[1] == '*') {
        spec->precision = va_arg(*args, int);
        at += 2;
    } else if (*at == '.') {
        at = parse_number(at + 1, &spec->precision);
    }
    return parse_length(at, spec);
}

static usize string_length(const char *text, int precision) {
    usize len = 0;
    while ((precision < 0 || len < (usize)precision) && text[len] != 0)
        len++;
    return len;
}

void fmt_write(fmt_sink sink, void *context, const char *format, va_list outer) {
    va_list args;
    va_copy(args, outer);
    const char *at = format;
    while (*at != 0) {
        const char *start = at;
        while (*at != 0 && *at != '%')
            at++;
        if (at != start)
            sink(context, start, (usize)(at - start));
        if (*at == 0)
            break;

        struct spec spec;
        at = parse_spec(at + 1, &spec, &args);
        switch (*at) {
        case 'd':
        case 'i': {
            i64 value = spec.wide ? va_arg(args, i64) : va_arg(args, int);
            u64 magnitude = value < 0 ? 0 - (u64)value : (u64)value;
            emit_number(sink, context, &spec, magnitude, 10, value < 0, false);
            break;
        }
        case 'u':
        case 'x':
        case 'X': {
            u64 value = spec.wide ? va_arg(args, u64) : va_arg(args, u32);
            emit_number(sink, context, &spec, value, *at == 'u' ? 10 : 16, false, *at == 'X');
            break;
        }
        case 'p':
            sink(context, "0x", 2);
            emit_number(sink, context, &spec, (uptr)va_arg(args, void *), 16, false, false);
            break;
        case 'c': {
            char c = (char)va_arg(args, int);
            emit_field(sink, context, &spec, &c, 1);
            break;
        }
        case 's': {
            const char *text = va_arg(args, const char *);
            if (text == NULL)
                text = "(null)";
            emit_field(sink, context, &spec, text, string_length(text, spec.precision));
            break;
        }
        case '%':
            sink(context, "%", 1);
            break;
        default: // an unknown conversion shows itself
            sink(context, "%", 1);
            continue;
        }
        at++;
    }
    va_end(args);
}

struct buffer {
    char *out;
    usize size;
    usize len;
};

static void buffer_sink(void *context, const char *text, usize len) {
    struct buffer *buffer = context;
    for (usize i = 0; i < len; i++, buffer->len++) {
        if (buffer->len + 1 < buffer->size)
            buffer->out[buffer->len] = text[i];
    }
}

usize fmt_string_va(char *out, usize size, const char *format, va_list args) {
    struct buffer buffer = {.out = out, .size = size};
    fmt_write(buffer_sink, &buffer, format, args);
    if (size != 0)
        out[buffer.len < size ? buffer.len : size - 1] = 0;
    return buffer.len;
}

usize fmt_string(char *out, usize size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    usize len = fmt_string_va(out, size, format, args);
    va_end(args);
    return len;
}
