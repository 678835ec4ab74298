// A JSON parser by recursive descent that builds nothing but a checksum, over a text that the
// program makes first.

#include "bench/programs/bench.h"

#define TEXT_SIZE 400000

static char text[TEXT_SIZE];
static uint32_t length;
static const char *at;

static void put(const char *string) {
    while (*string != '\0')
        text[length++] = *string++;
}

static void put_number(uint32_t number) {
    char digits[12];
    int i = 11;
    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    put(digits + i);
}

static void text_fill(void) {
    struct bench_random random = {.state = 31};
    put("[");
    while (length < TEXT_SIZE - 400) {
        put("{\"id\": ");
        put_number(bench_next(&random));
        put(", \"name\": \"person \\u00e4 \\\"");
        put_number(bench_next(&random) % 10000);
        put("\\\"\", \"scores\": [");
        for (int i = 0; i < 4; i++) {
            put_number(bench_next(&random) % 1000);
            put(".");
            put_number(bench_next(&random) % 100);
            put(i < 3 ? ", " : "]");
        }
        put(bench_next(&random) & 1 ? ", \"ok\": true" : ", \"ok\": false");
        put(", \"parent\": {\"none\": null}}\n,");
    }
    put("{}]");
}

static void skip_space(void) {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
        at++;
}

static uint64_t parse_string(void) {
    uint64_t sum = 1;
    for (at++; *at != '"'; at++) {
        uint32_t code = (uint8_t)*at;
        if (code == '\\' && *++at == 'u') {
            code = 0;
            for (int i = 0; i < 4; i++) {
                char digit = *++at;
                code = code << 4 | (uint32_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
            }
        }
        sum = sum * 31 + code;
    }
    at++;
    return sum;
}

static uint64_t parse_number(void) {
    double value = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (*at - '0');
    if (*at == '.') {
        double unit = 0.1;
        for (at++; *at >= '0' && *at <= '9'; at++, unit *= 0.1)
            value += (*at - '0') * unit;
    }
    return bench_bits(value);
}

static uint64_t parse_value(void);

// Elements, or members where the bracket is a brace, up to the closing one.
static uint64_t parse_list(char close) {
    uint64_t sum = (uint64_t)close;
    at++;
    skip_space();
    while (*at != close) {
        if (close == '}') {
            sum = bench_mix(sum, parse_string());
            skip_space();
            at++; // the colon
        }
        sum = bench_mix(sum, parse_value());
        skip_space();
        if (*at == ',')
            at++;
        skip_space();
    }
    at++;
    return sum;
}

static uint64_t parse_value(void) {
    skip_space();
    switch (*at) {
    case '{':
        return parse_list('}');
    case '[':
        return parse_list(']');
    case '"':
        return parse_string();
    case 't':
    case 'n':
        at += 4;
        return 7;
    case 'f':
        at += 5;
        return 8;
    default:
        return parse_number();
    }
}

static uint64_t work(uint32_t rounds) {
    uint64_t checksum = 0;
    text_fill();
    for (uint32_t round = 0; round < rounds; round++) {
        at = text;
        checksum = bench_mix(checksum, parse_value());
    }
    return checksum;
}

BENCH_MAIN(450, work)
