// CPUs: threads of Linux's. The first is the one that the process starts with, and devices
// interrupt that one; each has a timer, stacks for its handlers, and a signal by which others wake
// it.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/math.h"
#include "kernel/arch/hosted/hosted.h"

// Linux may have fewer CPUs than this machine, so whoever is waited for may not be running.
#define YIELD_AFTER 100u
#define IDLE_STACK  (256 * KIB)

static struct cpu cpus[ARCH_CPUS_MAX];
__thread struct cpu *cpu_self = &cpus[0];

static u32 present;   // that there are
static bool stopping; // atomic

static struct {
    u32 count; // 0: Linux decides
    u32 host_cpus[ARCH_CPUS_MAX];
} kept;

void cpus_keep(const char *list) {
    kept.count = 0;
    for (const char *at = list;; at++) {
        char *end;
        u64 number = strtoull(at, &end, 10);
        if (end == at || (*end != ',' && *end != 0) || number >= CPU_SETSIZE ||
            kept.count == ARCH_CPUS_MAX)
            start_fail("--host-cpus: %s is no list of CPUs", list);
        kept.host_cpus[kept.count++] = (u32)number;
        at = end;
        if (*at == 0)
            return;
    }
}

// The calling thread of Linux's is the CPU.
static void stay(u32 id) {
    if (kept.count == 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(kept.host_cpus[id], &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        start_fail("--host-cpus: CPU %u of Linux's: %s", kept.host_cpus[id], strerror(errno));
}

void cpus_init(u32 count) {
    if (kept.count != 0 && kept.count < count)
        start_fail("--host-cpus: %u CPUs need as many of Linux's", count);
    stay(0);
    present = count;
    for (u32 i = 0; i < ARCH_CPUS_MAX; i++) {
        cpus[i].id = i;
        cpus[i].aspace = arch_aspace_kernel();
    }
    cpus[0].tid = (pid_t)syscall(SYS_gettid);
}

u32 arch_cpu_id(void) {
    return cpu_this()->id;
}

void *arch_current(void) {
    return cpu_this()->current;
}

void arch_current_set(void *current) {
    cpu_this()->current = current;
}

void arch_cpu_relax(void) {
    __asm__ volatile("pause");
    if (++cpu_this()->relaxed % YIELD_AFTER == 0)
        sched_yield();
}

// -- Starting and stopping ------------------------------------------------------------------------

// All signals are blocked until the CPU knows who it is.
static void *cpu_main(void *argument) {
    cpu_self = argument;
    stay(cpu_this()->id);
    time_init_this();
    // Pairs with the loads in arch_cpus_start and arch_cpu_wake.
    __atomic_store_n(&cpu_this()->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    interrupt_init_this();
    upcall_cpu_main();
}

static bool cpu_start(struct cpu *cpu) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, IDLE_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, cpu_main, cpu);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        console_print("kwast: no more CPUs: %s\n", strerror(error));
        return false;
    }
    while (__atomic_load_n(&cpu->tid, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    return true;
}

u32 arch_cpus_start(u32 count) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    u32 wanted = (u32)min_u64(count, present);
    u32 running = 1;
    while (running < wanted && cpu_start(&cpus[running]))
        running++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return running;
}

void arch_cpu_wake(u32 id) {
    struct cpu *cpu = &cpus[id];
    // Who sets the bit wakes. Pairs with the exchange where it is taken.
    if ((__atomic_fetch_or(&cpu->pending, PENDING_WAKE, __ATOMIC_SEQ_CST) & PENDING_WAKE) != 0)
        return;
    int keep = errno;
    // Pairs with the look at the word before it sleeps.
    if (__atomic_load_n(&cpu->sleeps, __ATOMIC_SEQ_CST))
        cpu_rouse(cpu);
    else
        syscall(SYS_tgkill, getpid(), __atomic_load_n(&cpu->tid, __ATOMIC_ACQUIRE), SIGNAL_WAKE);
    errno = keep;
}

UNWATCHED bool cpus_are_stopping(void) {
    return __atomic_load_n(&stopping, __ATOMIC_ACQUIRE);
}

void cpu_stop(void) {
    for (;;)
        pause();
}

// One in the handler of a fault goes on until that is over; the process ends soon anyway.
void arch_cpus_stop(void) {
    if (__atomic_exchange_n(&stopping, true, __ATOMIC_ACQ_REL))
        return;
    int keep = errno;
    for (u32 i = 0; i < present; i++) {
        pid_t tid = __atomic_load_n(&cpus[i].tid, __ATOMIC_ACQUIRE);
        if (i != arch_cpu_id() && tid != 0)
            syscall(SYS_tgkill, getpid(), tid, SIGNAL_WAKE);
    }
    errno = keep;
}
