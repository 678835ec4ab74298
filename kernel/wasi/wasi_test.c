// WASI preview 1, called as a program's thunk calls it: what each call does, every reason to
// refuse, and that a refused call changes nothing. On the fake machine, without an engine.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/ipc/archive.h"
#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi_test.h"

// -- Arguments ----------------------------------------------------------------------------------

static void args_body(void) {
    EXPECT(CALL(args_sizes_get, 0, 8), WASI_ESUCCESS);
    CHECK(fake_peek_u32(0) == 2);
    CHECK(fake_peek_u32(8) == 9);
    EXPECT(CALL(args_get, 100, 200), WASI_ESUCCESS);
    CHECK(fake_peek_u32(100) == 200);
    CHECK(fake_peek_u32(104) == 205);
    CHECK(fake_memory_is(200, "prog"));
    CHECK(fake_memory_is(205, "x y"));
    EXPECT(CALL(environ_sizes_get, 0, 8), WASI_ESUCCESS);
    CHECK(fake_peek_u32(0) == 0);
    CHECK(fake_peek_u32(8) == 0);
    EXPECT(CALL(environ_get, 100, 200), WASI_ESUCCESS);
    EXPECT(CALL(args_sizes_get, BAD, 8), WASI_EFAULT);
    EXPECT(CALL(args_sizes_get, 8, BAD), WASI_EFAULT);
    EXPECT(CALL(args_get, FAKE_MEMORY_BYTES - 7, 200), WASI_EFAULT); // one byte too few
    EXPECT(CALL(args_get, FAKE_MEMORY_BYTES - 8, 200), WASI_ESUCCESS);
    EXPECT(CALL(args_get, 100, FAKE_MEMORY_BYTES - 8), WASI_EFAULT);
}

static void arguments_are_laid_out(void **) {
    fake_process_run(args_body);
}

// -- Reading and writing ------------------------------------------------------------------------

static void read_body(void) {
    u32 fd = open_file("file");
    poke_iovec(0, AT_DATA, 3);
    poke_iovec(1, AT_MORE, 0);
    poke_iovec(2, AT_MORE, 4);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 3, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 7);
    CHECK(fake_memory_is(AT_DATA, "012"));
    CHECK(fake_memory_is(AT_MORE, "3456"));
    EXPECT(CALL(fd_tell, fd, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u64(AT_OUT) == 7);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 3, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 3);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 3, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 0);
    EXPECT(CALL(fd_pread, fd, AT_IOVECS, 1, 5, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 3);
    CHECK(fake_memory_is(AT_DATA, "567"));
    EXPECT(CALL(fd_pread, fd, AT_IOVECS, 1, 1000, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 0);
    EXPECT(CALL(fd_pread, fd, AT_IOVECS, 1, UINT64_MAX, AT_OUT), WASI_EINVAL);
    EXPECT(CALL(fd_tell, fd, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u64(AT_OUT) == 10); // pread leaves it alone
    EXPECT(CALL(fd_write, fd, AT_IOVECS, 1, AT_OUT), WASI_ENOTCAPABLE);
    EXPECT(CALL(fd_pwrite, fd, AT_IOVECS, 1, 0, AT_OUT), WASI_ENOTCAPABLE);
    EXPECT(CALL(fd_read, FAKE_DIR_FD, AT_IOVECS, 1, AT_OUT), WASI_EISDIR);
    EXPECT(CALL(fd_read, 1, AT_IOVECS, 1, AT_OUT), WASI_ENOTCAPABLE);
    EXPECT(CALL(fd_pread, 0, AT_IOVECS, 1, 0, AT_OUT), WASI_ESPIPE);
    EXPECT(CALL(fd_read, 99, AT_IOVECS, 1, AT_OUT), WASI_EBADF);
    EXPECT(CALL(fd_read, UINT32_MAX, AT_IOVECS, 1, AT_OUT), WASI_EBADF);
}

static void files_are_read(void **) {
    fake_process_run(read_body);
}

static void stream_body(void) {
    memcpy(fake_stream.text, "hello", 5);
    fake_stream.len = 5;
    poke_iovec(0, AT_DATA, 100);
    EXPECT(CALL(fd_read, 0, AT_IOVECS, 1, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 5);
    fake_poke(AT_DATA, "abcdef", 6);
    poke_iovec(0, AT_DATA, 2);
    poke_iovec(1, AT_DATA + 4, 2);
    EXPECT(CALL(fd_write, 1, AT_IOVECS, 2, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 4);
    CHECK(fake_stream.len == 4 && memcmp(fake_stream.text, "abef", 4) == 0);
    poke_iovec(0, AT_DATA, 1000); // more than the stream takes: the rest is the program's
    EXPECT(CALL(fd_write, 1, AT_IOVECS, 1, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == sizeof fake_stream.text - 4);
    fake_stream.status = ERR_CLOSED;
    EXPECT(CALL(fd_write, 1, AT_IOVECS, 1, AT_OUT), WASI_EPIPE);
    fake_stream.status = OK;

    EXPECT(CALL(fd_fdstat_set_flags, 0, WASI_FDFLAG_NONBLOCK), WASI_ESUCCESS);
    fake_stream.is_ready = false;
    EXPECT(CALL(fd_read, 0, AT_IOVECS, 1, AT_OUT), WASI_EAGAIN);
    EXPECT(CALL(fd_fdstat_set_flags, 0, 32), WASI_EINVAL);
    EXPECT(CALL(fd_write, 0, AT_IOVECS, 1, AT_OUT), WASI_ENOTCAPABLE);
    EXPECT(CALL(fd_seek, 0, 0, WASI_WHENCE_SET, AT_OUT), WASI_ESPIPE);
    EXPECT(CALL(fd_tell, 0, AT_OUT), WASI_ESPIPE);
    EXPECT(CALL(sock_send, 1, AT_IOVECS, 1, 0, AT_OUT), WASI_ENOTSOCK);
    EXPECT(CALL(sock_recv, 1, AT_IOVECS, 1, 0, AT_OUT, AT_OUT), WASI_ENOTSOCK);
    EXPECT(CALL(sock_shutdown, 1, 1), WASI_ENOTSOCK);
    EXPECT(CALL(sock_accept, 50, 0, AT_OUT), WASI_EBADF);
}

static void streams_are_read_and_written(void **) {
    fake_process_run(stream_body);
}

static void bad_buffers_body(void) {
    u32 fd = open_file("file");
    EXPECT(CALL(fd_read, fd, BAD, 1, AT_OUT), WASI_EFAULT);
    EXPECT(CALL(fd_read, fd, FAKE_MEMORY_BYTES - 7, 1, AT_OUT), WASI_EFAULT);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, WASI_IOV_MAX + 1, AT_OUT), WASI_EINVAL);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, UINT32_MAX, AT_OUT), WASI_EINVAL);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 0, AT_OUT), WASI_ESUCCESS);
    EXPECT(CALL(fd_read, fd, BAD, 0, AT_OUT), WASI_ESUCCESS);
    poke_iovec(0, AT_DATA, 3);
    poke_iovec(1, FAKE_MEMORY_BYTES - 1, 2);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 2, AT_OUT), WASI_EFAULT);
    poke_iovec(1, UINT32_MAX, UINT32_MAX);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 2, AT_OUT), WASI_EFAULT);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 1, FAKE_MEMORY_BYTES - 3), WASI_EFAULT);
    EXPECT(CALL(fd_pread, fd, AT_IOVECS, 1, 0, BAD), WASI_EFAULT);
    EXPECT(CALL(fd_write, 1, AT_IOVECS, 1, BAD), WASI_EFAULT);
    CHECK(fake_stream.len == 0); // nothing went out
    EXPECT(CALL(fd_tell, fd, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u64(AT_OUT) == 0); // and nothing was read
    // 1024 buffers of the whole memory are 64 MiB: fine, and the file ends first.
    for (u32 i = 0; i < WASI_IOV_MAX; i++)
        fake_poke(32768 + i * 8, &(struct wasi_iovec){0, 32768}, 8);
    EXPECT(CALL(fd_read, fd, 32768, WASI_IOV_MAX, 60000), WASI_ESUCCESS);
    CHECK(fake_peek_u32(60000) == 10);
}

static void bad_buffers_change_nothing(void **) {
    fake_process_run(bad_buffers_body);
}

static void seek_body(void) {
    static const struct {
        i64 delta;
        u32 whence;
        enum wasi_errno error;
        u64 position;
    } cases[] = {
        {4, WASI_WHENCE_SET, WASI_ESUCCESS, 4},
        {3, WASI_WHENCE_CUR, WASI_ESUCCESS, 7},
        {-7, WASI_WHENCE_CUR, WASI_ESUCCESS, 0},
        {-1, WASI_WHENCE_CUR, WASI_EINVAL, 0},
        {-1, WASI_WHENCE_SET, WASI_EINVAL, 0},
        {-10, WASI_WHENCE_END, WASI_ESUCCESS, 0},
        {-11, WASI_WHENCE_END, WASI_EINVAL, 0},
        {100, WASI_WHENCE_END, WASI_ESUCCESS, 110},
        {INT64_MAX, WASI_WHENCE_CUR, WASI_EINVAL, 110},
        {INT64_MAX, WASI_WHENCE_END, WASI_EINVAL, 110},
        {INT64_MIN, WASI_WHENCE_CUR, WASI_EINVAL, 110},
        {INT64_MAX, WASI_WHENCE_SET, WASI_ESUCCESS, INT64_MAX},
        {1, WASI_WHENCE_CUR, WASI_EINVAL, INT64_MAX},
        {0, 3, WASI_EINVAL, INT64_MAX},
        {0, 256, WASI_EINVAL, INT64_MAX},
    };
    u32 fd = open_file("file");
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        EXPECT(CALL(fd_seek, fd, (u64)cases[i].delta, cases[i].whence, AT_OUT), cases[i].error);
        EXPECT(CALL(fd_tell, fd, AT_OUT), WASI_ESUCCESS);
        CHECK(fake_peek_u64(AT_OUT) == cases[i].position);
    }
    EXPECT(CALL(fd_seek, fd, 0, WASI_WHENCE_SET, BAD), WASI_EFAULT);
    EXPECT(CALL(fd_tell, fd, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u64(AT_OUT) == INT64_MAX);
    poke_iovec(0, AT_DATA, 1);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 1, AT_OUT), WASI_EINVAL); // no file goes on from there
    EXPECT(CALL(fd_seek, FAKE_DIR_FD, 0, WASI_WHENCE_SET, AT_OUT), WASI_ENOTCAPABLE);
}

static void seeking_stays_in_range(void **) {
    fake_process_run(seek_body);
}

// -- Paths --------------------------------------------------------------------------------------

static const struct open_case {
    const char *path;
    u64 oflags;
    u64 rights;
    enum wasi_errno error;
} open_cases[] = {
    {"file", 0, WASI_RIGHT_FD_READ, WASI_ESUCCESS},
    {"link", 0, WASI_RIGHT_FD_READ, WASI_ESUCCESS},
    {"sub", 0, WASI_RIGHT_FD_READDIR, WASI_ESUCCESS},
    {"sub/", WASI_OFLAG_DIRECTORY, WASI_RIGHT_FD_READDIR, WASI_ESUCCESS},
    {"sub/../file", 0, WASI_RIGHT_FD_READ, WASI_ESUCCESS},
    {".", WASI_OFLAG_DIRECTORY, 0, WASI_ESUCCESS},
    {"file", WASI_OFLAG_CREAT, WASI_RIGHT_FD_READ, WASI_ESUCCESS},
    {"", 0, 0, WASI_ENOENT},
    {"gone", 0, 0, WASI_ENOENT},
    {"gone/x", WASI_OFLAG_CREAT, 0, WASI_ENOENT},
    {"dangling", 0, 0, WASI_ENOENT},
    {"file/", 0, 0, WASI_ENOTDIR},
    {"file/x", 0, 0, WASI_ENOTDIR},
    {"file/x", WASI_OFLAG_CREAT, 0, WASI_ENOTDIR},
    {"file", WASI_OFLAG_DIRECTORY, 0, WASI_ENOTDIR},
    {"file", WASI_OFLAG_CREAT | WASI_OFLAG_EXCL, 0, WASI_EEXIST},
    {"dangling", WASI_OFLAG_CREAT | WASI_OFLAG_EXCL, 0, WASI_EEXIST},
    {"sub", WASI_OFLAG_CREAT | WASI_OFLAG_EXCL, 0, WASI_EEXIST},
    {"new", WASI_OFLAG_CREAT, WASI_RIGHT_FD_WRITE, WASI_EROFS},
    {"new", WASI_OFLAG_CREAT | WASI_OFLAG_EXCL, 0, WASI_EROFS},
    {"sub/new", WASI_OFLAG_CREAT, 0, WASI_EROFS},
    {"file", WASI_OFLAG_TRUNC, 0, WASI_EROFS},
    {"file", 0, WASI_RIGHT_FD_WRITE, WASI_EROFS},
    {"sub", 0, WASI_RIGHT_FD_WRITE, WASI_EISDIR},
    {"sub", WASI_OFLAG_TRUNC, 0, WASI_EISDIR},
    {"sub", WASI_OFLAG_CREAT, 0, WASI_EISDIR},
    {"sub", WASI_OFLAG_DIRECTORY, WASI_RIGHT_FD_WRITE, WASI_EISDIR},
    {"sub", WASI_OFLAG_DIRECTORY | WASI_OFLAG_TRUNC, 0, WASI_EISDIR},
    {"..", 0, 0, WASI_ENOTCAPABLE},
    {"../secret", 0, 0, WASI_ENOTCAPABLE},
    {"sub/../../secret", 0, 0, WASI_ENOTCAPABLE},
    {"/dir/file", 0, 0, WASI_ENOTCAPABLE},
    {"out", 0, 0, WASI_ENOTCAPABLE},
    {"out", WASI_OFLAG_CREAT, 0, WASI_ENOTCAPABLE},
    {"\xff", 0, 0, WASI_EILSEQ},
    {"file", 16, 0, WASI_EINVAL},
    {"new", WASI_OFLAG_CREAT | WASI_OFLAG_DIRECTORY, 0, WASI_EINVAL},
};

static void open_body(void) {
    for (u32 i = 0; i < COUNT_OF(open_cases); i++) {
        const struct open_case *c = &open_cases[i];
        u32 before = open_count();
        enum wasi_errno error = open_path(c->path, c->oflags, c->rights);
        if (error != c->error)
            fprintf(stderr, "open \"%s\" %d: %d, not %d\n", c->path, (int)c->oflags, error,
                    c->error);
        CHECK(error == c->error);
        CHECK(open_count() == before + (error == WASI_ESUCCESS));
        if (error == WASI_ESUCCESS)
            EXPECT(CALL(fd_close, fake_peek_u32(AT_OUT)), WASI_ESUCCESS);
    }
    u64 len = poke_path("link");
    EXPECT(CALL(path_open, FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 0, 0, AT_OUT), WASI_ELOOP);
    EXPECT(CALL(path_open, FAKE_DIR_FD, 2, AT_PATH, len, 0, 0, 0, 0, AT_OUT), WASI_EINVAL);
    EXPECT(CALL(path_filestat_get, FAKE_DIR_FD, 2, AT_PATH, len, AT_DATA), WASI_EINVAL);
    EXPECT(CALL(path_filestat_set_times, FAKE_DIR_FD, 2, AT_PATH, len, 0, 0, 0), WASI_EINVAL);
    EXPECT(CALL(path_link, FAKE_DIR_FD, 2, AT_PATH, len, FAKE_DIR_FD, AT_PATH, len), WASI_EINVAL);
    EXPECT(CALL(path_open, FAKE_DIR_FD, 1, AT_PATH, len, 0, 0, 0, 64, AT_OUT), WASI_EINVAL);
    EXPECT(CALL(path_open, FAKE_DIR_FD, 1, AT_PATH, len, 0, 0, 0, 0, BAD), WASI_EFAULT);
    EXPECT(CALL(path_open, FAKE_DIR_FD, 1, BAD, len, 0, 0, 0, 0, AT_OUT), WASI_EFAULT);
    EXPECT(CALL(path_open, FAKE_DIR_FD, 1, AT_PATH, UINT32_MAX, 0, 0, 0, 0, AT_OUT), WASI_EFAULT);
    EXPECT(CALL(path_open, FAKE_DIR_FD, 1, AT_PATH, 5000, 0, 0, 0, 0, AT_OUT), WASI_ENAMETOOLONG);
    EXPECT(CALL(path_open, 0, 1, AT_PATH, len, 0, 0, 0, 0, AT_OUT), WASI_ENOTDIR);
    EXPECT(CALL(path_open, 44, 1, AT_PATH, len, 0, 0, 0, 0, AT_OUT), WASI_EBADF);
    fake_poke(AT_PATH, "file\0", 5);
    EXPECT(CALL(path_open, FAKE_DIR_FD, 1, AT_PATH, 5, 0, 0, 0, 0, AT_OUT), WASI_EINVAL);
    CHECK(open_count() == 4);
}

static void paths_are_opened_or_refused(void **) {
    fake_process_run(open_body);
}

static void changes_body(void) {
    static const struct {
        const char *path;
        enum wasi_errno create_directory;
        enum wasi_errno unlink_file;
        enum wasi_errno remove_directory;
        enum wasi_errno set_times;
        enum wasi_errno symlink;
    } cases[] = {
        {"file", WASI_EEXIST, WASI_EROFS, WASI_ENOTDIR, WASI_EROFS, WASI_EEXIST},
        {"sub", WASI_EEXIST, WASI_EISDIR, WASI_EROFS, WASI_EROFS, WASI_EEXIST},
        {"new", WASI_EROFS, WASI_ENOENT, WASI_ENOENT, WASI_ENOENT, WASI_EROFS},
        {"new/", WASI_EROFS, WASI_ENOENT, WASI_ENOENT, WASI_ENOENT, WASI_EROFS},
        {"gone/new", WASI_ENOENT, WASI_ENOENT, WASI_ENOENT, WASI_ENOENT, WASI_ENOENT},
        {"link", WASI_EEXIST, WASI_EROFS, WASI_ENOTDIR, WASI_EROFS, WASI_EEXIST},
        {"../x", WASI_ENOTCAPABLE, WASI_ENOTCAPABLE, WASI_ENOTCAPABLE, WASI_ENOTCAPABLE,
         WASI_ENOTCAPABLE},
        {"file/x", WASI_ENOTDIR, WASI_ENOTDIR, WASI_ENOTDIR, WASI_ENOTDIR, WASI_ENOTDIR},
    };
    fake_poke(AT_MORE, "/abs", 4);
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u64 len = poke_path(cases[i].path);
        EXPECT(CALL(path_create_directory, FAKE_DIR_FD, AT_PATH, len), cases[i].create_directory);
        EXPECT(CALL(path_unlink_file, FAKE_DIR_FD, AT_PATH, len), cases[i].unlink_file);
        EXPECT(CALL(path_remove_directory, FAKE_DIR_FD, AT_PATH, len), cases[i].remove_directory);
        EXPECT(CALL(path_filestat_set_times, FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 0),
               cases[i].set_times);
        EXPECT(CALL(path_filestat_set_times, FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 3), WASI_EINVAL);
        EXPECT(CALL(path_symlink, AT_MORE + 1, 3, FAKE_DIR_FD, AT_PATH, len), cases[i].symlink);
        EXPECT(CALL(path_symlink, AT_MORE, 4, FAKE_DIR_FD, AT_PATH, len), WASI_ENOTCAPABLE);
    }
    fake_poke(AT_MORE, "new", 3);
    u64 len = poke_path("file");
    EXPECT(CALL(path_rename, FAKE_DIR_FD, AT_PATH, len, FAKE_DIR_FD, AT_MORE, 3), WASI_EROFS);
    EXPECT(CALL(path_rename, FAKE_DIR_FD, AT_MORE, 3, FAKE_DIR_FD, AT_PATH, len), WASI_ENOENT);
    EXPECT(CALL(path_rename, FAKE_DIR_FD, AT_PATH, len, FAKE_DIR_FD, AT_PATH, len), WASI_EROFS);
    EXPECT(CALL(path_link, FAKE_DIR_FD, 0, AT_PATH, len, FAKE_DIR_FD, AT_MORE, 3), WASI_EROFS);
    EXPECT(CALL(path_link, FAKE_DIR_FD, 0, AT_PATH, len, FAKE_DIR_FD, AT_PATH, len), WASI_EEXIST);
    EXPECT(CALL(path_link, FAKE_DIR_FD, 0, AT_PATH, len, 9, AT_MORE, 3), WASI_EBADF);
    len = poke_path("sub");
    EXPECT(CALL(path_link, FAKE_DIR_FD, 0, AT_PATH, len, FAKE_DIR_FD, AT_MORE, 3), WASI_EPERM);
}

static void nothing_can_be_changed(void **) {
    fake_process_run(changes_body);
}

static void ask_body(void) {
    struct wasi_filestat stat;
    u64 len = poke_path("link");
    EXPECT(CALL(path_filestat_get, FAKE_DIR_FD, 1, AT_PATH, len, AT_DATA), WASI_ESUCCESS);
    fake_peek(AT_DATA, &stat, sizeof stat);
    CHECK(stat.filetype == WASI_FILETYPE_REGULAR_FILE && stat.size == 10 && stat.inode != 0);
    EXPECT(CALL(path_filestat_get, FAKE_DIR_FD, 0, AT_PATH, len, AT_DATA), WASI_ESUCCESS);
    fake_peek(AT_DATA, &stat, sizeof stat);
    CHECK(stat.filetype == WASI_FILETYPE_SYMBOLIC_LINK && stat.size == 4);
    EXPECT(CALL(path_filestat_get, FAKE_DIR_FD, 0, AT_PATH, len, FAKE_MEMORY_BYTES - 63),
           WASI_EFAULT);
    EXPECT(CALL(path_readlink, FAKE_DIR_FD, AT_PATH, len, AT_DATA, 100, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 4 && fake_memory_is(AT_DATA, "file"));
    EXPECT(CALL(path_readlink, FAKE_DIR_FD, AT_PATH, len, AT_DATA, 2, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 2);
    EXPECT(CALL(path_readlink, FAKE_DIR_FD, AT_PATH, len, AT_DATA, 2, BAD), WASI_EFAULT);
    EXPECT(CALL(path_readlink, FAKE_DIR_FD, AT_PATH, len, BAD, 2, AT_OUT), WASI_EFAULT);
    len = poke_path("file");
    EXPECT(CALL(path_readlink, FAKE_DIR_FD, AT_PATH, len, AT_DATA, 2, AT_OUT), WASI_EINVAL);

    EXPECT(CALL(fd_prestat_get, FAKE_DIR_FD, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 0 && fake_peek_u32(AT_OUT + 4) == 4);
    EXPECT(CALL(fd_prestat_dir_name, FAKE_DIR_FD, AT_DATA, 4), WASI_ESUCCESS);
    CHECK(fake_memory_is(AT_DATA, "/pre"));
    EXPECT(CALL(fd_prestat_dir_name, FAKE_DIR_FD, AT_DATA, 3), WASI_ENAMETOOLONG);
    EXPECT(CALL(fd_prestat_dir_name, FAKE_DIR_FD, FAKE_MEMORY_BYTES - 3, 4), WASI_EFAULT);
    EXPECT(CALL(fd_prestat_get, 0, AT_OUT), WASI_EBADF);
    EXPECT(CALL(fd_prestat_get, 4, AT_OUT), WASI_EBADF);

    struct wasi_fdstat fdstat;
    EXPECT(CALL(fd_fdstat_get, FAKE_DIR_FD, AT_DATA), WASI_ESUCCESS);
    fake_peek(AT_DATA, &fdstat, sizeof fdstat);
    CHECK(fdstat.filetype == WASI_FILETYPE_DIRECTORY);
    CHECK(fdstat.rights_base == wasi_directory_rights());
    EXPECT(CALL(fd_fdstat_get, FAKE_DIR_FD, FAKE_MEMORY_BYTES - 23), WASI_EFAULT);
    EXPECT(CALL(fd_filestat_get, FAKE_DIR_FD, AT_DATA), WASI_ESUCCESS);
}

static void attributes_are_told(void **) {
    fake_process_run(ask_body);
}

// Lists the directory with a buffer of `size` bytes, as wasi-libc does, and counts the entries.
static u32 list_with(u32 size) {
    static const char *const names[] = {".", "..", "dangling", "file", "link", "out", "sub"};
    u64 cookie = 0;
    u32 count = 0;
    for (;;) {
        EXPECT(CALL(fd_readdir, FAKE_DIR_FD, AT_DATA, size, cookie, AT_OUT), WASI_ESUCCESS);
        u32 used = fake_peek_u32(AT_OUT);
        CHECK(used <= size);
        u32 at = 0;
        u32 whole = 0;
        while (at + sizeof(struct wasi_dirent) <= used) {
            struct wasi_dirent entry;
            fake_peek(AT_DATA + at, &entry, sizeof entry);
            if (at + sizeof entry + entry.name_len > used)
                break;
            CHECK(count < COUNT_OF(names));
            CHECK(entry.name_len == strlen(names[count]));
            CHECK(fake_memory_is(AT_DATA + at + sizeof entry, names[count]));
            CHECK(entry.inode != 0);
            at += sizeof entry + entry.name_len;
            cookie = entry.next;
            count++;
            whole++;
        }
        if (used < size)
            return count;
        CHECK(whole != 0); // the buffer holds at least one
    }
}

static void readdir_body(void) {
    for (u32 size = 32; size < 400; size++)
        CHECK(list_with(size) == 7);
    EXPECT(CALL(fd_readdir, FAKE_DIR_FD, AT_DATA, 0, 0, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 0);
    EXPECT(CALL(fd_readdir, FAKE_DIR_FD, AT_DATA, 10, 0, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 10); // cut
    EXPECT(CALL(fd_readdir, FAKE_DIR_FD, AT_DATA, 100, UINT64_MAX, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) == 0);
    EXPECT(CALL(fd_readdir, FAKE_DIR_FD, FAKE_MEMORY_BYTES - 99, 100, 0, AT_OUT), WASI_EFAULT);
    EXPECT(CALL(fd_readdir, FAKE_DIR_FD, AT_DATA, 100, 0, BAD), WASI_EFAULT);
    EXPECT(CALL(fd_readdir, 0, AT_DATA, 100, 0, AT_OUT), WASI_ENOTDIR);
    EXPECT(CALL(fd_readdir, 9, AT_DATA, 100, 0, AT_OUT), WASI_EBADF);
}

static void directories_are_listed_whole_with_any_buffer(void **) {
    fake_process_run(readdir_body);
}

// -- Rights -------------------------------------------------------------------------------------

static void rights_body(void) {
    u64 len = poke_path("file");
    struct {
        u64 right;
        enum wasi_errno (*call)(struct process *process, const u64 *args);
        u64 args[9];
    } cases[] = {
        {WASI_RIGHT_PATH_OPEN, wasi_path_open, {FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 0, 0, AT_OUT}},
        {WASI_RIGHT_PATH_CREATE_FILE,
         wasi_path_open,
         {FAKE_DIR_FD, 0, AT_PATH, len, WASI_OFLAG_CREAT, 0, 0, 0, AT_OUT}},
        {WASI_RIGHT_PATH_FILESTAT_SET_SIZE,
         wasi_path_open,
         {FAKE_DIR_FD, 0, AT_PATH, len, WASI_OFLAG_TRUNC, 0, 0, 0, AT_OUT}},
        {WASI_RIGHT_FD_SYNC,
         wasi_path_open,
         {FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 0, WASI_FDFLAG_SYNC, AT_OUT}},
        {WASI_RIGHT_FD_SYNC,
         wasi_path_open,
         {FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 0, WASI_FDFLAG_RSYNC, AT_OUT}},
        {WASI_RIGHT_FD_SYNC | WASI_RIGHT_FD_DATASYNC, // either will do
         wasi_path_open,
         {FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 0, WASI_FDFLAG_DSYNC, AT_OUT}},
        {WASI_RIGHT_FD_READDIR, wasi_fd_readdir, {FAKE_DIR_FD, AT_DATA, 100, 0, AT_OUT}},
        {WASI_RIGHT_PATH_READLINK,
         wasi_path_readlink,
         {FAKE_DIR_FD, AT_PATH, len, AT_DATA, 9, AT_OUT}},
        {WASI_RIGHT_PATH_FILESTAT_GET,
         wasi_path_filestat_get,
         {FAKE_DIR_FD, 0, AT_PATH, len, AT_DATA}},
        {WASI_RIGHT_PATH_CREATE_DIRECTORY, wasi_path_create_directory, {FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_REMOVE_DIRECTORY, wasi_path_remove_directory, {FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_UNLINK_FILE, wasi_path_unlink_file, {FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_SYMLINK, wasi_path_symlink, {AT_PATH, len, FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_LINK_SOURCE,
         wasi_path_link,
         {FAKE_DIR_FD, 0, AT_PATH, len, FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_LINK_TARGET,
         wasi_path_link,
         {FAKE_DIR_FD, 0, AT_PATH, len, FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_RENAME_SOURCE,
         wasi_path_rename,
         {FAKE_DIR_FD, AT_PATH, len, FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_RENAME_TARGET,
         wasi_path_rename,
         {FAKE_DIR_FD, AT_PATH, len, FAKE_DIR_FD, AT_PATH, len}},
        {WASI_RIGHT_PATH_FILESTAT_SET_TIMES,
         wasi_path_filestat_set_times,
         {FAKE_DIR_FD, 0, AT_PATH, len, 0, 0, 0}},
        {WASI_RIGHT_FD_FILESTAT_GET, wasi_fd_filestat_get, {FAKE_DIR_FD, AT_DATA}},
        {WASI_RIGHT_FD_FILESTAT_SET_TIMES, wasi_fd_filestat_set_times, {FAKE_DIR_FD, 0, 0, 0}},
        {WASI_RIGHT_FD_SYNC, wasi_fd_sync, {FAKE_DIR_FD}},
        {WASI_RIGHT_FD_DATASYNC, wasi_fd_datasync, {FAKE_DIR_FD}},
        {WASI_RIGHT_FD_ADVISE, wasi_fd_advise, {FAKE_DIR_FD, 0, 0, 0}},
        {WASI_RIGHT_FD_FDSTAT_SET_FLAGS, wasi_fd_fdstat_set_flags, {FAKE_DIR_FD, 0}},
    };
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        fake_process.handles.slots[FAKE_DIR_FD].rights = WASI_RIGHTS_ALL;
        CHECK(cases[i].call(&fake_process, cases[i].args) != WASI_ENOTCAPABLE);
        fake_process.handles.slots[FAKE_DIR_FD].rights = WASI_RIGHTS_ALL & ~cases[i].right;
        EXPECT(cases[i].call(&fake_process, cases[i].args), WASI_ENOTCAPABLE);
    }
    fake_process.handles.slots[FAKE_DIR_FD].rights = WASI_RIGHTS_ALL & ~(u64)WASI_RIGHT_FD_DATASYNC;
    EXPECT(open_with_flags("file", 0, WASI_FDFLAG_DSYNC), WASI_ESUCCESS);
}

static void handed_down_body(void) {
    // What is opened gets no right that its directory does not hand down, but is given without a
    // word none that means nothing for what it is.
    fake_process.handles.slots[FAKE_DIR_FD].rights = WASI_RIGHTS_ALL;
    fake_process.handles.slots[FAKE_DIR_FD].rights_inheriting = WASI_RIGHT_FD_READ;
    u32 open_before = open_count();
    EXPECT(open_path("file", 0, WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK), WASI_ENOTCAPABLE);
    EXPECT(open_path("file", WASI_OFLAG_CREAT, WASI_RIGHT_FD_ADVISE), WASI_ENOTCAPABLE);
    EXPECT(open_path("sub", WASI_OFLAG_DIRECTORY, WASI_RIGHT_PATH_OPEN), WASI_ENOTCAPABLE);
    EXPECT(open_path("sub", 0, WASI_RIGHT_FD_SYNC), WASI_ENOTCAPABLE);
    CHECK(open_count() == open_before);
    EXPECT(open_path("file", 0, WASI_RIGHT_FD_READ | WASI_RIGHT_PATH_OPEN), WASI_ESUCCESS);
    u32 fd = fake_peek_u32(AT_OUT);
    struct wasi_fdstat stat;
    EXPECT(CALL(fd_fdstat_get, fd, AT_DATA), WASI_ESUCCESS);
    fake_peek(AT_DATA, &stat, sizeof stat);
    CHECK(stat.rights_base == WASI_RIGHT_FD_READ && stat.rights_inheriting == 0);
    EXPECT(CALL(fd_fdstat_set_rights, fd, WASI_RIGHTS_ALL, 0), WASI_ENOTCAPABLE);
    EXPECT(CALL(fd_fdstat_set_rights, fd, 0, 0), WASI_ESUCCESS);
    poke_iovec(0, AT_DATA, 1);
    EXPECT(CALL(fd_read, fd, AT_IOVECS, 1, AT_OUT), WASI_ENOTCAPABLE);
}

static void every_right_is_needed(void **) {
    fake_process_run(rights_body);
}

static void rights_are_handed_down(void **) {
    fake_process_run(handed_down_body);
}

// -- Descriptors --------------------------------------------------------------------------------

static void descriptors_body(void) {
    u32 fd = open_file("file");
    EXPECT(CALL(fd_renumber, fd, fd), WASI_ESUCCESS);
    EXPECT(CALL(fd_renumber, fd, 40), WASI_EBADF);
    EXPECT(CALL(fd_renumber, 40, fd), WASI_EBADF);
    EXPECT(CALL(fd_renumber, fd, 0), WASI_ESUCCESS);
    EXPECT(CALL(fd_close, fd), WASI_EBADF);
    EXPECT(CALL(fd_tell, 0, AT_OUT), WASI_ESUCCESS);
    EXPECT(CALL(fd_close, 0), WASI_ESUCCESS);
    EXPECT(CALL(fd_close, 0), WASI_EBADF);
    CHECK(open_file("file") == 0); // the lowest free number
    EXPECT(CALL(fd_allocate, 0, 0, 1), WASI_ENOTCAPABLE);
    EXPECT(CALL(fd_filestat_set_size, 0, 1), WASI_ENOTCAPABLE);
    EXPECT(
        open_path("file", 0,
                  WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE | WASI_RIGHT_FD_ADVISE),
        WASI_ESUCCESS);
    fd = fake_peek_u32(AT_OUT);
    EXPECT(CALL(fd_allocate, fd, 0, 1), WASI_EROFS);
    EXPECT(CALL(fd_allocate, fd, 0, 0), WASI_EINVAL);
    EXPECT(CALL(fd_allocate, fd, UINT64_MAX, 2), WASI_EINVAL);
    EXPECT(CALL(fd_filestat_set_size, fd, 1), WASI_EROFS);
    EXPECT(CALL(fd_filestat_set_size, fd, UINT64_MAX), WASI_EINVAL);
    EXPECT(CALL(fd_advise, fd, 0, 10, 5), WASI_ESUCCESS);
    EXPECT(CALL(fd_advise, fd, 0, 10, 6), WASI_EINVAL);
    EXPECT(CALL(fd_advise, fd, UINT64_MAX, 10, 0), WASI_EINVAL);
    EXPECT(CALL(fd_advise, 1, 0, 10, 0), WASI_ESPIPE);
    // The table is full at some time, and says so without losing anything.
    u32 before = open_count();
    enum wasi_errno error = WASI_ESUCCESS;
    while (error == WASI_ESUCCESS)
        error = open_path("file", 0, 0);
    EXPECT(error, WASI_EMFILE);
    CHECK(open_count() == 64 && before < 64);
}

static void descriptors_are_managed(void **) {
    fake_process_run(descriptors_body);
}

// -- Clocks and random numbers ------------------------------------------------------------------

static void clock_body(void) {
    for (u32 clock = 0; clock < 4; clock++) {
        EXPECT(CALL(clock_res_get, clock, AT_OUT), WASI_ESUCCESS);
        CHECK(fake_peek_u64(AT_OUT) != 0);
        EXPECT(CALL(clock_time_get, clock, 0, AT_OUT), WASI_ESUCCESS);
        EXPECT(CALL(clock_time_get, clock, 0, FAKE_MEMORY_BYTES - 7), WASI_EFAULT);
        EXPECT(CALL(clock_res_get, clock, BAD), WASI_EFAULT);
    }
    EXPECT(CALL(clock_time_get, 4, 0, AT_OUT), WASI_EINVAL);
    EXPECT(CALL(clock_res_get, UINT32_MAX, AT_OUT), WASI_EINVAL);
    struct helper_result yielded = wasi_sched_yield(0, 0, 0, 0, 0, 0);
    CHECK(yielded.trap == TRAP_NONE && yielded.value == WASI_ESUCCESS);

    fake_poke(AT_DATA + 2000, "end", 3);
    EXPECT(CALL(random_get, AT_DATA, 2000), WASI_ESUCCESS);
    CHECK(fake_memory_is(AT_DATA + 2000, "end"));
    CHECK(fake_peek_u64(AT_DATA) != fake_peek_u64(AT_DATA + 1992));
    EXPECT(CALL(random_get, FAKE_MEMORY_BYTES - 1, 2), WASI_EFAULT);
    EXPECT(CALL(random_get, 0, UINT32_MAX), WASI_EFAULT);
    EXPECT(CALL(random_get, FAKE_MEMORY_BYTES, 0), WASI_ESUCCESS);
}

static void clocks_and_random_numbers(void **) {
    fake_process_run(clock_body);
}

// -- Being killed -------------------------------------------------------------------------------

static struct object written;
static u32 writes;

static enum status written_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type};
    return OK;
}

// The process is killed while its first piece is written.
static enum status write_and_kill(struct object *, u64, const void *, usize len, usize *put) {
    writes++;
    thread_kill(thread_current());
    *put = len;
    return OK;
}

static void killed_writer_body(void) {
    static const struct object_ops ops = {.stat = written_stat, .write = write_and_kill};
    object_init(&written, &ops, OBJECT_STREAM);
    const struct handle handle = {.object = &written, .rights = wasi_stream_rights(false, true)};
    u32 fd;
    CHECK(handle_insert(&fake_process.handles, &handle, &fd) == OK);
    for (u32 i = 0; i < 8; i++)
        poke_iovec(i, 0, FAKE_MEMORY_BYTES);
    EXPECT(CALL(fd_write, fd, AT_IOVECS, 8, AT_OUT), WASI_ESUCCESS);
    CHECK(fake_peek_u32(AT_OUT) < FAKE_MEMORY_BYTES);
}

static void a_killed_process_stops_writing(void **) {
    writes = 0;
    fake_process_run(killed_writer_body);
    assert_int_equal(writes, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_laid_out),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(streams_are_read_and_written),
        cmocka_unit_test(bad_buffers_change_nothing),
        cmocka_unit_test(seeking_stays_in_range),
        cmocka_unit_test(paths_are_opened_or_refused),
        cmocka_unit_test(nothing_can_be_changed),
        cmocka_unit_test(attributes_are_told),
        cmocka_unit_test(directories_are_listed_whole_with_any_buffer),
        cmocka_unit_test(every_right_is_needed),
        cmocka_unit_test(rights_are_handed_down),
        cmocka_unit_test(descriptors_are_managed),
        cmocka_unit_test(clocks_and_random_numbers),
        cmocka_unit_test(a_killed_process_stops_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
