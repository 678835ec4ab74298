// The clock is Linux's monotonic one, counted from the start; each CPU's timer is a POSIX one whose
// signal, to this CPU's thread, is the interrupt.
//
// Ticks are the TSC's where that counts at one speed, else nanoseconds. How many there are to a
// nanosecond is found out by the first question, over the time since the start: nothing waits for a
// calibration.

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/arch/hosted/hosted.h"

#define NS_PER_S      1000000000ull
#define SAMPLE_NS     100000u // for four digits
#define PUT_OFF_NS    200000
#define CPUID_POWER   0x80000007u
#define INVARIANT_TSC (1u << 8)

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct {
    u64 start_ns; // one nanosecond before the start: the clock is never zero
    u64 wall_offset_ns;
    u64 start_ticks; // at start_ns
    u64 ns_per_tick; // atomic: 32.32 fixed point, or 0 until it is known
} hosted_time;

bool arch_has_tsc;

static u64 clock_read(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

static bool has_invariant_tsc(void) {
    u32 eax, ebx, ecx, edx;
    return __get_cpuid(CPUID_POWER, &eax, &ebx, &ecx, &edx) != 0 && (edx & INVARIANT_TSC) != 0;
}

void time_init(void) {
    arch_has_tsc = has_invariant_tsc();
    hosted_time.start_ns = clock_read(CLOCK_MONOTONIC) - 1;
    hosted_time.start_ticks = arch_ticks();
    u64 wall_ns = clock_read(CLOCK_REALTIME);
    hosted_time.wall_offset_ns = wall_ns - arch_clock_ns();
    time_init_this();
}

void time_init_this(void) {
    struct cpu *cpu = cpu_this();
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &cpu->timer) != 0)
        start_fail("no timer: %s", strerror(errno));
    cpu->timer_deadline_ns = UINT64_MAX;
}

u64 arch_clock_ns(void) {
    return clock_read(CLOCK_MONOTONIC) - hosted_time.start_ns;
}

u64 arch_clock_resolution_ns(void) {
    return 1;
}

// -- Ticks ---------------------------------------------------------------------------------------

u64 arch_ticks_slow(void) {
    return arch_clock_ns();
}

u64 arch_ticks(void) {
    return arch_has_tsc ? __builtin_ia32_rdtsc() : arch_ticks_slow();
}

// The answer stays, whoever finds it first.
static u64 ns_per_tick(void) {
    u64 known = __atomic_load_n(&hosted_time.ns_per_tick, __ATOMIC_RELAXED);
    if (known != 0)
        return known;
    u64 ns;
    do
        ns = arch_clock_ns();
    while (ns < SAMPLE_NS);
    u64 ticks = arch_ticks() - hosted_time.start_ticks;
    u64 found = arch_has_tsc ? (u64)(((unsigned __int128)ns << 32) / ticks) : 1ull << 32;
    if (!__atomic_compare_exchange_n(&hosted_time.ns_per_tick, &known, found, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return known;
    return found;
}

u64 arch_ticks_to_ns(u64 ticks) {
    return (u64)((unsigned __int128)ticks * ns_per_tick() >> 32);
}

u64 arch_ns_to_ticks(u64 ns) {
    return (u64)(((unsigned __int128)ns << 32) / ns_per_tick());
}

u64 arch_wall_offset_ns(void) {
    return hosted_time.wall_offset_ns;
}

u64 arch_firmware_ns(void) {
    return 0;
}

// The CPU's timer signals shortly, even if it signals too early for its deadline.
UNWATCHED void time_interrupt_soon(void) {
    const struct itimerspec setting = {.it_value = {.tv_nsec = PUT_OFF_NS}};
    timer_settime(cpu_this()->timer, 0, &setting, NULL);
}

static void timer_set(u64 at_ns) {
    struct itimerspec setting = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)},
    };
    CHECK(timer_settime(cpu_this()->timer, TIMER_ABSTIME, &setting, NULL) == 0);
}

void arch_timer_arm(u64 deadline_ns) {
    ASSERT(!arch_irq_enabled());
    struct cpu *cpu = cpu_this();
    cpu->timer_deadline_ns = deadline_ns;
    if (deadline_ns != UINT64_MAX) {
        u64 at_ns;
        if (__builtin_add_overflow(deadline_ns, hosted_time.start_ns, &at_ns) ||
            at_ns > (u64)INT64_MAX)
            at_ns = (u64)INT64_MAX;
        timer_set(at_ns);
        cpu->timer_is_armed = true;
    } else if (cpu->timer_is_armed) {
        timer_set(0); // disarms
        cpu->timer_is_armed = false;
    }
}

void timer_interrupt(void) {
    struct cpu *cpu = cpu_this();
    if (cpu->timer_deadline_ns == UINT64_MAX)
        return; // stopped when it was already under way
    if (arch_clock_ns() < cpu->timer_deadline_ns) {
        arch_timer_arm(cpu->timer_deadline_ns); // replaced when it was already under way
        return;
    }
    cpu->timer_deadline_ns = UINT64_MAX;
    cpu->timer_is_armed = false;
    upcall_timer();
}

usize arch_random(void *out, usize len) {
    usize done = 0;
    while (done < len) {
        ssize_t got = getrandom((u8 *)out + done, len - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (usize)got;
    }
    return done;
}
