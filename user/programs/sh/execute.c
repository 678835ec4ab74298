// Executing commands.

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/programs/sh/shell.h"
#include "user/sdk/program.h"
#include "user/sdk/start.h"

#define SELF PROGRAM_SHELL

// -- Finding programs -----------------------------------------------------------------------------

char *find_program(const char *name) {
    return program_path(name, variable_get("PATH"));
}

// -- Starting processes ---------------------------------------------------------------------------

static void add_variable(const char *name, const char *value, bool is_exported, void *context) {
    struct text text = {0};
    if (!is_exported)
        return;
    text_add_string(&text, name);
    text_add_char(&text, '=');
    text_add_string(&text, value);
    start_variable(context, text_of(&text));
    text_free(&text);
}

// Streams, directories, variables and pipes: what every child has.
static void give_usual(struct start *start) {
    __wasi_fdstat_t stat;
    fflush(NULL);
    for (u32 fd = 0; fd < STREAMS_MAX; fd++) {
        int stream = stream_of(fd);
        bool is_terminal = fd == 0 && job_input() != KWAST_NO_HANDLE && isatty(0);
        if (stream >= 0 && __wasi_fd_fdstat_get(stream, &stat) == 0)
            start_stream(start, is_terminal ? job_input() : (kwast_handle)stream, fd);
    }
    start->limits.memory_limit = shell.memory_limit * 1024;
    start->limits.handle_limit = shell.handle_limit;
    start_our_directories(start);
    start_here(start);
    variables_each(add_variable, start);
    start_give_pipes(start, shell.pipes);
}

// A program that works with the shell's own channels: another shell.
static void give_channels(struct start *start) {
    const struct {
        const char *option;
        kwast_handle handle;
    } channels[] = {
        {"--init", shell.init},
        {"--terminal", job_input() != KWAST_NO_HANDLE ? job_input() : shell.terminal},
        {"--processes", shell.processes},
    };
    for (u32 i = 0; i < COUNT_OF(channels); i++) {
        char text[16];
        if (channels[i].handle == KWAST_NO_HANDLE)
            continue;
        snprintf(text, sizeof text, "%u", start_channel(start, channels[i].handle));
        start_argument(start, channels[i].option);
        start_argument(start, text);
    }
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool run_start(struct start *start, const char *path, kwast_handle *out) {
    u32 error = start_run(start, path, out);
    if (error != 0)
        say("%s: %s%s%s", path, strerror((int)error), start->reason[0] != 0 ? ": " : "",
            start->reason);
    start_fini(start);
    return error == 0;
}

static bool is_directory(const char *path) {
    struct stat info;
    return strchr(path, '/') != NULL && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// The status, when it is not there; 0: it is.
static int find_or_say(const char *name, struct program *out) {
    u32 error = program_find(name, variable_get("PATH"), out);
    bool is_there = error == __WASI_ERRNO_NOENT && is_directory(name);
    if (is_there)
        say("%s: is a directory", name);
    else if (error == __WASI_ERRNO_NOENT)
        say("%s: not found", name);
    else if (error == __WASI_ERRNO_NOEXEC)
        say("%s: its interpreter '%s' is not there", name, out->words[0]);
    else if (error != 0)
        say("%s: %s", name, strerror((int)error));
    return error == 0 ? 0 : is_there ? STATUS_CANNOT_RUN : STATUS_NOT_FOUND;
}

// The status, when it could not be started; 0: it runs.
static int start_program(const struct fields *fields, kwast_handle *out) {
    struct program program;
    struct start start;
    const char *name = base_name(fields->at[0]);
    int status = find_or_say(fields->at[0], &program);
    if (status != 0) {
        program_fini(&program);
        return status;
    }
    start_init(&start, name);
    give_usual(&start);
    const char *first = program.word_count != 0 ? program.words[0] : fields->at[0];
    start_argument(&start, first);
    if (strcmp(base_name(first), SELF) == 0)
        give_channels(&start);
    for (u32 i = 1; i < program.word_count; i++)
        start_argument(&start, program.words[i]);
    for (u32 i = 1; i < fields->count; i++)
        start_argument(&start, fields->at[i]);
    bool done = run_start(&start, program.path, out);
    program_fini(&program);
    return done ? 0 : STATUS_CANNOT_RUN;
}

// -- Subshells ------------------------------------------------------------------------------------

static void describe_variable(const char *name, const char *value, bool is_exported,
                              void *context) {
    struct text *text = context;
    bool is_protected = variable_is_protected(name);
    if (is_exported && !is_protected) // it comes with the environment
        return;
    text_add_string(text, is_protected ? "readonly " : "");
    text_add_string(text, name);
    text_add_char(text, '=');
    text_add_quoted(text, value);
    text_add_char(text, '\n');
}

static void describe_function(const struct function *function, void *context) {
    struct text *text = context;
    text_add_string(text, function->source);
    text_add_char(text, '\n');
}

static void describe_options(struct text *text) {
    text_add_string(text, shell.has_no_globs ? "set -f\n" : "");
    text_add_string(text, shell.keeps_files ? "set -C\n" : "");
}

// Starts another shell that knows what this one does, for these commands.
static bool start_subshell(const char *commands, u32 line, kwast_handle *out) {
    struct start start;
    struct text state = {0};
    char number[16];
    char *program = find_program(SELF);
    if (program == NULL) {
        say("%s: not found, and needed for a subshell", SELF);
        return false;
    }
    variables_each(describe_variable, &state);
    functions_each(describe_function, &state);
    describe_options(&state);
    start_init(&start, SELF);
    give_usual(&start);
    start_argument(&start, SELF);
    give_channels(&start);
    snprintf(number, sizeof number, "%u", shell.number);
    start_argument(&start, "--number");
    start_argument(&start, number);
    snprintf(number, sizeof number, "%u", line);
    start_argument(&start, "--line");
    start_argument(&start, number);
    snprintf(number, sizeof number, "%d", shell.status);
    start_argument(&start, "--status");
    start_argument(&start, number);
    start_argument(&start, "--state");
    start_argument(&start, text_of(&state));
    snprintf(number, sizeof number, "%u", shell.last_process);
    start_argument(&start, "--last");
    start_argument(&start, number);
    if (shell.exits_on_error)
        start_argument(&start, "-e");
    if (shell.checks_unset)
        start_argument(&start, "-u");
    if (shell.traces)
        start_argument(&start, "-x");
    start_argument(&start, "-c");
    start_argument(&start, commands);
    start_argument(&start, shell.name);
    for (u32 i = 0; i < shell.argument_count; i++)
        start_argument(&start, shell.arguments[i]);
    bool done = run_start(&start, program, out);
    text_free(&state);
    free(program);
    return done;
}

static bool start_node(const struct node *node, kwast_handle *out) {
    char *text = node_text(node);
    bool done = start_subshell(text, node->line, out);
    free(text);
    return done;
}

bool substitute_command(const char *text, char **out) {
    int ends[2];
    kwast_handle child;
    struct saved_streams saved;
    struct text output = {0};
    char buffer[4096];
    if (!pipe_create(ends))
        return false;
    streams_init(&saved);
    streams_replace(1, ends[1], &saved);
    bool done = start_subshell(text, shell.line, &child);
    streams_restore(&saved);
    for (ssize_t got; done && (got = read(ends[0], buffer, sizeof buffer)) > 0;)
        text_add(&output, buffer, (usize)got);
    close(ends[0]);
    if (!done)
        return false;
    struct job *job = job_create(text, strlen(text));
    job_add(job, child, SELF);
    shell.status = job_wait(job, false);
    while (output.len != 0 && output.data[output.len - 1] == '\n')
        output.len--;
    *out = text_of(&output);
    return true;
}

// -- Simple commands ------------------------------------------------------------------------------

// NAME=VALUE, as a variable; false: it could not be.
static bool assign(const char *word) {
    usize len = strcspn(word, "=");
    char *name = must_have(strndup(word, len));
    char *value;
    bool done = expand_value(word + len + 1, &value);
    if (done) {
        done = variable_set(name, value);
        if (!done && !shell.is_interactive) { // it is read-only
            shell.flow = FLOW_EXIT;
            shell.status = STATUS_MISUSE;
        }
        free(value);
    }
    free(name);
    return done;
}

// The assignments before a command hold for it alone, unless they are to stay.
static bool assign_for_command(const struct word *words, bool stay, bool exports) {
    for (; words != NULL; words = words->next) {
        usize len = strcspn(words->text, "=");
        char *name = must_have(strndup(words->text, len));
        if (!stay)
            variable_local(name);
        bool done = assign(words->text);
        if (exports)
            variable_export(name);
        free(name);
        if (!done)
            return false;
    }
    return true;
}

static void trace(const struct fields *fields) {
    struct text text = {0};
    if (!shell.traces || fields->count == 0)
        return;
    text_add_char(&text, '+');
    for (u32 i = 0; i < fields->count; i++) {
        text_add_char(&text, ' ');
        text_add_string(&text, fields->at[i]);
    }
    fprintf(stderr, "%s\n", text_of(&text));
    text_free(&text);
}

// What has just been assigned.
static void trace_assignment(const char *word) {
    usize len = strcspn(word, "=");
    char *name = must_have(strndup(word, len));
    const char *value = variable_get(name);
    if (shell.traces)
        fprintf(stderr, "+ %s=%s\n", name, value == NULL ? "" : value);
    free(name);
}

// With the words as the text that people see.
static struct job *create_job(const struct fields *fields) {
    struct text text = {0};
    for (u32 i = 0; i < fields->count; i++) {
        if (i != 0)
            text_add_char(&text, ' ');
        text_add_string(&text, fields->at[i]);
    }
    struct job *job = job_create(text_of(&text), text.len);
    text_free(&text);
    return job;
}

int run_command(struct fields *fields, bool replaces) {
    kwast_handle child;
    struct job *job = create_job(fields);
    int status = start_program(fields, &child);
    bool failed = status != 0;
    if (!failed)
        job_add(job, child, fields->at[0]);
    if (!failed && replaces)
        traps_forget();
    int result = job_wait(job, !failed);
    status = failed ? status : result;
    // Who types should not lose the shell by a slip.
    if (replaces && !(failed && shell.is_interactive)) {
        shell.flow = FLOW_EXIT;
        shell.status = status;
    }
    return status;
}

static int dispatch(const struct node *node, struct fields *fields) {
    struct function *function = function_find(fields->at[0]);
    builtin command = builtin_find(fields->at[0]);
    u32 mark = variables_mark();
    bool stay = function == NULL && builtin_is_special(fields->at[0]);
    bool exports = !stay || strcmp(fields->at[0], "exec") == 0;
    int status = STATUS_MISUSE;
    if (!assign_for_command(node->assignments, stay, exports))
        status = 1;
    else if (function != NULL)
        status = function_call(function, fields);
    else if (command != NULL && builtin_tells(fields->count, fields->at))
        status = 0;
    else if (command != NULL)
        status = command(fields->count, fields->at);
    else
        status = run_command(fields, false);
    // `local` itself is a command that hides variables.
    if (command == NULL || function != NULL || (node->assignments != NULL && !stay))
        variables_restore(mark);
    return status;
}

static int execute_simple(const struct node *node) {
    struct fields fields;
    struct saved_streams saved;
    int before = shell.status;
    int status = 0;
    shell.line = node->line;
    if (!expand_words(node->words, &fields))
        return 1;
    trace(&fields);
    if (!streams_redirect(node->redirections, &saved)) {
        fields_free(&fields);
        return 1;
    }
    if (fields.count == 0) {
        shell.status = 0; // a substitution in what follows sets it
        for (const struct word *word = node->assignments; word != NULL; word = word->next) {
            status |= !assign(word->text);
            trace_assignment(word->text);
        }
        status = status != 0 ? 1 : shell.status;
        if (shell.flow == FLOW_NONE)
            shell.status = before;
    } else {
        status = dispatch(node, &fields);
        bool is_exec = strcmp(fields.at[0], "exec") == 0 && fields.count == 1;
        if (is_exec)
            streams_keep(&saved);
    }
    streams_restore(&saved);
    fields_free(&fields);
    return status;
}

// -- Pipelines and the background -----------------------------------------------------------------

static bool is_program(const struct node *node, struct fields *fields) {
    if (node->type != NODE_COMMAND || node->assignments != NULL || node->words == NULL)
        return false;
    if (!expand_words(node->words, fields))
        return false;
    if (fields->count != 0 && function_find(fields->at[0]) == NULL &&
        builtin_find(fields->at[0]) == NULL)
        return true;
    fields_free(fields);
    return false;
}

// Starts what a subshell does; ( ... ) is what one subshell does, and needs no other one around it.
static int start_compound(const struct node *node, struct job *job) {
    struct saved_streams saved;
    kwast_handle child;
    bool is_subshell = node->type == NODE_SUBSHELL;
    if (is_subshell && !streams_redirect(node->redirections, &saved))
        return 1;
    bool done = start_node(is_subshell ? node->a : node, &child);
    if (is_subshell)
        streams_restore(&saved);
    if (!done)
        return STATUS_CANNOT_RUN;
    return job_add(job, child, SELF) ? 0 : 1;
}

// Starts one command of a pipeline, with its streams in place, and adds it to the job.
static int start_part(const struct node *node, struct job *job) {
    struct fields fields;
    struct saved_streams saved;
    kwast_handle child;
    int status;
    if (!is_program(node, &fields))
        return start_compound(node, job);
    trace(&fields);
    status = streams_redirect(node->redirections, &saved) ? 0 : 1;
    if (status == 0) {
        status = start_program(&fields, &child);
        streams_restore(&saved);
    }
    if (status == 0 && !job_add(job, child, fields.at[0]))
        status = 1;
    fields_free(&fields);
    return status;
}

// Starts all of them, each reading what the one before writes. The status of one that was not
// started is that of the pipeline if it is the last.
static int start_parts(const struct node *pipeline, struct job *job) {
    int status = 0;
    int input = -1;
    for (const struct node *part = pipeline->a; part != NULL; part = part->next) {
        struct saved_streams saved;
        int ends[2] = {-1, -1};
        if (part->next != NULL && !pipe_create(ends)) {
            status = 1;
            break;
        }
        streams_init(&saved);
        if (input >= 0)
            streams_replace(0, input, &saved);
        if (ends[1] >= 0)
            streams_replace(1, ends[1], &saved);
        status = start_part(part, job);
        streams_restore(&saved);
        input = ends[0];
    }
    if (input >= 0)
        close(input);
    return status;
}

static int execute_pipeline(struct node *node) {
    int status;
    if (node->is_negated)
        shell.condition_depth++;
    if (node->a->next == NULL) {
        status = execute(node->a);
    } else {
        struct job *job = job_create(node->source, node->source_len);
        int failed = start_parts(node, job);
        status = job_wait(job, true);
        status = failed != 0 ? failed : status;
    }
    if (!node->is_negated)
        return status;
    shell.condition_depth--;
    return status == 0;
}

static int execute_background(const struct node *node) {
    usize len = node->source_len;
    while (len != 0 && strchr(" \t&", node->source[len - 1]) != NULL)
        len--;
    struct job *job = job_create(node->source, len);
    const struct node *command = node->a;
    kwast_handle child;
    int status = 0;
    if (command->type == NODE_PIPELINE && !command->is_negated) {
        status = start_parts(command, job);
    } else {
        status = start_node(command, &child) ? 0 : STATUS_CANNOT_RUN;
        if (status == 0)
            job_add(job, child, SELF);
    }
    job_to_background(job);
    return status;
}

// -- Compound commands ----------------------------------------------------------------------------

static int condition(struct node *node) {
    shell.condition_depth++;
    int status = execute(node);
    shell.condition_depth--;
    return status;
}

// After a turn of a loop: whether to leave it.
static bool leaves_loop(void) {
    is_interrupted();
    traps_run();
    if (shell.flow != FLOW_BREAK && shell.flow != FLOW_CONTINUE)
        return shell.flow != FLOW_NONE;
    if (shell.flow_count > 1) { // it is meant for a loop around this one
        shell.flow_count--;
        return true;
    }
    bool leaves = shell.flow == FLOW_BREAK;
    shell.flow = FLOW_NONE;
    return leaves;
}

static int execute_while(const struct node *node) {
    int status = 0;
    for (;;) {
        int result = condition(node->a);
        if (leaves_loop() || (result == 0) != (node->type == NODE_WHILE))
            return status;
        status = execute(node->b);
        if (leaves_loop())
            return status;
    }
}

static int execute_for(const struct node *node) {
    struct fields fields = {0};
    int status = 0;
    if (node->has_in && !expand_words(node->words, &fields))
        return 1;
    char **values = node->has_in ? fields.at : shell.arguments;
    u32 count = node->has_in ? fields.count : shell.argument_count;
    for (u32 i = 0; i < count; i++) {
        if (!variable_set(node->name, values[i])) {
            status = 1;
            break;
        }
        status = execute(node->a);
        if (leaves_loop())
            break;
    }
    fields_free(&fields);
    return status;
}

static bool matches(const struct word *patterns, const char *subject) {
    for (; patterns != NULL; patterns = patterns->next) {
        char *pattern;
        if (!expand_pattern(patterns->text, &pattern))
            return false;
        bool found = fnmatch(pattern, subject, 0) == 0;
        free(pattern);
        if (found)
            return true;
    }
    return false;
}

static int execute_case(const struct node *node) {
    char *subject;
    int status = 0;
    if (!expand_one(node->name, &subject))
        return 1;
    for (const struct node *item = node->a; item != NULL; item = item->next) {
        if (matches(item->words, subject)) {
            status = item->a == NULL ? 0 : execute(item->a);
            break;
        }
    }
    free(subject);
    return status;
}

static int execute_subshell(const struct node *node) {
    kwast_handle child;
    struct job *job = job_create(node->source, node->source_len);
    if (!start_node(node->a, &child)) {
        job_wait(job, false);
        return STATUS_CANNOT_RUN;
    }
    job_add(job, child, SELF);
    return job_wait(job, true);
}

static int execute_compound(struct node *node) {
    switch (node->type) {
    case NODE_IF:
        if (condition(node->a) == 0)
            return shell.flow == FLOW_NONE ? execute(node->b) : shell.status;
        if (shell.flow != FLOW_NONE)
            return shell.status;
        return node->c == NULL ? 0 : execute(node->c);
    case NODE_WHILE:
    case NODE_UNTIL:
        return execute_while(node);
    case NODE_FOR:
        return execute_for(node);
    case NODE_CASE:
        return execute_case(node);
    case NODE_SUBSHELL:
        return execute_subshell(node);
    default:
        return execute(node->a);
    }
}

static int execute_redirected(struct node *node) {
    struct saved_streams saved;
    if (!streams_redirect(node->redirections, &saved))
        return 1;
    int status = execute_compound(node);
    streams_restore(&saved);
    return status;
}

static int execute_and_or(struct node *node) {
    int status = condition(node->a);
    bool wants_zero = node->type == NODE_AND;
    if (shell.flow != FLOW_NONE || (status == 0) != wants_zero)
        return status;
    shell.status = status;
    return execute(node->b);
}

int execute(struct node *node) {
    int status;
    if (node == NULL || shell.flow != FLOW_NONE)
        return shell.status;
    switch (node->type) {
    case NODE_COMMAND:
        status = execute_simple(node);
        break;
    case NODE_PIPELINE:
        status = execute_pipeline(node);
        break;
    case NODE_AND:
    case NODE_OR:
        status = execute_and_or(node);
        break;
    case NODE_SEQUENCE:
        execute(node->a);
        return execute(node->b);
    case NODE_BACKGROUND:
        status = execute_background(node);
        break;
    case NODE_FUNCTION:
        status = function_define(node);
        break;
    default:
        status = execute_redirected(node);
    }
    if (shell.flow == FLOW_NONE || shell.flow == FLOW_BREAK || shell.flow == FLOW_CONTINUE)
        shell.status = status;
    bool is_plain = node->type == NODE_COMMAND || node->type == NODE_SUBSHELL ||
                    (node->type == NODE_PIPELINE && !node->is_negated && node->a->next != NULL);
    if (shell.exits_on_error && is_plain && status != 0 && shell.condition_depth == 0 &&
        shell.flow == FLOW_NONE)
        shell.flow = FLOW_EXIT;
    if (is_plain && shell.flow == FLOW_NONE)
        traps_run();
    return shell.status;
}

// -- Texts ----------------------------------------------------------------------------------------

int execute_text(const char *text, u32 line) {
    struct parser parser;
    struct arena arena = {NULL};
    struct node *node;
    char *own = NULL;
    int status = 0;
    parser_init(&parser, &arena, text);
    parser.line = line;
    parser.alias = alias_find;
    while (shell.flow == FLOW_NONE) {
        enum syntax_result result = parse_command(&parser, &node);
        if (result == SYNTAX_END)
            break;
        if (result != SYNTAX_OK) {
            shell.line = parser.line;
            say("%s", parser.error);
            shell.status = status = STATUS_MISUSE;
            break;
        }
        status = execute(node);
        if (parser.text != text) { // an alias has changed it, and it goes with the arena
            char *rest = must_have(strdup(parser.text + parser.at));
            free(own);
            parser.text = text = own = rest;
            parser.at = 0;
        }
        arena_free(&arena);
    }
    arena_free(&arena);
    free(own);
    return status;
}

int execute_file(const char *path) {
    struct text text = {0};
    char buffer[4096];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        fprintf(stderr, "sh: %s: %s\n", path, strerror(errno));
        return STATUS_NOT_FOUND;
    }
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
        text_add(&text, buffer, (usize)got);
    close(fd);
    const char *file = shell.file;
    u32 line = shell.line;
    shell.file = path;
    int status = execute_text(text_of(&text), 1);
    shell.file = file;
    shell.line = line;
    text_free(&text);
    return status;
}
