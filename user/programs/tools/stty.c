// stty: how a terminal is set (abi/kwast/terminal.h), with the names that termios has for it.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/terminal.h"
#include "user/programs/tools/tools.h"
#include "user/sdk/kwast.h"

#define SIZE_MAX_CELLS 1000u

static const struct setting {
    const char *name;
    u64 mode;
    bool is_taken_back; // its name means without
    bool is_told;
} settings[] = {
    {"isig", TERMINAL_SIGNALS, false, true}, {"icanon", TERMINAL_LINES, false, true},
    {"echo", TERMINAL_ECHO, false, true},    {"icrnl", TERMINAL_RETURNS, false, true},
    {"raw", TERMINAL_COOKED, true, false},   {"cooked", TERMINAL_COOKED, false, false},
    {"sane", TERMINAL_COOKED, false, false}, {"cbreak", TERMINAL_LINES, true, false},
};

static bool ask(struct kwast_call *call) {
    return kwast_scheme_call(STDIN_FILENO, call, -1) == 0 && call->answer == 0;
}

static void print_size(const struct kwast_call *size) {
    printf("%llu %llu\n", size->words[1], size->words[0]);
}

static void print_settings(u64 mode, bool all) {
    struct kwast_call size = {.operation = TERMINAL_GET_SIZE};
    const char *gap = "";
    if (all && ask(&size))
        printf("rows %llu; columns %llu;\n"
               "intr = ^C; erase = ^?; kill = ^U; werase = ^W; eof = ^D; susp = ^Z;\n",
               size.words[1], size.words[0]);
    for (u32 i = 0; i < COUNT_OF(settings); i++) {
        bool is_on = (mode & settings[i].mode) != 0;
        if (!settings[i].is_told || (is_on && !all))
            continue;
        printf("%s%s%s", gap, is_on ? "" : "-", settings[i].name);
        gap = " ";
    }
    puts(*gap == 0 ? "sane" : "");
}

// False: there is no such setting.
static bool apply(const char *word, u64 *mode) {
    if (strncmp(word, "mode:", 5) == 0) { // as -g has told
        char *end;
        *mode = strtoull(word + 5, &end, 16);
        return *end == 0 && word[5] != 0 && *mode <= TERMINAL_COOKED;
    }
    bool is_taken_back = word[0] == '-';
    for (u32 i = 0; i < COUNT_OF(settings); i++) {
        if (strcmp(word + is_taken_back, settings[i].name) != 0)
            continue;
        if (settings[i].is_taken_back == is_taken_back)
            *mode |= settings[i].mode;
        else
            *mode &= ~settings[i].mode;
        return true;
    }
    return false;
}

static bool is_number(const char *text, u64 *out) {
    char *end;
    *out = text == NULL ? 0 : strtoull(text, &end, 10);
    return text != NULL && *end == 0 && *out != 0 && *out <= SIZE_MAX_CELLS;
}

// "rows N" and "columns N" change `size`. Returns how many words it was; 0: something else, or no
// number.
static int apply_size(char **words, struct kwast_call *size) {
    bool is_rows = strcmp(words[0], "rows") == 0;
    bool is_columns = strcmp(words[0], "columns") == 0 || strcmp(words[0], "cols") == 0;
    u64 number;
    if ((!is_rows && !is_columns) || !is_number(words[1], &number))
        return 0;
    size->words[is_rows ? 1 : 0] = number;
    return 2;
}

static int apply_all(char **words, u64 mode, struct kwast_call *size) {
    u64 before = mode;
    struct kwast_call is = *size;
    while (*words != NULL) {
        int taken = apply_size(words, size);
        if (taken == 0 && strcmp(*words, "size") == 0) {
            print_size(size);
            taken = 1;
        } else if (taken == 0) {
            taken = apply(*words, &mode);
        }
        if (taken == 0)
            return complain("%s: there is no such setting", *words);
        words += taken;
    }
    struct kwast_call call = {.operation = TERMINAL_SET_MODE, .words = {mode}};
    struct kwast_call resize = {.operation = TERMINAL_SET_SIZE,
                                .words = {size->words[0], size->words[1]}};
    bool changes_size = is.words[0] != size->words[0] || is.words[1] != size->words[1];
    if ((mode != before && !ask(&call)) || (changes_size && !ask(&resize)))
        return complain("the terminal refuses that");
    return 0;
}

int run_stty(int argc, char **argv) {
    struct kwast_call mode = {.operation = TERMINAL_GET_MODE};
    struct kwast_call size = {.operation = TERMINAL_GET_SIZE};
    if (argc > 1 && strcmp(argv[1], "-?") == 0)
        return misused();
    if (!ask(&mode) || !ask(&size))
        return complain("its input is no terminal");
    bool is_word = argc == 2 && strcmp(argv[1], "-g") == 0;
    bool is_all = argc == 2 && strcmp(argv[1], "-a") == 0;
    if (is_word)
        printf("mode:%llx\n", mode.words[0]);
    else if (argc == 1 || is_all)
        print_settings(mode.words[0], is_all);
    else
        return apply_all(argv + 1, mode.words[0], &size);
    return 0;
}
