// sh: the shell.
//
//   sh                      commands from the terminal, or from standard input
//   sh FILE [ARGUMENT...]   a script
//   sh -c TEXT [NAME [ARGUMENT...]]
//   sh -s [ARGUMENT...]     commands from standard input
//
// Options: -e ends at the first command that fails, -u finds variables that are not set an error,
// -x shows commands. What begins with -- is for shells and init among themselves: the descriptors
// of channels, and what a subshell has to know.

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/programs/sh/shell.h"
#include "user/sdk/start.h"

#define PROFILE "/boot/etc/profile"

extern char **environ;

struct shell shell = {
    .name = "sh",
    .pipes = KWAST_NO_HANDLE,
    .init = KWAST_NO_HANDLE,
    .terminal = KWAST_NO_HANDLE,
    .processes = KWAST_NO_HANDLE,
};

void say(const char *format, ...) {
    va_list args;
    fflush(stdout);
    if (shell.is_interactive && shell.file == NULL)
        fprintf(stderr, "%s: ", shell.name);
    else
        fprintf(stderr, "%s:%u: ", shell.file != NULL ? shell.file : shell.name, shell.line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void take_environment(void) {
    for (char **entry = environ; *entry != NULL; entry++) {
        usize len = strcspn(*entry, "=");
        char *name = must_have(strndup(*entry, len));
        bool is_ours = strcmp(name, START_PIPES) == 0;
        if (is_name(name, len) && (*entry)[len] == '=' && !is_ours) {
            variable_set(name, *entry + len + 1);
            variable_export(name);
        }
        free(name);
    }
    if (variable_get("PATH") == NULL)
        variable_set("PATH", "/boot/bin");
    const char *here = variable_get("PWD");
    if (here == NULL || chdir(here) != 0) {
        variable_set("PWD", "/");
        variable_export("PWD");
    }
}

static void usage(FILE *out) {
    fprintf(
        out,
        "usage: sh [-eux] [FILE [ARGUMENT...] | -c TEXT [NAME [ARGUMENT...]] | -s [ARGUMENT...]]\n"
        "Without a file or text, commands come from standard input. `help` in the shell\n"
        "tells what it knows itself.\n");
}

// -- From the terminal ----------------------------------------------------------------------------

// The prompt, with \w for where we are.
static char *make_prompt(const char *name, const char *otherwise) {
    struct text text = {0};
    const char *format = variable_get(name);
    const char *here = variable_get("PWD");
    for (format = format == NULL ? otherwise : format; *format != 0; format++) {
        if (format[0] == '\\' && format[1] == 'w') {
            text_add_string(&text, here == NULL ? "/" : here);
            format++;
        } else {
            text_add_char(&text, *format);
        }
    }
    return text_of(&text);
}

// Adds a line to the text. False: the end.
static bool ask(struct text *text, bool *interrupted) {
    bool is_first = text->len == 0;
    char *prompt = make_prompt(is_first ? "PS1" : "PS2", is_first ? "\\w $ " : "> ");
    char *line = edit_line(prompt, interrupted);
    free(prompt);
    if (line == NULL)
        return false;
    text_add_string(text, line);
    free(line);
    return true;
}

// Whether the text has a whole command, or can never have one.
static bool is_whole(const char *text) {
    struct arena arena = {NULL};
    struct parser parser;
    struct node *node;
    enum syntax_result result;
    parser_init(&parser, &arena, text);
    do
        result = parse_command(&parser, &node);
    while (result == SYNTAX_OK);
    arena_free(&arena);
    return result != SYNTAX_INCOMPLETE;
}

static void converse(void) {
    struct text text = {0};
    shell.is_interactive = true;
    terminal_take();
    while (shell.flow != FLOW_EXIT) {
        bool interrupted = false;
        bool is_first = text.len == 0;
        if (is_first)
            jobs_report(false);
        bool has_ended = !ask(&text, &interrupted);
        shell.line_count++;
        if (has_ended && is_first) {
            if (jobs_let_go())
                break;
            continue;
        }
        interrupted |= has_ended;
        if (interrupted) {
            text_free(&text);
            if (trap_takes_interrupt())
                traps_run();
            continue;
        }
        if (!is_whole(text_of(&text)))
            continue;
        shell.flow = FLOW_NONE;
        execute_text(text.data, 1);
        if (shell.flow != FLOW_EXIT)
            shell.flow = FLOW_NONE;
        text_free(&text);
    }
    text_free(&text);
}

// -- From elsewhere -------------------------------------------------------------------------------

static void execute_input(void) {
    struct text text = {0};
    char buffer[4096];
    for (ssize_t got; (got = read(0, buffer, sizeof buffer)) > 0;)
        text_add(&text, buffer, (usize)got);
    execute_text(text_of(&text), 1);
    text_free(&text);
}

struct options {
    const char *text;  // of -c
    bool reads_input;  // -s: the first argument is no file
    const char *state; // of the shell whose subshell we are
    u32 line;          // of its first line
    int next;          // the first argument that is none
};

static void set_arguments(int argc, char **argv, int first) {
    shell.arguments = argv + (first < argc ? first : argc);
    shell.argument_count = first < argc ? (u32)(argc - first) : 0;
}

// An option with a word behind it. False: it is none of these.
static bool take_long(struct options *options, const char *name, const char *value) {
    if (value == NULL)
        return false;
    if (strcmp(name, "--pipes") == 0)
        shell.pipes = (kwast_handle)atoi(value);
    else if (strcmp(name, "--init") == 0)
        shell.init = (kwast_handle)atoi(value);
    else if (strcmp(name, "--terminal") == 0)
        shell.terminal = (kwast_handle)atoi(value);
    else if (strcmp(name, "--processes") == 0)
        shell.processes = (kwast_handle)atoi(value);
    else if (strcmp(name, "--line") == 0)
        options->line = (u32)atoi(value);
    else if (strcmp(name, "--state") == 0)
        options->state = value;
    else if (strcmp(name, "--status") == 0)
        shell.status = atoi(value);
    else if (strcmp(name, "--last") == 0)
        shell.last_process = (u32)atoi(value);
    else if (strcmp(name, "--number") == 0)
        shell.number = (u32)atoi(value);
    else if (strcmp(name, "-c") == 0)
        options->text = value;
    else
        return false;
    return true;
}

static bool parse_options(struct options *options, int argc, char **argv) {
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != 0; i++) {
        if (take_long(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) {
            i++;
            continue;
        }
        for (const char *letter = argv[i] + 1; *letter != 0; letter++) {
            options->reads_input |= *letter == 's';
            if (*letter != 's' && !option_set(*letter, true)) {
                fprintf(stderr, "sh: %s: no such option\n", argv[i]);
                return false;
            }
        }
    }
    options->next = i;
    return true;
}

static void run(const struct options *options, int argc, char **argv) {
    if (options->state != NULL) {
        int status = shell.status;
        execute_text(options->state, 1);
        shell.status = status;
    }
    if (options->text != NULL) {
        if (options->next < argc)
            shell.name = argv[options->next];
        set_arguments(argc, argv, options->next + 1);
        execute_text(options->text, options->line);
    } else if (options->next < argc && !options->reads_input) {
        shell.name = argv[options->next];
        set_arguments(argc, argv, options->next + 1);
        shell.status = execute_file(argv[options->next]);
    } else if (isatty(0)) {
        shell.terminal = shell.terminal == KWAST_NO_HANDLE ? 0 : shell.terminal;
        if (access(PROFILE, R_OK) == 0)
            execute_file(PROFILE);
        history_read();
        converse();
    } else {
        set_arguments(argc, argv, options->next);
        execute_input();
    }
}

int main(int argc, char **argv) {
    struct options options = {.next = 1, .line = 1};
    setlocale(LC_ALL, "C.UTF-8");
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        usage(stdout);
        return 0;
    }
    if (!parse_options(&options, argc, argv)) {
        usage(stderr);
        return STATUS_MISUSE;
    }
    start_where_told();
    streams_take();
    take_environment();
    traps_begin(options.state != NULL);
    if (shell.pipes == KWAST_NO_HANDLE)
        shell.pipes = start_pipes();
    run(&options, argc, argv);
    trap_run_exit();
    jobs_end();
    fflush(stdout);
    return shell.status & 0xff;
}
