// Jobs: processes that were started together, and waiting for them. Those in the background are
// kept in a list until somebody asks for their end.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/terminal.h"
#include "user/programs/sh/shell.h"

#define LOOK_NS 50000000 // how often `wait` looks for Ctrl-C

static struct job *jobs;    // in the background, the newest first
static struct job *created; // that is being started
static u32 warned_at;       // the line at which it was said that jobs stand still

// -- The terminal ---------------------------------------------------------------------------------
// In the foreground is who Ctrl-C and Ctrl-Z are for, and who reads what is typed: an interactive
// shell says so. Each of its jobs has a channel to the terminal of its own, by which the terminal
// knows whose reads are to wait.

static bool has_terminal(void) {
    return shell.is_interactive && shell.terminal != KWAST_NO_HANDLE;
}

static bool ask_terminal(struct kwast_call *call) {
    return has_terminal() && kwast_scheme_call(shell.terminal, call, -1) == 0 && call->answer == 0;
}

// Only where the shell itself reads from the terminal.
static void take_input(struct job *job) {
    struct kwast_call call = {.operation = TERMINAL_ADD_CHANNEL};
    if (!isatty(0) || !ask_terminal(&call))
        return;
    job->input = call.handle;
    job->input_name = call.words[0];
}

kwast_handle job_input(void) {
    return created == NULL ? KWAST_NO_HANDLE : created->input;
}

// NULL: the shell itself.
static void set_foreground(const struct job *job) {
    struct kwast_call call = {.operation = TERMINAL_SET_FOREGROUND};
    if (job != NULL) {
        call.words[0] = job->input_name;
        call.handles = (u32)(uptr)job->processes;
        call.handle_count = job->count < KWAST_HANDLES_MAX ? job->count : KWAST_HANDLES_MAX;
    }
    ask_terminal(&call);
}

static u64 get_mode(void) {
    struct kwast_call call = {.operation = TERMINAL_GET_MODE};
    return ask_terminal(&call) ? call.words[0] : TERMINAL_COOKED;
}

static void set_mode(u64 mode) {
    struct kwast_call call = {.operation = TERMINAL_SET_MODE, .words = {mode}};
    ask_terminal(&call);
}

void terminal_take(void) {
    set_foreground(NULL);
}

bool interrupt_take(void) {
    struct kwast_call call = {.operation = TERMINAL_TAKE_INTERRUPT};
    return ask_terminal(&call) && call.words[0] != 0;
}

bool is_interrupted(void) {
    u32 signal = trap_came();
    if (interrupt_take() && !trap_takes_interrupt()) {
        shell.flow = FLOW_INTERRUPT;
        shell.status = STATUS_INTERRUPTED;
        return true;
    }
    signal = signal != 0 ? signal : trap_came();
    if (signal != 0)
        shell.status = (int)(STATUS_SIGNALLED + signal);
    return signal != 0;
}

// -- Jobs -----------------------------------------------------------------------------------------

struct job *job_create(const char *text, usize len) {
    struct job *job = must_have(calloc(1, sizeof *job));
    job->text = must_have(strndup(text, len));
    job->input = KWAST_NO_HANDLE;
    take_input(job);
    job->outer = created;
    created = job;
    return job;
}

bool job_add(struct job *job, kwast_handle process, const char *name) {
    if (job->count == COUNT_OF(job->processes)) {
        say("more than %zu commands in a pipeline", COUNT_OF(job->processes));
        kwast_process_kill(process);
        close((int)process);
        return false;
    }
    struct kwast_status status = {.id = 0};
    kwast_process_status(process, &status);
    job->ids[job->count] = status.id;
    job->names[job->count] = must_have(strdup(name));
    job->processes[job->count++] = process;
    return true;
}

static void job_free(struct job *job) {
    for (u32 i = 0; i < job->count; i++) {
        close((int)job->processes[i]);
        free((void *)(uptr)job->names[i]);
    }
    if (job->input != KWAST_NO_HANDLE)
        close((int)job->input);
    if (created == job)
        created = job->outer;
    free(job->text);
    free(job);
}

static int status_of(const struct kwast_status *status, const char *name) {
    switch (status->outcome) {
    case KWAST_EXITED:
        return (int)(status->status & 0xff);
    case KWAST_TRAPPED:
        say("%s: trapped", name);
        return STATUS_TRAPPED;
    default:
        return STATUS_SIGNALLED + (int)(status->status == 0 ? SIGNAL_KILL : status->status);
    }
}

static bool is_stopped(const struct job *job) {
    struct kwast_status status;
    for (u32 i = 0; i < job->count; i++) {
        if (kwast_process_status(job->processes[i], &status) == 0 &&
            status.outcome == KWAST_STOPPED)
            return true;
    }
    return false;
}

// The smallest number above those of all jobs; it is the newest now.
static void keep(struct job *job) {
    if (job->number == 0) {
        for (const struct job *other = jobs; other != NULL; other = other->next)
            job->number = other->number > job->number ? other->number : job->number;
        job->number++;
    }
    job->next = jobs;
    jobs = job;
    if (created == job)
        created = job->outer;
}

static void print_job(FILE *to, const struct job *job, const char *state) {
    char mark = job == jobs ? '+' : jobs != NULL && job == jobs->next ? '-' : ' ';
    fprintf(to, "[%u]%c %-8s %s\n", job->number, mark, state, job->text);
}

// It is the shell's turn again.
static int stopped_in_foreground(struct job *job) {
    job->mode = get_mode();
    job->was_stopped = true;
    set_mode(TERMINAL_COOKED);
    keep(job);
    fputc('\n', stderr);
    print_job(stderr, job, "Stopped");
    shell.flow = FLOW_INTERRUPT;
    return shell.status = STATUS_STOPPED;
}

u32 process_signal(kwast_handle process, u32 signal, bool tree) {
    switch (signal) {
    case 0:
        return 0;
    case SIGNAL_KILL:
        return tree ? kwast_process_kill_tree(process) : kwast_process_kill(process);
    case SIGNAL_CONTINUE:
        return kwast_process_continue(process, tree);
    case SIGNAL_STOP:
    case SIGNAL_STOP_KEY:
    case SIGNAL_STOP_READ:
    case SIGNAL_STOP_WRITE:
        return kwast_process_stop(process, tree);
    default:
        return kwast_process_note(process, signal, tree);
    }
}

static void signal_job(const struct job *job, u32 signal) {
    for (u32 i = 0; i < job->count; i++)
        process_signal(job->processes[i], signal, true);
}

// A Ctrl-Z from the moment on that it is in the foreground is not to be undone: so it goes on
// before.
static void bring_to_foreground(struct job *job) {
    if (job->was_stopped && job->mode != TERMINAL_COOKED)
        set_mode(job->mode);
    job->was_stopped = false;
    if (is_stopped(job))
        signal_job(job, SIGNAL_CONTINUE);
    set_foreground(job);
}

// Waits for the end of a process; in the foreground of a terminal also until it stands still.
static void wait_for(kwast_handle process, bool may_stop, struct kwast_status *status) {
    if (!may_stop || kwast_process_wait_change(process, KWAST_RUNNING, -1, status) != 0)
        kwast_process_wait(process, -1, status);
}

// The job's last process has ended so, in front of somebody who types.
static void note_end(const struct job *job, const struct kwast_status *status) {
    if (status->outcome != KWAST_KILLED)
        return;
    if (status->status != KWAST_NOTE_INTERRUPT) { // no key did that
        fprintf(stderr, status->status == SIGNAL_TERM ? "Terminated\n" : "Killed\n");
    } else if (job->number == 0 && !trap_takes_interrupt()) {
        shell.status = STATUS_INTERRUPTED; // the whole line is meant, not one command of it
        shell.flow = FLOW_INTERRUPT;
    }
}

int job_wait(struct job *job, bool in_foreground) {
    struct kwast_status status = {.outcome = KWAST_EXITED};
    int result = 0;
    bool is_stopped = false;
    bool may_stop = in_foreground && has_terminal();
    if (in_foreground)
        bring_to_foreground(job);
    for (u32 i = 0; i < job->count && !is_stopped; i++) {
        wait_for(job->processes[i], may_stop, &status);
        is_stopped = status.outcome == KWAST_STOPPED;
        result = is_stopped ? 0 : status_of(&status, job->names[i]);
    }
    if (in_foreground)
        set_foreground(NULL);
    if (is_stopped)
        return stopped_in_foreground(job);
    if (in_foreground && shell.is_interactive)
        note_end(job, &status);
    job_free(job);
    return result;
}

const char *job_any_running(void) {
    static char name[16];
    const struct job *job = jobs;
    while (job != NULL && is_stopped(job))
        job = job->next;
    if (job == NULL)
        return NULL;
    snprintf(name, sizeof name, "%%%u", job->number);
    return name;
}

void job_to_background(struct job *job) {
    keep(job);
    if (job->count != 0)
        shell.last_process = job->ids[job->count - 1];
    if (shell.is_interactive)
        fprintf(stderr, "[%u] %u\n", job->number, shell.last_process);
}

static bool has_process(const struct job *job, u32 id) {
    for (u32 i = 0; i < job->count; i++) {
        if (job->ids[i] == id)
            return true;
    }
    return false;
}

static struct job **find(const char *name) {
    bool is_job = name[0] == '%';
    u32 number = (u32)strtoul(name + is_job, NULL, 10);
    bool is_last = is_job && (name[1] == 0 || strcmp(name, "%%") == 0 || strcmp(name, "%+") == 0);
    bool is_second = strcmp(name, "%-") == 0;
    for (struct job **at = &jobs; *at != NULL; at = &(*at)->next) {
        if (is_second && *at == jobs)
            continue;
        if (is_last || is_second || (is_job ? (*at)->number == number : has_process(*at, number)))
            return at;
    }
    return NULL;
}

struct job *job_take(const char *name) {
    struct job **at = find(name);
    struct job *job = at == NULL ? NULL : *at;
    if (job != NULL)
        *at = job->next;
    return job;
}

int job_await(const char *name) {
    struct job **at = find(name);
    struct kwast_status status;
    if (at == NULL)
        return STATUS_NOT_FOUND;
    const struct job *job = *at;
    bool looks = shell.is_interactive || traps_are_set();
    for (u32 i = 0; looks && i < job->count; i++) {
        while (kwast_process_wait(job->processes[i], LOOK_NS, &status) == ETIMEDOUT) {
            if (shell.is_interactive && is_stopped(job)) {
                say("%s: it is stopped", job->text);
                return STATUS_STOPPED;
            }
            if (is_interrupted())
                return shell.status;
        }
    }
    return job_wait(job_take(name), false);
}

static bool has_ended(const struct job *job) {
    struct kwast_status status;
    for (u32 i = 0; i < job->count; i++) {
        if (kwast_process_wait(job->processes[i], 0, &status) != 0)
            return false;
    }
    return true;
}

// How the last of its processes has ended.
static const char *end_of(const struct job *job) {
    struct kwast_status status = {.outcome = KWAST_EXITED};
    if (job->count != 0)
        kwast_process_wait(job->processes[job->count - 1], 0, &status);
    bool is_asked = status.outcome == KWAST_KILLED && status.status == SIGNAL_TERM;
    return is_asked                          ? "Terminated"
           : status.outcome == KWAST_KILLED  ? "Killed"
           : status.outcome == KWAST_TRAPPED ? "Trapped"
           : status.status != 0              ? "Failed"
                                             : "Done";
}

void jobs_report(bool all) {
    for (struct job **at = &jobs; *at != NULL;) {
        struct job *job = *at;
        bool ended = has_ended(job);
        if (ended || all)
            print_job(all ? stdout : stderr, job,
                      ended             ? end_of(job)
                      : is_stopped(job) ? "Stopped"
                                        : "Running");
        if (ended) {
            *at = job->next;
            job_free(job);
        } else {
            at = &job->next;
        }
    }
}

bool job_signal(const char *name, u32 signal) {
    struct job **at = find(name);
    if (at != NULL)
        signal_job(*at, signal);
    return at != NULL;
}

bool job_resume(const char *name) {
    struct job **at = name[0] != 0 ? find(name) : &jobs;
    while (name[0] == 0 && *at != NULL && !is_stopped(*at))
        at = &(*at)->next;
    if (at == NULL || *at == NULL)
        return false;
    signal_job(*at, SIGNAL_CONTINUE);
    printf("[%u] %s &\n", (*at)->number, (*at)->text);
    return true;
}

void jobs_end(void) {
    for (const struct job *job = jobs; job != NULL; job = job->next) {
        if (is_stopped(job))
            signal_job(job, SIGNAL_KILL); // nobody could ever let it go on
    }
}

bool jobs_let_go(void) {
    const struct job *job = jobs;
    while (job != NULL && !is_stopped(job))
        job = job->next;
    if (job == NULL || !shell.is_interactive || warned_at + 1 == shell.line_count)
        return true;
    say("there are stopped jobs");
    warned_at = shell.line_count;
    return false;
}
