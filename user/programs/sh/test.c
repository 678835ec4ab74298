// The expressions of `test` (POSIX, XCU 4): a recursive descent over the arguments.

#include "user/programs/sh/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/programs/sh/shell.h"

struct expression {
    char **at;
    char **end;
    bool failed;
};

static bool parse_or(struct expression *e);

static bool is_next(const struct expression *e, const char *word) {
    return e->at < e->end && strcmp(*e->at, word) == 0;
}

static bool fail(struct expression *e, const char *what) {
    if (!e->failed)
        say("test: %s", what);
    e->failed = true;
    return false;
}

static i64 number(struct expression *e, const char *text) {
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != 0) {
        if (!e->failed)
            say("test: '%s' is no number", text);
        e->failed = true;
        return 0;
    }
    return value;
}

static bool is_type(const char *path, mode_t type) {
    struct stat info;
    return stat(path, &info) == 0 && (info.st_mode & S_IFMT) == type;
}

static bool unary(char operator, const char * operand, bool *known) {
    struct stat info;
    *known = true;
    switch (operator) {
    case 'n':
        return operand[0] != 0;
    case 'z':
        return operand[0] == 0;
    case 'd':
        return is_type(operand, S_IFDIR);
    case 'f':
        return is_type(operand, S_IFREG);
    case 'b':
        return is_type(operand, S_IFBLK);
    case 'c':
        return is_type(operand, S_IFCHR);
    case 'p':
    case 'S':
        return is_type(operand, operator== 'p' ? S_IFIFO : S_IFSOCK);
    case 'h':
    case 'L':
        return lstat(operand, &info) == 0 && S_ISLNK(info.st_mode);
    case 's':
        return stat(operand, &info) == 0 && info.st_size != 0;
    case 'e':
    case 'r':
    case 'w':
    case 'x':
        return stat(operand, &info) == 0;
    case 't':
        return isatty(atoi(operand));
    default:
        *known = false;
        return false;
    }
}

static bool is_newer(const char *a, const char *b) {
    struct stat first;
    struct stat second;
    if (stat(a, &first) != 0)
        return false;
    if (stat(b, &second) != 0)
        return true;
    return first.st_mtim.tv_sec != second.st_mtim.tv_sec
               ? first.st_mtim.tv_sec > second.st_mtim.tv_sec
               : first.st_mtim.tv_nsec > second.st_mtim.tv_nsec;
}

static bool is_same_file(const char *a, const char *b) {
    struct stat first;
    struct stat second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

enum binary { EQ, NE, LT, LE, GT, GE, SAME, OTHER, BEFORE, AFTER, NEWER, OLDER, LINKED, NO_BINARY };

static enum binary binary_of(const char *word) {
    static const char *const words[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "=",
                                        "!=",  "<",   ">",   "-nt", "-ot", "-ef"};
    for (u32 i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return (enum binary)i;
    }
    return strcmp(word, "==") == 0 ? SAME : NO_BINARY;
}

static bool compare(struct expression *e, enum binary operator, const char * a, const char *b) {
    switch (operator) {
    case SAME:
        return strcmp(a, b) == 0;
    case OTHER:
        return strcmp(a, b) != 0;
    case BEFORE:
        return strcmp(a, b) < 0;
    case AFTER:
        return strcmp(a, b) > 0;
    case NEWER:
        return is_newer(a, b);
    case OLDER:
        return is_newer(b, a);
    case LINKED:
        return is_same_file(a, b);
    default:
        break;
    }
    i64 x = number(e, a);
    i64 y = number(e, b);
    bool results[] = {
        [EQ] = x == y, [NE] = x != y, [LT] = x<y, [LE] = x <= y, [GT] = x> y, [GE] = x >= y};
    return results[operator];
}

static bool parse_primary(struct expression *e) {
    bool known;
    if (e->at >= e->end)
        return fail(e, "something is missing");
    usize left = (usize)(e->end - e->at);
    if (left >= 3 && binary_of(e->at[1]) != NO_BINARY) {
        char **words = e->at;
        e->at += 3;
        return compare(e, binary_of(words[1]), words[0], words[2]);
    }
    if (left >= 2 && is_next(e, "!")) {
        e->at++;
        return !parse_primary(e);
    }
    if (left >= 3 && is_next(e, "(")) {
        e->at++;
        bool value = parse_or(e);
        if (!is_next(e, ")"))
            return fail(e, "')' is missing");
        e->at++;
        return value;
    }
    const char *word = *e->at;
    if (left >= 2 && word[0] == '-' && word[1] != 0 && word[2] == 0) {
        bool value = unary(word[1], e->at[1], &known);
        if (known) {
            e->at += 2;
            return value;
        }
    }
    e->at++;
    return word[0] != 0;
}

static bool parse_and(struct expression *e) {
    bool value = parse_primary(e);
    while (is_next(e, "-a")) {
        e->at++;
        value &= parse_primary(e);
    }
    return value;
}

static bool parse_or(struct expression *e) {
    bool value = parse_and(e);
    while (is_next(e, "-o")) {
        e->at++;
        value |= parse_and(e);
    }
    return value;
}

int test_run(u32 count, char **arguments) {
    struct expression e = {.at = arguments + 1, .end = arguments + count};
    if (strcmp(arguments[0], "[") == 0) {
        if (strcmp(arguments[count - 1], "]") != 0) {
            say("[: ']' is missing");
            return STATUS_MISUSE;
        }
        e.end--;
    }
    if (e.at == e.end)
        return 1;
    bool value = parse_or(&e);
    if (!e.failed && e.at != e.end)
        fail(&e, "more than an expression");
    return e.failed ? STATUS_MISUSE : !value;
}
