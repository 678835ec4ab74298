// Runs a program on tmpfs: with two directories there that hold what tests/system/files_test.py
// makes on the host, as far as a program can make it.
//
//   mounted [--empty | --beside | --at FOLDER] PROGRAM [ARG...]
//
// /bin is a directory with PROGRAM.wasm and tmpfs.wasm. TMPFS_BYTES=64M in the environment says how
// large it is. The program has /data and /other; `mounted`
// ends with its exit status.
//
// With --empty the two directories have nothing in them; with --beside likewise, and the program
// has those of `mounted` besides. With --at there is no tmpfs: /data is FOLDER/root, /other is
// FOLDER/other, which somebody has prepared, and the program is in FOLDER/bin.

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

static const char *bin = "/bin";

static kwast_handle run(struct start *start) {
    char path[256];
    kwast_handle child;
    snprintf(path, sizeof path, "%s/%s.wasm", bin, start->name);
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
    const char *bytes = getenv("TMPFS_BYTES");
    start_argument(&start, bytes == NULL ? "256M" : bytes);
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

// The program's directories.
static void give_pair(struct start *start, int folder) {
    start_directory(start, open_directory(folder, "root"), "/data");
    start_directory(start, open_directory(folder, "other"), "/other");
}

static void give_tmpfs(struct start *start, bool is_empty) {
    int root = (int)start_tmpfs();
    if (is_empty) {
        require(mkdirat(root, "root", 0777) == 0, "root");
        require(mkdirat(root, "other", 0777) == 0, "other");
    } else {
        prepare(root);
    }
    give_pair(start, root);
}

static void give_folder(struct start *start, const char *folder) {
    static char folder_bin[200];
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    require(fd >= 0, folder);
    snprintf(folder_bin, sizeof folder_bin, "%s/bin", folder);
    bin = folder_bin;
    give_pair(start, fd);
}

int main(int argc, char **argv) {
    struct kwast_status status;
    bool is_empty = argc > 1 && strcmp(argv[1], "--empty") == 0;
    bool is_beside = argc > 1 && strcmp(argv[1], "--beside") == 0;
    bool is_at = argc > 2 && strcmp(argv[1], "--at") == 0;
    int first = is_at ? 3 : is_empty || is_beside ? 2 : 1;
    if (argc <= first) {
        fprintf(stderr, "usage: mounted [--empty | --beside | --at FOLDER] PROGRAM [ARG...]\n");
        return 2;
    }
    struct start start;
    start_init(&start, argv[first]);
    for (u32 stream = 0; stream < 3; stream++)
        start_handle(&start, stream, stream);
    if (is_at)
        give_folder(&start, argv[2]);
    else
        give_tmpfs(&start, is_empty || is_beside);
    if (is_beside)
        start_our_directories(&start);
    for (int i = first; i < argc; i++)
        start_argument(&start, argv[i]);
    kwast_handle child = run(&start);
    require(kwast_process_wait(child, -1, &status) == 0, "wait");
    return status.outcome == KWAST_EXITED ? (int)status.status : 1;
}
