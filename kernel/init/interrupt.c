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
} interrupts;

void interrupt_hook(void) {
    wait_lock(&interrupts.queue);
    interrupts.is_asked = true;
    interrupts.was_asked = true;
    wake_all_locked(&interrupts.queue);
    wait_unlock(&interrupts.queue);
}

void interrupt_foreground(struct process *process) {
    if (process != NULL)
        process_retain(process);
    wait_lock(&interrupts.queue);
    struct process *before = interrupts.foreground;
    interrupts.foreground = process;
    if (process != NULL)
        interrupts.was_asked = interrupts.is_asked; // one that nobody acted upon yet counts
    wait_unlock(&interrupts.queue);
    process_release(before);
}

bool interrupt_was_asked(void) {
    wait_lock(&interrupts.queue);
    bool was_asked = interrupts.was_asked;
    wait_unlock(&interrupts.queue);
    return was_asked;
}

static void interrupt_thread(void *argument) {
    (void)argument;
    for (;;) {
        enum status status = OK;
        wait_lock(&interrupts.queue);
        while (!interrupts.is_asked && status == OK)
            status = wait_locked(&interrupts.queue, WAIT_FOREVER);
        interrupts.is_asked = false;
        struct process *process = interrupts.foreground;
        if (process != NULL)
            process_retain(process);
        wait_unlock(&interrupts.queue);
        if (process != NULL)
            process_kill(process);
        process_release(process);
    }
}

void interrupt_init(void) {
    wait_queue_init(&interrupts.queue);
    const struct thread_config config = {
        .name = "interrupt",
        .entry = interrupt_thread,
        .stack_bytes = THREAD_STACK_BYTES + PAGE_SIZE,
        .stack_committed = THREAD_STACK_BYTES,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK); // at boot
    thread_start(thread);
}
