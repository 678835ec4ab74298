// tmpfs: a file system in memory, as a service.
//
//   tmpfs SERVER BYTES [NAME...]
//
// serves the scheme whose server end is descriptor SERVER. Of memory it takes BYTES (K, M or G may
// follow), and then says that there is no space left. It begins with empty directories of these
// names: places at which others are seen.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/sdk/files.h"
#include "user/services/tmpfs/tmpfs.h"

static bool parse_bytes(const char *text, u64 *out) {
    static const char units[] = "KMG";
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end != 0 ? strchr(units, *end) : NULL;
    u32 shift = unit != NULL ? 10 * (u32)(unit - units + 1) : 0;
    bool is_number = end != text && (*end == 0 || (unit != NULL && end[1] == 0));
    *out = (u64)value << shift;
    return is_number && value != 0 && *out >> shift == value;
}

static bool make_directory(struct file_system *fs, const char *name) {
    struct node *made;
    enum status status = fs->ops->create(fs, fs->root, bytes_of(name), FILE_TYPE_DIRECTORY,
                                         (struct bytes){NULL, 0}, &made);
    if (status == OK)
        node_release(fs, made);
    return status == OK;
}

int main(int argc, char **argv) {
    u64 limit;
    if (argc < 3 || !parse_bytes(argv[2], &limit)) {
        fprintf(stderr, "usage: tmpfs SERVER BYTES [NAME...]\n");
        return 2;
    }
    struct file_system *fs = tmpfs_create(limit);
    if (fs == NULL) {
        fprintf(stderr, "tmpfs: out of memory\n");
        return 1;
    }
    for (int i = 3; i < argc; i++) {
        if (!make_directory(fs, argv[i]))
            fprintf(stderr, "tmpfs: %s: not made\n", argv[i]);
    }
    u32 error = files_serve((kwast_handle)atoi(argv[1]), fs);
    fprintf(stderr, "tmpfs: serving: %s\n", strerror((int)error));
    return 1;
}
