// Threads of scripts: real ones. Each has a runner with names and a store of its own; of its
// starter's modules it sees one, whose shared memory they have in common. The starter's store is
// there for as long as the thread is, because it ends when it is waited for, or with the script.

#include "tests/spec/runner_internal.h"

#include "engine/api/host.h"

static void worker_main(void *argument, struct thread_block *block) {
    struct runner *r = argument;
    r->thread = block;
    if (run_commands(r) == ERR_MALFORMED || (r->at != r->end))
        r->broken = true;
    end_workers(r);
}

static void worker_free(struct runner *child) {
    while (child->notes != NULL) {
        struct note *note = child->notes;
        child->notes = note->next;
        host_free(note, sizeof *note);
    }
    script_close(child);
    host_free(child, sizeof *child);
}

static struct runner *worker_create(struct runner *r, struct bytes shared, struct bytes commands) {
    struct runner *child = host_alloc(sizeof *child);
    if (child == NULL)
        return NULL;
    child->engine = r->engine;
    child->host = r->host;
    child->funcs = r->funcs;
    child->script = r->script;
    child->features = r->all_features; // nothing that it says is lifted
    child->all_features = r->all_features;
    child->is_worker = true;
    child->at = commands.data;
    child->end = commands.data + commands.len;
    if (script_open(child) != OK) {
        worker_free(child);
        return NULL;
    }
    const struct target *target = shared.len != 0 ? find_name(r, shared, false) : NULL;
    if (target != NULL)
        add_name(child, shared, false, *target);
    return child;
}

void do_thread(struct runner *r) {
    struct bytes name = read_text(r);
    struct bytes shared = read_text(r);
    struct bytes commands = read_text(r);
    if (r->broken)
        return;
    struct worker *worker = host_alloc(sizeof *worker);
    struct runner *child = worker_create(r, shared, commands);
    void *thread;
    if (worker == NULL || child == NULL ||
        r->host->thread_start(r->host->context, worker_main, child, &thread) != OK) {
        fail(r, "the thread could not be started");
        host_free(worker, sizeof *worker);
        if (child != NULL)
            worker_free(child);
        return;
    }
    *worker = (struct worker){name, thread, child, r->workers};
    r->workers = worker;
}

// The oldest note first.
static void take_notes(struct runner *r, struct runner *child) {
    struct note *oldest = NULL;
    while (child->notes != NULL) {
        struct note *note = child->notes;
        child->notes = note->next;
        note->next = oldest;
        oldest = note;
    }
    if (!r->is_worker) {
        for (const struct note *note = oldest; note != NULL; note = note->next)
            r->host->event(r->host->context, &note->event);
        child->notes = oldest;
        return;
    }
    while (oldest != NULL) {
        struct note *note = oldest;
        oldest = note->next;
        note->next = r->notes;
        r->notes = note;
    }
}

// Waits for the worker at `*link` and frees it.
static void end_worker(struct runner *r, struct worker **link) {
    struct worker *worker = *link;
    *link = worker->next;
    r->host->thread_join(r->host->context, worker->thread);
    spec_counts_add(&r->counts, &worker->runner->counts);
    r->broken |= worker->runner->broken;
    take_notes(r, worker->runner);
    worker_free(worker->runner);
    host_free(worker, sizeof *worker);
}

void do_wait(struct runner *r) {
    struct bytes name = read_text(r);
    struct worker **link = &r->workers;
    while (*link != NULL && !bytes_equal((*link)->name, name))
        link = &(*link)->next;
    if (*link == NULL)
        fail(r, "no thread \"%.*s\"", (int)name.len, (const char *)name.data);
    else
        end_worker(r, link);
}

void end_workers(struct runner *r) {
    while (r->workers != NULL)
        end_worker(r, &r->workers);
}
