// Looking up hostile names.
//
// Name by name, the walk holds a descriptor of each directory from the root down to where it
// stands, and opens each name in the last of them without following it. So ".." only ever drops a
// descriptor, and renaming directories under the walk cannot move what it holds: that is what makes
// it safe against races, and the reason not to ask Linux for "..". A symbolic link's target is put
// in front of what is left of the path.

#include "tools/lib/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/math.h"

#define PATH_BYTES 4096u
#define LINKS_MAX  40u   // as Linux
#define DEPTH_MAX  2048u // no path has more names
#define TRIES      128u

static enum confine_way way;

void confine_choose(enum confine_way chosen) {
    way = chosen;
}

enum status confine_status(int error) {
    static const struct {
        int error;
        enum status status;
    } map[] = {
        {EACCES, ERR_NO_ACCESS},    {EBADF, ERR_BAD_HANDLE},      {EBUSY, ERR_BUSY},
        {EDQUOT, ERR_QUOTA},        {EEXIST, ERR_EXISTS},         {EFBIG, ERR_FILE_TOO_LARGE},
        {EINVAL, ERR_INVALID},      {EISDIR, ERR_IS_DIRECTORY},   {ELOOP, ERR_LOOP},
        {EMFILE, ERR_LIMIT},        {EMLINK, ERR_TOO_MANY_LINKS}, {ENAMETOOLONG, ERR_NAME_TOO_LONG},
        {ENFILE, ERR_LIMIT},        {ENODEV, ERR_NO_DEVICE},      {ENOENT, ERR_NOT_FOUND},
        {ENOMEM, ERR_NO_MEMORY},    {ENOSPC, ERR_NO_SPACE},       {ENOTDIR, ERR_NOT_DIRECTORY},
        {ENOTEMPTY, ERR_NOT_EMPTY}, {ENXIO, ERR_NO_DEVICE},       {EOPNOTSUPP, ERR_UNSUPPORTED},
        {EOVERFLOW, ERR_OVERFLOW},  {EPERM, ERR_NOT_PERMITTED},   {EROFS, ERR_READ_ONLY},
        {ESPIPE, ERR_NOT_SEEKABLE}, {ETXTBSY, ERR_TEXT_BUSY},     {EXDEV, ERR_CROSS_DEVICE},
    };
    if (error == 0)
        return OK;
    for (usize i = 0; i < COUNT_OF(map); i++) {
        if (map[i].error == error)
            return map[i].status;
    }
    return ERR_IO;
}

static enum status check_path(const char *path) {
    if (path[0] == '\0')
        return ERR_NOT_FOUND;
    if (path[0] == '/')
        return ERR_ESCAPES;
    return strlen(path) < PATH_BYTES ? OK : ERR_NAME_TOO_LONG;
}

// -- By openat2 -----------------------------------------------------------------------------------

// Returns a descriptor, or the negative errno.
static int open_beneath(int root, const char *path, int flags, u32 mode) {
    struct open_how how = {
        .flags = (u32)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    // EAGAIN: something was renamed meanwhile, so that Linux cannot be sure.
    for (u32 i = 0; i < TRIES; i++) {
        long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -EBUSY;
}

static bool has_openat2(int root) {
    if (way == CONFINE_UNKNOWN) {
        int fd = open_beneath(root, ".", O_PATH, 0);
        way = fd >= 0 ? CONFINE_OPENAT2 : CONFINE_BY_NAME;
        if (fd >= 0)
            close(fd);
    }
    return way == CONFINE_OPENAT2;
}

// -- Name by name ---------------------------------------------------------------------------------

struct walk {
    int root;
    int *chain; // descriptors of directories below the root, owned
    u32 depth;
    u32 links;
    char text[PATH_BYTES]; // what is left to walk is [at, end)
    usize at;
};

static void walk_fini(struct walk *walk) {
    while (walk->depth != 0)
        close(walk->chain[--walk->depth]);
    free(walk->chain);
}

static int walk_here(const struct walk *walk) {
    return walk->depth == 0 ? walk->root : walk->chain[walk->depth - 1];
}

// Puts `text` in front of what is left. A slash between the two stays or is added.
static enum status walk_prepend(struct walk *walk, const char *text) {
    enum status status = check_path(text);
    usize len = strlen(text);
    bool joins = walk->text[walk->at] != '\0' && walk->text[walk->at] != '/';
    if (status != OK)
        return status;
    if (len + joins > walk->at)
        return ERR_NAME_TOO_LONG;
    if (joins)
        walk->text[--walk->at] = '/';
    walk->at -= len;
    memcpy(walk->text + walk->at, text, len);
    return OK;
}

static enum status walk_init(struct walk *walk, int root, const char *path) {
    walk->root = root;
    walk->depth = 0;
    walk->links = 0;
    walk->at = PATH_BYTES - 1;
    walk->text[walk->at] = '\0';
    walk->chain = malloc(DEPTH_MAX * sizeof *walk->chain);
    if (walk->chain == NULL)
        abort();
    return walk_prepend(walk, path);
}

// Copies the next name out and moves on to behind it: a slash, or the end.
static enum status walk_next(struct walk *walk, char name[CONFINE_NAME_MAX + 1]) {
    while (walk->text[walk->at] == '/')
        walk->at++;
    usize len = strcspn(walk->text + walk->at, "/");
    if (len > CONFINE_NAME_MAX)
        return ERR_NAME_TOO_LONG;
    memcpy(name, walk->text + walk->at, len);
    name[len] = '\0';
    walk->at += len;
    return OK;
}

// Whether nothing is left but slashes.
static bool walk_is_done(const struct walk *walk) {
    return walk->text[walk->at + strspn(walk->text + walk->at, "/")] == '\0';
}

// If `name` is a symbolic link, puts its target in its place. ERR_NOT_LINK.
static enum status walk_follow(struct walk *walk, const char *name) {
    char target[PATH_BYTES];
    ssize_t len = readlinkat(walk_here(walk), name, target, sizeof target);
    if (len < 0)
        return errno == EINVAL ? ERR_NOT_LINK : confine_status(errno);
    if (len == sizeof target)
        return ERR_NAME_TOO_LONG;
    target[len] = '\0';
    return ++walk->links > LINKS_MAX ? ERR_LOOP : walk_prepend(walk, target);
}

// Goes into the directory `name`, or puts the link's target in its place.
static enum status walk_enter(struct walk *walk, const char *name) {
    if (name[0] == '\0' || strcmp(name, ".") == 0)
        return OK;
    if (strcmp(name, "..") == 0) {
        if (walk->depth == 0)
            return ERR_ESCAPES;
        close(walk->chain[--walk->depth]);
        return OK;
    }
    int fd = openat(walk_here(walk), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && walk->depth == DEPTH_MAX) {
        close(fd);
        return ERR_NAME_TOO_LONG;
    }
    if (fd >= 0) {
        walk->chain[walk->depth++] = fd;
        return OK;
    }
    if (errno != ENOTDIR && errno != ELOOP)
        return confine_status(errno);
    enum status status = walk_follow(walk, name);
    return status == ERR_NOT_LINK ? ERR_NOT_DIRECTORY : status;
}

// Enters everything but the last name, which is left in `name`.
static enum status walk_to_last(struct walk *walk, char name[CONFINE_NAME_MAX + 1]) {
    for (;;) {
        enum status status = walk_next(walk, name);
        if (status != OK || walk_is_done(walk))
            return status;
        status = walk_enter(walk, name);
        if (status != OK)
            return status;
    }
}

static bool is_dots(const char *name) {
    return name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

// Opens the last name without following it; ERR_NOT_LINK: it could not be opened, and is no link.
static enum status walk_open_last(struct walk *walk, char *name, int flags, u32 mode, int *out) {
    bool slash = walk->text[walk->at] == '/';
    if (is_dots(name)) {
        enum status status = walk_enter(walk, name);
        if (status != OK)
            return status;
        name = "."; // names this very directory
    } else if (slash && (flags & O_CREAT) != 0) {
        return ERR_IS_DIRECTORY;
    }
    bool follows = (flags & O_NOFOLLOW) == 0 || slash;
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
        follows = false;
    flags |= slash ? O_DIRECTORY : 0;
    // An O_PATH descriptor of a link would be had without an error.
    if (follows && (flags & O_PATH) != 0) {
        enum status status = walk_follow(walk, name);
        if (status == OK)
            return ERR_WOULD_BLOCK;
        if (status != ERR_NOT_LINK)
            return status;
    }
    *out = openat(walk_here(walk), name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    if (*out >= 0)
        return OK;
    int error = errno;
    if (!follows || (error != ELOOP && error != ENOTDIR))
        return confine_status(error);
    enum status status = walk_follow(walk, name);
    return status == OK ? ERR_WOULD_BLOCK : status == ERR_NOT_LINK ? confine_status(error) : status;
}

static enum status open_by_name(int root, const char *path, int flags, u32 mode, int *out) {
    struct walk walk;
    char name[CONFINE_NAME_MAX + 1];
    enum status status = walk_init(&walk, root, path);
    while (status == OK) {
        status = walk_to_last(&walk, name);
        if (status == OK)
            status = walk_open_last(&walk, name, flags, mode, out);
        if (status != ERR_WOULD_BLOCK) // a link was put in its place
            break;
        status = OK;
    }
    walk_fini(&walk);
    return status;
}

// -- Either way -----------------------------------------------------------------------------------

enum status confine_open(int root, const char *path, int flags, u32 mode, int *out) {
    enum status status = check_path(path);
    if (status != OK)
        return status;
    if (!has_openat2(root))
        return open_by_name(root, path, flags, mode, out);
    int fd = open_beneath(root, path, flags, mode);
    if (fd == -EXDEV)
        return ERR_ESCAPES;
    *out = fd;
    return fd < 0 ? confine_status(-fd) : OK;
}

enum status confine_parent(int root, const char *path, char name[CONFINE_NAME_MAX + 1], bool *slash,
                           int *out) {
    char parent[PATH_BYTES];
    enum status status = check_path(path);
    if (status != OK)
        return status;
    usize end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    *slash = path[end] == '/';
    usize start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    memcpy(parent, path, start);
    memcpy(parent + start, ".", 2);
    status = confine_open(root, parent, O_PATH | O_DIRECTORY, 0, out);
    if (status != OK)
        return status;
    if (end - start > CONFINE_NAME_MAX) {
        close(*out);
        return ERR_NAME_TOO_LONG;
    }
    memcpy(name, path + start, end - start);
    name[end - start] = '\0';
    if (!is_dots(name))
        return OK;
    // It names a directory on the way, or leads out.
    close(*out);
    status = confine_open(root, path, O_PATH | O_DIRECTORY, 0, out);
    if (status == OK)
        close(*out);
    return status == OK ? ERR_INVALID : status;
}
