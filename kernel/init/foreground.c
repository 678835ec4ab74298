// Ctrl-C. The request comes in an interrupt; a kernel thread of its own does the killing, because
// that takes locks which an interrupt must not.

#include "base/assert.h"
#include "kernel/init/init.h"
#include "kernel/sched/wait.h"

#define THREAD_STACK_BYTES (32 * KIB)

static struct {
    struct wait_queue queue;

    // Under queue.lock:
    bool is_asked;              // not yet acted upon
    bool was_asked;             // since the foreground was set
    struct process *foreground; // retained, or NULL
} state;

void foreground_interrupt(void) {
    wait_lock(&state.queue);
    state.is_asked = true;
    state.was_asked = true;
    wake_all_locked(&state.queue);
    wait_unlock(&state.queue);
}

bool foreground_set(struct process *process) {
    if (process != NULL)
        process_retain(process);
    wait_lock(&state.queue);
    struct process *before = state.foreground;
    bool was_asked = state.was_asked;
    state.foreground = process;
    state.is_asked = false;
    state.was_asked = false;
    wait_unlock(&state.queue);
    process_release(before);
    return was_asked;
}

bool foreground_was_interrupted(void) {
    wait_lock(&state.queue);
    bool was_asked = state.was_asked;
    wait_unlock(&state.queue);
    return was_asked;
}

static void foreground_thread(void *argument) {
    (void)argument;
    for (;;) {
        enum status status = OK;
        wait_lock(&state.queue);
        while (!state.is_asked && status == OK)
            status = wait_locked(&state.queue, WAIT_FOREVER);
        state.is_asked = false;
        struct process *process = state.foreground;
        if (process != NULL)
            process_retain(process);
        wait_unlock(&state.queue);
        if (process != NULL)
            process_kill(process);
        process_release(process);
    }
}

void foreground_init(void) {
    wait_queue_init(&state.queue);
    const struct thread_config config = {
        .name = "interrupt",
        .entry = foreground_thread,
        .stack_bytes = THREAD_STACK_BYTES + PAGE_SIZE,
        .stack_committed = THREAD_STACK_BYTES,
        .priority = PRIORITY_HIGH,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK); // at boot
    thread_start(thread);
}
