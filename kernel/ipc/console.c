// The console as a stream: output goes to the port with all that is said there (messages.h), input
// comes through a line discipline.
//
// Typed characters are edited (backspace, Ctrl-U) and echoed in `line`, and become readable when
// the line ends or at Ctrl-D (on an empty line: end of file, once; for good where the input ends).
// Ctrl-C drops the line and calls the interrupt hook. A program therefore reads whole lines, as it
// would from any terminal.
//
// When a program takes the console as a device, all this is that program's business: it reads what
// is typed byte by byte as it comes, and what it writes is shown, or refused while a driver has the
// line.

#include "kernel/ipc/messages.h"
#include "kernel/ipc/ring.h"
#include "kernel/ipc/stream.h"
#include "kernel/sched/wait.h"

#define READY_BYTES     4096u
#define LINE_BYTES      1024u
#define TYPED_AT_ONCE   256u
#define WRITTEN_AT_ONCE 128u
#define KEY_CTRL_C      0x03
#define KEY_CTRL_D      0x04
#define KEY_BACKSPACE   0x08
#define KEY_CTRL_U      0x15
#define KEY_DELETE      0x7f

static struct {
    void (*interrupt)(void); // fixed after console_init

    struct wait_queue queue;

    // Under queue.lock:
    struct ring ready; // whole lines
    u8 line[LINE_BYTES];
    u32 line_len;
    u32 ends;         // ends of file that nobody has read yet
    bool is_device;   // bytes go to `ready` as they come
    bool interrupted; // Ctrl-C came, and the hook was not called yet
} console;

static u8 ready_memory[READY_BYTES];

static void echo(const char *text) {
    arch_console_write(text, strlen(text));
}

static void erase_char_locked(void) {
    if (console.line_len == 0)
        return;
    // Continuation bytes of a UTF-8 character go with their first byte.
    while (console.line_len > 1 && (console.line[console.line_len - 1] & 0xc0) == 0x80)
        console.line_len--;
    console.line_len--;
    echo("\b \b");
}

static void commit_line_locked(void) {
    // A line for which there is no room is dropped whole: half a line would be another command.
    if (console.line_len <= ring_room(&console.ready))
        ring_put(&console.ready, console.line, console.line_len);
    console.line_len = 0;
}

static void type_byte_locked(u8 byte) {
    if (console.is_device) {
        ring_put(&console.ready, &byte, min_u64(1, ring_room(&console.ready)));
        return;
    }
    switch (byte) {
    case KEY_CTRL_C:
        echo("^C\n");
        console.line_len = 0;
        console.interrupted = true;
        return;
    case KEY_CTRL_D:
        if (console.line_len == 0)
            console.ends++;
        commit_line_locked();
        return;
    case KEY_CTRL_U:
        while (console.line_len != 0)
            erase_char_locked();
        return;
    case KEY_BACKSPACE:
    case KEY_DELETE:
        erase_char_locked();
        return;
    case '\r':
    case '\n':
        echo("\n");
        console.line[console.line_len++] = '\n';
        commit_line_locked();
        return;
    default:
        // One byte stays free for the newline.
        if ((byte < ' ' && byte != '\t') || console.line_len + 1 >= LINE_BYTES)
            return;
        console.line[console.line_len++] = byte;
        arch_console_write((const char *)&byte, 1);
    }
}

void console_interrupt(void) {
    wait_lock(&console.queue);
    u8 byte;
    for (u32 i = 0; i < TYPED_AT_ONCE && arch_console_read(&byte); i++)
        type_byte_locked(byte);
    if (arch_console_ended())
        commit_line_locked(); // what was typed of it
    wake_all_locked(&console.queue);
    bool interrupted = console.interrupted;
    console.interrupted = false;
    wait_unlock(&console.queue);
    // Outside the lock: the hook wakes somebody else's queue.
    if (interrupted && console.interrupt != NULL)
        console.interrupt();
}

static enum status console_read(struct object *object, u64 offset, void *to, usize len,
                                usize *got) {
    (void)object;
    (void)offset;
    enum status status = OK;
    wait_lock(&console.queue);
    while (status == OK && len != 0 && ring_used(&console.ready) == 0 && console.ends == 0 &&
           !arch_console_ended())
        status = wait_locked(&console.queue, WAIT_FOREVER);
    if (status == OK) {
        *got = ring_take(&console.ready, to, (u32)min_u64(len, READY_BYTES));
        if (*got == 0 && len != 0 && console.ends != 0)
            console.ends--;
    }
    wait_unlock(&console.queue);
    return status;
}

static enum status console_write(struct object *object, u64 offset, const void *from, usize len,
                                 usize *put) {
    (void)object;
    (void)offset;
    messages_say_lines(from, len);
    *put = len;
    return OK;
}

// In pieces: the port writes each with interrupts off.
static enum status device_write(struct object *object, u64 offset, const void *from, usize len,
                                usize *put) {
    (void)object;
    (void)offset;
    usize done = 0;
    for (usize piece = 0; done < len; done += piece) {
        piece = min_u64(len - done, WRITTEN_AT_ONCE);
        if (!arch_console_write((const char *)from + done, piece))
            break;
    }
    *put = done;
    return done != 0 || len == 0 ? OK : ERR_BUSY;
}

static enum status console_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){
        .type = object->type,
        .is_terminal = object->is_terminal,
        .device = 3,
        .link_count = 1,
    };
    return OK;
}

static u32 console_poll(struct object *object, u64 *available) {
    (void)object;
    wait_lock(&console.queue);
    *available = ring_used(&console.ready);
    bool ended = console.ends != 0 || arch_console_ended();
    wait_unlock(&console.queue);
    return POLL_WRITABLE | (*available != 0 || ended ? POLL_READABLE : 0);
}

static u32 device_poll(struct object *object, u64 *available) {
    u32 events = console_poll(object, available);
    return arch_console_is_lent() ? events & ~(u32)POLL_WRITABLE : events;
}

static struct wait_queue *console_poll_queue(struct object *object) {
    (void)object;
    return &console.queue;
}

static const struct object_ops console_ops = {
    .read = console_read,
    .write = console_write,
    .stat = console_stat,
    .poll = console_poll,
    .poll_queue = console_poll_queue,
};

static struct object console_object = {
    .ops = &console_ops,
    .ref_count = 1, // the kernel's own: it never goes
    .type = OBJECT_STREAM,
    .is_terminal = true,
};

static const struct object_ops device_ops = {
    .read = console_read,
    .write = device_write,
    .stat = console_stat,
    .poll = device_poll,
    .poll_queue = console_poll_queue,
};

static struct object device_object = {
    .ops = &device_ops,
    .ref_count = 1, // the kernel's own: it never goes
    .type = OBJECT_STREAM,
    .is_terminal = true,
};

void console_init(void (*interrupt)(void)) {
    messages_init();
    wait_queue_init(&console.queue);
    console.ready = (struct ring){.data = ready_memory, .size = READY_BYTES};
    console.interrupt = interrupt;
}

struct object *console_stream(void) {
    return &console_object;
}

struct object *console_device(void) {
    wait_lock(&console.queue);
    console.is_device = true;
    wait_unlock(&console.queue);
    return &device_object;
}

void console_returned(void) {
    messages_show();
    console_interrupt(); // there may be something typed, and it can be written to
}
