// Runs a program on tmpfs: with two directories there that hold what tests/system/files_test.py
// makes on the host, as far as a program can make it.
//
//   mounted [--empty] PROGRAM [ARG...]
//
// With --empty the two directories have nothing in them.
// Descriptor 3 is a directory with PROGRAM.wasm and tmpfs.wasm. The program has /data and /other;
// `mounted` ends with its exit status.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#include "user/sdk/start.h"

static void require(bool is_fine, const char *what) {
    if (is_fine)
        return;
    perror(what);
    exit(1);
}

static kwast_handle run(struct start *start) {
    char path[64];
    kwast_handle child;
    snprintf(path, sizeof path, "/bin/%s.wasm", start->name);
    errno = (int)start_run(start, path, &child);
    require(errno == 0, path);
    start_fini(start);
    return child;
}

static kwast_handle start_tmpfs(void) {
    kwast_handle server;
    kwast_handle root;
    struct start start;
    require(kwast_scheme_create("tmp", 3, &server) == 0, "scheme");
    require(kwast_scheme_root(server, KWAST_KIND_DIRECTORY, &root) == 0, "root");
    start_init(&start, "tmpfs");
    start_argument(&start, "tmpfs");
    start_argument(&start, "3");
    start_argument(&start, "64M");
    start_handle(&start, 2, 2);
    start_handle_with(&start, server, 3, KWAST_RIGHT_SERVE);
    close((int)run(&start));
    close((int)server);
    return root;
}

static void write_file(int directory, const char *path, const char *text) {
    int fd = openat(directory, path, O_CREAT | O_WRONLY | O_EXCL, 0666);
    require(fd >= 0, path);
    require(write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
    close(fd);
}

static void prepare(int root) {
    static const char *const directories[] = {
        "root", "root/dir", "root/empty", "root/deep", "other", "outside", "outside/sub",
    };
    static const struct {
        const char *name;
        const char *text;
    } files[] =
        {
            {"secret", "secret"},        {"outside/f", "outside"}, {"root/file", "0123456789"},
            {"root/dir/inner", "inner"}, {"root/unreadable", "x"},
        },
      links[] = {
          {"root/link", "file"},          {"root/dirlink", "dir"},
          {"root/dangling", "created"},   {"root/out", "../secret"},
          {"root/outdir", "../outside"},  {"root/up", ".."},
          {"root/loop", "loop"},          {"root/deep/up", "../../secret"},
          {"root/inside", "dir/../file"},
      };
    for (u32 i = 0; i < COUNT_OF(directories); i++)
        require(mkdirat(root, directories[i], 0777) == 0, directories[i]);
    for (u32 i = 0; i < COUNT_OF(files); i++)
        write_file(root, files[i].name, files[i].text);
    for (u32 i = 0; i < COUNT_OF(links); i++)
        require(symlinkat(links[i].text, root, links[i].name) == 0, links[i].name);
}

// With all rights, of which openat would leave some out.
static kwast_handle open_directory(int root, const char *name) {
    const __wasi_rights_t all = (1u << 28) - 1;
    __wasi_fd_t opened;
    errno = __wasi_path_open((__wasi_fd_t)root, 0, name, __WASI_OFLAGS_DIRECTORY,
                             all & ~(__wasi_rights_t)__WASI_RIGHTS_FD_WRITE, all, 0, &opened);
    require(errno == 0, name);
    return (kwast_handle)opened;
}

int main(int argc, char **argv) {
    struct kwast_status status;
    bool is_empty = argc > 1 && strcmp(argv[1], "--empty") == 0;
    argc -= is_empty;
    argv += is_empty;
    if (argc < 2) {
        fprintf(stderr, "usage: mounted [--empty] PROGRAM [ARG...]\n");
        return 2;
    }
    int root = (int)start_tmpfs();
    if (is_empty) {
        require(mkdirat(root, "root", 0777) == 0, "root");
        require(mkdirat(root, "other", 0777) == 0, "other");
    } else {
        prepare(root);
    }
    kwast_handle data = open_directory(root, "root");
    kwast_handle other = open_directory(root, "other");
    struct start start;
    start_init(&start, argv[1]);
    for (u32 stream = 0; stream < 3; stream++)
        start_handle(&start, stream, stream);
    start_directory(&start, data, "/data");
    start_directory(&start, other, "/other");
    for (int i = 1; i < argc; i++)
        start_argument(&start, argv[i]);
    kwast_handle child = run(&start);
    require(kwast_process_wait(child, -1, &status) == 0, "wait");
    return status.outcome == KWAST_EXITED ? (int)status.status : 1;
}
