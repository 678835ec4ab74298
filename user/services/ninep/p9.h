#pragma once
// A client of 9P2000.L, the protocol behind which virtio-9p has a directory of the host's: a
// function for each message that a file system needs.
//
// A *fid* is a number by which both sides know a file or directory; the client chooses it, and
// gives it back with p9_clunk. Names are single ones: the server is never asked to follow a path, a
// ".." or a symbolic link.
//
// What the server says is not believed: a message that is cut off, of another kind than the one
// expected, or with counts beyond its end is ERR_IO. An error of the server's is the status that
// is closest to it. One message is under way at a time, besides those that give fids back. Not for
// several threads.

#include "base/status.h"
#include "base/string.h"

#define P9_NO_FID        UINT32_MAX
#define P9_MESSAGE_LEAST 4096u
#define P9_POST_MAX      16u

// Who carries messages.
struct p9_transport {
    // Sends the first `request_len` bytes of `request` and waits for the answer, which is then the
    // first *reply_len bytes of `reply`; at most `bytes`.
    enum status (*exchange)(struct p9_transport *transport, u32 request_len, u32 *reply_len);

    // Sends a message of at most P9_POST_MAX bytes without waiting for its answer, of which nothing
    // is wanted: `posted` is called with `fid`, in some later call, when that has come. False:
    // nothing was sent, for too many are under way. NULL: there is no such.
    bool (*post)(struct p9_transport *transport, const void *message, u32 len, u32 fid);
    void (*posted)(void *context, u32 fid); // the client's
    void *context;

    u8 *request; // `bytes` each
    u8 *reply;
    u32 bytes;
};

struct p9 {
    struct p9_transport *transport;
    u32 message_bytes; // at most, as agreed on
    u16 last_tag;
    u32 fid_count;  // numbers that were ever in use
    u32 *free_fids; // of these, the ones that are not
    u32 free_count;
    u32 free_size;
};

// What a fid is: its kind, and a number that no other file has.
struct p9_qid {
    u8 type; // P9_QID_*
    u64 path;
};
#define P9_QID_DIRECTORY 0x80u
#define P9_QID_LINK      0x02u

// Linux's numbers, as the protocol has them.
#define P9_MODE_KIND 0170000u
enum p9_open_flags : u32 {
    P9_OPEN_READ = 0,
    P9_OPEN_WRITE = 1,
    P9_OPEN_READ_WRITE = 2,
    P9_OPEN_EXCLUSIVE = 0200,
    P9_OPEN_APPEND = 02000,
};

struct p9_attributes {
    struct p9_qid qid;
    u32 mode;
    u64 link_count;
    u64 size;
    u64 accessed_ns;
    u64 modified_ns;
    u64 changed_ns;
};

enum p9_change_flags : u32 {
    P9_CHANGE_SIZE = 1 << 3,
    P9_CHANGE_ACCESSED = 1 << 4, // to now, unless:
    P9_CHANGE_MODIFIED = 1 << 5,
    P9_CHANGE_ACCESSED_TO = 1 << 7,
    P9_CHANGE_MODIFIED_TO = 1 << 8,
};

struct p9_change {
    u32 flags;
    u64 size;
    u64 accessed_ns;
    u64 modified_ns;
};

// Greets the server; *root is a fid of the directory that it has. ERR_UNSUPPORTED: it does not
// speak 9P2000.L.
enum status p9_begin(struct p9 *p9, struct p9_transport *transport, u32 *root,
                     struct p9_qid *root_qid);
void p9_end(struct p9 *p9); // forgets everything, and sends nothing

// A new fid for what `name` names in `directory`, or without a name (of length 0) for the same.
enum status p9_walk(struct p9 *p9, u32 directory, struct bytes name, u32 *out, struct p9_qid *qid);

// Gives back a fid; nothing is done for P9_NO_FID.
void p9_clunk(struct p9 *p9, u32 fid);

enum status p9_get_attributes(struct p9 *p9, u32 fid, struct p9_attributes *out);
enum status p9_set_attributes(struct p9 *p9, u32 fid, const struct p9_change *change);

// From now on the fid is for reading and writing, or for listing a directory.
enum status p9_open(struct p9 *p9, u32 fid, u32 flags);

// The fid, of a directory, becomes one of the new file in it, which is open, and is *qid.
enum status p9_create(struct p9 *p9, u32 fid, struct bytes name, u32 flags, u32 mode,
                      struct p9_qid *qid);

// How many bytes can be read or written at a time.
u32 p9_data_most(const struct p9 *p9);

// Up to `len` bytes, which stay until the next call; fewer only at the file's end.
enum status p9_read(struct p9 *p9, u32 fid, u64 offset, u32 len, struct bytes *out);

// Where the data is put that p9_write sends.
u8 *p9_write_space(struct p9 *p9);
enum status p9_write(struct p9 *p9, u32 fid, u64 offset, u32 len, u32 *written);

struct p9_entry {
    struct p9_qid qid;
    u64 next; // the offset that goes on behind it
    u8 type;  // DT_*, as Linux has them
    struct bytes name;
};

// Entries from `offset` on, which is 0 or some entry's `next`; none at the end. They stay until the
// next call; p9_next_entry takes them off the front. False: there are no more, or none is whole.
enum status p9_list(struct p9 *p9, u32 fid, u64 offset, struct bytes *out);
bool p9_next_entry(struct bytes *entries, struct p9_entry *out);

// The target stays until the next call.
enum status p9_read_link(struct p9 *p9, u32 fid, struct bytes *out);

enum status p9_make_directory(struct p9 *p9, u32 directory, struct bytes name, u32 mode);
enum status p9_make_link(struct p9 *p9, u32 directory, struct bytes name, struct bytes target);
enum status p9_link(struct p9 *p9, u32 directory, struct bytes name, u32 fid);
enum status p9_rename(struct p9 *p9, u32 from, struct bytes from_name, u32 to,
                      struct bytes to_name);
enum status p9_remove(struct p9 *p9, u32 directory, struct bytes name, bool is_directory);
enum status p9_sync(struct p9 *p9, u32 fid, bool only_data);
