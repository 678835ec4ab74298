// The payload that runs specification scripts in the kernel, which is linked with this file in
// place of kernel/init/payload.c, in ring 0 and as a Linux process. Each thread of the runner is a
// thread of the kernel, with a stack like that of a program and a thread block, and no process: its
// stores are the kernel's own.

#include "kernel/init/payload.h"

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/stream.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/proc/process.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"
#include "tests/spec/lines.h"
#include "tests/spec/runner.h"

#define STACK_BYTES     (1 * MIB)
#define STACK_COMMITTED (64 * KIB)

// -- Threads --------------------------------------------------------------------------------------

struct script_thread {
    struct thread_block block;
    void (*main)(void *argument, struct thread_block *block);
    void *argument;

    // Under `ended.lock`:
    struct wait_queue ended;
    bool has_ended;
};

static void thread_main(void *argument) {
    struct script_thread *self = argument;
    struct thread *thread = thread_current();
    self->block.owner = thread;
    thread_block_set_limit(&self->block, thread->stack);
    self->main(self->argument, &self->block);

    preempt_disable();
    thread->block = NULL;
    preempt_enable();
    wait_lock(&self->ended);
    self->has_ended = true;
    wake_all_locked(&self->ended);
    wait_unlock(&self->ended);
    thread_exit();
}

static enum status thread_begin(void *context,
                                void (*main)(void *argument, struct thread_block *block),
                                void *argument, void **out) {
    (void)context;
    struct script_thread *self = kmalloc(sizeof *self);
    if (self == NULL)
        return ERR_NO_MEMORY;
    *self = (struct script_thread){.main = main, .argument = argument};
    wait_queue_init(&self->ended);
    const struct thread_config config = {
        .name = "spec",
        .entry = thread_main,
        .argument = self,
        .stack_bytes = STACK_BYTES + PAGE_SIZE,
        .stack_committed = STACK_COMMITTED,
        .priority = PRIORITY_NORMAL,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    if (status != OK) {
        kfree(self, sizeof *self);
        return status;
    }
    thread->block = &self->block;
    thread_start(thread);
    *out = self;
    return OK;
}

static void thread_join(void *context, void *joined) {
    (void)context;
    struct script_thread *self = joined;
    enum status status = OK;
    wait_lock(&self->ended);
    while (!self->has_ended && status == OK)
        status = wait_locked(&self->ended, WAIT_FOREVER);
    wait_unlock(&self->ended);
    CHECK(status == OK); // nobody kills the kernel's own
    kfree(self, sizeof *self);
}

// -- What it says ---------------------------------------------------------------------------------

struct job {
    struct bytes blob;
    struct object *out;
    enum status status;
    struct spec_counts counts;
};

static void put_bytes(struct job *job, const char *text, usize len) {
    for (usize at = 0; at < len;) {
        usize written;
        if (object_write(job->out, 0, text + at, len - at, &written) != OK)
            return;
        at += written;
    }
}

static void put(struct job *job, const char *format, ...) PRINTF_LIKE(2, 3);

static void put(struct job *job, const char *format, ...) {
    char line[SPEC_LINE_BYTES];
    va_list args;
    va_start(args, format);
    usize len = fmt_string_va(line, sizeof line, format, args);
    va_end(args);
    put_bytes(job, line, min_u64(len, sizeof line - 1));
}

static void put_event(void *context, const struct spec_event *event) {
    put(context, SPEC_LINE_EVENT "\t%u\t%u\t%u\t%.*s\t%s\n", (u32)event->verdict,
        (u32)event->command, event->line, (int)event->script.len, (const char *)event->script.data,
        event->text);
}

static void put_script(void *context, struct bytes script, const struct spec_counts *counts) {
    char line[SPEC_LINE_BYTES];
    usize len = fmt_string(line, sizeof line, SPEC_LINE_SCRIPT "\t%.*s", (int)script.len,
                           (const char *)script.data);
    for (u32 verdict = 0; verdict < SPEC_VERDICT_COUNT; verdict++) {
        for (u32 i = 0; i < SCRIPT_COMMAND_COUNT && len < sizeof line; i++)
            len += fmt_string(line + len, sizeof line - len, "\t%u", counts->of[verdict][i]);
    }
    CHECK(len < sizeof line);
    put_bytes(context, line, len);
    put_bytes(context, "\n", 1);
}

// -- The payload ----------------------------------------------------------------------------------

static void job_main(void *argument, struct thread_block *block) {
    struct job *job = argument;
    struct spec_host host = {
        .context = job,
        .event = put_event,
        .script_end = put_script,
        .thread_start = thread_begin,
        .thread_join = thread_join,
    };
    job->status = spec_run(process_engine(), block, job->blob, &host, &job->counts);
}

bool payload_run(struct bytes script, u32 *exit_status) {
    static struct job job; // there is one run in the machine's life
    job.blob = script;
    job.out = link_is_up() ? link_stdout_stream() : console_stream();
    void *thread;
    enum status status = thread_begin(NULL, job_main, &job, &thread);
    if (status == OK) {
        thread_join(NULL, thread);
        status = job.status;
    }
    put(&job, SPEC_LINE_END "\t%s\n", status_text(status));
    bool passed = status == OK && spec_counts_sum(&job.counts).of[SPEC_FAILED] == 0;
    *exit_status = passed ? 0 : 1;
    return true;
}
