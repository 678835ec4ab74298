// The kernel log: a ring of text under one spinlock of the highest rank, so that any context can
// write. The link is fed from the ring later, in thread context: sending may block, and a log line
// must not.

#include "kernel/init/log.h"

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/ring.h"
#include "kernel/sync/spinlock.h"

#define RING_BYTES (32 * KIB)
#define LINE_BYTES 256u

static u8 ring_memory[RING_BYTES];

static struct {
    struct spinlock lock;

    // Under lock:
    struct ring ring;
    u32 sent; // ring.head up to which the link has it

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
        arch_console_write(line, len);
    spin_unlock(&klog.lock);
}

// Copies out text from position `from` on; returns its length.
static usize copy_from(u32 from, char *out, usize size) {
    struct ring rest = klog.ring;
    rest.tail = from;
    return ring_take(&rest, out, (u32)size);
}

void log_flush_to_link(void) {
    if (!link_is_up())
        return;
    for (;;) {
        char piece[LINE_BYTES];
        spin_lock(&klog.lock);
        usize len = copy_from(klog.sent, piece, sizeof piece);
        klog.sent += (u32)len;
        spin_unlock(&klog.lock);
        if (len == 0 || link_send(LINK_LOG, piece, len) != OK)
            return;
    }
}

usize log_read(char *out, usize size) {
    spin_lock(&klog.lock);
    u32 used = ring_used(&klog.ring);
    u32 len = (u32)min_u64(used, size);
    usize copied = copy_from(klog.ring.head - len, out, len);
    spin_unlock(&klog.lock);
    return copied;
}
