// What making a thread and waiting for its end costs, like ops.c: COUNT times in each of so many
// batches; prints "NAME PICOSECONDS...". A program without a C library, as all with threads here.
//
//   threads thread|nothing COUNT BATCHES

#include "tests/threads/thread.h"

#define BATCHES_MAX 1000
#define ARGS_MAX    8
#define TEXT_BYTES  256
#define MONOTONIC   1

static struct thread thread;

static void say(const char *text) {
    u32 len = 0;
    while (text[len] != 0)
        len++;
    const struct wasi_iovec part = {(u32)text, len};
    u32 written;
    wasi_fd_write(1, &part, 1, &written);
}

static void say_number(u64 value) {
    char text[24];
    char *at = text + sizeof text;
    *--at = 0;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    *--at = ' ';
    say(at);
}

static u64 number_of(const char *text) {
    u64 value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (u64)(*text - '0');
    return value;
}

static u64 now_ns(void) {
    u64 now = 0;
    wasi_clock_time_get(MONOTONIC, 0, &now);
    return now;
}

static void end_at_once(struct thread *) {
}

static void do_nothing(void) {
}

static void do_thread(void) {
    if (thread_start(&thread, end_at_once) < 0) {
        say("threads: no thread\n");
        wasi_proc_exit(1);
    }
    thread_join(&thread);
}

[[gnu::used]] void _start(void) {
    static char *args[ARGS_MAX];
    static char text[TEXT_BYTES];
    static u64 picoseconds[BATCHES_MAX];
    u32 arg_count, bytes;
    if (wasi_args_sizes_get(&arg_count, &bytes) != 0 || arg_count != 4 || bytes > sizeof text ||
        wasi_args_get(args, text) != 0)
        wasi_proc_exit(2);
    void (*run)(void) = args[1][0] == 't' ? do_thread : do_nothing;
    u64 count = number_of(args[2]);
    u64 batches = number_of(args[3]);
    if (count == 0 || batches > BATCHES_MAX)
        wasi_proc_exit(2);
    for (u64 n = 0; n < count; n++) // warms up
        run();
    for (u64 batch = 0; batch < batches; batch++) {
        u64 began = now_ns();
        for (u64 n = 0; n < count; n++)
            run();
        picoseconds[batch] = (now_ns() - began) * 1000 / count;
    }
    say("\n");
    say(args[1]);
    for (u64 batch = 0; batch < batches; batch++)
        say_number(picoseconds[batch]);
    say(" done\n");
    wasi_proc_exit(0);
}
