// Redirections. They change the shell's own descriptors 0 to 2, which its children get; what was
// there before waits at another number, and comes back afterwards.
//
// The shell's own descriptors from 3 on are its directories, so its 3 to 9 are a table of
// descriptors that are anywhere. What it starts finds them at these numbers.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/programs/sh/shell.h"
#include "user/sdk/start.h"

#define UNCHANGED  (-2)
#define CLOSED     (-1)
#define STREAMS    3u // that are descriptors of that number
#define TEXT_TRIES 1000u

static int others[STREAMS_MAX] = {[3 ... STREAMS_MAX - 1] = CLOSED}; // behind 3 and above

void streams_init(struct saved_streams *saved) {
    for (u32 fd = 0; fd < STREAMS_MAX; fd++)
        saved->fd[fd] = UNCHANGED;
}

int stream_of(u32 fd) {
    return fd < STREAMS ? (int)fd : others[fd];
}

void streams_take(void) {
    usize len;
    for (u32 fd = STREAMS; fd < STREAMS_MAX; fd++) {
        if (kwast_given_as((int)fd, &len) == KWAST_AS_STREAM)
            others[fd] = (int)fd;
    }
}

static int duplicate(int fd) {
    __wasi_fdstat_t stat;
    kwast_handle copy;
    if (__wasi_fd_fdstat_get(fd, &stat) != 0 ||
        kwast_handle_duplicate((kwast_handle)fd, stat.fs_rights_base, stat.fs_rights_inheriting,
                               &copy) != 0)
        return CLOSED;
    return (int)copy;
}

// Puts `with`, or nothing, at one of the numbers that are descriptors; takes it over.
static bool put_stream(u32 fd, int with) {
    if (with == CLOSED) {
        close((int)fd);
        return true;
    }
    // A number that is closed cannot be renumbered onto.
    u32 error = (u32)__wasi_fd_renumber(with, (int)fd);
    if (error == __WASI_ERRNO_BADF) {
        for (int filler; (filler = duplicate(with)) >= 0 && filler != (int)fd;) {
            if (filler > (int)fd) {
                close(filler);
                break;
            }
        }
        error = (u32)__wasi_fd_renumber(with, (int)fd);
    }
    if (error != 0)
        close(with);
    return error == 0;
}

bool streams_replace(u32 fd, int with, struct saved_streams *saved) {
    bool is_first = saved->fd[fd] == UNCHANGED;
    fflush(NULL);
    if (fd >= STREAMS) {
        if (is_first)
            saved->fd[fd] = others[fd];
        else if (others[fd] >= 0)
            close(others[fd]);
        others[fd] = with;
        return true;
    }
    if (is_first)
        saved->fd[fd] = duplicate((int)fd);
    return put_stream(fd, with);
}

void streams_restore(struct saved_streams *saved) {
    fflush(NULL);
    for (u32 fd = 0; fd < STREAMS_MAX; fd++) {
        if (saved->fd[fd] == UNCHANGED)
            continue;
        if (fd < STREAMS) {
            put_stream(fd, saved->fd[fd]);
            continue;
        }
        if (others[fd] >= 0)
            close(others[fd]);
        others[fd] = saved->fd[fd];
    }
    streams_init(saved);
}

void streams_keep(struct saved_streams *saved) {
    for (u32 fd = 0; fd < STREAMS_MAX; fd++) {
        if (saved->fd[fd] >= 0)
            close(saved->fd[fd]);
    }
    streams_init(saved);
}

// A file that has the text, and no name any more.
static int open_text(const char *text) {
    char path[64];
    int fd = -1;
    usize len = strlen(text);
    for (u32 i = 0; fd < 0 && i < TEXT_TRIES; i++) {
        snprintf(path, sizeof path, "/tmp/.sh-%u-%u", shell.number, i);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        return fd;
    unlink(path);
    if (write(fd, text, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_body(const struct redirection *redirection) {
    char *body;
    if (redirection->is_literal)
        return open_text(redirection->body);
    if (!expand_body(redirection->body, &body))
        return -1;
    int fd = open_text(body);
    free(body);
    return fd;
}

// What `target` names as a descriptor to copy; CLOSED for "-". False: nothing.
static bool open_copy(const char *target, int *out) {
    int original = CLOSED;
    *out = CLOSED;
    if (strcmp(target, "-") == 0)
        return true;
    if (strlen(target) == 1 && target[0] >= '0' && target[0] <= '9')
        original = stream_of((u32)(target[0] - '0'));
    if (original >= 0)
        *out = duplicate(original);
    if (*out < 0)
        say("%s: no descriptor that can be copied", target);
    return *out >= 0;
}

static int open_file(enum redirection_type type, const char *path) {
    struct stat info;
    bool replaces = type == REDIRECT_WRITE || type == REDIRECT_FORCE;
    int flags = type == REDIRECT_READ   ? O_RDONLY
                : type == REDIRECT_BOTH ? O_RDWR | O_CREAT
                : replaces              ? O_WRONLY | O_CREAT | O_TRUNC
                                        : O_WRONLY | O_CREAT | O_APPEND;
    if (type == REDIRECT_WRITE && shell.keeps_files && stat(path, &info) == 0 &&
        S_ISREG(info.st_mode)) {
        errno = EEXIST;
        return CLOSED;
    }
    return open(path, flags, 0666);
}

static bool open_target(const struct redirection *redirection, int *out) {
    char *target;
    bool done = false;
    if (redirection->type == REDIRECT_TEXT) {
        *out = open_body(redirection);
        if (*out < 0)
            say("<<%s: %s", redirection->target, strerror(errno));
        return *out >= 0;
    }
    if (!expand_one(redirection->target, &target))
        return false;
    if (redirection->type == REDIRECT_COPY) {
        done = open_copy(target, out);
    } else {
        *out = open_file(redirection->type, target);
        done = *out >= 0;
        if (!done)
            say("%s: %s", target, strerror(errno));
    }
    free(target);
    return done;
}

bool streams_redirect(const struct redirection *redirections, struct saved_streams *saved) {
    streams_init(saved);
    for (; redirections != NULL; redirections = redirections->next) {
        int with;
        u32 fd = redirections->fd;
        if (fd >= STREAMS_MAX)
            say("%u: only descriptors 0 to %u can be redirected", fd, STREAMS_MAX - 1);
        if (fd >= STREAMS_MAX || !open_target(redirections, &with) ||
            !streams_replace(fd, with, saved)) {
            streams_restore(saved);
            return false;
        }
    }
    return true;
}

bool pipe_create(int ends[2]) {
    kwast_handle reader;
    kwast_handle writer;
    u32 error = start_pipe(shell.pipes, &reader, &writer);
    if (error != 0) {
        say("a pipe: %s", strerror((int)error));
        return false;
    }
    ends[0] = (int)reader;
    ends[1] = (int)writer;
    return true;
}
