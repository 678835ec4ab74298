// Spawning processes: what a child is given and what it is not, limits, modules that are refused,
// and many children that end in every way there is. Prints what is wrong, or at the end "all
// right".
//
//   spawn                  the test; a directory with spawn.wasm is preopened as /bin
//   spawn look ...         a child that checks what it was given
//   spawn ROLE             children that end in other ways

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kwast/check.h"
#include "tests/kwast/isolation.h"
#include "user/sdk/kwast.h"

#define MODULE_PATH   "/bin/spawn.wasm"
#define RIGHT_FD_READ (1u << 1)
#define RIGHT_WRITE   (1u << 6)
#define RIGHT_OPEN    (1u << 13)
#define STORM         60

static int module;
static char reason[KWAST_REASON_BYTES];

static struct kwast_spawn config_of(const char *args, u32 args_len) {
    reason[0] = 0;
    return (struct kwast_spawn){
        .module = (u32)module,
        .name = (u32) "child",
        .name_len = 5,
        .args = (u32)args,
        .args_len = args_len,
        .isolation = isolation_of_children(),
        .reason = (u32)reason,
        .reason_len = sizeof reason,
    };
}

#define CONFIG(args) config_of(args, sizeof args)

static struct kwast_status finish(kwast_handle child) {
    struct kwast_status status = {.outcome = KWAST_RUNNING};
    CHECK(kwast_process_wait(child, -1, &status) == 0);
    CHECK(close((int)child) == 0);
    return status;
}

static void test_arguments_and_handles(void) {
    static const struct kwast_given given[] = {
        {.handle = 1, .number = 1, .rights = RIGHT_WRITE},
        {.handle = 1, .number = 9, .rights = 0},
        {.handle = 1, .number = 3, .rights = RIGHT_WRITE, .name_len = KWAST_BY_NUMBER},
        {.handle = 3,
         .number = 4,
         .rights = RIGHT_OPEN,
         .inheriting = RIGHT_FD_READ,
         .name = (u32) "/here",
         .name_len = 5},
    };
    struct kwast_spawn config = CONFIG("spawn\0look\0\0last");
    config.env = (u32) "A=1\0B=two";
    config.env_len = 10;
    config.given = (u32)given;
    config.given_count = 4;
    kwast_handle child;
    CHECK(kwast_process_spawn(&config, &child) == 0);
    struct kwast_status status = finish(child);
    CHECK(status.outcome == KWAST_EXITED && status.status == 0);
}

// In the child.
static int look(int argc, char **argv) {
    CHECK(argc == 4 && argv[2][0] == 0 && strcmp(argv[3], "last") == 0);
    CHECK(getenv("A") != NULL && strcmp(getenv("B"), "two") == 0 && getenv("PATH") == NULL);
    for (int fd = 0; fd < 64; fd++) {
        struct stat info;
        bool is_given = fd == 1 || fd == 3 || fd == 4 || fd == 9;
        CHECK((fstat(fd, &info) == 0 || errno != EBADF) == is_given);
    }
    // The stream is known by its number, and libc finds the directory behind it.
    usize len;
    CHECK(kwast_given_as(1, &len) == KWAST_AS_OTHER && kwast_given_as(9, &len) == KWAST_AS_OTHER);
    CHECK(kwast_given_as(3, &len) == KWAST_AS_STREAM && len == 0);
    CHECK(kwast_given_as(4, &len) == KWAST_AS_DIRECTORY && len == 5);
    CHECK(write(3, "", 0) == 0);
    CHECK(open("/here/spawn.wasm", O_RDONLY) >= 0);
    int both = open("/here/spawn.wasm", O_RDWR); // libc asks for what the directory allows
    CHECK(both < 0 || write(both, "x", 1) < 0);
    CHECK(open("/bin/spawn.wasm", O_RDONLY) < 0);
    fflush(stdout);
    return failures != 0;
}

static u32 refused(const struct kwast_spawn *config) {
    kwast_handle child;
    u32 error = kwast_process_spawn(config, &child);
    if (error == 0)
        finish(child);
    return error;
}

static void test_refusals(void) {
    struct kwast_spawn config = CONFIG("spawn\0exit");
    config.module = KWAST_NO_HANDLE;
    config.bytes = (u32) "\0asm\1\0\0\0\1\2";
    config.bytes_len = 10;
    CHECK(refused(&config) == ENOEXEC && reason[0] != 0);
    config.bytes_len = 8; // an empty module: valid, and nothing to run
    CHECK(refused(&config) == ENOEXEC && strstr(reason, "_start") != NULL);
    config.bytes = 0xffffff00;
    config.bytes_len = 0x200;
    CHECK(refused(&config) == EFAULT);
    config.bytes = 0;
    config.bytes_len = 0;
    CHECK(refused(&config) == EINVAL);

    config = CONFIG("spawn\0exit");
    config.module = 99;
    CHECK(refused(&config) == EBADF);
    config.module = 3; // a directory
    CHECK(refused(&config) == ENOTCAPABLE);
    config = CONFIG("spawn\0exit");
    config.args_len--; // the last one does not end
    CHECK(refused(&config) == EINVAL);
    config = CONFIG("spawn\0exit");
    config.name_len = KWAST_SPAWN_NAME + 1;
    CHECK(refused(&config) == EINVAL);
    config = CONFIG("spawn\0exit");
    config.isolation = 7;
    CHECK(refused(&config) == EINVAL);
    config = CONFIG("spawn\0exit");
    config.memory_limit = 1ull << 60; // more than this process may have
    CHECK(refused(&config) == ENOTCAPABLE);
    config.memory_limit = 65536; // less than the module's memory
    CHECK(refused(&config) != 0);
    config = CONFIG("spawn\0exit");
    config.cpu_share = KWAST_SHARE_USUAL + 1; // more than this process has
    CHECK(refused(&config) == ENOTCAPABLE);
    config.cpu_share = KWAST_SHARE_MAX + 1;
    CHECK(refused(&config) == EINVAL);

    static struct kwast_given given[2] = {{.handle = 1, .number = 1, .rights = RIGHT_WRITE},
                                          {.handle = 1, .number = 1, .rights = RIGHT_WRITE}};
    config = CONFIG("spawn\0exit");
    config.given = (u32)given;
    config.given_count = 2; // one number twice
    CHECK(refused(&config) == EINVAL);
    given[1] = (struct kwast_given){.handle = 1, .number = KWAST_GIVEN_MAX};
    CHECK(refused(&config) == EINVAL);
    given[1] = (struct kwast_given){.handle = 1, .number = 2, .rights = 1ull << 50};
    CHECK(refused(&config) == ENOTCAPABLE);
    given[1] = (struct kwast_given){.handle = 88, .number = 2};
    CHECK(refused(&config) == EBADF);
    config.given_count = KWAST_GIVEN_MAX + 1;
    CHECK(refused(&config) == EINVAL);
}

static void test_handle_limit(void) {
    static const struct kwast_given given[] = {{.handle = 1, .number = 1, .rights = RIGHT_WRITE},
                                               {.handle = 3,
                                                .number = 3,
                                                .rights = RIGHT_OPEN,
                                                .inheriting = RIGHT_FD_READ,
                                                .name = (u32) "/bin",
                                                .name_len = 4}};
    struct kwast_spawn config = CONFIG("spawn\0open");
    config.given = (u32)given;
    config.given_count = 2;
    config.handle_limit = 6;
    kwast_handle child;
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(finish(child).status == 4); // numbers 0, 2, 4, 5
    config.handle_limit = 3;
    CHECK(refused(&config) != 0); // 3 does not fit
}

// What a child is given as text counts as its memory, while it lives.
static void test_strings_are_paid_for(void) {
    static char env[256 * 1024] = "A=";
    memset(env + 2, 'x', sizeof env - 3);
    struct kwast_status with = {0}, without = {0};
    kwast_handle child;
    struct kwast_spawn config = CONFIG("spawn\0spin");
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(kwast_process_status(child, &without) == 0);
    CHECK(kwast_process_kill(child) == 0);
    finish(child);
    config.env = (u32)env;
    config.env_len = sizeof env;
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(kwast_process_status(child, &with) == 0);
    CHECK(with.memory_bytes >= without.memory_bytes + sizeof env);
    CHECK(kwast_process_kill(child) == 0);
    CHECK(finish(child).memory_bytes == 0);
    config.memory_limit = with.memory_bytes - sizeof env / 2;
    CHECK(refused(&config) != 0);
}

static void test_ends(void) {
    kwast_handle child;
    struct kwast_spawn config = CONFIG("spawn\0exit");
    CHECK(kwast_process_spawn(&config, &child) == 0);
    struct kwast_status status = finish(child);
    CHECK(status.outcome == KWAST_EXITED && status.status == 7);
    config = CONFIG("spawn\0trap");
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(finish(child).outcome == KWAST_TRAPPED);
    config = CONFIG("spawn\0spin");
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(kwast_process_wait(child, 1000000, &status) == ETIMEDOUT);
    CHECK(kwast_process_kill(child) == 0);
    CHECK(kwast_process_kill(child) == 0); // twice is as good as once
    CHECK(finish(child).outcome == KWAST_KILLED);
    config = CONFIG("spawn\0orphan");
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(finish(child).status == 0);
}

// A tree of processes: a handle to its root leads to the others, and they can be killed with it.
static void test_trees(void) {
    kwast_handle root;
    kwast_handle leaf;
    kwast_handle other;
    struct kwast_status status;
    struct kwast_status of_leaf;
    struct kwast_spawn config = CONFIG("spawn\0spin");
    CHECK(kwast_process_spawn(&config, &other) == 0);
    config = CONFIG("spawn\0parent");
    const struct kwast_given given = {.handle = (u32)module, .number = 3, .rights = RIGHT_FD_READ};
    config.given = (u32)&given;
    config.given_count = 1;
    CHECK(kwast_process_spawn(&config, &root) == 0);
    CHECK(kwast_process_status(root, &status) == 0);
    u32 id = status.id + 1; // its child is the next process there is, once it is there
    while (kwast_process_open(root, id, &leaf) == ENOENT)
        sched_yield();
    CHECK(kwast_process_status(leaf, &of_leaf) == 0 && of_leaf.id == id);
    CHECK(kwast_process_status(other, &status) == 0);
    CHECK(kwast_process_open(root, status.id, &other) == ENOENT); // another tree's
    CHECK(kwast_process_open(leaf, id - 1, &other) == ENOENT);    // its parent
    CHECK(kwast_process_open((u32)module, id, &other) == ENOTCAPABLE);
    CHECK(kwast_process_kill_tree((u32)module) == ENOTCAPABLE);
    CHECK(kwast_process_kill_tree(root) == 0);
    CHECK(finish(root).outcome == KWAST_KILLED);
    CHECK(finish(leaf).outcome == KWAST_KILLED);
    CHECK(kwast_process_wait(other, 0, &status) == ETIMEDOUT);
    CHECK(kwast_process_kill_tree(other) == 0);
    CHECK(finish(other).outcome == KWAST_KILLED);
}

#define BIT(number) (1u << (number))
#define TAKEN       15
#define IGNORED     3

// In a child: takes one note, ignores another, has a child of its own, and ends by the note.
static int take_notes(void) {
    kwast_handle child;
    struct kwast_notes notes;
    struct kwast_status status;
    module = 4;
    CHECK(kwast_process_notes(BIT(TAKEN) | BIT(KWAST_NOTE_KILL), BIT(IGNORED), &notes) == 0);
    CHECK(notes.came == 0 && notes.ignored == 0);
    u32 own_id = notes.id;
    struct kwast_spawn config = CONFIG("spawn\0inherit");
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(finish(child).status == BIT(IGNORED));
    config = CONFIG("spawn\0spin");
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(kwast_process_status(child, &status) == 0 && status.id > own_id);
    CHECK(kwast_notification_signal(3, 1) == 0);
    do {
        sched_yield();
        CHECK(kwast_process_notes(BIT(TAKEN), BIT(IGNORED), &notes) == 0);
    } while (notes.came == 0);
    CHECK(notes.came == BIT(TAKEN) && notes.ignored == BIT(IGNORED) && notes.id == own_id);
    CHECK(kwast_process_notes(0, 0, &notes) == 0 && notes.came == 0); // it came once
    status = finish(child);                                           // which took nothing
    CHECK(status.outcome == KWAST_KILLED && status.status == TAKEN);
    fflush(stdout);
    return failures != 0 ? 100 : (int)notes.parent;
}

// A note is found by who takes it, nothing to who ignores it, and kills others.
static void test_notes(void) {
    kwast_handle ready, child, weak;
    u64 bits;
    struct kwast_notes own;
    struct kwast_status status;
    CHECK(kwast_process_notes(0, 0, &own) == 0);
    CHECK(kwast_process_notes(0, 0, (struct kwast_notes *)0xfffffff8) == EFAULT);
    CHECK(kwast_notification_create(&ready) == 0);
    const struct kwast_given given[] = {kwast_give(1, 1, NULL), kwast_give(ready, 3, NULL),
                                        kwast_give((kwast_handle)module, 4, NULL)};
    struct kwast_spawn config = CONFIG("spawn\0take");
    config.given = (u32)given;
    config.given_count = 3;
    CHECK(kwast_process_spawn(&config, &child) == 0);
    CHECK(kwast_notification_take(ready, -1, &bits) == 0);
    CHECK(kwast_process_note(child, IGNORED, false) == 0);
    CHECK(kwast_process_note(child, 0, true) == EINVAL);
    CHECK(kwast_process_note(child, KWAST_NOTES, true) == EINVAL);
    CHECK(kwast_process_note((u32)module, TAKEN, false) == ENOTCAPABLE);
    CHECK(kwast_process_note(99, TAKEN, false) == EBADF);
    CHECK(kwast_handle_duplicate(child, KWAST_RIGHT_WAIT, 0, &weak) == 0);
    CHECK(kwast_process_note(weak, TAKEN, false) == ENOTCAPABLE);
    CHECK(close((int)weak) == 0);
    CHECK(kwast_process_note(child, TAKEN, true) == 0);
    CHECK(kwast_process_wait(child, -1, &status) == 0);
    CHECK(kwast_process_note(child, IGNORED, true) == ENOENT);
    status = finish(child);
    CHECK(status.outcome == KWAST_EXITED && status.status == own.id);

    for (u32 number = 1; number < KWAST_NOTES; number++) { // nobody is spared KWAST_NOTE_KILL
        bool is_told = number == KWAST_NOTE_KILL;
        config = is_told ? CONFIG("spawn\0take") : CONFIG("spawn\0wait");
        config.given = (u32)given;
        config.given_count = 3;
        CHECK(kwast_process_spawn(&config, &child) == 0);
        if (is_told)
            CHECK(kwast_notification_take(ready, -1, &bits) == 0);
        CHECK(kwast_process_note(child, number, is_told) == 0);
        status = finish(child);
        CHECK(status.outcome == KWAST_KILLED && status.status == number);
    }
    CHECK(close((int)ready) == 0);
}

// Children in every state are killed or end; each tells how.
static void test_storm(void) {
    static const char *const roles[] = {"spawn\0exit", "spawn\0trap", "spawn\0spin", "spawn\0wait",
                                        "spawn\0yield"};
    for (int i = 0; i < STORM; i++) {
        kwast_handle children[5];
        for (int k = 0; k < 5; k++) {
            struct kwast_spawn config = config_of(roles[k], (u32)(6 + strlen(roles[k] + 6) + 1));
            CHECK(kwast_process_spawn(&config, &children[k]) == 0);
        }
        for (int k = 0; k < i % 7; k++)
            sched_yield();
        for (int k = 0; k < 5; k++)
            CHECK(kwast_process_kill(children[(k + i) % 5]) == 0);
        for (int k = 0; k < 5; k++) {
            struct kwast_status status = finish(children[k]);
            CHECK(status.outcome == KWAST_KILLED || (k == 0 && status.status == 7) ||
                  (k == 1 && status.outcome == KWAST_TRAPPED));
        }
    }
}

static int child_main(const char *role, int argc, char **argv) {
    if (strcmp(role, "look") == 0)
        return look(argc, argv);
    if (strcmp(role, "exit") == 0)
        return 7;
    if (strcmp(role, "take") == 0)
        return take_notes();
    if (strcmp(role, "inherit") == 0) {
        struct kwast_notes notes;
        return kwast_process_notes(0, 0, &notes) == 0 ? (int)notes.ignored : 1;
    }
    if (strcmp(role, "trap") == 0)
        abort();
    while (strcmp(role, "yield") == 0)
        sched_yield();
    if (strcmp(role, "wait") == 0) {
        kwast_handle notification;
        u64 bits;
        return kwast_notification_create(&notification) != 0 ||
               kwast_notification_take(notification, -1, &bits) != 0;
    }
    if (strcmp(role, "open") == 0) {
        int count = 0;
        while (open(MODULE_PATH, O_RDONLY) >= 0)
            count++;
        return errno == EMFILE ? count : 100;
    }
    if (strcmp(role, "parent") == 0) {
        kwast_handle child;
        module = 3;
        struct kwast_spawn config = CONFIG("spawn\0spin");
        if (kwast_process_spawn(&config, &child) != 0)
            return 1;
    }
    for (volatile int spin = 1; spin != 0;)
        ;
    return 1;
}

// A child that joins another one's domain, which takes the right to, and that it lives.
static void test_join(void) {
    struct kwast_spawn config = CONFIG("spawn\0wait");
    config.isolation = KWAST_ISOLATION_DOMAIN;
    kwast_handle first, second, less;
    CHECK(kwast_process_spawn(&config, &first) == 0);
    config = CONFIG("spawn\0exit");
    config.isolation = KWAST_ISOLATION_JOIN;
    config.join = first;
    CHECK(kwast_process_spawn(&config, &second) == 0);
    struct kwast_status status = finish(second);
    CHECK(status.outcome == KWAST_EXITED && status.status == 7);

    CHECK(kwast_handle_duplicate(first, KWAST_RIGHT_WAIT | KWAST_RIGHT_KILL, 0, &less) == 0);
    config.join = less;
    CHECK(refused(&config) == ENOTCAPABLE);
    config.join = (u32)module;
    CHECK(refused(&config) == ENOTCAPABLE);
    config.join = KWAST_NO_HANDLE;
    CHECK(refused(&config) == EBADF);
    CHECK(kwast_process_kill(less) == 0);
    finish(less);
    config.join = first;
    CHECK(refused(&config) == ENOENT);
    CHECK(close((int)first) == 0);
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "orphan") != 0)
        return child_main(argv[1], argc, argv);
    module = open(MODULE_PATH, O_RDONLY);
    if (argc >= 2)
        return 0;
    if (module < 0) {
        perror(MODULE_PATH);
        return 1;
    }
    test_arguments_and_handles();
    test_refusals();
    test_handle_limit();
    test_strings_are_paid_for();
    test_ends();
    test_join();
    test_trees();
    test_notes();
    test_storm();
    if (failures == 0)
        printf("all right\n");
    return failures != 0;
}
