// Changes a tree of files at random, as a seed says: the same operations in Kwast and, compiled for
// it, on the host, after which both trees must be the same. Uses nothing but libc.
//
//   tree [copy FROM TO | run FOLDER SEED COUNT | trace]...
//
// `trace` has what follows tell, operation by operation, what the digest has come to.
// `run` prints how many operations succeeded, and a digest of what all of them returned: of what
// was read, of sizes and lists, and of errors, as far as POSIX has them alike. Paths have few names
// or are those of what was made lately, so that files, directories and links meet often. No link
// leads out of the folder.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES      11u
#define DEPTH_MAX  5u
#define OPEN_FILES 8u
#define RECENT     48u
#define LONG_PATH  300u // nothing is made below one that is longer
#define DATA_BYTES 24000u
#define PATH_BYTES 4096u

static struct {
    const char *folder;
    uint64_t random;
    uint64_t digest;
    bool is_traced;
    int open_files[OPEN_FILES];         // -1: none
    char recent[2][RECENT][PATH_BYTES]; // made lately: directories, and what is in them; or empty
    unsigned made[2];
    unsigned char data[DATA_BYTES];
} tree;

// -- Chance, and what comes of it -----------------------------------------------------------------

static uint64_t draw(void) { // SplitMix64
    uint64_t z = tree.random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static unsigned below(unsigned limit) {
    return (unsigned)(draw() >> 33) % limit;
}

static void note(const void *what, size_t len) { // FNV-1a
    for (size_t i = 0; i < len; i++)
        tree.digest = (tree.digest ^ ((const unsigned char *)what)[i]) * 0x100000001b3u;
}

static void note_number(int64_t number) {
    note(&number, sizeof number);
}

// Errors by our own numbers, since their values are not the same everywhere. Which of several
// reasons is told where two of these hold, is for the system to choose.
static int error_number(void) {
    switch (errno) {
    case ENOENT:
        return 1;
    case ELOOP:
        return 2;
    case EEXIST:
    case ENOTEMPTY:
    case EISDIR:
    case ENOTDIR:
    case EINVAL:
    case EPERM:
    case EBUSY:
        return 3;
    default:
        fprintf(stderr, "unexpected: %s\n", strerror(errno));
        return errno;
    }
}

static int noted(int result) {
    note_number(result < 0 ? -error_number() : 0);
    return result;
}

// -- Paths ----------------------------------------------------------------------------------------

static size_t add_names(char *to, size_t len) {
    unsigned depth = 1 + below(DEPTH_MAX) * below(2);
    for (unsigned i = 0; i < depth; i++)
        len += (size_t)snprintf(to + len, PATH_BYTES - len, "%sname-%u", i == 0 ? "" : "/",
                                below(NAMES));
    return len;
}

static const char *draw_path(void) {
    static char paths[2][PATH_BYTES];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    const char *directory = tree.recent[0][below(RECENT)];
    const char *entry = tree.recent[1][below(RECENT)];
    unsigned choice = below(8);
    if (choice < 4 && directory[0] != 0 && strlen(directory) <= strlen(tree.folder) + LONG_PATH)
        snprintf(path, PATH_BYTES, "%s/name-%u", directory, below(NAMES));
    else if (choice < 6 && entry[0] != 0)
        snprintf(path, PATH_BYTES, "%s", entry);
    else if (choice == 6 && directory[0] != 0)
        snprintf(path, PATH_BYTES, "%s", directory);
    else
        add_names(path, (size_t)snprintf(path, PATH_BYTES, "%s/", tree.folder));
    return path;
}

// The same where there are two paths: which of them is looked at first is for the system to choose.
static int noted_roughly(int result) {
    note_number(result < 0 ? -1 : 0);
    return result;
}

enum what { DIRECTORY, ENTRY };

// Keeps in mind where something was made.
static int made(enum what what, const char *path, int result) {
    if (result >= 0)
        snprintf(tree.recent[what][tree.made[what]++ % RECENT], PATH_BYTES, "%s", path);
    return result;
}

static size_t draw_data(void) {
    size_t len = below(8) == 0 ? below(DATA_BYTES) : below(600);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = draw();
        memcpy(tree.data + i, &word, len - i < 8 ? len - i : 8);
    }
    return len;
}

// -- Operations: each returns a negative number where it failed -----------------------------------

static int write_data(int fd, off_t offset) {
    size_t len = draw_data();
    ssize_t put = offset < 0 ? write(fd, tree.data, len) : pwrite(fd, tree.data, len, offset);
    note_number(put);
    return (int)put;
}

static int with_file(int flags, off_t offset) {
    const char *path = draw_path();
    int fd = made(ENTRY, path, noted(open(path, flags, 0644)));
    size_t state = below(1 << 20); // as much chance is taken whether it is there or not
    uint64_t keep = tree.random;
    if (fd >= 0) {
        write_data(fd, offset);
        if (state % 4 == 0)
            noted(ftruncate(fd, (off_t)(state % 50000)));
        close(fd);
    }
    tree.random = keep + 1;
    return fd;
}

static int do_create(void) {
    return with_file(O_WRONLY | O_CREAT | (below(3) == 0 ? O_EXCL : 0), (off_t)below(2000));
}

static int do_replace(void) {
    return with_file(O_WRONLY | O_CREAT | O_TRUNC, 0);
}

static int do_overwrite(void) {
    return with_file(O_RDWR, (off_t)below(30000));
}

static int do_append(void) {
    return with_file(O_WRONLY | O_APPEND, -1);
}

static int do_read(void) {
    static unsigned char found[40000];
    off_t offset = (off_t)below(20000) * (off_t)below(2);
    int fd = noted(open(draw_path(), O_RDONLY));
    if (fd < 0)
        return fd;
    ssize_t got = pread(fd, found, sizeof found, offset);
    noted((int)got);
    if (got > 0)
        note(found, (size_t)got);
    close(fd);
    return (int)got;
}

static int do_unlink(void) {
    return noted(unlink(draw_path()));
}

static int do_make_directory(void) {
    const char *path = draw_path();
    return made(DIRECTORY, path, noted(mkdir(path, 0755)));
}

static int do_remove_directory(void) {
    return noted(rmdir(draw_path()));
}

static int do_rename(void) {
    const char *from = draw_path();
    const char *to = draw_path();
    return made(ENTRY, to, noted_roughly(rename(from, to)));
}

static int do_link(void) {
    const char *from = draw_path();
    const char *to = draw_path();
    return made(ENTRY, to, noted_roughly(link(from, to)));
}

// Targets only go down, so that none leads out, wherever the link is moved.
static int do_make_link(void) {
    char target[PATH_BYTES];
    add_names(target, 0);
    const char *path = draw_path();
    return made(ENTRY, path, noted(symlink(target, path)));
}

static int do_read_link(void) {
    char target[PATH_BYTES];
    ssize_t len = readlink(draw_path(), target, sizeof target);
    noted((int)len);
    if (len > 0)
        note(target, (size_t)len);
    return (int)len;
}

static int do_stat(void) {
    struct stat info;
    const char *path = draw_path();
    int result = noted(below(2) == 0 ? stat(path, &info) : lstat(path, &info));
    if (result != 0)
        return result;
    note_number(S_ISDIR(info.st_mode)   ? 1
                : S_ISLNK(info.st_mode) ? 2
                : S_ISREG(info.st_mode) ? 3
                                        : 4);
    if (!S_ISDIR(info.st_mode)) {
        note_number((int64_t)info.st_size);
        note_number((int64_t)info.st_nlink);
    }
    return 0;
}

// Names come in any order.
static int do_list(void) {
    DIR *list = opendir(draw_path());
    noted(list == NULL ? -1 : 0);
    if (list == NULL)
        return -1;
    uint64_t keep = tree.digest;
    uint64_t sum = 0;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        tree.digest = 1;
        note(entry->d_name, strlen(entry->d_name));
        sum += tree.digest;
    }
    tree.digest = keep;
    note_number((int64_t)sum);
    closedir(list);
    return 0;
}

// What stays open while others move, replace and remove it.
static int do_open(void) {
    unsigned slot = below(OPEN_FILES);
    if (tree.open_files[slot] >= 0)
        close(tree.open_files[slot]);
    tree.open_files[slot] = noted(open(draw_path(), O_RDWR | (below(2) == 0 ? O_CREAT : 0), 0644));
    return tree.open_files[slot];
}

static int do_use_open(void) {
    static unsigned char found[4000];
    struct stat info;
    int fd = tree.open_files[below(OPEN_FILES)];
    off_t offset = (off_t)below(8000);
    if (fd < 0)
        return -1;
    uint64_t keep = tree.random;
    write_data(fd, offset);
    tree.random = keep + 1;
    ssize_t got = pread(fd, found, sizeof found, (off_t)below(8000));
    note_number(got);
    if (got > 0)
        note(found, (size_t)got);
    if (noted(fstat(fd, &info)) == 0)
        note_number((int64_t)info.st_size);
    return 0;
}

static const struct {
    unsigned weight;
    int (*run)(void);
} operations[] = {
    {12, do_create},
    {6, do_replace},
    {8, do_overwrite},
    {8, do_append},
    {12, do_read},
    {8, do_unlink},
    {12, do_make_directory},
    {3, do_remove_directory},
    {9, do_rename},
    {4, do_link},
    {4, do_make_link},
    {4, do_read_link},
    {10, do_stat},
    {5, do_list},
    {4, do_open},
    {8, do_use_open},
};

static unsigned run(const char *folder, uint64_t seed, unsigned long count) {
    unsigned succeeded = 0;
    unsigned total = 0;
    tree.folder = folder;
    tree.digest = 0xcbf29ce484222325u;
    memset(tree.made, 0, sizeof tree.made);
    memset(tree.recent, 0, sizeof tree.recent);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        total += operations[i].weight;
    for (size_t i = 0; i < OPEN_FILES; i++)
        tree.open_files[i] = -1;
    for (unsigned long number = 0; number < count; number++) {
        // Each operation's chance is its own: what one finds does not change the next.
        tree.random = seed * 0x2545f4914f6cdd1du + number * 0xda942042e4dd58b5u;
        unsigned choice = below(total);
        size_t which = 0;
        while (choice >= operations[which].weight)
            choice -= operations[which++].weight;
        int result = operations[which].run();
        succeeded += result >= 0;
        if (tree.is_traced)
            fprintf(stderr, "%lu %zu %d %016llx\n", number, which, result < 0 ? -1 : 0,
                    (unsigned long long)tree.digest);
    }
    for (size_t i = 0; i < OPEN_FILES; i++) {
        if (tree.open_files[i] >= 0)
            close(tree.open_files[i]);
    }
    return succeeded;
}

// -- Copies ---------------------------------------------------------------------------------------

static void require(int is_fine, const char *what) {
    if (is_fine)
        return;
    perror(what);
    exit(1);
}

static void copy_contents(const char *from, const char *to) {
    static char buffer[32768];
    int in = open(from, O_RDONLY);
    require(in >= 0, from);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
    require(out >= 0, to);
    for (ssize_t got; (got = read(in, buffer, sizeof buffer)) != 0;)
        require(got > 0 && write(out, buffer, (size_t)got) == got, to);
    close(in);
    close(out);
}

static void copy_entry(char *from, char *to);

// What is in `from` comes to be in `to`, which is there; as deep as the tree is. Names are put
// behind both paths, and are taken off again: a program's stack is small.
static void copy(char *from, char *to) {
    size_t from_len = strlen(from);
    size_t to_len = strlen(to);
    DIR *list = opendir(from);
    require(list != NULL, from);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(from + from_len, PATH_BYTES - from_len, "/%s", entry->d_name);
        snprintf(to + to_len, PATH_BYTES - to_len, "/%s", entry->d_name);
        copy_entry(from, to);
        from[from_len] = 0;
        to[to_len] = 0;
    }
    closedir(list);
}

static void copy_entry(char *from, char *to) {
    static char target[PATH_BYTES];
    struct stat info;
    require(lstat(from, &info) == 0, from);
    if (S_ISDIR(info.st_mode)) {
        require(mkdir(to, 0755) == 0, to);
        copy(from, to);
    } else if (S_ISLNK(info.st_mode)) {
        ssize_t len = readlink(from, target, sizeof target - 1);
        require(len >= 0, from);
        target[len] = 0;
        require(symlink(target, to) == 0, to);
    } else {
        copy_contents(from, to);
    }
}

static void copy_tree(const char *from, const char *to) {
    static char paths[2][PATH_BYTES];
    snprintf(paths[0], PATH_BYTES, "%s", from);
    snprintf(paths[1], PATH_BYTES, "%s", to);
    copy(paths[0], paths[1]);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "copy") == 0 && i + 2 < argc) {
            copy_tree(argv[i + 1], argv[i + 2]);
            i += 3;
        } else if (strcmp(argv[i], "run") == 0 && i + 3 < argc) {
            unsigned succeeded =
                run(argv[i + 1], strtoull(argv[i + 2], NULL, 10), strtoul(argv[i + 3], NULL, 10));
            printf("%s operations, %u succeeded, digest %016llx\n", argv[i + 3], succeeded,
                   (unsigned long long)tree.digest);
            i += 4;
        } else if (strcmp(argv[i], "trace") == 0) {
            tree.is_traced = true;
            i++;
        } else {
            fprintf(stderr, "usage: tree [copy FROM TO | run FOLDER SEED COUNT | trace]...\n");
            return 2;
        }
    }
    return 0;
}
