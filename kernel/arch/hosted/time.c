// The clock is Linux's monotonic one, counted from the start; each CPU's timer is a POSIX one whose
// signal, to this CPU's thread, is the interrupt.

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/arch/hosted/hosted.h"

#define NS_PER_S 1000000000ull

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct {
    u64 start_ns; // one nanosecond before the start: the clock is never zero
    u64 wall_offset_ns;
} hosted_time;

static u64 clock_read(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

void time_init(void) {
    hosted_time.start_ns = clock_read(CLOCK_MONOTONIC) - 1;
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

u64 arch_wall_offset_ns(void) {
    return hosted_time.wall_offset_ns;
}

u64 arch_firmware_ns(void) {
    return 0;
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
