// Tests of the calling convention, as contract.h states it: signatures and the places they get.
//
// A signature is written as in wasm_ops.def (with v for a v128, r for a reference); the places as
// gN, xN and sN.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/decode/callconv.h"

static const struct callconv_case {
    const char *signature;
    const char *places;
    u32 param_slots;
    u32 area_slots;
} cases[] = {
    {":", ":", 0, 0},
    {"i:i", "g0 : g0", 0, 0},
    {"iIrfF:", "g0 g1 g2 x0 x1 :", 0, 0},
    {"iiiiii:", "g0 g1 g2 g3 g4 g5 :", 0, 0},
    {"iiiiiiIf:", "g0 g1 g2 g3 g4 g5 s0 x0 :", 2, 2},
    {"ffffffff:F", "x0 x1 x2 x3 x4 x5 x6 x7 : x0", 0, 0},
    {"fffffffffi:", "x0 x1 x2 x3 x4 x5 x6 x7 s0 g0 :", 2, 2},
    {"iiiiiirfFfFfFfFfI:", "g0 g1 g2 g3 g4 g5 s0 x0 x1 x2 x3 x4 x5 x6 x7 s1 s2 :", 4, 4},
    {":if", ": g0 x0", 0, 0},
    {":ii", ": g0 s0", 0, 1},
    {":FfiI", ": x0 s0 g0 s1", 0, 2},
    {"fvivvvvvvv:v", "x0 x1 g0 x2 x3 x4 x5 x6 x7 s0 : x0", 2, 2},
    {"vvvvvvvvfv:iFvv", "x0 x1 x2 x3 x4 x5 x6 x7 s0 s1 : g0 x0 s4 s6", 4, 8},
    {"iiiiiiiii:rif", "g0 g1 g2 g3 g4 g5 s0 s1 s2 : g0 s4 x0", 4, 5},
    {"iiiiiiii:rif", "g0 g1 g2 g3 g4 g5 s0 s1 : g0 s2 x0", 2, 3},
};

static enum value_type letter_type(char letter) {
    switch (letter) {
    case 'i':
        return VALUE_I32;
    case 'I':
        return VALUE_I64;
    case 'f':
        return VALUE_F32;
    case 'F':
        return VALUE_F64;
    case 'v':
        return VALUE_V128;
    default:
        return VALUE_EXTERNREF;
    }
}

static void places_are_as_the_contract_says(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        const struct callconv_case *c = &cases[i];
        enum value_type types[32];
        struct func_type type = {.types = types};
        char places[128] = "";
        usize len = 0;
        struct callconv cc;
        callconv_begin(&cc);
        bool in_results = false;
        for (const char *at = c->signature; *at != 0; at++) {
            const char *space = len == 0 ? "" : " ";
            if (*at == ':') {
                in_results = true;
                len += (usize)snprintf(places + len, sizeof(places) - len, "%s:", space);
                continue;
            }
            types[type.param_count + type.result_count] = letter_type(*at);
            struct place place = in_results ? callconv_result(&cc, letter_type(*at))
                                            : callconv_param(&cc, letter_type(*at));
            if (in_results)
                type.result_count++;
            else
                type.param_count++;
            len += (usize)snprintf(places + len, sizeof(places) - len, "%s%c%u", space,
                                   "gxs"[place.kind], place.index);
        }
        assert_string_equal(places, c->places);
        assert_int_equal(callconv_param_slots(&type), c->param_slots);
        assert_int_equal(callconv_area_slots(&type), c->area_slots);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_as_the_contract_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
