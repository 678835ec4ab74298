// The link: whole frames through a port that takes and gives what it likes, stdin against credit,
// and no harm from a peer that breaks the rules.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/ipc/frame_parser.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/stream.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"

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
    const struct thread_config config = {
        .name = "sender",
        .entry = sender,
        .stack_bytes = 5 * PAGE_SIZE,
        .stack_committed = 4 * PAGE_SIZE,
        .priority = PRIORITY_NORMAL,
    };
    struct thread *thread;
    enum status status = thread_create(&config, &thread);
    CHECK(status == OK);
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

static void body(void *) {
    hello_comes_first();
    a_slow_peer_gets_everything();
    a_killed_sender_leaves_whole_frames();
    credit_waits_for_room_and_not_for_a_reader();
    stdin_is_read_against_credit();
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
