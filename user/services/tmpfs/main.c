// tmpfs: a file system in memory, as a service.
//
//   tmpfs SERVER [BYTES]
//
// serves the scheme whose server end is descriptor SERVER. Of memory it takes BYTES (K, M or G may
// follow; the default is 256M), and then says that there is no space left.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/sdk/files.h"
#include "user/services/tmpfs/tmpfs.h"

#define LIMIT_DEFAULT (256ull << 20)

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

int main(int argc, char **argv) {
    u64 limit = LIMIT_DEFAULT;
    if (argc < 2 || argc > 3 || (argc == 3 && !parse_bytes(argv[2], &limit))) {
        fprintf(stderr, "usage: tmpfs SERVER [BYTES]\n");
        return 2;
    }
    struct file_system *fs = tmpfs_create(limit);
    if (fs == NULL) {
        fprintf(stderr, "tmpfs: out of memory\n");
        return 1;
    }
    u32 error = files_serve((kwast_handle)atoi(argv[1]), fs);
    fprintf(stderr, "tmpfs: serving: %s\n", strerror((int)error));
    return 1;
}
