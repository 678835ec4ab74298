// A worked example of a service: a directory in which every file that is opened has its own name as
// its contents, and in which there are as many files as one likes. `ls` shows three of them.
//
//   example PROGRAM [ARG...]
//
// serves it to a program that sees it as /names, and ends with the program's exit status. PROGRAM
// is the path of a module. Descriptor 3 is a directory that has it.
//
// It shows what there is to a service: a scheme, its root given to somebody as a directory, and a
// function that answers one message of the file protocol (abi/kwast/file.h) after the other.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "base/status.h"
#include "user/sdk/start.h"

#define OPEN_MAX_FILES 64

// What has been opened, by the value of its channel; 0 is the root.
static char names[OPEN_MAX_FILES][64];

static const char *const listed[] = {"alpha", "beta", "gamma"};

static void put(kwast_handle server, const struct kwast_request *request, struct kwast_reply *reply,
                const void *from, usize len) {
    if (len > request->grants[0].len)
        len = request->grants[0].len;
    if (kwast_grant_write(server, request->number, 0, 0, from, len) != 0)
        reply->answer = ERR_IO;
    reply->words[2] = len;
}

// A path is a name here, or ".", or nothing, which is the channel itself.
static u32 check_path(const char *path, usize len) {
    if (len == 2 && memcmp(path, "..", 2) == 0)
        return ERR_ESCAPES;
    if (len >= sizeof names[0])
        return ERR_NAME_TOO_LONG;
    if (len > 3 && memcmp(path, "../", 3) == 0)
        return ERR_ESCAPES;
    return memchr(path, '/', len) != NULL ? ERR_NOT_FOUND : OK;
}

static bool is_root(const struct kwast_request *request, const char *path) {
    bool is_itself = request->bytes_len == 0 || (request->bytes_len == 1 && path[0] == '.');
    return request->value == 0 && is_itself;
}

static void answer_open(kwast_handle server, const struct kwast_request *request, const char *path,
                        struct kwast_reply *reply) {
    if (is_root(request, path)) {
        reply->answer = kwast_scheme_root(server, KWAST_KIND_DIRECTORY, &reply->handle);
        return;
    }
    u32 value = 1;
    while (value < OPEN_MAX_FILES && names[value][0] != 0)
        value++;
    if (value == OPEN_MAX_FILES) {
        reply->answer = ERR_LIMIT;
        return;
    }
    memcpy(names[value], path, request->bytes_len);
    reply->answer = kwast_scheme_channel(server, value, KWAST_KIND_FILE, &reply->handle);
}

static void answer_stat(kwast_handle server, const struct kwast_request *request, const char *path,
                        struct kwast_reply *reply) {
    bool is_directory = is_root(request, path);
    usize size = request->bytes_len != 0 ? request->bytes_len : strlen(names[request->value]);
    const struct file_stat stat = {
        .inode = request->value + 1,
        .link_count = 1,
        .size = is_directory ? 0 : size,
        .type = is_directory ? FILE_TYPE_DIRECTORY : FILE_TYPE_FILE,
    };
    put(server, request, reply, &stat, sizeof stat);
}

static void answer_read(kwast_handle server, const struct kwast_request *request,
                        struct kwast_reply *reply) {
    const char *text = names[request->value];
    u64 at = request->words[0] < strlen(text) ? request->words[0] : strlen(text);
    put(server, request, reply, text + at, strlen(text) - at);
}

static void answer_list(kwast_handle server, const struct kwast_request *request,
                        struct kwast_reply *reply) {
    u8 data[256];
    usize len = 0;
    for (u64 i = request->words[0]; i < COUNT_OF(listed); i++) {
        struct file_entry entry = {
            .next_cookie = i + 1,
            .inode = 100 + i,
            .name_len = (u16)strlen(listed[i]),
            .type = FILE_TYPE_FILE,
        };
        memcpy(data + len, &entry, sizeof entry);
        memcpy(data + len + sizeof entry, listed[i], entry.name_len);
        len += sizeof entry + entry.name_len;
    }
    put(server, request, reply, data, len);
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    kwast_handle server = *(kwast_handle *)context;
    reply->answer = check_path(bytes, request->bytes_len);
    if (reply->answer != OK)
        return true;
    switch (request->operation) {
    case KWAST_CLOSED:
        memset(names[request->value], 0, sizeof names[0]);
        return false;
    case KWAST_FILE_OPERATION + FILE_OPEN:
        answer_open(server, request, bytes, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_STAT:
        answer_stat(server, request, bytes, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_READ:
        answer_read(server, request, reply);
        return true;
    case KWAST_FILE_OPERATION + FILE_LIST:
        answer_list(server, request, reply);
        return true;
    default:
        reply->answer = ERR_READ_ONLY;
        return true;
    }
}

// Starts the program with our standard streams and the scheme's root as /names.
static kwast_handle start_client(int argc, char **argv, kwast_handle root) {
    struct start start;
    kwast_handle child;
    start_init(&start, "client");
    for (u32 stream = 0; stream < 3; stream++)
        start_handle(&start, stream, stream);
    start_directory(&start, root, "/names");
    for (int i = 0; i < argc; i++)
        start_argument(&start, argv[i]);
    u32 error = start_run(&start, argv[0], &child);
    if (error != 0) {
        fprintf(stderr, "example: %s: %s %s\n", argv[0], strerror((int)error), start.reason);
        exit(1);
    }
    start_fini(&start);
    return child;
}

// Serves what has come; then it is time to wait again.
static void serve_all(kwast_handle server) {
    struct kwast_request request;
    char bytes[KWAST_BYTES_MAX];
    while (kwast_scheme_receive(server, &request, bytes, sizeof bytes, 0) == 0) {
        struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        if (serve(&server, &request, bytes, &reply) && request.number != 0)
            kwast_scheme_reply(server, &reply);
    }
}

int main(int argc, char **argv) {
    kwast_handle server, root;
    if (argc < 2) {
        fprintf(stderr, "usage: example PROGRAM [ARG...]\n");
        return 2;
    }
    if (kwast_scheme_create("names", 5, &server) != 0 ||
        kwast_scheme_root(server, KWAST_KIND_DIRECTORY, &root) != 0)
        return 1;
    kwast_handle child = start_client(argc - 1, argv + 1, root);
    struct kwast_status status;
    struct pollfd events[] = {{.fd = (int)server, .events = POLLRDNORM},
                              {.fd = (int)child, .events = POLLRDNORM}};
    while (kwast_process_wait(child, 0, &status) != 0) {
        poll(events, COUNT_OF(events), -1);
        serve_all(server);
    }
    return status.outcome == KWAST_EXITED ? (int)status.status : 1;
}
