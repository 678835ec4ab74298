// A process without an engine, on the fake machine: see fake_process.h.

#include "tests/fake_process.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/ipc/archive.h"
#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi.h"
#include "kernel/wasi/wasi_internal.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"

struct process fake_process;
struct fake_stream fake_stream;
static struct instance instance;
static struct memory memory;
static struct archive *archive;

static enum status stream_read(struct object *, u64, void *to, usize len, usize *got) {
    *got = fake_stream.len < len ? fake_stream.len : len;
    memcpy(to, fake_stream.text, *got);
    memmove(fake_stream.text, fake_stream.text + *got, fake_stream.len - *got);
    fake_stream.len -= *got;
    return fake_stream.status;
}

static enum status stream_write(struct object *, u64, const void *from, usize len, usize *put) {
    if (fake_stream.status != OK)
        return fake_stream.status;
    usize room = sizeof fake_stream.text - fake_stream.len;
    *put = len < room ? len : room;
    memcpy(fake_stream.text + fake_stream.len, from, *put);
    fake_stream.len += *put;
    return OK;
}

static enum status stream_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type};
    return OK;
}

static u32 stream_poll(struct object *, u64 *available) {
    *available = fake_stream.len;
    return fake_stream.is_ready ? POLL_READABLE | POLL_WRITABLE : 0;
}

static struct wait_queue *stream_queue(struct object *) {
    return &fake_stream.queue;
}

static const struct object_ops stream_ops = {
    .read = stream_read,
    .write = stream_write,
    .stat = stream_stat,
    .poll = stream_poll,
    .poll_queue = stream_queue,
};

// -- A process without an engine ----------------------------------------------------------------

static u8 tar[32 * 1024];
static usize tar_len;

static void tar_put(char type, const char *name, const char *target, const char *data) {
    u8 *header = tar + tar_len;
    memset(header, 0, 1024);
    memcpy(header, name, strlen(name));
    snprintf((char *)header + 124, 12, "%011lo", (unsigned long)strlen(data));
    header[156] = (u8)type;
    memcpy(header + 157, target, strlen(target));
    memcpy(header + 257, "ustar\00000", 8);
    memset(header + 148, ' ', 8);
    u32 sum = 0;
    for (u32 i = 0; i < 512; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
    memcpy(header + 512, data, strlen(data));
    tar_len += data[0] == 0 ? 512 : 1024;
}

static void make_archive(void) {
    tar_len = 0;
    memset(tar, 0, sizeof tar);
    tar_put('0', "dir/file", "", "0123456789");
    tar_put('5', "dir/sub", "", "");
    tar_put('0', "dir/sub/deep", "", "deep");
    tar_put('2', "dir/link", "file", "");
    tar_put('2', "dir/dangling", "gone", "");
    tar_put('2', "dir/out", "../secret", "");
    tar_put('0', "secret", "", "secret");
    tar_len += 1024;
    struct archive_error error;
    enum status status = archive_create((struct bytes){tar, tar_len}, &error, &archive);
    CHECK(status == OK);
}

static void insert(struct object *object, u64 rights, u64 inheriting, const char *preopen) {
    struct handle handle = {.object = object, .rights = rights, .rights_inheriting = inheriting};
    if (preopen != NULL) {
        u8 *name = kmalloc(strlen(preopen));
        memcpy(name, preopen, strlen(preopen));
        handle.preopen = (struct bytes){name, strlen(preopen)};
    }
    u32 number;
    object_retain(object);
    enum status status = handle_insert(&fake_process.handles, &handle, &number);
    CHECK(status == OK);
}

static void set_up(void) {
    struct area *area;
    enum status status =
        area_create(aspace_kernel(), AREA_MEMORY, FAKE_MEMORY_BYTES * 2, NULL, &area);
    CHECK(status == OK);
    status = area_grow(aspace_kernel(), area, FAKE_MEMORY_BYTES);
    CHECK(status == OK);
    memory = (struct memory){.base = area->vma.start, .bytes = FAKE_MEMORY_BYTES};
    instance = (struct instance){.memory = &memory, .owner = &fake_process};
    memset(&fake_process, 0, sizeof fake_process);
    fake_process.memory = &memory;
    fake_process.aspace = aspace_kernel();
    list_init(&fake_process.threads);
    spin_init(&fake_process.lock, LOCK_PROCESS, "process");
    status = handle_table_init(&fake_process.handles, 64);
    CHECK(status == OK);
    status = string_list_add(&fake_process.args, bytes_of("prog"));
    CHECK(status == OK);
    status = string_list_add(&fake_process.args, bytes_of("x y"));
    CHECK(status == OK);

    memset(&fake_stream, 0, sizeof fake_stream);
    object_init(&fake_stream.object, &stream_ops, OBJECT_STREAM);
    wait_queue_init(&fake_stream.queue);
    fake_stream.is_ready = true;
    make_archive();
    struct object *directory;
    status = object_walk(archive_root(archive), bytes_of("dir"), true, &directory);
    CHECK(status == OK);
    insert(&fake_stream.object, wasi_stream_rights(true, false), 0, NULL);
    insert(&fake_stream.object, wasi_stream_rights(false, true), 0, NULL);
    insert(&fake_stream.object, wasi_stream_rights(false, true), 0, NULL);
    insert(directory, wasi_directory_rights(), wasi_inheriting_rights(), "/pre");
    object_release(directory);
}

void fake_poke(u64 at, const void *from, usize len) {
    enum wasi_errno error = wasi_put(&fake_process, at, from, len);
    CHECK(error == WASI_ESUCCESS);
}

void fake_peek(u64 at, void *to, usize len) {
    enum wasi_errno error = wasi_get(&fake_process, at, to, len);
    CHECK(error == WASI_ESUCCESS);
}

u32 fake_peek_u32(u64 at) {
    u32 value;
    fake_peek(at, &value, sizeof value);
    return value;
}

u64 fake_peek_u64(u64 at) {
    u64 value;
    fake_peek(at, &value, sizeof value);
    return value;
}

bool fake_memory_is(u64 at, const char *text) {
    char found[64];
    fake_peek(at, found, strlen(text));
    return memcmp(found, text, strlen(text)) == 0;
}

static bool body_ended;
static void (*current_body)(void);

static void run_body(void *argument) {
    (void)argument;
    set_up();
    current_body();
    body_ended = true;
    fake_sched_stop();
}

void fake_process_run(void (*body)(void)) {
    body_ended = false;
    current_body = body;
    fake_sched_run(run_body, NULL);
    assert_true(body_ended);
}
