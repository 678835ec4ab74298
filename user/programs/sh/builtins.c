// The shell's own commands: those that change the shell itself, and small ones that are used so
// often that starting a program for them would be a pity.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/kwast/init.h"
#include "user/programs/sh/shell.h"
#include "user/programs/sh/test.h"

#define PROCESSES_PATH "/kernel/processes"

static int number(const char *text, int otherwise) {
    char *end;
    long value = strtol(text, &end, 10);
    return *end == 0 && end != text ? (int)value : otherwise;
}

// -- Leaving --------------------------------------------------------------------------------------

static int run_exit(u32 count, char **arguments) {
    if (!jobs_let_go())
        return 1;
    shell.status = count > 1 ? number(arguments[1], STATUS_MISUSE) & 0xff : trap_exit_status();
    shell.flow = FLOW_EXIT;
    return shell.status;
}

static int run_return(u32 count, char **arguments) {
    shell.status = count > 1 ? number(arguments[1], STATUS_MISUSE) & 0xff : shell.status;
    shell.flow = FLOW_RETURN;
    return shell.status;
}

static int leave_loops(u32 count, char **arguments, enum flow flow) {
    int loops = count > 1 ? number(arguments[1], 0) : 1;
    if (loops < 1) {
        say("%s: how many loops?", arguments[0]);
        return STATUS_MISUSE;
    }
    shell.flow = flow;
    shell.flow_count = (u32)loops;
    return 0;
}

static int run_break(u32 count, char **arguments) {
    return leave_loops(count, arguments, FLOW_BREAK);
}

static int run_continue(u32 count, char **arguments) {
    return leave_loops(count, arguments, FLOW_CONTINUE);
}

static int run_poweroff(u32 count, char **arguments) {
    struct kwast_call call = {.operation = INIT_POWER_OFF};
    (void)count;
    if (shell.init == KWAST_NO_HANDLE) {
        say("%s: there is no init to ask", arguments[0]);
        return 1;
    }
    fflush(NULL);
    return kwast_scheme_call(shell.init, &call, -1) == 0 ? 0 : 1;
}

// -- Directories ----------------------------------------------------------------------------------

// `path` seen from `base`, without ".", ".." and double slashes.
static char *absolute(const char *base, const char *path) {
    struct text joined = {0};
    struct text out = {0};
    if (path[0] != '/') {
        text_add_string(&joined, base);
        text_add_char(&joined, '/');
    }
    text_add_string(&joined, path);
    for (char *rest = text_of(&joined), *name; (name = strtok_r(rest, "/", &rest)) != NULL;) {
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") != 0) {
            text_add_char(&out, '/');
            text_add_string(&out, name);
            continue;
        }
        char *slash = strrchr(text_of(&out), '/');
        out.len = slash == NULL ? 0 : (usize)(slash - out.data);
        text_of(&out);
    }
    if (out.len == 0)
        text_add_char(&out, '/');
    text_free(&joined);
    return text_of(&out);
}

static int run_cd(u32 count, char **arguments) {
    const char *here = variable_get("PWD");
    const char *target = count > 1 ? arguments[1] : variable_get("HOME");
    bool goes_back = target != NULL && strcmp(target, "-") == 0;
    if (goes_back)
        target = variable_get("OLDPWD");
    if (target == NULL) {
        say("cd: %s is not set", goes_back ? "OLDPWD" : "HOME");
        return 1;
    }
    char *path = absolute(here == NULL ? "/" : here, target);
    int status = chdir(path) == 0 ? 0 : 1;
    if (status != 0) {
        say("cd: %s: %s", target, strerror(errno));
    } else {
        if (here != NULL)
            variable_set("OLDPWD", here);
        variable_set("PWD", path);
        variable_export("PWD");
        if (goes_back)
            puts(path);
    }
    free(path);
    return status;
}

static int run_pwd(u32 count, char **arguments) {
    (void)count;
    (void)arguments;
    const char *here = variable_get("PWD");
    puts(here == NULL ? "/" : here);
    return 0;
}

// -- Variables ------------------------------------------------------------------------------------

// NAME or NAME=VALUE; `apply` to each name.
static int declare(u32 count, char **arguments, void (*apply)(const char *name), bool before) {
    int status = 0;
    for (u32 i = 1; i < count; i++) {
        usize len = strcspn(arguments[i], "=");
        char *name = must_have(strndup(arguments[i], len));
        if (!is_name(name, len)) {
            say("%s: '%s' is no name", arguments[0], arguments[i]);
            status = 1;
        } else {
            if (before)
                apply(name);
            if (arguments[i][len] == '=' && !variable_set(name, arguments[i] + len + 1))
                status = 1;
            if (!before)
                apply(name);
        }
        free(name);
    }
    return status;
}

static void print_exported(const char *name, const char *value, bool is_exported, void *context) {
    struct text text = {0};
    (void)context;
    if (!is_exported)
        return;
    text_add_quoted(&text, value);
    printf("export %s=%s\n", name, text_of(&text));
    text_free(&text);
}

static void print_protected(const char *name, const char *value, bool is_exported, void *context) {
    struct text text = {0};
    (void)is_exported;
    (void)context;
    if (!variable_is_protected(name))
        return;
    text_add_quoted(&text, value);
    printf("readonly %s=%s\n", name, text_of(&text));
    text_free(&text);
}

static int run_export(u32 count, char **arguments) {
    bool lists = count == 1 || strcmp(arguments[1], "-p") == 0;
    if (lists)
        variables_each(print_exported, NULL);
    return lists ? 0 : declare(count, arguments, variable_export, true);
}

static int run_readonly(u32 count, char **arguments) {
    bool lists = count == 1 || strcmp(arguments[1], "-p") == 0;
    if (lists)
        variables_each(print_protected, NULL);
    return lists ? 0 : declare(count, arguments, variable_protect, false);
}

static int run_local(u32 count, char **arguments) {
    return declare(count, arguments, variable_local, true);
}

static int run_unset(u32 count, char **arguments) {
    bool functions = count > 1 && strcmp(arguments[1], "-f") == 0;
    bool skips = functions || (count > 1 && strcmp(arguments[1], "-v") == 0);
    for (u32 i = 1 + skips; i < count; i++) {
        if (functions)
            function_remove(arguments[i]);
        else
            variable_unset(arguments[i]);
    }
    return 0;
}

static int run_shift(u32 count, char **arguments) {
    int by = count > 1 ? number(arguments[1], -1) : 1;
    if (by < 0 || (u32)by > shell.argument_count) {
        say("shift: there are only %u", shell.argument_count);
        return 1;
    }
    shell.arguments += by;
    shell.argument_count -= (u32)by;
    return 0;
}

// -- Commands -------------------------------------------------------------------------------------

static int run_eval(u32 count, char **arguments) {
    struct text text = {0};
    for (u32 i = 1; i < count; i++) {
        text_add_string(&text, arguments[i]);
        text_add_char(&text, i + 1 < count ? ' ' : '\n');
    }
    int status = execute_text(text_of(&text), shell.line);
    text_free(&text);
    return status;
}

static int run_dot(u32 count, char **arguments) {
    if (count < 2) {
        say("usage: . FILE");
        return STATUS_MISUSE;
    }
    int status = execute_file(arguments[1]);
    if (shell.flow == FLOW_RETURN)
        shell.flow = FLOW_NONE;
    return status;
}

static int run_exec(u32 count, char **arguments) {
    struct fields fields = {.at = arguments + 1, .count = count - 1};
    return count == 1 ? 0 : run_command(&fields, true);
}

// What a name is as a command; `tells`: in a sentence. False: nothing.
static bool tell_name(const char *name, bool tells) {
    if (is_reserved(name)) {
        printf(tells ? "%s is a word of the shell's grammar\n" : "%s\n", name);
        return true;
    }
    const char *alias = alias_find(name);
    bool is_function = function_find(name) != NULL;
    bool is_own = builtin_find(name) != NULL;
    char *path = alias != NULL || is_function || is_own ? NULL : find_program(name);
    if (alias != NULL)
        printf(tells ? "%s is an alias for %s\n" : "alias %s='%s'\n", name, alias);
    else if (is_function || is_own)
        printf("%s%s\n", name,
               !tells        ? ""
               : is_function ? " is a function"
                             : " is the shell's own");
    else if (path != NULL && tells)
        printf("%s is %s\n", name, path);
    else if (path != NULL)
        puts(path);
    bool found = alias != NULL || is_function || is_own || path != NULL;
    free(path);
    return found;
}

static int run_type(u32 count, char **arguments) {
    int status = 0;
    for (u32 i = 1; i < count; i++) {
        if (tell_name(arguments[i], true))
            continue;
        say("%s: not found", arguments[i]);
        status = STATUS_NOT_FOUND;
    }
    return status;
}

// command NAME ARGUMENTS: not a function; command -v or -V NAME: what it is.
static int run_own(u32 count, char **arguments) {
    if (count > 2 && strcmp(arguments[1], "-v") == 0)
        return tell_name(arguments[2], false) ? 0 : STATUS_NOT_FOUND;
    if (count > 2 && strcmp(arguments[1], "-V") == 0)
        return run_type(count - 1, arguments + 1);
    struct fields fields = {.at = arguments + 1, .count = count - 1};
    if (count < 2)
        return 0;
    builtin own = builtin_find(arguments[1]);
    return own != NULL ? own(count - 1, arguments + 1) : run_command(&fields, false);
}

// What a script asks to find a program; unlike `type` it tells of nothing else.
static int run_which(u32 count, char **arguments) {
    int status = 0;
    for (u32 i = 1; i < count; i++) {
        char *path = find_program(arguments[i]);
        if (path != NULL)
            puts(path);
        status |= path == NULL;
        free(path);
    }
    return status;
}

static int run_umask(u32 count, char **arguments) {
    char *end;
    if (count == 1) {
        puts("0022");
        return 0;
    }
    if (strtoul(arguments[1], &end, 8) == 022 && *end == 0)
        return 0;
    say("umask: %s: files are always rw-r--r-- here, which is 022", arguments[1]);
    return 1;
}

static int run_true(u32 count, char **arguments) {
    (void)count;
    (void)arguments;
    return 0;
}

static int run_false(u32 count, char **arguments) {
    (void)count;
    (void)arguments;
    return 1;
}

// -- Jobs -----------------------------------------------------------------------------------------

static int run_jobs(u32 count, char **arguments) {
    (void)count;
    (void)arguments;
    jobs_report(true);
    return 0;
}

static int run_wait(u32 count, char **arguments) {
    int status = 0;
    if (count == 1) {
        const char *name;
        while (shell.flow == FLOW_NONE && (name = job_any_running()) != NULL)
            job_await(name);
        return shell.flow == FLOW_NONE ? 0 : shell.status;
    }
    for (u32 i = 1; i < count && shell.flow == FLOW_NONE; i++)
        status = job_await(arguments[i]);
    return status;
}

static int run_fg(u32 count, char **arguments) {
    struct job *job = job_take(count > 1 ? arguments[1] : "%");
    if (job == NULL) {
        say("fg: there is no such job");
        return 1;
    }
    printf("%s\n", job->text);
    return job_wait(job, true);
}

static int run_bg(u32 count, char **arguments) {
    int status = 0;
    for (u32 i = 1; i < count || i == 1; i++) {
        if (job_resume(count > 1 ? arguments[i] : ""))
            continue;
        say("bg: there is no such job");
        status = 1;
    }
    return status;
}

// A process that is none of ours, by the table of all of them.
static u32 kill_process(const char *text, u32 signal) {
    char *end;
    kwast_handle process;
    unsigned long id = strtoul(text, &end, 10);
    if (*end != 0 || end == text)
        return __WASI_ERRNO_INVAL;
    if (shell.processes == KWAST_NO_HANDLE)
        return __WASI_ERRNO_NOTCAPABLE;
    u32 error = kwast_process_open(shell.processes, (u32)id, &process);
    if (error != 0)
        return error == __WASI_ERRNO_NOENT ? __WASI_ERRNO_SRCH : error;
    error = process_signal(process, signal, false);
    close((int)process);
    return error;
}

// The signal that words behind the name of `kill` or its like tell; *first is the word behind them.
// False: there is no such signal, which has been said.
static bool take_signal(u32 count, char **arguments, u32 *first, u32 *signal) {
    bool has_option = count > 1 && arguments[1][0] == '-';
    bool has_word = has_option && count > 2 && strcmp(arguments[1], "-s") == 0;
    const char *name = has_word ? arguments[2] : has_option ? arguments[1] + 1 : "TERM";
    *first = 1 + has_option + has_word;
    if (signal_find(name, signal))
        return true;
    say("%s: %s: there is no such signal ('kill -l' lists them)", arguments[0], name);
    return false;
}

// The last of so many columns, which may have spaces in it.
static const char *last_column(char *line, u32 columns) {
    for (u32 i = 0; i < columns; i++) {
        line += i == 0 ? 0 : strcspn(line, " ");
        line += strspn(line, " ");
    }
    line[strcspn(line, "\n")] = 0;
    return line;
}

// The numbers of the processes that are called so, as texts. False: nobody tells, which was said.
static bool processes_named(const char *name, bool is_part, struct fields *out) {
    FILE *file = fopen(PROCESSES_PATH, "r");
    char *line = NULL;
    size_t size = 0;
    u32 columns = 0;
    if (file == NULL) {
        say("%s: %s", PROCESSES_PATH, strerror(errno));
        return false;
    }
    // The first line names the columns: the number is the first, the name the last.
    if (getline(&line, &size, file) > 0) {
        for (char *rest = line; strtok_r(rest, " \n", &rest) != NULL;)
            columns++;
    }
    while (getline(&line, &size, file) > 0) {
        unsigned long number = strtoul(line, NULL, 10);
        const char *called = last_column(line, columns);
        bool fits = is_part ? strstr(called, name) != NULL : strcmp(called, name) == 0;
        char text[16];
        snprintf(text, sizeof text, "%lu", number);
        if (fits && number != shell.number)
            fields_add(out, must_have(strdup(text)));
    }
    free(line);
    fclose(file);
    return true;
}

static int run_kill(u32 count, char **arguments) {
    u32 signal;
    u32 first;
    int status = 0;
    if (count == 2 && strcmp(arguments[1], "-l") == 0) {
        signals_print();
        return 0;
    }
    if (!take_signal(count, arguments, &first, &signal))
        return STATUS_MISUSE;
    if (first >= count) {
        say("usage: kill [-l | -SIGNAL | -s SIGNAL] {%%JOB | PROCESS}...");
        return STATUS_MISUSE;
    }
    for (u32 i = first; i < count; i++) {
        if (job_signal(arguments[i], signal))
            continue;
        u32 error = kill_process(arguments[i], signal);
        if (error == 0)
            continue;
        say("kill: %s: %s", arguments[i], strerror((int)error));
        status = 1;
    }
    return status;
}

// The processes of these names, but for this shell; `killall` wants the whole name, `pkill` a part.
static int run_kill_names(u32 count, char **arguments) {
    bool is_part = strcmp(arguments[0], "pkill") == 0;
    u32 signal;
    u32 first;
    int status = 0;
    if (!take_signal(count, arguments, &first, &signal))
        return STATUS_MISUSE;
    if (first >= count) {
        say("usage: %s [-SIGNAL | -s SIGNAL] NAME...", arguments[0]);
        return STATUS_MISUSE;
    }
    for (u32 i = first; i < count; i++) {
        struct fields found = {.count = 0};
        if (!processes_named(arguments[i], is_part, &found))
            return 1;
        if (found.count == 0) {
            say("%s: %s: there is no such process", arguments[0], arguments[i]);
            status = 1;
        }
        for (u32 j = 0; j < found.count; j++) {
            u32 error = kill_process(found.at[j], signal);
            if (error == 0 || error == __WASI_ERRNO_SRCH) // it may end meanwhile
                continue;
            say("%s: %s: %s", arguments[0], found.at[j], strerror((int)error));
            status = 1;
        }
        fields_free(&found);
    }
    return status;
}

static void print_history(u32 index, const char *line) {
    printf("%5u  %s\n", index, line);
}

static int run_history(u32 count, char **arguments) {
    (void)count;
    (void)arguments;
    history_each(print_history);
    return 0;
}

// -- The table ------------------------------------------------------------------------------------

static int run_help(u32 count, char **arguments);

static const struct {
    const char *name;
    builtin run;
    const char *usage;
} commands[] = {
    {".", run_dot, "FILE: its commands, in this shell"},
    {":", run_true, "nothing"},
    {"[", test_run, "EXPRESSION ]: as test"},
    {"alias", run_alias, "[NAME[=VALUE]...]: a command's name for something else"},
    {"bg", run_bg, "[%JOB...]: lets one that stands still go on in the background"},
    {"break", run_break, "[N]: out of loops"},
    {"cd", run_cd, "[DIRECTORY | -]: go there"},
    {"command", run_own, "[-v] NAME [ARGUMENT...]: no function of that name; -v: what it is"},
    {"continue", run_continue, "[N]: the loop's next turn"},
    {"echo", run_echo, "[-n] [-e] [TEXT...]: -e: with \\n and so on"},
    {"eval", run_eval, "[TEXT...]: as commands"},
    {"exec", run_exec, "[COMMAND]: instead of this shell; only redirections: for all that follows"},
    {"exit", run_exit, "[STATUS]"},
    {"export", run_export, "[NAME[=VALUE]...]: programs get it"},
    {"false", run_false, "fails"},
    {"fg", run_fg, "[%JOB]: in the foreground: Ctrl-C ends it, Ctrl-Z stops it"},
    {"getopts", run_getopts, "OPTIONS NAME [ARGUMENT...]: the next option, as $NAME and $OPTARG"},
    {"help", run_help, "this"},
    {"history", run_history, "what was typed"},
    {"jobs", run_jobs, "what runs in the background, or stands still"},
    {"kill", run_kill,
     "[-l | -SIGNAL | -s SIGNAL] {%JOB | PROCESS}...: ends it (-KILL at once), or -STOP, -CONT; "
     "ps tells numbers"},
    {"killall", run_kill_names, "[-SIGNAL | -s SIGNAL] NAME...: all processes of that name"},
    {"local", run_local, "NAME[=VALUE]...: for this function"},
    {"pkill", run_kill_names, "[-SIGNAL | -s SIGNAL] TEXT...: all that have this in their name"},
    {"poweroff", run_poweroff, "stops the machine"},
    {"printf", run_printf, "FORMAT [ARGUMENT...]"},
    {"pwd", run_pwd, "where we are"},
    {"read", run_read, "[-r] [-p PROMPT] [NAME...]: a line, in words"},
    {"readonly", run_readonly, "NAME[=VALUE]..."},
    {"return", run_return, "[STATUS]: from a function, or from ."},
    {"set", run_set, "[-Cefux | +Cefux | -o NAME] [--] [ARGUMENT...]: options, and $1 and so on"},
    {"shift", run_shift, "[N]: $2 becomes $1"},
    {"test", test_run, "EXPRESSION: -f FILE, A = B, N -lt M, !, ( ), -a, -o and so on"},
    {"trap", run_trap, "[COMMANDS SIGNAL...]: what is done then; EXIT is the end, - as it was"},
    {"true", run_true, "succeeds"},
    {"type", run_type, "NAME...: what it is"},
    {"ulimit", run_ulimit, "[-a | -n [HANDLES] | -v [KIB]]: limits of what is started; unlimited"},
    {"umask", run_umask, "[022]: the modes that new files lack"},
    {"unalias", run_unalias, "NAME... | -a: no alias any more"},
    {"unset", run_unset, "[-f] NAME..."},
    {"wait", run_wait, "[%JOB...]: until they end"},
    {"which", run_which, "NAME...: where the program is"},
};

static int run_help(u32 count, char **arguments) {
    (void)count;
    (void)arguments;
    for (u32 i = 0; i < COUNT_OF(commands); i++)
        printf("  %-9s %s\n", commands[i].name, commands[i].usage);
    printf("Programs are found in the directories of PATH; most have --help.\n");
    return 0;
}

bool builtin_tells(u32 count, char **arguments) {
    static const char *const plain[] = {":", "[", "echo", "test", "false", "true"};
    if (count != 2 || strcmp(arguments[1], "--help") != 0)
        return false;
    for (u32 i = 0; i < COUNT_OF(plain); i++) {
        if (strcmp(plain[i], arguments[0]) == 0)
            return false;
    }
    for (u32 i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, arguments[0]) == 0)
            printf("usage: %s %s\n", commands[i].name, commands[i].usage);
    }
    return true;
}

builtin builtin_find(const char *name) {
    for (u32 i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run;
    }
    return NULL;
}

bool builtin_is_special(const char *name) {
    static const char *const names[] = {".",    ":",     "break",  "continue", "eval",
                                        "exec", "exit",  "export", "readonly", "return",
                                        "set",  "shift", "trap",   "unset"};
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

const char *builtin_name(u32 index) {
    return index < COUNT_OF(commands) ? commands[index].name : NULL;
}
