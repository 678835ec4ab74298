// Names below a directory, looked up both ways: by openat2 and name by name. The two must agree,
// and neither leaves.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/lib/confine.h"

#define SWAPS_SEEN 4000

static char base[64];
static int root;

static void put_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

// base/secret, base/outside/f, and below base/root what the cases name.
static int setup(void **) {
    static const char *const links[][2] = {
        {"f", "root/to-f"},
        {"d", "root/to-d"},
        {"../secret", "root/out"},
        {"/etc/passwd", "root/abs"},
        {"../outside", "root/outdir"},
        {"..", "root/up"},
        {"loop", "root/loop"},
        {"d/../f", "root/round"},
        {"new", "root/dangling"},
        {"../../secret", "root/d/out"},
        {"../f", "root/d/back"},
        {"d/", "root/slash"},
        {"d/e/../../f", "root/deep"},
        {".", "root/self"},
    };
    snprintf(base, sizeof base, "/tmp/confine-XXXXXX");
    if (mkdtemp(base) == NULL || chdir(base) != 0)
        return -1;
    mkdir("root", 0777);
    mkdir("root/d", 0777);
    mkdir("root/d/e", 0777);
    mkdir("outside", 0777);
    put_file("secret", "secret");
    put_file("outside/f", "secret");
    put_file("root/f", "fine");
    put_file("root/d/f", "fine");
    for (usize i = 0; i < sizeof links / sizeof *links; i++) {
        if (symlink(links[i][0], links[i][1]) != 0)
            return -1;
    }
    root = open("root", O_RDONLY | O_DIRECTORY);
    return root < 0 ? -1 : 0;
}

static int teardown(void **) {
    char command[96];
    close(root);
    snprintf(command, sizeof command, "rm -r %s", base);
    return system(command);
}

static const struct open_case {
    const char *path;
    int flags;
    enum status status;
} cases[] = {
    {"f", O_RDONLY, OK},
    {"./f", O_RDONLY, OK},
    {"d/f", O_RDONLY, OK},
    {"d//f", O_RDONLY, OK},
    {"d/../f", O_RDONLY, OK},
    {"d/e/../../f", O_RDONLY, OK},
    {"f/", O_RDONLY, ERR_NOT_DIRECTORY},
    {"f/x", O_RDONLY, ERR_NOT_DIRECTORY},
    {"d/", O_RDONLY, OK},
    {".", O_RDONLY, OK},
    {"d/..", O_RDONLY, OK},
    {"", O_RDONLY, ERR_NOT_FOUND},
    {"nothing", O_RDONLY, ERR_NOT_FOUND},
    {"nothing/x", O_RDONLY, ERR_NOT_FOUND},
    {"/etc/passwd", O_RDONLY, ERR_ESCAPES},
    {"..", O_RDONLY, ERR_ESCAPES},
    {"../root/f", O_RDONLY, ERR_ESCAPES},
    {"d/../..", O_RDONLY, ERR_ESCAPES},
    {"d/../../secret", O_RDONLY, ERR_ESCAPES},
    {"to-f", O_RDONLY, OK},
    {"to-f", O_RDONLY | O_NOFOLLOW, ERR_LOOP},
    {"to-f", O_PATH | O_NOFOLLOW, OK},
    {"to-f/", O_RDONLY, ERR_NOT_DIRECTORY},
    {"to-d", O_RDONLY | O_DIRECTORY, OK},
    {"to-d/f", O_RDONLY, OK},
    {"to-d/f", O_RDONLY | O_NOFOLLOW, OK},
    {"to-d/", O_PATH | O_NOFOLLOW, OK},
    {"slash", O_RDONLY, OK},
    {"slash/f", O_RDONLY, OK},
    {"slash/../f", O_RDONLY, OK},
    {"self/self/self/f", O_RDONLY, OK},
    {"round", O_RDONLY, OK},
    {"deep", O_RDONLY, OK},
    {"d/back", O_RDONLY, OK},
    {"out", O_RDONLY, ERR_ESCAPES},
    {"out", O_PATH, ERR_ESCAPES},
    {"out", O_PATH | O_NOFOLLOW, OK},
    {"out/", O_PATH | O_NOFOLLOW, ERR_ESCAPES},
    {"d/out", O_RDONLY, ERR_ESCAPES},
    {"abs", O_RDONLY, ERR_ESCAPES},
    {"outdir/f", O_RDONLY, ERR_ESCAPES},
    {"up/secret", O_RDONLY, ERR_ESCAPES},
    {"up/root/f", O_RDONLY, ERR_ESCAPES},
    {"loop", O_RDONLY, ERR_LOOP},
    {"loop/x", O_RDONLY, ERR_LOOP},
    {"dangling", O_RDONLY, ERR_NOT_FOUND},
    {"f", O_RDWR | O_CREAT | O_EXCL, ERR_EXISTS},
    {"dangling", O_RDWR | O_CREAT | O_EXCL, ERR_EXISTS},
    {"out", O_RDWR | O_CREAT, ERR_ESCAPES},
    {"outdir/new", O_RDWR | O_CREAT, ERR_ESCAPES},
    {"../new", O_RDWR | O_CREAT, ERR_ESCAPES},
    {"new/", O_RDWR | O_CREAT, ERR_IS_DIRECTORY},
    {"dangling", O_RDWR | O_CREAT, OK}, // makes "new"
    {"d", O_RDWR, ERR_IS_DIRECTORY},
};

static void paths_are_opened_or_refused_either_way(void **) {
    for (u32 way = CONFINE_OPENAT2; way <= CONFINE_BY_NAME; way++) {
        confine_choose((enum confine_way)way);
        for (usize i = 0; i < sizeof cases / sizeof *cases; i++) {
            const struct open_case *c = &cases[i];
            int fd;
            enum status status = confine_open(root, c->path, c->flags, 0666, &fd);
            if (status != c->status)
                print_error("way %u, %s, %o: %s\n", way, c->path, (unsigned)c->flags,
                            status_text(status));
            assert_int_equal(status, c->status);
            if (status == OK)
                close(fd);
        }
        assert_int_equal(unlinkat(root, "new", 0), 0);
    }
}

static void long_paths_and_names_are_refused(void **) {
    static char text[5000];
    int fd;
    for (u32 way = CONFINE_OPENAT2; way <= CONFINE_BY_NAME; way++) {
        confine_choose((enum confine_way)way);
        memset(text, 'n', sizeof text - 1);
        text[255] = 0;
        assert_int_equal(confine_open(root, text, O_RDONLY, 0, &fd), ERR_NOT_FOUND);
        text[255] = 'n';
        text[256] = 0;
        assert_int_equal(confine_open(root, text, O_RDONLY, 0, &fd), ERR_NAME_TOO_LONG);
        for (usize i = 0; i < 4096; i += 2)
            memcpy(text + i, "./", 3);
        assert_int_equal(confine_open(root, text, O_RDONLY, 0, &fd), ERR_NAME_TOO_LONG);
        text[4094] = 0;
        assert_int_equal(confine_open(root, text, O_RDONLY, 0, &fd), OK);
        close(fd);
    }
}

#define SIXTEEN  "sixteen letters."
#define SIXTY    SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define TOO_LONG SIXTY SIXTY SIXTY SIXTY

static const struct parent_case {
    const char *path;
    enum status status;
    const char *name;
    bool slash;
} parents[] = {
    {"d/" TOO_LONG, ERR_NAME_TOO_LONG, "", false},
    {"nothing/" TOO_LONG, ERR_NOT_FOUND, "", false}, // the way there comes first
    {"f", OK, "f", false},
    {"nothing", OK, "nothing", false},
    {"d/f", OK, "f", false},
    {"d/new//", OK, "new", true},
    {"to-d/f", OK, "f", false},
    {"to-f", OK, "to-f", false}, // itself
    {"f/x", ERR_NOT_DIRECTORY, "", false},
    {"nothing/x", ERR_NOT_FOUND, "", false},
    {"outdir/x", ERR_ESCAPES, "", false},
    {"../x", ERR_ESCAPES, "", false},
    {"/x", ERR_ESCAPES, "", false},
    {"", ERR_NOT_FOUND, "", false},
    {"..", ERR_ESCAPES, "", false},
    {"d/../..", ERR_ESCAPES, "", false},
    {"d/..", ERR_INVALID, "", false},
    {".", ERR_INVALID, "", false},
    {"d/.", ERR_INVALID, "", false},
};

static void the_parent_is_found_either_way(void **) {
    for (u32 way = CONFINE_OPENAT2; way <= CONFINE_BY_NAME; way++) {
        confine_choose((enum confine_way)way);
        for (usize i = 0; i < sizeof parents / sizeof *parents; i++) {
            const struct parent_case *c = &parents[i];
            char name[CONFINE_NAME_MAX + 1];
            bool slash;
            int fd;
            print_message("way %u, %s\n", way, c->path);
            assert_int_equal(confine_parent(root, c->path, name, &slash, &fd), c->status);
            if (c->status != OK)
                continue;
            assert_string_equal(name, c->name);
            assert_int_equal(slash, c->slash);
            close(fd);
        }
    }
}

// Another process moves "d" out of the root and back, and swaps it for a link, all the time.
static void nobody_escapes_while_names_change(void **) {
    static const char *const paths[] = {"d/f", "d/e/../../../secret", "d/../../secret",
                                        "d/e/../../f"};
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            rename("root/d", "moved");
            rename("root/outdir", "root/d");
            rename("root/d", "root/outdir");
            rename("moved", "root/d");
        }
    }
    for (u32 way = CONFINE_OPENAT2; way <= CONFINE_BY_NAME; way++) {
        confine_choose((enum confine_way)way);
        for (u32 i = 0; i < SWAPS_SEEN; i++) {
            char text[8] = "";
            int fd;
            if (confine_open(root, paths[i % 4], O_RDONLY, 0, &fd) != OK)
                continue;
            ssize_t got = read(fd, text, sizeof text - 1);
            close(fd);
            assert_true(got <= 0 || strcmp(text, "fine") == 0);
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void statuses_are_told_apart(void **) {
    assert_int_equal(confine_status(0), OK);
    assert_int_equal(confine_status(EACCES), ERR_NO_ACCESS);
    assert_int_equal(confine_status(EPERM), ERR_NOT_PERMITTED);
    assert_int_equal(confine_status(EXDEV), ERR_CROSS_DEVICE);
    assert_int_equal(confine_status(12345), ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_opened_or_refused_either_way),
        cmocka_unit_test(long_paths_and_names_are_refused),
        cmocka_unit_test(the_parent_is_found_either_way),
        cmocka_unit_test(statuses_are_told_apart),
        cmocka_unit_test(nobody_escapes_while_names_change), // last: it leaves a mess
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
