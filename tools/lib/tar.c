// ustar (POSIX.1-1988): 512-byte headers with octal numbers in text, contents padded to 512 bytes.
// Only files: nothing else is put into an archive here. A file that shrinks while it is read is an
// error.

#include "tools/lib/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 512u
#define KIND_FILE   '0'

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

static void put_header(struct tar *tar, const char *name, const struct stat *info) {
    struct header header = {.kind = KIND_FILE, .magic = "ustar", .version = {'0', '0'}};
    u64 size = (u64)info->st_size;
    u64 mtime = info->st_mtime < 0 ? 0 : (u64)info->st_mtime;
    usize len = strlen(name);
    if (len > sizeof(header.name))
        fail(tar, name, "too long a name for a tar header");
    if (size >= 1ull << 33 || mtime >= 1ull << 33)
        fail(tar, name, "too large, or too far in the future, for a tar header");
    if (tar->failed)
        return;
    memcpy(header.name, name, len);
    put_numbers(tar, &header, size, mtime, info->st_mode);
}

void tar_add_data(struct tar *tar, const char *name, const void *data, usize len) {
    struct stat info = {.st_mode = 0644, .st_size = (off_t)len};
    put_header(tar, name, &info);
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
        put_header(tar, name, &info);
        put_contents(tar, path, fd, (u64)info.st_size);
    }
    if (fd >= 0)
        close(fd);
}

bool tar_finish(struct tar *tar) {
    static const char zeros[2 * BLOCK_BYTES];
    put(tar, zeros, sizeof(zeros));
    return !tar->failed;
}
