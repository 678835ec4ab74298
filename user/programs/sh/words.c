// The shell's own commands that read and write: echo, printf, read.

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/programs/sh/shell.h"

#define LOOK_MS    50 // how often `read` looks for Ctrl-C and traps
#define SPEC_BYTES 64u

// -- Escapes --------------------------------------------------------------------------------------

// A number of up to `digits` octal digits.
static int take_octal(const char **at, u32 digits) {
    int value = 0;
    for (u32 i = 0; i < digits && **at >= '0' && **at <= '7'; i++, (*at)++)
        value = 8 * value + (**at - '0');
    return value;
}

// `at` is behind a backslash.
static void print_escape(const char **at) {
    static const char from[] = "abefnrtv\\'\"";
    static const char to[] = "\a\b\x1b\f\n\r\t\v\\'\"";
    const char *found = **at == 0 ? NULL : strchr(from, **at);
    if (found != NULL) {
        putchar(to[found - from]);
        (*at)++;
    } else if (**at >= '0' && **at <= '7') {
        putchar(take_octal(at, 3));
    } else {
        putchar('\\');
    }
}

// As %b and echo -e have it: \0 and up to three digits more; \c is the end of all output. False: so
// it was.
static bool print_escaped(const char *text) {
    while (*text != 0) {
        if (*text != '\\') {
            putchar(*text++);
        } else if (*++text == 'c') {
            return false;
        } else {
            text += text[0] == '0' && text[1] >= '0' && text[1] <= '7';
            print_escape(&text);
        }
    }
    return true;
}

int run_echo(u32 count, char **arguments) {
    bool has_newline = true;
    bool escapes = false;
    u32 i = 1;
    for (; i < count && arguments[i][0] == '-'; i++) {
        const char *letters = arguments[i] + 1;
        if (*letters == 0 || strspn(letters, "neE") != strlen(letters))
            break;
        for (; *letters != 0; letters++) {
            has_newline &= *letters != 'n';
            escapes = *letters == 'e' || (*letters == 'n' && escapes);
        }
    }
    for (; i < count; i++) {
        if (!escapes)
            fputs(arguments[i], stdout);
        else if (!print_escaped(arguments[i]))
            has_newline = false;
        if (i + 1 < count)
            putchar(' ');
    }
    if (has_newline)
        putchar('\n');
    return ferror(stdout) || fflush(stdout) != 0 ? 1 : 0;
}

// -- printf ---------------------------------------------------------------------------------------

struct printing {
    char **arguments;
    u32 next;
    u32 count;
    int status;
    bool is_over;
};

static const char *take_argument(struct printing *p) {
    return p->next < p->count ? p->arguments[p->next++] : "";
}

static bool is_number(struct printing *p, const char *text, const char *end) {
    if (*end == 0 && errno != ERANGE)
        return true;
    say("printf: '%s' is no number", text);
    p->status = 1;
    return false;
}

static long long take_integer(struct printing *p) {
    const char *text = take_argument(p);
    char *end;
    if (text[0] == '\'' || text[0] == '"')
        return (unsigned char)text[1];
    errno = 0;
    long long value = strtoll(text, &end, 0);
    is_number(p, text, end);
    return value;
}

// Flags, width and precision of what begins at the "%", as one for libc: "*" is the argument's
// number. Returns where the letter is; NULL: there is too much.
static const char *take_spec(struct printing *p, const char *at, char spec[SPEC_BYTES]) {
    usize len = 0;
    spec[len++] = *at++;
    for (; *at != 0 && strchr("-+ #0123456789.*", *at) != NULL; at++) {
        if (len + 16 > SPEC_BYTES)
            return NULL;
        if (*at == '*')
            len += (usize)snprintf(spec + len, 12, "%d", (int)take_integer(p));
        else
            spec[len++] = *at;
    }
    spec[len] = 0;
    return at;
}

static void print_argument(struct printing *p, char spec[SPEC_BYTES], char type) {
    usize len = strlen(spec);
    if (strchr("diouxX", type) != NULL) {
        snprintf(spec + len, SPEC_BYTES - len, "ll%c", type);
        printf(spec, take_integer(p));
    } else if (strchr("eEfFgGaA", type) != NULL) {
        const char *text = take_argument(p);
        char *end;
        errno = 0;
        double value = strtod(text, &end);
        is_number(p, text, end);
        snprintf(spec + len, SPEC_BYTES - len, "%c", type);
        printf(spec, value);
    } else if (type == 'b') {
        p->is_over = !print_escaped(take_argument(p));
    } else {
        snprintf(spec + len, SPEC_BYTES - len, type == 'c' ? ".1s" : "s");
        printf(spec, take_argument(p));
    }
}

// What begins at the "%"; returns what follows it.
static const char *print_format(struct printing *p, const char *format) {
    char spec[SPEC_BYTES];
    if (format[1] == '%') {
        putchar('%');
        return format + 2;
    }
    const char *at = take_spec(p, format, spec);
    if (at == NULL || *at == 0 || strchr("sbcdiouxXeEfFgGaA", *at) == NULL) {
        say("printf: '%s' is not understood", format);
        p->status = 1;
        p->is_over = true;
        return format;
    }
    print_argument(p, spec, *at);
    return at + 1;
}

int run_printf(u32 count, char **arguments) {
    u32 first = count > 1 && strcmp(arguments[1], "--") == 0 ? 2 : 1;
    struct printing p = {.arguments = arguments, .next = first + 1, .count = count};
    if (count <= first) {
        say("usage: printf FORMAT [ARGUMENT...]");
        return STATUS_MISUSE;
    }
    u32 before;
    do { // as often as there are arguments
        before = p.next;
        for (const char *at = arguments[first]; *at != 0 && !p.is_over;) {
            if (*at == '\\') {
                at++;
                print_escape(&at);
            } else if (*at == '%') {
                at = print_format(&p, at);
            } else {
                putchar(*at++);
            }
        }
    } while (p.next < count && p.next != before && !p.is_over);
    return ferror(stdout) || fflush(stdout) != 0 ? 1 : p.status;
}

// -- read -----------------------------------------------------------------------------------------

// Waits for something to read, as long as nothing interrupts that. False: something did.
static bool wait_for_input(void) {
    struct pollfd event = {.fd = 0, .events = POLLRDNORM};
    while ((shell.is_interactive || traps_are_set()) && poll(&event, 1, LOOK_MS) == 0) {
        if (is_interrupted())
            return false;
    }
    return true;
}

// A line, and for each character of it whether it separates words: 'b' as a blank of IFS, 's'
// as another character of it, '-' not at all, be it that a backslash was before it.
struct line {
    struct text text;
    struct text kinds;
};

static void add_to_line(struct line *line, char c, const char *ifs, bool is_escaped) {
    bool separates = c != 0 && !is_escaped && strchr(ifs, c) != NULL;
    text_add_char(&line->text, c);
    text_add_char(&line->kinds, !separates ? '-' : strchr(" \t\n", c) != NULL ? 'b' : 's');
}

// Reads a line byte by byte, so that what follows is left for others.
static bool read_line(bool raw, const char *ifs, struct line *out) {
    char c;
    if (!wait_for_input())
        return false;
    while (read(0, &c, 1) == 1) {
        bool is_escape = c == '\\' && !raw;
        if (c == '\n')
            return true;
        if (is_escape) {
            if (read(0, &c, 1) != 1)
                return false;
            if (c == '\n')
                continue;
        }
        add_to_line(out, c, ifs, is_escape);
    }
    return false;
}

// Past blanks, and past the one separator among them that is no blank.
static usize skip_separator(const char *kinds, usize at) {
    at += strspn(kinds + at, "b");
    if (kinds[at] == 's')
        at += 1 + strspn(kinds + at + 1, "b");
    return at;
}

// The word at *at, which goes on behind what separates it from the next one. The last word is all
// that is left, but for blanks, and for a separator if that ends the line.
static char *take_word(const struct line *line, usize *at, bool is_last) {
    const char *kinds = line->kinds.data;
    usize start = *at;
    usize end = start + strspn(kinds + start, "-");
    usize next = skip_separator(kinds, end);
    if (is_last && kinds[next] != 0) {
        end = next = line->kinds.len;
        while (end > start && kinds[end - 1] == 'b')
            end--;
    }
    *at = next;
    return must_have(strndup(line->text.data + start, end - start));
}

static void assign_words(const struct line *line, char **names, u32 count) {
    usize at = strspn(line->kinds.data, "b");
    for (u32 i = 0; i < count; i++) {
        char *word = take_word(line, &at, i + 1 == count);
        variable_set(names[i], word);
        free(word);
    }
}

int run_read(u32 count, char **arguments) {
    struct line line = {.text = {0}};
    const char *ifs = variable_get("IFS");
    bool raw = false;
    u32 first = 1;
    for (; first < count && arguments[first][0] == '-'; first++) {
        const char *option = arguments[first];
        bool asks = strcmp(option, "-p") == 0 || strcmp(option, "-rp") == 0;
        raw |= strcmp(option, "-r") == 0 || strcmp(option, "-rp") == 0;
        if (asks && first + 1 < count) {
            fputs(arguments[++first], stderr);
        } else if (strcmp(option, "-r") != 0) {
            say("read: %s: no such option", option);
            return STATUS_MISUSE;
        }
    }
    bool found = read_line(raw, ifs == NULL ? " \t\n" : ifs, &line);
    text_of(&line.text);
    text_of(&line.kinds);
    if (first == count)
        variable_set("REPLY", line.text.data);
    assign_words(&line, arguments + first, count - first);
    text_free(&line.text);
    text_free(&line.kinds);
    if (!found && shell.status > STATUS_SIGNALLED && (shell.flow != FLOW_NONE || trap_came() != 0))
        return shell.status;
    return found ? 0 : 1;
}
