// Decimal to binary and back, exactly.
//
// Both directions work on a fraction of two large integers, so nothing is ever approximated: a
// decimal number D * 10^E is divided bit by bit into the significand it rounds to; and a binary
// number is divided digit by digit, for one digit more each time, until what was written reads back
// as the same bits. Slow and short: it is for people's arguments and results.

#include "kernel/proc/float_text.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/heap.h"

// 10^(400 + 400) times 2^70 needs 2728 bits, 2^1074 times 10^20 less.
#define LIMBS        96u
#define EXPONENT_MAX 400 // beyond that every number is zero or infinite
#define DIGITS_64    17u // always enough

struct big {
    u32 len; // limbs in use; the highest is not zero
    u32 limbs[LIMBS];
};

struct fraction {
    struct big top;
    struct big bottom;
};

struct format {
    u32 significand_bits; // without the hidden one
    i32 exponent_bias;
};

static const struct format format_32 = {23, 127};
static const struct format format_64 = {52, 1023};

static const struct format *format_of(enum float_width width) {
    return width == FLOAT_32 ? &format_32 : &format_64;
}

static u64 infinity_of(enum float_width width) {
    return width == FLOAT_32 ? 0x7f800000ull : 0x7ffull << 52;
}

// -- Large integers -----------------------------------------------------------------------------

static void big_set(struct big *big, u64 value) {
    big->limbs[0] = (u32)value;
    big->limbs[1] = (u32)(value >> 32);
    big->len = big->limbs[1] != 0 ? 2 : big->limbs[0] != 0;
}

static void big_multiply_add(struct big *big, u32 factor, u32 addend) {
    u64 carry = addend;
    for (u32 i = 0; i < big->len; i++) {
        carry += (u64)big->limbs[i] * factor;
        big->limbs[i] = (u32)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        CHECK(big->len < LIMBS);
        big->limbs[big->len++] = (u32)carry;
    }
}

static void big_shift_left(struct big *big, u32 bits) {
    for (; bits >= 31; bits -= 31)
        big_multiply_add(big, 1u << 31, 0);
    big_multiply_add(big, 1u << bits, 0);
}

static void big_multiply_power_10(struct big *big, u32 power) {
    while (power-- > 0)
        big_multiply_add(big, 10, 0);
}

static u32 big_bits(const struct big *big) {
    return big->len == 0 ? 0 : 32 * (big->len - 1) + log2_floor(big->limbs[big->len - 1]) + 1;
}

static int big_compare(const struct big *a, const struct big *b) {
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    for (u32 i = a->len; i-- > 0;) {
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    }
    return 0;
}

// `a` is not below `b`.
static void big_subtract(struct big *a, const struct big *b) {
    u64 borrow = 0;
    for (u32 i = 0; i < a->len; i++) {
        u64 difference = (u64)a->limbs[i] - (i < b->len ? b->limbs[i] : 0) - borrow;
        a->limbs[i] = (u32)difference;
        borrow = difference >> 63;
    }
    ASSERT(borrow == 0);
    while (a->len != 0 && a->limbs[a->len - 1] == 0)
        a->len--;
}

// -- Decimal to binary --------------------------------------------------------------------------

// The fraction, rounded. It is not zero. Destroys it.
static u64 fraction_round(struct fraction *f, enum float_width width) {
    const struct format *format = format_of(width);
    // Scaled so that 1/2 < top / bottom < 2; `exponent` is that of the leading bit, or one above.
    i32 exponent = (i32)big_bits(&f->top) - (i32)big_bits(&f->bottom);
    if (exponent > 0)
        big_shift_left(&f->bottom, (u32)exponent);
    else
        big_shift_left(&f->top, (u32)-exponent);
    if (big_compare(&f->top, &f->bottom) < 0) {
        exponent--;
        big_shift_left(&f->top, 1);
    }

    // Numbers below the smallest normal one have fewer bits, down to none.
    i32 lowest = 1 - format->exponent_bias;
    i32 bits = (i32)format->significand_bits + 1;
    if (exponent < lowest)
        bits -= lowest - exponent;
    if (bits < 0)
        return 0;
    u64 significand = 0;
    for (i32 i = 0; i < bits; i++) {
        bool one = big_compare(&f->top, &f->bottom) >= 0;
        significand = significand << 1 | one;
        if (one)
            big_subtract(&f->top, &f->bottom);
        big_shift_left(&f->top, 1);
    }
    // top / bottom is now twice the rest, in units of the last bit.
    int half = big_compare(&f->top, &f->bottom);
    if (half > 0 || (half == 0 && (significand & 1) != 0))
        significand++;

    // A carry out of the significand counts the exponent up by itself.
    u64 hidden = 1ull << format->significand_bits;
    if (exponent < lowest)
        return significand;
    u64 result = ((u64)(exponent + format->exponent_bias) << format->significand_bits) +
                 (significand - hidden);
    return result < infinity_of(width) ? result : infinity_of(width);
}

struct decimal {
    struct big digits;
    i32 exponent; // of the last digit
    u32 count;    // of digits
};

// Takes digits; false when there are too many.
static bool take_digits(struct bytes *text, struct decimal *decimal, i32 step) {
    while (text->len != 0 && text->data[0] >= '0' && text->data[0] <= '9') {
        if (++decimal->count > FLOAT_DIGITS_MAX)
            return false;
        big_multiply_add(&decimal->digits, 10, (u32)(text->data[0] - '0'));
        decimal->exponent += step;
        text->data++;
        text->len--;
    }
    return true;
}

static bool take_char(struct bytes *text, u8 lower) {
    if (text->len == 0 || (text->data[0] | 0x20) != (lower | 0x20))
        return false;
    text->data++;
    text->len--;
    return true;
}

static bool take_exponent(struct bytes *text, i32 *exponent) {
    if (!take_char(text, 'e'))
        return true;
    bool negative = text->len != 0 && text->data[0] == '-';
    if (negative || (text->len != 0 && text->data[0] == '+')) {
        text->data++;
        text->len--;
    }
    i32 value = 0;
    usize digits = 0;
    for (; text->len != 0 && text->data[0] >= '0' && text->data[0] <= '9'; digits++) {
        if (value < 100000)
            value = value * 10 + (text->data[0] - '0');
        text->data++;
        text->len--;
    }
    *exponent += negative ? -value : value;
    return digits != 0;
}

static u64 decimal_round(const struct decimal *decimal, struct fraction *f,
                         enum float_width width) {
    i32 exponent = decimal->exponent;
    if (decimal->digits.len == 0 || exponent + (i32)decimal->count < -EXPONENT_MAX)
        return 0;
    if (exponent > EXPONENT_MAX)
        return infinity_of(width);
    f->top = decimal->digits;
    big_set(&f->bottom, 1);
    if (exponent > 0)
        big_multiply_power_10(&f->top, (u32)exponent);
    else
        big_multiply_power_10(&f->bottom, (u32)-exponent);
    return fraction_round(f, width);
}

struct work {
    struct decimal decimal;
    struct fraction fraction;
};

static bool parse_magnitude(struct bytes text, enum float_width width, u64 *out) {
    struct work *work = kmalloc(sizeof *work);
    if (work == NULL)
        return false;
    bool is_good = take_digits(&text, &work->decimal, 0);
    if (is_good && take_char(&text, '.'))
        is_good = take_digits(&text, &work->decimal, -1);
    is_good = is_good && work->decimal.count != 0 &&
              take_exponent(&text, &work->decimal.exponent) && text.len == 0;
    if (is_good)
        *out = decimal_round(&work->decimal, &work->fraction, width);
    kfree(work, sizeof *work);
    return is_good;
}

bool float_parse(struct bytes text, enum float_width width, u64 *out) {
    bool negative = text.len != 0 && text.data[0] == '-';
    if (negative) {
        text.data++;
        text.len--;
    }
    u64 magnitude;
    if (bytes_equal_text(text, "inf"))
        magnitude = infinity_of(width);
    else if (bytes_equal_text(text, "nan"))
        magnitude = infinity_of(width) | 1ull << (format_of(width)->significand_bits - 1);
    else if (!parse_magnitude(text, width, &magnitude))
        return false;
    *out = magnitude | (u64)negative << (width - 1);
    return true;
}

// -- Binary to decimal --------------------------------------------------------------------------

// Sets the fraction to the value of a finite number that is not zero, over a power of ten, so that
// 1 <= top / bottom < 10. Returns the power.
static i32 fraction_scale(struct fraction *f, u64 magnitude, enum float_width width) {
    const struct format *format = format_of(width);
    u64 hidden = 1ull << format->significand_bits;
    i32 exponent = (i32)(magnitude >> format->significand_bits);
    u64 significand = magnitude & (hidden - 1);
    if (exponent == 0)
        exponent = 1;
    else
        significand |= hidden;
    exponent -= format->exponent_bias + (i32)format->significand_bits;

    big_set(&f->top, significand);
    big_set(&f->bottom, 1);
    if (exponent > 0)
        big_shift_left(&f->top, (u32)exponent);
    else
        big_shift_left(&f->bottom, (u32)-exponent);
    i32 power = 0;
    for (; big_compare(&f->top, &f->bottom) < 0; power--)
        big_multiply_add(&f->top, 10, 0);
    for (;; power++) {
        big_multiply_add(&f->bottom, 10, 0);
        if (big_compare(&f->top, &f->bottom) < 0)
            break;
    }
    // The loop tested ten times the divisor; the dividend makes up for the last step.
    big_multiply_add(&f->top, 10, 0);
    return power;
}

// Writes `count` digits of the fraction, correctly rounded. Returns 1 when that made it ten.
static i32 write_digits(struct fraction *f, u32 count, char *digits) {
    for (u32 i = 0; i < count; i++) {
        digits[i] = '0';
        while (big_compare(&f->top, &f->bottom) >= 0) {
            big_subtract(&f->top, &f->bottom);
            digits[i]++;
        }
        big_multiply_add(&f->top, i + 1 < count ? 10 : 2, 0);
    }
    int half = big_compare(&f->top, &f->bottom);
    if (half < 0 || (half == 0 && (digits[count - 1] & 1) == 0))
        return 0;
    u32 i = count;
    while (i > 0 && digits[i - 1] == '9')
        digits[--i] = '0';
    if (i > 0) {
        digits[i - 1]++;
        return 0;
    }
    digits[0] = '1';
    return 1;
}

// "d.ddde-7", or without exponent where that is what people write.
static usize write_number(char *out, const char *digits, u32 count, i32 power) {
    usize len = 0;
    bool is_plain = power >= -7 && power < 21;
    i32 point = is_plain ? power : 0; // digits before the point, less one
    while (count > 1 && digits[count - 1] == '0')
        count--;
    if (point < 0) {
        out[len++] = '0';
        out[len++] = '.';
        for (i32 i = -1; i > point; i--)
            out[len++] = '0';
    }
    for (i32 i = 0; i < (i32)count || i <= point; i++) {
        if (i == point + 1 && point >= 0)
            out[len++] = '.';
        out[len++] = i < (i32)count ? digits[i] : '0';
    }
    if (is_plain)
        return len;
    u32 size = (u32)(power < 0 ? -power : power);
    out[len++] = 'e';
    if (power < 0)
        out[len++] = '-';
    for (u32 unit = size >= 100 ? 100 : size >= 10 ? 10 : 1; unit > 0; unit /= 10)
        out[len++] = (char)('0' + size / unit % 10);
    return len;
}

// The shortest number that reads back. False: out of memory.
static bool write_shortest(u64 magnitude, enum float_width width, char *out, usize *len) {
    struct fraction *f = kmalloc(sizeof *f);
    if (f == NULL)
        return false;
    for (u32 count = 1; count <= DIGITS_64; count++) {
        char digits[DIGITS_64];
        u64 back;
        i32 power = fraction_scale(f, magnitude, width);
        power += write_digits(f, count, digits);
        *len = write_number(out, digits, count, power);
        if (float_parse((struct bytes){(u8 *)out, *len}, width, &back) && back == magnitude)
            break;
    }
    kfree(f, sizeof *f);
    return true;
}

usize float_format(u64 bits, enum float_width width, char out[FLOAT_TEXT_BYTES]) {
    u64 sign = 1ull << (width - 1);
    u64 magnitude = bits & (sign - 1);
    const char *word = magnitude > infinity_of(width)    ? "nan"
                       : magnitude == infinity_of(width) ? "inf"
                       : magnitude == 0                  ? "0"
                                                         : NULL;
    usize len = 0;
    if ((bits & sign) != 0)
        out[len++] = '-';
    usize rest = 0;
    if (word == NULL && !write_shortest(magnitude, width, out + len, &rest))
        word = "?"; // out of memory: better than nothing, and nobody takes it for a number
    if (word != NULL) {
        rest = strlen(word);
        memcpy(out + len, word, rest);
    }
    return len + rest;
}
