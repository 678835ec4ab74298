#pragma once
// What a handle names, and the one table of operations behind every descriptor: console, boot
// archive, the link and its files today, schemes later. Buffers are kernel memory; kernel/wasi
// copies in and out. What is done to names below a directory is in kernel/ipc/path.h.

#include "base/status.h"
#include "base/string.h"
#include "base/types.h"

enum object_type : u8 {
    OBJECT_STREAM, // console, link: reads and writes in order, no position
    OBJECT_FILE,
    OBJECT_DIRECTORY,
    OBJECT_LINK,  // symbolic link
    OBJECT_PLAIN, // none of these: an end of a scheme, a process, a notification

    // Never opened; a name in a directory can be one. Another kind of file, a pipe, is
    // OBJECT_PLAIN.
    OBJECT_CHARACTER_DEVICE,
    OBJECT_BLOCK_DEVICE,
    OBJECT_SOCKET,
};

struct object_stat {
    enum object_type type;
    bool is_terminal;
    u64 device;
    u64 inode;
    u64 link_count;
    u64 size;
    u64 accessed_ns; // since 1970
    u64 modified_ns;
    u64 changed_ns;
};

struct object_entry {
    u64 inode;
    enum object_type type;
    u64 next_cookie;
    struct bytes name; // lives as long as the object, or as the buffer that it is in
};

// New times of a file; at most one of each two flags.
enum times_flags {
    TIMES_ACCESSED = 1,
    TIMES_ACCESSED_NOW = 2,
    TIMES_MODIFIED = 4,
    TIMES_MODIFIED_NOW = 8,
};
struct object_times {
    u64 accessed_ns;
    u64 modified_ns;
    u32 flags; // enum times_flags
};

// Which end of a scheme an object is, if any (scheme.h).
enum scheme_end : u8 { SCHEME_END_NONE, SCHEME_END_SERVER, SCHEME_END_CHANNEL };

enum poll_events { POLL_READABLE = 1, POLL_WRITABLE = 2, POLL_HANGUP = 4 };

struct object;
struct path_ops;
struct remote_call;
struct wait_queue;

// Takes the entries of a directory, one by one; false: no more, this one was not taken.
typedef bool (*entry_taker)(void *context, const struct object_entry *entry);

// NULL entries mean what the comment in brackets says. All may block unless said otherwise, take
// no spinlocks from callers, and are called by any number of threads at once.
struct object_ops {
    // Frees it; the last reference is gone. [nothing to do]
    void (*destroy)(struct object *object);

    // Reads at `offset` (ignored by streams); *got 0 is end of file. [ERR_DENIED]
    enum status (*read)(struct object *object, u64 offset, void *to, usize len, usize *got);

    // [ERR_READ_ONLY for files, ERR_DENIED otherwise]
    enum status (*write)(struct object *object, u64 offset, const void *from, usize len,
                         usize *put);

    // Writes at the end of a file, wherever that is by then; *end: where it is now. [as write]
    enum status (*append)(struct object *object, const void *from, usize len, usize *put, u64 *end);

    enum status (*set_size)(struct object *object, u64 bytes); // [as write]

    // Has room on the disk for these bytes; the file becomes as long as that. [as write]
    enum status (*allocate)(struct object *object, u64 offset, u64 len);

    // Returns when everything written has reached the disk, or only the contents. [nothing to do]
    enum status (*sync)(struct object *object, bool only_data);

    enum status (*set_times)(struct object *object, const struct object_times *times); // [as write]

    enum status (*stat)(struct object *object, struct object_stat *out); // required

    // What is done to names below a directory. [a tree that is walked by lookup and stays as it
    // is; of its files, those with `write` can be written]
    const struct path_ops *paths;

    // Looks up one name, no slashes, "." and ".." excluded, in a directory. [ERR_NOT_DIRECTORY]
    enum status (*lookup)(struct object *object, struct bytes name, struct object **out);

    // The entry at `cookie` (0 is the first). ERR_NOT_FOUND at the end. [ERR_NOT_DIRECTORY]
    enum status (*read_entry)(struct object *object, u64 cookie, struct object_entry *out);

    // Entries from `cookie` on, some or all, at least one if there is one. [by read_entry]
    enum status (*list)(struct object *object, u64 cookie, entry_taker take, void *context);

    // The target of a symbolic link; lives as long as the object. [ERR_NOT_LINK]
    enum status (*read_link)(struct object *object, struct bytes *out);

    // Sends a message of the file protocol to the object's server, and waits for the answer
    // (remote_file.h). [the operations above need none]
    enum status (*remote_call)(struct remote_call *call);

    // What would not block now; never blocks. *available: bytes to read. [always ready]
    u32 (*poll)(struct object *object, u64 *available);

    // The queue that is woken when poll's answer may have changed, or NULL. [never changes]
    struct wait_queue *(*poll_queue)(struct object *object);
};

struct object {
    const struct object_ops *ops;
    u32 ref_count; // atomic
    enum object_type type;
    bool is_terminal;
    enum scheme_end scheme_end;
};

void object_init(struct object *object, const struct object_ops *ops, enum object_type type);
void object_retain(struct object *object);
void object_release(struct object *object); // NULL is allowed

// The operations with their defaults.
MUST_USE enum status object_read(struct object *object, u64 offset, void *to, usize len,
                                 usize *got);
MUST_USE enum status object_write(struct object *object, u64 offset, const void *from, usize len,
                                  usize *put);
MUST_USE enum status object_append(struct object *object, const void *from, usize len, usize *put,
                                   u64 *end);
MUST_USE enum status object_set_size(struct object *object, u64 bytes);
MUST_USE enum status object_allocate(struct object *object, u64 offset, u64 len);
MUST_USE enum status object_sync(struct object *object, bool only_data);
MUST_USE enum status object_set_times(struct object *object, const struct object_times *times);
MUST_USE enum status object_stat(struct object *object, struct object_stat *out);
MUST_USE enum status object_lookup(struct object *object, struct bytes name, struct object **out);
MUST_USE enum status object_read_entry(struct object *object, u64 cookie, struct object_entry *out);
// Hands the entries from `cookie` on to `take`, until that has enough or there are no more.
MUST_USE enum status object_list(struct object *object, u64 cookie, entry_taker take,
                                 void *context);
MUST_USE enum status object_read_link(struct object *object, struct bytes *out);
u32 object_poll(struct object *object, u64 *available);

// Opens `path` below the directory `root`, which it cannot leave: ".." at the root, absolute paths
// and links to outside give ERR_ESCAPES. Follows symbolic links (at most 32; the last one only with
// `follow`). A trailing slash demands a directory. Returns a new reference.
MUST_USE enum status object_walk(struct object *root, struct bytes path, bool follow,
                                 struct object **out);
