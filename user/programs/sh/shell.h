#pragma once
// What the parts of the shell share: variables, functions, jobs, and how a command comes to run.
//
// There is no fork. A simple command is another program, or one of the shell's own, or a function.
// A subshell (in brackets, in a pipeline, in the background, in a substitution) is another shell,
// which is told by its arguments what this one knows: starting a process is cheap here.

#include "user/programs/sh/syntax.h"
#include "user/sdk/kwast.h"

#define STATUS_MISUSE      2
#define STATUS_CANNOT_RUN  126
#define STATUS_NOT_FOUND   127
#define STATUS_INTERRUPTED 130
#define STATUS_TRAPPED     134
#define STATUS_SIGNALLED   128 // and its number
#define STATUS_STOPPED     148

// -- Variables (variables.c) ----------------------------------------------------------------------

const char *variable_get(const char *name);             // NULL: unset
bool variable_set(const char *name, const char *value); // false: read-only, which has been said
void variable_unset(const char *name);
void variable_export(const char *name);
void variable_protect(const char *name);
bool variable_is_protected(const char *name);

// NAME=VALUE of the ones that are exported, or NAME='VALUE' of all, one by one.
void variables_each(void (*visit)(const char *name, const char *value, bool is_exported,
                                  void *context),
                    void *context);

// `local`: gets its former value back at the end of the function.
u32 variables_mark(void);
void variables_restore(u32 mark);
void variable_local(const char *name);

// -- Words (expand.c) -----------------------------------------------------------------------------

struct fields {
    char **at; // NULL-terminated
    u32 count;
    u32 size;
};
void fields_add(struct fields *fields, char *field); // takes it over
void fields_free(struct fields *fields);

// False: an error, which has been said.
bool expand_words(const struct word *words, struct fields *out);
bool expand_one(const char *word, char **out);     // to one field, which is the caller's
bool expand_value(const char *word, char **out);   // the same, of NAME=WORD
bool expand_pattern(const char *word, char **out); // the same; what was quoted is escaped
bool expand_body(const char *body, char **out);    // of a text (<<)
bool arithmetic(const char *expression, i64 *out); // arithmetic.c

// -- State ----------------------------------------------------------------------------------------

enum flow { FLOW_NONE, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN, FLOW_INTERRUPT, FLOW_EXIT };

struct shell {
    const char *name; // $0
    char **arguments; // $1 and so on, NULL-terminated
    u32 argument_count;
    int status;       // $?
    u32 number;       // $$
    u32 last_process; // $!
    enum flow flow;   // why commands are left
    u32 flow_count;   // of loops
    bool is_interactive;
    bool exits_on_error;    // set -e
    bool traces;            // set -x
    bool checks_unset;      // set -u
    bool has_no_globs;      // set -f
    bool keeps_files;       // set -C
    u32 line_count;         // that were typed
    u32 line;               // of the command that is executed
    const char *file;       // that it is in; NULL: what is called `name`
    u32 condition_depth;    // in the condition of if, while, && ...: set -e does not apply
    u64 memory_limit;       // of what is started, in KiB; 0: the shell's own
    u32 handle_limit;       // likewise
    kwast_handle pipes;     // of the service; KWAST_NO_HANDLE: there is none
    kwast_handle init;      // of init; likewise
    kwast_handle terminal;  // likewise
    kwast_handle processes; // the table of all; likewise
};
extern struct shell shell;

void PRINTF_LIKE(1, 2) say(const char *format, ...); // "sh: ..." on standard error

// -- Executing (execute.c) ------------------------------------------------------------------------

int execute(struct node *node);
// Commands, as `eval` does; the first line has this number.
int execute_text(const char *text, u32 line);
int execute_file(const char *path); // as `.` does

// The output of a command, without newlines at its end; the caller's.
bool substitute_command(const char *text, char **out);

// Runs a program that is none of the shell's own; does not return when `replaces`.
int run_command(struct fields *fields, bool replaces);

// Where a program is: the caller's; NULL: nowhere.
char *find_program(const char *name);

// -- Functions (functions.c) ----------------------------------------------------------------------

struct function {
    struct function *next;
    char *name;
    struct arena arena;
    char *source;
    struct node *body;
    u32 uses; // how many times it runs at the moment
    bool is_gone;
};
struct function *function_find(const char *name);
void functions_each(void (*visit)(const struct function *function, void *context), void *context);
void function_remove(const char *name);
int function_define(const struct node *node);
int function_call(struct function *function, const struct fields *fields);

// -- Streams (streams.c) --------------------------------------------------------------------------

#define STREAMS_MAX 10u

// Descriptors as they were before a redirection.
struct saved_streams {
    int fd[STREAMS_MAX]; // -2: it was not changed, -1: it was closed
};

void streams_init(struct saved_streams *saved); // nothing was changed
int stream_of(u32 fd);                          // what is behind it; -1: nothing
void streams_take(void);                        // what we were given above 2

bool streams_redirect(const struct redirection *redirections, struct saved_streams *saved);
bool streams_replace(u32 fd, int with, struct saved_streams *saved); // `with` is taken over
void streams_restore(struct saved_streams *saved);
void streams_keep(struct saved_streams *saved); // for good: `exec`
bool pipe_create(int ends[2]);

// -- Jobs (jobs.c) --------------------------------------------------------------------------------

struct job {
    struct job *next;
    struct job *outer; // that was being started when this one was created
    u32 number;
    char *text;
    kwast_handle processes[16];
    u32 ids[16];
    const char *names[16];
    u32 count;
    kwast_handle input; // the terminal, as this job's own channel to it; KWAST_NO_HANDLE: none
    u64 input_name;     // what the terminal calls that
    bool was_stopped;   // in the foreground, and the terminal's mode was this then:
    u64 mode;
};

// Waits for all of it, in the foreground; the status of the last. Frees it. One that was stopped
// goes on. If it is stopped there, it is kept as a job, and the rest of the line is left.
int job_wait(struct job *job, bool in_foreground);
// A job to be: what is started until the next one gets the terminal through it.
struct job *job_create(const char *text, usize len);
kwast_handle job_input(void); // what that is for the job created last; KWAST_NO_HANDLE: as it is
bool job_add(struct job *job, kwast_handle process, const char *name);
void job_to_background(struct job *job);

// What is typed is for the shell from now on.
void terminal_take(void);

// Whether Ctrl-C was pressed since this was asked last, at a terminal.
bool interrupt_take(void);

// Whether what the shell is doing is to end for a Ctrl-C or a trap: then the status is set, and for
// a Ctrl-C that no trap takes the flow, too.
bool is_interrupted(void);

// Jobs in the background by name: "%3", "%" or "%%" for the last, or a process's number.
struct job *job_take(const char *name); // out of the list

// What `kill` does; 0 only asks whether it is there.
u32 process_signal(kwast_handle process, u32 signal, bool tree); // an error number
bool job_signal(const char *name, u32 signal);                   // with all that it has started

// Waits for one in the background; interactively until Ctrl-C at most, or until it stands still.
int job_await(const char *name);
const char *job_any_running(void); // its name; NULL: there is none

bool job_resume(const char *name); // in the background; "": the last that stands still

void jobs_report(bool all); // those that have ended, or all
void jobs_end(void);        // those that stand still

// Whether the shell may end; said the first time that it may not, for jobs stand still.
bool jobs_let_go(void);

// -- The shell's own commands (builtins.c) --------------------------------------------------------

typedef int (*builtin)(u32 count, char **arguments);
builtin builtin_find(const char *name);

// Whether assignments before it stay, as POSIX has it of those that change the shell itself.
bool builtin_is_special(const char *name);

// Whether `NAME --help` was asked of one that has no other use for it: then its usage was printed.
bool builtin_tells(u32 count, char **arguments);

// words.c: what reads and writes
int run_echo(u32 count, char **arguments);
int run_printf(u32 count, char **arguments);
int run_read(u32 count, char **arguments);

// aliases.c
const char *alias_find(const char *name);
int run_alias(u32 count, char **arguments);
int run_unalias(u32 count, char **arguments);

// options.c: set and getopts
bool option_set(char letter, bool on); // false: there is none
void options_letters(char out[8]);
int run_set(u32 count, char **arguments);
int run_ulimit(u32 count, char **arguments);
int run_getopts(u32 count, char **arguments);

// -- Signals (traps.c) ----------------------------------------------------------------------------

#define SIGNAL_HANGUP     1u
#define SIGNAL_KILL       9u
#define SIGNAL_TERM       15u
#define SIGNAL_CONTINUE   18u
#define SIGNAL_STOP       19u
#define SIGNAL_STOP_KEY   20u
#define SIGNAL_STOP_READ  21u
#define SIGNAL_STOP_WRITE 22u

bool signal_find(const char *name, u32 *out); // by name or number, 0 being EXIT's; false: none
void signals_print(void);

// At the start: what is ignored stays so, but can be changed by a subshell. Sets $$ and $PPID.
void traps_begin(bool is_subshell);
bool traps_are_set(void);        // so one has to look for signals while one waits
u32 trap_came(void);             // one that waits for its action; 0: none
bool trap_takes_interrupt(void); // after a Ctrl-C: whether it is for a trap, which then waits
void traps_run(void);            // those that wait
void trap_run_exit(void);
int trap_exit_status(void); // of `exit` without a word
void traps_forget(void);    // another program takes our place
int run_trap(u32 count, char **arguments);

const char *builtin_name(u32 index); // NULL: no more

// edit.c
void history_each(void (*visit)(u32 number, const char *line));
void history_read(void); // of earlier shells

// -- Typing (edit.c) ------------------------------------------------------------------------------

// A line typed at the terminal, with its newline; the caller's. NULL: the end. An empty line with
// *interrupted: Ctrl-C.
char *edit_line(const char *prompt, bool *interrupted);
