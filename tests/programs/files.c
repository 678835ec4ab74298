// Every call of WASI preview 1 that is about files, as it is (not through libc), on the directories
// that tests/system/files_test.py has prepared: descriptor 3 is "/data", 4 is "/other". Prints one
// line for each call, "what: error number, and what came back". Arguments choose parts; without
// any it is all of them.

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

// What a preparation came to shows in what follows it.
#pragma clang diagnostic ignored "-Wunused-result"

#define ROOT  3
#define OTHER 4
#define ALL   ((1ull << 28) - 1) // rights, but for those of sockets
#define READ                                                                                       \
    (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL |                       \
     __WASI_RIGHTS_FD_FILESTAT_GET)
#define WRITE __WASI_RIGHTS_FD_WRITE
#define WRITING                                                                                    \
    (WRITE | __WASI_RIGHTS_FD_DATASYNC | __WASI_RIGHTS_FD_ALLOCATE |                               \
     __WASI_RIGHTS_FD_FILESTAT_SET_SIZE)
#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW
#define CREAT  __WASI_OFLAGS_CREAT
#define EXCL   __WASI_OFLAGS_EXCL
#define TRUNC  __WASI_OFLAGS_TRUNC
#define DIR    __WASI_OFLAGS_DIRECTORY

static char buffer[70000];

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

// -- Shorthands -----------------------------------------------------------------------------------

static int open_with(int dir, int dirflags, const char *path, int oflags, __wasi_rights_t rights,
                     int fdflags, int *error) {
    __wasi_fd_t fd = (__wasi_fd_t)-1;
    *error = __wasi_path_open((__wasi_fd_t)dir, (__wasi_lookupflags_t)dirflags, path,
                              (__wasi_oflags_t)oflags, rights, ALL, (__wasi_fdflags_t)fdflags, &fd);
    return *error == 0 ? (int)fd : -1;
}

static int must_open(int dir, const char *path, int oflags) {
    int error;
    int fd = open_with(dir, 0, path, oflags, (oflags & DIR) != 0 ? ALL & ~WRITING : ALL, 0, &error);
    if (fd < 0)
        say("cannot open %s: %d", path, error);
    return fd;
}

static void try_open(int dirflags, const char *path, int oflags, __wasi_rights_t rights) {
    int error;
    int fd = open_with(ROOT, dirflags, path, oflags, rights, 0, &error);
    say("open %.60s %d %d %s: %d", path, dirflags, oflags, (rights & WRITE) != 0 ? "rw" : "r",
        error);
    if (fd >= 0)
        __wasi_fd_close((__wasi_fd_t)fd);
}

static int write_at(int fd, const char *text) {
    __wasi_ciovec_t part = {(const uint8_t *)text, strlen(text)};
    __wasi_size_t put = 0;
    int error = __wasi_fd_write((__wasi_fd_t)fd, &part, 1, &put);
    return error == 0 ? (int)put : -error;
}

static int read_some(int fd, size_t len) {
    __wasi_iovec_t part = {(uint8_t *)buffer, len};
    __wasi_size_t got = 0;
    int error = __wasi_fd_read((__wasi_fd_t)fd, &part, 1, &got);
    buffer[error == 0 ? got : 0] = 0;
    return error == 0 ? (int)got : -error;
}

static long long tell(int fd) {
    __wasi_filesize_t at = 0;
    int error = __wasi_fd_tell((__wasi_fd_t)fd, &at);
    return error == 0 ? (long long)at : -error;
}

static __wasi_filestat_t stat_of(int dir, const char *path) {
    __wasi_filestat_t stat = {0};
    int error = __wasi_path_filestat_get((__wasi_fd_t)dir, 0, path, &stat);
    if (error != 0)
        stat.size = (__wasi_filesize_t)-error;
    return stat;
}

// -- Opening --------------------------------------------------------------------------------------

static void opening(void) {
    static const char *const names[] = {
        "file",
        "dir",
        "link",
        "dirlink",
        "dangling",
        "out",
        "abs",
        "outdir",
        "outdir/f",
        "up",
        "up/root",
        "loop",
        "deep/up",
        "inside",
        "..",
        ".",
        "./file",
        "dir/..",
        "dir/../..",
        "a/../../b",
        "dir/../file",
        "../root",
        "file/",
        "file/x",
        "dir/",
        "dir//",
        "dirlink/",
        "dirlink/inner",
        "link/",
        "",
        "/",
        "/etc",
        "nothing",
        "nothing/x",
        "fifo",
        "bad\xff",
        "dir/../../root/file",
        "dirlink/..",
        "unreadable",
        "loop/x",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        try_open(0, names[i], 0, READ);
        try_open(FOLLOW, names[i], 0, READ);
        try_open(FOLLOW, names[i], DIR, READ);
    }
}

static void creating(void) {
    static char name[300], path[5000];
    try_open(0, "file", 0, READ | WRITE);
    try_open(0, "dir", 0, READ | WRITE);
    try_open(0, "dir", DIR, ALL);
    try_open(0, "file", CREAT | EXCL, READ | WRITE);
    try_open(FOLLOW, "dangling", CREAT | EXCL, READ | WRITE);
    try_open(FOLLOW, "out", CREAT, READ | WRITE);
    try_open(FOLLOW, "out", TRUNC, READ | WRITE);
    try_open(FOLLOW, "outdir/new", CREAT, READ | WRITE);
    try_open(0, "new/", CREAT, READ | WRITE);
    try_open(0, "../new", CREAT, READ | WRITE);
    try_open(0, "new", CREAT | DIR, READ | WRITE);
    memset(name, 'n', 255);
    try_open(0, name, CREAT, READ | WRITE);
    say("unlink it: %d", __wasi_path_unlink_file(ROOT, name));
    name[255] = 'n';
    try_open(0, name, CREAT, READ | WRITE);
    for (size_t i = 0; i < 4500; i += 2)
        memcpy(path + i, "./", 3);
    try_open(0, path, 0, READ);
    strcpy(path + 4000, "file");
    try_open(0, path, 0, READ);
    int error;
    open_with(7, 0, "file", 0, READ, 0, &error);
    say("open at a descriptor that is not open: %d", error);
    int file = must_open(ROOT, "file", 0);
    open_with(file, 0, "x", 0, READ, 0, &error);
    say("open at a file: %d", error);
    __wasi_fd_close((__wasi_fd_t)file);
    int dir = must_open(ROOT, "dir", DIR);
    open_with(dir, 0, "../file", 0, READ, 0, &error);
    say("open above an opened directory: %d", error);
    int inner = open_with(dir, 0, "inner", 0, READ, 0, &error);
    say("open below an opened directory: %d %d", error, read_some(inner, 100));
    __wasi_fd_close((__wasi_fd_t)inner);
    __wasi_fd_close((__wasi_fd_t)dir);
}

// -- Contents -------------------------------------------------------------------------------------

static void contents(void) {
    __wasi_filesize_t at;
    int fd = must_open(ROOT, "contents", CREAT | EXCL);
    say("write: %d, at %lld", write_at(fd, "hello, world"), tell(fd));
    say("seek: %d", __wasi_fd_seek((__wasi_fd_t)fd, 7, __WASI_WHENCE_SET, &at));
    say("read: %d %s", read_some(fd, 3), buffer);
    say("seek back: %d, %lld", __wasi_fd_seek((__wasi_fd_t)fd, -2, __WASI_WHENCE_CUR, &at),
        tell(fd));
    say("seek before the start: %d", __wasi_fd_seek((__wasi_fd_t)fd, -99, __WASI_WHENCE_CUR, &at));
    say("seek from the end: %d, %lld", __wasi_fd_seek((__wasi_fd_t)fd, -5, __WASI_WHENCE_END, &at),
        tell(fd));
    say("read to the end: %d %s", read_some(fd, 100), buffer);
    say("read at the end: %d", read_some(fd, 100));
    __wasi_fd_close((__wasi_fd_t)fd);
}

static void scattered(void) {
    __wasi_size_t done;
    __wasi_filestat_t stat;
    int fd = must_open(ROOT, "contents", 0);
    __wasi_iovec_t in[2] = {{(uint8_t *)buffer, 2}, {(uint8_t *)buffer + 10, 3}};
    say("pread: %d", __wasi_fd_pread((__wasi_fd_t)fd, in, 2, 1, &done));
    say("got %u %.2s %.3s, at %lld", (unsigned)done, buffer, buffer + 10, tell(fd));
    __wasi_ciovec_t out[2] = {{(const uint8_t *)"HE", 2}, {(const uint8_t *)"LLO", 3}};
    say("pwrite: %d, %u", __wasi_fd_pwrite((__wasi_fd_t)fd, out, 2, 0, &done), (unsigned)done);
    say("pwrite far: %d", __wasi_fd_pwrite((__wasi_fd_t)fd, out, 2, 100000, &done));
    say("stat: %d", __wasi_fd_filestat_get((__wasi_fd_t)fd, &stat));
    say("size %llu type %d links %llu", stat.size, stat.filetype, stat.nlink);
    say("hole: %d", __wasi_fd_pread((__wasi_fd_t)fd, in, 1, 50000, &done));
    say("is %d %d", buffer[0], buffer[1]);
    __wasi_fd_close((__wasi_fd_t)fd);
}

static void sizes(void) {
    __wasi_filesize_t at;
    int fd = must_open(ROOT, "contents", 0);
    say("set size: %d", __wasi_fd_filestat_set_size((__wasi_fd_t)fd, 5));
    say("seek: %d", __wasi_fd_seek((__wasi_fd_t)fd, 0, __WASI_WHENCE_SET, &at));
    say("read: %d %s", read_some(fd, 100), buffer);
    say("allocate: %d", __wasi_fd_allocate((__wasi_fd_t)fd, 0, 1000));
    say("allocate nothing: %d", __wasi_fd_allocate((__wasi_fd_t)fd, 0, 0));
    say("size %llu", stat_of(ROOT, "contents").size);
    say("advise: %d", __wasi_fd_advise((__wasi_fd_t)fd, 0, 10, __WASI_ADVICE_WILLNEED));
    say("sync: %d %d", __wasi_fd_sync((__wasi_fd_t)fd), __wasi_fd_datasync((__wasi_fd_t)fd));
    say("truncate at opening");
    __wasi_fd_close((__wasi_fd_t)must_open(ROOT, "contents", TRUNC));
    say("size %llu", stat_of(ROOT, "contents").size);
    memset(buffer, 'b', sizeof buffer - 1);
    say("a large write: %d", write_at(fd, buffer));
    say("its size %llu", stat_of(ROOT, "contents").size);
    __wasi_fd_close((__wasi_fd_t)fd);
    say("write when closed: %d", write_at(fd, "x"));
}

static void appending(void) {
    int error;
    __wasi_filesize_t at;
    __wasi_fdstat_t stat;
    int one = open_with(ROOT, 0, "log", CREAT, ALL, __WASI_FDFLAGS_APPEND, &error);
    int two =
        open_with(ROOT, 0, "log", 0, ALL, __WASI_FDFLAGS_APPEND | __WASI_FDFLAGS_DSYNC, &error);
    say("append: %d %d %d", write_at(one, "one "), write_at(two, "two "), write_at(one, "three"));
    say("at %lld %lld", tell(one), tell(two));
    __wasi_fd_seek((__wasi_fd_t)one, 0, __WASI_WHENCE_SET, &at);
    say("it has %d %s", read_some(one, 100), buffer);
    say("flags: %d", __wasi_fd_fdstat_set_flags((__wasi_fd_t)one, 0));
    __wasi_fd_seek((__wasi_fd_t)one, 0, __WASI_WHENCE_SET, &at);
    say("no longer appending: %d", write_at(one, "ONE"));
    say("size %llu", stat_of(ROOT, "log").size);
    say("fdstat: %d", __wasi_fd_fdstat_get((__wasi_fd_t)two, &stat));
    say("type %d appends %d", stat.fs_filetype, (stat.fs_flags & __WASI_FDFLAGS_APPEND) != 0);
    say("renumber: %d", __wasi_fd_renumber((__wasi_fd_t)one, (__wasi_fd_t)two));
    say("read the old number: %d", read_some(one, 1));
    say("read the new one: %d", read_some(two, 1));
    __wasi_fd_close((__wasi_fd_t)two);
    int reader = open_with(ROOT, 0, "log", 0, READ, 0, &error);
    say("write without the right: %d", write_at(reader, "x"));
    say("set size without the right: %d", __wasi_fd_filestat_set_size((__wasi_fd_t)reader, 1));
    __wasi_fd_close((__wasi_fd_t)reader);
}

// -- Times ----------------------------------------------------------------------------------------

static void say_times(const char *what, const char *path) {
    __wasi_filestat_t stat = stat_of(ROOT, path);
    say("%s %llu %llu", what, stat.atim, stat.mtim);
}

static void times(void) {
    const int both = __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM;
    int fd = must_open(ROOT, "timed", CREAT);
    say("times of a descriptor: %d",
        __wasi_fd_filestat_set_times((__wasi_fd_t)fd, 1000000001, 2000000002, both));
    say_times("they are", "timed");
    say("one of them: %d",
        __wasi_path_filestat_set_times(ROOT, 0, "timed", 5, 3000000003, __WASI_FSTFLAGS_MTIM));
    say_times("they are", "timed");
    say("now: %d",
        __wasi_path_filestat_set_times(ROOT, 0, "timed", 0, 0, __WASI_FSTFLAGS_ATIM_NOW));
    say("it is: %d", stat_of(ROOT, "timed").atim > 1000000000000000000);
    say("none: %d", __wasi_path_filestat_set_times(ROOT, 0, "timed", 0, 0, 0));
    say("both ways: %d",
        __wasi_path_filestat_set_times(ROOT, 0, "timed", 0, 0, both | __WASI_FSTFLAGS_MTIM_NOW));
    say("of a link: %d", __wasi_path_filestat_set_times(ROOT, 0, "link", 7, 8, both));
    say("of what it points to: %d",
        __wasi_path_filestat_set_times(ROOT, FOLLOW, "link", 9, 11, both));
    say("the link's %llu", stat_of(ROOT, "link").mtim); // following it has changed the other
    say_times("the file's", "file");
    say("outside: %d", __wasi_path_filestat_set_times(ROOT, FOLLOW, "out", 9, 11, both));
    say("outside, by a directory: %d",
        __wasi_path_filestat_set_times(ROOT, 0, "outdir/", 9, 11, both));
    say("of nothing: %d", __wasi_path_filestat_set_times(ROOT, FOLLOW, "dangling", 9, 11, both));
    __wasi_fd_close((__wasi_fd_t)fd);
}

// -- Attributes -----------------------------------------------------------------------------------

static void attributes(void) {
    static const char *const names[] = {"file", "dir",  "link",  "dirlink", "dangling", "fifo",
                                        "out",  "abs",  "up",    "outdir",  "outdir/",  "dirlink/",
                                        "..",   "loop", "file/", "",        "link/"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        __wasi_filestat_t stat = {0};
        int itself = __wasi_path_filestat_get(ROOT, 0, names[i], &stat);
        int type = stat.filetype;
        int followed = __wasi_path_filestat_get(ROOT, FOLLOW, names[i], &stat);
        say("stat %s: %d type %d, followed: %d type %d", names[i], itself, type, followed,
            stat.filetype);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        __wasi_size_t used = 0;
        int error = __wasi_path_readlink(ROOT, names[i], (uint8_t *)buffer, 100, &used);
        say("readlink %s: %d %.*s", names[i], error, error == 0 ? (int)used : 0, buffer);
    }
    __wasi_size_t used = 0;
    int error = __wasi_path_readlink(ROOT, "link", (uint8_t *)buffer, 2, &used);
    say("readlink, cut: %d %u", error, (unsigned)used);
}

// -- Names ----------------------------------------------------------------------------------------

static void directories(void) {
    static const char *const made[] = {"d1",       "d1",   "d2/",  "file",     "no/d",
                                       "dangling", "link", "..",   ".",        "up/d",
                                       "outdir/d", "",     "../d", "dir/../.."};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        say("mkdir %s: %d", made[i], __wasi_path_create_directory(ROOT, made[i]));
    static const char *const removed[] = {"d1",         "d1",       "d2/", "file",   "dir",
                                          "dirlink",    "dirlink/", "..",  "dir/..", "../other",
                                          "outdir/sub", "outdir",   "."};
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        say("rmdir %s: %d", removed[i], __wasi_path_remove_directory(ROOT, removed[i]));
    int dir = (__wasi_path_create_directory(ROOT, "gone"), must_open(ROOT, "gone", DIR));
    say("rmdir while open: %d", __wasi_path_remove_directory(ROOT, "gone"));
    int error;
    open_with(dir, 0, "x", CREAT, ALL, 0, &error);
    say("create in it: %d", error);
    say("mkdir in it: %d", __wasi_path_create_directory((__wasi_fd_t)dir, "x"));
    __wasi_filestat_t stat;
    say("stat it: %d", __wasi_fd_filestat_get((__wasi_fd_t)dir, &stat));
    __wasi_fd_close((__wasi_fd_t)dir);
}

static void make(const char *path) {
    int fd = must_open(ROOT, path, CREAT);
    write_at(fd, path);
    __wasi_fd_close((__wasi_fd_t)fd);
}

static void unlinking(void) {
    static const char *const names[] = {"u1",        "u1",   "u2/", "dir",       "dir/",
                                        "ul",        "no/x", "..",  "up/secret", "outdir/f",
                                        "../secret", ".",    "",    "out/"};
    make("u1");
    make("u2");
    __wasi_path_symlink("dir", ROOT, "ul");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        say("unlink %s: %d", names[i], __wasi_path_unlink_file(ROOT, names[i]));
    int fd = must_open(ROOT, "u2", 0);
    say("unlink while open: %d", __wasi_path_unlink_file(ROOT, "u2"));
    say("read it: %d", read_some(fd, 10));
    __wasi_fd_close((__wasi_fd_t)fd);
}

static void try_rename(const char *from, int dir, const char *to) {
    say("rename %s to %d %s: %d", from, dir, to,
        __wasi_path_rename(ROOT, from, (__wasi_fd_t)dir, to));
}

static void renaming(void) {
    make("r1");
    make("r2");
    __wasi_path_create_directory(ROOT, "rd");
    __wasi_path_create_directory(ROOT, "rd/sub");
    try_rename("r1", ROOT, "r2");
    say("size %llu %lld", stat_of(ROOT, "r2").size, (long long)stat_of(ROOT, "r1").size);
    try_rename("r2", OTHER, "moved");
    try_rename("nothing", ROOT, "x");
    try_rename("rd", ROOT, "rd/sub/x");
    try_rename("rd", ROOT, "rd2");
    try_rename("rd2/", ROOT, "rd3/");
    make("r3");
    try_rename("r3/", ROOT, "x");
    try_rename("r3", ROOT, "x/");
    try_rename("r3", ROOT, "dir");
    try_rename("rd3", ROOT, "r3");
    try_rename("rd3", ROOT, "dir");
    try_rename("rd3/sub", ROOT, "empty");
    try_rename("r3", ROOT, "../x");
    try_rename("r3", ROOT, "outdir/x");
    try_rename("r3", ROOT, "up/x");
    try_rename("../secret", ROOT, "x");
    try_rename("outdir/f", ROOT, "x");
    try_rename("r3", ROOT, "no/x");
    try_rename(".", ROOT, "x");
    try_rename("r3", ROOT, "..");
    try_rename("out", ROOT, "out2"); // the link itself
    try_rename("out2", ROOT, "out");
    say("back: %d", __wasi_path_rename(OTHER, "moved", ROOT, "back"));
}

static void try_link(int flags, const char *from, int dir, const char *to) {
    say("link %d %s to %d %s: %d", flags, from, dir, to,
        __wasi_path_link(ROOT, (__wasi_lookupflags_t)flags, from, (__wasi_fd_t)dir, to));
}

static void linking(void) {
    try_link(0, "file", ROOT, "l1");
    say("links %llu", stat_of(ROOT, "l1").nlink);
    try_link(0, "file", ROOT, "l1");
    try_link(0, "file", OTHER, "l2");
    try_link(0, "dir", ROOT, "l3");
    try_link(0, "dir/", ROOT, "l3");
    try_link(0, "file/", ROOT, "l3");
    try_link(0, "file", ROOT, "l3/");
    try_link(0, "nothing", ROOT, "l3");
    try_link(0, "../secret", ROOT, "l3");
    try_link(0, "outdir/f", ROOT, "l3");
    try_link(FOLLOW, "out", ROOT, "l3");
    try_link(0, "file", ROOT, "../l3");
    try_link(0, "file", ROOT, "outdir/l3");
    try_link(0, "file", ROOT, "..");
    try_link(0, "out", ROOT, "l4"); // the link itself
    say("it is a %d", stat_of(ROOT, "l4").filetype);
    try_open(FOLLOW, "l4", 0, READ);
}

static void symlinks(void) {
    static const char *const pairs[][2] = {
        {"file", "s1"},        {"file", "s1"},    {"../secret", "s2"},
        {"/etc/passwd", "s3"}, {"", "s4"},        {"file", "s5/"},
        {"file", "no/s6"},     {"file", "../s7"}, {"file", "outdir/s8"},
        {"..", "s9"},          {"x", ".."},       {"dir", "s10"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        say("symlink %s at %s: %d", pairs[i][0], pairs[i][1],
            __wasi_path_symlink(pairs[i][0], ROOT, pairs[i][1]));
    try_open(FOLLOW, "s1", 0, READ);
    try_open(FOLLOW, "s2", 0, READ);
    try_open(FOLLOW, "s9", DIR, READ);
    try_open(FOLLOW, "s9/secret", 0, READ);
    try_open(FOLLOW, "s10/inner", 0, READ);
}

// -- Listing --------------------------------------------------------------------------------------

#define FILES 300

// Lists with a buffer of `size` bytes; counts each of the FILES names, and returns how many others
// there are, but for "." and "..".
static int list(int fd, size_t size, unsigned char seen[FILES]) {
    __wasi_dircookie_t cookie = 0;
    int others = 0;
    memset(seen, 0, FILES);
    for (;;) {
        __wasi_size_t used = 0;
        int error = __wasi_fd_readdir((__wasi_fd_t)fd, (uint8_t *)buffer, size, cookie, &used);
        if (error != 0)
            return -error;
        size_t at = 0;
        while (at + sizeof(__wasi_dirent_t) <= used) {
            __wasi_dirent_t entry;
            int number;
            char name[256] = "";
            memcpy(&entry, buffer + at, sizeof entry);
            at += sizeof entry;
            if (at + entry.d_namlen > used)
                break;
            memcpy(name, buffer + at, entry.d_namlen);
            at += entry.d_namlen;
            cookie = entry.d_next;
            if (sscanf(name, "entry-%d", &number) == 1 && number < FILES)
                seen[number]++;
            else if (name[0] != '.')
                others++;
        }
        if (used < size)
            return others;
    }
}

static void listing(void) {
    static unsigned char seen[FILES];
    char name[32];
    __wasi_path_create_directory(ROOT, "many");
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "many/entry-%d", i);
        make(name);
    }
    int fd = must_open(ROOT, "many", DIR);
    static const size_t sizes[] = {300, 512, 4096, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int others = list(fd, sizes[i], seen);
        int once = 0;
        for (int k = 0; k < FILES; k++)
            once += seen[k] == 1;
        say("list with %zu: %d once, others %d", sizes[i], once, others);
    }
    __wasi_fd_close((__wasi_fd_t)fd);
    __wasi_size_t used;
    int file = must_open(ROOT, "file", 0);
    say("list a file: %d", __wasi_fd_readdir((__wasi_fd_t)file, (uint8_t *)buffer, 100, 0, &used));
    __wasi_fd_close((__wasi_fd_t)file);
    __wasi_path_create_directory(ROOT, "lost");
    fd = must_open(ROOT, "lost", DIR);
    __wasi_path_remove_directory(ROOT, "lost");
    say("list a removed directory: %d", list(fd, 512, seen) >= 0);
    __wasi_fd_close((__wasi_fd_t)fd);
}

static void descriptors(void) {
    int error = 0;
    int count = 0;
    int last = -1;
    while (count < 2000) {
        int fd = open_with(ROOT, 0, "file", 0, READ, 0, &error);
        if (fd < 0)
            break;
        last = fd;
        count++;
    }
    say("opened many: %d", count > 50);
    for (int fd = 5; fd <= last; fd++)
        __wasi_fd_close((__wasi_fd_t)fd);
    try_open(0, "file", 0, READ);
}

static const struct part {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"opening", opening},     {"creating", creating},     {"contents", contents},
    {"scattered", scattered}, {"sizes", sizes},           {"appending", appending},
    {"times", times},         {"attributes", attributes}, {"directories", directories},
    {"unlinking", unlinking}, {"renaming", renaming},     {"linking", linking},
    {"symlinks", symlinks},   {"listing", listing},       {"descriptors", descriptors},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int is_wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            is_wanted |= strcmp(argv[k], parts[i].name) == 0;
        if (is_wanted)
            parts[i].run();
    }
    return 0;
}
