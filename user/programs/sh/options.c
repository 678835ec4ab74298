// Options: those of the shell itself, and getopts for those of scripts.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/programs/sh/shell.h"

static const struct option {
    char letter;
    const char *name;
    bool *is_on;
} options[] = {
    {'C', "noclobber", &shell.keeps_files}, {'e', "errexit", &shell.exits_on_error},
    {'f', "noglob", &shell.has_no_globs},   {'u', "nounset", &shell.checks_unset},
    {'x', "xtrace", &shell.traces},
};

bool option_set(char letter, bool on) {
    for (u32 i = 0; i < COUNT_OF(options); i++) {
        if (options[i].letter == letter) {
            *options[i].is_on = on;
            return true;
        }
    }
    return false;
}

void options_letters(char out[8]) {
    usize len = 0;
    for (u32 i = 0; i < COUNT_OF(options); i++) {
        if (*options[i].is_on)
            out[len++] = options[i].letter;
    }
    out[len] = 0;
}

static bool set_by_name(const char *name, bool on) {
    for (u32 i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i].name, name) == 0)
            return option_set(options[i].letter, on);
    }
    return false;
}

static void print_options(void) {
    for (u32 i = 0; i < COUNT_OF(options); i++)
        printf("%-12s %s\n", options[i].name, *options[i].is_on ? "on" : "off");
}

static void print_variable(const char *name, const char *value, bool is_exported, void *context) {
    struct text text = {0};
    (void)context;
    (void)is_exported;
    text_add_quoted(&text, value);
    printf("%s=%s\n", name, text_of(&text));
    text_free(&text);
}

// The arguments become $1 and so on; they live until the next `set`.
static void set_arguments(u32 count, char **arguments) {
    static struct fields own;
    struct fields fields = {0};
    for (u32 i = 0; i < count; i++)
        fields_add(&fields, must_have(strdup(arguments[i])));
    fields_free(&own);
    own = fields;
    shell.arguments = own.at;
    shell.argument_count = own.count;
}

// -o NAME; returns false when there is no such option, which has been said.
static bool set_named(const char *name, bool on) {
    if (name == NULL) {
        print_options();
        return true;
    }
    bool found = set_by_name(name, on);
    if (!found)
        say("set: -o %s: no such option", name);
    return found;
}

int run_set(u32 count, char **arguments) {
    u32 i = 1;
    if (count == 1)
        variables_each(print_variable, NULL);
    for (; i < count && (arguments[i][0] == '-' || arguments[i][0] == '+'); i++) {
        bool on = arguments[i][0] == '-';
        if (strcmp(arguments[i], "--") == 0) {
            set_arguments(count - i - 1, arguments + i + 1);
            return 0;
        }
        if (strcmp(arguments[i] + 1, "o") == 0) {
            if (!set_named(i + 1 < count ? arguments[i + 1] : NULL, on))
                return STATUS_MISUSE;
            i++;
            continue;
        }
        for (const char *letter = arguments[i] + 1; *letter != 0; letter++) {
            if (option_set(*letter, on))
                continue;
            say("set: -%c: no such option", *letter);
            return STATUS_MISUSE;
        }
    }
    if (i < count)
        set_arguments(count - i, arguments + i);
    return 0;
}

// -- Limits ---------------------------------------------------------------------------------------
// The kernel has them for each process, and a child gets no more than its parent has.

static void print_limit(const char *what, u64 limit) {
    printf(limit == 0 ? "%sunlimited\n" : "%s%llu\n", what, (unsigned long long)limit);
}

int run_ulimit(u32 count, char **arguments) {
    const char *option = count > 1 ? arguments[1] : "-f";
    bool is_memory = strcmp(option, "-v") == 0;
    bool is_handles = strcmp(option, "-n") == 0;
    if (strcmp(option, "-a") == 0) {
        print_limit("memory (KiB, -v)  ", shell.memory_limit);
        print_limit("handles (-n)      ", shell.handle_limit);
        return 0;
    }
    if (count < 3 && (is_memory || is_handles || strcmp(option, "-f") == 0)) {
        print_limit("", is_memory ? shell.memory_limit : is_handles ? shell.handle_limit : 0);
        return 0;
    }
    char *end = NULL;
    bool lifts = count == 3 && strcmp(arguments[2], "unlimited") == 0;
    u64 limit = count == 3 && !lifts ? strtoull(arguments[2], &end, 10) : 0;
    bool is_number = lifts || (limit != 0 && *end == 0 && limit <= UINT32_MAX);
    if ((!is_memory && !is_handles) || !is_number) {
        say("usage: ulimit [-a | -n [HANDLES] | -v [KIB]] (or 'unlimited'); there are no others");
        return STATUS_MISUSE;
    }
    if (is_memory)
        shell.memory_limit = limit;
    else
        shell.handle_limit = (u32)limit;
    return 0;
}

// -- getopts --------------------------------------------------------------------------------------

static struct {
    u32 index;  // as OPTIND was left; anything else there begins anew
    u32 letter; // the next one in that argument
} state;

static void set_number(const char *name, u32 value) {
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    variable_set(name, text);
}

// What getopts finds at the letter that it stands at: to be $NAME; with *argument for OPTARG.
static char take_letter(const char *wanted, u32 count, char **arguments, const char **argument) {
    static char letter[2];
    bool is_quiet = wanted[0] == ':';
    const char *word = arguments[state.index - 1];
    letter[0] = word[state.letter++];
    bool is_last = word[state.letter] == 0;
    const char *found = letter[0] == ':' ? NULL : strchr(wanted + is_quiet, letter[0]);
    *argument = NULL;
    if (found != NULL && found[1] == ':') {
        *argument = is_last ? NULL : word + state.letter;
        if (is_last && state.index < count)
            *argument = arguments[state.index++];
        is_last = true;
    }
    if (is_last) {
        state.index++;
        state.letter = 0;
    }
    bool lacks = found != NULL && found[1] == ':' && *argument == NULL;
    if (found != NULL && !lacks)
        return letter[0];
    if (is_quiet)
        *argument = letter;
    else if (lacks)
        say("getopts: -%s needs an argument", letter);
    else
        say("getopts: -%s: no such option", letter);
    return lacks && is_quiet ? ':' : '?';
}

int run_getopts(u32 count, char **arguments) {
    const char *index = variable_get("OPTIND");
    bool has_own = count > 3;
    char **words = has_own ? arguments + 3 : shell.arguments;
    u32 word_count = has_own ? count - 3 : shell.argument_count;
    if (count < 3) {
        say("usage: getopts OPTIONS NAME [ARGUMENT...]");
        return STATUS_MISUSE;
    }
    u32 at = index == NULL ? 1 : (u32)strtoul(index, NULL, 10);
    if (at != state.index || at == 0) {
        state.index = at == 0 ? 1 : at;
        state.letter = 0;
    }
    const char *word = state.index <= word_count ? words[state.index - 1] : "";
    if (state.letter == 0 && (word[0] != '-' || word[1] == 0 || strcmp(word, "--") == 0)) {
        state.index += strcmp(word, "--") == 0;
        set_number("OPTIND", state.index);
        variable_set(arguments[2], "?");
        return 1;
    }
    state.letter += state.letter == 0;
    const char *argument;
    char name[2] = {take_letter(arguments[1], word_count, words, &argument), 0};
    set_number("OPTIND", state.index);
    if (argument == NULL)
        variable_unset("OPTARG");
    else
        variable_set("OPTARG", argument);
    variable_set(arguments[2], name);
    return 0;
}
