#pragma once
// The file protocol: what is asked of a server of files, and what it answers.
//
// A message is an operation, handles, a few words, and bytes: up to two paths, and data. Where the
// server is who started the machine, messages are frames of the link (abi/kwast/link.h): a request
// is struct file_request, `path_len` bytes of the path, `other_len` bytes of the other path, and
// the data up to the frame's end; an answer is struct file_reply and data up to the frame's end.
//
// To a scheme (abi/kwast/calls.h) the same messages are calls on the channel of a file or
// directory:
//
//   operation   KWAST_FILE_OPERATION + enum file_op: from the kernel alone, which has looked at the
//               rights of the client's handles
//   words       words[0] and words[1] as below; words[2] is the flags, words[3] the value of the
//               channel `other`, which is of the same scheme
//   bytes       the path
//   grant 0     the data: lent for reading, or for writing where the answer has data
//   grant 1     the other path, for those that have one
//   answer      the status; words[0] and words[1] as below; words[2] is how many bytes of data
//               the server put into grant 0
//
// FILE_OPEN is answered with the handle of a channel (or of any other file, directory or stream).
// FILE_CLOSE is never sent: KWAST_CLOSED says it.
//
// Over the link, a handle names an open file or directory. The client chooses its number when it
// opens one, so that a client that gave up waiting for the answer can close it all the same:
// requests are served in the order in which they were sent. Handles below FILE_ROOTS_MAX are
// directories that the server has opened beforehand, and cannot be closed.
//
// A path is relative, is not NUL-terminated and has no NUL inside. The server follows no path out
// of the directory that the handle was opened for: not by "..", not by a symbolic link, whatever
// changes meanwhile; it answers ERR_ESCAPES.
//
// Numbers are little-endian. Times are nanoseconds since 1970. A status is an enum status.

#include "base/types.h"

#define FILE_ROOTS_MAX   64u
#define FILE_HANDLES_MAX 1024u      // numbers of all handles are below
#define FILE_DATA_MAX    (32 * KIB) // in a request or an answer
#define FILE_PATH_MAX    4095u

enum file_op : u16 {
    // Opens `path` below `handle` as `other`; flags FILE_OPEN_*. Answers words[0] = enum file_type,
    // which is a file or a directory: anything else is refused.
    FILE_OPEN = 1,
    FILE_CLOSE = 2, // no answer

    FILE_READ = 3,       // words[0] = offset. Answers data
    FILE_WRITE = 4,      // words[0] = offset, data. Answers words[0] = bytes written
    FILE_APPEND = 5,     // data. Answers words[0] = bytes written, words[1] = where the file ends
    FILE_SET_SIZE = 6,   // words[0] = bytes
    FILE_ALLOCATE = 7,   // words[0] = offset, words[1] = bytes
    FILE_SYNC = 8,       // flags FILE_SYNC_*
    FILE_LIST = 9,       // words[0] = cookie, 0 at first. Answers struct file_entry and names
    FILE_STAT = 10,      // of `path`, or without one of the handle; FILE_FOLLOW. Answers file_stat
    FILE_SET_TIMES = 11, // likewise; words = accessed, modified; flags FILE_TIME_* as well

    FILE_READ_LINK = 12, // Answers the target as data, cut to what there is room for
    FILE_MAKE_DIRECTORY = 13,
    FILE_REMOVE_DIRECTORY = 14,
    FILE_UNLINK = 15,
    FILE_RENAME = 16,    // `path` below `handle` becomes the other path below `other`
    FILE_LINK = 17,      // the same, and both names stay; FILE_FOLLOW
    FILE_MAKE_LINK = 18, // `path` becomes a symbolic link to the other path, as it stands
    FILE_OP_COUNT,
};

// What a client itself asks the server of files behind a channel (scheme_call), of any file or
// directory: answers struct file_system_stat in grant 0, words[2] bytes of it.
#define FILE_SYSTEM_STAT 256u

// What a final symbolic link in `path` is: followed, or meant itself.
#define FILE_FOLLOW (1u << 8)

enum file_open_flags : u16 {
    FILE_OPEN_READ = 1 << 0,
    FILE_OPEN_WRITE = 1 << 1,
    FILE_OPEN_CREATE = 1 << 2,
    FILE_OPEN_EXCLUSIVE = 1 << 3, // with FILE_OPEN_CREATE
    FILE_OPEN_TRUNCATE = 1 << 4,
    FILE_OPEN_DIRECTORY = 1 << 5, // nothing else will do
};

#define FILE_SYNC_DATA (1u << 0) // the contents will do

// Which times are set, and to what; not two of one time.
enum file_time_flags : u16 {
    FILE_TIME_ACCESSED = 1 << 0,
    FILE_TIME_ACCESSED_NOW = 1 << 1,
    FILE_TIME_MODIFIED = 1 << 2,
    FILE_TIME_MODIFIED_NOW = 1 << 3,
};

enum file_type : u8 {
    FILE_TYPE_OTHER, // a pipe, for one
    FILE_TYPE_FILE,
    FILE_TYPE_DIRECTORY,
    FILE_TYPE_LINK,
    FILE_TYPE_CHARACTER_DEVICE,
    FILE_TYPE_BLOCK_DEVICE,
    FILE_TYPE_SOCKET,
    FILE_TYPE_COUNT,
};

struct file_request {
    u32 tag; // the answer has it, too
    enum file_op op;
    u16 flags;
    u32 handle;
    u32 other;
    u64 words[2];
    u32 room; // bytes of data that the answer may have
    u16 path_len;
    u16 other_len;
} PACKED;

struct file_reply {
    u32 tag;
    u32 status; // words and data mean something only when it is OK
    u64 words[2];
} PACKED;

struct file_stat {
    u64 device;
    u64 inode;
    u64 link_count;
    u64 size;
    u64 accessed_ns;
    u64 modified_ns;
    u64 changed_ns;
    enum file_type type;
    u8 padding[7];
} PACKED;

// `name_len` bytes of the name follow, and at once the next entry. "." and ".." are left out.
struct file_entry {
    u64 next_cookie; // asks for what comes after this one
    u64 inode;
    u16 name_len;
    enum file_type type;
    u8 padding[5];
} PACKED;

#define FILE_SYSTEM_TYPE_BYTES 16u

// Of a file system as a whole. Numbers that mean nothing to it are 0.
struct file_system_stat {
    u64 total_bytes;
    u64 free_bytes;
    u64 total_files;
    u64 free_files;
    char type[FILE_SYSTEM_TYPE_BYTES]; // for people; filled up with zero bytes
} PACKED;
