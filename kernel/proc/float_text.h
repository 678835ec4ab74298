#pragma once
// Floating point numbers as text, exactly, with integer arithmetic only: values are bits.

#include "base/string.h"
#include "base/types.h"

enum float_width { FLOAT_32 = 32, FLOAT_64 = 64 };

// Reads a decimal number ("-12.5e3", "inf", "nan"), rounded to nearest, ties to even. At most
// FLOAT_DIGITS_MAX digits. False: it is none.
#define FLOAT_DIGITS_MAX 400u
MUST_USE bool float_parse(struct bytes text, enum float_width width, u64 *out);

// Writes the shortest decimal number that reads back as the same bits; returns its length.
#define FLOAT_TEXT_BYTES 40u
usize float_format(u64 bits, enum float_width width, char out[FLOAT_TEXT_BYTES]);
