// What tmpfs leaves behind, wherever it is killed: operations run one instruction at a time, each
// state of the memory that this shows is given to a new tmpfs, and the tree that it finds is the
// one before the operation or the one after it; of a write, a part from the front.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sanitizer/allocator_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user/services/tmpfs/tmpfs.h"

#define LIMIT      (256u << 10)
#define STATES_MAX 600u
#define TREE_BYTES (64u << 10)

// What was made for a state goes with the process.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static struct {
    u8 *memory;
    u64 size;
    u64 ready;
    u8 *states; // STATES_MAX of them, `size` bytes each
    u64 ready_of[STATES_MAX];
    u32 count;
    volatile bool steps;
} it;

// -- What the server of files would be ------------------------------------------------------------

static u8 data[4096];
static char listed[8192];

enum status transfer_put(struct transfer *transfer, const void *from, u64 len) {
    memcpy(data + transfer->done, from, len);
    transfer->done += len;
    return OK;
}

enum status transfer_get(struct transfer *transfer, void *to, u64 len) {
    memset(to, 'w', len);
    transfer->done += len;
    return OK;
}

struct listing {
    u32 len;
};

bool listing_add(struct listing *listing, u64 cookie, u64 inode, enum file_type type,
                 struct bytes name) {
    (void)cookie;
    (void)inode;
    (void)type;
    listing->len += (u32)snprintf(listed + listing->len, sizeof listed - listing->len, "%.*s\n",
                                  (int)name.len, (const char *)name.data);
    return true;
}

// -- Trees as text --------------------------------------------------------------------------------

static struct node *find(struct file_system *fs, const char *name) {
    struct node *node;
    return fs->ops->lookup(fs, fs->root, bytes_of(name), &node) == OK ? node : NULL;
}

// Names, and of files the size and how many bytes are not zero.
static void describe(struct file_system *fs, char out[TREE_BYTES]) {
    static char names[sizeof listed];
    u32 len = 0;
    struct listing listing = {0};
    listed[0] = 0;
    assert_int_equal(fs->ops->list(fs, fs->root, 0, &listing), OK);
    memcpy(names, listed, sizeof names);
    for (char *rest = names, *name; (name = strtok_r(rest, "\n", &rest)) != NULL;) {
        struct node *node = find(fs, name);
        struct file_stat stat;
        u64 filled = 0;
        assert_int_equal(fs->ops->stat(fs, node, &stat), OK);
        for (u64 at = 0; node->type == FILE_TYPE_FILE && at < stat.size; at += sizeof data) {
            struct transfer transfer = {.room = sizeof data};
            assert_int_equal(fs->ops->read(fs, node, at, &transfer), OK);
            for (u64 i = 0; i < transfer.done; i++)
                filled += data[i] != 0;
        }
        u64 size = node->type == FILE_TYPE_DIRECTORY ? 0 : stat.size;
        len += (u32)snprintf(out + len, TREE_BYTES - len, "%s %u %llu %llu\n", name, node->type,
                             (unsigned long long)size, (unsigned long long)filled);
        node_release(fs, node);
    }
    out[len] = 0;
}

// -- Instruction by instruction -------------------------------------------------------------------

static void keep_state(void) {
    const u8 *last = it.states + (it.count - 1) * it.size;
    if (it.count == STATES_MAX ||
        (it.ready_of[it.count - 1] == it.ready && memcmp(last, it.memory, it.ready) == 0))
        return;
    it.ready_of[it.count] = it.ready;
    memcpy(it.states + it.count++ * it.size, it.memory, it.ready);
}

static void stepped(int number) {
    (void)number;
    keep_state();
}

static inline void step(bool on) {
    if (on)
        __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    else
        __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

// -- Operations -----------------------------------------------------------------------------------

static bool more(void *context, u64 offset, u64 *ready) {
    (void)context;
    *ready = it.ready = offset + STOCK_UNIT_BYTES;
    return true;
}

static struct file_system *open_on(u8 *memory, u64 ready) {
    const struct stock_source source = {
        .base = memory, .size = it.size, .ready = ready, .more = more};
    return tmpfs_create(LIMIT, &source);
}

static void make(struct file_system *fs, const char *name, enum file_type type) {
    struct node *made;
    struct bytes target = type == FILE_TYPE_LINK ? bytes_of("target") : (struct bytes){NULL, 0};
    assert_int_equal(fs->ops->create(fs, fs->root, bytes_of(name), type, target, &made), OK);
    node_release(fs, made);
}

static void write_to(struct file_system *fs, const char *name, u64 offset, u64 len) {
    struct node *node = find(fs, name);
    struct transfer transfer = {.room = len};
    assert_int_equal(fs->ops->write(fs, node, offset, &transfer), OK);
    node_release(fs, node);
}

static void cut(struct file_system *fs, const char *name, u64 size) {
    struct node *node = find(fs, name);
    assert_int_equal(fs->ops->set_size(fs, node, size), OK);
    node_release(fs, node);
}

static void move(struct file_system *fs, const char *from, const char *to) {
    struct node *node = find(fs, from);
    struct node *replaced = find(fs, to);
    assert_int_equal(
        fs->ops->rename(fs, fs->root, bytes_of(from), node, fs->root, bytes_of(to), replaced), OK);
    node_release(fs, node);
    node_release(fs, replaced);
}

static void drop(struct file_system *fs, const char *name) {
    struct node *node = find(fs, name);
    assert_int_equal(fs->ops->remove(fs, fs->root, bytes_of(name), node), OK);
    node_release(fs, node);
}

static void op_create(struct file_system *fs) {
    make(fs, "new", FILE_TYPE_FILE);
}
static void op_make_directory(struct file_system *fs) {
    make(fs, "folder", FILE_TYPE_DIRECTORY);
}
static void op_make_link(struct file_system *fs) {
    make(fs, "link", FILE_TYPE_LINK);
}
static void op_move(struct file_system *fs) {
    move(fs, "a", "c");
}
static void op_replace(struct file_system *fs) {
    move(fs, "a", "b");
}
static void op_drop(struct file_system *fs) {
    drop(fs, "b");
}
static void op_cut(struct file_system *fs) {
    cut(fs, "b", 65500); // a chunk goes, the end of another is cleared
}
static void op_grow(struct file_system *fs) {
    cut(fs, "a", 100000);
}
static void op_append(struct file_system *fs) {
    write_to(fs, "a", FILE_END, 300); // to a larger block
}

// -- The test -------------------------------------------------------------------------------------

static struct file_system *begin(void) {
    memset(it.memory, 0, it.size);
    it.ready = 0;
    struct file_system *fs = open_on(it.memory, 0);
    assert_non_null(fs);
    make(fs, "a", FILE_TYPE_FILE);
    make(fs, "b", FILE_TYPE_FILE);
    write_to(fs, "a", 0, 40);
    write_to(fs, "b", 0, 70000);
    return fs;
}

static void run_stepped(struct file_system *fs, void (*operation)(struct file_system *fs)) {
    it.count = 1;
    it.ready_of[0] = it.ready;
    memcpy(it.states, it.memory, it.ready);
    step(true);
    operation(fs);
    step(false);
    keep_state();
    assert_true(it.count > 1 && it.count < STATES_MAX);
}

static void every_state_is_the_one_before_or_after(void **state) {
    static char before[TREE_BYTES], after[TREE_BYTES], found[TREE_BYTES];
    void (*operation)(struct file_system *fs) = (void (*)(struct file_system *))*state;
    struct file_system *fs = begin();
    describe(fs, before);
    run_stepped(fs, operation);
    describe(fs, after);
    assert_string_not_equal(before, after);
    u8 *copy = calloc(1, it.size);
    for (u32 i = 0; i < it.count; i++) {
        memset(copy, 0, it.size);
        memcpy(copy, it.states + i * it.size, it.ready_of[i]);
        struct file_system *next = open_on(copy, it.ready_of[i]);
        assert_non_null(next);
        describe(next, found);
        if (strcmp(found, before) != 0)
            assert_string_equal(found, after);
        make(next, "works", FILE_TYPE_FILE);
        write_to(next, "works", 0, 1000);
        drop(next, "works");
    }
    free(copy);
}

// A file may be as long as it likes: what is not there takes neither space nor memory, before a
// restart or after it.
static void holes_cost_nothing(void **state) {
    (void)state;
    const u64 long_size = 1ull << 43;
    const u64 middle = 1ull << 37;
    struct file_system *fs = begin();
    struct file_system_stat before = {0}, after = {0};
    make(fs, "long", FILE_TYPE_FILE);
    struct node *node = find(fs, "long");
    assert_int_equal(fs->ops->stat_system(fs, &before), OK);
    usize heap = __sanitizer_get_current_allocated_bytes();
    assert_int_equal(fs->ops->set_size(fs, node, long_size), OK);
    assert_int_equal(fs->ops->stat_system(fs, &after), OK);
    assert_true(__sanitizer_get_current_allocated_bytes() - heap < 4096);
    assert_int_equal(after.free_bytes, before.free_bytes);

    struct transfer byte = {.room = 1};
    assert_int_equal(fs->ops->write(fs, node, middle, &byte), OK);
    fs = open_on(it.memory, it.ready);
    struct file_stat stat;
    assert_int_equal(fs->ops->stat(fs, find(fs, "long"), &stat), OK);
    assert_int_equal(stat.size, long_size);
    data[0] = data[1] = data[2] = 1;
    struct transfer three = {.room = 3};
    assert_int_equal(fs->ops->read(fs, find(fs, "long"), middle - 1, &three), OK);
    assert_memory_equal(data, ((const u8[]){0, 'w', 0}), 3);
    assert_int_equal(fs->ops->set_size(fs, find(fs, "long"), 0), OK);
    assert_int_equal(fs->ops->stat_system(fs, &after), OK);
    assert_int_equal(after.free_bytes, before.free_bytes);
}

// Each name counts, and no more than what is left can be made; a name that goes gives back what it
// took, whichever it was, and so does one that is replaced.
static void names_count_against_the_limit(void **state) {
    (void)state;
    struct file_system *fs = begin();
    struct file_system_stat before = {0}, full = {0}, after = {0};
    char name[16];
    make(fs, "file", FILE_TYPE_FILE);
    struct node *node = find(fs, "file");
    assert_int_equal(fs->ops->stat_system(fs, &before), OK);
    u32 count = 0;
    enum status status = OK;
    while (status == OK && count < LIMIT) {
        snprintf(name, sizeof name, "link%u", count);
        status = fs->ops->link(fs, node, fs->root, bytes_of(name));
        count += status == OK;
    }
    assert_int_equal(status, ERR_NO_SPACE);
    assert_in_range(count, LIMIT / 1024, LIMIT / 64);
    assert_int_equal(fs->ops->stat_system(fs, &full), OK);
    assert_true(full.free_bytes < 1024);

    // The next process counts alike.
    fs = open_on(it.memory, it.ready);
    node = find(fs, "file");
    assert_int_equal(fs->ops->stat_system(fs, &after), OK);
    assert_int_equal(after.free_bytes, full.free_bytes);
    assert_int_equal(
        fs->ops->rename(fs, fs->root, bytes_of("link0"), node, fs->root, bytes_of("moved"), NULL),
        OK);
    assert_int_equal(fs->ops->stat_system(fs, &after), OK);
    assert_int_equal(after.free_bytes, full.free_bytes);
    drop(fs, "moved");
    drop(fs, "file");
    for (u32 i = 2; i < count; i++) {
        snprintf(name, sizeof name, "link%u", i);
        drop(fs, name);
    }
    assert_int_equal(fs->ops->stat_system(fs, &after), OK);
    assert_int_equal(after.free_bytes, before.free_bytes);
}

static int set_up(void **state) {
    (void)state;
    it.size = stock_size_for(LIMIT);
    it.memory = calloc(1, it.size);
    it.states = mmap(NULL, STATES_MAX * it.size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct sigaction action = {.sa_handler = stepped};
    return it.memory == NULL || it.states == MAP_FAILED || sigaction(SIGTRAP, &action, NULL) != 0;
}

#define OPERATION(name)                                                                            \
    {#name, every_state_is_the_one_before_or_after, NULL, NULL, (void *)(uptr)op_##name}

int main(void) {
    const struct CMUnitTest tests[] = {
        OPERATION(create),
        OPERATION(make_directory),
        OPERATION(make_link),
        OPERATION(move),
        OPERATION(replace),
        OPERATION(drop),
        OPERATION(cut),
        OPERATION(grow),
        OPERATION(append),
        cmocka_unit_test(holes_cost_nothing),
        cmocka_unit_test(names_count_against_the_limit),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
