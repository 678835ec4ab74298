// What one does not do with files: fills the disk, makes 100,000 names in a directory, the longest
// names and the deepest trees, and tries everything that might lead out of the directory that is
// descriptor 3. Prints a line for each; tests/wasi/limits_test.py says which.
//
//   misuse full|many|names|deep|escape [COUNT]

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#define ROOT 3
#define ALL  ((1ull << 28) - 1)

static char buffer[65536];
static char path[8192];

static void require(int is_fine, const char *what) {
    if (is_fine)
        return;
    perror(what);
    exit(1);
}

static int must_make(const char *name) {
    int fd = openat(ROOT, name, O_CREAT | O_RDWR | O_EXCL, 0666);
    require(fd >= 0, name);
    return fd;
}

// -- A full disk ----------------------------------------------------------------------------------

// Writes until that fails; how many bytes were taken.
static long long fill(int fd) {
    long long total = 0;
    for (;;) {
        ssize_t put = write(fd, buffer, sizeof buffer);
        if (put < 0)
            return total;
        total += put;
    }
}

// Makes empty files until that fails.
static int fill_with_names(const char *directory) {
    for (int count = 0;; count++) {
        snprintf(path, sizeof path, "%s/%d", directory, count);
        int fd = openat(ROOT, path, O_CREAT | O_EXCL | O_RDWR, 0666);
        if (fd < 0)
            return count;
        close(fd);
    }
}

static int remove_all(const char *directory, int count) {
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%d", directory, i);
        require(unlinkat(ROOT, path, 0) == 0, path);
    }
    return unlinkat(ROOT, directory, AT_REMOVEDIR);
}

static void full(int limit) {
    struct stat info;
    memset(buffer, 'x', sizeof buffer);
    int kept = must_make("kept");
    require(write(kept, "kept", 4) == 4, "kept");
    for (int round = 0; round < 3; round++) {
        int big = must_make("big");
        long long total = fill(big);
        printf("full after enough: %d, error %d\n", total > limit / 2 && total <= limit, errno);
        require(fstat(big, &info) == 0, "fstat");
        printf("all of it is there: %d\n", info.st_size == total);
        printf("allocate: %d\n", __wasi_fd_allocate((__wasi_fd_t)big, 0, (__wasi_filesize_t)limit));
        require(fstat(big, &info) == 0, "fstat");
        printf("and it is as long as before: %d\n", info.st_size == total);
        require(mkdirat(ROOT, "names", 0777) == 0 || errno == ENOSPC, "names");
        int names = fill_with_names("names");
        printf("no name more: error %d\n", errno);
        printf("symlink: %d\n", symlinkat("x", ROOT, "link") < 0 ? errno : 0);
        printf("mkdir: %d\n", mkdirat(ROOT, "dir", 0777) < 0 ? errno : 0);
        printf("rename: %d\n", renameat(ROOT, "big", ROOT, "bigger") < 0 ? errno : 0);
        require(ftruncate(big, 0) == 0, "truncate");
        printf("a name again: %d\n", names == 0 || remove_all("names", names) == 0);
        require(close(big) == 0 && unlinkat(ROOT, "bigger", 0) == 0, "unlink");
    }
    printf("kept: %d %.4s\n", (int)pread(kept, buffer, 10, 0), buffer);
}

// -- A large directory ----------------------------------------------------------------------------

// Lists it; how many were seen exactly once. `each` is called for each entry.
static int list(int fd, int count, unsigned char *seen, void (*each)(int number)) {
    __wasi_dircookie_t cookie = 0;
    memset(seen, 0, (size_t)count);
    for (;;) {
        __wasi_size_t used = 0;
        size_t at = 0;
        errno = __wasi_fd_readdir((__wasi_fd_t)fd, (uint8_t *)buffer, sizeof buffer, cookie, &used);
        require(errno == 0, "fd_readdir");
        while (at + sizeof(__wasi_dirent_t) <= used) {
            __wasi_dirent_t entry;
            char name[256] = "";
            memcpy(&entry, buffer + at, sizeof entry);
            at += sizeof entry;
            if (at + entry.d_namlen > used)
                break;
            memcpy(name, buffer + at, entry.d_namlen);
            at += entry.d_namlen;
            cookie = entry.d_next;
            int number = name[0] == '.' ? -1 : atoi(name);
            if (number >= 0 && number < count)
                seen[number]++;
            if (number >= 0 && each != NULL)
                each(number);
        }
        if (used < sizeof buffer)
            break;
    }
    int once = 0;
    for (int i = 0; i < count; i++)
        once += seen[i] == 1;
    return once;
}

static void remove_it(int number) {
    snprintf(path, sizeof path, "many/%d", number);
    require(unlinkat(ROOT, path, 0) == 0, path);
}

static void many(int count) {
    unsigned char *seen = malloc((size_t)count);
    require(mkdirat(ROOT, "many", 0777) == 0, "many");
    int directory = openat(ROOT, "many", O_RDONLY | O_DIRECTORY);
    int file = must_make("many/0");
    close(file);
    for (int i = 1; i < count; i++) { // links cost no open file
        snprintf(path, sizeof path, "many/%d", i);
        int fd = openat(ROOT, path, O_CREAT | O_EXCL | O_WRONLY, 0666);
        require(fd >= 0, path);
        close(fd);
    }
    printf("listed once: %d\n", list(directory, count, seen, NULL) == count);
    struct stat info;
    snprintf(path, sizeof path, "many/%d", count - 1);
    printf("the last one is there: %d\n", fstatat(ROOT, path, &info, 0));
    printf("removed while listing: %d\n", list(directory, count, seen, remove_it) == count);
    printf("nothing left: %d\n", list(directory, count, seen, NULL));
    printf("rmdir: %d\n", unlinkat(ROOT, "many", AT_REMOVEDIR));
}

// -- Long names -----------------------------------------------------------------------------------

static void try_name(size_t len) {
    char name[300] = "";
    struct stat info;
    memset(name, 'n', len);
    int fd = openat(ROOT, name, O_CREAT | O_RDWR, 0666);
    printf("%zu: open %d", len, fd < 0 ? errno : 0);
    if (fd >= 0)
        close(fd);
    printf(", stat %d", fstatat(ROOT, name, &info, 0) < 0 ? errno : 0);
    printf(", rename %d", renameat(ROOT, name, ROOT, "short") < 0 ? errno : 0);
    printf(", and back %d", renameat(ROOT, "short", ROOT, name) < 0 ? errno : 0);
    printf(", unlink %d", unlinkat(ROOT, name, 0) < 0 ? errno : 0);
    printf(", mkdir %d", mkdirat(ROOT, name, 0777) < 0 ? errno : 0);
    printf(", rmdir %d", unlinkat(ROOT, name, AT_REMOVEDIR) < 0 ? errno : 0);
    printf(", symlink %d", symlinkat("x", ROOT, name) < 0 ? errno : 0);
    printf(", unlink %d\n", unlinkat(ROOT, name, 0) < 0 ? errno : 0);
}

static void try_path(size_t len) {
    struct stat info;
    memset(path, 0, sizeof path);
    for (size_t i = 0; i + 1 < len; i += 2)
        memcpy(path + i, "./", 2);
    path[len - 1] = 'f';
    printf("a path of %zu: %d\n", len, fstatat(ROOT, path, &info, 0) < 0 ? errno : 0);
}

static void names(void) {
    close(must_make("f"));
    try_name(254);
    try_name(255);
    try_name(256);
    try_name(299);
    try_path(4095);
    try_path(4097);
}

// -- Deep trees -----------------------------------------------------------------------------------

#define REACH 100 // levels that one path goes down

// "d/d/d/...", with so many names.
static const char *levels(int count) {
    memset(path, 0, sizeof path);
    for (int i = 0; i < count; i++)
        memcpy(path + 2 * i, "d/", 2);
    return path;
}

// Makes the tree and opens a directory every REACH levels; no path is as long as the tree is deep.
static int make_tree(int depth, int bases[]) {
    for (int made = 0; made < depth; made++) {
        int base = bases[made / REACH];
        require(mkdirat(base, levels(made % REACH + 1), 0777) == 0, "deeper");
        if ((made + 1) % REACH == 0) {
            bases[made / REACH + 1] = openat(base, levels(REACH), O_RDONLY | O_DIRECTORY);
            require(bases[made / REACH + 1] >= 0, "base");
        }
    }
    int bottom = openat(bases[depth / REACH], depth % REACH == 0 ? "." : levels(depth % REACH),
                        O_RDONLY | O_DIRECTORY);
    require(bottom >= 0, "bottom");
    return bottom;
}

static void deep(int depth) {
    int bases[64] = {openat(ROOT, ".", O_RDONLY | O_DIRECTORY)};
    struct stat info;
    int bottom = make_tree(depth, bases);
    int fd = openat(bottom, "file", O_CREAT | O_RDWR, 0666);
    printf("at the bottom: %d\n", fd >= 0 && write(fd, "!", 1) == 1);
    printf("up from there: %d\n", openat(bottom, "..", O_RDONLY | O_DIRECTORY) < 0 ? errno : 0);
    printf("unlink: %d\n", unlinkat(bottom, "file", 0));
    // The longest path there can be.
    printf("a long way: %d\n", fstatat(ROOT, levels(2047), &info, 0) < 0 ? errno : 0);
    levels(2047);
    memcpy(path, "../", 3);
    printf("out and in: %d\n", fstatat(ROOT, path, &info, 0) < 0 ? errno : 0);
    for (int below = depth - 1; below >= 0; below--)
        require(unlinkat(bases[below / REACH], levels(below % REACH + 1), AT_REMOVEDIR) == 0,
                "rmdir");
    printf("gone: %d\n", openat(ROOT, "d", O_RDONLY) < 0 ? errno : 0);
}

// -- Ways out -------------------------------------------------------------------------------------

static void try_everything(const char *way) {
    __wasi_fd_t fd;
    __wasi_filestat_t stat;
    __wasi_size_t used;
    int errors[] = {
        __wasi_path_open(ROOT, 1, way, 0, ALL & ~(1ull << 6), ALL, 0, &fd),
        __wasi_path_open(ROOT, 1, way, __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_WRITE, 0, 0, &fd),
        __wasi_path_open(ROOT, 1, way, __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_WRITE, 0, 0, &fd),
        __wasi_path_filestat_get(ROOT, 1, way, &stat),
        __wasi_path_filestat_set_times(ROOT, 1, way, 1, 1, __WASI_FSTFLAGS_MTIM),
        __wasi_path_link(ROOT, 1, way, ROOT, "stolen"),
    };
    // These are about the name itself; below a link that leads out, it is outside.
    int named[] = {
        __wasi_path_create_directory(ROOT, way),
        __wasi_path_remove_directory(ROOT, way),
        __wasi_path_unlink_file(ROOT, way),
        __wasi_path_rename(ROOT, way, ROOT, "stolen"),
        __wasi_path_rename(ROOT, "own", ROOT, way),
        __wasi_path_link(ROOT, 0, "own", ROOT, way),
        __wasi_path_symlink("own", ROOT, way),
        __wasi_path_readlink(ROOT, way, (uint8_t *)buffer, 100, &used),
    };
    int out = 0;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        out += errors[i] == __WASI_ERRNO_NOTCAPABLE;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        out += named[i] == __WASI_ERRNO_NOTCAPABLE;
    printf("%s: %d of 14 refused\n", way, out);
}

static void escape(void) {
    static const char *const ways[] = {
        "../secret",
        "/secret",
        "/",
        "..",
        "sub/../../secret",
        "./../secret",
        "sub/deeper/../../../secret",
        "up/secret",
        "sub/up2/secret",
        "chain/secret",
        "sub/../up/secret",
        "up/root/../secret",
        "..//secret",
        "sub/./.././../secret",
        "//secret",
    };
    close(must_make("own"));
    require(mkdirat(ROOT, "sub", 0777) == 0 && mkdirat(ROOT, "sub/deeper", 0777) == 0, "sub");
    require(symlinkat("..", ROOT, "up") == 0, "up");
    require(symlinkat("../..", ROOT, "sub/up2") == 0, "up2");
    require(symlinkat("sub/up2", ROOT, "chain") == 0, "chain");
    printf("absolute: %d\n", symlinkat("/secret", ROOT, "absolute") < 0 ? errno : 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        try_everything(ways[i]);
    struct stat info;
    printf("within: %d\n", fstatat(ROOT, "sub/deeper/../../own", &info, 0));
    printf("stolen: %d\n", fstatat(ROOT, "stolen", &info, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(what, "full") == 0)
        full(count);
    else if (strcmp(what, "many") == 0)
        many(count);
    else if (strcmp(what, "names") == 0)
        names();
    else if (strcmp(what, "deep") == 0)
        deep(count);
    else if (strcmp(what, "escape") == 0)
        escape();
    else
        return 2;
    return 0;
}
