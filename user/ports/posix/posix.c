// What posix.h promises, but for processes (process.c) and jumps (jump.c). Kwast has no users, no
// modes of files, no signals and no fork: what is about them has the answer that lets a program go
// on where that is harmless, and ENOSYS otherwise.

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "abi/kwast/terminal.h"
#include "user/ports/posix/include/grp.h"
#include "user/ports/posix/include/mntent.h"
#include "user/ports/posix/include/pwd.h"
#include "user/ports/posix/include/sys/ioctl.h"
#include "user/ports/posix/include/sys/mman.h"
#include "user/ports/posix/include/sys/statvfs.h"
#include "user/ports/posix/include/sys/wait.h"
#include "user/ports/posix/include/termios.h"
#include "user/ports/posix/posix.h"
#include "user/sdk/kwast.h"
#include "user/sdk/mounts.h"
#include "user/sdk/start.h"

#define NAME_TRIES  1000u
#define PATH_BYTES  4096u
#define BLOCK_BYTES 1024u
#define COPIES_MAX  64u
#define STAT_BLOCK  512 // of st_blocks
#define LINKS_MAX   40u // that a path leads through; as Linux

static int fail(int error) {
    errno = error;
    return -1;
}

static int not_here(void) {
    return fail(ENOSYS);
}

// -- Where we are ---------------------------------------------------------------------------------

__attribute__((constructor)) static void begin(void) {
    start_where_told();
}

int fchdir(int fd) {
    (void)fd;
    return not_here();
}

int chroot(const char *path) {
    (void)path;
    return not_here();
}

// -- Files ----------------------------------------------------------------------------------------

// Files have no modes: what one may do is what one was given. Archives want some all the same. How
// much of the disk a file takes nobody tells, so it takes what it is long.
static int with_mode(int result, struct stat *info) {
    if (result != 0)
        return result;
    if (S_ISDIR(info->st_mode))
        info->st_mode |= 0755;
    else if (S_ISLNK(info->st_mode))
        info->st_mode |= 0777;
    else
        info->st_mode |= 0644;
    if ((info->st_mode & S_IFMT) == 0)
        info->st_mode |= S_IFIFO;
    info->st_blksize = 8 * STAT_BLOCK;
    info->st_blocks = S_ISREG(info->st_mode) ? (info->st_size + STAT_BLOCK - 1) / STAT_BLOCK : 0;
    return 0;
}

int __real_stat(const char *path, struct stat *info);
int __real_lstat(const char *path, struct stat *info);
int __real_fstat(int fd, struct stat *info);
int __real_fstatat(int fd, const char *path, struct stat *info, int flags);

int __wrap_stat(const char *path, struct stat *info) {
    return with_mode(__real_stat(path, info), info);
}

int __wrap_lstat(const char *path, struct stat *info) {
    return with_mode(__real_lstat(path, info), info);
}

int __wrap_fstat(int fd, struct stat *info) {
    return with_mode(__real_fstat(fd, info), info);
}

int __wrap_fstatat(int fd, const char *path, struct stat *info, int flags) {
    return with_mode(__real_fstatat(fd, path, info, flags), info);
}

int __real_utimensat(int directory, const char *path, const struct timespec times[2], int flags);
int __real_futimens(int fd, const struct timespec times[2]);

// Debian's libc refuses UTIME_NOW and UTIME_OMIT: they become times. `info` is of the file.
static const struct timespec *plain_times(const struct timespec times[2], const struct stat *info,
                                          struct timespec out[2]) {
    if (times == NULL)
        return NULL;
    out[0] = times[0];
    out[1] = times[1];
    for (u32 i = 0; i < 2; i++) {
        if (times[i].tv_nsec == UTIME_NOW)
            clock_gettime(CLOCK_REALTIME, &out[i]);
        else if (times[i].tv_nsec == UTIME_OMIT)
            out[i] = i == 0 ? info->st_atim : info->st_mtim;
    }
    return out;
}

int __wrap_utimensat(int directory, const char *path, const struct timespec times[2], int flags) {
    struct timespec plain[2];
    struct stat info;
    if (__real_fstatat(directory, path, &info, flags) != 0)
        return -1;
    return __real_utimensat(directory, path, plain_times(times, &info, plain), flags);
}

int __wrap_futimens(int fd, const struct timespec times[2]) {
    struct timespec plain[2];
    struct stat info;
    if (__real_fstat(fd, &info) != 0)
        return -1;
    return __real_futimens(fd, plain_times(times, &info, plain));
}

int chmod(const char *path, mode_t mode) {
    struct stat info;
    (void)mode;
    return stat(path, &info);
}

int fchmod(int fd, mode_t mode) {
    struct stat info;
    (void)mode;
    return fstat(fd, &info);
}

int chown(const char *path, uid_t owner, gid_t group) {
    (void)owner;
    (void)group;
    return chmod(path, 0);
}

int lchown(const char *path, uid_t owner, gid_t group) {
    struct stat info;
    (void)owner;
    (void)group;
    return lstat(path, &info);
}

int fchown(int fd, uid_t owner, gid_t group) {
    (void)owner;
    (void)group;
    return fchmod(fd, 0);
}

int mknod(const char *path, mode_t mode, dev_t device) {
    (void)path;
    (void)mode;
    (void)device;
    return not_here();
}

int mkfifo(const char *path, mode_t mode) {
    return mknod(path, mode, 0);
}

mode_t umask(mode_t mask) {
    static mode_t current = 022;
    mode_t before = current;
    current = mask & 0777;
    return before;
}

// Puts letters in the place of the X's at the end, and calls `make` until it finds a free name.
static int make_unique(char *name, int (*make)(const char *name)) {
    static u32 counter;
    usize len = strlen(name);
    if (len < 6 || strcmp(name + len - 6, "XXXXXX") != 0)
        return fail(EINVAL);
    for (u32 i = 0; i < NAME_TRIES; i++) {
        u32 random;
        if (__wasi_random_get((u8 *)&random, sizeof random) != 0)
            random = ++counter;
        for (usize j = len - 6; j < len; j++, random /= 26)
            name[j] = (char)('a' + random % 26);
        int made = make(name);
        if (made >= 0 || errno != EEXIST)
            return made;
    }
    return -1;
}

static int make_file(const char *name) {
    return open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
}

static int make_directory(const char *name) {
    return mkdir(name, 0700);
}

static int make_nothing(const char *name) {
    struct stat info;
    return lstat(name, &info) == 0 ? fail(EEXIST) : 0;
}

int mkstemp(char *name_template) {
    return make_unique(name_template, make_file);
}

char *mkdtemp(char *name_template) {
    return make_unique(name_template, make_directory) < 0 ? NULL : name_template;
}

char *mktemp(char *name_template) {
    if (make_unique(name_template, make_nothing) < 0)
        name_template[0] = 0;
    return name_template;
}

FILE *tmpfile(void) {
    char name[] = "/tmp/.fileXXXXXX";
    int fd = mkstemp(name);
    if (fd < 0)
        return NULL;
    unlink(name);
    FILE *file = fdopen(fd, "w+");
    if (file == NULL)
        close(fd);
    return file;
}

static bool is_directory(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(info.st_mode);
}

// Takes the names of `rest` one by one behind `done`, and links as they come: *links in all.
static bool resolve(char *done, char *rest, u32 *links) {
    char target[PATH_BYTES];
    for (char *name; (name = strtok_r(rest, "/", &rest)) != NULL;) {
        usize len = strlen(done);
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            char *slash = strrchr(done, '/');
            if (slash != NULL && !is_directory(done))
                return false;
            if (slash != NULL)
                *slash = 0;
            continue;
        }
        if (len + strlen(name) + 2 > PATH_BYTES) {
            errno = ENAMETOOLONG;
            return false;
        }
        done[len] = '/';
        strcpy(done + len + 1, name);
        ssize_t got = readlink(done, target, sizeof target - 1);
        if (got < 0)
            continue;
        target[got] = 0;
        if (++*links > LINKS_MAX) {
            errno = ELOOP;
            return false;
        }
        done[target[0] == '/' ? 0 : len] = 0;
        if (!resolve(done, target, links))
            return false;
    }
    return true;
}

char *realpath(const char *path, char *resolved) {
    char done[PATH_BYTES] = "";
    char rest[PATH_BYTES];
    struct stat info;
    u32 links = 0;
    if (path[0] == 0 || strlen(path) >= PATH_BYTES / 2) {
        errno = path[0] == 0 ? ENOENT : ENAMETOOLONG;
        return NULL;
    }
    if (path[0] != '/' && getcwd(done, PATH_BYTES / 2) == NULL)
        return NULL;
    if (strcmp(done, "/") == 0)
        done[0] = 0;
    strcpy(rest, path);
    if (!resolve(done, rest, &links) || stat(done[0] == 0 ? "/" : done, &info) != 0)
        return NULL;
    if (resolved == NULL)
        return strdup(done[0] == 0 ? "/" : done);
    return strcpy(resolved, done[0] == 0 ? "/" : done);
}

// -- File systems ---------------------------------------------------------------------------------

int statvfs(const char *path, struct statvfs *out) {
    struct mount mount;
    struct stat info;
    if (stat(path, &info) != 0)
        return -1;
    if (!mount_of(path, &mount))
        return not_here();
    *out = (struct statvfs){
        .f_bsize = BLOCK_BYTES,
        .f_frsize = BLOCK_BYTES,
        .f_blocks = mount.stat.total_bytes / BLOCK_BYTES,
        .f_bfree = mount.stat.free_bytes / BLOCK_BYTES,
        .f_bavail = mount.stat.free_bytes / BLOCK_BYTES,
        .f_files = mount.stat.total_files,
        .f_ffree = mount.stat.free_files,
        .f_favail = mount.stat.free_files,
        .f_namemax = 255,
    };
    return 0;
}

// The table of mounts is that of the program's directories; its FILE is how far one has read.
static u32 next_mount;

FILE *setmntent(const char *path, const char *mode) {
    (void)path;
    (void)mode;
    next_mount = 0;
    return stdin;
}

struct mntent *getmntent(FILE *file) {
    static struct mount mount;
    static struct mntent entry;
    (void)file;
    if (!mount_get(next_mount++, &mount))
        return NULL;
    entry = (struct mntent){
        .mnt_fsname = mount.is_told     ? mount.stat.type
                      : mount.is_scheme ? "service"
                                        : "kernel",
        .mnt_dir = mount.path,
        .mnt_type = mount.is_told     ? mount.stat.type
                    : mount.is_scheme ? "service"
                                      : "kernel",
        .mnt_opts = mount.is_scheme ? "rw" : "ro",
    };
    return &entry;
}

int endmntent(FILE *file) {
    (void)file;
    return 1;
}

void sync(void) {
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
    (void)at;
    (void)protection;
    (void)offset;
    bool is_memory = (flags & MAP_ANONYMOUS) != 0 && fd < 0;
    void *memory = is_memory ? calloc(1, len) : NULL;
    if (memory == NULL)
        errno = is_memory ? ENOMEM : ENOSYS;
    return memory == NULL ? MAP_FAILED : memory;
}

int munmap(void *at, size_t len) {
    (void)len;
    free(at);
    return 0;
}

// -- Descriptors ----------------------------------------------------------------------------------

// What is done about a signal, which stays as it is.
static void (*action_of(int number))(int) {
    void (*action)(int) = signal(number, SIG_IGN);
    if (action != SIG_ERR)
        signal(number, action);
    return action;
}

// Who writes to a pipe that nobody reads any more ends, without a word, unless something else is to
// be done about SIGPIPE.
static ssize_t written(ssize_t result) {
    if (result >= 0 || errno != EPIPE)
        return result;
    if (action_of(SIGPIPE) == SIG_DFL)
        _exit(128 + SIGPIPE);
    raise(SIGPIPE);
    return fail(EPIPE);
}

ssize_t __real_write(int fd, const void *from, size_t len);
ssize_t __real_writev(int fd, const struct iovec *parts, int count);

ssize_t __wrap_write(int fd, const void *from, size_t len) {
    return written(__real_write(fd, from, len));
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count) {
    return written(__real_writev(fd, parts, count));
}

int dup(int fd) {
    __wasi_fdstat_t stat;
    kwast_handle copy;
    u32 error = __wasi_fd_fdstat_get(fd, &stat);
    if (error == 0)
        error = kwast_handle_duplicate((kwast_handle)fd, stat.fs_rights_base,
                                       stat.fs_rights_inheriting, &copy);
    return error == 0 ? (int)copy : fail((int)error);
}

// Has a copy of `fd` at `to`, where there may be another. Numbers are given from the lowest on:
// copies are made until one is at `to`, or beyond, for `to` was taken.
static int copy_to(int fd, int to) {
    int copies[COPIES_MAX];
    u32 count = 0;
    int copy = dup(fd);
    while (copy >= 0 && copy < to && count < COUNT_OF(copies)) {
        copies[count++] = copy;
        copy = dup(fd);
    }
    u32 error = copy < 0    ? (u32)errno
                : copy < to ? __WASI_ERRNO_BADF // too far away
                : copy > to ? __wasi_fd_renumber(copy, to)
                            : 0;
    if (error != 0 && copy >= 0)
        close(copy);
    for (u32 i = 0; i < count; i++)
        close(copies[i]);
    return error == 0 ? to : fail((int)error);
}

int dup2(int fd, int to) {
    __wasi_fdstat_t stat;
    if (to < 0 || __wasi_fd_fdstat_get(fd, &stat) != 0)
        return fail(EBADF);
    return fd == to ? to : copy_to(fd, to);
}

// -- Terminals ------------------------------------------------------------------------------------

static bool ask_terminal(int fd, struct kwast_call *call) {
    u32 error = kwast_scheme_call((kwast_handle)fd, call, -1);
    if (error == 0 && call->answer == 0)
        return true;
    errno = error == __WASI_ERRNO_BADF ? EBADF : ENOTTY;
    return false;
}

int tcgetattr(int fd, struct termios *out) {
    struct kwast_call call = {.operation = TERMINAL_GET_MODE};
    if (!ask_terminal(fd, &call))
        return -1;
    u64 mode = call.words[0];
    *out = (struct termios){.c_oflag = OPOST | ONLCR, .c_cflag = CS8 | CREAD};
    out->c_iflag = (mode & TERMINAL_RETURNS) != 0 ? ICRNL : 0;
    out->c_lflag = ((mode & TERMINAL_LINES) != 0 ? ICANON | IEXTEN : 0) |
                   ((mode & TERMINAL_ECHO) != 0 ? ECHO | ECHOE | ECHOK : 0) |
                   ((mode & TERMINAL_SIGNALS) != 0 ? ISIG : 0);
    out->c_cc[VINTR] = 3;
    out->c_cc[VERASE] = 0x7f;
    out->c_cc[VKILL] = 0x15;
    out->c_cc[VEOF] = 4;
    out->c_cc[VMIN] = 1;
    return 0;
}

int tcsetattr(int fd, int when, const struct termios *mode) {
    struct kwast_call call = {.operation = TERMINAL_SET_MODE};
    (void)when;
    call.words[0] = ((mode->c_iflag & ICRNL) != 0 ? TERMINAL_RETURNS : 0) |
                    ((mode->c_lflag & ICANON) != 0 ? TERMINAL_LINES : 0) |
                    ((mode->c_lflag & ECHO) != 0 ? TERMINAL_ECHO : 0) |
                    ((mode->c_lflag & ISIG) != 0 ? TERMINAL_SIGNALS : 0);
    return ask_terminal(fd, &call) ? 0 : -1;
}

int tcflush(int fd, int queue) {
    (void)queue;
    return isatty(fd) ? 0 : -1;
}

int uname(struct utsname *out) {
    *out = (struct utsname){.sysname = "Kwast",
                            .nodename = "kwast",
                            .release = "1",
                            .version = "1",
                            .machine = "wasm32"};
    return 0;
}

int tcdrain(int fd) {
    return isatty(fd) ? 0 : -1;
}

void cfmakeraw(struct termios *mode) {
    mode->c_iflag &= ~(tcflag_t)ICRNL;
    mode->c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
}

int ioctl(int fd, int request, ...) {
    struct kwast_call call = {.operation = TERMINAL_GET_SIZE};
    va_list args;
    va_start(args, request);
    struct winsize *size = va_arg(args, struct winsize *);
    va_end(args);
    if (request != TIOCGWINSZ)
        return fail(ENOTTY);
    if (!ask_terminal(fd, &call))
        return -1;
    *size = (struct winsize){.ws_row = (unsigned short)call.words[1],
                             .ws_col = (unsigned short)call.words[0]};
    return 0;
}

char *ttyname(int fd) {
    return isatty(fd) ? "/dev/console" : NULL;
}

int ttyname_r(int fd, char *name, size_t size) {
    const char *found = ttyname(fd);
    if (found == NULL)
        return errno;
    if (strlen(found) >= size)
        return ERANGE;
    strcpy(name, found);
    return 0;
}

// -- Users ----------------------------------------------------------------------------------------

static struct passwd the_user = {.pw_name = "root",
                                 .pw_passwd = "",
                                 .pw_gecos = "",
                                 .pw_dir = "/tmp",
                                 .pw_shell = "/boot/bin/sh.wasm"};
static char *no_members[] = {NULL};
static struct group the_group = {.gr_name = "root", .gr_passwd = "", .gr_mem = no_members};

struct passwd *getpwnam(const char *name) {
    return strcmp(name, the_user.pw_name) == 0 ? &the_user : NULL;
}

struct passwd *getpwuid(uid_t user) {
    return user == 0 ? &the_user : NULL;
}

struct group *getgrnam(const char *name) {
    return strcmp(name, the_group.gr_name) == 0 ? &the_group : NULL;
}

struct group *getgrgid(gid_t group) {
    return group == 0 ? &the_group : NULL;
}

void endgrent(void) {
}

uid_t getuid(void) {
    return 0;
}

uid_t geteuid(void) {
    return 0;
}

gid_t getgid(void) {
    return 0;
}

gid_t getegid(void) {
    return 0;
}

int setuid(uid_t user) {
    return user == 0 ? 0 : not_here();
}

int setgid(gid_t group) {
    return group == 0 ? 0 : not_here();
}

int getgroups(int size, gid_t *groups) {
    if (size > 0)
        groups[0] = 0;
    return 1;
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *count) {
    int size = *count;
    (void)user;
    if (size > 0)
        groups[0] = group;
    *count = 1;
    return size > 0 ? 1 : -1;
}

int initgroups(const char *user, gid_t group) {
    (void)user;
    return group == 0 ? 0 : not_here();
}

// -- Processes ------------------------------------------------------------------------------------

pid_t fork(void) {
    return not_here();
}

pid_t setsid(void) {
    return not_here();
}

int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
    void (*former)(int) = action != NULL ? signal(number, action->sa_handler) : action_of(number);
    if (before != NULL)
        *before = (struct sigaction){.sa_handler = former};
    return former == SIG_ERR ? -1 : 0;
}

int sigemptyset(sigset_t *set) {
    *set = 0;
    return 0;
}

int sigfillset(sigset_t *set) {
    *set = (sigset_t)~0ull;
    return 0;
}

int sigaddset(sigset_t *set, int number) {
    *set |= (sigset_t)(1ull << (u32)number % 64 % (8 * sizeof *set));
    return 0;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *before) {
    (void)how;
    (void)set;
    if (before != NULL)
        *before = 0;
    return 0;
}

int sigsuspend(const sigset_t *set) {
    (void)set;
    return not_here();
}

unsigned alarm(unsigned seconds) {
    (void)seconds;
    return 0;
}

int getpagesize(void) {
    return 65536;
}

// -- What cannot be set, and what there is none of ------------------------------------------------

int socket(int family, int type, int protocol) {
    (void)family;
    (void)type;
    (void)protocol;
    return not_here();
}

int bind(int fd, const struct sockaddr *address, unsigned len) {
    (void)fd;
    (void)address;
    (void)len;
    return not_here();
}

int listen(int fd, int backlog) {
    (void)fd;
    (void)backlog;
    return not_here();
}

int connect(int fd, const struct sockaddr *address, unsigned len) {
    return bind(fd, address, len);
}

ssize_t sendto(int fd, const void *from, size_t len, int flags, const struct sockaddr *to,
               unsigned to_len) {
    (void)from;
    (void)len;
    (void)flags;
    return bind(fd, to, to_len);
}
