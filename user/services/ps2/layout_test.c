// Layouts: the text, what is refused of it, and the ones in user/etc/keymaps as the keyboard uses
// them.

#include "user/services/ps2/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "user/services/ps2/keyboard.h"

static struct layout layout;

static const struct refusal {
    const char *text;
    u32 line;
    const char *error;
} refusals[] = {
    {"E01 1 !\nF01 a\n", 2, "neither the place"},
    {"E13 a\n", 1, "neither the place"},
    {"E1 a\n", 1, "neither the place"},
    {"E01 a b c d e\n", 1, "more than four"},
    {"E01 ab\n", 1, "neither a character"},
    {"E01 dead\n", 1, "neither a character"},
    {"E01 deadxy\n", 1, "neither a character"},
    {"E01 \xc3\n", 1, "neither a character"},
    {"E01 \xff\n", 1, "neither a character"},
    {"E01 \xc0\x80\n", 1, "neither a character"},
    {"E01 \xe2\x82\n", 1, "neither a character"},
    {"E01 \x01\n", 1, "neither a character"},
    {"# good\n\ndead\n", 3, "without an accent"},
    {"dead deadx\n", 1, "without an accent"},
    {"dead ^ a\n", 1, "not a letter"},
    {"dead ^ a\xc3\xa2x\n", 1, "not a letter"},
    {"decimal\n", 1, "without a character"},
};

static void wrong_text_is_told_by_line(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(refusals); i++) {
        print_message("%s", refusals[i].text);
        layout_init(&layout);
        assert_false(layout_parse(&layout, refusals[i].text, strlen(refusals[i].text)));
        assert_int_equal(layout.error_line, refusals[i].line);
        assert_non_null(strstr(layout.error, refusals[i].error));
    }
}

static void text_without_a_newline_at_its_end(void **state) {
    (void)state;
    static const char text[] = "\t# nothing\nC01 a A none \xe2\x82\xac";
    layout_init(&layout);
    assert_true(layout_parse(&layout, text, sizeof text - 1));
    assert_int_equal(layout.keys[0x1e][0], 'a');
    assert_int_equal(layout.keys[0x1e][1], 'A');
    assert_int_equal(layout.keys[0x1e][2], 0);
    assert_int_equal(layout.keys[0x1e][3], 0x20ac);
    assert_true(layout.has_third_level);
    assert_int_equal(layout.keys[0x39][0], ' ');
}

static void too_many_accents_are_refused(void **state) {
    (void)state;
    static char text[8 * COMBINED_MAX + 16] = "dead ^";
    for (u32 i = 0; i < COMBINED_MAX; i++)
        strcat(text, " ab");
    layout_init(&layout);
    assert_true(layout_parse(&layout, text, strlen(text)));
    assert_false(layout_parse(&layout, "dead ^ ab", 9));
}

static void any_text_does_no_harm(void **state) {
    (void)state;
    static const char alphabet[] = "ABCDE0123 \n\tdead^#none\xc3\xa9\xe2\x82\xac";
    u32 random = 7;
    for (u32 round = 0; round < 20000; round++) {
        char text[64];
        for (usize i = 0; i < sizeof text; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        layout_init(&layout);
        layout_parse(&layout, text, sizeof text);
    }
}

// -- The layouts that there are -------------------------------------------------------------------

static void load(const char *name) {
    static char text[32768];
    const char *const files[] = {"accents", name};
    layout_init(&layout);
    for (u32 i = 0; i < COUNT_OF(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "user/etc/keymaps/%s", files[i]);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        usize len = fread(text, 1, sizeof text, file);
        fclose(file);
        if (!layout_parse(&layout, text, len))
            fail_msg("%s:%u: %s", path, layout.error_line, layout.error);
    }
}

#define SHIFT 0x2a
#define ALTGR 0xb8
#define CAPS  0x3a

static const struct typing {
    const char *layout;
    u8 codes[6]; // pressed one after the other; SHIFT and ALTGR are held for the next one
    u32 character;
    u32 second;
} typings[] = {
    {"us", {0x15}, 'y', 0},
    {"us", {SHIFT, 0x28}, '"', 0},
    {"us", {0x2b}, '\\', 0},
    {"us", {0x39}, ' ', 0},
    {"us", {CAPS, 0x1e}, 'A', 0},
    {"us", {CAPS, 0x02}, '1', 0},
    {"de", {0x15}, 'z', 0},
    {"de", {0x2c}, 'y', 0},
    {"de", {SHIFT, 0x2c}, 'Y', 0},
    {"de", {CAPS, 0x1a}, 0xdc, 0},
    {"de", {0x0c}, 0xdf, 0},
    {"de", {CAPS, 0x0c}, 0xdf, 0},
    {"de", {ALTGR, 0x10}, '@', 0},
    {"de", {ALTGR, 0x12}, 0x20ac, 0},
    {"de", {0x56}, '<', 0},
    {"de", {ALTGR, 0x56}, '|', 0},
    {"de", {0x29, 0x1e}, 0xe2, 0},
    {"de", {0x0d, SHIFT, 0x12}, 0xc9, 0},
    {"de", {0x29, 0x39}, '^', 0},
    {"de", {0x29, 0x29}, '^', 0},
    {"de", {0x29, 0x2d}, '^', 'x'},
    {"fr", {0x10}, 'a', 0},
    {"fr", {0x1e}, 'q', 0},
    {"fr", {0x27}, 'm', 0},
    {"fr", {0x02}, '&', 0},
    {"fr", {SHIFT, 0x02}, '1', 0},
    {"fr", {ALTGR, 0x0b}, '@', 0},
    {"fr", {0x1a, 0x18}, 0xf4, 0},
    {"fr", {SHIFT, 0x1a, 0x12}, 0xeb, 0},
    {"be", {0x11}, 'z', 0},
    {"be", {ALTGR, 0x03}, '@', 0},
    {"be", {ALTGR, 0x0a}, '{', 0},
    {"be", {ALTGR, 0x28, 0x12}, 0xe9, 0},
    {"be", {ALTGR, 0x35}, '~', 0},
};

// Presses a key with what is held before; keys that are not held are released at once.
static u32 type(struct keyboard *keyboard, const u8 *codes, usize len, struct key_event *out) {
    u32 count = 0;
    u8 held = 0;
    for (usize i = 0; i < len && codes[i] != 0; i++) {
        count += keyboard_put(keyboard, (struct scancode){codes[i], true}, out + count);
        if (codes[i] == SHIFT || codes[i] == ALTGR) {
            held = codes[i];
            continue;
        }
        assert_int_equal(keyboard_put(keyboard, (struct scancode){codes[i], false}, out + count),
                         0);
        keyboard_put(keyboard, (struct scancode){held, false}, out + count);
    }
    return count;
}

static void layouts_type_what_is_on_their_keys(void **state) {
    (void)state;
    for (usize i = 0; i < COUNT_OF(typings); i++) {
        const struct typing *t = &typings[i];
        struct keyboard keyboard = {.layout = &layout};
        struct key_event events[8];
        load(t->layout);
        u32 count = type(&keyboard, t->codes, sizeof t->codes, events);
        print_message("%s %x\n", t->layout, t->codes[0]);
        assert_int_equal(count, t->second != 0 ? 2 : 1);
        assert_int_equal(events[0].key, t->character);
        if (t->second != 0)
            assert_int_equal(events[1].key, t->second);
    }
}

// What every shell needs can be typed with each of them.
static void layouts_have_all_of_ascii(void **state) {
    (void)state;
    static const char *const names[] = {"us", "de", "fr", "be"};
    for (usize i = 0; i < COUNT_OF(names); i++) {
        load(names[i]);
        for (u32 character = '!'; character <= '~'; character++) {
            bool found = false;
            for (u32 code = 0; code < LAYOUT_CODES; code++) {
                for (u32 level = 0; level < LAYOUT_LEVELS; level++)
                    found |= (layout.keys[code][level] & ~LAYOUT_DEAD) == character;
            }
            if (!found)
                fail_msg("%s: no key for %c", names[i], (int)character);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_text_is_told_by_line),
        cmocka_unit_test(text_without_a_newline_at_its_end),
        cmocka_unit_test(too_many_accents_are_refused),
        cmocka_unit_test(any_text_does_no_harm),
        cmocka_unit_test(layouts_type_what_is_on_their_keys),
        cmocka_unit_test(layouts_have_all_of_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
