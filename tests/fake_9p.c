// The messages of 9P2000.L as system calls. It trusts its client, which is under test, as far as a
// test may: what does not fit is a failed assertion.

#include "tests/fake_9p.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

#define HEADER_BYTES 7u

// Both ends of a message.
struct cursor {
    u8 *at;
    u8 *end;
};

static void take(struct cursor *in, void *to, usize len) {
    CHECK((usize)(in->end - in->at) >= len);
    memcpy(to, in->at, len);
    in->at += len;
}

static u16 take_u16(struct cursor *in) {
    u16 value;
    take(in, &value, sizeof value);
    return value;
}

static u32 take_u32(struct cursor *in) {
    u32 value;
    take(in, &value, sizeof value);
    return value;
}

static u64 take_u64(struct cursor *in) {
    u64 value;
    take(in, &value, sizeof value);
    return value;
}

static void take_string(struct cursor *in, char *to, usize size) {
    u16 len = take_u16(in);
    CHECK(len < size);
    take(in, to, len);
    to[len] = 0;
}

static void give(struct cursor *out, const void *from, usize len) {
    CHECK((usize)(out->end - out->at) >= len);
    memcpy(out->at, from, len);
    out->at += len;
}

static void give_u8(struct cursor *out, u8 value) {
    give(out, &value, sizeof value);
}

static void give_u16(struct cursor *out, u16 value) {
    give(out, &value, sizeof value);
}

static void give_u32(struct cursor *out, u32 value) {
    give(out, &value, sizeof value);
}

static void give_u64(struct cursor *out, u64 value) {
    give(out, &value, sizeof value);
}

static void give_string(struct cursor *out, const char *text) {
    give_u16(out, (u16)strlen(text));
    give(out, text, strlen(text));
}

static void give_qid(struct cursor *out, u32 mode, u64 inode) {
    give_u8(out, S_ISDIR(mode) ? 0x80 : S_ISLNK(mode) ? 2 : 0);
    give_u32(out, 0);
    give_u64(out, inode);
}

// -- Fids -----------------------------------------------------------------------------------------

#define FID(number) (&fake->fids[number])

// One that is not in use is a client's that has been lied to: nothing is there.
static u32 take_fid(struct fake_9p *fake, struct cursor *in) {
    u32 fid = take_u32(in);
    if (fid < FAKE_9P_FIDS && FID(fid)->is_used)
        return fid;
    CHECK(fake->spoil != NULL);
    FID(FAKE_9P_FIDS)->fd = -1;
    FID(FAKE_9P_FIDS)->list = NULL;
    return FAKE_9P_FIDS;
}

static void close_fid(struct fake_9p *fake, u32 fid) {
    if (FID(fid)->list != NULL)
        closedir(FID(fid)->list);
    else if (FID(fid)->fd >= 0)
        close(FID(fid)->fd);
    FID(fid)->is_used = false;
}

static void new_fid(struct fake_9p *fake, u32 fid, const char *path) {
    CHECK(fid < FAKE_9P_FIDS && (!FID(fid)->is_used || fake->spoil != NULL));
    if (FID(fid)->is_used) // the client was told that there is none such
        close_fid(fake, fid);
    FID(fid)->is_used = true;
    FID(fid)->fd = -1;
    FID(fid)->list = NULL;
    snprintf(FID(fid)->path, sizeof FID(fid)->path, "%s", path);
}

u32 fake_9p_fids_in_use(const struct fake_9p *fake) {
    u32 count = 0;
    for (u32 i = 0; i < FAKE_9P_FIDS; i++)
        count += fake->fids[i].is_used;
    return count;
}

// The path of a name, which is single and is neither "." nor "..", in a fid's directory.
static void take_path(struct fake_9p *fake, struct cursor *in, u32 fid, char out[1024]) {
    char name[300];
    take_string(in, name, sizeof name);
    CHECK(name[0] != 0 && strchr(name, '/') == NULL);
    CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    snprintf(out, 1024, "%s/%s", FID(fid)->path, name);
}

// -- Messages: each returns an error number, or 0 after writing its answer ------------------------

static int serve_attach(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    struct stat info;
    new_fid(fake, take_u32(in), fake->root);
    if (stat(fake->root, &info) != 0)
        return errno;
    give_qid(out, info.st_mode, info.st_ino);
    return 0;
}

static int serve_walk(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    char path[1024];
    struct stat info;
    u32 fid = take_fid(fake, in);
    u32 new = take_u32(in);
    u16 count = take_u16(in);
    CHECK(count <= 1);
    if (count == 0)
        snprintf(path, sizeof path, "%s", FID(fid)->path);
    else
        take_path(fake, in, fid, path);
    if (lstat(path, &info) != 0)
        return errno;
    new_fid(fake, new, path);
    give_u16(out, count);
    if (count != 0)
        give_qid(out, info.st_mode, info.st_ino);
    return 0;
}

static int serve_open(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    u32 fid = take_fid(fake, in);
    u32 flags = take_u32(in);
    struct stat info;
    CHECK(FID(fid)->fd < 0 || fake->spoil != NULL);
    if (FID(fid)->fd >= 0)
        return EINVAL;
    FID(fid)->fd = open(FID(fid)->path, (int)flags | O_NOFOLLOW | O_NONBLOCK);
    if (FID(fid)->fd < 0)
        return errno;
    fstat(FID(fid)->fd, &info);
    if (S_ISDIR(info.st_mode))
        FID(fid)->list = fdopendir(FID(fid)->fd);
    give_qid(out, info.st_mode, info.st_ino);
    give_u32(out, 0);
    return 0;
}

static int serve_create(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    char path[1024];
    struct stat info;
    u32 fid = take_fid(fake, in);
    take_path(fake, in, fid, path);
    u32 flags = take_u32(in);
    int fd = open(path, (int)flags | O_CREAT | O_NOFOLLOW, take_u32(in));
    if (fd < 0)
        return errno;
    fstat(fd, &info);
    FID(fid)->fd = fd;
    snprintf(FID(fid)->path, sizeof FID(fid)->path, "%s", path);
    give_qid(out, info.st_mode, info.st_ino);
    give_u32(out, 0);
    return 0;
}

static void give_time(struct cursor *out, struct timespec time) {
    give_u64(out, (u64)time.tv_sec);
    give_u64(out, (u64)time.tv_nsec);
}

static int serve_get_attributes(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    struct stat info;
    u32 fid = take_fid(fake, in);
    u64 mask = take_u64(in);
    if (lstat(FID(fid)->path, &info) != 0)
        return errno;
    give_u64(out, mask);
    give_qid(out, info.st_mode, info.st_ino);
    give_u32(out, info.st_mode);
    give_u32(out, info.st_uid);
    give_u32(out, info.st_gid);
    give_u64(out, info.st_nlink);
    give_u64(out, info.st_rdev);
    give_u64(out, (u64)info.st_size);
    give_u64(out, (u64)info.st_blksize);
    give_u64(out, (u64)info.st_blocks);
    give_time(out, info.st_atim);
    give_time(out, info.st_mtim);
    give_time(out, info.st_ctim);
    for (u32 i = 0; i < 4; i++)
        give_u64(out, 0);
    return 0;
}

static struct timespec take_time(struct cursor *in, bool is_set, bool is_given) {
    u64 seconds = take_u64(in);
    u64 ns = take_u64(in);
    if (!is_set)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    if (!is_given)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)ns};
}

static int serve_set_attributes(struct fake_9p *fake, struct cursor *in, struct cursor *) {
    u32 fid = take_fid(fake, in);
    u32 flags = take_u32(in);
    in->at += 12;
    u64 size = take_u64(in);
    struct timespec times[2];
    times[0] = take_time(in, (flags & 0x10) != 0, (flags & 0x80) != 0);
    times[1] = take_time(in, (flags & 0x20) != 0, (flags & 0x100) != 0);
    if ((flags & 8) != 0 && truncate(FID(fid)->path, (off_t)size) != 0)
        return errno;
    if ((flags & 0x30) != 0 && utimensat(AT_FDCWD, FID(fid)->path, times, AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    return 0;
}

static int serve_read(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    u32 fid = take_fid(fake, in);
    u64 offset = take_u64(in);
    u32 len = take_u32(in);
    CHECK(len <= (usize)(out->end - out->at) - 4);
    ssize_t got = pread(FID(fid)->fd, out->at + 4, len, (off_t)offset);
    if (got < 0)
        return errno;
    give_u32(out, (u32)got);
    out->at += got;
    return 0;
}

static int serve_write(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    u32 fid = take_fid(fake, in);
    u64 offset = take_u64(in);
    u32 len = take_u32(in);
    CHECK(len == (usize)(in->end - in->at));
    ssize_t put = pwrite(FID(fid)->fd, in->at, len, (off_t)offset);
    if (put < 0)
        return errno;
    give_u32(out, (u32)put);
    return 0;
}

static int serve_list(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    u32 fid = take_fid(fake, in);
    u64 offset = take_u64(in);
    u8 *end = out->at + 4 + take_u32(in);
    u8 *count = out->at;
    CHECK(end <= out->end);
    if (FID(fid)->list == NULL)
        return ENOTDIR;
    if (offset == 0)
        rewinddir(FID(fid)->list);
    else
        seekdir(FID(fid)->list, (long)offset);
    give_u32(out, 0);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(FID(fid)->list)) != NULL;) {
        if ((usize)(end - out->at) < 24 + strlen(entry->d_name))
            break;
        give_qid(out, DTTOIF(entry->d_type), entry->d_ino);
        give_u64(out, (u64)entry->d_off);
        give_u8(out, entry->d_type);
        give_string(out, entry->d_name);
    }
    u32 len = (u32)(out->at - count - 4);
    memcpy(count, &len, sizeof len);
    return errno;
}

static int serve_read_link(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    char target[4096];
    ssize_t len = readlink(FID(take_fid(fake, in))->path, target, sizeof target - 1);
    if (len < 0)
        return errno;
    target[len] = 0;
    give_string(out, target);
    return 0;
}

static int serve_make_directory(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    char path[1024];
    take_path(fake, in, take_fid(fake, in), path);
    if (mkdir(path, take_u32(in)) != 0)
        return errno;
    give_qid(out, S_IFDIR, 0);
    return 0;
}

static int serve_make_link(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    char path[1024];
    char target[4096];
    take_path(fake, in, take_fid(fake, in), path);
    take_string(in, target, sizeof target);
    if (symlink(target, path) != 0)
        return errno;
    give_qid(out, S_IFLNK, 0);
    return 0;
}

static int serve_link(struct fake_9p *fake, struct cursor *in, struct cursor *) {
    char path[1024];
    u32 directory = take_fid(fake, in);
    u32 fid = take_fid(fake, in);
    take_path(fake, in, directory, path);
    return linkat(AT_FDCWD, FID(fid)->path, AT_FDCWD, path, 0) == 0 ? 0 : errno;
}

// Every fid below the old name is one below the new name then.
static int serve_rename(struct fake_9p *fake, struct cursor *in, struct cursor *) {
    char from[1024];
    char to[1024];
    char moved[2048];
    take_path(fake, in, take_fid(fake, in), from);
    take_path(fake, in, take_fid(fake, in), to);
    if (rename(from, to) != 0)
        return errno;
    usize len = strlen(from);
    for (u32 i = 0; i < FAKE_9P_FIDS; i++) {
        char *path = FID(i)->path;
        if (!FID(i)->is_used || strncmp(path, from, len) != 0 ||
            (path[len] != 0 && path[len] != '/'))
            continue;
        snprintf(moved, sizeof moved, "%s%s", to, path + len);
        CHECK(strlen(moved) < sizeof FID(i)->path);
        memcpy(path, moved, strlen(moved) + 1);
    }
    return 0;
}

static int serve_remove(struct fake_9p *fake, struct cursor *in, struct cursor *) {
    char path[1024];
    take_path(fake, in, take_fid(fake, in), path);
    u32 flags = take_u32(in);
    CHECK(flags == 0 || flags == 0x200);
    return (flags == 0 ? unlink(path) : rmdir(path)) == 0 ? 0 : errno;
}

static int serve_sync(struct fake_9p *fake, struct cursor *in, struct cursor *) {
    u32 fid = take_fid(fake, in);
    return (take_u32(in) != 0 ? fdatasync(FID(fid)->fd) : fsync(FID(fid)->fd)) == 0 ? 0 : errno;
}

static int serve_clunk(struct fake_9p *fake, struct cursor *in, struct cursor *) {
    close_fid(fake, take_fid(fake, in));
    return 0;
}

// A greeting begins anew: whatever was open is not any more.
static int serve_greeting(struct fake_9p *fake, struct cursor *in, struct cursor *out) {
    u32 most = take_u32(in);
    for (u32 i = 0; i < FAKE_9P_FIDS; i++) {
        if (FID(i)->is_used)
            close_fid(fake, i);
    }
    give_u32(out, most < fake->message_bytes ? most : fake->message_bytes);
    give_string(out, fake->version);
    return 0;
}

static int (*const messages[256])(struct fake_9p *fake, struct cursor *in, struct cursor *out) = {
    [12] = serve_open,           [14] = serve_create,         [16] = serve_make_link,
    [22] = serve_read_link,      [24] = serve_get_attributes, [26] = serve_set_attributes,
    [40] = serve_list,           [50] = serve_sync,           [70] = serve_link,
    [72] = serve_make_directory, [74] = serve_rename,         [76] = serve_remove,
    [100] = serve_greeting,      [104] = serve_attach,        [110] = serve_walk,
    [116] = serve_read,          [118] = serve_write,         [120] = serve_clunk,
};

static enum status exchange(struct p9_transport *transport, u32 request_len, u32 *reply_len) {
    struct fake_9p *fake = (struct fake_9p *)transport;
    struct cursor in = {fake->request, fake->request + request_len};
    struct cursor out = {fake->reply + HEADER_BYTES, fake->reply + sizeof fake->reply};
    u8 type;
    u16 tag;
    fake->exchanges++;
    CHECK(request_len <= sizeof fake->request && take_u32(&in) == request_len);
    take(&in, &type, sizeof type);
    tag = take_u16(&in);
    CHECK(messages[type] != NULL && (tag == 0xffff) == (type == 100));
    int error = messages[type](fake, &in, &out);
    u8 answer = error == 0 ? (u8)(type + 1) : 7;
    if (error != 0) {
        out.at = fake->reply + HEADER_BYTES;
        give_u32(&out, (u32)error);
    }
    u32 len = (u32)(out.at - fake->reply);
    out.at = fake->reply;
    give_u32(&out, len);
    give_u8(&out, answer);
    give_u16(&out, tag);
    if (fake->spoil != NULL)
        fake->spoil(fake, &len);
    usize kept = len < sizeof fake->reply ? len : sizeof fake->reply;
    free(fake->sent);
    fake->sent = malloc(kept + 1);
    CHECK(fake->sent != NULL);
    memmove(fake->sent + 1, fake->reply, kept);
    transport->reply = fake->sent + 1;
    *reply_len = len;
    return OK;
}

void fake_9p_init(struct fake_9p *fake, const char *root) {
    *fake = (struct fake_9p){.version = "9P2000.L", .message_bytes = FAKE_9P_BYTES};
    fake->transport = (struct p9_transport){exchange, fake->request, fake->reply, FAKE_9P_BYTES};
    snprintf(fake->root, sizeof fake->root, "%s", root);
}

void fake_9p_fini(struct fake_9p *fake) {
    for (u32 i = 0; i < FAKE_9P_FIDS; i++) {
        if (FID(i)->is_used)
            close_fid(fake, i);
    }
    free(fake->sent);
    fake->sent = NULL;
}
