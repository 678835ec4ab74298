// The link: whole frames through a port that takes and gives what it likes, stdin against credit,
// and no harm from a peer that breaks the rules.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/ipc/frame_parser.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/link_file.h"
#include "kernel/ipc/path.h"
#include "kernel/ipc/stream.h"
#include "kernel/sched/wait.h"
#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define MS        1000000ull
#define SENT_MAX  (1024 * KIB)
#define PEER_STEP 5000u

// -- The port and the peer ----------------------------------------------------------------------

static struct {
    usize window; // bytes that the port takes before it is full
    u8 sent[SENT_MAX];
    usize sent_len;
    u8 coming[256 * 1024];
    usize coming_len;
    usize coming_at;
} port;

bool arch_link_present(void) {
    return true;
}

usize arch_link_write(const void *from, usize len) {
    usize take = len < port.window ? len : port.window;
    CHECK(port.sent_len + take <= SENT_MAX);
    memcpy(port.sent + port.sent_len, from, take);
    port.sent_len += take;
    port.window -= take;
    return take;
}

usize arch_link_read(void *to, usize len) {
    usize left = port.coming_len - port.coming_at;
    usize take = len < left ? len : left;
    memcpy(to, port.coming + port.coming_at, take);
    port.coming_at += take;
    return take;
}

static void come(u16 type, const void *data, u32 len) {
    struct link_header header = {LINK_MAGIC, type, len};
    memcpy(port.coming + port.coming_len, &header, sizeof header);
    memcpy(port.coming + port.coming_len + sizeof header, data, len);
    port.coming_len += sizeof header + len;
}

// What the peer saw.
static struct {
    u32 frames[64]; // by type
    u8 out[SENT_MAX];
    usize out_len;
    u32 credit;
    u16 first_type;
} peer;

static void peer_piece(void *context, u16 type, struct bytes piece, u32 left) {
    struct frame_parser *parser = context;
    CHECK(type < COUNT_OF(peer.frames));
    if (peer.first_type == 0)
        peer.first_type = type;
    if (type == LINK_STDOUT) {
        memcpy(peer.out + peer.out_len, piece.data, piece.len);
        peer.out_len += piece.len;
    }
    if (type == LINK_STDIN_CREDIT) {
        u32 credit;
        CHECK(piece.len == sizeof credit);
        memcpy(&credit, piece.data, sizeof credit);
        peer.credit += credit;
    }
    peer.frames[type] += left == 0;
    CHECK(!parser->is_broken);
}

// Takes apart all that was sent; what is left of the last frame is nothing.
static void peer_read(void) {
    struct frame_parser parser = {.piece = peer_piece, .context = &parser};
    memset(&peer, 0, sizeof peer);
    frame_parser_feed(&parser, (struct bytes){port.sent, port.sent_len});
    CHECK(!parser.is_broken && parser.header_len == 0);
}

static u32 interrupts;

static void count_interrupt(void) {
    interrupts++;
}

// -- Bodies run on a thread of the fake machine ---------------------------------------------------

// The link is started once in the life of a kernel, so all is one body, in order.
static u8 pattern[300 * 1024];
static enum status killed_status;
static bool ended;

static void slow_peer(void) {
    port.window += PEER_STEP;
    link_interrupt();
    if (port.sent_len < sizeof pattern)
        fake_interrupt_at(arch_clock_ns() + MS, slow_peer);
}

static void hello_comes_first(void) {
    CHECK(!link_is_up());
    CHECK(link_send(LINK_STDOUT, "x", 1) == ERR_CLOSED);
    port.window = 1000;
    CHECK(link_init(count_interrupt));
    peer_read();
    CHECK(peer.first_type == LINK_HELLO);
    CHECK(peer.frames[LINK_HELLO] == 1);
    CHECK(peer.credit == 65536);
}

static void a_slow_peer_gets_everything(void) {
    for (usize i = 0; i < sizeof pattern; i++)
        pattern[i] = (u8)(i * 7 + i / 251);
    port.sent_len = 0;
    port.window = 100;
    fake_interrupt_at(arch_clock_ns() + MS, slow_peer);
    CHECK(link_send(LINK_STDOUT, pattern, sizeof pattern) == OK);
    port.window = SENT_MAX;
    link_interrupt();
    link_flush(WAIT_FOREVER);
    peer_read();
    CHECK(peer.out_len == sizeof pattern);
    CHECK(memcmp(peer.out, pattern, sizeof pattern) == 0);
}

static void sender(void *argument) {
    (void)argument;
    killed_status = link_send(LINK_STDOUT, pattern, sizeof pattern);
    thread_exit();
}

static void a_killed_sender_leaves_whole_frames(void) {
    struct thread *thread = fake_thread_make(sender, NULL, PRIORITY_NORMAL, ANY_CPU);
    port.sent_len = 0;
    port.window = 777;
    killed_status = OK;
    thread_start(thread);
    CHECK(thread_sleep_until(arch_clock_ns() + MS) == OK);
    thread_kill(thread);
    CHECK(thread_sleep_until(arch_clock_ns() + MS) == OK);
    CHECK(killed_status == ERR_KILLED);
    port.window = SENT_MAX;
    link_interrupt();
    CHECK(link_send(LINK_STDERR, "e", 1) == OK);
    peer_read();
    CHECK(peer.out_len != 0 && peer.out_len < sizeof pattern);
    CHECK(memcmp(peer.out, pattern, peer.out_len) == 0);
    CHECK(peer.frames[LINK_STDERR] == 1);
}

// A program that has filled the output reads all of stdin that the peer may send: the credit comes
// with the first bytes that the port takes, for the program may sleep in its next read by then.
static void credit_waits_for_room_and_not_for_a_reader(void) {
    u8 buffer[65536];
    usize got = 0;
    port.window = SENT_MAX;
    link_interrupt();
    port.sent_len = 0;
    port.window = 0;
    CHECK(link_send(LINK_STDERR, pattern, link_output_room() - 7 * sizeof(struct link_header)) ==
          OK);
    CHECK(link_output_room() < sizeof(u32));

    come(LINK_STDIN, pattern, sizeof buffer);
    link_interrupt();
    for (usize at = 0; at < sizeof buffer; at += got)
        CHECK(link_stdin_read(buffer + at, 20000, &got) == OK && got != 0);
    CHECK(port.sent_len == 0);
    port.window = SENT_MAX;
    link_interrupt();
    link_interrupt();
    peer_read();
    CHECK(peer.credit == sizeof buffer);
}

static void stdin_is_read_against_credit(void) {
    u8 buffer[70000];
    usize got = 0;
    usize total = 0;
    struct object *in = link_stdin_stream();
    u64 available;
    port.sent_len = 0;
    CHECK((object_poll(in, &available) & POLL_READABLE) == 0);
    come(LINK_STDIN, pattern, 65536);
    link_interrupt();
    CHECK((object_poll(in, &available) & POLL_READABLE) != 0 && available == 65536);
    while (total < 65536) {
        CHECK(object_read(in, 0, buffer + total, 10000, &got) == OK);
        CHECK(got != 0);
        total += got;
    }
    CHECK(total == 65536 && memcmp(buffer, pattern, total) == 0);
    peer_read();
    CHECK(peer.credit == 65536); // all of it was given back
    come(LINK_INTERRUPT, "", 0);
    come(777 & 63, "who knows", 9); // an unknown type is ignored
    come(LINK_STDIN, "last", 4);
    come(LINK_STDIN_END, "", 0);
    come(LINK_STDIN, "after", 5);
    link_interrupt();
    CHECK(interrupts == 1);
    CHECK(object_read(in, 0, buffer, 100, &got) == OK);
    CHECK(got == 4 && memcmp(buffer, "last", 4) == 0);
    for (u32 i = 0; i < 3; i++) {
        CHECK(object_read(in, 0, buffer, 100, &got) == OK);
        CHECK(got == 0); // and it stays ended
    }
    CHECK((object_poll(in, &available) & POLL_HANGUP) != 0);
}

// -- Files at the other end -----------------------------------------------------------------------

// The requests that were sent, as the peer sees them.
static struct {
    struct file_request last;
    u8 bytes[3 * FILE_PATH_MAX]; // the last one's paths and data
    usize len;
    u32 opens;
    u32 closes;
} files;

static u8 request[LINK_PAYLOAD_MAX];
static usize request_len;

static void request_piece(void *, u16 type, struct bytes piece, u32 left) {
    if (type != LINK_FILE_REQUEST)
        return;
    memcpy(request + request_len, piece.data, piece.len);
    request_len += piece.len;
    if (left != 0)
        return;
    memcpy(&files.last, request, sizeof files.last);
    files.len = request_len - sizeof files.last;
    memcpy(files.bytes, request + sizeof files.last, min_u64(files.len, sizeof files.bytes));
    files.opens += files.last.op == FILE_OPEN;
    files.closes += files.last.op == FILE_CLOSE;
    request_len = 0;
}

static void requests_read(void) {
    struct frame_parser parser = {.piece = request_piece};
    memset(&files, 0, sizeof files);
    frame_parser_feed(&parser, (struct bytes){port.sent, port.sent_len});
    CHECK(!parser.is_broken && parser.header_len == 0);
}

// What the peer answers next.
static struct {
    u32 status;
    u64 words[2];
    const void *data;
    u32 len;
} answer;

static void answer_last(void) {
    u8 frame[sizeof(struct file_reply) + 256];
    requests_read();
    struct file_reply reply = {files.last.tag, answer.status, {answer.words[0], answer.words[1]}};
    memcpy(frame, &reply, sizeof reply);
    memcpy(frame + sizeof reply, answer.data, answer.len);
    port.coming_at = port.coming_len = 0;
    come(LINK_FILE_REPLY, frame, sizeof reply + answer.len);
    link_interrupt();
}

static void answer_soon(u32 status, u64 word, const char *data) {
    answer.status = status;
    answer.words[0] = word;
    answer.data = data;
    answer.len = (u32)strlen(data);
    port.sent_len = 0;
    fake_interrupt_at(arch_clock_ns() + MS, answer_last);
}

static struct object *open_file(struct object *root) {
    struct object *file;
    const struct place place = {root, bytes_of("a/b")};
    answer_soon(OK, FILE_TYPE_FILE, "");
    CHECK(path_open(&place, OPEN_READ | OPEN_FOLLOW, &file) == OK);
    CHECK(files.last.op == FILE_OPEN && files.last.handle == 5);
    CHECK(files.last.other >= FILE_ROOTS_MAX);
    CHECK(files.last.flags == (FILE_OPEN_READ | FILE_FOLLOW));
    CHECK(files.len == 3 && memcmp(files.bytes, "a/b", 3) == 0);
    return file;
}

static void files_are_asked_for(void) {
    struct object *root;
    u8 buffer[16];
    usize got;
    CHECK(link_directory_create(5, &root) == OK);
    struct object *file = open_file(root);
    u32 handle = files.last.other;
    answer_soon(OK, 0, "hello");
    CHECK(object_read(file, 77, buffer, sizeof buffer, &got) == OK);
    CHECK(got == 5 && memcmp(buffer, "hello", 5) == 0);
    CHECK(files.last.op == FILE_READ && files.last.handle == handle);
    CHECK(files.last.words[0] == 77 && files.last.room == sizeof buffer);
    answer_soon(ERR_NO_SPACE, 0, "");
    CHECK(object_write(file, 0, "x", 1, &got) == ERR_NO_SPACE);
    answer_soon(OK, 2, ""); // more than was sent
    CHECK(object_write(file, 0, "x", 1, &got) == ERR_IO);
    answer_soon(STATUS_COUNT, 0, "");
    CHECK(object_sync(file, true) == ERR_IO);
    port.sent_len = 0;
    object_release(file);
    requests_read();
    CHECK(files.closes == 1 && files.last.handle == handle && files.last.tag == 0);
    port.sent_len = 0;
    object_release(root);
    CHECK(port.sent_len == 0); // nobody closes a root
}

static void hostile_paths_stay_here(void) {
    static const struct {
        const char *path;
        usize len;
        enum status status;
    } bad[] = {
        {"", 0, ERR_NOT_FOUND},
        {"/etc", 4, ERR_ESCAPES},
        {"a\0b", 3, ERR_INVALID},
        {"\xff", 1, ERR_BAD_NAME},
        {(const char *)pattern, 4096, ERR_NAME_TOO_LONG},
    };
    struct object *root;
    struct object_stat stat;
    CHECK(link_directory_create(0, &root) == OK);
    port.sent_len = 0;
    for (usize i = 0; i < COUNT_OF(bad); i++) {
        const struct place place = {root, {(const u8 *)bad[i].path, bad[i].len}};
        CHECK(path_stat(&place, true, &stat) == bad[i].status);
        CHECK(path_unlink(&place) == bad[i].status);
    }
    CHECK(port.sent_len == 0);
    object_release(root);
}

static void waiter(void *root) {
    struct object *file;
    const struct place place = {root, bytes_of("f")};
    killed_status = path_open(&place, OPEN_READ, &file);
    thread_exit();
}

// Whatever the output ring holds, a handle can be closed; and a late answer finds nobody.
static void a_killed_opener_closes_what_it_asked_for(void) {
    struct object *root;
    CHECK(link_directory_create(1, &root) == OK);
    port.sent_len = 0;
    killed_status = OK;
    struct thread *thread = fake_thread_start(waiter, root);
    CHECK(thread_sleep_until(arch_clock_ns() + MS) == OK);
    requests_read();
    CHECK(files.opens == 1);
    u32 handle = files.last.other;
    port.window = 0; // and the ring fills
    while (link_try_send(LINK_LOG, pattern, 1000))
        continue;
    thread_kill(thread);
    CHECK(thread_sleep_until(arch_clock_ns() + MS) == OK);
    CHECK(killed_status == ERR_KILLED);
    port.window = SENT_MAX - port.sent_len;
    link_interrupt();
    requests_read();
    CHECK(files.closes == 1 && files.last.handle == handle);
    answer_soon(OK, FILE_TYPE_FILE, "");
    CHECK(thread_sleep_until(arch_clock_ns() + 2 * MS) == OK);
    object_release(root);
}

static void a_broken_peer_fails_what_waits(void) {
    struct object *root;
    CHECK(link_directory_create(2, &root) == OK);
    struct object_stat stat;
    answer_soon(OK, 0,
                "not a struct file_stat, and longer than there is room for: it is a peer "
                "that breaks the rules, and is not listened to any more");
    CHECK(object_stat(root, &stat) == ERR_CLOSED);
    CHECK(object_stat(root, &stat) == ERR_CLOSED); // at once
    object_release(root);
}

static void body(void *) {
    hello_comes_first();
    a_slow_peer_gets_everything();
    a_killed_sender_leaves_whole_frames();
    credit_waits_for_room_and_not_for_a_reader();
    stdin_is_read_against_credit();
    files_are_asked_for();
    hostile_paths_stay_here();
    a_killed_opener_closes_what_it_asked_for();
    a_broken_peer_fails_what_waits();
    ended = true;
    fake_sched_stop();
}

static void the_link_from_start_to_end(void **) {
    fake_sched_run(body, NULL);
    assert_true(ended);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_link_from_start_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
