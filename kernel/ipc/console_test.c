// The console's line discipline: what is typed, what is echoed, what a program reads.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "kernel/ipc/messages.h"
#include "kernel/ipc/stream.h"
#include "kernel/sched/thread.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"

static struct {
    const char *typed;
    char echoed[4096];
    usize echoed_len;
    u32 pieces;
    usize last_piece;
    u32 interrupts;
    bool is_ended; // after what is typed
    bool is_lent;
} console;

bool arch_console_write(const char *text, usize len) {
    if (console.is_lent)
        return false;
    CHECK(console.echoed_len + len < sizeof console.echoed);
    memcpy(console.echoed + console.echoed_len, text, len);
    console.echoed_len += len;
    console.pieces++;
    console.last_piece = len;
    return true;
}

bool arch_console_is_lent(void) {
    return console.is_lent;
}

bool arch_console_read(u8 *out) {
    if (*console.typed == 0)
        return false;
    *out = (u8)*console.typed++;
    return true;
}

bool arch_console_ended(void) {
    return console.is_ended && *console.typed == 0;
}

static void count_interrupt(void) {
    console.interrupts++;
}

static const struct console_case {
    const char *typed;
    const char *read; // all that can be read then
    const char *echoed;
    u32 ends;
    u32 interrupts;
} cases[] = {
    {"hello\r", "hello\n", "hello\n", 0, 0},
    {"hello\n", "hello\n", "hello\n", 0, 0},
    {"hello", "", "hello", 0, 0}, // not ended yet
    {" more\n", "hello more\n", " more\n", 0, 0},
    {"ab\bc\n", "ac\n", "ab\b \bc\n", 0, 0},
    {"ab\x7f\x7f\x7f\n", "\n", "ab\b \b\b \b\n", 0, 0},
    {"a\xc3\xa4\x7f\n", "a\n", "a\xc3\xa4\b \b\n", 0, 0}, // a character of two bytes goes whole
    {"abc\x15x\n", "x\n", "abc\b \b\b \b\b \bx\n", 0, 0},
    {"abc\x03x\n", "x\n", "abc^C\nx\n", 0, 1},
    {"\x04", "", "", 1, 0},
    {"abc\x04", "abc", "abc", 0, 0}, // not empty: what is there is handed over
    {"a\nb\nc\n", "a\nb\nc\n", "a\nb\nc\n", 0, 0},
    {"\x1b[A\t\x01\n", "[A\t\n", "[A\t\n", 0, 0}, // control characters are dropped
};

static bool ended;

static void type(const char *text) {
    console.typed = text;
    console.echoed_len = 0;
    while (*console.typed != 0)
        console_interrupt();
}

static usize read_all(char *out, usize size) {
    u64 available;
    usize total = 0;
    struct object *stream = console_stream();
    while (total < size && object_poll(stream, &available) != POLL_WRITABLE && available != 0) {
        usize got;
        CHECK(object_read(stream, 0, out + total, size - total, &got) == OK);
        CHECK(got != 0);
        total += got;
    }
    return total;
}

static void check_case(const struct console_case *c) {
    char buffer[64];
    u32 before = console.interrupts;
    type(c->typed);
    CHECK(console.echoed_len == strlen(c->echoed));
    CHECK(memcmp(console.echoed, c->echoed, console.echoed_len) == 0);
    CHECK(console.interrupts - before == c->interrupts);
    CHECK(read_all(buffer, sizeof buffer) == strlen(c->read));
    CHECK(memcmp(buffer, c->read, strlen(c->read)) == 0);
    for (u32 i = 0; i < c->ends; i++) {
        usize got = 1;
        CHECK(object_read(console_stream(), 0, buffer, 1, &got) == OK);
        CHECK(got == 0);
    }
}

static void type_later(void) {
    type("late\n");
}

// Where the input itself ends, what there is of a line can be read, and then the end, for good.
static void check_end(void) {
    u8 buffer[16];
    usize got;
    u64 available;
    type("partial");
    console.is_ended = true;
    console_interrupt();
    CHECK(object_read(console_stream(), 0, buffer, sizeof buffer, &got) == OK);
    CHECK(got == 7 && memcmp(buffer, "partial", 7) == 0);
    for (u32 i = 0; i < 3; i++) {
        CHECK((object_poll(console_stream(), &available) & POLL_READABLE) != 0);
        CHECK(object_read(console_stream(), 0, buffer, sizeof buffer, &got) == OK);
        CHECK(got == 0);
    }
}

// The port writes with interrupts off: no more at once than a piece, and of more than that whole
// lines, where there are such.
static void check_pieces(void) {
    static const struct {
        u32 len, line; // of lines so long
        u32 pieces, last;
    } texts[] = {
        {0, 1, 0, 0},   {1, 1, 1, 1},      {128, 1, 1, 128},  {128, 50, 1, 128}, {129, 50, 2, 29},
        {129, 1, 2, 1}, {300, 50, 3, 100}, {300, 128, 3, 44}, {300, 129, 4, 43}, {300, 400, 3, 44},
    };
    for (u32 i = 0; i < COUNT_OF(texts); i++) {
        char text[300];
        for (u32 at = 0; at < texts[i].len; at++)
            text[at] = (at + 1) % texts[i].line == 0 ? '\n' : (char)('a' + at % 26);
        console.echoed_len = console.pieces = 0;
        console.last_piece = 0;
        messages_say_lines(text, texts[i].len);
        CHECK(console.echoed_len == texts[i].len);
        CHECK(memcmp(console.echoed, text, texts[i].len) == 0);
        CHECK(console.pieces == texts[i].pieces && console.last_piece == texts[i].last);
    }
}

// -- While a driver has the line ------------------------------------------------------------------

static void expect_shown(const char *text) {
    CHECK(console.echoed_len == strlen(text));
    CHECK(memcmp(console.echoed, text, console.echoed_len) == 0);
    console.echoed_len = 0;
}

static void write_to(struct object *object, const char *text, enum status wanted) {
    usize put = 0;
    CHECK(object_write(object, 0, text, strlen(text), &put) == wanted);
    CHECK(put == (wanted == OK ? strlen(text) : 0));
}

static void expect_kept(const char *text) {
    char buffer[64];
    usize got = 0;
    u64 available;
    CHECK((object_poll(messages_stream(), &available) & POLL_READABLE) != 0);
    CHECK(available >= strlen(text));
    CHECK(object_read(messages_stream(), 0, buffer, strlen(text), &got) == OK);
    CHECK(got == strlen(text) && memcmp(buffer, text, got) == 0);
}

static void say_later(void) {
    messages_say("later\n", 6);
    messages_wake();
}

static void check_lent(void) {
    u64 available;
    struct object *device = console_device();
    console.echoed_len = 0;
    write_to(device, "device\n", OK);
    write_to(messages_stream(), "said\n", OK);
    expect_shown("device\nsaid\n");
    CHECK(object_poll(messages_stream(), &available) == POLL_WRITABLE);

    console.is_lent = true;
    write_to(device, "refused", ERR_BUSY);
    CHECK((object_poll(device, &available) & POLL_WRITABLE) == 0);
    write_to(console_stream(), "one\n", OK);
    messages_say("two\n", 4);
    write_to(messages_stream(), "three\n", OK);
    expect_kept("one\ntw");
    expect_kept("o\n");

    // Whoever waits for it gets what is said then, and what was not read is shown in the end,
    // before what is said later.
    expect_kept("three\n");
    fake_interrupt_at(arch_clock_ns() + 1000000, say_later);
    char first;
    usize got;
    CHECK(object_read(messages_stream(), 0, &first, 1, &got) == OK && first == 'l');
    console.is_lent = false;
    messages_say("last\n", 5);
    expect_shown("");
    console_returned();
    expect_shown("ater\nlast\n");
    write_to(device, "device\n", OK);
    expect_shown("device\n");
    CHECK((object_poll(device, &available) & POLL_WRITABLE) != 0);
}

// Of too much the end is kept.
static void check_kept_end(void) {
    char number[8];
    console.is_lent = true;
    for (u32 i = 0; i < 4000; i++) {
        fmt_string(number, sizeof number, "%06u\n", i);
        messages_say(number, 7);
    }
    u64 available;
    CHECK(object_poll(messages_stream(), &available) != 0 && available == 16 * KIB);
    for (u32 i = 0; i < 2341; i++) {
        usize got;
        CHECK(object_read(messages_stream(), 0, number, i == 0 ? 4 : 7, &got) == OK);
    }
    CHECK(memcmp(number, "003999\n", 7) == 0);
    CHECK(object_poll(messages_stream(), &available) == POLL_WRITABLE && available == 0);
    console.is_lent = false;
}

static void body(void *) {
    char buffer[2000];
    usize got;
    console_init(count_interrupt);
    for (u32 i = 0; i < COUNT_OF(cases); i++)
        check_case(&cases[i]);

    // A reader waits for a line, and gets no more of it than it asked for.
    fake_interrupt_at(arch_clock_ns() + 1000000, type_later);
    CHECK(object_read(console_stream(), 0, buffer, 2, &got) == OK);
    CHECK(got == 2 && memcmp(buffer, "la", 2) == 0);
    CHECK(read_all(buffer, sizeof buffer) == 3);

    // A line has a limit; what is typed beyond it is not echoed either.
    static char long_line[1501];
    memset(long_line, 'x', 1499);
    long_line[1499] = '\n';
    type(long_line);
    CHECK(console.echoed_len == 1024);
    CHECK(read_all(buffer, sizeof buffer) == 1024);

    // Lines that nobody reads are dropped whole when there is no room.
    long_line[899] = '\n';
    long_line[900] = 0;
    for (u32 i = 0; i < 10; i++)
        type(long_line);
    usize total = 0;
    while ((got = read_all(buffer, 900)) != 0)
        total += got;
    CHECK(total == 4 * 900);
    check_end();
    check_pieces();
    check_lent();
    check_kept_end();
    ended = true;
    fake_sched_stop();
}

static void lines_are_edited_and_read(void **) {
    fake_sched_run(body, NULL);
    assert_true(ended);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_edited_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
