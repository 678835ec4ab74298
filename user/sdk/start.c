// Starting programs: arguments, environment and handles are collected, and go to the kernel in one
// call.

#include "user/sdk/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wasi/libc.h>

#include "abi/kwast/pipe.h"
#include "user/sdk/mounts.h"

#define FIRST_DIRECTORY 3u

void start_init(struct start *start, const char *name) {
    *start = (struct start){.name = name, .next_number = FIRST_DIRECTORY, .here = -1};
}

static void text_free(struct start_text *text) {
    free(text->data);
    *text = (struct start_text){0};
}

void start_fini(struct start *start) {
    text_free(&start->args);
    text_free(&start->env);
    if (start->here >= 0)
        close(start->here);
}

// What went wrong first is what start_run tells.
static void fail(struct start *start, u32 error) {
    if (start->error == 0)
        start->error = error;
}

// Appends the string with its zero byte.
static void add_text(struct start *start, struct start_text *text, const char *more) {
    usize len = strlen(more) + 1;
    if (len > KWAST_STRINGS_MAX - text->len) {
        fail(start, __WASI_ERRNO_2BIG);
        return;
    }
    if (len > text->size - text->len) {
        u32 size = 2 * (text->size + (u32)len);
        char *data = realloc(text->data, size);
        if (data == NULL) {
            fail(start, __WASI_ERRNO_NOMEM);
            return;
        }
        text->data = data;
        text->size = size;
    }
    memcpy(text->data + text->len, more, len);
    text->len += (u32)len;
}

void start_argument(struct start *start, const char *text) {
    add_text(start, &start->args, text);
}

void start_variable(struct start *start, const char *text) {
    add_text(start, &start->env, text);
}

static void add_given(struct start *start, struct kwast_given given) {
    if (start->given_count == KWAST_GIVEN_MAX)
        fail(start, __WASI_ERRNO_MFILE);
    else
        start->given[start->given_count++] = given;
}

void start_handle(struct start *start, kwast_handle handle, u32 number) {
    add_given(start, kwast_give(handle, number, NULL));
}

void start_handle_with(struct start *start, kwast_handle handle, u32 number, u64 rights) {
    add_given(start, (struct kwast_given){.handle = handle, .number = number, .rights = rights});
}

void start_stream(struct start *start, kwast_handle handle, u32 number) {
    struct kwast_given given = kwast_give(handle, number, NULL);
    if (number >= FIRST_DIRECTORY) {
        given.name_len = KWAST_BY_NUMBER;
        start->streams |= 1ull << number;
    }
    add_given(start, given);
}

void start_our_streams(struct start *start) {
    __wasi_fdstat_t stat;
    usize len;
    for (u32 fd = 0; fd < KWAST_GIVEN_MAX; fd++) {
        bool is_ours = fd < FIRST_DIRECTORY ? __wasi_fd_fdstat_get((int)fd, &stat) == 0
                                            : kwast_given_as((int)fd, &len) == KWAST_AS_STREAM;
        if (is_ours)
            start_stream(start, fd, fd);
    }
}

// The next number that no stream has.
static u32 take_number(struct start *start) {
    while (start->next_number < KWAST_GIVEN_MAX && (start->streams >> start->next_number & 1) != 0)
        start->next_number++;
    return start->next_number++;
}

void start_directory(struct start *start, kwast_handle handle, const char *name) {
    add_given(start, kwast_give(handle, take_number(start), name));
}

void start_directory_to_read(struct start *start, kwast_handle handle, const char *name) {
    struct kwast_given given = kwast_give(handle, take_number(start), name);
    given.inheriting &= ~__WASI_RIGHTS_FD_WRITE;
    add_given(start, given);
}

// The name of a directory that we were given; NULL: there is none at that number, or no memory.
static char *directory_name(struct start *start, u32 fd) {
    usize len;
    if (kwast_given_as((int)fd, &len) != KWAST_AS_DIRECTORY)
        return NULL;
    char *name = calloc(1, len + 1);
    if (name != NULL && __wasi_fd_prestat_dir_name((int)fd, (u8 *)name, len) == 0)
        return name;
    free(name);
    fail(start, __WASI_ERRNO_NOMEM);
    return NULL;
}

void start_our_directories(struct start *start) {
    static char *names[KWAST_GIVEN_MAX]; // what we were given does not change
    static bool are_known;
    for (u32 fd = FIRST_DIRECTORY; fd < KWAST_GIVEN_MAX && !are_known; fd++)
        names[fd] = directory_name(start, fd);
    are_known = start->error == 0;
    for (u32 fd = FIRST_DIRECTORY; fd < KWAST_GIVEN_MAX; fd++) {
        if (names[fd] != NULL && strcmp(names[fd], ".") != 0)
            start_directory(start, fd, names[fd]);
    }
}

void start_here(struct start *start) {
    start->here = open(".", O_RDONLY | O_DIRECTORY);
    if (start->here >= 0)
        start_directory(start, (kwast_handle)start->here, ".");
}

// -- Channels -------------------------------------------------------------------------------------

u32 start_channel(struct start *start, kwast_handle handle) {
    u32 number = take_number(start);
    start_handle(start, handle, number);
    return number;
}

void start_give_pipes(struct start *start, kwast_handle pipes) {
    char text[40];
    if (pipes == KWAST_NO_HANDLE)
        return;
    snprintf(text, sizeof text, START_PIPES "=%u", start_channel(start, pipes));
    start_variable(start, text);
}

kwast_handle start_pipes(void) {
    const char *text = getenv(START_PIPES);
    return text == NULL ? KWAST_NO_HANDLE : (kwast_handle)atoi(text);
}

u32 start_pipe(kwast_handle pipes, kwast_handle *reader, kwast_handle *writer) {
    struct kwast_call create = {.operation = PIPE_CREATE};
    struct kwast_call other_end = {.operation = PIPE_WRITER};
    if (pipes == KWAST_NO_HANDLE)
        return __WASI_ERRNO_NOTSUP;
    u32 error = kwast_scheme_call(pipes, &create, -1);
    if (error != 0 || create.answer != 0)
        return error != 0 ? error : __WASI_ERRNO_MFILE;
    error = kwast_scheme_call(create.handle, &other_end, -1);
    if (error != 0 || other_end.answer != 0) {
        close((int)create.handle);
        return error != 0 ? error : __WASI_ERRNO_MFILE;
    }
    *reader = create.handle;
    *writer = other_end.handle;
    return 0;
}

// -- Where we are ---------------------------------------------------------------------------------

void start_where_told(void) {
    usize len;
    char name[1];
    const char *here = getenv("PWD");
    for (int fd = FIRST_DIRECTORY; fd < (int)KWAST_GIVEN_MAX; fd++) {
        bool is_root = kwast_given_as(fd, &len) == KWAST_AS_DIRECTORY && len == 1 &&
                       __wasi_fd_prestat_dir_name(fd, (u8 *)name, 1) == 0 && name[0] == '/';
        if (is_root)
            __wasilibc_register_preopened_fd(fd, "/"); // the latest of equal names counts
    }
    mounts_join();
    if (here != NULL && chdir(here) != 0)
        return; // it has gone: then it is "/"
}

u32 start_run_module(struct start *start, kwast_handle module, kwast_handle *child) {
    if (start->error != 0)
        return start->error;
    start->reason[0] = 0;
    struct kwast_spawn spawn = start->limits;
    spawn.module = module;
    spawn.name = (u32)(uptr)start->name;
    spawn.name_len = (u32)strlen(start->name);
    if (spawn.name_len > KWAST_SPAWN_NAME)
        spawn.name_len = KWAST_SPAWN_NAME;
    spawn.args = (u32)(uptr)start->args.data;
    spawn.args_len = start->args.len;
    spawn.env = (u32)(uptr)start->env.data;
    spawn.env_len = start->env.len;
    spawn.given = (u32)(uptr)start->given;
    spawn.given_count = start->given_count;
    spawn.reason = (u32)(uptr)start->reason;
    spawn.reason_len = sizeof start->reason;
    return kwast_process_spawn(&spawn, child);
}

u32 start_run(struct start *start, const char *path, kwast_handle *child) {
    int module = open(path, O_RDONLY);
    if (module < 0)
        return (u32)errno;
    u32 error = start_run_module(start, (kwast_handle)module, child);
    close(module);
    return error;
}
