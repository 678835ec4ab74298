// Tests of schemes: calls reach a server and come back, whatever order they are answered in; what
// is lent is lent for the time of the call only; and either side can go at any moment, with a
// definite answer to everybody else and nothing left behind.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "abi/kwast/file.h"
#include "kernel/ipc/notification.h"
#include "kernel/ipc/ready.h"
#include "kernel/ipc/scheme.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"
#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define MS          1000000ull
#define CLIENTS_MAX 3u
#define OP_ECHO     SCHEME_FIRST_OPERATION
#define OP_OTHER    (SCHEME_FIRST_OPERATION + 1)

static struct {
    struct handle_table handles;
    struct scheme_party party;
    struct object *server;
    struct object *root;
    u64 heap_before;
} it;

static struct client {
    struct object *channel;
    struct scheme_call call;
    u64 deadline_ns;
    enum status status;
    bool is_done;
    struct thread *thread;
} clients[CLIENTS_MAX];

// Every block that a test's service took has been given back, once a first service has warmed up
// what stays.
static u64 heap_used(void) {
    reclaim(); // stacks of threads that have ended
    struct heap_stats stats;
    heap_stats(&stats);
    return stats.bytes_used;
}

static void service_start(void) {
    CHECK(handle_table_init(&it.handles, 8) == OK);
    scheme_party_init(&it.party, &it.handles);
    CHECK(scheme_create(bytes_of("test"), NULL, NULL, &it.server) == OK);
    CHECK(scheme_root(it.server, OBJECT_DIRECTORY, &it.root) == OK);
    for (u32 i = 0; i < CLIENTS_MAX; i++)
        clients[i] = (struct client){.channel = it.root, .deadline_ns = WAIT_FOREVER};
}

static void service_stop(void) {
    scheme_party_fini(&it.party);
    object_release(it.server);
    object_release(it.root);
    handle_table_fini(&it.handles);
}

static void client_main(void *argument) {
    struct client *client = argument;
    client->status = scheme_call(client->channel, &client->call, client->deadline_ns);
    client->is_done = true;
    thread_exit();
}

static void client_start(struct client *client, u32 operation) {
    client->call.operation = operation;
    client->thread = fake_thread_start(client_main, client);
}

static u8 received_bytes[64];

static const struct grant into_bytes = {
    .kernel = received_bytes, .len = sizeof received_bytes, .access = GRANT_WRITE};

static struct scheme_request receive(void) {
    struct scheme_request request;
    CHECK(scheme_receive(it.server, &it.party, &into_bytes, arch_clock_ns() + MS, &request) == OK);
    return request;
}

static void expect_nothing_to_receive(void) {
    struct scheme_request request;
    CHECK(scheme_receive(it.server, &it.party, &into_bytes, arch_clock_ns() + MS, &request) ==
          ERR_TIMED_OUT);
}

static void answer(u64 number, u64 word) {
    const struct scheme_reply reply = {.answer = 7, .words = {word}};
    CHECK(scheme_reply(it.server, &it.party, number, &reply) == OK);
}

// Lets all other threads run until they wait.
static void settle(void) {
    CHECK(thread_sleep_until(arch_clock_ns() + MS) == OK);
}

static struct grant lent(void *memory, u64 len, enum grant_access access) {
    return (struct grant){.kernel = memory, .len = len, .access = access};
}

// -- Calls --------------------------------------------------------------------------------------

static void call_carries_words_and_bytes_both_ways(void) {
    clients[0].call.words[3] = 41;
    clients[0].call.bytes = lent("path", 4, GRANT_READ);
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    CHECK(request.operation == OP_ECHO && request.value == 0 && request.words[3] == 41);
    CHECK(request.bytes_len == 4 && memcmp(received_bytes, "path", 4) == 0);
    CHECK(!clients[0].is_done);
    answer(request.number, 42);
    settle();
    CHECK(clients[0].is_done && clients[0].status == OK);
    CHECK(clients[0].call.answer == 7 && clients[0].call.words[0] == 42);
}

static void bytes_that_do_not_fit_are_cut_and_their_length_is_told(void) {
    static u8 text[100] = {1};
    clients[0].call.bytes = lent(text, sizeof text, GRANT_READ);
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    CHECK(request.bytes_len == 100 && received_bytes[0] == 1);
    answer(request.number, 0);
    settle();
}

static void calls_come_in_order_and_are_answered_in_any(void) {
    struct scheme_request requests[CLIENTS_MAX];
    for (u32 i = 0; i < CLIENTS_MAX; i++) {
        clients[i].call.words[0] = i;
        client_start(&clients[i], OP_ECHO);
    }
    for (u32 i = 0; i < CLIENTS_MAX; i++) {
        requests[i] = receive();
        CHECK(requests[i].words[0] == i);
    }
    for (u32 i = CLIENTS_MAX; i-- > 0;) {
        answer(requests[i].number, 100 + i);
        settle();
        CHECK(clients[i].is_done && clients[i].call.words[0] == 100 + i);
    }
}

static void call_is_answered_once(void) {
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    answer(request.number, 1);
    const struct scheme_reply again = {.words = {2}};
    CHECK(scheme_reply(it.server, &it.party, request.number, &again) == ERR_NOT_FOUND);
    CHECK(scheme_reply(it.server, &it.party, 0, &again) == ERR_NOT_FOUND);
    CHECK(scheme_reply(it.server, &it.party, UINT64_MAX, &again) == ERR_NOT_FOUND);
    settle();
    CHECK(clients[0].call.words[0] == 1);
}

static void other_party_cannot_answer(void) {
    struct handle_table handles;
    struct scheme_party other;
    CHECK(handle_table_init(&handles, 8) == OK);
    scheme_party_init(&other, &handles);
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    const struct scheme_reply reply = {.words = {2}};
    CHECK(scheme_reply(it.server, &other, request.number, &reply) == ERR_NOT_FOUND);
    answer(request.number, 1);
    settle();
    scheme_party_fini(&other);
    handle_table_fini(&handles);
}

static void channel_carries_its_value_and_its_end_is_told(void) {
    CHECK(scheme_channel(it.server, 99, OBJECT_FILE, &clients[0].channel) == OK);
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    CHECK(request.value == 99);
    answer(request.number, 0);
    settle();
    object_release(clients[0].channel);
    request = receive();
    CHECK(request.operation == SCHEME_CLOSED && request.value == 99 && request.number == 0);
    expect_nothing_to_receive();
}

// A server that makes channels and listens to nobody does not fill the kernel's memory with news.
static void channels_end_while_nobody_hears_of_those_that_were_closed(void) {
    struct object *channel;
    struct object *ready;
    for (u32 i = 0; i < SCHEME_UNTOLD_MAX; i++) {
        CHECK(scheme_channel(it.server, i, OBJECT_PLAIN, &channel) == OK);
        object_release(channel);
    }
    u64 heap = heap_used();
    CHECK(scheme_channel(it.server, 0, OBJECT_PLAIN, &channel) == ERR_LIMIT);
    CHECK(scheme_pollable(it.server, 0, OBJECT_PLAIN, &channel, &ready) == ERR_LIMIT);
    CHECK(heap_used() == heap);
    struct scheme_request request = receive();
    CHECK(request.operation == SCHEME_CLOSED && request.value == 0);
    CHECK(scheme_channel(it.server, 99, OBJECT_PLAIN, &channel) == OK);
    object_release(channel);
    CHECK(scheme_channel(it.server, 0, OBJECT_PLAIN, &channel) == ERR_LIMIT);
    scheme_party_fini(&it.party); // the next server hears of none of them
    scheme_party_init(&it.party, &it.handles);
    CHECK(scheme_channel(it.server, 1, OBJECT_PLAIN, &channel) == OK);
    object_release(channel);
    request = receive();
    CHECK(request.operation == SCHEME_CLOSED && request.value == 1);
    expect_nothing_to_receive();
}

// -- Grants -------------------------------------------------------------------------------------

static void grant_is_copied_within_its_bounds_and_rights(void) {
    static u8 source[8] = "01234567";
    static u8 target[8];
    u8 here[8] = {0};
    clients[0].call.grant_count = 2;
    clients[0].call.grants[0] = lent(source, sizeof source, GRANT_READ);
    clients[0].call.grants[1] = lent(target, sizeof target, GRANT_WRITE);
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    CHECK(request.grant_count == 2 && request.grants[0].len == 8);
    CHECK(request.grants[0].access == GRANT_READ && request.grants[1].access == GRANT_WRITE);

    u64 n = request.number;
    struct grant in = lent(here, 4, GRANT_WRITE);
    struct grant out = lent(here, 4, GRANT_READ);
    CHECK(scheme_copy(it.server, &it.party, n, 0, 4, &in) == OK);
    CHECK(memcmp(here, "4567", 4) == 0);
    CHECK(scheme_copy(it.server, &it.party, n, 1, 2, &out) == OK);
    CHECK(memcmp(target,
                 "\0\0"
                 "4567\0\0",
                 8) == 0);

    CHECK(scheme_copy(it.server, &it.party, n, 0, 5, &in) == ERR_INVALID);
    CHECK(scheme_copy(it.server, &it.party, n, 0, UINT64_MAX, &in) == ERR_INVALID);
    CHECK(scheme_copy(it.server, &it.party, n, 2, 0, &in) == ERR_INVALID);
    CHECK(scheme_copy(it.server, &it.party, n, 0, 0, &out) == ERR_NO_ACCESS);
    CHECK(scheme_copy(it.server, &it.party, n, 1, 0, &in) == ERR_NO_ACCESS);
    answer(n, 0);
    CHECK(scheme_copy(it.server, &it.party, n, 0, 0, &in) == ERR_NOT_FOUND);
    settle();
}

// -- Going away ---------------------------------------------------------------------------------

static void cancelled_call_is_told_and_its_reply_goes_nowhere(void) {
    struct object *file;
    CHECK(scheme_channel(it.server, 5, OBJECT_FILE, &file) == OK);
    clients[0].deadline_ns = arch_clock_ns() + 2 * MS;
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    CHECK(thread_sleep_until(arch_clock_ns() + 4 * MS) == OK);
    CHECK(clients[0].is_done && clients[0].status == ERR_TIMED_OUT);

    u8 byte;
    struct grant in = lent(&byte, 1, GRANT_WRITE);
    CHECK(scheme_copy(it.server, &it.party, request.number, 0, 0, &in) == ERR_CANCELLED);
    struct scheme_request news = receive();
    CHECK(news.operation == SCHEME_CANCELLED && news.number == request.number);
    const struct scheme_reply reply = {.handle = {.object = file}};
    CHECK(scheme_reply(it.server, &it.party, request.number, &reply) == OK);
    news = receive(); // the handle in the reply went with it
    CHECK(news.operation == SCHEME_CLOSED && news.value == 5);
    expect_nothing_to_receive();
}

static void call_that_nobody_received_is_taken_back_without_a_trace(void) {
    clients[0].deadline_ns = arch_clock_ns() + 2 * MS;
    client_start(&clients[0], OP_ECHO);
    CHECK(thread_sleep_until(arch_clock_ns() + 4 * MS) == OK);
    CHECK(clients[0].is_done && clients[0].status == ERR_TIMED_OUT);
    expect_nothing_to_receive();
}

static void killed_client_goes_at_once(void) {
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    thread_kill(clients[0].thread);
    settle();
    CHECK(clients[0].is_done && clients[0].status == ERR_KILLED);
    CHECK(receive().operation == SCHEME_CANCELLED);
    answer(request.number, 0);
}

static void death_of_the_party_fails_what_it_received_and_spares_the_rest(void) {
    struct object *file;
    CHECK(scheme_channel(it.server, 5, OBJECT_FILE, &file) == OK);
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    clients[1].channel = file;
    client_start(&clients[1], OP_ECHO);
    client_start(&clients[2], OP_OTHER);
    settle();
    scheme_party_fini(&it.party);
    settle();
    CHECK(clients[0].is_done && clients[0].status == ERR_PEER_DIED);
    CHECK(clients[1].is_done && clients[1].status == ERR_PEER_DIED);
    CHECK(!clients[2].is_done);

    scheme_party_init(&it.party, &it.handles); // the next server
    struct scheme_request next = receive();
    CHECK(next.operation == OP_OTHER && next.number != request.number);
    answer(next.number, 0);
    settle();
    CHECK(clients[2].is_done && clients[2].status == OK);

    // What the first one opened is of no use, and the next one is not bothered with it.
    clients[1].is_done = false;
    client_start(&clients[1], OP_ECHO);
    settle();
    CHECK(clients[1].is_done && clients[1].status == ERR_PEER_DIED);
    object_release(file);
    expect_nothing_to_receive();
}

static void end_of_the_service_fails_everything(void) {
    struct object *root = it.root;
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    CHECK(request.operation == OP_ECHO);
    client_start(&clients[1], OP_ECHO);
    settle();
    object_release(it.server);
    it.server = NULL;
    settle();
    CHECK(clients[0].is_done && clients[0].status == ERR_CLOSED);
    CHECK(clients[1].is_done && clients[1].status == ERR_CLOSED);
    clients[2].channel = root;
    client_start(&clients[2], OP_ECHO);
    settle();
    CHECK(clients[2].is_done && clients[2].status == ERR_CLOSED);
}

// -- Handles ------------------------------------------------------------------------------------

static void handles_move_with_call_and_reply(void) {
    struct object *given, *granted;
    CHECK(scheme_channel(it.server, 1, OBJECT_FILE, &given) == OK);
    CHECK(scheme_channel(it.server, 2, OBJECT_FILE, &granted) == OK);
    clients[0].call.handle_count = 1;
    clients[0].call.handles[0] = (struct handle){.object = given, .rights = 3};
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    CHECK(request.handle_count == 1 && clients[0].call.handles[0].object == NULL);
    struct handle got;
    CHECK(handle_get(&it.handles, request.handles[0], &got) == OK);
    CHECK(got.object == given && got.rights == 3);
    object_release(got.object);

    const struct scheme_reply reply = {.handle = {.object = granted, .rights = 5}};
    CHECK(scheme_reply(it.server, &it.party, request.number, &reply) == OK);
    settle();
    CHECK(clients[0].call.granted.object == granted && clients[0].call.granted.rights == 5);
    object_release(granted);
    CHECK(handle_close(&it.handles, request.handles[0]) == OK);
    CHECK(receive().value == 2 && receive().value == 1);
}

static void handles_that_the_server_has_no_room_for_fail_the_call(void) {
    struct object *given;
    u32 number;
    CHECK(scheme_channel(it.server, 1, OBJECT_FILE, &given) == OK);
    for (u32 i = 0; i < 7; i++) {
        object_retain(it.root);
        CHECK(handle_insert(&it.handles, &(struct handle){.object = it.root}, &number) == OK);
    }
    clients[0].call.handle_count = 2;
    for (u32 i = 0; i < 2; i++) {
        object_retain(given);
        clients[0].call.handles[i] = (struct handle){.object = given};
    }
    client_start(&clients[0], OP_ECHO);
    expect_nothing_to_receive();
    CHECK(clients[0].is_done && clients[0].status == ERR_LIMIT);
    CHECK(clients[0].call.handles[0].object == NULL && clients[0].call.handles[1].object == given);
    object_release(given);
    object_release(given);
    CHECK(receive().operation == SCHEME_CLOSED);
    CHECK(handle_close(&it.handles, 7) == ERR_BAD_HANDLE);
}

// -- Files --------------------------------------------------------------------------------------

static struct object_stat told_stat;
static enum status stat_status;

// Locals are on the stack, then, where others were before.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_stack_use_after_return=0";
}

// What is on the stack afterwards must not get out.
[[gnu::noinline]] static void dirty_stack(void) {
    volatile u8 secret[4096];
    for (u32 i = 0; i < sizeof secret; i++)
        secret[i] = 0xa5;
}

static void stat_main(void *file) {
    dirty_stack();
    stat_status = object_stat(file, &told_stat);
    thread_exit();
}

static void answer_that_was_not_written_shows_nothing(void) {
    struct object *file;
    CHECK(scheme_channel(it.server, 5, OBJECT_FILE, &file) == OK);
    fake_thread_start(stat_main, file);
    const struct scheme_request request = receive();
    CHECK(request.operation == SCHEME_FILE_OPERATION + FILE_STAT && request.grant_count == 1);
    const struct scheme_reply lie = {.words = {0, 0, request.grants[0].len}};
    CHECK(scheme_reply(it.server, &it.party, request.number, &lie) == OK);
    settle();
    CHECK(stat_status == OK && told_stat.type == OBJECT_PLAIN);
    CHECK(told_stat.device == 0 && told_stat.inode == 0 && told_stat.link_count == 0);
    CHECK(told_stat.size == 0 && told_stat.accessed_ns == 0 && told_stat.modified_ns == 0);
    object_release(file);
    CHECK(receive().operation == SCHEME_CLOSED);
}

// What poll knows of a root: the latest server's word, whichever end goes when.
static void root_is_as_ready_as_the_latest_server_says(void) {
    const u32 everything = POLL_READABLE | POLL_WRITABLE | POLL_HANGUP;
    struct object *stream, *first, *second;
    u64 available;
    CHECK(scheme_root(it.server, OBJECT_STREAM, &stream) == OK);
    CHECK(object_poll(stream, &available) == (POLL_READABLE | POLL_WRITABLE));
    CHECK(scheme_root_ready(it.server, &first) == OK);
    CHECK(object_poll(stream, &available) == 0);
    ready_set(first, POLL_READABLE, 5);
    CHECK(object_poll(stream, &available) == POLL_READABLE && available == 5);
    CHECK(scheme_root_ready(it.server, &second) == OK);
    CHECK(object_poll(stream, &available) == 0);
    ready_set(first, POLL_WRITABLE, 0);
    object_release(first);
    CHECK(object_poll(stream, &available) == 0);
    ready_set(second, POLL_WRITABLE, 0);
    CHECK(object_poll(stream, &available) == POLL_WRITABLE);
    object_release(second);
    CHECK(object_poll(stream, &available) == everything);
    object_release(stream);
}

// -- What it costs --------------------------------------------------------------------------------

static void nothing_is_left_of_schemes_that_were_served_and_closed(void) {
    u64 few = 0;
    for (u32 i = 1; i <= 512; i++) {
        struct object *server;
        struct scheme_request request;
        CHECK(scheme_create(bytes_of("short"), NULL, NULL, &server) == OK);
        CHECK(scheme_receive(server, &it.party, &into_bytes, 0, &request) == ERR_TIMED_OUT);
        object_release(server);
        if (i == 32)
            few = heap_used();
    }
    CHECK(heap_used() <= few);
}

static void calls_of_others_go_on_when_what_is_of_no_use_is_ended(void) {
    client_start(&clients[0], OP_ECHO);
    struct scheme_request request = receive();
    nothing_is_left_of_schemes_that_were_served_and_closed();
    CHECK(!clients[0].is_done);
    answer(request.number, 7);
    settle();
    CHECK(clients[0].is_done && clients[0].status == OK && clients[0].call.answer == 7);
}

static void maker_pays_for_all_of_it_until_it_is_gone(void) {
    struct memory_account account = {.limit = 64 * KIB};
    struct object *payer;
    struct object *server;
    struct object *channels[2] = {NULL};
    struct scheme_request request;
    CHECK(notification_create(&payer) == OK); // any object
    CHECK(scheme_create(bytes_of("paid"), &account, payer, &server) == OK);
    object_release(payer);
    u64 unused = account.charged;
    CHECK(unused != 0);
    CHECK(scheme_receive(server, &it.party, &into_bytes, 0, &request) == ERR_TIMED_OUT);
    CHECK(account.charged > unused); // the calls' slots

    // Those that are closed are paid for until the server has been told.
    CHECK(scheme_channel(server, 1, OBJECT_PLAIN, &channels[0]) == OK);
    enum status status = OK;
    while ((status = scheme_channel(server, 2, OBJECT_PLAIN, &channels[1])) == OK)
        object_release(channels[1]);
    CHECK(status == ERR_NO_MEMORY && account.charged <= account.limit);
    CHECK(scheme_root(server, OBJECT_PLAIN, &channels[1]) == ERR_NO_MEMORY);
    CHECK(scheme_receive(server, &it.party, &into_bytes, 0, &request) == OK);
    CHECK(request.operation == SCHEME_CLOSED);
    CHECK(scheme_root(server, OBJECT_PLAIN, &channels[1]) == OK);

    // Too little for another scheme.
    account.limit = account.charged + 1;
    struct object *other;
    CHECK(scheme_create(bytes_of("dear"), &account, NULL, &other) == ERR_NO_MEMORY);

    object_release(server);
    CHECK(account.charged != 0);
    object_release(channels[0]);
    object_release(channels[1]);
    scheme_party_fini(&it.party); // it has received from it
    CHECK(account.charged == 0);
}

// -- Running them -------------------------------------------------------------------------------

struct scenario {
    const char *name;
    void (*run)(void);
};

static void body(void *argument) {
    const struct scenario *scenario = argument;
    service_start(); // once for what the heap and the scheduler keep
    for (u32 i = 0; i < CLIENTS_MAX; i++)
        client_start(&clients[i], OP_ECHO);
    for (u32 i = 0; i < CLIENTS_MAX; i++)
        answer(receive().number, 0);
    settle();
    service_stop();
    settle();
    it.heap_before = heap_used();
    service_start();
    scenario->run();
    service_stop();
    settle(); // for the reaper
    CHECK(heap_used() == it.heap_before);
    fake_sched_stop();
}

static void run(void **state) {
    fake_machine_start_simple(16 * MIB);
    fake_sched_run(body, *state);
}

#define SCENARIO(name) {#name, name}

int main(void) {
    static struct scenario scenarios[] = {
        SCENARIO(call_carries_words_and_bytes_both_ways),
        SCENARIO(bytes_that_do_not_fit_are_cut_and_their_length_is_told),
        SCENARIO(calls_come_in_order_and_are_answered_in_any),
        SCENARIO(call_is_answered_once),
        SCENARIO(other_party_cannot_answer),
        SCENARIO(channel_carries_its_value_and_its_end_is_told),
        SCENARIO(channels_end_while_nobody_hears_of_those_that_were_closed),
        SCENARIO(grant_is_copied_within_its_bounds_and_rights),
        SCENARIO(cancelled_call_is_told_and_its_reply_goes_nowhere),
        SCENARIO(call_that_nobody_received_is_taken_back_without_a_trace),
        SCENARIO(killed_client_goes_at_once),
        SCENARIO(death_of_the_party_fails_what_it_received_and_spares_the_rest),
        SCENARIO(end_of_the_service_fails_everything),
        SCENARIO(handles_move_with_call_and_reply),
        SCENARIO(handles_that_the_server_has_no_room_for_fail_the_call),
        SCENARIO(answer_that_was_not_written_shows_nothing),
        SCENARIO(root_is_as_ready_as_the_latest_server_says),
        SCENARIO(nothing_is_left_of_schemes_that_were_served_and_closed),
        SCENARIO(calls_of_others_go_on_when_what_is_of_no_use_is_ended),
        SCENARIO(maker_pays_for_all_of_it_until_it_is_gone),
    };
    struct CMUnitTest tests[COUNT_OF(scenarios)];
    for (u32 i = 0; i < COUNT_OF(scenarios); i++)
        tests[i] = (struct CMUnitTest){scenarios[i].name, run, NULL, NULL, &scenarios[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
