// The payload that runs specification scripts in ring 0: the kernel is linked with this file in
// place of kernel/init/payload.c. The runner gets a thread of its own, with a stack like that of a
// program and a thread block, and no process: its stores are the kernel's own.

#include "kernel/init/payload.h"

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/stream.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/proc/process.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"
#include "tests/spec/runner.h"

#define STACK_BYTES     (1 * MIB)
#define STACK_COMMITTED (64 * KIB)
#define LINE_BYTES      512u

struct job {
    struct bytes blob;
    struct object *out;
    struct thread_block block;
    enum status status;
    struct spec_counts counts;

    // Under `ended.lock`:
    struct wait_queue ended;
    bool has_ended;
};

static void put(struct job *job, const char *format, ...) PRINTF_LIKE(2, 3);

static void put(struct job *job, const char *format, ...) {
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    usize len = fmt_string_va(line, sizeof line, format, args);
    va_end(args);
    len = min_u64(len, sizeof line - 1);
    for (usize at = 0; at < len;) {
        usize written;
        if (object_write(job->out, 0, line + at, len - at, &written) != OK)
            return;
        at += written;
    }
}

static void put_failure(void *context, struct bytes script, u32 line, enum script_command command,
                        const char *text) {
    put(context, "%.*s:%u: %s: %s\n", (int)script.len, (const char *)script.data, line,
        spec_command_name(command), text);
}

static void put_sums(struct job *job, struct bytes name, const struct spec_counts *counts) {
    struct spec_sums sums = spec_counts_sum(counts);
    put(job, "%.*s: %u passed, %u failed, %u text only, %u refusals lifted by a later edition\n",
        (int)name.len, (const char *)name.data, sums.passed, sums.failed, sums.skipped,
        sums.lifted);
}

static void put_script(void *context, struct bytes script, const struct spec_counts *counts) {
    put_sums(context, script, counts);
}

static void job_main(void *argument) {
    struct job *job = argument;
    struct thread *thread = thread_current();
    job->block.owner = thread;
    thread_block_set_limit(&job->block, thread->stack);
    struct spec_sink sink = {.context = job, .failure = put_failure, .script_end = put_script};
    job->status = spec_run(process_engine(), &job->block, job->blob, &sink, &job->counts);

    preempt_disable();
    thread->block = NULL;
    preempt_enable();
    wait_lock(&job->ended);
    job->has_ended = true;
    wake_all_locked(&job->ended);
    wait_unlock(&job->ended);
    thread_exit();
}

static enum status run(struct job *job) {
    const struct thread_config config = {
        .name = "spec",
        .entry = job_main,
        .argument = job,
        .stack_bytes = STACK_BYTES + PAGE_SIZE,
        .stack_committed = STACK_COMMITTED,
        .priority = PRIORITY_NORMAL,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    if (status != OK)
        return status;
    thread->block = &job->block;
    thread_start(thread);
    wait_lock(&job->ended);
    while (!job->has_ended && status == OK)
        status = wait_locked(&job->ended, WAIT_FOREVER);
    wait_unlock(&job->ended);
    return status == OK ? job->status : status;
}

bool payload_run(struct bytes script, u32 *exit_status) {
    static struct job job; // there is one run in the machine's life
    job.blob = script;
    job.out = link_is_up() ? link_stdout_stream() : console_stream();
    wait_queue_init(&job.ended);
    enum status status = run(&job);
    if (status != OK)
        put(&job, "the scripts could not be run: %s\n", status_text(status));
    else
        put_sums(&job, bytes_of("total"), &job.counts);
    bool passed = status == OK && spec_counts_sum(&job.counts).failed == 0;
    *exit_status = passed ? 0 : 1;
    return true;
}
