// The kernel log: a ring of text under one spinlock of the highest rank, so that any context can
// write. The link is fed from the ring: at once where the writer may take the link's lock and there
// is room for the frame, else with the next line or the next log_flush_to_link, which waits for
// room.

#include "kernel/init/log.h"

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/messages.h"
#include "kernel/ipc/ring.h"
#include "kernel/sched/thread.h"
#include "kernel/sync/spinlock.h"

#define RING_BYTES (32 * KIB)
#define LINE_BYTES 256u

static u8 ring_memory[RING_BYTES];

static struct {
    struct spinlock lock;

    // Under lock:
    struct ring ring;
    u32 sent;         // ring.head up to which the link has it
    bool is_flushing; // one thread feeds the link, so that it gets everything in order

    // Atomic:
    i32 console_level; // below zero: none
} klog;

static const char *const level_marks[] = {"error: ", "warning: ", "", ""};

void log_init(void) {
    spin_init(&klog.lock, LOCK_LOG, "log");
    klog.ring = (struct ring){.data = ring_memory, .size = RING_BYTES};
    klog.console_level = LOG_INFO;
}

void log_console_level(enum log_level level) {
    klog.console_level = level;
}

void log_console_off(void) {
    klog.console_level = -1;
}

// Copies out text from position `from` on; returns its length.
static usize copy_from(u32 from, char *out, usize size) {
    struct ring rest = klog.ring;
    rest.tail = from;
    return ring_take(&rest, out, (u32)size);
}

static bool try_send(const char *text, usize len) {
    return link_try_send(LINK_LOG, text, len);
}

static bool send(const char *text, usize len) {
    return link_send(LINK_LOG, text, len) == OK;
}

// Feeds the link until it has all, or cannot take more; false when somebody else is at it.
static bool flush(bool (*send_piece)(const char *text, usize len)) {
    char piece[LINE_BYTES];
    if (!link_is_up())
        return true;
    spin_lock(&klog.lock);
    bool is_ours = !klog.is_flushing;
    klog.is_flushing = true;
    for (bool goes_on = is_ours; goes_on;) {
        u32 from = klog.sent;
        u32 len = (u32)copy_from(from, piece, sizeof piece);
        spin_unlock(&klog.lock);
        goes_on = len != 0 && send_piece(piece, len);
        spin_lock(&klog.lock);
        // What was overwritten meanwhile is lost, and `sent` beyond it.
        if (goes_on && (i32)(from + len - klog.sent) > 0)
            klog.sent = from + len;
    }
    if (is_ours)
        klog.is_flushing = false;
    spin_unlock(&klog.lock);
    return is_ours;
}

void log_write(enum log_level level, const char *format, ...) {
    char line[LINE_BYTES];
    u64 now_ns = arch_clock_ns();
    usize len = fmt_string(line, sizeof line, "[%5lu.%06lu] %s", now_ns / 1000000000,
                           now_ns / 1000 % 1000000, level_marks[level]);
    va_list args;
    va_start(args, format);
    len += fmt_string_va(line + len, sizeof line - len, format, args);
    va_end(args);
    len = min_u64(len, sizeof line - 2); // cut lines end like all others
    line[len++] = '\n';

    spin_lock(&klog.lock);
    u32 room = ring_room(&klog.ring);
    if (room < len)
        ring_skip(&klog.ring, (u32)len - room);
    if ((i32)(klog.ring.tail - klog.sent) > 0)
        klog.sent = klog.ring.tail;
    ring_put(&klog.ring, line, (u32)len);
    if ((i32)level <= klog.console_level)
        messages_say(line, len);
    spin_unlock(&klog.lock);
    // With interrupts off the caller may be a handler or hold a lock.
    if (arch_irq_enabled()) {
        flush(try_send);
        messages_wake();
    }
}

void log_flush_to_link(void) {
    while (!flush(send))
        thread_yield();
}

usize log_read(char *out, usize size) {
    spin_lock(&klog.lock);
    u32 used = ring_used(&klog.ring);
    u32 len = (u32)min_u64(used, size);
    usize copied = copy_from(klog.ring.head - len, out, len);
    spin_unlock(&klog.lock);
    return copied;
}
