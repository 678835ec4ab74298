// Does one of each thing that makes the kernel allocate: a scheme, a process that serves it, calls
// with handles and bytes and memory that is mapped, a channel that is opened and closed, a file, a
// directory, a notification, memory, a poll. Whatever fails ends it with an error number, and
// nothing of it may stay behind.
//
//   once           with itself as /bin/once.wasm; the status is the error number, or 0
//   once server    serves the scheme at descriptor 3

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/sdk/start.h"

#define OP_OPEN KWAST_FIRST_OPERATION
#define PAGE    KWAST_PAGE_BYTES
#define BOTH    (KWAST_READ | KWAST_WRITE)

static _Alignas(PAGE) u8 pages[2 * PAGE];

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)bytes;
    for (u32 i = 0; i < request->handle_count; i++)
        close((int)request->handles[i]);
    if (request->operation == OP_OPEN)
        reply->answer =
            kwast_grant_map(*(kwast_handle *)context, request->number, 0, 0, pages, PAGE, BOTH);
    if (reply->answer == 0 && request->operation == OP_OPEN)
        reply->answer =
            kwast_scheme_channel(*(kwast_handle *)context, 1, KWAST_KIND_FILE, &reply->handle);
    return true;
}

static kwast_handle child = KWAST_NO_HANDLE;

static void need(u32 error) {
    if (error == 0)
        return;
    if (child != KWAST_NO_HANDLE)
        kwast_process_kill(child); // it would serve for ever
    exit((int)error);
}

static void need_errno(bool is_fine) {
    need(is_fine ? 0 : (u32)errno);
}

static void call_once(kwast_handle root) {
    kwast_handle out = 1;
    struct kwast_grant grant = {(u32)pages, PAGE, BOTH};
    struct kwast_call call = {
        .operation = OP_OPEN,
        .grants = (u32)&grant,
        .grant_count = 1,
        .bytes = (u32) "path",
        .bytes_len = 4,
        .handles = (u32)&out,
        .handle_count = 1,
    };
    need(kwast_scheme_call(root, &call, -1));
    need(call.answer);
    need_errno(close((int)call.handle) == 0);
}

static void use_files(void) {
    DIR *directory = opendir("/bin");
    need_errno(directory != NULL);
    while (readdir(directory) != NULL)
        ;
    need_errno(closedir(directory) == 0);
    char text[4];
    int file = open("/bin/once.wasm", O_RDONLY);
    need_errno(file >= 0 && read(file, text, sizeof text) == 4 && close(file) == 0);
}

static void use_memory(void) {
    kwast_handle memory;
    pages[PAGE] = 1; // has to make room
    need(kwast_memory_create(2 * PAGE, &memory));
    need(kwast_memory_map(memory, 0, pages, 2 * PAGE, BOTH));
    pages[0] = pages[PAGE];
    need(kwast_memory_unmap(pages));
    need_errno(close((int)memory) == 0);
}

int main(int argc, char **argv) {
    kwast_handle server = 3, root, notification;
    if (argc == 2)
        return (int)kwast_serve(server, serve, &server);
    need(kwast_scheme_create("once", 4, &server));
    need(kwast_scheme_root(server, KWAST_KIND_PLAIN, &root));
    struct start start;
    start_init(&start, "server");
    start_argument(&start, argv[0]);
    start_argument(&start, "server");
    start_handle(&start, 1, 1);
    start_handle(&start, server, 3);
    need(start_run(&start, "/bin/once.wasm", &child));
    start_fini(&start);
    need_errno(close((int)server) == 0); // only the child serves
    call_once(root);
    use_files();
    use_memory();
    need(kwast_notification_create(&notification));
    need(kwast_notification_signal(notification, 1));
    struct pollfd event = {.fd = (int)notification, .events = POLLRDNORM};
    need_errno(poll(&event, 1, -1) == 1);
    need(kwast_process_kill(child));
    struct kwast_status status;
    need(kwast_process_wait(child, -1, &status));
    puts("all of it");
    return 0;
}
