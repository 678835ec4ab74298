// tmpfs: a file system in memory, as a service.
//
//   tmpfs SERVER BYTES [--keep KEEPER] [NAME...]
//
// serves the scheme whose server end is descriptor SERVER. Of memory it takes BYTES (K, M or G may
// follow, or % for so much of what the machine has for programs, as /kernel/memory says), and then
// says that there is no space left. It begins with empty directories of these
// names: places at which others are seen.
//
// KEEPER is a channel to init, which keeps the memory: so the next tmpfs has the same files.
// Without they end with the process.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "user/sdk/files.h"
#include "user/services/tmpfs/kept_memory.h"
#include "user/services/tmpfs/tmpfs.h"

#define SHARE_MAX                                                                                  \
    (384ull << 20) // it counts twice against our limit: once for the room, once for what is kept

// 0: it cannot be told.
static u64 machine_bytes(void) {
    char line[128];
    unsigned long long free_kib, all_kib = 0;
    FILE *file = fopen("/kernel/memory", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL &&
           sscanf(line, "programs %llu of %llu", &free_kib, &all_kib) != 2) {
    }
    if (file != NULL)
        fclose(file);
    return all_kib * 1024;
}

static bool parse_bytes(const char *text, u64 *out) {
    static const char units[] = "KMG";
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end != 0 ? strchr(units, *end) : NULL;
    if (end != text && strcmp(end, "%") == 0) {
        *out = value <= 100 ? min_u64(machine_bytes() / 100 * value, SHARE_MAX) : 0;
        return *out != 0;
    }
    u32 shift = unit != NULL ? 10 * (u32)(unit - units + 1) : 0;
    bool is_number = end != text && (*end == 0 || (unit != NULL && end[1] == 0));
    *out = (u64)value << shift;
    return is_number && value != 0 && *out >> shift == value;
}

static bool have_directory(struct file_system *fs, const char *name) {
    struct node *node;
    if (fs->ops->lookup(fs, fs->root, bytes_of(name), &node) != OK &&
        fs->ops->create(fs, fs->root, bytes_of(name), FILE_TYPE_DIRECTORY, (struct bytes){NULL, 0},
                        &node) != OK)
        return false;
    node_release(fs, node);
    return true;
}

int main(int argc, char **argv) {
    u64 limit;
    if (argc < 3 || !parse_bytes(argv[2], &limit)) {
        fprintf(stderr, "usage: tmpfs SERVER BYTES [--keep KEEPER] [NAME...]\n");
        return 2;
    }
    bool keeps = argc > 4 && strcmp(argv[3], "--keep") == 0;
    kwast_handle keeper = keeps ? (u32)atoi(argv[4]) : KWAST_NO_HANDLE;
    struct stock_source source;
    struct file_system *fs = kept_memory_open(keeper, stock_size_for(limit), &source)
                                 ? tmpfs_create(limit, &source)
                                 : NULL;
    if (fs == NULL) {
        fprintf(stderr, "tmpfs: no memory, or not what was kept in it\n");
        return 1;
    }
    for (int i = keeps ? 5 : 3; i < argc; i++) {
        if (!have_directory(fs, argv[i]))
            fprintf(stderr, "tmpfs: %s: not made\n", argv[i]);
    }
    u32 error = files_serve((kwast_handle)atoi(argv[1]), fs);
    fprintf(stderr, "tmpfs: serving: %s\n", strerror((int)error));
    return 1;
}
