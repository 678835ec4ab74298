// The server of files. Each request is one or two system calls; whatever names are in it go through
// confine.h, so that a program stays in its directories.
//
// Only files and directories are opened: a pipe or a device could keep us waiting, and with us
// everything else that the machine wants.

#include "tools/lib/file_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/math.h"
#include "tools/lib/confine.h"

#define NEW_FILE_MODE      0666 // less what umask takes away
#define NEW_DIRECTORY_MODE 0777
#define NS_PER_S           1000000000ull

// A request, taken apart, and what becomes of it.
struct job {
    struct file_server *server;
    struct file_request request;
    char path[FILE_PATH_MAX + 1];
    char other_path[FILE_PATH_MAX + 1];
    struct bytes data;

    u64 words[2];
    u8 *to; // `room` bytes for data
    u32 room;
    u32 len;
};

// The status of the system call that has just failed.
static enum status failed(void) {
    return confine_status(errno);
}

static enum status result_of(int returned) {
    return returned == 0 ? OK : failed();
}

static int handle_fd(const struct job *job, u32 handle) {
    return handle < FILE_HANDLES_MAX ? job->server->handles[handle] : -1;
}

static enum file_type type_of(u32 mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return FILE_TYPE_FILE;
    case S_IFDIR:
        return FILE_TYPE_DIRECTORY;
    case S_IFLNK:
        return FILE_TYPE_LINK;
    case S_IFCHR:
        return FILE_TYPE_CHARACTER_DEVICE;
    case S_IFBLK:
        return FILE_TYPE_BLOCK_DEVICE;
    case S_IFSOCK:
        return FILE_TYPE_SOCKET;
    default:
        return FILE_TYPE_OTHER;
    }
}

// -- Opening and closing --------------------------------------------------------------------------

static int open_flags(u16 asked) {
    bool reads = (asked & FILE_OPEN_READ) != 0;
    bool writes = (asked & (FILE_OPEN_WRITE | FILE_OPEN_TRUNCATE)) != 0;
    int flags = O_NONBLOCK | O_NOCTTY; // in case it is a pipe or a terminal
    flags |= !writes ? O_RDONLY : reads ? O_RDWR : O_WRONLY;
    flags |= (asked & FILE_OPEN_DIRECTORY) != 0 ? O_DIRECTORY : 0; // for writing, Linux refuses it
    if ((asked & FILE_OPEN_CREATE) != 0)
        flags |= (asked & FILE_OPEN_EXCLUSIVE) != 0 ? O_CREAT | O_EXCL : O_CREAT;
    flags |= (asked & FILE_OPEN_TRUNCATE) != 0 ? O_TRUNC : 0;
    flags |= (asked & FILE_FOLLOW) != 0 ? 0 : O_NOFOLLOW;
    return flags;
}

static enum status serve_open(struct job *job, int fd) {
    u32 handle = job->request.other;
    struct stat info;
    int opened;
    if (handle < FILE_ROOTS_MAX || handle >= FILE_HANDLES_MAX || handle_fd(job, handle) >= 0)
        return ERR_BAD_HANDLE;
    enum status status =
        confine_open(fd, job->path, open_flags(job->request.flags), NEW_FILE_MODE, &opened);
    if (status != OK)
        return status;
    if (fstat(opened, &info) != 0)
        status = failed();
    else if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        status = ERR_UNSUPPORTED;
    if (status != OK) {
        close(opened);
        return status;
    }
    job->server->handles[handle] = opened;
    job->words[0] = type_of(info.st_mode);
    return OK;
}

static void close_handle(struct job *job) {
    u32 handle = job->request.handle;
    int fd = handle_fd(job, handle);
    if (handle < FILE_ROOTS_MAX || fd < 0)
        return; // it never came to be open
    close(fd);
    job->server->handles[handle] = -1;
}

// -- Contents -------------------------------------------------------------------------------------

static enum status serve_read(struct job *job, int fd) {
    ssize_t got = pread(fd, job->to, job->room, (off_t)job->request.words[0]);
    if (got < 0)
        return failed();
    job->len = (u32)got;
    return OK;
}

static enum status serve_write(struct job *job, int fd) {
    ssize_t put = pwrite(fd, job->data.data, job->data.len, (off_t)job->request.words[0]);
    if (put < 0)
        return failed();
    job->words[0] = (u64)put;
    return OK;
}

static enum status serve_append(struct job *job, int fd) {
    // Offset -1: the descriptor's own, which is behind what was written afterwards.
    struct iovec part = {(void *)(uptr)job->data.data, job->data.len};
    ssize_t put = pwritev2(fd, &part, 1, -1, RWF_APPEND);
    if (put < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) && lseek(fd, 0, SEEK_END) >= 0)
        put = write(fd, job->data.data, job->data.len);
    off_t end = put < 0 ? -1 : lseek(fd, 0, SEEK_CUR);
    if (end < 0)
        return failed();
    job->words[0] = (u64)put;
    job->words[1] = (u64)end;
    return OK;
}

static enum status serve_set_size(struct job *job, int fd) {
    return result_of(ftruncate(fd, (off_t)job->request.words[0]));
}

static enum status serve_allocate(struct job *job, int fd) {
    const u64 *words = job->request.words;
    return result_of(fallocate(fd, 0, (off_t)words[0], (off_t)words[1]));
}

static enum status serve_sync(struct job *job, int fd) {
    return result_of((job->request.flags & FILE_SYNC_DATA) != 0 ? fdatasync(fd) : fsync(fd));
}

// -- Listing --------------------------------------------------------------------------------------

static enum file_type entry_type(int fd, const struct dirent64 *entry) {
    struct stat info;
    if (entry->d_type != DT_UNKNOWN)
        return type_of(DTTOIF(entry->d_type));
    if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return FILE_TYPE_OTHER;
    return type_of(info.st_mode);
}

// False: there is no room any more.
static bool list_add(struct job *job, int fd, const struct dirent64 *found) {
    usize name_len = strlen(found->d_name);
    if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
        return true;
    const struct file_entry entry = {
        .next_cookie = (u64)found->d_off,
        .inode = found->d_ino,
        .name_len = (u16)name_len,
        .type = entry_type(fd, found),
    };
    if (job->room - job->len < sizeof entry + name_len)
        return false;
    memcpy(job->to + job->len, &entry, sizeof entry);
    memcpy(job->to + job->len + sizeof entry, found->d_name, name_len);
    job->len += (u32)(sizeof entry + name_len);
    return true;
}

static bool is_removed(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 && info.st_nlink == 0;
}

static enum status serve_list(struct job *job, int fd) {
    ALIGNED(8) char buffer[8192];
    if (lseek(fd, (off_t)job->request.words[0], SEEK_SET) < 0) {
        enum status status = failed();
        return is_removed(fd) ? OK : status; // ext4 forgets the places in it
    }
    for (;;) {
        ssize_t got = getdents64(fd, buffer, sizeof buffer);
        if (got < 0 && errno != ENOENT) // which a directory that was removed gives
            return failed();
        if (got <= 0)
            return OK;
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            if (!list_add(job, fd, entry))
                return job->len == 0 ? ERR_INVALID : OK; // the client asks for the rest
            at += entry->d_reclen;
        }
    }
}

// -- Attributes -----------------------------------------------------------------------------------

// What `path` names, or the handle itself without one, as a descriptor that allows asking only.
// close_subject closes it.
static enum status open_subject(const struct job *job, int fd, int *out) {
    *out = fd;
    if (job->path[0] == '\0')
        return OK;
    int flags = (job->request.flags & FILE_FOLLOW) != 0 ? O_PATH : O_PATH | O_NOFOLLOW;
    return confine_open(fd, job->path, flags, 0, out);
}

static void close_subject(int subject, int fd) {
    if (subject != fd)
        close(subject);
}

static u64 time_ns(struct timespec time) {
    return time.tv_sec < 0 ? 0 : (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
}

static enum status serve_stat(struct job *job, int fd) {
    struct stat info;
    int subject;
    enum status status = open_subject(job, fd, &subject);
    if (status != OK)
        return status;
    status = result_of(fstat(subject, &info));
    close_subject(subject, fd);
    if (status != OK)
        return status;
    const struct file_stat stat = {
        .device = info.st_dev,
        .inode = info.st_ino,
        .link_count = info.st_nlink,
        .size = (u64)info.st_size,
        .accessed_ns = time_ns(info.st_atim),
        .modified_ns = time_ns(info.st_mtim),
        .changed_ns = time_ns(info.st_ctim),
        .type = type_of(info.st_mode),
    };
    if (job->room < sizeof stat)
        return ERR_INVALID;
    memcpy(job->to, &stat, sizeof stat);
    job->len = sizeof stat;
    return OK;
}

static struct timespec new_time(u16 flags, u16 set, u16 now, u64 ns) {
    struct timespec time = {.tv_nsec = UTIME_OMIT};
    if ((flags & now) != 0)
        time.tv_nsec = UTIME_NOW;
    else if ((flags & set) != 0)
        time =
            (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    return time;
}

static enum status serve_set_times(struct job *job, int fd) {
    u16 flags = job->request.flags;
    const u64 *words = job->request.words;
    const struct timespec times[2] = {
        new_time(flags, FILE_TIME_ACCESSED, FILE_TIME_ACCESSED_NOW, words[0]),
        new_time(flags, FILE_TIME_MODIFIED, FILE_TIME_MODIFIED_NOW, words[1]),
    };
    if (job->path[0] == '\0')
        return result_of(futimens(fd, times));
    int subject;
    enum status status = open_subject(job, fd, &subject);
    if (status != OK)
        return status;
    status = result_of(utimensat(subject, "", times, AT_EMPTY_PATH));
    if (status == ERR_INVALID || status == ERR_NOT_FOUND) { // before Linux 5.8
        char name[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", subject);
        status = result_of(utimensat(AT_FDCWD, name, times, 0));
    }
    close(subject);
    return status;
}

static enum status serve_read_link(struct job *job, int fd) {
    struct stat info;
    int subject;
    enum status status = confine_open(fd, job->path, O_PATH | O_NOFOLLOW, 0, &subject);
    if (status != OK)
        return status;
    status = result_of(fstat(subject, &info));
    if (status == OK && !S_ISLNK(info.st_mode))
        status = ERR_NOT_LINK;
    if (status == OK && job->room != 0) {
        ssize_t len = readlinkat(subject, "", (char *)job->to, job->room);
        status = len < 0 ? failed() : OK;
        job->len = len < 0 ? 0 : (u32)len;
    }
    close(subject);
    return status;
}

// -- Names ----------------------------------------------------------------------------------------

// A name in a directory that is open.
struct spot {
    int directory;
    char name[CONFINE_NAME_MAX + 1];
    bool slash; // behind the name
};

// `dots` is what the operation says to "." and "..".
static enum status spot_open(struct spot *spot, int root, const char *path, enum status dots) {
    enum status status = confine_parent(root, path, spot->name, &spot->slash, &spot->directory);
    return status == ERR_INVALID ? dots : status;
}

static void spot_close(const struct spot *spot) {
    close(spot->directory);
}

static enum status spot_type(const struct spot *spot, enum file_type *out) {
    struct stat info;
    if (fstatat(spot->directory, spot->name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return failed();
    *out = type_of(info.st_mode);
    return OK;
}

// What a new thing that is no directory says to a slash behind its name.
static enum status check_no_slash(const struct spot *spot) {
    enum file_type type;
    if (!spot->slash)
        return OK;
    return spot_type(spot, &type) == OK ? ERR_EXISTS : ERR_NOT_FOUND;
}

static enum status serve_make_directory(struct job *job, int fd) {
    struct spot spot;
    enum status status = spot_open(&spot, fd, job->path, ERR_EXISTS);
    if (status != OK)
        return status;
    status = result_of(mkdirat(spot.directory, spot.name, NEW_DIRECTORY_MODE));
    spot_close(&spot);
    return status;
}

static bool ends_in_dots(const char *path) {
    usize end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    return end >= 2 && path[end - 1] == '.' && path[end - 2] == '.';
}

static enum status serve_remove_directory(struct job *job, int fd) {
    struct spot spot;
    enum status dots = ends_in_dots(job->path) ? ERR_NOT_EMPTY : ERR_INVALID;
    enum status status = spot_open(&spot, fd, job->path, dots);
    if (status != OK)
        return status;
    status = result_of(unlinkat(spot.directory, spot.name, AT_REMOVEDIR));
    spot_close(&spot);
    return status == ERR_EXISTS ? ERR_NOT_EMPTY : status;
}

static enum status serve_unlink(struct job *job, int fd) {
    struct spot spot;
    enum file_type type = FILE_TYPE_FILE;
    enum status status = spot_open(&spot, fd, job->path, ERR_IS_DIRECTORY);
    if (status != OK)
        return status;
    if (spot.slash)
        status = spot_type(&spot, &type);
    if (status == OK && spot.slash)
        status = type == FILE_TYPE_DIRECTORY ? ERR_IS_DIRECTORY : ERR_NOT_DIRECTORY;
    if (status == OK)
        status = result_of(unlinkat(spot.directory, spot.name, 0));
    spot_close(&spot);
    return status;
}

static enum status rename_spot(const struct spot *from, const struct spot *to) {
    enum file_type type = FILE_TYPE_DIRECTORY;
    enum status status = OK;
    if (from->slash || to->slash)
        status = spot_type(from, &type);
    if (status != OK)
        return status;
    if (type != FILE_TYPE_DIRECTORY)
        return ERR_NOT_DIRECTORY;
    return result_of(renameat(from->directory, from->name, to->directory, to->name));
}

// Links what is there, and not what it may point to.
static enum status link_spot(struct job *job, int fd, const struct spot *to) {
    struct spot from;
    enum file_type type = FILE_TYPE_FILE;
    enum status status = spot_open(&from, fd, job->path, ERR_NOT_PERMITTED);
    if (status != OK)
        return status;
    if (from.slash)
        status = spot_type(&from, &type);
    if (status == OK && from.slash)
        status = type == FILE_TYPE_DIRECTORY ? ERR_NOT_PERMITTED : ERR_NOT_DIRECTORY;
    if (status == OK)
        status = result_of(linkat(from.directory, from.name, to->directory, to->name, 0));
    spot_close(&from);
    return status;
}

static enum status link_followed(struct job *job, int fd, const struct spot *to) {
    char name[64];
    int subject;
    enum status status = confine_open(fd, job->path, O_PATH, 0, &subject);
    if (status != OK)
        return status;
    snprintf(name, sizeof name, "/proc/self/fd/%d", subject);
    status = result_of(linkat(AT_FDCWD, name, to->directory, to->name, AT_SYMLINK_FOLLOW));
    close(subject);
    return status;
}

static enum status serve_rename(struct job *job, int fd) {
    int other = handle_fd(job, job->request.other);
    struct spot from;
    struct spot to;
    if (other < 0)
        return ERR_BAD_HANDLE;
    enum status status = spot_open(&from, fd, job->path, ERR_BUSY);
    if (status != OK)
        return status;
    status = spot_open(&to, other, job->other_path, ERR_BUSY);
    if (status == OK) {
        status = rename_spot(&from, &to);
        spot_close(&to);
    }
    spot_close(&from);
    return status;
}

static enum status serve_link(struct job *job, int fd) {
    int other = handle_fd(job, job->request.other);
    struct spot to;
    if (other < 0)
        return ERR_BAD_HANDLE;
    enum status status = spot_open(&to, other, job->other_path, ERR_EXISTS);
    if (status != OK)
        return status;
    status = check_no_slash(&to);
    if (status == OK)
        status = (job->request.flags & FILE_FOLLOW) != 0 ? link_followed(job, fd, &to)
                                                         : link_spot(job, fd, &to);
    spot_close(&to);
    return status;
}

static enum status serve_make_link(struct job *job, int fd) {
    struct spot spot;
    enum status status = spot_open(&spot, fd, job->path, ERR_EXISTS);
    if (status != OK)
        return status;
    status = check_no_slash(&spot);
    if (status == OK)
        status = result_of(symlinkat(job->other_path, spot.directory, spot.name));
    spot_close(&spot);
    return status;
}

// -- Requests -------------------------------------------------------------------------------------

static enum status (*const operations[FILE_OP_COUNT])(struct job *job, int fd) = {
    [FILE_OPEN] = serve_open,
    [FILE_READ] = serve_read,
    [FILE_WRITE] = serve_write,
    [FILE_APPEND] = serve_append,
    [FILE_SET_SIZE] = serve_set_size,
    [FILE_ALLOCATE] = serve_allocate,
    [FILE_SYNC] = serve_sync,
    [FILE_LIST] = serve_list,
    [FILE_STAT] = serve_stat,
    [FILE_SET_TIMES] = serve_set_times,
    [FILE_READ_LINK] = serve_read_link,
    [FILE_MAKE_DIRECTORY] = serve_make_directory,
    [FILE_REMOVE_DIRECTORY] = serve_remove_directory,
    [FILE_UNLINK] = serve_unlink,
    [FILE_RENAME] = serve_rename,
    [FILE_LINK] = serve_link,
    [FILE_MAKE_LINK] = serve_make_link,
};

// Takes `len` bytes off `rest` as a path; false when they are none.
static bool take_path(struct bytes *rest, usize len, char out[FILE_PATH_MAX + 1]) {
    if (len > FILE_PATH_MAX || len > rest->len || memchr(rest->data, '\0', len) != NULL)
        return false;
    memcpy(out, rest->data, len);
    out[len] = '\0';
    rest->data += len;
    rest->len -= len;
    return true;
}

static bool job_parse(struct job *job, struct bytes request) {
    if (request.len < sizeof job->request)
        return false;
    memcpy(&job->request, request.data, sizeof job->request);
    struct bytes rest = {request.data + sizeof job->request, request.len - sizeof job->request};
    if (!take_path(&rest, job->request.path_len, job->path) ||
        !take_path(&rest, job->request.other_len, job->other_path))
        return false;
    job->data = rest;
    job->room = job->request.room;
    return job->room <= FILE_DATA_MAX && rest.len <= FILE_DATA_MAX;
}

static enum status serve(struct job *job) {
    u32 op = job->request.op;
    if (op >= FILE_OP_COUNT || operations[op] == NULL)
        return ERR_UNSUPPORTED;
    int fd = handle_fd(job, job->request.handle);
    return fd < 0 ? ERR_BAD_HANDLE : operations[op](job, fd);
}

enum file_served file_server_serve(struct file_server *server, struct bytes request) {
    struct job job;
    job.server = server;
    job.words[0] = job.words[1] = 0;
    job.to = server->answer + sizeof(struct file_reply);
    job.len = 0;
    if (!job_parse(&job, request))
        return FILE_SERVED_MALFORMED;
    if (job.request.op == FILE_CLOSE) {
        close_handle(&job);
        return FILE_SERVED_SILENT;
    }
    struct file_reply reply = {.tag = job.request.tag, .status = serve(&job)};
    memcpy(reply.words, job.words, sizeof reply.words);
    memcpy(server->answer, &reply, sizeof reply);
    server->answer_len = (u32)sizeof reply + (reply.status == OK ? job.len : 0);
    return FILE_SERVED_ANSWER;
}

// -- The start ------------------------------------------------------------------------------------

void file_server_init(struct file_server *server) {
    server->root_count = 0;
    for (u32 i = 0; i < FILE_HANDLES_MAX; i++)
        server->handles[i] = -1;
}

void file_server_fini(struct file_server *server) {
    for (u32 i = 0; i < FILE_HANDLES_MAX; i++) {
        if (server->handles[i] >= 0)
            close(server->handles[i]);
        server->handles[i] = -1;
    }
}

// As many descriptors as there may be handles, as far as we are allowed to.
static void raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= 2ull * FILE_HANDLES_MAX)
        return;
    limit.rlim_cur = min_u64(limit.rlim_max, 2ull * FILE_HANDLES_MAX);
    setrlimit(RLIMIT_NOFILE, &limit);
}

int file_server_add_root(struct file_server *server, const char *path) {
    if (server->root_count == FILE_ROOTS_MAX)
        return EMFILE;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    if (server->root_count == 0)
        raise_limit();
    server->handles[server->root_count++] = fd;
    return 0;
}
