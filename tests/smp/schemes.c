// Calls between processes on several CPUs at once, under ThreadSanitizer: clients call, give up,
// are killed, open channels and pass handles; servants (processes as far as they serve, of two
// threads each) receive, copy, answer at once, late or never, and die; services go and come again.
// All of it at random.
//
//   schemes [CPUS [ROUNDS [SEED]]]
//
// What is checked: an answer is the one to the question; a status is one that kernel/ipc/scheme.h
// allows there; nobody touches what was lent once the call has returned, which ThreadSanitizer
// sees, since the client writes there at once; and everything that was allocated is given back.

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "kernel/ipc/notification.h"
#include "kernel/ipc/scheme.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"
#include "tests/smp/crew.h"
#include "tests/smp/machine.h"

#define SERVICES 3u
#define SERVANTS 3u
#define THREADS  2u // of a servant
#define CLIENTS  8u
#define OPENED   4u // channels that a client keeps
#define HELD     3u // calls that a servant's thread has received and not answered
#define LENT     200u
#define HANDLES  5u // limit of a servant's table: it runs out
#define TAG      0x4b57000000000000ull

enum operation : u32 {
    OP_ADD = SCHEME_FIRST_OPERATION, // words[0] + words[1]
    OP_REVERSE,                      // grant 1 becomes grant 0 reversed; that begins with words[0]
    OP_BYTES,                        // the sum of the inline bytes
    OP_OPEN,                         // a channel with value words[0]
    OP_VALUE,                        // the channel's value
    OP_SIGNAL, // signals words[0] to the notifications that come along; the first comes back
    OP_COUNT = OP_SIGNAL - OP_ADD + 1,
};

static u64 below(u64 *random, u64 bound) {
    return machine_random(random) % bound;
}

static u64 random_deadline(u64 *random) {
    u64 kind = below(random, 4);
    if (kind == 0)
        return WAIT_FOREVER;
    if (kind == 1)
        return arch_clock_ns() + below(random, 20000000);
    return kind == 2 ? arch_clock_ns() + below(random, 100000) : below(random, 2);
}

// -- Services -----------------------------------------------------------------------------------

static struct service {
    struct spinlock lock;

    // Under lock:
    struct object *server;
    struct object *root;
} services[SERVICES];

// Takes the old one's place, if there is one.
static void service_renew(struct service *service) {
    struct object *server, *root;
    CHECK(scheme_create(bytes_of("service"), NULL, NULL, &server) == OK);
    CHECK(scheme_root(server, OBJECT_PLAIN, &root) == OK);
    spin_lock(&service->lock);
    struct object *old_server = service->server;
    struct object *old_root = service->root;
    service->server = server;
    service->root = root;
    spin_unlock(&service->lock);
    object_release(old_server);
    object_release(old_root);
}

static void service_end(struct service *service) {
    object_release(service->server);
    object_release(service->root);
    service->server = NULL;
    service->root = NULL;
}

static struct object *service_retain(struct object **which, struct service *service) {
    spin_lock(&service->lock);
    struct object *object = *which;
    object_retain(object);
    spin_unlock(&service->lock);
    return object;
}

// -- Threads that can be killed -----------------------------------------------------------------

struct victim {
    struct spinlock lock;
    struct thread *thread; // under lock; NULL: none
};

static void victim_start(struct victim *victim, void (*entry)(void *), void *argument) {
    struct thread *thread = stress_thread("victim", entry, argument, 0);
    spin_lock(&victim->lock);
    victim->thread = thread;
    spin_unlock(&victim->lock);
    thread_start(thread);
}

// The running thread is not killed any more.
static void victim_leave(struct victim *victim) {
    spin_lock(&victim->lock);
    victim->thread = NULL;
    spin_unlock(&victim->lock);
}

static void victim_kill(struct victim *victim) {
    spin_lock(&victim->lock);
    if (victim->thread != NULL)
        thread_kill(victim->thread);
    spin_unlock(&victim->lock);
}

static bool is_killed(void) {
    return thread_is_killed(thread_current());
}

// -- Servants -----------------------------------------------------------------------------------

struct servant;

struct serving_thread {
    struct servant *servant;
    struct victim victim;
    u64 random;
    struct {
        struct object *server; // NULL: none
        struct scheme_request request;
    } held[HELD];
};

static struct servant {
    struct handle_table handles;
    struct scheme_party party;
    struct serving_thread threads[THREADS];
    u32 left; // atomic
} servants[SERVANTS];

static bool is_over;      // atomic: servants end for good
static u32 servants_left; // atomic

static void servant_begin(struct servant *servant);

// OK, or the call has been taken back.
static bool copy(struct serving_thread *self, struct object *server,
                 const struct scheme_request *request, u32 index, struct grant local) {
    enum status status =
        scheme_copy(server, &self->servant->party, request->number, index, 0, &local);
    CHECK(status == OK || status == ERR_CANCELLED);
    return status == OK;
}

static void serve_reverse(struct serving_thread *self, struct object *server,
                          const struct scheme_request *request) {
    u8 from[LENT], to[LENT];
    u64 len = request->grants[0].len;
    CHECK(request->grant_count == 2 && len <= LENT && request->grants[1].len == len);
    if (!copy(self, server, request, 0,
              (struct grant){.kernel = from, .len = len, .access = GRANT_WRITE}))
        return;
    for (u64 i = 0; i < len; i++) {
        CHECK(from[i] == (u8)(request->words[0] + i));
        to[len - 1 - i] = from[i];
    }
    copy(self, server, request, 1, (struct grant){.kernel = to, .len = len, .access = GRANT_READ});
}

// Signals to all, and has the first come back.
static void serve_signal(struct serving_thread *self, const struct scheme_request *request,
                         struct scheme_reply *reply) {
    for (u32 i = 0; i < request->handle_count; i++) {
        u64 rights;
        struct object *object;
        CHECK(handle_get_object(&self->servant->handles, request->handles[i], &rights, &object) ==
              OK);
        notification_signal(object, request->words[0]);
        if (i == 0)
            reply->handle = (struct handle){.object = object};
        else
            object_release(object);
        CHECK(handle_close(&self->servant->handles, request->handles[i]) == OK);
    }
}

static void answer(struct serving_thread *self, struct object *server,
                   const struct scheme_request *request) {
    struct scheme_reply reply = {.answer = request->operation};
    switch (request->operation) {
    case OP_ADD:
        reply.words[0] = request->words[0] + request->words[1];
        break;
    case OP_REVERSE:
        serve_reverse(self, server, request);
        break;
    case OP_BYTES:
        reply.words[0] = request->words[3]; // summed when they came
        break;
    case OP_OPEN:
        CHECK(scheme_channel(server, request->words[0], OBJECT_PLAIN, &reply.handle.object) == OK);
        break;
    case OP_VALUE:
        reply.words[0] = request->value;
        break;
    default:
        CHECK(request->operation == OP_SIGNAL);
        serve_signal(self, request, &reply);
        break;
    }
    CHECK(scheme_reply(server, &self->servant->party, request->number, &reply) == OK);
    CHECK(scheme_reply(server, &self->servant->party, request->number, &reply) == ERR_NOT_FOUND);
}

// Answers one that was held, if there is one at this place.
static void answer_held(struct serving_thread *self, u32 index) {
    struct object *server = self->held[index].server;
    if (server == NULL)
        return;
    self->held[index].server = NULL;
    answer(self, server, &self->held[index].request);
    object_release(server);
}

static void check_request(struct scheme_request *request, const u8 *bytes) {
    CHECK(request->value == 0 || (request->value & TAG) == TAG);
    CHECK(request->operation == SCHEME_CLOSED || request->number != 0);
    if (request->operation != OP_BYTES)
        return;
    request->words[3] = 0;
    for (u32 i = 0; i < request->bytes_len; i++)
        request->words[3] += bytes[i];
}

static void serve_once(struct serving_thread *self) {
    struct service *service = &services[below(&self->random, SERVICES)];
    struct object *server = service_retain(&service->server, service);
    u32 place = (u32)below(&self->random, HELD);
    struct scheme_request request;
    u8 bytes[LENT];
    const struct grant into = {.kernel = bytes, .len = sizeof bytes, .access = GRANT_WRITE};
    enum status status = scheme_receive(server, &self->servant->party, &into,
                                        random_deadline(&self->random), &request);
    CHECK(status == OK || status == ERR_TIMED_OUT || (status == ERR_KILLED && is_killed()));
    if (status == OK) {
        check_request(&request, bytes);
        bool is_call = request.operation >= SCHEME_FIRST_OPERATION;
        if (is_call && self->held[place].server == NULL && below(&self->random, 3) == 0) {
            object_retain(server);
            self->held[place].server = server;
            self->held[place].request = request;
        } else if (is_call) {
            answer(self, server, &request);
        }
    }
    object_release(server);
    if (below(&self->random, 2) == 0)
        answer_held(self, place);
}

// The last thread takes the process down, and begins the next one.
static void servant_leave(struct servant *servant) {
    if (__atomic_sub_fetch(&servant->left, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    scheme_party_fini(&servant->party);
    handle_table_fini(&servant->handles);
    if (__atomic_load_n(&is_over, __ATOMIC_ACQUIRE))
        __atomic_sub_fetch(&servants_left, 1, __ATOMIC_RELEASE);
    else
        servant_begin(servant);
}

static void serving_main(void *argument) {
    struct serving_thread *self = argument;
    while (!is_killed() && below(&self->random, 500) != 0)
        serve_once(self);
    victim_leave(&self->victim);
    for (u32 i = 0; i < HELD; i++) { // never answered: they fail
        object_release(self->held[i].server);
        self->held[i].server = NULL;
    }
    scheme_party_leave(&self->servant->party);
    servant_leave(self->servant);
    machine_thread_exit();
}

static void servant_begin(struct servant *servant) {
    CHECK(handle_table_init(&servant->handles, HANDLES) == OK);
    scheme_party_init(&servant->party, &servant->handles);
    __atomic_store_n(&servant->left, THREADS, __ATOMIC_RELEASE);
    for (u32 i = 0; i < THREADS; i++)
        victim_start(&servant->threads[i].victim, serving_main, &servant->threads[i]);
}

static void servant_kill(struct servant *servant) {
    for (u32 i = 0; i < THREADS; i++)
        victim_kill(&servant->threads[i].victim);
}

// -- Clients ------------------------------------------------------------------------------------

static struct client {
    struct victim victim;
    u64 random;
    u32 rounds; // left
    struct {
        struct object *channel; // NULL: none
        u64 value;
    } opened[OPENED];
    struct object *notification;
    struct scheme_call call;
    u8 from[LENT], to[LENT];
} clients[CLIENTS];

static u32 clients_left;           // atomic
static u64 outcomes[STATUS_COUNT]; // atomic

static void prepare(struct client *client, u32 operation) {
    struct scheme_call *call = &client->call;
    u64 *random = &client->random;
    u64 len = below(random, LENT) + 1;
    *call = (struct scheme_call){.operation = operation,
                                 .words = {machine_random(random), machine_random(random)}};
    for (u64 i = 0; i < LENT; i++)
        client->from[i] = (u8)(call->words[0] + i);
    struct grant from = {.kernel = client->from, .len = len, .access = GRANT_READ};
    struct grant to = {.kernel = client->to, .len = len, .access = GRANT_WRITE};
    if (operation == OP_REVERSE) {
        call->grants[0] = from;
        call->grants[1] = to;
        call->grant_count = 2;
    } else if (operation == OP_BYTES) {
        call->bytes = from;
    } else if (operation == OP_OPEN) {
        call->words[0] |= TAG;
    } else if (operation == OP_SIGNAL) {
        call->words[0] |= 1;
        call->handle_count = (u32)below(random, SCHEME_HANDLES_MAX) + 1;
        for (u32 i = 0; i < call->handle_count; i++) {
            object_retain(client->notification);
            call->handles[i] = (struct handle){.object = client->notification};
        }
    }
}

static void check_answer(struct client *client, const struct scheme_call *asked, u64 value) {
    struct scheme_call *call = &client->call;
    u64 sum = 0;
    CHECK(call->answer == call->operation);
    for (u64 i = 0; i < call->bytes.len; i++)
        sum += client->from[i];
    for (u64 i = 0; call->operation == OP_REVERSE && i < call->grants[0].len; i++)
        CHECK(client->to[i] == client->from[call->grants[0].len - 1 - i]);
    u64 bits;
    switch (call->operation) {
    case OP_ADD:
        CHECK(call->words[0] == asked->words[0] + asked->words[1]);
        break;
    case OP_BYTES:
        CHECK(call->words[0] == sum);
        break;
    case OP_VALUE:
        CHECK(call->words[0] == value);
        break;
    case OP_SIGNAL:
        CHECK(call->granted.object == client->notification);
        CHECK(notification_take(client->notification, 0, &bits) == OK);
        CHECK((bits & asked->words[0]) == asked->words[0]);
        break;
    default:
        break;
    }
}

// Keeps a channel that was opened, in place of another one; releases what else came.
static void keep_granted(struct client *client, u64 value) {
    struct object *granted = client->call.granted.object;
    u32 place = (u32)below(&client->random, OPENED);
    if (client->call.operation == OP_OPEN) {
        struct object *before = client->opened[place].channel;
        client->opened[place].channel = granted;
        client->opened[place].value = value;
        granted = before;
    }
    object_release(granted);
}

static void check_status(enum status status, u64 deadline_ns) {
    switch (status) {
    case OK:
    case ERR_CLOSED:
    case ERR_PEER_DIED:
    case ERR_LIMIT: // of the servant's table of handles
        break;
    case ERR_TIMED_OUT:
        CHECK(deadline_ns != WAIT_FOREVER);
        break;
    default:
        CHECK(status == ERR_KILLED && is_killed());
        break;
    }
    __atomic_fetch_add(&outcomes[status], 1, __ATOMIC_RELAXED);
}

static void call_once(struct client *client) {
    u64 *random = &client->random;
    struct service *service = &services[below(random, SERVICES)];
    u32 place = (u32)below(random, OPENED);
    bool is_opened = client->opened[place].channel != NULL && below(random, 2) == 0;
    u64 value = is_opened ? client->opened[place].value : 0;
    struct object *channel = client->opened[place].channel;
    if (is_opened)
        object_retain(channel);
    else
        channel = service_retain(&service->root, service);

    prepare(client, OP_ADD + (u32)below(random, OP_COUNT));
    struct scheme_call asked = client->call;
    u64 deadline_ns = random_deadline(random);
    enum status status = scheme_call(channel, &client->call, deadline_ns);
    if (status == OK) {
        check_answer(client, &asked, value);
        keep_granted(client, asked.words[0]);
    }
    memset(client->from, 0, sizeof client->from); // nobody reads or writes there any more
    memset(client->to, 0, sizeof client->to);
    for (u32 i = 0; i < client->call.handle_count; i++)
        object_release(client->call.handles[i].object);
    object_release(channel);
    check_status(status, deadline_ns);
}

static void client_main(void *argument) {
    struct client *client = argument;
    for (; client->rounds != 0 && !is_killed(); client->rounds--)
        call_once(client);
    victim_leave(&client->victim);
    if (client->rounds != 0) {
        victim_start(&client->victim, client_main, client);
        machine_thread_exit();
    }
    for (u32 i = 0; i < OPENED; i++)
        object_release(client->opened[i].channel);
    object_release(client->notification);
    __atomic_sub_fetch(&clients_left, 1, __ATOMIC_RELEASE);
    machine_thread_exit();
}

static void client_begin(struct client *client, u64 random) {
    *client = (struct client){.random = random, .rounds = 2 * stress.rounds};
    CHECK(notification_create(&client->notification) == OK);
    spin_init(&client->victim.lock, LOCK_PROCESS, "victim");
    victim_start(&client->victim, client_main, client);
}

// -- The whole ----------------------------------------------------------------------------------

static bool is_left(const u32 *count) {
    return __atomic_load_n(count, __ATOMIC_ACQUIRE) != 0;
}

// A server that wants to know of calls to two services, and of nothing else.
static void poll_once(u64 *random) {
    struct wait_set set;
    struct wait_watch watches[2];
    struct object *servers[2];
    wait_set_init(&set);
    for (u32 i = 0; i < COUNT_OF(watches); i++) {
        struct service *service = &services[below(random, SERVICES)];
        servers[i] = service_retain(&service->server, service);
        wait_set_watch(&set, &watches[i], servers[i]->ops->poll_queue(servers[i]));
    }
    u64 available;
    enum status status = OK;
    u64 deadline_ns = arch_clock_ns() + below(random, 300000);
    while (status == OK && object_poll(servers[0], &available) == 0 &&
           object_poll(servers[1], &available) == 0)
        status = wait_set_wait(&set, deadline_ns);
    CHECK(status == OK || status == ERR_TIMED_OUT);
    for (u32 i = 0; i < COUNT_OF(watches); i++) {
        wait_set_unwatch(&watches[i]);
        object_release(servers[i]);
    }
}

static void disturb(u64 *random) {
    switch (below(random, 48)) {
    case 0:
    case 1:
    case 2:
        servant_kill(&servants[below(random, SERVANTS)]);
        break;
    case 3:
    case 4:
    case 5:
        victim_kill(&clients[below(random, CLIENTS)].victim);
        break;
    case 6:
        service_renew(&services[below(random, SERVICES)]);
        break;
    default:
        poll_once(random);
        break;
    }
}

static void run_all(u64 *random) {
    for (u32 i = 0; i < SERVICES; i++)
        service_renew(&services[i]);
    __atomic_store_n(&is_over, false, __ATOMIC_RELEASE);
    servants_left = SERVANTS;
    clients_left = CLIENTS;
    for (u32 i = 0; i < SERVANTS; i++)
        servant_begin(&servants[i]);
    for (u32 i = 0; i < CLIENTS; i++)
        client_begin(&clients[i], machine_random(random));
    while (is_left(&clients_left))
        disturb(random);
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
    while (is_left(&servants_left)) {
        for (u32 i = 0; i < SERVANTS; i++)
            servant_kill(&servants[i]);
        stress_pause(100);
    }
    for (u32 i = 0; i < SERVICES; i++)
        service_end(&services[i]);
    sched_check();
}

static u64 heap_used(void) {
    struct heap_stats stats;
    reclaim(); // stacks of threads that have ended
    heap_stats(&stats);
    return stats.bytes_used;
}

static void body(void *) {
    u64 random = stress.seed;
    for (u32 i = 0; i < SERVICES; i++)
        spin_init(&services[i].lock, LOCK_OBJECT, "service");
    for (u32 i = 0; i < SERVANTS * THREADS; i++) {
        struct serving_thread *thread = &servants[i / THREADS].threads[i % THREADS];
        *thread = (struct serving_thread){.servant = &servants[i / THREADS],
                                          .random = machine_random(&random)};
        spin_init(&thread->victim.lock, LOCK_PROCESS, "victim");
    }
    u64 before = heap_used();
    run_all(&random);
    while (heap_used() != before) // the last threads are freed a moment after their end
        stress_pause(1000);
    heap_check();
    for (u32 i = 0; i < STATUS_COUNT; i++) {
        if (outcomes[i] != 0)
            printf("  %lu calls: %s\n", outcomes[i], status_text((enum status)i));
    }
    CHECK(outcomes[OK] != 0);
    stress_end();
}

int main(int argc, char **argv) {
    stress_run("schemes", argc, argv, body);
}
