// What becomes of words (POSIX, XCU 2.6): tilde, parameters, commands and arithmetic are put in
// their place, the result is split where it was not quoted, patterns become names of files, and
// quotes go.
//
// All of this works on characters with marks: which were quoted, which came from an expansion.

#include <ctype.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/programs/sh/shell.h"

enum mark : char {
    MARK_PLAIN = 'p',
    MARK_QUOTED = 'q',
    MARK_EXPANDED = 'e', // is split
    MARK_BREAK = 'b',    // the end of a field, whatever it has
    MARK_EMPTY = 'n',    // "": a field, even if there is nothing in it
};

struct marked {
    struct text text;
    struct text marks;
    bool is_assigned; // a "~" may follow a colon, as in PATH=~/bin:~/more
    bool failed;
};

static void add(struct marked *out, char c, enum mark mark) {
    text_add_char(&out->text, c);
    text_add_char(&out->marks, (char)mark);
}

static void add_all(struct marked *out, const char *text, enum mark mark) {
    for (; *text != 0; text++)
        add(out, *text, mark);
}

static void marked_free(struct marked *marked) {
    text_free(&marked->text);
    text_free(&marked->marks);
}

void fields_add(struct fields *fields, char *field) {
    if (fields->count + 2 > fields->size) {
        fields->size = 2 * fields->size + 8;
        fields->at = must_have(realloc(fields->at, fields->size * sizeof *fields->at));
    }
    fields->at[fields->count++] = field;
    fields->at[fields->count] = NULL;
}

void fields_free(struct fields *fields) {
    for (u32 i = 0; i < fields->count; i++)
        free(fields->at[i]);
    free(fields->at);
    *fields = (struct fields){0};
}

static void expand_into(struct marked *out, const char *word, bool is_quoted);

// -- Patterns -------------------------------------------------------------------------------------

// The text as a pattern in which only what was not quoted is special.
static char *pattern_of(const struct marked *marked) {
    struct text out = {0};
    for (usize i = 0; i < marked->text.len; i++) {
        enum mark mark = (enum mark)marked->marks.data[i];
        char c = marked->text.data[i];
        if (mark == MARK_EMPTY || mark == MARK_BREAK)
            continue;
        if (mark == MARK_QUOTED && strchr("*?[]\\", c) != NULL)
            text_add_char(&out, '\\');
        text_add_char(&out, c);
    }
    return text_of(&out);
}

// Cuts what matches off the value, from its start or its end, the shortest or the longest.
static char *cut_match(const char *value, const char *pattern, bool at_start, bool longest) {
    usize len = strlen(value);
    char *copy = must_have(strdup(value));
    for (usize i = 0; i <= len; i++) {
        // How much stays of the value.
        usize piece = longest ? len - i : i;
        if (at_start) {
            char saved = copy[piece];
            copy[piece] = 0;
            bool matches = fnmatch(pattern, copy, 0) == 0;
            copy[piece] = saved;
            if (matches)
                return memmove(copy, copy + piece, len - piece + 1);
        } else if (fnmatch(pattern, copy + len - piece, 0) == 0) {
            copy[len - piece] = 0;
            return copy;
        }
    }
    return copy;
}

// -- Parameters -----------------------------------------------------------------------------------

// The value of $NAME; NULL: unset. `buffer` is for numbers.
static const char *parameter(const char *name, char buffer[24]) {
    switch (name[0]) {
    case '?':
        snprintf(buffer, 24, "%d", shell.status);
        return buffer;
    case '#':
        snprintf(buffer, 24, "%u", shell.argument_count);
        return buffer;
    case '$':
        snprintf(buffer, 24, "%u", shell.number);
        return buffer;
    case '!':
        snprintf(buffer, 24, "%u", shell.last_process);
        return shell.last_process == 0 ? NULL : buffer;
    case '-':
        options_letters(buffer);
        return buffer;
    default:
        break;
    }
    if (!isdigit((unsigned char)name[0]))
        return variable_get(name);
    u64 index = strtoul(name, NULL, 10);
    if (index == 0)
        return shell.name;
    return index <= shell.argument_count ? shell.arguments[index - 1] : NULL;
}

// $@ and $*: fields of their own where they are quoted as "$@", or not quoted at all.
static void add_arguments(struct marked *out, bool is_quoted, bool joined) {
    const char *ifs = variable_get("IFS");
    enum mark mark = is_quoted ? MARK_QUOTED : MARK_EXPANDED;
    for (u32 i = 0; i < shell.argument_count; i++) {
        if (i != 0 && is_quoted && joined) {
            if (ifs == NULL || ifs[0] != 0)
                add(out, ifs == NULL ? ' ' : ifs[0], mark);
        } else if (i != 0) {
            add(out, ' ', MARK_BREAK);
        }
        if (is_quoted && !joined)
            add(out, ' ', MARK_EMPTY);
        add_all(out, shell.arguments[i], mark);
    }
}

// An error of an expansion, which has been said, ends a script.
static void fail_expansion(struct marked *out) {
    out->failed = true;
    if (!shell.is_interactive && shell.flow == FLOW_NONE) {
        shell.flow = FLOW_EXIT;
        shell.status = STATUS_MISUSE;
    }
}

static void fail_parameter(struct marked *out, const char *name, const char *why) {
    say("%s: %s", name, why);
    fail_expansion(out);
}

// The operator of ${NAME...} with its word, when the value does or does not count as set.
static bool default_applies(const char *operator, const char * value, bool checks_empty) {
    bool is_set = value != NULL && !(checks_empty && value[0] == 0);
    return operator[0] == '+' ? is_set : !is_set;
}

static void use_default(struct marked *out, const char *name, const char *operator,
                        bool is_quoted) {
    char *text;
    switch (operator[0]) {
    case '-':
    case '+':
        expand_into(out, operator+ 1, is_quoted);
        return;
    case '=':
        if (!expand_one(operator+ 1, &text)) {
            out->failed = true;
            return;
        }
        variable_set(name, text);
        add_all(out, text, is_quoted ? MARK_QUOTED : MARK_EXPANDED);
        free(text);
        return;
    default:
        if (!expand_one(operator+ 1, &text)) {
            out->failed = true;
            return;
        }
        fail_parameter(out, name, text[0] != 0 ? text : "is not set");
        free(text);
    }
}

static void add_cut(struct marked *out, const char *value, const char *operator, bool is_quoted) {
    bool at_start = operator[0] == '#';
    bool longest = operator[1] == operator[0];
    char *pattern;
    if (!expand_pattern(operator+ 1 + longest, &pattern)) {
        out->failed = true;
        return;
    }
    char *rest = cut_match(value, pattern, at_start, longest);
    add_all(out, rest, is_quoted ? MARK_QUOTED : MARK_EXPANDED);
    free(pattern);
    free(rest);
}

static usize name_length(const char *text) {
    if (strchr("?#$!-@*", text[0]) != NULL && text[0] != 0)
        return 1;
    usize len = 0;
    if (isdigit((unsigned char)text[0])) {
        while (isdigit((unsigned char)text[len]))
            len++;
        return len;
    }
    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len;
}

static void add_value(struct marked *out, const char *name, const char *value, bool is_quoted) {
    if (value == NULL && shell.checks_unset)
        fail_parameter(out, name, "is not set");
    else if (value != NULL)
        add_all(out, value, is_quoted ? MARK_QUOTED : MARK_EXPANDED);
}

// What is between the braces of ${...}.
static void expand_braces(struct marked *out, char *text, bool is_quoted) {
    char buffer[24];
    bool wants_length =
        text[0] == '#' && name_length(text + 1) != 0 && text[1 + name_length(text + 1)] == 0;
    const char *start = text + wants_length;
    usize len = name_length(start);
    char *name = must_have(strndup(start, len));
    const char *operator= start + len;
    const char *value = len == 0 ? NULL : parameter(name, buffer);
    bool checks_empty = operator[0] == ':';
    operator+= checks_empty;
    if (len == 0 || (operator[0] != 0 && strchr("-+=?#%", operator[0]) == NULL)) {
        say("${%s}: is not understood", text);
        fail_expansion(out);
    } else if (wants_length) {
        char number[24];
        snprintf(number, sizeof number, "%zu", value == NULL ? 0 : strlen(value));
        add_all(out, number, is_quoted ? MARK_QUOTED : MARK_EXPANDED);
    } else if (name[0] == '@' || name[0] == '*') {
        bool is_empty = shell.argument_count == 0;
        if (operator[0] != 0 && strchr("-+", operator[0]) != NULL &&
            is_empty == (operator[0] == '-'))
            expand_into(out, operator+ 1, is_quoted);
        else
            add_arguments(out, is_quoted, name[0] == '*');
    } else if (operator[0] == '#' || operator[0] == '%') {
        add_cut(out, value == NULL ? "" : value, operator, is_quoted);
    } else if (operator[0] != 0 && default_applies(operator, value, checks_empty)) {
        use_default(out, name, operator, is_quoted);
    } else if (operator[0] != '+') {
        add_value(out, name, value, is_quoted);
    }
    free(name);
}

// -- $, ` and ~ -----------------------------------------------------------------------------------

static void add_output(struct marked *out, const char *command, bool is_quoted) {
    char *output;
    if (!substitute_command(command, &output)) {
        out->failed = true;
        return;
    }
    add_all(out, output, is_quoted ? MARK_QUOTED : MARK_EXPANDED);
    free(output);
}

static char *plain_text(const struct marked *marked);

static void add_arithmetic(struct marked *out, const char *text, bool is_quoted) {
    struct marked inner = {.failed = false};
    char number[24];
    i64 value;
    expand_into(&inner, text, true);
    char *expression = plain_text(&inner);
    if (inner.failed || !arithmetic(expression, &value))
        fail_expansion(out);
    free(expression);
    if (!out->failed) {
        snprintf(number, sizeof number, "%lld", (long long)value);
        add_all(out, number, is_quoted ? MARK_QUOTED : MARK_EXPANDED);
    }
    marked_free(&inner);
}

// At a '$'; returns how many characters it was.
static usize expand_dollar(struct marked *out, const char *at, bool is_quoted) {
    bool end = false;
    usize len = skip_unit(at, 0, &end);
    if (at[1] == '(' || at[1] == '{') {
        bool is_arithmetic = at[1] == '(' && at[2] == '(' && len > 5 && at[len - 2] == ')';
        usize brackets = is_arithmetic ? 2 : 1;
        char *inner = must_have(strndup(at + 1 + brackets, len - 1 - 2 * brackets));
        if (is_arithmetic)
            add_arithmetic(out, inner, is_quoted);
        else if (at[1] == '(')
            add_output(out, inner, is_quoted);
        else
            expand_braces(out, inner, is_quoted);
        free(inner);
        return len;
    }
    usize name_len = isdigit((unsigned char)at[1]) ? 1 : name_length(at + 1);
    if (name_len == 0) {
        add(out, '$', is_quoted ? MARK_QUOTED : MARK_PLAIN);
        return 1;
    }
    char buffer[24];
    char *name = must_have(strndup(at + 1, name_len));
    if (name[0] == '@' || name[0] == '*')
        add_arguments(out, is_quoted, name[0] == '*');
    else
        add_value(out, name, parameter(name, buffer), is_quoted);
    free(name);
    return 1 + name_len;
}

static usize expand_backquotes(struct marked *out, const char *at, bool is_quoted) {
    bool end = false;
    usize len = skip_unit(at, 0, &end);
    struct text command = {0};
    for (usize i = 1; i + 1 < len; i++) {
        if (at[i] == '\\' && strchr("$`\\", at[i + 1]) != NULL)
            i++;
        text_add_char(&command, at[i]);
    }
    add_output(out, text_of(&command), is_quoted);
    text_free(&command);
    return len;
}

static usize expand_tilde(struct marked *out, const char *at) {
    const char *home = variable_get("HOME");
    bool is_alone = at[1] == 0 || at[1] == '/' || at[1] == ':';
    if (home != NULL && is_alone)
        add_all(out, home, MARK_QUOTED);
    else
        add(out, '~', MARK_PLAIN);
    return 1;
}

// Inside of "...", up to the closing quote; returns how many characters it was.
static usize expand_double(struct marked *out, const char *word) {
    usize at = 0;
    while (word[at] != 0 && word[at] != '"') {
        if (word[at] == '\\' && word[at + 1] != 0 && strchr("$`\"\\\n", word[at + 1]) != NULL) {
            if (word[at + 1] != '\n')
                add(out, word[at + 1], MARK_QUOTED);
            at += 2;
        } else if (word[at] == '$') {
            at += expand_dollar(out, word + at, true);
        } else if (word[at] == '`') {
            at += expand_backquotes(out, word + at, true);
        } else {
            add(out, word[at++], MARK_QUOTED);
        }
    }
    return at + (word[at] == '"');
}

// A quoted string at word[0]; returns how many characters it was.
static usize expand_quotes(struct marked *out, const char *word) {
    bool is_arguments_alone = strncmp(word, "\"$@\"", 4) == 0;
    if (word[0] == '"') {
        if (!is_arguments_alone) // which may be no field at all
            add(out, ' ', MARK_EMPTY);
        return 1 + expand_double(out, word + 1);
    }
    add(out, ' ', MARK_EMPTY);
    usize len = strcspn(word + 1, "'");
    for (usize i = 1; i <= len; i++)
        add(out, word[i], MARK_QUOTED);
    return len + 1 + (word[len + 1] == '\'');
}

static usize expand_escape(struct marked *out, const char *word, bool is_quoted) {
    if (word[1] == '\n')
        return 2;
    if (word[1] == 0 || (is_quoted && strchr("$`\"\\", word[1]) == NULL)) {
        add(out, '\\', MARK_QUOTED);
        return 1;
    }
    add(out, word[1], MARK_QUOTED);
    return 2;
}

static void expand_into(struct marked *out, const char *word, bool is_quoted) {
    usize at = 0;
    if (word[0] == '~' && !is_quoted)
        at = expand_tilde(out, word);
    while (word[at] != 0 && !out->failed) {
        char c = word[at];
        if (c == '\\')
            at += expand_escape(out, word + at, is_quoted);
        else if (c == '$')
            at += expand_dollar(out, word + at, is_quoted);
        else if (c == '`')
            at += expand_backquotes(out, word + at, is_quoted);
        else if (c == '"' || (c == '\'' && !is_quoted))
            at += expand_quotes(out, word + at);
        else
            add(out, word[at++], is_quoted ? MARK_QUOTED : MARK_PLAIN);
        if (c == ':' && out->is_assigned && !is_quoted && word[at] == '~')
            at += expand_tilde(out, word + at);
    }
}

// -- Fields ---------------------------------------------------------------------------------------

// The characters without what only marks something.
static char *plain_text(const struct marked *marked) {
    struct text out = {0};
    for (usize i = 0; i < marked->text.len; i++) {
        if (marked->marks.data[i] != MARK_EMPTY)
            text_add_char(&out, marked->text.data[i]);
    }
    return text_of(&out);
}

// A field, as characters and marks.
struct piece {
    struct marked marked;
    bool is_there;
};

static void add_globbed(struct fields *fields, const struct marked *field) {
    char *pattern = pattern_of(field);
    bool is_special = false;
    for (usize i = 0; i < field->text.len; i++)
        is_special |=
            field->marks.data[i] != MARK_QUOTED && strchr("*?[", field->text.data[i]) != NULL;
    glob_t found;
    if (is_special && !shell.has_no_globs && glob(pattern, 0, NULL, &found) == 0) {
        for (usize i = 0; i < found.gl_pathc; i++)
            fields_add(fields, must_have(strdup(found.gl_pathv[i])));
        globfree(&found);
    } else {
        fields_add(fields, must_have(strdup(text_of((struct text *)(uptr)&field->text))));
    }
    free(pattern);
}

static void end_field(struct fields *fields, struct piece *piece) {
    if (piece->is_there)
        add_globbed(fields, &piece->marked);
    marked_free(&piece->marked);
    *piece = (struct piece){.is_there = false};
}

static void split(struct marked *marked, struct fields *out) {
    const char *ifs = variable_get("IFS");
    struct piece piece = {.is_there = false};
    bool ended_by_blank = false;
    if (ifs == NULL)
        ifs = " \t\n";
    for (usize i = 0; i < marked->text.len; i++) {
        char c = marked->text.data[i];
        enum mark mark = (enum mark)marked->marks.data[i];
        bool is_separator = mark == MARK_EXPANDED && strchr(ifs, c) != NULL;
        bool is_blank = is_separator && strchr(" \t\n", c) != NULL;
        if (mark == MARK_BREAK || is_blank) {
            ended_by_blank = is_blank && piece.is_there;
            end_field(out, &piece);
        } else if (is_separator) {
            piece.is_there |= !ended_by_blank; // two separators have an empty field between them
            end_field(out, &piece);
            ended_by_blank = false;
        } else {
            piece.is_there = true;
            ended_by_blank = false;
            if (mark != MARK_EMPTY)
                add(&piece.marked, c, mark);
        }
    }
    end_field(out, &piece);
}

// Whether a command takes NAME=VALUE as an assignment is one, so that the value is not split.
static bool declares(const char *command) {
    static const char *const names[] = {"export", "local", "readonly"};
    u32 i = 0;
    while (i < COUNT_OF(names) && strcmp(names[i], command) != 0)
        i++;
    return i < COUNT_OF(names);
}

// "NAME=" of an assignment; 0: it is none.
static usize assignment_length(const char *word) {
    usize len = strcspn(word, "=");
    return word[len] == '=' && is_name(word, len) ? len + 1 : 0;
}

bool expand_words(const struct word *words, struct fields *out) {
    bool failed = false;
    bool are_assignments = words != NULL && declares(words->text);
    *out = (struct fields){0};
    for (; words != NULL && !failed; words = words->next) {
        usize len = are_assignments ? assignment_length(words->text) : 0;
        struct marked marked = {.is_assigned = len != 0};
        for (usize i = 0; i < len; i++)
            add(&marked, words->text[i], MARK_QUOTED);
        expand_into(&marked, words->text + len, false);
        failed = marked.failed;
        if (!failed && len != 0)
            fields_add(out, plain_text(&marked));
        else if (!failed)
            split(&marked, out);
        marked_free(&marked);
    }
    if (failed)
        fields_free(out);
    return !failed;
}

static bool expand_to_text(const char *word, bool is_assigned, char **out) {
    struct marked marked = {.is_assigned = is_assigned};
    expand_into(&marked, word, false);
    if (!marked.failed)
        *out = plain_text(&marked);
    marked_free(&marked);
    return !marked.failed;
}

bool expand_one(const char *word, char **out) {
    return expand_to_text(word, false, out);
}

bool expand_value(const char *word, char **out) {
    return expand_to_text(word, true, out);
}

bool expand_pattern(const char *word, char **out) {
    struct marked marked = {.failed = false};
    expand_into(&marked, word, false);
    if (!marked.failed)
        *out = pattern_of(&marked);
    marked_free(&marked);
    return !marked.failed;
}

bool expand_body(const char *body, char **out) {
    struct marked marked = {.failed = false};
    for (usize at = 0; body[at] != 0 && !marked.failed;) {
        if (body[at] == '\\' && body[at + 1] != 0)
            at += expand_escape(&marked, body + at, true);
        else if (body[at] == '$')
            at += expand_dollar(&marked, body + at, true);
        else if (body[at] == '`')
            at += expand_backquotes(&marked, body + at, true);
        else
            add(&marked, body[at++], MARK_QUOTED);
    }
    if (!marked.failed)
        *out = plain_text(&marked);
    marked_free(&marked);
    return !marked.failed;
}
