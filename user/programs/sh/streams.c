// Redirections. They change the shell's own descriptors 0 to 2, which its children get; what was
// there before waits at another number, and comes back afterwards.
//
// The numbers behind are the directories that programs have, so nothing else can be redirected.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/programs/sh/shell.h"
#include "user/sdk/start.h"

#define UNCHANGED  (-2)
#define CLOSED     (-1)
#define FD_COUNT   3
#define TEXT_TRIES 1000u

const struct saved_streams streams_unchanged = {{UNCHANGED, UNCHANGED, UNCHANGED}};

static int duplicate(int fd) {
    __wasi_fdstat_t stat;
    kwast_handle copy;
    if (__wasi_fd_fdstat_get(fd, &stat) != 0 ||
        kwast_handle_duplicate((kwast_handle)fd, stat.fs_rights_base, stat.fs_rights_inheriting,
                               &copy) != 0)
        return CLOSED;
    return (int)copy;
}

static void save(u32 fd, struct saved_streams *saved) {
    fflush(NULL);
    if (saved->fd[fd] == UNCHANGED)
        saved->fd[fd] = duplicate((int)fd);
}

bool streams_replace(u32 fd, int with, struct saved_streams *saved) {
    save(fd, saved);
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

void streams_restore(struct saved_streams *saved) {
    fflush(NULL);
    for (u32 fd = 0; fd < FD_COUNT; fd++) {
        struct saved_streams none = {{CLOSED, CLOSED, CLOSED}};
        if (saved->fd[fd] != UNCHANGED)
            streams_replace(fd, saved->fd[fd], &none);
    }
    *saved = streams_unchanged;
}

void streams_keep(struct saved_streams *saved) {
    for (u32 fd = 0; fd < FD_COUNT; fd++) {
        if (saved->fd[fd] >= 0)
            close(saved->fd[fd]);
    }
    *saved = streams_unchanged;
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
    *out = CLOSED;
    if (strcmp(target, "-") == 0)
        return true;
    if (strlen(target) == 1 && target[0] >= '0' && target[0] < '0' + FD_COUNT)
        *out = duplicate(target[0] - '0');
    if (*out < 0)
        say("%s: no descriptor that can be copied", target);
    return *out >= 0;
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
        // Programs that share a descriptor do not share its position here, so what several write
        // is appended.
        int flags = redirection->type == REDIRECT_READ    ? O_RDONLY
                    : redirection->type == REDIRECT_WRITE ? O_WRONLY | O_CREAT | O_TRUNC | O_APPEND
                                                          : O_WRONLY | O_CREAT | O_APPEND;
        *out = open(target, flags, 0666);
        done = *out >= 0;
        if (!done)
            say("%s: %s", target, strerror(errno));
    }
    free(target);
    return done;
}

bool streams_redirect(const struct redirection *redirections, struct saved_streams *saved) {
    *saved = streams_unchanged;
    for (; redirections != NULL; redirections = redirections->next) {
        int fd;
        bool is_done = redirections->fd < FD_COUNT;
        if (!is_done)
            say("%u: only descriptors 0 to 2 can be redirected", redirections->fd);
        if (!is_done || !open_target(redirections, &fd) ||
            !streams_replace(redirections->fd, fd, saved)) {
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
