// Chaos: processes that call, serve, spawn, kill, die and run out of things at random, and check
// every answer against what abi/kwast/calls.h allows. The same seed makes the controller choose the
// same, and each child; which of them is quicker is up to the machine.
//
//   chaos SEED ROUNDS      the controller, with itself as /bin/chaos.wasm; ends with "all right"
//   chaos ROLE SEED N      a child: does N things, or goes on for ever if that is 0

#include <poll.h>

#include "tests/kwast/chaos.h"

#define SCHEMES  3u
#define CHILDREN 10u
#define HELD     6u          // calls that a server keeps without a reply
#define OPENED   6u          // channels that a client keeps
#define LENT     (96u << 10) // more than the kernel copies at once
#define PAGE     KWAST_PAGE_BYTES
#define MAPPED   (8 * PAGE) // at most, of a grant
#define SHARED   (4 * PAGE)

// What every child is given.
enum given {
    GIVEN_SERVER = GIVEN_FIRST,
    GIVEN_ROOT,
    GIVEN_OTHER, // the root of another scheme
    GIVEN_SIGNAL,
    GIVEN_MEMORY, // which everybody has
    GIVEN_COUNT = 5,
};

enum operation {
    OP_ADD = 100, // words[0] + words[1]
    OP_REVERSE,   // grant 1 becomes the reverse of grant 0, whose pattern begins with words[3]
    OP_BYTES,     // how many inline bytes, and their sum
    OP_OPEN,      // a channel with value words[0] and kind words[1]
    OP_VALUE,     // the value of the channel
    OP_SIGNAL,    // signals words[0] to the notification that comes along
    OP_BACK,      // the handle that comes along comes back
    OP_FILL,      // fills whole pages of grant 1 with words[3], which it maps
    OP_COUNT = OP_FILL - OP_ADD + 1,
};

// Values of opened channels; the root's is 0.
#define VALUE_TAG 0x4b57000000000000ull

static u8 bytes[KWAST_BYTES_MAX];
static _Alignas(PAGE) u8 lent[LENT];
static _Alignas(PAGE) u8 answered[LENT];
static u8 before[LENT];
static _Alignas(PAGE) u8 windows[HELD][MAPPED]; // where a server maps
static _Alignas(PAGE) u8 shared[SHARED];

static i64 random_timeout(bool is_finite) {
    switch (below(is_finite ? 3 : 4)) {
    case 0:
        return 0;
    case 1:
        return below(100000);
    case 2:
        return below(3000000);
    default:
        return -1;
    }
}

// -- Serving -------------------------------------------------------------------------------------

static struct held {
    u64 number; // 0: free
    bool was_cancelled;
    u32 grant_count;
    u32 len; // of grant 0
    struct kwast_reply reply;
} held[HELD];

static void answer(struct held *call) {
    CHECK(kwast_scheme_reply(GIVEN_SERVER, &call->reply) == 0);
    CHECK(kwast_memory_unmap(windows[call - held]) == EINVAL);          // the reply has done that
    u32 again = call->reply.handle == KWAST_NO_HANDLE ? EINVAL : EBADF; // which has gone
    CHECK(kwast_scheme_reply(GIVEN_SERVER, &call->reply) == again);
    call->number = 0;
}

static struct held *held_find(u64 number) {
    for (u32 i = 0; i < HELD; i++) {
        if (held[i].number == number)
            return &held[i];
    }
    return NULL;
}

// A call that was taken back, which the server may not know yet, can be told from a wrong number.
static u32 copy(u64 number, u32 index, bool is_write, u64 offset, u32 len) {
    return is_write ? kwast_grant_write(GIVEN_SERVER, number, index, offset, answered, len)
                    : kwast_grant_read(GIVEN_SERVER, number, index, offset, lent, len);
}

static u32 serve_reverse(const struct kwast_request *request) {
    u32 len = request->grants[0].len;
    u64 number = request->number;
    ALLOW(copy(number, 0, false, 1, len), EINVAL, ECANCELED);
    ALLOW(copy(number, 2, false, 0, 0), EINVAL, ECANCELED);
    ALLOW(copy(number, 0, true, 0, len), EACCES, ECANCELED);
    ALLOW(copy(number ^ 1ull << 40, 0, false, 0, len), EINVAL);
    u32 error = copy(number, 0, false, 0, len);
    ALLOW(error, ECANCELED);
    if (error != 0)
        return error;
    u8 wrong = 0;
    for (u32 i = 0; i < len; i++) {
        wrong |= lent[i] ^ (u8)(request->words[3] + i);
        answered[len - 1 - i] = lent[i];
    }
    CHECK(wrong == 0);
    error = copy(number, 1, true, 0, len);
    ALLOW(error, ECANCELED);
    return error;
}

// Maps the grant where this call has its place, and leaves it there, or not. If the call is taken
// back meanwhile, what is written goes to pages of this server's own.
static u32 serve_fill(const struct kwast_request *request, u8 *window) {
    u32 len = request->grants[1].len;
    u64 number = request->number;
    u32 both = KWAST_READ | KWAST_WRITE;
    ALLOW(kwast_grant_map(GIVEN_SERVER, number, 0, 0, window, len, both), EACCES, ECANCELED);
    ALLOW(kwast_grant_map(GIVEN_SERVER, number, 1, PAGE, window, len, both), EINVAL, ECANCELED);
    ALLOW(kwast_grant_map(GIVEN_SERVER, number, 1, 0, window + 1, len, both), EINVAL);
    u32 error = kwast_grant_map(GIVEN_SERVER, number, 1, 0, window, len, both);
    ALLOW(error, ECANCELED, ENOMEM);
    if (error != 0)
        return error;
    for (u32 i = 0; i < len; i += 16)
        *(volatile u8 *)(window + i) = (u8)request->words[3];
    yield_some(3);
    memset(window, (int)request->words[3], len);
    if (one_in(4))
        ALLOW(kwast_memory_unmap(window), EINVAL); // it was taken back
    return 0;
}

static u64 sum_of(u32 len) {
    u64 sum = 0;
    for (u32 i = 0; i < len; i++)
        sum += bytes[i];
    return sum;
}

static void take_handles(const struct kwast_request *request, struct kwast_reply *reply) {
    for (u32 i = 0; i < request->handle_count; i++) {
        kwast_handle handle = request->handles[i];
        if (request->operation == OP_SIGNAL && i == 0)
            ALLOW(kwast_notification_signal(handle, request->words[0]), ENOTCAPABLE);
        if (request->operation == OP_BACK && i == 0)
            reply->handle = handle;
        else
            CHECK(close((int)handle) == 0);
    }
}

static void serve_call(const struct kwast_request *request, struct kwast_reply *reply, u8 *window) {
    CHECK(request->value == 0 || request->value >> 48 == VALUE_TAG >> 48);
    take_handles(request, reply);
    switch (request->operation) {
    case OP_ADD:
        reply->words[0] = request->words[0] + request->words[1];
        break;
    case OP_REVERSE:
        reply->answer = serve_reverse(request);
        break;
    case OP_BYTES:
        reply->words[0] = request->bytes_len;
        reply->words[1] = sum_of(request->bytes_len);
        break;
    case OP_OPEN:
        reply->answer = kwast_scheme_channel(GIVEN_SERVER, request->words[0],
                                             (enum kwast_kind)request->words[1], &reply->handle);
        ALLOW(reply->answer, EMFILE, ENOMEM);
        break;
    case OP_VALUE:
        reply->words[0] = request->value;
        break;
    case OP_FILL:
        reply->answer = serve_fill(request, window);
        break;
    case OP_SIGNAL:
    case OP_BACK:
        break;
    default:
        reply->answer = ENOSYS; // files are not spoken here
    }
}

static void serve_news(const struct kwast_request *request) {
    if (request->operation == KWAST_CLOSED) {
        CHECK(request->number == 0 && request->value >> 48 == VALUE_TAG >> 48);
        return;
    }
    CHECK(request->operation == KWAST_CANCELLED);
    struct held *call = held_find(request->number);
    CHECK(call != NULL && !call->was_cancelled);
    if (call == NULL)
        return;
    call->was_cancelled = true;
    if (call->grant_count != 0)
        CHECK(copy(call->number, 0, false, 0, call->len) == ECANCELED);
    if (one_in(2))
        answer(call);
}

// Receives, and perhaps answers a call in the same step: the way that can be the quick one.
static u32 receive(struct kwast_request *request, bool is_finite) {
    struct held *call = &held[below(HELD)];
    i64 timeout = one_in(2) && !is_finite ? -1 : random_timeout(is_finite);
    if (call->number == 0)
        return kwast_scheme_receive(GIVEN_SERVER, request, bytes, sizeof bytes, timeout);
    struct kwast_reply reply = call->reply;
    call->number = 0;
    return kwast_scheme_reply_receive(GIVEN_SERVER, &reply, request, bytes, sizeof bytes, timeout);
}

static void serve_once(bool is_finite) {
    struct kwast_request request;
    memset(&request, 0xcc, sizeof request);
    u32 error = receive(&request, is_finite);
    ALLOW(error, ETIMEDOUT, ENOMEM, EMFILE);
    if (error != 0)
        return;
    if (request.operation < KWAST_FILE_OPERATION) {
        serve_news(&request);
        return;
    }
    struct held *call = held_find(0);
    CHECK(request.number != 0 && held_find(request.number) == NULL);
    *call = (struct held){
        .number = request.number,
        .grant_count = request.grant_count,
        .len = request.grants[0].len,
        .reply = {.number = request.number, .handle = KWAST_NO_HANDLE},
    };
    serve_call(&request, &call->reply, windows[call - held]);
    if (one_in(2) || held_find(0) == NULL)
        answer(call);
}

static void run_server(u32 count) {
    if (one_in(2))
        CHECK(close(GIVEN_ROOT) == 0);
    for (u32 i = 0; i < count || count == 0; i++) {
        serve_once(count != 0 || held[0].number != 0);
        struct held *call = &held[below(HELD)];
        if (call->number != 0 && one_in(3))
            answer(call);
        if (one_in(200))
            abort();
        if (one_in(200))
            return;
    }
}

// -- Calling -------------------------------------------------------------------------------------

static struct opened {
    kwast_handle handle; // 0: free
    u64 value;
} opened[OPENED];

static void put_away(kwast_handle handle, u64 value) {
    struct opened *place = &opened[below(OPENED)];
    if (place->handle != 0)
        CHECK(close((int)place->handle) == 0);
    *place = (struct opened){handle, value};
}

static bool went_well(u32 error, const struct kwast_call *call) {
    // EBADF, ENOTCAPABLE: what a child was given is not what it kept.
    ALLOW(error, ETIMEDOUT, EOWNERDEAD, EPIPE, ENOMEM, EMFILE);
    return error == 0 && call->answer == 0;
}

static void fill(struct kwast_call *call, struct kwast_grant *grants) {
    u32 len = below(8) == 0 ? below(LENT) : below(3000);
    call->words[3] = below(256);
    for (u32 i = 0; i < len; i++)
        lent[i] = (u8)(call->words[3] + i);
    memset(answered, 0xee, len);
    grants[0] = (struct kwast_grant){(u32)lent, len, KWAST_READ};
    grants[1] = (struct kwast_grant){(u32)answered, len, KWAST_WRITE};
    call->grants = (u32)grants;
    call->grant_count = 2;
}

// Whole pages, of its own or of the memory that everybody has.
static void fill_pages(struct kwast_call *call, struct kwast_grant *grants) {
    u32 len = (1 + below(MAPPED / PAGE)) * PAGE;
    call->words[3] = below(256);
    memset(answered, 0xee, len);
    grants[0] = (struct kwast_grant){(u32)lent, len, KWAST_READ};
    grants[1] = (struct kwast_grant){(u32)answered, len, KWAST_READ | KWAST_WRITE};
    call->grants = (u32)grants;
    call->grant_count = 2;
}

// What was lent is the caller's again, whatever came of the call.
static void check_lent(const struct kwast_grant *grants, bool is_reversed) {
    u32 len = grants[0].len;
    memcpy(before, answered, len);
    yield_some(5);
    CHECK(memcmp(before, answered, len) == 0);
    bool is_wrong = false;
    for (u32 i = 0; is_reversed && i < len; i++)
        is_wrong |= answered[i] != lent[len - 1 - i];
    CHECK(!is_wrong);
}

static bool is_filled(u32 len, u8 value) {
    bool is = true;
    for (u32 i = 0; i < len; i++)
        is &= answered[i] == value;
    return is;
}

static void check_reply(const struct kwast_call *asked, const struct kwast_call *call, u64 value) {
    switch (call->operation) {
    case OP_ADD:
        CHECK(call->words[0] == asked->words[0] + asked->words[1]);
        break;
    case OP_BYTES:
        CHECK(call->words[0] == asked->bytes_len && call->words[1] == sum_of(asked->bytes_len));
        break;
    case OP_OPEN:
        CHECK(call->handle != KWAST_NO_HANDLE);
        put_away(call->handle, asked->words[0]);
        break;
    case OP_VALUE:
        CHECK(call->words[0] == value);
        break;
    case OP_BACK:
        CHECK(call->handle != KWAST_NO_HANDLE && close((int)call->handle) == 0);
        break;
    case OP_FILL:
        CHECK(is_filled(((const struct kwast_grant *)asked->grants)[1].len, (u8)asked->words[3]));
        break;
    default:
        break;
    }
}

static void call_something(kwast_handle channel, u64 value, bool is_finite) {
    struct kwast_grant grants[2];
    u32 handles[] = {GIVEN_SIGNAL, GIVEN_OTHER, channel, GIVEN_SIGNAL};
    struct kwast_call call = {.operation = OP_ADD + below(OP_COUNT), .words = {below(9), below(9)}};
    bool is_lent = call.operation == OP_REVERSE || call.operation == OP_FILL;
    if (call.operation == OP_REVERSE)
        fill(&call, grants);
    if (call.operation == OP_FILL)
        fill_pages(&call, grants);
    if (call.operation == OP_OPEN)
        call.words[0] = VALUE_TAG + below(1000), call.words[1] = below(4);
    if (call.operation == OP_SIGNAL || call.operation == OP_BACK || one_in(8)) {
        call.handles = (u32)handles;
        call.handle_count = 1 + below(COUNT_OF(handles));
    }
    if (call.operation == OP_BYTES || one_in(8)) {
        call.bytes_len = below(KWAST_BYTES_MAX + 1);
        call.bytes = (u32)bytes;
        memset(bytes, (int)below(256), call.bytes_len);
    }
    const struct kwast_call asked = call;
    u32 error = kwast_scheme_call(channel, &call, random_timeout(is_finite));
    bool is_fine = went_well(error, &call);
    if (is_lent)
        check_lent(grants, is_fine && call.operation == OP_REVERSE);
    if (is_fine)
        check_reply(&asked, &call, value);
}

static void call_wrong(kwast_handle channel) {
    struct kwast_call call = {.operation = below(KWAST_FIRST_OPERATION)};
    CHECK(kwast_scheme_call(channel, &call, 0) == EINVAL);
    call = (struct kwast_call){.operation = OP_ADD, .grant_count = KWAST_GRANTS_MAX + 1};
    CHECK(kwast_scheme_call(channel, &call, 0) == EINVAL);
    call = (struct kwast_call){.operation = OP_BYTES, .bytes = 0xfffffff0, .bytes_len = 100};
    CHECK(kwast_scheme_call(channel, &call, 0) == EFAULT);
    CHECK(kwast_scheme_call(GIVEN_SIGNAL, &call, 0) == ENOTCAPABLE);
    CHECK(kwast_scheme_call(4095, &call, 0) == EBADF);
    u32 missing = 4095;
    call = (struct kwast_call){.operation = OP_ADD, .handles = (u32)&missing, .handle_count = 1};
    CHECK(kwast_scheme_call(channel, &call, 0) == EBADF);
    CHECK(kwast_scheme_call(channel, (void *)0xfffffff8, 0) == EFAULT);
}

static void use_notification(bool is_finite) {
    u64 bits = 0;
    u32 error;
    switch (below(3)) {
    case 0:
        CHECK(kwast_notification_signal(GIVEN_SIGNAL, 1ull << below(64)) == 0);
        break;
    case 1:
        error = kwast_notification_take(GIVEN_SIGNAL, random_timeout(is_finite), &bits);
        ALLOW(error, ETIMEDOUT);
        CHECK((error == 0) == (bits != 0));
        break;
    default: {
        struct pollfd events[] = {{.fd = GIVEN_SIGNAL, .events = POLLRDNORM},
                                  {.fd = GIVEN_SERVER, .events = POLLRDNORM}};
        CHECK(poll(events, 2, (int)below(3)) >= 0 || errno == ENOMEM);
    }
    }
}

// Memory that others write to at the same time: what is in it says nothing.
static void use_memory(bool is_finite) {
    u32 place = below(SHARED / PAGE) * PAGE;
    u32 len = (1 + below(SHARED / PAGE)) * PAGE;
    u32 woken = 0;
    kwast_handle own;
    switch (below(6)) {
    case 0:
    case 1:
        ALLOW(kwast_memory_map(GIVEN_MEMORY, place, shared, len, KWAST_READ | KWAST_WRITE), EEXIST,
              ENOMEM, EINVAL);
        *(volatile u32 *)(shared + below(SHARED / 4) * 4) += 1; // the memory, or its own page
        break;
    case 2:
        ALLOW(kwast_memory_unmap(shared), EINVAL);
        break;
    case 3:
        ALLOW(kwast_memory_wait(GIVEN_MEMORY, place, below(2), random_timeout(is_finite)), EAGAIN,
              ETIMEDOUT);
        break;
    case 4:
        CHECK(kwast_memory_wake(GIVEN_MEMORY, place, below(3), &woken) == 0 && woken <= 2);
        break;
    default:
        if (kwast_memory_create(len, &own) == 0) {
            ALLOW(kwast_memory_map(own, 0, lent + LENT - MAPPED, PAGE, KWAST_READ), ENOMEM);
            CHECK(close((int)own) == 0);
            ALLOW(kwast_memory_unmap(lent + LENT - MAPPED), EINVAL);
        }
    }
}

// Calls of words alone, as quickly as they go.
static void call_plainly(kwast_handle channel) {
    for (u32 left = 1 + below(40); left != 0; left--) {
        struct kwast_call call;
        u64 a = below(1000), b = below(1000);
        kwast_call_begin(&call, OP_ADD);
        call.words[0] = a;
        call.words[1] = b;
        if (!went_well(kwast_scheme_call(channel, &call, -1), &call))
            return;
        CHECK(call.words[0] == a + b);
    }
}

static void use_opened(bool is_finite) {
    struct opened *open = &opened[below(OPENED)];
    if (open->handle == 0)
        return;
    if (one_in(4)) {
        CHECK(close((int)open->handle) == 0);
        *open = (struct opened){.handle = 0};
    } else if (one_in(8) && !is_finite) {
        CHECK(read((int)open->handle, bytes, 10) < 0); // and it may take until the server ends
    } else {
        call_something(open->handle, open->value, is_finite);
    }
}

static void run_client(u32 count) {
    if (one_in(2))
        CHECK(kwast_scheme_channel(GIVEN_SERVER, 1, KWAST_KIND_TERMINAL + 1, &opened[0].handle) ==
              EINVAL);
    for (u32 i = 0; i < count || count == 0; i++) {
        bool is_finite = count != 0;
        switch (below(11)) {
        case 0:
            use_notification(is_finite);
            break;
        case 1:
            call_wrong(GIVEN_ROOT);
            break;
        case 2:
        case 3:
        case 4:
            use_opened(is_finite);
            break;
        case 5:
            call_something(GIVEN_OTHER, 0, is_finite);
            break;
        case 6:
            if (one_in(20))
                CHECK(write(1, ".", 1) == 1);
            sched_yield();
            break;
        case 7:
            use_memory(is_finite);
            break;
        case 8:
            if (!is_finite) {
                call_plainly(one_in(4) ? GIVEN_OTHER : GIVEN_ROOT);
                break;
            }
            [[fallthrough]];
        default:
            call_something(GIVEN_ROOT, 0, is_finite);
        }
    }
}

// -- Other children ------------------------------------------------------------------------------

// Opens until there is no room, and goes on as a client that can take nothing.
static void run_hoard(u32 count) {
    u32 error = 0;
    kwast_handle last = 0, handle;
    while (error == 0) {
        switch (below(5)) {
        case 0:
            error = kwast_notification_create(&handle);
            break;
        case 1:
            error = kwast_scheme_create("hoard", 5, &handle);
            break;
        case 2:
            error = kwast_scheme_root(GIVEN_SERVER, KWAST_KIND_DIRECTORY, &handle);
            break;
        case 3:
            error = kwast_memory_create((1 + below(64)) * PAGE, &handle);
            break;
        default:
            error = kwast_handle_duplicate(GIVEN_ROOT, KWAST_RIGHT_CALL, 0, &handle);
        }
        if (error == 0)
            last = handle;
    }
    CHECK(error == EMFILE || error == ENOMEM);
    if (last != 0 && one_in(2))
        CHECK(close((int)last) == 0);
    run_client(count);
}

// Takes all the memory there is for it, and uses it.
static void run_eat(u32 count) {
    usize page;
    while ((page = __builtin_wasm_memory_grow(0, 1 + below(8))) != SIZE_MAX)
        *(volatile u8 *)(page << 16) = 1;
    run_client(count);
}

static void run_spin(u32 count) {
    for (volatile u32 n = 1; n != count * 1000 || count == 0;)
        n++;
}

static void run_parent(u32 count);

static const struct role {
    const char *name;
    void (*run)(u32 count);
    bool may_trap;
} roles[] = {
    {"server", run_server, true},  {"server", run_server, true},  {"server", run_server, true},
    {"client", run_client, false}, {"client", run_client, false}, {"client", run_client, false},
    {"hoard", run_hoard, false},   {"eat", run_eat, false},       {"spin", run_spin, false},
    {"parent", run_parent, false},
};

// Its children end by themselves: it may be killed before it can end them.
static void run_parent(u32 count) {
    static const kwast_handle given[] = {GIVEN_SERVER, GIVEN_ROOT, GIVEN_OTHER, GIVEN_SIGNAL,
                                         GIVEN_MEMORY};
    for (u32 i = 0; i < count || count == 0; i++) {
        const struct child_config config = {
            .role = roles[below(COUNT_OF(roles) - 1)].name,
            .seed = below(1u << 30),
            .amount = 1 + below(30),
            .given = given,
            .given_count = GIVEN_COUNT,
        };
        kwast_handle child;
        struct kwast_status status;
        u32 error = spawn_self(&config, &child);
        ALLOW(error, ENOMEM, EMFILE);
        if (error != 0)
            continue;
        if (one_in(2))
            CHECK(kwast_process_kill(child) == 0);
        if (one_in(4))
            CHECK(kwast_process_stop(child, one_in(2)) == 0);
        if (one_in(2))
            ALLOW(kwast_process_wait_change(child, KWAST_STOPPED, below(100000), &status),
                  ETIMEDOUT);
        CHECK(kwast_process_continue(child, true) == 0);
        if (one_in(2))
            ALLOW(kwast_process_wait(child, random_timeout(false), &status), ETIMEDOUT);
        ALLOW(kwast_process_status(child, &status), 0);
        CHECK(close((int)child) == 0);
    }
}

// -- The controller ------------------------------------------------------------------------------

static struct service {
    kwast_handle server;
    kwast_handle root;
} services[SCHEMES];

static struct child {
    const struct role *role;
    kwast_handle process; // 0: none
} children[CHILDREN];

static kwast_handle signals, memory;

static void service_begin(struct service *service) {
    ALLOW(kwast_scheme_create("chaos", 5, &service->server), ENOMEM);
    ALLOW(kwast_scheme_root(service->server, KWAST_KIND_PLAIN, &service->root), ENOMEM);
}

static void service_end(struct service *service) {
    CHECK(close((int)service->server) == 0);
    CHECK(close((int)service->root) == 0);
}

// Anywhere; on the first CPU; on the others, if there are any.
static u32 random_cpus(void) {
    u32 kind = below(4);
    return kind < 2 ? 0 : kind == 2 ? 1u : ~1u;
}

static void child_begin(struct child *child) {
    const struct service *service = &services[below(SCHEMES)];
    const struct service *other = &services[below(SCHEMES)];
    const kwast_handle given[] = {service->server, service->root, other->root, signals, memory};
    child->role = &roles[below(COUNT_OF(roles))];
    struct child_config config = {
        .role = child->role->name,
        .seed = below(1u << 30),
        .amount = one_in(2) ? 0 : below(200),
        .cpus = random_cpus(),
        .given = given,
        .given_count = COUNT_OF(given),
        .memory_limit = (3 + below(4)) << 20,
        .handle_limit = 16 + below(32),
    };
    u32 error = spawn_self(&config, &child->process);
    if (error == EINVAL && config.cpus == ~1u) { // there is one CPU
        config.cpus = 0;
        error = spawn_self(&config, &child->process);
    }
    ALLOW(error, ENOMEM);
    if (error != 0)
        child->process = 0;
}

static void child_end(struct child *child) {
    if (child->process == 0)
        return;
    struct kwast_status status = {.outcome = KWAST_RUNNING};
    CHECK(kwast_process_kill(child->process) == 0);
    CHECK(kwast_process_wait(child->process, -1, &status) == 0);
    CHECK(status.outcome == KWAST_KILLED ||
          (status.outcome == KWAST_EXITED && status.status == 0) ||
          (status.outcome == KWAST_TRAPPED && child->role->may_trap));
    if (status.outcome == KWAST_EXITED && status.status != 0)
        printf("wrong: %s ended with %u\n", child->role->name, status.status);
    CHECK(close((int)child->process) == 0);
    child->process = 0;
}

// All choices are made here and do not depend on what came of earlier ones.
static void round_run(void) {
    struct child *child = &children[below(CHILDREN)];
    switch (below(16)) {
    case 0:
        service_end(&services[0]);
        service_begin(&services[0]);
        break;
    case 1:
    case 2:
        yield_some(50);
        break;
    case 3:
        CHECK(kwast_notification_signal(signals, 1ull << below(64)) == 0);
        break;
    case 4:
        usleep(below(2000));
        break;
    case 5: // killed, and waited for later
        if (child->process != 0)
            CHECK(kwast_process_kill(child->process) == 0);
        break;
    case 6: // with all that it has started; one that stands still may be killed
    case 7:
        if (child->process != 0)
            CHECK(kwast_process_stop(child->process, one_in(2)) == 0);
        break;
    case 8:
    case 9:
        if (child->process != 0)
            CHECK(kwast_process_continue(child->process, one_in(2)) == 0);
        break;
    default:
        child_end(child);
        child_begin(child);
    }
}

static int control(u64 seed, u32 rounds) {
    printf("chaos: seed %llu, %u rounds\n", (unsigned long long)seed, rounds);
    fflush(stdout);
    self_init("controller", seed);
    if (!open_self("/bin/chaos.wasm"))
        return 1;
    CHECK(kwast_notification_create(&signals) == 0);
    CHECK(kwast_memory_create(SHARED, &memory) == 0);
    for (u32 i = 0; i < SCHEMES; i++)
        service_begin(&services[i]);
    for (u32 i = 0; i < rounds && self.failures == 0; i++)
        round_run();
    for (u32 i = 0; i < CHILDREN; i++)
        child_end(&children[i]);
    for (u32 i = 0; i < SCHEMES; i++)
        service_end(&services[i]);
    puts(self.failures == 0 ? "\nall right" : "\nended");
    return self.failures != 0;
}

int main(int argc, char **argv) {
    if (argc == 3)
        return control(strtoull(argv[1], NULL, 10), (u32)strtoul(argv[2], NULL, 10));
    if (argc != 4)
        return 100;
    self_init(argv[1], strtoull(argv[2], NULL, 10));
    for (u32 i = 0; i < COUNT_OF(roles); i++) {
        if (strcmp(roles[i].name, argv[1]) == 0) {
            roles[i].run((u32)strtoul(argv[3], NULL, 10));
            return self.failures != 0;
        }
    }
    return 100;
}
