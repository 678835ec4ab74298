// Layouts as text: lines of words. A key is named by its place, as ISO 9995 does: the row, from A
// with the space bar to E with the digits, and the column.

#include "user/services/ps2/layout.h"

#include <string.h>

#define CODE_SPACE 0x39

// -- UTF-8 ----------------------------------------------------------------------------------------

struct text {
    const char *at;
    const char *end;
};

// Takes a character; 0: it is none, or there is no more.
static u32 take_character(struct text *text) {
    if (text->at == text->end)
        return 0;
    u8 first = (u8)*text->at++;
    if (first < 0x80)
        return first;
    u32 more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    u32 character = first & (0x3fu >> more);
    if (first < 0xc2 || first > 0xf4 || (usize)(text->end - text->at) < more)
        return 0;
    for (u32 i = 0; i < more; i++) {
        u8 byte = (u8)*text->at++;
        if ((byte & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (byte & 0x3f);
    }
    return character;
}

// -- Words ----------------------------------------------------------------------------------------

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

// Takes the next word of a line; false: there is none.
static bool take_word(struct text *line, struct text *out) {
    while (line->at != line->end && is_blank(*line->at))
        line->at++;
    out->at = line->at;
    while (line->at != line->end && !is_blank(*line->at))
        line->at++;
    out->end = line->at;
    return out->at != out->end;
}

static bool word_is(const struct text *word, const char *name) {
    usize len = (usize)(word->end - word->at);
    return len == strlen(name) && memcmp(word->at, name, len) == 0;
}

static bool wrong(struct layout *layout, const char *error) {
    layout->error = error;
    return false;
}

// -- Keys -----------------------------------------------------------------------------------------

// Scan codes of a row are consecutive, but for the keys at its ends.
static const struct {
    char row;
    u8 first;
    u8 last;
    u8 code; // of the first
} places[] = {
    {'E', 0, 0, 0x29},  {'E', 1, 12, 0x02},  {'D', 1, 12, 0x10},
    {'C', 1, 11, 0x1e}, {'C', 12, 12, 0x2b}, {'B', 0, 0, 0x56},
    {'B', 1, 10, 0x2c}, {'B', 11, 11, 0x73}, {'A', 3, 3, 0x39},
};

// 0: no key has this name.
static u8 code_of(const struct text *word) {
    const char *at = word->at;
    bool is_name =
        word->end - at == 3 && at[1] >= '0' && at[1] <= '9' && at[2] >= '0' && at[2] <= '9';
    u32 column = is_name ? (u32)(at[1] - '0') * 10 + (u32)(at[2] - '0') : 0;
    for (u32 i = 0; is_name && i < COUNT_OF(places); i++) {
        if (places[i].row == at[0] && column >= places[i].first && column <= places[i].last)
            return (u8)(places[i].code + (column - places[i].first));
    }
    return 0;
}

// What a key gives: a character, `deadX` for the accent X, or `none`. Returns whether it is one.
static bool read_symbol(struct text word, u32 *out) {
    static const char dead[] = "dead";
    usize prefix = sizeof dead - 1;
    *out = 0;
    if (word_is(&word, "none"))
        return true;
    bool is_dead = (usize)(word.end - word.at) > prefix && memcmp(word.at, dead, prefix) == 0;
    word.at += is_dead ? prefix : 0;
    u32 character = take_character(&word);
    *out = character | (is_dead ? LAYOUT_DEAD : 0);
    return character > ' ' && word.at == word.end;
}

static bool parse_key(struct layout *layout, u8 code, struct text *line) {
    u32 *levels = layout->keys[code];
    struct text word;
    memset(levels, 0, sizeof layout->keys[code]);
    for (u32 level = 0; take_word(line, &word); level++) {
        if (level == LAYOUT_LEVELS)
            return wrong(layout, "more than four characters");
        if (!read_symbol(word, &levels[level]))
            return wrong(layout, "neither a character, nor 'dead' and an accent, nor 'none'");
        if (level >= 2 && levels[level] != 0)
            layout->has_third_level = true;
    }
    return true;
}

// -- Accents --------------------------------------------------------------------------------------

static bool parse_accent(struct layout *layout, struct text *line) {
    struct text word;
    u32 accent;
    if (!take_word(line, &word) || !read_symbol(word, &accent) || (accent & LAYOUT_DEAD) != 0)
        return wrong(layout, "'dead' without an accent");
    while (take_word(line, &word)) {
        u32 letter = take_character(&word);
        u32 result = take_character(&word);
        if (letter == 0 || result == 0 || word.at != word.end)
            return wrong(layout, "not a letter and what it becomes");
        if (layout->combined_count == COMBINED_MAX)
            return wrong(layout, "too many letters with accents");
        layout->combined[layout->combined_count++] = (struct combined){accent, letter, result};
    }
    return true;
}

u32 layout_combine(const struct layout *layout, u32 accent, u32 letter) {
    // The last one that was said counts.
    for (u32 i = layout->combined_count; i-- != 0;) {
        const struct combined *combined = &layout->combined[i];
        if (combined->accent == accent && combined->letter == letter)
            return combined->result;
    }
    return 0;
}

// -- Lines ----------------------------------------------------------------------------------------

static bool parse_line(struct layout *layout, struct text line) {
    struct text word;
    if (!take_word(&line, &word) || *word.at == '#')
        return true;
    u8 code = code_of(&word);
    if (code != 0)
        return parse_key(layout, code, &line);
    if (word_is(&word, "dead"))
        return parse_accent(layout, &line);
    if (!word_is(&word, "decimal"))
        return wrong(layout, "neither the place of a key, nor 'dead', nor 'decimal'");
    if (!take_word(&line, &word) || !read_symbol(word, &layout->decimal))
        return wrong(layout, "'decimal' without a character");
    return true;
}

void layout_init(struct layout *layout) {
    memset(layout, 0, sizeof *layout);
    layout->keys[CODE_SPACE][0] = ' ';
    layout->keys[CODE_SPACE][1] = ' ';
    layout->decimal = '.';
}

bool layout_parse(struct layout *layout, const char *text, usize len) {
    const char *end = text + len;
    layout->error = NULL;
    for (layout->error_line = 1; text != end; layout->error_line++) {
        const char *newline = memchr(text, '\n', (usize)(end - text));
        const char *line_end = newline != NULL ? newline : end;
        if (!parse_line(layout, (struct text){text, line_end}))
            return false;
        text = newline != NULL ? newline + 1 : end;
    }
    return true;
}
