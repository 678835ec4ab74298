// Jobs: processes that were started together, and waiting for them. Those in the background are
// kept in a list until somebody asks for their end.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/terminal.h"
#include "user/programs/sh/shell.h"

static struct job *jobs; // in the background, the newest first
static u32 last_number;

struct job *job_create(const char *text, usize len) {
    struct job *job = must_have(calloc(1, sizeof *job));
    job->text = must_have(strndup(text, len));
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
    free(job->text);
    free(job);
}

// Tells the terminal whom Ctrl-C is for.
static void set_foreground(const struct job *job) {
    struct kwast_call call = {.operation = TERMINAL_SET_FOREGROUND};
    if (shell.terminal == KWAST_NO_HANDLE)
        return;
    if (job != NULL) {
        call.handles = (u32)(uptr)job->processes;
        call.handle_count = job->count < KWAST_HANDLES_MAX ? job->count : KWAST_HANDLES_MAX;
    }
    kwast_scheme_call(shell.terminal, &call, -1);
}

bool interrupt_take(void) {
    struct kwast_call call = {.operation = TERMINAL_TAKE_INTERRUPT};
    return shell.is_interactive && shell.terminal != KWAST_NO_HANDLE &&
           kwast_scheme_call(shell.terminal, &call, -1) == 0 && call.words[0] != 0;
}

static int status_of(const struct kwast_status *status, const char *name) {
    switch (status->outcome) {
    case KWAST_EXITED:
        return (int)(status->status & 0xff);
    case KWAST_TRAPPED:
        say("%s: trapped", name);
        return STATUS_TRAPPED;
    default:
        return STATUS_KILLED;
    }
}

int job_wait(struct job *job, bool in_foreground) {
    int result = 0;
    if (in_foreground)
        set_foreground(job);
    for (u32 i = 0; i < job->count; i++) {
        struct kwast_status status = {.outcome = KWAST_KILLED};
        kwast_process_wait(job->processes[i], -1, &status);
        result = status_of(&status, job->names[i]);
    }
    if (in_foreground)
        set_foreground(NULL);
    // Who presses Ctrl-C means the whole line, not one command of it.
    bool is_interrupt = in_foreground && shell.is_interactive && job->number == 0;
    if (is_interrupt && result == STATUS_KILLED) {
        result = shell.status = STATUS_INTERRUPTED;
        shell.flow = FLOW_INTERRUPT;
    }
    job_free(job);
    return result;
}

void job_to_background(struct job *job) {
    job->number = ++last_number;
    job->next = jobs;
    jobs = job;
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
    for (struct job **at = &jobs; *at != NULL; at = &(*at)->next) {
        if (is_last || (is_job ? (*at)->number == number : has_process(*at, number)))
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

static bool has_ended(const struct job *job) {
    struct kwast_status status;
    for (u32 i = 0; i < job->count; i++) {
        if (kwast_process_wait(job->processes[i], 0, &status) != 0)
            return false;
    }
    return true;
}

void jobs_report(bool all) {
    for (struct job **at = &jobs; *at != NULL;) {
        struct job *job = *at;
        bool ended = has_ended(job);
        if (ended || all)
            fprintf(all ? stdout : stderr, "[%u] %s  %s\n", job->number,
                    ended ? "done   " : "running", job->text);
        if (ended) {
            *at = job->next;
            job_free(job);
        } else {
            at = &job->next;
        }
    }
}

bool job_kill(const char *name) {
    struct job **at = find(name);
    for (u32 i = 0; at != NULL && i < (*at)->count; i++)
        kwast_process_kill_tree((*at)->processes[i]);
    return at != NULL;
}

bool jobs_any(void) {
    return jobs != NULL;
}
