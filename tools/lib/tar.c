// ustar (POSIX.1-1988): 512-byte headers with octal numbers in text, contents padded to 512 bytes.
//
// A name longer than 100 bytes is split at a slash into prefix and name; what does not fit so, and
// a link target over 100 bytes, goes into an entry of its own before, as GNU tar does it. A file
// that shrinks while it is read is an error.

#include "tools/lib/tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 512u
#define DEPTH_MAX   64
#define PATH_BYTES  4096

struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char kind;
    char link[100];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char padding[12];
};
_Static_assert(sizeof(struct header) == BLOCK_BYTES, "a header is one block");

enum kind {
    KIND_FILE = '0',
    KIND_LINK = '2',
    KIND_FOLDER = '5',
    KIND_LONG_NAME = 'L',
    KIND_LONG_TARGET = 'K',
};

static void fail(struct tar *tar, const char *what, const char *format, ...) PRINTF_LIKE(3, 4);

static void fail(struct tar *tar, const char *what, const char *format, ...) {
    if (tar->failed)
        return;
    tar->failed = true;
    va_list args;
    va_start(args, format);
    snprintf(tar->what, sizeof(tar->what), "%s", what);
    vsnprintf(tar->why, sizeof(tar->why), format, args);
    va_end(args);
}

void tar_init(struct tar *tar, int fd, u64 bytes_max) {
    *tar = (struct tar){.fd = fd, .bytes_max = bytes_max};
}

static void put(struct tar *tar, const void *data, usize len) {
    if (!tar->failed && len > tar->bytes_max - tar->bytes)
        fail(tar, "boot archive", "larger than %llu MiB",
             (unsigned long long)(tar->bytes_max / MIB));
    while (!tar->failed && len != 0) {
        ssize_t done = write(tar->fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            fail(tar, "boot archive", "%s", strerror(errno));
            return;
        }
        data = (const char *)data + done;
        len -= (usize)done;
        tar->bytes += (u64)done;
    }
}

// Whether `name` fits, split where needed.
static bool header_set_name(struct header *header, const char *name) {
    usize len = strlen(name);
    if (len <= sizeof(header->name)) {
        memcpy(header->name, name, len);
        return true;
    }
    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        usize prefix = (usize)(slash - name);
        usize rest = len - prefix - 1;
        if (prefix <= sizeof(header->prefix) && rest != 0 && rest <= sizeof(header->name)) {
            memcpy(header->prefix, name, prefix);
            memcpy(header->name, slash + 1, rest);
            return true;
        }
    }
    return false;
}

static void put_numbers(struct tar *tar, struct header *header, u64 size, u64 mtime, u32 mode) {
    snprintf(header->mode, sizeof(header->mode), "%07o", mode & 07777);
    snprintf(header->uid, sizeof(header->uid), "%07o", 0);
    snprintf(header->gid, sizeof(header->gid), "%07o", 0);
    snprintf(header->size, sizeof(header->size), "%011llo", (unsigned long long)size);
    snprintf(header->mtime, sizeof(header->mtime), "%011llo", (unsigned long long)mtime);
    memset(header->checksum, ' ', sizeof(header->checksum));
    unsigned sum = 0;
    for (usize i = 0; i < sizeof(*header); i++)
        sum += ((const u8 *)header)[i];
    snprintf(header->checksum, sizeof(header->checksum), "%06o", sum);
    put(tar, header, sizeof(*header));
}

static void pad(struct tar *tar) {
    static const char zeros[BLOCK_BYTES];
    put(tar, zeros, (BLOCK_BYTES - tar->bytes % BLOCK_BYTES) % BLOCK_BYTES);
}

// GNU tar's way to give the next entry a name or target that its own fields cannot hold.
static void put_long_text(struct tar *tar, enum kind kind, const char *text) {
    struct header header = {.name = "././@LongLink", .kind = (char)kind, .magic = "ustar"};
    put_numbers(tar, &header, strlen(text) + 1, 0, 0);
    put(tar, text, strlen(text) + 1);
    pad(tar);
}

static void put_header(struct tar *tar, const char *name, enum kind kind, const struct stat *info,
                       const char *link) {
    struct header header = {.kind = (char)kind, .magic = "ustar", .version = {'0', '0'}};
    u64 size = kind == KIND_FILE ? (u64)info->st_size : 0;
    u64 mtime = info->st_mtime < 0 ? 0 : (u64)info->st_mtime;
    if (size >= 1ull << 33 || mtime >= 1ull << 33)
        fail(tar, name, "too large, or too far in the future, for a tar header");
    if (tar->failed)
        return;
    if (!header_set_name(&header, name)) {
        put_long_text(tar, KIND_LONG_NAME, name);
        memcpy(header.name, name, sizeof(header.name)); // cut: the long name counts
    }
    if (link != NULL && strlen(link) > sizeof(header.link))
        put_long_text(tar, KIND_LONG_TARGET, link);
    else if (link != NULL)
        memcpy(header.link, link, strlen(link));
    put_numbers(tar, &header, size, mtime, info->st_mode);
}

void tar_add_data(struct tar *tar, const char *name, const void *data, usize len) {
    struct stat info = {.st_mode = 0644, .st_size = (off_t)len};
    put_header(tar, name, KIND_FILE, &info, NULL);
    put(tar, data, len);
    pad(tar);
}

static void put_contents(struct tar *tar, const char *path, int fd, u64 size) {
    static char buffer[64 * 1024];
    while (!tar->failed && size != 0) {
        ssize_t done = read(fd, buffer, size < sizeof(buffer) ? size : sizeof(buffer));
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            fail(tar, path, "%s", strerror(errno));
        else if (done == 0)
            fail(tar, path, "became shorter while it was read");
        else
            put(tar, buffer, (usize)done);
        size -= done > 0 ? (u64)done : 0;
    }
    pad(tar);
}

void tar_add_file(struct tar *tar, const char *name, const char *path) {
    if (tar->failed)
        return;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe must not stop us here
    if (fd < 0 || fstat(fd, &info) != 0) {
        fail(tar, path, "%s", strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        fail(tar, path, "%s", S_ISDIR(info.st_mode) ? strerror(EISDIR) : "not a regular file");
    } else {
        put_header(tar, name, KIND_FILE, &info, NULL);
        put_contents(tar, path, fd, (u64)info.st_size);
    }
    if (fd >= 0)
        close(fd);
}

static void add_link(struct tar *tar, const char *name, const char *path, const struct stat *info) {
    char target[PATH_BYTES];
    ssize_t len = readlink(path, target, sizeof(target) - 1);
    if (len < 0) {
        fail(tar, path, "%s", strerror(errno));
        return;
    }
    target[len] = '\0';
    put_header(tar, name, KIND_LINK, info, target);
}

static void add_tree(struct tar *tar, const char *name, const char *path, u32 depth);

static void add_entry(struct tar *tar, const char *name, const char *path, u32 depth) {
    struct stat info;
    if (lstat(path, &info) != 0)
        fail(tar, path, "%s", strerror(errno));
    else if (S_ISREG(info.st_mode))
        tar_add_file(tar, name, path);
    else if (S_ISLNK(info.st_mode))
        add_link(tar, name, path, &info);
    else if (S_ISDIR(info.st_mode))
        add_tree(tar, name, path, depth + 1);
}

static void add_tree(struct tar *tar, const char *name, const char *path, u32 depth) {
    if (tar->failed)
        return;
    if (depth > DEPTH_MAX) {
        fail(tar, path, "more than %d folders deep", DEPTH_MAX);
        return;
    }
    struct dirent **entries;
    struct stat info;
    if (stat(path, &info) != 0) {
        fail(tar, path, "%s", strerror(errno));
        return;
    }
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        fail(tar, path, "%s", strerror(errno));
        return;
    }

    char entry_name[PATH_BYTES];
    char entry_path[PATH_BYTES];
    snprintf(entry_name, sizeof(entry_name), "%s/", name);
    put_header(tar, entry_name, KIND_FOLDER, &info, NULL);
    for (int i = 0; i < count; i++) {
        const char *own = entries[i]->d_name;
        bool is_dots = strcmp(own, ".") == 0 || strcmp(own, "..") == 0;
        int name_len = snprintf(entry_name, sizeof(entry_name), "%s/%s", name, own);
        int path_len = snprintf(entry_path, sizeof(entry_path), "%s/%s", path, own);
        if (name_len >= PATH_BYTES || path_len >= PATH_BYTES)
            fail(tar, path, "%s", strerror(ENAMETOOLONG));
        else if (!is_dots && !tar->failed)
            add_entry(tar, entry_name, entry_path, depth);
        free(entries[i]);
    }
    free(entries);
}

void tar_add_tree(struct tar *tar, const char *name, const char *path) {
    add_tree(tar, name, path, 0);
}

bool tar_finish(struct tar *tar) {
    static const char zeros[2 * BLOCK_BYTES];
    put(tar, zeros, sizeof(zeros));
    return !tar->failed;
}
