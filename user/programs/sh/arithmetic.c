// $((...)): the integer expressions of C, in 64 bits that wrap around. As in C, ++ and -- are for
// variables; before anything else they are two signs.

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/programs/sh/shell.h"

#define DEPTH_MAX  200u
#define NAME_BYTES 128u

struct evaluation {
    const char *at;
    const char *error; // NULL: none
    u32 depth;
    bool is_dead; // the side of ?:, && or || that does not count: nothing is assigned
};

static i64 evaluate(struct evaluation *e);

static void skip(struct evaluation *e) {
    while (isspace((unsigned char)*e->at))
        e->at++;
}

static bool accept(struct evaluation *e, const char *operator) {
    skip(e);
    usize len = strlen(operator);
    if (strncmp(e->at, operator, len) != 0)
        return false;
    e->at += len;
    return true;
}

// -- Values ---------------------------------------------------------------------------------------

static i64 value_of_text(struct evaluation *e, const char *text) {
    char *end;
    unsigned long long value = strtoull(text, &end, 0);
    while (isspace((unsigned char)*end))
        end++;
    if (*end == 0)
        return (i64)value;
    struct evaluation inner = {.at = text, .depth = e->depth + 1};
    i64 result = 0;
    if (inner.depth > DEPTH_MAX)
        inner.error = "variables that mean each other";
    else
        result = evaluate(&inner);
    skip(&inner);
    if (inner.error == NULL && *inner.at != 0)
        inner.error = "a variable that is no number";
    if (inner.error != NULL)
        e->error = inner.error;
    return result;
}

static const char *const assignments[] = {
    "=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "^=", "|="};

static i64 binary(struct evaluation *e, const char *operator, i64 a, i64 b) {
    u64 x = (u64)a;
    u64 y = (u64)b;
    switch (operator[0]) {
    case '+':
        return (i64)(x + y);
    case '-':
        return (i64)(x - y);
    case '*':
        return (i64)(x * y);
    case '/':
    case '%':
        if (b == 0) {
            e->error = e->is_dead ? e->error : "division by zero";
            return 0;
        }
        if (b == -1) // the one quotient that does not fit
            return operator[0] == '/' ? (i64)(0 - x) : 0;
        return operator[0] == '/' ? a / b : a % b;
    case '<':
        return operator[1] == '<' ? (i64)(x << (y & 63)) : operator[1] == '=' ? a <= b : a<b;
    case '>':
        return operator[1] == '>' ? a >> (y & 63) : operator[1] == '=' ? a >= b : a> b;
    case '=':
        return a == b;
    case '!':
        return a != b;
    case '&':
        return a & b;
    case '^':
        return a ^ b;
    default:
        return a | b;
    }
}

static void set(struct evaluation *e, const char *name, i64 value) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    if (e->error == NULL && !e->is_dead && !variable_set(name, text))
        e->error = "not assigned";
}

static i64 assign(struct evaluation *e, const char *name, const char *operator, i64 before) {
    i64 value = evaluate(e);
    if (operator[0] != '=')
        value = binary(e, operator, before, value);
    set(e, name, value);
    return value;
}

static i64 value_of_variable(struct evaluation *e, const char *name) {
    const char *text = variable_get(name);
    return text == NULL || *text == 0 ? 0 : value_of_text(e, text);
}

static bool is_at_name(const struct evaluation *e) {
    return isalpha((unsigned char)*e->at) || *e->at == '_';
}

static void take_name(struct evaluation *e, char name[NAME_BYTES]) {
    usize len = 0;
    while (isalnum((unsigned char)*e->at) || *e->at == '_') {
        if (len + 1 < NAME_BYTES)
            name[len++] = *e->at;
        e->at++;
    }
    name[len] = 0;
}

// "++" or "--": by how much that changes; 0: it is something else.
static i64 accept_step(struct evaluation *e) {
    return accept(e, "++") ? 1 : accept(e, "--") ? -1 : 0;
}

// The same before a variable, whose new value it is.
static bool step_before(struct evaluation *e, i64 *value) {
    char name[NAME_BYTES];
    const char *start = e->at;
    i64 by = accept_step(e);
    skip(e);
    if (by == 0 || !is_at_name(e)) {
        e->at = start;
        return false;
    }
    take_name(e, name);
    *value = (i64)((u64)value_of_variable(e, name) + (u64)by);
    set(e, name, *value);
    return true;
}

static i64 variable(struct evaluation *e) {
    char name[NAME_BYTES];
    take_name(e, name);
    skip(e);
    for (u32 i = 0; i < COUNT_OF(assignments); i++) {
        usize operator_len = strlen(assignments[i]);
        bool is_other = i == 0 && e->at[1] == '=';
        if (strncmp(e->at, assignments[i], operator_len) != 0 || is_other)
            continue;
        e->at += operator_len;
        return assign(e, name, assignments[i], i == 0 ? 0 : value_of_variable(e, name));
    }
    i64 value = value_of_variable(e, name);
    i64 by = accept_step(e);
    if (by != 0)
        set(e, name, (i64)((u64)value + (u64)by));
    return value;
}

static i64 primary(struct evaluation *e) {
    if (e->error != NULL)
        return 0;
    if (++e->depth > DEPTH_MAX)
        e->error = "nested too deeply";
    i64 value = 0;
    skip(e);
    if (e->error != NULL) {
        value = 0;
    } else if (accept(e, "(")) {
        value = evaluate(e);
        if (!accept(e, ")") && e->error == NULL)
            e->error = "a bracket is not closed";
    } else if (step_before(e, &value)) {
        skip(e);
    } else if (accept(e, "-")) {
        value = (i64)(0 - (u64)primary(e));
    } else if (accept(e, "+")) {
        value = primary(e);
    } else if (accept(e, "!")) {
        value = !primary(e);
    } else if (accept(e, "~")) {
        value = ~primary(e);
    } else if (isdigit((unsigned char)*e->at)) {
        char *end;
        value = (i64)strtoull(e->at, &end, 0);
        e->at = end;
    } else if (is_at_name(e)) {
        value = variable(e);
    } else {
        e->error = "a number is missing";
    }
    e->depth--;
    return value;
}

// -- Operators ------------------------------------------------------------------------------------

struct operator{
    const char *text;
    u32 level; // the greater, the tighter
};

static const struct operator operators[] = {
    {"<<", 7},
    {">>", 7},
    {"<=", 6},
    {">=", 6},
    {"==", 5},
    {"!=", 5},
    {"*", 9},
    {"/", 9},
    {"%", 9},
    {"+", 8},
    {"-", 8},
    {"<", 6},
    {">", 6},
    {"&", 4},
    {"^", 3},
    {"|", 2},
};

static const struct operator* operator_at(struct evaluation *e) {
    skip(e);
    if (strncmp(e->at, "&&", 2) == 0 || strncmp(e->at, "||", 2) == 0)
        return NULL;
    for (u32 i = 0; i < COUNT_OF(operators); i++) {
        if (strncmp(e->at, operators[i].text, strlen(operators[i].text)) == 0)
            return &operators[i];
    }
    return NULL;
}

static i64 binary_level(struct evaluation *e, u32 level) {
    i64 value = primary(e);
    for (;;) {
        const struct operator* operator= operator_at(e);
        if (e->error != NULL || operator== NULL || operator->level<level)
            return value;
        e->at += strlen(operator->text);
        i64 right = binary_level(e, operator->level + 1);
        value = binary(e, operator->text, value, right);
    }
}

// What stands behind an operator that may not count.
static i64 side(struct evaluation *e, bool is_dead, i64 (*parse)(struct evaluation *)) {
    bool before = e->is_dead;
    e->is_dead |= is_dead;
    i64 value = parse(e);
    e->is_dead = before;
    return value;
}

static i64 lowest_binary(struct evaluation *e) {
    return binary_level(e, 0);
}

static i64 and_level(struct evaluation *e) {
    i64 value = lowest_binary(e);
    while (accept(e, "&&"))
        value = (side(e, value == 0, lowest_binary) != 0) & (value != 0);
    return value;
}

static i64 or_level(struct evaluation *e) {
    i64 value = and_level(e);
    while (accept(e, "||"))
        value = (side(e, value != 0, and_level) != 0) | (value != 0);
    return value;
}

static i64 evaluate(struct evaluation *e) {
    i64 value = or_level(e);
    if (e->error != NULL || !accept(e, "?"))
        return value;
    i64 yes = side(e, value == 0, evaluate);
    if (!accept(e, ":") && e->error == NULL)
        e->error = "':' is missing";
    i64 no = side(e, value != 0, evaluate);
    return value != 0 ? yes : no;
}

bool arithmetic(const char *expression, i64 *out) {
    struct evaluation e = {.at = expression};
    skip(&e);
    *out = *e.at == 0 ? 0 : evaluate(&e);
    skip(&e);
    if (e.error == NULL && *e.at != 0)
        e.error = "more than an expression";
    if (e.error != NULL)
        say("$((%s)): %s", expression, e.error);
    return e.error == NULL;
}
