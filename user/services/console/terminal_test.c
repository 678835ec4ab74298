// The terminal's reads: what was typed is for whoever is there to read it, and the end of what can
// be typed is seen in every mode.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abi/kwast/file.h"
#include "base/status.h"
#include "user/services/console/terminal.h"

#define SERVER 7u
#define ROOM   100u

// -- The kernel -----------------------------------------------------------------------------------

static struct {
    struct terminal terminal;
    u64 last_number;
    u64 dead;            // the number of a call whose client has gone
    char text[ROOM + 1]; // that the last read got
    u64 answered;        // the number of the last call that was answered
    u32 answer;
    u32 len;
} it;

u32 kwast_scheme_root_ready(kwast_handle, kwast_handle *ready) {
    *ready = 8;
    return 0;
}

u32 kwast_scheme_pollable(kwast_handle, u64, enum kwast_kind, kwast_handle *out,
                          kwast_handle *ready) {
    *out = *ready = 9;
    return 0;
}

u32 kwast_ready_set(kwast_handle, u32, u64) {
    return 0;
}

u32 kwast_grant_read(kwast_handle, u64, u32, u64, void *, usize) {
    return 0;
}

u32 kwast_grant_write(kwast_handle, u64 number, u32, u64, const void *from, usize len) {
    if (number == it.dead)
        return __WASI_ERRNO_CANCELED;
    assert_true(len <= ROOM);
    memcpy(it.text, from, len);
    it.text[len] = 0;
    return 0;
}

u32 kwast_scheme_reply(kwast_handle, const struct kwast_reply *reply) {
    it.answered = reply->number;
    it.answer = reply->answer;
    it.len = (u32)reply->words[2];
    if (reply->words[2] == 0)
        it.text[0] = 0;
    return 0;
}

u32 kwast_process_note(kwast_handle, u32, bool) {
    return 0;
}

u32 kwast_process_kill_tree(kwast_handle) {
    return 0;
}

u32 kwast_process_stop(kwast_handle, bool) {
    return 0;
}

static void show(void *, const char *, usize) {
}

// -- What tests do --------------------------------------------------------------------------------

static void start(void) {
    memset(&it, 0, sizeof it);
    it.terminal.server = SERVER;
    it.terminal.show = show;
    assert_int_equal(terminal_init(&it.terminal), 0);
}

// A read of the one who reads. Returns its number.
static u64 ask(void) {
    struct kwast_request request = {.number = ++it.last_number,
                                    .value = it.terminal.reader,
                                    .operation = KWAST_FILE_OPERATION + FILE_READ,
                                    .grant_count = 1,
                                    .grants = {{.len = ROOM, .access = KWAST_WRITE}}};
    terminal_serve(&it.terminal, &request);
    return request.number;
}

static void take_back(u64 number) {
    struct kwast_request request = {.number = number, .operation = KWAST_CANCELLED};
    terminal_serve(&it.terminal, &request);
}

static void set_mode(u64 mode) {
    struct kwast_request request = {
        .number = ++it.last_number, .operation = TERMINAL_SET_MODE, .words = {mode}};
    terminal_serve(&it.terminal, &request);
}

// A job comes to the foreground, with a channel of its own.
static void start_job(void) {
    struct kwast_request add = {.number = ++it.last_number, .operation = TERMINAL_ADD_CHANNEL};
    terminal_serve(&it.terminal, &add);
    struct kwast_request set = {.number = ++it.last_number,
                                .operation = TERMINAL_SET_FOREGROUND,
                                .words = {it.terminal.last_value}};
    terminal_serve(&it.terminal, &set);
}

static void end_job(void) {
    struct kwast_request set = {.number = ++it.last_number, .operation = TERMINAL_SET_FOREGROUND};
    terminal_serve(&it.terminal, &set);
}

static void type(const char *text) {
    terminal_type(&it.terminal, SOURCE_LINE, text, strlen(text));
}

static void assert_read(u64 number, const char *text) {
    assert_int_equal(it.answered, number);
    assert_int_equal(it.answer, OK);
    assert_string_equal(it.text, text);
    assert_int_equal(it.len, strlen(text));
}

// -- Tests ----------------------------------------------------------------------------------------

static void reads_are_answered_in_order(void **) {
    start();
    u64 first = ask();
    u64 second = ask();
    assert_int_equal(it.answered, 0);
    type("one\n");
    assert_read(first, "one\n");
    type("two\nthree\n");
    assert_read(second, "two\n");
    assert_read(ask(), "three\n");
}

// A reader that was killed has not been taken back yet when a line is typed.
static void a_line_is_not_lost_with_its_reader(void **) {
    static const u64 modes[] = {TERMINAL_COOKED, 0};
    for (u32 i = 0; i < COUNT_OF(modes); i++) {
        start();
        set_mode(modes[i]);
        it.dead = ask();
        u64 after = ask();
        type("first\n");
        assert_read(after, "first\n");
        take_back(it.dead);
        type("second\n");
        assert_read(ask(), "second\n");
    }
}

static void a_reader_that_went_at_once_takes_nothing(void **) {
    start();
    type("line\nmore\n");
    it.dead = it.last_number + 1;
    u64 dead = ask();
    assert_int_not_equal(it.answered, dead);
    take_back(dead);
    assert_read(ask(), "line\n");
    assert_read(ask(), "more\n");
}

static void the_end_is_seen_in_every_mode(void **) {
    static const struct {
        const char *name;
        u64 before; // mode when it ends
        u64 after;
    } cases[] = {
        {"lines", TERMINAL_COOKED, TERMINAL_COOKED},
        {"raw", 0, 0},
        {"lines, then raw", TERMINAL_COOKED, 0},
        {"raw, then lines", 0, TERMINAL_COOKED},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        print_message("%s\n", cases[i].name);
        start();
        set_mode(cases[i].before);
        type("half");
        start_job();
        terminal_hang_up(&it.terminal);
        set_mode(cases[i].after);
        u64 number = ask();
        if (it.len != 0) {
            assert_read(number, "half");
            number = ask();
        }
        for (u32 again = 0; again < 3; again++, number = ask())
            assert_read(number, "");
        // The shell sees it, too, and goes; its successor waits for somebody to come back.
        end_job();
        set_mode(TERMINAL_COOKED);
        assert_read(ask(), "");
        number = ask();
        assert_int_not_equal(it.answered, number);
        type("new\n");
        assert_read(number, "new\n");
    }
}

static void control_d_is_one_end(void **) {
    start();
    type("\x04");
    assert_read(ask(), "");
    u64 waits = ask();
    assert_int_not_equal(it.answered, waits);
    type("on\n");
    assert_read(waits, "on\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_answered_in_order),
        cmocka_unit_test(a_line_is_not_lost_with_its_reader),
        cmocka_unit_test(a_reader_that_went_at_once_takes_nothing),
        cmocka_unit_test(the_end_is_seen_in_every_mode),
        cmocka_unit_test(control_d_is_one_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
