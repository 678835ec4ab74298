// Clients made of bytes (fake_kernel.h). A call is a byte that says what happens, and then what it
// needs: small numbers mostly, names of a few letters, and grants whose sizes are in the input.

// Here they are the real ones.
#undef close
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef aligned_alloc

#include "tests/fuzz/user/fake_kernel.h"

#include <stdlib.h>

#include "abi/kwast/file.h"
#include "base/status.h"

#define HANDLES_MAX  4096u
#define CALLS_MAX    256u
#define CHANNELS_MAX 256u
#define GRANT_MAX    FILE_DATA_MAX

struct call {
    u64 number; // 0: this one is free
    u64 value;  // of the channel
    u32 operation;
    u32 grant_count;
    struct {
        u32 len;
        u32 access;
    } grants[2];
    u8 text[FILE_PATH_MAX]; // behind grant 1
};

enum handle_kind : u8 { HANDLE_FREE, HANDLE_OTHER, HANDLE_CHANNEL };

static struct {
    struct {
        enum handle_kind kind;
        u64 value;
    } handles[HANDLES_MAX]; // of the service, from FAKE_SERVER + 1 on
    u32 handle_count;
    struct call calls[CALLS_MAX]; // that were received and not answered
    u32 call_count;
    u64 last_number;
    u64 channels[CHANNELS_MAX]; // of the clients
    u32 channel_count;
} fake;

// -- Input --------------------------------------------------------------------------------------

void input_fill(struct input *input, void *to, usize len) {
    usize got = len < input->len ? len : input->len;
    memcpy(to, input->data, got);
    memset((u8 *)to + got, 0, len - got);
    input->data += got;
    input->len -= got;
}

u8 input_u8(struct input *input) {
    u8 value;
    input_fill(input, &value, sizeof value);
    return value;
}

u32 input_u32(struct input *input) {
    u32 value;
    input_fill(input, &value, sizeof value);
    return value;
}

// Mostly a small one.
u64 input_u64(struct input *input) {
    u64 value = input_u8(input);
    if (value >= 0xf8)
        input_fill(input, &value, sizeof value);
    else if (value >= 0xe0)
        value = (u64)input_u8(input) << (value - 0xe0) * 2;
    return value;
}

// -- Handles ------------------------------------------------------------------------------------

static u32 handle_add(enum handle_kind kind, u64 value) {
    u32 index = 0;
    while (index < HANDLES_MAX && fake.handles[index].kind != HANDLE_FREE)
        index++;
    MUST(index < HANDLES_MAX);
    fake.handles[index].kind = kind;
    fake.handles[index].value = value;
    fake.handle_count++;
    return FAKE_SERVER + 1 + index;
}

u32 fake_handle_create(void) {
    return handle_add(HANDLE_OTHER, 0);
}

u32 fake_handles(void) {
    return fake.handle_count;
}

// What the handle was.
static enum handle_kind handle_take(u32 handle, u64 *value) {
    u32 index = handle - FAKE_SERVER - 1;
    MUST(index < HANDLES_MAX && fake.handles[index].kind != HANDLE_FREE);
    enum handle_kind kind = fake.handles[index].kind;
    *value = fake.handles[index].value;
    fake.handles[index].kind = HANDLE_FREE;
    fake.handle_count--;
    return kind;
}

static void channel_add(u64 value) {
    if (fake.channel_count < CHANNELS_MAX)
        fake.channels[fake.channel_count] = value;
    fake.channel_count++;
    MUST(fake.channel_count <= CHANNELS_MAX);
}

int fake_close(int handle);
int fake_close(int handle) {
    u64 value;
    handle_take((u32)handle, &value);
    return 0;
}

u32 kwast_handle_duplicate(kwast_handle handle, u64 rights, u64 inheriting, kwast_handle *out) {
    (void)handle;
    (void)rights;
    (void)inheriting;
    *out = fake_handle_create();
    return 0;
}

u32 kwast_scheme_channel(kwast_handle server, u64 value, enum kwast_kind kind, kwast_handle *out) {
    MUST(server == FAKE_SERVER && kind <= KWAST_KIND_TERMINAL);
    if (fake.channel_count + fake.handle_count >= CHANNELS_MAX / 2)
        return __WASI_ERRNO_MFILE;
    *out = handle_add(HANDLE_CHANNEL, value);
    return 0;
}

u32 kwast_scheme_pollable(kwast_handle server, u64 value, enum kwast_kind kind, kwast_handle *out,
                          kwast_handle *ready) {
    u32 error = kwast_scheme_channel(server, value, kind, out);
    if (error == 0)
        *ready = fake_handle_create();
    return error;
}

u32 kwast_scheme_root_ready(kwast_handle server, kwast_handle *ready) {
    MUST(server == FAKE_SERVER);
    *ready = fake_handle_create();
    return 0;
}

u32 kwast_ready_set(kwast_handle ready, u32 events, u64 available) {
    (void)available;
    MUST(ready > FAKE_SERVER && fake.handles[ready - FAKE_SERVER - 1].kind == HANDLE_OTHER);
    MUST((events & ~(KWAST_READABLE | KWAST_WRITABLE | KWAST_HANGUP)) == 0);
    return 0;
}

u16 __wasi_fd_fdstat_get(int fd, __wasi_fdstat_t *out) {
    (void)fd;
    *out = (__wasi_fdstat_t){0};
    return 0;
}

u16 __wasi_random_get(u8 *to, __wasi_size_t len) {
    memset(to, 0x5a, len);
    return 0;
}

// -- Calls --------------------------------------------------------------------------------------

static struct call *find_call(u64 number) {
    for (u32 i = 0; i < CALLS_MAX; i++) {
        if (number != 0 && fake.calls[i].number == number)
            return &fake.calls[i];
    }
    return NULL;
}

static const struct call *find_grant(u64 number, u32 index, u64 offset, usize len, u32 access) {
    const struct call *call = find_call(number);
    bool fits = call != NULL && index < call->grant_count && offset <= call->grants[index].len &&
                len <= call->grants[index].len - offset;
    return fits && (call->grants[index].access & access) != 0 ? call : NULL;
}

u32 kwast_grant_read(kwast_handle server, u64 number, u32 index, u64 offset, void *to, usize len) {
    MUST(server == FAKE_SERVER);
    const struct call *call = find_grant(number, index, offset, len, KWAST_READ);
    if (call == NULL)
        return __WASI_ERRNO_INVAL;
    if (index == 1)
        memcpy(to, call->text + offset, len);
    else
        memset(to, 'd', len);
    return 0;
}

u32 kwast_grant_write(kwast_handle server, u64 number, u32 index, u64 offset, const void *from,
                      usize len) {
    static u8 written[GRANT_MAX];
    MUST(server == FAKE_SERVER);
    if (find_grant(number, index, offset, len, KWAST_WRITE) == NULL)
        return __WASI_ERRNO_INVAL;
    if (len != 0)
        memcpy(written, from, len); // all of it is there
    return 0;
}

static bool answers_data(u32 operation) {
    u32 op = operation - KWAST_FILE_OPERATION;
    return op == FILE_READ || op == FILE_LIST || op == FILE_STAT || op == FILE_READ_LINK;
}

u32 kwast_scheme_reply(kwast_handle server, const struct kwast_reply *reply) {
    struct call *call = find_call(reply->number);
    u64 value;
    MUST(server == FAKE_SERVER && call != NULL && reply->answer < STATUS_COUNT);
    u32 room = call->grant_count == 0 ? 0 : call->grants[0].len;
    if (reply->answer == OK && answers_data(call->operation))
        MUST(reply->words[2] <= room);
    if (reply->answer == OK && call->operation == KWAST_FILE_OPERATION + FILE_WRITE)
        MUST(reply->words[0] <= room);
    if (reply->handle != KWAST_NO_HANDLE && handle_take(reply->handle, &value) == HANDLE_CHANNEL)
        channel_add(value);
    call->number = 0;
    fake.call_count--;
    return 0;
}

// Who serves for ever is not run so.
u32 kwast_scheme_receive(kwast_handle, struct kwast_request *, void *, usize, i64) {
    return __WASI_ERRNO_INVAL;
}

u16 __wasi_poll_oneoff(const __wasi_subscription_t *, __wasi_event_t *, __wasi_size_t,
                       __wasi_size_t *) {
    return 0;
}

u32 kwast_scheme_reply_receive(kwast_handle, const struct kwast_reply *, struct kwast_request *,
                               void *, usize, i64) {
    return __WASI_ERRNO_INVAL;
}

// -- Clients ------------------------------------------------------------------------------------

// A path: each byte is a letter, a name that needs more, or itself.
static u32 make_path(struct input *input, u8 *to, u32 most) {
    static const char *const words[] = {"a", "b", "c", "/", "/", "..", ".", "a/", "/b", "../"};
    u32 len = 0;
    for (u32 left = input_u8(input) % 12; left != 0; left--) {
        u8 byte = input_u8(input);
        const char *word = words[byte % COUNT_OF(words)];
        u32 bytes = (u32)strlen(word);
        u32 count = 1;
        if (byte >= 0xf0)
            count = 64 * (byte - 0xefu);
        for (; count != 0 && len + bytes <= most; count--, len += bytes)
            memcpy(to + len, word, bytes);
        if (byte >= 0xe0 && byte < 0xf0 && len < most)
            to[len++] = input_u8(input);
    }
    return len;
}

static void handle_request(const struct fake_service *service, struct kwast_request *request,
                           const u8 *bytes) {
    struct kwast_reply reply = {.number = request->number, .handle = KWAST_NO_HANDLE};
    if (service->serve(service->context, request, bytes, &reply) && request->number != 0)
        kwast_scheme_reply(FAKE_SERVER, &reply);
}

static void make_call(const struct fake_service *service, struct input *input) {
    static u8 bytes[KWAST_BYTES_MAX];
    struct call *call = fake.calls;
    while (call->number != 0)
        call++;
    *call = (struct call){.number = ++fake.last_number};
    fake.call_count++;
    u32 channels = fake.channel_count;
    struct kwast_request request = {
        .number = call->number,
        .value = fake.channels[input_u8(input) % channels],
        .operation = service->operations[input_u8(input) % service->operation_count],
    };
    call->operation = request.operation;
    call->value = request.value;
    for (u32 i = 0; i < KWAST_WORDS; i++)
        request.words[i] = input_u64(input);
    if (request.operation < KWAST_FIRST_OPERATION) // the kernel says which, and it is one
        request.words[3] = fake.channels[request.words[3] % channels];
    memset(bytes, 0xee, sizeof bytes);
    request.bytes_len = make_path(input, bytes, FILE_PATH_MAX);
    request.grant_count = call->grant_count = input_u8(input) % 3;
    call->grants[0].len = (u32)(input_u64(input) % (GRANT_MAX + 1));
    call->grants[0].access = input_u8(input) % 4;
    call->grants[1].len = call->grant_count == 2 ? make_path(input, call->text, FILE_PATH_MAX) : 0;
    call->grants[1].access = KWAST_READ;
    for (u32 i = 0; i < request.grant_count; i++) {
        request.grants[i].len = call->grants[i].len;
        request.grants[i].access = call->grants[i].access;
    }
    request.handle_count = input_u8(input) / 64;
    for (u32 i = 0; i < request.handle_count; i++)
        request.handles[i] = fake_handle_create();
    handle_request(service, &request, bytes);
}

static void cancel(const struct fake_service *service, u32 index) {
    struct kwast_request request = {.number = fake.calls[index].number,
                                    .operation = KWAST_CANCELLED};
    if (request.number != 0)
        handle_request(service, &request, NULL);
}

// A call keeps its channel.
static bool is_busy(u64 value) {
    for (u32 i = 0; i < CALLS_MAX; i++) {
        if (fake.calls[i].number != 0 && fake.calls[i].value == value)
            return true;
    }
    return false;
}

static void close_channel(const struct fake_service *service, u32 index) {
    if (is_busy(fake.channels[index]))
        return;
    struct kwast_request request = {.value = fake.channels[index], .operation = KWAST_CLOSED};
    fake.channels[index] = fake.channels[--fake.channel_count];
    handle_request(service, &request, NULL);
}

void fake_begin(void) {
    for (u32 i = 0; i < CALLS_MAX; i++)
        fake.calls[i].number = 0;
    memset(fake.handles, 0, sizeof fake.handles);
    fake.handle_count = 0;
    fake.call_count = 0;
    fake.channel_count = 0;
}

void fake_run(const struct fake_service *service, struct input *input) {
    u32 handles = fake.handle_count;
    for (u32 i = 0; i < service->root_count; i++)
        channel_add(service->roots[i]);
    u32 roots = fake.channel_count;
    while (input->len != 0) {
        u8 what = input_u8(input);
        if (what < 0x20)
            cancel(service, what % CALLS_MAX);
        else if (what < 0x40 && fake.channel_count > roots)
            close_channel(service, roots + what % (fake.channel_count - roots));
        else if (what < 0x60 && service->between != NULL)
            service->between(input);
        else if (fake.call_count < CALLS_MAX)
            make_call(service, input);
        else
            break;
    }
    for (u32 i = 0; i < CALLS_MAX; i++)
        cancel(service, i);
    MUST(fake.call_count == 0);
    while (fake.channel_count > roots)
        close_channel(service, fake.channel_count - 1);
    fake.channel_count = 0;
    MUST(fake.handle_count >= handles && fake.handle_count <= handles + service->keeps);
}

// -- The heap -----------------------------------------------------------------------------------

struct block {
    struct block *next;
    struct block *previous;
    usize bytes;
    usize padding; // what follows is aligned
};

static struct block *blocks;
static u32 until_failure;

void fake_heap_fail(u32 nth) {
    until_failure = nth;
}

void *fake_malloc(usize bytes);
void *fake_malloc(usize bytes) {
    if (until_failure != 0 && --until_failure == 0)
        return NULL;
    struct block *block = malloc(sizeof *block + bytes);
    MUST(block != NULL);
    *block = (struct block){.next = blocks, .bytes = bytes};
    if (blocks != NULL)
        blocks->previous = block;
    blocks = block;
    return block + 1;
}

void fake_free(void *memory);
void fake_free(void *memory) {
    if (memory == NULL)
        return;
    struct block *block = (struct block *)memory - 1;
    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        blocks = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;
    free(block);
}

void *fake_calloc(usize count, usize bytes);
void *fake_calloc(usize count, usize bytes) {
    void *memory = fake_malloc(count * bytes);
    return memory == NULL ? NULL : memset(memory, 0, count * bytes);
}

void *fake_realloc(void *memory, usize bytes);
void *fake_realloc(void *memory, usize bytes) {
    void *larger = fake_malloc(bytes);
    if (larger == NULL || memory == NULL)
        return larger;
    usize before = ((struct block *)memory - 1)->bytes;
    memcpy(larger, memory, before < bytes ? before : bytes);
    fake_free(memory);
    return larger;
}

// Nobody here minds how it is aligned.
void *fake_aligned_alloc(usize alignment, usize bytes);
void *fake_aligned_alloc(usize alignment, usize bytes) {
    (void)alignment;
    return fake_malloc(bytes);
}

u32 fake_heap_clear(void) {
    u32 count = 0;
    for (; blocks != NULL; count++)
        fake_free(blocks + 1);
    until_failure = 0;
    return count;
}
