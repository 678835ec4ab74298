#pragma once
// Threads for unit tests on the fake machine, and CPUs that are there in the scheduler's books
// alone.

#include "kernel/sched/sched_internal.h"
#include "tests/fake_arch.h"

// A thread with a stack that will do, and a name if it has none: thread_start runs it, or whoever
// wakes it.
static inline struct thread *fake_thread_create(struct thread_config config) {
    struct thread *thread;
    config.name = config.name == NULL ? "t" : config.name;
    config.stack_bytes = 9 * PAGE_SIZE;
    config.stack_committed = 8 * PAGE_SIZE;
    CHECK(thread_create(&config, &thread) == OK);
    return thread;
}

static inline struct thread *fake_thread_make(void (*entry)(void *argument), void *argument,
                                              enum thread_priority priority, u32 affinity) {
    return fake_thread_create((struct thread_config){
        .entry = entry, .argument = argument, .priority = priority, .affinity = affinity});
}

static inline struct thread *fake_thread_start(void (*entry)(void *argument), void *argument) {
    struct thread *thread = fake_thread_make(entry, argument, PRIORITY_NORMAL, ANY_CPU);
    thread_start(thread);
    return thread;
}

// Brings CPU 1 to `count` - 1 up, which idle. On CPU 0, which runs on.
static inline void fake_cpus_bring_up(u32 count) {
    arch_irq_state irq = arch_irq_save();
    void *self = arch_current();
    sched_expect_company();
    for (u32 id = 1; id < count; id++) {
        fake_cpu_set(id);
        sched_init();
        sched_idle_begin(cpu_at(id));
    }
    fake_cpu_set(0);
    arch_current_set(self);
    arch_irq_restore(irq);
    CHECK(sched_online() == (1u << count) - 1);
}
