// Runs a program on tmpfs: with two directories there that hold what tests/system/files_test.py
// makes on the host, as far as a program can make it.
//
//   mounted PROGRAM [ARG...]
//
// Descriptor 3 is a directory with PROGRAM.wasm and tmpfs.wasm. The program has /data and /other;
// `mounted` ends with its exit status.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/sdk/kwast.h"

static void require(bool is_fine, const char *what) {
    if (is_fine)
        return;
    perror(what);
    exit(1);
}

static kwast_handle start(const char *name, int argc, char **argv, const struct kwast_given *given,
                          u32 given_count) {
    char path[64];
    snprintf(path, sizeof path, "/bin/%s.wasm", name);
    int module = open(path, O_RDONLY);
    require(module >= 0, path);
    struct kwast_start config = {
        .module = (u32)module,
        .name = name,
        .given = given,
        .given_count = given_count,
    };
    kwast_handle child;
    errno = (int)kwast_start(&config, argc, argv, &child);
    require(errno == 0, name);
    close(module);
    return child;
}

static kwast_handle start_tmpfs(void) {
    kwast_handle server;
    kwast_handle root;
    char *args[] = {"tmpfs", "3", "64M"};
    require(kwast_scheme_create("tmp", 3, &server) == 0, "scheme");
    require(kwast_scheme_root(server, KWAST_KIND_DIRECTORY, &root) == 0, "root");
    const struct kwast_given given[] = {
        kwast_give(2, 2, NULL),
        {.handle = server, .number = 3, .rights = KWAST_RIGHT_SERVE},
    };
    close((int)start("tmpfs", COUNT_OF(args), args, given, COUNT_OF(given)));
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

int main(int argc, char **argv) {
    struct kwast_status status;
    if (argc < 2) {
        fprintf(stderr, "usage: mounted PROGRAM [ARG...]\n");
        return 2;
    }
    int root = (int)start_tmpfs();
    prepare(root);
    int data = openat(root, "root", O_RDONLY | O_DIRECTORY);
    int other = openat(root, "other", O_RDONLY | O_DIRECTORY);
    require(data >= 0 && other >= 0, "open");
    const struct kwast_given given[] = {
        kwast_give(0, 0, NULL),
        kwast_give(1, 1, NULL),
        kwast_give(2, 2, NULL),
        kwast_give((u32)data, 3, "/data"),
        kwast_give((u32)other, 4, "/other"),
    };
    kwast_handle child = start(argv[1], argc - 1, argv + 1, given, COUNT_OF(given));
    require(kwast_process_wait(child, -1, &status) == 0, "wait");
    return status.outcome == KWAST_EXITED ? (int)status.status : 1;
}
