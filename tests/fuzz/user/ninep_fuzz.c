// The libFuzzer target for the host's directory: any calls, and a 9P server that answers with the
// input's bytes. Mostly the head of its answers is right, so that what is behind it is read.

#include "tests/fuzz/user/fake_kernel.h"
#include "user/sdk/files.h"
#include "user/services/ninep/nodes.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

#define MESSAGE_BYTES 4096u
#define HEAD_BYTES    7u
#define ROUNDS_MAX    512u // of messages: a server that answers forever is asked forever

static const u32 operations[] = {
    KWAST_FILE_OPERATION + FILE_OPEN,           KWAST_FILE_OPERATION + FILE_OPEN,
    KWAST_FILE_OPERATION + FILE_READ,           KWAST_FILE_OPERATION + FILE_WRITE,
    KWAST_FILE_OPERATION + FILE_APPEND,         KWAST_FILE_OPERATION + FILE_SET_SIZE,
    KWAST_FILE_OPERATION + FILE_ALLOCATE,       KWAST_FILE_OPERATION + FILE_SYNC,
    KWAST_FILE_OPERATION + FILE_LIST,           KWAST_FILE_OPERATION + FILE_STAT,
    KWAST_FILE_OPERATION + FILE_SET_TIMES,      KWAST_FILE_OPERATION + FILE_READ_LINK,
    KWAST_FILE_OPERATION + FILE_MAKE_DIRECTORY, KWAST_FILE_OPERATION + FILE_REMOVE_DIRECTORY,
    KWAST_FILE_OPERATION + FILE_UNLINK,         KWAST_FILE_OPERATION + FILE_RENAME,
    KWAST_FILE_OPERATION + FILE_LINK,           KWAST_FILE_OPERATION + FILE_MAKE_LINK,
};
static const u64 roots[] = {0};

static struct {
    struct p9_transport transport;
    struct input *input;
    u8 request[MESSAGE_BYTES];
    u8 reply[MESSAGE_BYTES];
    u32 rounds;
} server;

static u32 field(u32 at) {
    u32 value;
    memcpy(&value, server.request + at, sizeof value);
    return value;
}

// What the client sends is a message, whatever it was told.
static void check_request(u32 len) {
    MUST(len >= HEAD_BYTES && len <= MESSAGE_BYTES && field(0) == len);
}

static enum status exchange(struct p9_transport *transport, u32 request_len, u32 *reply_len) {
    struct input *input = server.input;
    (void)transport;
    check_request(request_len);
    if (++server.rounds > ROUNDS_MAX || input->len == 0)
        return ERR_IO;
    u8 how = input_u8(input);
    u32 len = HEAD_BYTES + input_u8(input) % 192u;
    if (how >= 0xf8)
        len = input_u32(input) % (MESSAGE_BYTES + 1);
    input_fill(input, server.reply, len);
    *reply_len = len;
    if (len < HEAD_BYTES || how < 8)
        return how == 0 ? ERR_IO : OK;
    memcpy(server.reply, &len, sizeof len);
    server.reply[4] = how < 24 ? 7 : (u8)(server.request[4] + 1); // an error, now and then
    memcpy(server.reply + 5, server.request + 5, 2);
    return OK;
}

// An honest beginning: version, and a root that is a directory.
static enum status greet(struct p9_transport *transport, u32 request_len, u32 *reply_len) {
    static const u8 version[] = {0, 0, 0,   0,   0,   0,   0,   0,   16,  0,  0,
                                 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L'};
    static const u8 root[HEAD_BYTES + 13] = {[HEAD_BYTES] = P9_QID_DIRECTORY, [12] = 1};
    bool is_version = server.request[4] == 100;
    (void)transport;
    check_request(request_len);
    u32 len = is_version ? sizeof version : sizeof root;
    memcpy(server.reply, is_version ? version : root, len);
    memcpy(server.reply, &len, sizeof len);
    server.reply[4] = (u8)(server.request[4] + 1);
    memcpy(server.reply + 5, server.request + 5, 2);
    *reply_len = len;
    return OK;
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    return files_answer(context, request, bytes, reply);
}

static void let_fail(struct input *input) {
    fake_heap_fail(input_u8(input) % 8);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    struct input input = {data, len};
    struct files files;
    struct file_system *fs;
    fake_begin();
    server.input = &input;
    server.rounds = 0;
    server.transport = (struct p9_transport){.exchange = greet,
                                             .request = server.request,
                                             .reply = server.reply,
                                             .bytes = MESSAGE_BYTES};
    MUST(nodes_create(&server.transport, &fs) == OK);
    server.transport.exchange = exchange;
    files_init(&files, FAKE_SERVER, fs);
    const struct fake_service service = {
        .serve = serve,
        .context = &files,
        .operations = operations,
        .operation_count = COUNT_OF(operations),
        .roots = roots,
        .root_count = COUNT_OF(roots),
        .between = let_fail,
    };
    fake_run(&service, &input);
    fake_heap_fail(0);
    nodes_destroy(fs);
    fake_heap_clear(); // what was open is the files' table's
    return 0;
}
