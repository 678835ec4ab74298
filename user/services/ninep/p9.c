// Messages of 9P2000.L. Each is four bytes of length, one of type, two of tag, and fields; numbers
// are little-endian, a string is two bytes of length and its bytes.
//
// A request is written where the transport has it, and its answer is read there: data is copied
// once, by whoever puts it into the one or takes it from the other. Both ends of writing and
// reading are sticky: after the first failure nothing is written or read, and the end of it says
// so.

#include "user/services/ninep/p9.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/math.h"

#define VERSION          "9P2000.L"
#define HEADER_BYTES     7u
#define WRITE_HEADER     (HEADER_BYTES + 4 + 8 + 4)
#define READ_HEADER      (HEADER_BYTES + 4)
#define NO_TAG           0xffffu
#define NO_USER          UINT32_MAX // neither of ours nor of the server's: it stays as it is
#define NS_PER_S         1000000000ull
#define BASIC            0x7ffu // the attributes that every file has
#define REMOVE_DIRECTORY 0x200u

// An answer has the number of its request, and one more.
enum type : u8 {
    ANSWER_ERROR = 7,
    OPEN = 12,
    CREATE = 14,
    MAKE_LINK = 16,
    READ_LINK = 22,
    GET_ATTRIBUTES = 24,
    SET_ATTRIBUTES = 26,
    LIST = 40,
    SYNC = 50,
    LINK = 70,
    MAKE_DIRECTORY = 72,
    RENAME = 74,
    REMOVE = 76,
    GREET = 100,
    ATTACH = 104,
    WALK = 110,
    READ = 116,
    WRITE = 118,
    CLUNK = 120,
};

// -- Errors ---------------------------------------------------------------------------------------

static enum status status_of(u32 linux_error) {
    static const struct {
        u8 number;
        enum status status;
    } map[] = {
        {1, ERR_NOT_PERMITTED},   {2, ERR_NOT_FOUND},       {9, ERR_BAD_HANDLE},
        {12, ERR_NO_MEMORY},      {13, ERR_NO_ACCESS},      {16, ERR_BUSY},
        {17, ERR_EXISTS},         {18, ERR_CROSS_DEVICE},   {19, ERR_NO_DEVICE},
        {20, ERR_NOT_DIRECTORY},  {21, ERR_IS_DIRECTORY},   {22, ERR_INVALID},
        {23, ERR_LIMIT},          {24, ERR_LIMIT},          {26, ERR_TEXT_BUSY},
        {27, ERR_FILE_TOO_LARGE}, {28, ERR_NO_SPACE},       {29, ERR_NOT_SEEKABLE},
        {30, ERR_READ_ONLY},      {31, ERR_TOO_MANY_LINKS}, {36, ERR_NAME_TOO_LONG},
        {39, ERR_NOT_EMPTY},      {40, ERR_LOOP},           {75, ERR_OVERFLOW},
        {84, ERR_BAD_NAME},       {95, ERR_UNSUPPORTED},    {122, ERR_QUOTA},
    };
    for (u32 i = 0; i < COUNT_OF(map); i++) {
        if (map[i].number == linux_error)
            return map[i].status;
    }
    return ERR_IO;
}

// -- Fids -----------------------------------------------------------------------------------------

// Room to give back every fid is made when it is taken, so that giving back cannot fail.
static enum status fid_take(struct p9 *p9, u32 *out) {
    if (p9->free_count != 0) {
        *out = p9->free_fids[--p9->free_count];
        return OK;
    }
    if (p9->fid_count == p9->free_size) {
        u32 size = p9->free_size == 0 ? 64 : 2 * p9->free_size;
        u32 *free_fids = realloc(p9->free_fids, size * sizeof *free_fids);
        if (free_fids == NULL)
            return ERR_NO_MEMORY;
        p9->free_fids = free_fids;
        p9->free_size = size;
    }
    *out = p9->fid_count++;
    return OK;
}

static void fid_give(void *context, u32 fid) {
    struct p9 *p9 = context;
    p9->free_fids[p9->free_count++] = fid;
}

// -- Requests -------------------------------------------------------------------------------------

struct request {
    struct p9 *p9;
    u8 *at;
    enum type type;
    bool is_cut;
};

static void put(struct request *request, const void *from, u32 len) {
    const struct p9_transport *transport = request->p9->transport;
    u32 used = (u32)(request->at - transport->request);
    request->is_cut = request->is_cut || len > request->p9->message_bytes - used;
    if (request->is_cut || len == 0)
        return;
    memcpy(request->at, from, len);
    request->at += len;
}

static void put_u16(struct request *request, u16 value) {
    put(request, &value, sizeof value);
}

static void put_u32(struct request *request, u32 value) {
    put(request, &value, sizeof value);
}

static void put_u64(struct request *request, u64 value) {
    put(request, &value, sizeof value);
}

static void put_string(struct request *request, struct bytes text) {
    request->is_cut = request->is_cut || text.len > UINT16_MAX;
    put_u16(request, (u16)text.len);
    put(request, text.data, (u32)text.len);
}

static struct request begin(struct p9 *p9, enum type type) {
    return (struct request){.p9 = p9, .at = p9->transport->request + HEADER_BYTES, .type = type};
}

static struct request begin_with(struct p9 *p9, enum type type, u32 fid) {
    struct request request = begin(p9, type);
    put_u32(&request, fid);
    return request;
}

// -- Answers --------------------------------------------------------------------------------------

struct answer {
    const u8 *at;
    u32 left;
    bool is_cut;
};

static const u8 *get_bytes(struct answer *answer, u32 len) {
    answer->is_cut = answer->is_cut || len > answer->left;
    if (answer->is_cut)
        return NULL;
    const u8 *at = answer->at;
    answer->at += len;
    answer->left -= len;
    return at;
}

static void get(struct answer *answer, void *to, u32 len) {
    const u8 *from = get_bytes(answer, len);
    if (from != NULL)
        memcpy(to, from, len);
    else
        memset(to, 0, len);
}

static u8 get_u8(struct answer *answer) {
    u8 value;
    get(answer, &value, sizeof value);
    return value;
}

static u16 get_u16(struct answer *answer) {
    u16 value;
    get(answer, &value, sizeof value);
    return value;
}

static u32 get_u32(struct answer *answer) {
    u32 value;
    get(answer, &value, sizeof value);
    return value;
}

static u64 get_u64(struct answer *answer) {
    u64 value;
    get(answer, &value, sizeof value);
    return value;
}

static struct bytes get_string(struct answer *answer) {
    u16 len = get_u16(answer);
    const u8 *data = get_bytes(answer, len);
    return (struct bytes){data, data == NULL ? 0 : len};
}

static struct p9_qid get_qid(struct answer *answer) {
    u8 type = get_u8(answer);
    u32 version = get_u32(answer);
    (void)version;
    return (struct p9_qid){.type = type, .path = get_u64(answer)};
}

static u64 get_time(struct answer *answer) {
    u64 seconds = get_u64(answer);
    u64 ns = get_u64(answer);
    if (seconds > INT64_MAX)
        return 0; // before 1970
    return seconds >= UINT64_MAX / NS_PER_S || ns >= NS_PER_S ? UINT64_MAX
                                                              : seconds * NS_PER_S + ns;
}

static u16 next_tag(struct p9 *p9) {
    p9->last_tag = (u16)((p9->last_tag + 1) % NO_TAG);
    return p9->last_tag;
}

// Sends the request, whose header is still to be written, with `data_len` bytes of data that are
// there already. What `answer` then has is what is behind the header of an answer that fits.
static enum status finish_with(struct request *request, u32 data_len, struct answer *answer) {
    struct p9 *p9 = request->p9;
    struct p9_transport *transport = p9->transport;
    if (request->is_cut)
        return ERR_NAME_TOO_LONG; // nothing else can be too long for a message
    u32 len = (u32)(request->at - transport->request) + data_len;
    u16 tag = request->type == GREET ? NO_TAG : next_tag(p9);
    memcpy(transport->request, &len, sizeof len);
    transport->request[4] = request->type;
    memcpy(transport->request + 5, &tag, sizeof tag);
    u32 reply_len = 0;
    enum status status = transport->exchange(transport, len, &reply_len);
    if (status != OK)
        return status;
    *answer =
        (struct answer){.at = transport->reply, .left = (u32)min_u64(reply_len, transport->bytes)};
    u32 said_len = get_u32(answer);
    u8 type = get_u8(answer);
    u16 said_tag = get_u16(answer);
    if (answer->is_cut || said_len != reply_len || said_tag != tag)
        return ERR_IO;
    if (type == ANSWER_ERROR) {
        u32 error = get_u32(answer);
        return answer->is_cut ? ERR_IO : status_of(error);
    }
    return type == request->type + 1 ? OK : ERR_IO;
}

static enum status finish(struct request *request, struct answer *answer) {
    return finish_with(request, 0, answer);
}

// For an answer of which nothing is wanted.
static enum status finish_silently(struct request *request) {
    struct answer answer;
    return finish_with(request, 0, &answer);
}

static enum status whole(const struct answer *answer) {
    return answer->is_cut ? ERR_IO : OK;
}

// -- The beginning --------------------------------------------------------------------------------

static enum status greet(struct p9 *p9) {
    struct answer answer;
    struct request request = begin(p9, GREET);
    put_u32(&request, p9->message_bytes);
    put_string(&request, bytes_of(VERSION));
    enum status status = finish(&request, &answer);
    if (status != OK)
        return status;
    u32 most = get_u32(&answer);
    struct bytes version = get_string(&answer);
    if (answer.is_cut || most < P9_MESSAGE_LEAST)
        return ERR_IO;
    if (!bytes_equal_text(version, VERSION))
        return ERR_UNSUPPORTED;
    p9->message_bytes = (u32)min_u64(p9->message_bytes, most);
    return OK;
}

static enum status attach(struct p9 *p9, u32 fid, struct p9_qid *qid) {
    struct answer answer;
    struct request request = begin_with(p9, ATTACH, fid);
    put_u32(&request, P9_NO_FID); // without authentication
    put_string(&request, bytes_of(""));
    put_string(&request, bytes_of(""));
    put_u32(&request, NO_USER);
    enum status status = finish(&request, &answer);
    if (status != OK)
        return status;
    *qid = get_qid(&answer);
    return whole(&answer);
}

enum status p9_begin(struct p9 *p9, struct p9_transport *transport, u32 *root,
                     struct p9_qid *root_qid) {
    if (transport->bytes < P9_MESSAGE_LEAST)
        return ERR_INVALID;
    *p9 = (struct p9){.transport = transport, .message_bytes = transport->bytes};
    transport->posted = fid_give;
    transport->context = p9;
    enum status status = greet(p9);
    if (status == OK)
        status = fid_take(p9, root);
    if (status == OK)
        status = attach(p9, *root, root_qid);
    return status;
}

static void forget(void *context, u32 fid) {
    (void)context;
    (void)fid;
}

void p9_end(struct p9 *p9) {
    if (p9->transport != NULL)
        p9->transport->posted = forget;
    free(p9->free_fids);
    *p9 = (struct p9){0};
}

// -- Fids and what they are -----------------------------------------------------------------------

static enum status walk_to(struct p9 *p9, u32 directory, struct bytes name, u32 fid,
                           struct p9_qid *qid) {
    struct answer answer;
    struct request request = begin_with(p9, WALK, directory);
    put_u32(&request, fid);
    put_u16(&request, name.len == 0 ? 0 : 1);
    if (name.len != 0)
        put_string(&request, name);
    enum status status = finish(&request, &answer);
    if (status != OK)
        return status;
    u16 count = get_u16(&answer);
    if (count != (name.len == 0 ? 0 : 1))
        return ERR_IO;
    if (count != 0)
        *qid = get_qid(&answer);
    return whole(&answer);
}

enum status p9_walk(struct p9 *p9, u32 directory, struct bytes name, u32 *out, struct p9_qid *qid) {
    u32 fid;
    enum status status = fid_take(p9, &fid);
    if (status != OK)
        return status;
    status = walk_to(p9, directory, name, fid, qid);
    if (status == OK)
        *out = fid;
    else
        fid_give(p9, fid);
    return status;
}

struct clunk {
    u32 len;
    enum type type;
    u16 tag;
    u32 fid;
} PACKED;
STATIC_ASSERT(sizeof(struct clunk) <= P9_POST_MAX, "it can be posted");

// Nobody waits for it where the transport can do without; the number rests until it is answered.
static bool post_clunk(struct p9 *p9, u32 fid) {
    struct p9_transport *transport = p9->transport;
    const struct clunk clunk = {sizeof clunk, CLUNK, next_tag(p9), fid};
    return transport->post != NULL && transport->post(transport, &clunk, sizeof clunk, fid);
}

void p9_clunk(struct p9 *p9, u32 fid) {
    if (fid == P9_NO_FID || post_clunk(p9, fid))
        return;
    struct request request = begin_with(p9, CLUNK, fid);
    enum status status = finish_silently(&request);
    (void)status; // the fid is free, whatever the server says
    fid_give(p9, fid);
}

enum status p9_get_attributes(struct p9 *p9, u32 fid, struct p9_attributes *out) {
    struct answer answer;
    struct request request = begin_with(p9, GET_ATTRIBUTES, fid);
    put_u64(&request, BASIC);
    enum status status = finish(&request, &answer);
    if (status != OK)
        return status;
    u64 valid = get_u64(&answer);
    out->qid = get_qid(&answer);
    out->mode = get_u32(&answer);
    get_bytes(&answer, 8); // the owners
    out->link_count = get_u64(&answer);
    get_bytes(&answer, 8); // of a device
    out->size = get_u64(&answer);
    get_bytes(&answer, 16); // blocks
    out->accessed_ns = get_time(&answer);
    out->modified_ns = get_time(&answer);
    out->changed_ns = get_time(&answer);
    return (valid & BASIC) != BASIC ? ERR_IO : whole(&answer);
}

static void put_time(struct request *request, u64 ns) {
    put_u64(request, ns / NS_PER_S);
    put_u64(request, ns % NS_PER_S);
}

enum status p9_set_attributes(struct p9 *p9, u32 fid, const struct p9_change *change) {
    struct request request = begin_with(p9, SET_ATTRIBUTES, fid);
    put_u32(&request, change->flags);
    put_u32(&request, 0); // mode and owners stay
    put_u32(&request, NO_USER);
    put_u32(&request, NO_USER);
    put_u64(&request, change->size);
    put_time(&request, change->accessed_ns);
    put_time(&request, change->modified_ns);
    return finish_silently(&request);
}

// -- Contents -------------------------------------------------------------------------------------

enum status p9_open(struct p9 *p9, u32 fid, u32 flags) {
    struct request request = begin_with(p9, OPEN, fid);
    put_u32(&request, flags);
    return finish_silently(&request);
}

enum status p9_create(struct p9 *p9, u32 fid, struct bytes name, u32 flags, u32 mode,
                      struct p9_qid *qid) {
    struct answer answer;
    struct request request = begin_with(p9, CREATE, fid);
    put_string(&request, name);
    put_u32(&request, flags);
    put_u32(&request, mode);
    put_u32(&request, NO_USER);
    enum status status = finish(&request, &answer);
    if (status != OK)
        return status;
    *qid = get_qid(&answer);
    return whole(&answer);
}

// An answer that is a count and so many bytes, at most `most`.
static enum status get_data(struct answer *answer, u32 most, struct bytes *out) {
    u32 len = get_u32(answer);
    const u8 *data = len <= most ? get_bytes(answer, len) : NULL;
    if (data == NULL)
        return ERR_IO;
    *out = (struct bytes){data, len};
    return OK;
}

u32 p9_data_most(const struct p9 *p9) {
    return p9->message_bytes - WRITE_HEADER;
}

enum status p9_read(struct p9 *p9, u32 fid, u64 offset, u32 len, struct bytes *out) {
    struct answer answer;
    struct request request = begin_with(p9, READ, fid);
    if (len > p9_data_most(p9))
        return ERR_INVALID;
    put_u64(&request, offset);
    put_u32(&request, len);
    enum status status = finish(&request, &answer);
    return status == OK ? get_data(&answer, len, out) : status;
}

u8 *p9_write_space(struct p9 *p9) {
    return p9->transport->request + WRITE_HEADER;
}

enum status p9_write(struct p9 *p9, u32 fid, u64 offset, u32 len, u32 *written) {
    struct answer answer;
    if (len > p9_data_most(p9))
        return ERR_INVALID;
    struct request request = begin_with(p9, WRITE, fid);
    put_u64(&request, offset);
    put_u32(&request, len);
    enum status status = finish_with(&request, len, &answer);
    if (status != OK)
        return status;
    u32 count = get_u32(&answer);
    if (answer.is_cut || count > len)
        return ERR_IO;
    *written = count;
    return OK;
}

enum status p9_list(struct p9 *p9, u32 fid, u64 offset, struct bytes *out) {
    struct answer answer;
    struct request request = begin_with(p9, LIST, fid);
    u32 most = p9->message_bytes - READ_HEADER;
    put_u64(&request, offset);
    put_u32(&request, most);
    enum status status = finish(&request, &answer);
    return status == OK ? get_data(&answer, most, out) : status;
}

bool p9_next_entry(struct bytes *entries, struct p9_entry *out) {
    struct answer answer = {.at = entries->data, .left = (u32)entries->len};
    out->qid = get_qid(&answer);
    out->next = get_u64(&answer);
    out->type = get_u8(&answer);
    out->name = get_string(&answer);
    *entries = (struct bytes){answer.at, answer.left};
    return !answer.is_cut;
}

enum status p9_read_link(struct p9 *p9, u32 fid, struct bytes *out) {
    struct answer answer;
    struct request request = begin_with(p9, READ_LINK, fid);
    enum status status = finish(&request, &answer);
    if (status != OK)
        return status;
    *out = get_string(&answer);
    return whole(&answer);
}

enum status p9_sync(struct p9 *p9, u32 fid, bool only_data) {
    struct request request = begin_with(p9, SYNC, fid);
    put_u32(&request, only_data ? 1 : 0);
    return finish_silently(&request);
}

// -- Names ----------------------------------------------------------------------------------------

enum status p9_make_directory(struct p9 *p9, u32 directory, struct bytes name, u32 mode) {
    struct request request = begin_with(p9, MAKE_DIRECTORY, directory);
    put_string(&request, name);
    put_u32(&request, mode);
    put_u32(&request, NO_USER);
    return finish_silently(&request);
}

enum status p9_make_link(struct p9 *p9, u32 directory, struct bytes name, struct bytes target) {
    struct request request = begin_with(p9, MAKE_LINK, directory);
    put_string(&request, name);
    put_string(&request, target);
    put_u32(&request, NO_USER);
    return finish_silently(&request);
}

enum status p9_link(struct p9 *p9, u32 directory, struct bytes name, u32 fid) {
    struct request request = begin_with(p9, LINK, directory);
    put_u32(&request, fid);
    put_string(&request, name);
    return finish_silently(&request);
}

enum status p9_rename(struct p9 *p9, u32 from, struct bytes from_name, u32 to,
                      struct bytes to_name) {
    struct request request = begin_with(p9, RENAME, from);
    put_string(&request, from_name);
    put_u32(&request, to);
    put_string(&request, to_name);
    return finish_silently(&request);
}

enum status p9_remove(struct p9 *p9, u32 directory, struct bytes name, bool is_directory) {
    struct request request = begin_with(p9, REMOVE, directory);
    put_string(&request, name);
    put_u32(&request, is_directory ? REMOVE_DIRECTORY : 0);
    return finish_silently(&request);
}
