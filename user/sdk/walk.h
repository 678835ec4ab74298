#pragma once
// From a path to a node, below a directory that nothing leads out of: not "..", not an absolute
// path, not a symbolic link.

#include "user/sdk/file_system.h"

#define WALK_LINKS_MAX 40u   // as Linux
#define WALK_DEPTH_MAX 2048u // no path has more names

enum walk_last {
    WALK_FOLLOW,    // a final symbolic link is followed
    WALK_NO_FOLLOW, // it is what is wanted, unless a slash is behind it
    WALK_NAME,      // the name is what is wanted, whatever it names and is behind it
};

// Where a path has led. walk_end gives the references back.
struct place {
    struct node *directory; // that the last name is in
    struct node *node;      // what it names; NULL: nothing
    char name[FILE_NAME_MAX];
    u32 name_len; // 0: the path ends in "." or "..", or is empty; then `node` is a directory
    bool up;      // it was ".."
    bool slash;   // behind the name
};

// ERR_ESCAPES, ERR_NOT_FOUND (of any but the last name), ERR_NOT_DIRECTORY, ERR_NAME_TOO_LONG,
// ERR_LOOP, ERR_INVALID (a NUL), ERR_BAD_NAME (not UTF-8), or what the file system said.
enum status walk(struct file_system *fs, struct node *root, struct bytes path, enum walk_last last,
                 struct place *out);
void walk_end(struct file_system *fs, struct place *place);

static inline struct bytes place_name(const struct place *place) {
    return (struct bytes){(const u8 *)place->name, place->name_len};
}
