// What Linux's operations cost, for comparison with ops.c: the same batches and the same output, in
// thousandths of a nanosecond. All on one CPU, the first that the process may run on; the child of
// `pipe-across` and `futex-across` on the second.
//
//   linux preempt                    what gaps.h says
//   linux NAME COUNT BATCHES HELLO   prints "NAME PICOSECONDS..."; HELLO is a program, for `spawn`

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/math.h"
#include "bench/kernel/gaps.h"

#define BATCHES_MAX 1000
#define COPY_BYTES  (64 * 1024)

static const char *hello;
static u32 *words; // shared with the child
static int to_child[2], to_parent[2];
static int cpus[2]; // the first and the second; the same where there is one

[[noreturn]] static void fail(const char *what) {
    perror(what);
    exit(1);
}

static u64 now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        fail("sched_setaffinity");
}

// A child runs `serve` over and over, and ends with its parent.
static void start_child(int cpu, void (*serve)(void)) {
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stay_on(cpu);
    for (;;)
        serve();
}

// -- Operations ----------------------------------------------------------------------------------

static void nothing(void) {
}

static void do_close(void) {
    close(-1);
}

static void do_yield(void) {
    sched_yield(); // there and back: two switches
}

static void start_yielder(void) {
    start_child(cpus[0], do_yield);
}

static void serve_pipe(void) {
    char byte;
    if (read(to_child[0], &byte, 1) != 1 || write(to_parent[1], &byte, 1) != 1)
        fail("pipe");
}

static void start_pipe_on(int cpu) {
    if (pipe(to_child) != 0 || pipe(to_parent) != 0)
        fail("pipe");
    start_child(cpu, serve_pipe);
}

static void start_pipe(void) {
    start_pipe_on(cpus[0]);
}

static void start_pipe_across(void) {
    start_pipe_on(cpus[1]);
}

static void do_pipe(void) {
    char byte = 0;
    if (write(to_child[1], &byte, 1) != 1 || read(to_parent[0], &byte, 1) != 1)
        fail("pipe");
}

// words[0] counts requests, words[1] replies.
static void signal_word(u32 *word) {
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void await_word(u32 *word, u32 old) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == old)
        syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0);
}

static void serve_futex(void) {
    static u32 seen;
    await_word(&words[0], seen++);
    signal_word(&words[1]);
}

static void start_futex(void) {
    start_child(cpus[0], serve_futex);
}

static void start_futex_across(void) {
    start_child(cpus[1], serve_futex);
}

static void do_futex(void) {
    u32 old = words[1];
    signal_word(&words[0]);
    await_word(&words[1], old);
}

static void do_copy_64k(void) {
    static u8 from[COPY_BYTES], to[COPY_BYTES];
    __asm__ volatile("" : : "r"(from) : "memory");
    memcpy(to, from, sizeof to);
    __asm__ volatile("" : : "r"(to) : "memory");
}

static void do_spawn(void) {
    int status;
    pid_t child = vfork();
    if (child == 0) {
        execl(hello, "hello", NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fail("spawn");
}

static void *thread_main(void *argument) {
    return argument;
}

static void do_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, NULL) != 0 || pthread_join(thread, NULL) != 0)
        fail("thread");
}

static const struct operation {
    const char *name;
    void (*prepare)(void);
    void (*run)(void);
} operations[] = {
    {"nothing", nothing, nothing},
    {"close", nothing, do_close},
    {"yield", start_yielder, do_yield},
    {"pipe", start_pipe, do_pipe},
    {"futex", start_futex, do_futex},
    {"copy-64k", nothing, do_copy_64k},
    {"spawn", nothing, do_spawn},
    {"thread", nothing, do_thread},
    {"pipe-across", start_pipe_across, do_pipe},
    {"futex-across", start_futex_across, do_futex},
};

// -- Measuring -----------------------------------------------------------------------------------

static void find_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        fail("sched_getaffinity");
    while (!CPU_ISSET(cpus[0], &set))
        cpus[0]++;
    cpus[1] = cpus[0];
    for (int cpu = cpus[0] + 1; cpu < CPU_SETSIZE && cpus[1] == cpus[0]; cpu++)
        cpus[1] = CPU_ISSET(cpu, &set) ? cpu : cpus[1];
}

static void measure(const struct operation *operation, u64 count, u64 batches) {
    static u64 picoseconds[BATCHES_MAX];
    operation->prepare();
    for (u64 n = 0; n < count; n++) // warms up
        operation->run();
    for (u64 batch = 0; batch < batches; batch++) {
        u64 began = now_ns();
        for (u64 n = 0; n < count; n++)
            operation->run();
        picoseconds[batch] = (now_ns() - began) * 1000 / count;
    }
    fprintf(stderr, "\n%s", operation->name); // standard output is the children's
    for (u64 batch = 0; batch < batches; batch++)
        fprintf(stderr, " %lu", picoseconds[batch]);
    fprintf(stderr, " done\n");
}

// The child prints first, so that lines stay whole.
static void preempt(void) {
    static struct gaps gaps;
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    gaps_watch(&gaps, now_ns);
    if (child != 0)
        waitpid(child, NULL, 0);
    gaps_print(stderr, child == 0 ? "child" : "parent", &gaps);
}

int main(int argc, char **argv) {
    find_cpus();
    stay_on(cpus[0]);
    if (argc == 2 && strcmp(argv[1], "preempt") == 0) {
        preempt();
        return 0;
    }
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED)
        fail("mmap");
    for (usize i = 0; argc == 5 && i < COUNT_OF(operations); i++) {
        if (strcmp(argv[1], operations[i].name) != 0)
            continue;
        u64 count = strtoull(argv[2], NULL, 10);
        u64 batches = strtoull(argv[3], NULL, 10);
        hello = argv[4];
        if (count == 0 || batches > BATCHES_MAX)
            break;
        measure(&operations[i], count, batches);
        return 0;
    }
    fprintf(stderr, "usage: linux NAME COUNT BATCHES HELLO\n");
    return 2;
}
