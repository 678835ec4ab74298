// The file system over 9P, with a server in this process that has a real directory: what each
// operation does there; what becomes of open files whose names go; and that no answer, however it
// is spoilt, does harm.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/math.h"
#include "tests/fake_9p.h"
#include "user/services/ninep/nodes.h"

static struct {
    struct fake_9p server;
    char root[64];
    struct file_system *fs;
    u8 data[64 * 1024]; // of the client, for transfers
} world;

// -- What user/sdk/files.c has elsewhere ----------------------------------------------------------

enum status transfer_put(struct transfer *transfer, const void *from, u64 len) {
    assert_true(len <= transfer_left(transfer));
    memcpy(world.data + transfer->done, from, len);
    transfer->done += len;
    return OK;
}

enum status transfer_get(struct transfer *transfer, void *to, u64 len) {
    assert_true(len <= transfer_left(transfer));
    memcpy(to, world.data + transfer->done, len);
    transfer->done += len;
    return OK;
}

struct listing {
    u32 count;
    u32 room;
    u64 next_cookie;
    char names[1200][16];
    enum file_type types[1200];
};

bool listing_add(struct listing *listing, u64 next_cookie, u64 inode, enum file_type type,
                 struct bytes name) {
    if (listing->room == 0 || listing->count == COUNT_OF(listing->names))
        return false;
    (void)inode;
    listing->room--;
    listing->next_cookie = next_cookie;
    listing->types[listing->count] = type;
    snprintf(listing->names[listing->count++], sizeof listing->names[0], "%.*s", (int)name.len,
             (const char *)name.data);
    return true;
}

// -- Shorthands -----------------------------------------------------------------------------------

static const char *host_path(const char *name) {
    static char paths[2][512]; // two are wanted at a time
    static u32 turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", world.root, name);
    return path;
}

static void host_write(const char *name, const char *text) {
    int fd = open(host_path(name), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void host_has(const char *name, const char *text) {
    char found[256] = "";
    int fd = open(host_path(name), O_RDONLY);
    assert_true(fd >= 0);
    ssize_t len = read(fd, found, sizeof found - 1);
    close(fd);
    assert_int_equal(len, strlen(text));
    assert_string_equal(found, text);
}

static struct node *root(void) {
    return world.fs->root;
}

static struct node *look(struct node *directory, const char *name) {
    struct node *node;
    assert_int_equal(world.fs->ops->lookup(world.fs, directory, bytes_of(name), &node), OK);
    return node;
}

static struct node *open_node(const char *name, u16 flags) {
    struct node *node = look(root(), name);
    assert_int_equal(world.fs->ops->open(world.fs, node, flags), OK);
    return node;
}

static struct node *create(struct node *directory, const char *name, enum file_type type,
                           const char *target) {
    struct node *node;
    assert_int_equal(
        world.fs->ops->create(world.fs, directory, bytes_of(name), type, bytes_of(target), &node),
        OK);
    return node;
}

static void drop(struct node *node) {
    node_release(world.fs, node);
}

static enum status write_text(struct node *node, u64 offset, const char *text) {
    struct transfer transfer = {.room = strlen(text)};
    memcpy(world.data, text, strlen(text));
    enum status status = world.fs->ops->write(world.fs, node, offset, &transfer);
    if (status == OK)
        assert_int_equal(transfer.done, strlen(text));
    return status;
}

static void reads(struct node *node, u64 offset, u64 room, const char *text) {
    struct transfer transfer = {.room = room};
    assert_int_equal(world.fs->ops->read(world.fs, node, offset, &transfer), OK);
    assert_int_equal(transfer.done, strlen(text));
    assert_memory_equal(world.data, text, strlen(text));
}

static struct file_stat stat_of(struct node *node) {
    struct file_stat stat = {0};
    assert_int_equal(world.fs->ops->stat(world.fs, node, &stat), OK);
    return stat;
}

static int remove_entry(const char *path, const struct stat *, int, struct FTW *) {
    return remove(path);
}

static int setup(void **) {
    snprintf(world.root, sizeof world.root, "/tmp/kwast-9p-XXXXXX");
    assert_non_null(mkdtemp(world.root));
    fake_9p_init(&world.server, world.root);
    assert_int_equal(nodes_create(&world.server.transport, &world.fs), OK);
    return 0;
}

// Nothing was forgotten at the server.
static int teardown(void **) {
    world.server.spoil = NULL;
    assert_true(fake_9p_fids_in_use(&world.server) <= 2); // the root's, open where it was listed
    nodes_destroy(world.fs);
    assert_int_equal(fake_9p_fids_in_use(&world.server), 0);
    fake_9p_fini(&world.server);
    return nftw(world.root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

// -- Greeting -------------------------------------------------------------------------------------

static void only_the_right_protocol_is_spoken(void **) {
    struct file_system *fs;
    struct fake_9p *other = calloc(1, sizeof *other);
    fake_9p_init(other, world.root);
    other->version = "9P2000";
    assert_int_equal(nodes_create(&other->transport, &fs), ERR_UNSUPPORTED);
    other->version = "unknown";
    assert_int_equal(nodes_create(&other->transport, &fs), ERR_UNSUPPORTED);
    other->version = "9P2000.L";
    other->message_bytes = 4095;
    assert_int_equal(nodes_create(&other->transport, &fs), ERR_IO);
    other->message_bytes = 4096;
    assert_int_equal(nodes_create(&other->transport, &fs), OK);
    nodes_destroy(fs);
    other->transport.bytes = 4095;
    assert_int_equal(nodes_create(&other->transport, &fs), ERR_INVALID);
    fake_9p_fini(other);
    free(other);
}

// -- Files ----------------------------------------------------------------------------------------

static void contents_are_written_and_read(void **) {
    struct node *file = create(root(), "file", FILE_TYPE_FILE, "");
    assert_int_equal(world.fs->ops->open(world.fs, file, FILE_OPEN_WRITE), OK);
    assert_int_equal(write_text(file, 0, "0123456789"), OK);
    assert_int_equal(write_text(file, 8, "xyz"), OK);
    reads(file, 0, 100, "01234567xyz");
    reads(file, 9, 1, "y");
    reads(file, 11, 10, "");
    reads(file, 1000, 10, "");
    assert_int_equal(stat_of(file).size, 11);
    assert_int_equal(stat_of(file).link_count, 1);
    assert_int_equal(world.fs->ops->set_size(world.fs, file, 4), OK);
    assert_int_equal(world.fs->ops->allocate(world.fs, file, 2, 1), OK);
    assert_int_equal(stat_of(file).size, 4);
    assert_int_equal(world.fs->ops->allocate(world.fs, file, 2, 6), OK);
    assert_int_equal(stat_of(file).size, 8);
    assert_int_equal(world.fs->ops->allocate(world.fs, file, 1, UINT64_MAX), ERR_FILE_TOO_LARGE);
    assert_int_equal(world.fs->ops->set_size(world.fs, file, 1ull << 63), ERR_INVALID);
    assert_int_equal(world.fs->ops->sync(world.fs, file, false), OK);
    assert_int_equal(world.fs->ops->set_size(world.fs, file, 4), OK);
    drop(file);
    host_has("file", "0123");
}

static void long_transfers_take_several_messages(void **) {
    enum { LEN = 3 * FAKE_9P_BYTES + 100 };
    struct node *file = create(root(), "long", FILE_TYPE_FILE, "");
    struct transfer transfer = {.room = LEN};
    for (u32 i = 0; i < LEN; i++)
        world.data[i] = (u8)(i * 7 + i / 256);
    assert_int_equal(world.fs->ops->write(world.fs, file, 5, &transfer), OK);
    assert_int_equal(transfer.done, LEN);
    memset(world.data, 0, LEN);
    transfer = (struct transfer){.room = sizeof world.data};
    assert_int_equal(world.fs->ops->read(world.fs, file, 5, &transfer), OK);
    assert_int_equal(transfer.done, LEN);
    for (u32 i = 0; i < LEN; i++)
        assert_int_equal(world.data[i], (u8)(i * 7 + i / 256));
    drop(file);
}

static void appending_goes_to_the_end_wherever_that_is(void **) {
    host_write("log", "one ");
    struct node *file = open_node("log", FILE_OPEN_WRITE);
    assert_int_equal(write_text(file, FILE_END, "two "), OK);
    int fd = open(host_path("log"), O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "three ", 6), 6); // somebody else
    close(fd);
    assert_int_equal(write_text(file, FILE_END, "four"), OK);
    drop(file);
    host_has("log", "one two three four");
}

static void what_is_no_file_is_not_opened(void **) {
    assert_int_equal(mkfifo(host_path("pipe"), 0644), 0);
    struct node *pipe = look(root(), "pipe");
    assert_int_equal(world.fs->ops->open(world.fs, pipe, FILE_OPEN_READ), ERR_UNSUPPORTED);
    stat_of(pipe);
    assert_int_equal(pipe->type, FILE_TYPE_OTHER);
    drop(pipe);
    struct node *none;
    assert_int_equal(world.fs->ops->lookup(world.fs, root(), bytes_of("none"), &none),
                     ERR_NOT_FOUND);
}

static void times_are_set(void **) {
    host_write("timed", "");
    struct node *file = look(root(), "timed");
    u16 both = FILE_TIME_ACCESSED | FILE_TIME_MODIFIED;
    assert_int_equal(world.fs->ops->set_times(world.fs, file, both, 1000000002, 3000000004), OK);
    assert_int_equal(stat_of(file).accessed_ns, 1000000002);
    assert_int_equal(stat_of(file).modified_ns, 3000000004);
    assert_int_equal(world.fs->ops->set_times(world.fs, file, FILE_TIME_MODIFIED_NOW, 0, 0), OK);
    assert_int_equal(stat_of(file).accessed_ns, 1000000002);
    assert_true(stat_of(file).modified_ns > 1600000000ull * 1000000000);
    drop(file);
}

// -- Names ----------------------------------------------------------------------------------------

static void names_are_made_moved_and_removed(void **) {
    const struct file_system_ops *ops = world.fs->ops;
    struct node *directory = create(root(), "dir", FILE_TYPE_DIRECTORY, "");
    struct node *link = create(directory, "link", FILE_TYPE_LINK, "../x");
    struct node *file = create(directory, "file", FILE_TYPE_FILE, "");
    struct node *again;
    struct bytes target;
    assert_int_equal(directory->type, FILE_TYPE_DIRECTORY);
    assert_int_equal(link->type, FILE_TYPE_LINK);
    assert_int_equal(ops->read_link(world.fs, link, &target), OK);
    assert_true(bytes_equal_text(target, "../x"));
    assert_int_equal(
        ops->create(world.fs, root(), bytes_of("dir"), FILE_TYPE_FILE, bytes_of(""), &again),
        ERR_EXISTS);
    assert_int_equal(ops->link(world.fs, file, root(), bytes_of("second")), OK);
    assert_int_equal(stat_of(file).link_count, 2);
    assert_int_equal(ops->remove(world.fs, root(), bytes_of("dir"), directory), ERR_NOT_EMPTY);
    assert_int_equal(
        ops->rename(world.fs, root(), bytes_of("dir"), directory, directory, bytes_of("in"), NULL),
        ERR_INVALID);

    assert_int_equal(
        ops->rename(world.fs, root(), bytes_of("dir"), directory, root(), bytes_of("moved"), NULL),
        OK);
    again = look(directory, "file"); // the server follows what it has moved
    drop(again);
    assert_int_equal(ops->remove(world.fs, directory, bytes_of("file"), file), OK);
    assert_int_equal(ops->remove(world.fs, directory, bytes_of("link"), link), OK);
    assert_int_equal(ops->remove(world.fs, root(), bytes_of("moved"), directory), OK);
    drop(file);
    drop(link);
    drop(directory);
    host_has("second", "");
}

static void listings_go_on_at_cookies(void **) {
    enum { COUNT = 1000 };
    static struct listing listing;
    static bool seen[COUNT];
    char name[16];
    listing = (struct listing){.room = 1};
    memset(seen, 0, sizeof seen);
    assert_int_equal(world.fs->ops->list(world.fs, root(), 0, &listing), OK);
    assert_int_equal(listing.count, 0);
    for (u32 i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "%u", i);
        host_write(name, "");
    }
    assert_int_equal(symlink("x", host_path("link")), 0);
    assert_int_equal(mkdir(host_path("directory"), 0755), 0);
    u64 cookie = 0;
    u32 total = 0;
    u32 links = 0;
    u32 directories = 0;
    do {
        listing = (struct listing){.room = 7 + total % 300};
        assert_int_equal(world.fs->ops->list(world.fs, root(), cookie, &listing), OK);
        for (u32 i = 0; i < listing.count; i++) {
            links += listing.types[i] == FILE_TYPE_LINK;
            directories += listing.types[i] == FILE_TYPE_DIRECTORY;
            u32 number = (u32)atoi(listing.names[i]);
            if (listing.types[i] != FILE_TYPE_FILE)
                continue;
            assert_true(number < COUNT && !seen[number]);
            seen[number] = true;
        }
        total += listing.count;
        cookie = listing.next_cookie;
    } while (listing.count != 0);
    assert_int_equal(total, COUNT + 2);
    assert_int_equal(links, 1);
    assert_int_equal(directories, 1);
}

// -- Names that go --------------------------------------------------------------------------------

static void an_open_file_without_a_name_remains(void **) {
    host_write("file", "contents");
    struct node *file = open_node("file", FILE_OPEN_READ | FILE_OPEN_WRITE);
    assert_int_equal(world.fs->ops->remove(world.fs, root(), bytes_of("file"), file), OK);
    reads(file, 0, 100, "contents");
    assert_int_equal(stat_of(file).size, 8);
    assert_int_equal(stat_of(file).link_count, 0);
    assert_int_equal(write_text(file, 8, " and more"), OK);
    assert_int_equal(stat_of(file).size, 17);
    assert_int_equal(write_text(file, FILE_END, "!"), OK);
    reads(file, 0, 100, "contents and more!");
    assert_int_equal(stat_of(file).size, 18);
    assert_int_equal(world.fs->ops->set_size(world.fs, file, 20), OK);
    assert_int_equal(stat_of(file).size, 20);
    assert_int_equal(world.fs->ops->set_size(world.fs, file, 20), OK);
    assert_int_equal(world.fs->ops->set_size(world.fs, file, 3), ERR_UNSUPPORTED);
    drop(file);
}

static void sizes_of_nameless_files_are_found_by_reading(void **) {
    static const u64 sizes[] = {0, 1, 2, 3, 100, 4095, 4096, 70000};
    for (u32 known = 0; known < COUNT_OF(sizes); known++) {
        for (u32 real = 0; real < COUNT_OF(sizes); real++) {
            host_write("file", "");
            assert_int_equal(truncate(host_path("file"), (off_t)sizes[known]), 0);
            struct node *file = open_node("file", FILE_OPEN_READ);
            assert_int_equal(stat_of(file).size, sizes[known]);
            assert_int_equal(truncate(host_path("file"), (off_t)sizes[real]), 0);
            assert_int_equal(unlink(host_path("file")), 0);
            assert_int_equal(stat_of(file).size, sizes[real]);
            drop(file);
        }
    }
}

static void another_file_of_the_same_name_is_left_alone(void **) {
    host_write("file", "contents");
    struct node *file = open_node("file", FILE_OPEN_READ | FILE_OPEN_WRITE);
    u64 inode = stat_of(file).inode;
    assert_int_equal(unlink(host_path("file")), 0);
    host_write("other", "another file");
    assert_int_equal(rename(host_path("other"), host_path("file")), 0);
    assert_int_equal(stat_of(file).inode, inode);
    assert_int_equal(stat_of(file).size, 8);
    assert_int_equal(world.fs->ops->set_size(world.fs, file, 0), ERR_UNSUPPORTED);
    assert_int_equal(world.fs->ops->set_times(world.fs, file, FILE_TIME_MODIFIED, 0, 0),
                     ERR_NOT_FOUND);
    assert_int_equal(write_text(file, FILE_END, "!"), OK);
    reads(file, 0, 100, "contents!");
    drop(file);
    host_has("file", "another file");
}

// Somebody else on the host is quick.
static void replace_created(struct fake_9p *fake, u32 *len) {
    (void)len;
    if (fake->request[4] != 14) // Tlcreate
        return;
    assert_int_equal(rename(host_path("new"), host_path("moved")), 0);
    assert_int_equal(mkdir(host_path("new"), 0755), 0);
}

static void what_was_created_is_what_is_open(void **) {
    world.server.spoil = replace_created;
    struct node *file = create(root(), "new", FILE_TYPE_FILE, "");
    world.server.spoil = NULL;
    assert_int_equal(file->type, FILE_TYPE_FILE);
    assert_int_equal(world.fs->ops->open(world.fs, file, FILE_OPEN_WRITE), OK);
    assert_int_equal(write_text(file, 0, "mine"), OK);
    struct stat moved;
    assert_int_equal(stat(host_path("moved"), &moved), 0);
    assert_int_equal(stat_of(file).inode, moved.st_ino);
    assert_int_equal(stat_of(file).size, 4);
    assert_int_equal(world.fs->ops->set_times(world.fs, file, FILE_TIME_MODIFIED, 0, 1),
                     ERR_NOT_FOUND);
    drop(file);
    host_has("moved", "mine");
}

static void a_removed_directory_is_empty(void **) {
    static struct listing listing;
    struct node *directory = create(root(), "gone", FILE_TYPE_DIRECTORY, "");
    struct node *none;
    listing = (struct listing){.room = 10};
    assert_int_equal(world.fs->ops->open(world.fs, directory, FILE_OPEN_READ), OK);
    assert_int_equal(rmdir(host_path("gone")), 0);
    assert_int_equal(stat_of(directory).link_count, 0);
    assert_int_equal(world.fs->ops->list(world.fs, directory, 0, &listing), OK);
    assert_int_equal(listing.count, 0);
    assert_int_equal(world.fs->ops->create(world.fs, directory, bytes_of("x"), FILE_TYPE_FILE,
                                           bytes_of(""), &none),
                     ERR_NOT_FOUND);
    drop(directory);
}

// -- Answers that are wrong -----------------------------------------------------------------------

// Everything once, whatever comes of it. What was made is given back.
static void do_everything(void) {
    static struct listing listing;
    const struct file_system_ops *ops = world.fs->ops;
    struct file_system *fs = world.fs;
    struct node *file = NULL;
    struct node *link = NULL;
    struct file_stat stat;
    struct bytes target;
    struct transfer transfer = {.room = 100};
    enum status status;
    status = ops->create(fs, root(), bytes_of("f"), FILE_TYPE_FILE, bytes_of(""), &file);
    if (status != OK)
        status = ops->lookup(fs, root(), bytes_of("f"), &file);
    if (status == OK) {
        status = ops->open(fs, file, FILE_OPEN_READ | FILE_OPEN_WRITE);
        status = ops->write(fs, file, 10, &transfer);
        transfer = (struct transfer){.room = 100};
        status = ops->read(fs, file, 0, &transfer);
        transfer = (struct transfer){.room = 10};
        status = ops->write(fs, file, FILE_END, &transfer);
        status = ops->stat(fs, file, &stat);
        status = ops->set_size(fs, file, 50);
        status = ops->set_times(fs, file, FILE_TIME_MODIFIED, 0, 1);
        status = ops->sync(fs, file, true);
        status = ops->link(fs, file, root(), bytes_of("g"));
        status = ops->rename(fs, root(), bytes_of("g"), file, root(), bytes_of("h"), NULL);
        status = ops->remove(fs, root(), bytes_of("h"), file);
    }
    if (ops->create(fs, root(), bytes_of("l"), FILE_TYPE_LINK, bytes_of("to"), &link) == OK) {
        status = ops->read_link(fs, link, &target);
        status = ops->remove(fs, root(), bytes_of("l"), link);
        drop(link);
    }
    listing = (struct listing){.room = 100};
    status = ops->list(fs, root(), 0, &listing);
    (void)status;
    if (file != NULL)
        drop(file);
    unlink(host_path("f"));
    unlink(host_path("g"));
    unlink(host_path("h"));
    unlink(host_path("l"));
}

// A server that was not told to forget a fid keeps it: the client has taken it for one of no use.
static void forget_all(void) {
    nodes_destroy(world.fs);
    fake_9p_fini(&world.server);
    assert_int_equal(nodes_create(&world.server.transport, &world.fs), OK);
}

static u64 seed;

static u32 random_below(u32 limit) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(seed >> 33) % limit;
}

// Cuts the answer number `context`, with and without saying so in its header.
static struct {
    u32 number;
    u32 len;
    bool says_so;
} cut;

static void cut_one(struct fake_9p *server, u32 *len) {
    if (server->exchanges != cut.number || cut.len >= *len)
        return;
    *len = cut.len;
    if (cut.says_so)
        memcpy(server->reply, len, sizeof *len);
}

static void answers_that_are_cut_are_errors(void **) {
    do_everything();
    u32 before = world.server.exchanges;
    do_everything();
    u32 count = world.server.exchanges - before;
    world.server.spoil = cut_one;
    for (u32 number = 1; number <= count; number++) {
        for (u32 len = 0; len < 200; len += len < 16 ? 1 : 17) {
            cut.number = world.server.exchanges + number;
            cut.len = len;
            cut.says_so = len % 2 == 1 || len < 7;
            do_everything();
            world.server.spoil = NULL;
            forget_all();
            world.server.spoil = cut_one;
        }
    }
}

// One field of the answer to messages of one kind, which are then not what they should be.
static struct {
    u8 type; // of the answer
    u32 at;
    u32 len;
    u8 bytes[8];
} lie;

static void tell_lie(struct fake_9p *server, u32 *len) {
    if (server->reply[4] != lie.type)
        return;
    assert_true(lie.at + lie.len <= *len);
    memcpy(server->reply + lie.at, lie.bytes, lie.len);
}

static enum status list_root(void) {
    static struct listing listing;
    listing = (struct listing){.room = 100};
    return world.fs->ops->list(world.fs, root(), 0, &listing);
}

static enum status read_file(void) {
    struct transfer transfer = {.room = 4};
    struct node *file = look(root(), "f");
    enum status status = world.fs->ops->open(world.fs, file, FILE_OPEN_READ);
    if (status == OK)
        status = world.fs->ops->read(world.fs, file, 0, &transfer);
    drop(file);
    return status;
}

static enum status write_file(void) {
    struct transfer transfer = {.room = 4};
    struct node *file = look(root(), "f");
    enum status status = world.fs->ops->open(world.fs, file, FILE_OPEN_WRITE);
    if (status == OK)
        status = world.fs->ops->write(world.fs, file, 0, &transfer);
    if (status == OK)
        assert_int_equal(transfer.done, 2); // the lie that is none
    drop(file);
    return status;
}

static enum status look_up(void) {
    struct node *file;
    enum status status = world.fs->ops->lookup(world.fs, root(), bytes_of("f"), &file);
    if (status == OK)
        drop(file);
    return status;
}

static void answers_that_do_not_fit_are_errors(void **) {
    static const struct {
        const char *what;
        enum status (*run)(void);
        u8 type;
        u32 at;
        u32 len;
        u8 bytes[8];
        enum status status;
    } lies[] = {
        {"nothing wrong", read_file, 0, 0, 0, {0}, OK},
        {"another tag", read_file, 117, 5, 2, {0xff, 0xff}, ERR_IO},
        {"another length", read_file, 117, 0, 1, {200}, ERR_IO},
        {"another kind", read_file, 117, 4, 1, {119}, ERR_IO},
        {"more data than asked for", read_file, 117, 7, 4, {5}, ERR_IO},
        {"more data than there is", read_file, 117, 7, 4, {0, 0, 0, 0x80}, ERR_IO},
        {"attributes that are missing", read_file, 25, 7, 8, {0xff, 0x06}, ERR_IO},
        {"another file's attributes", read_file, 25, 20, 8, {0xff, 0xff}, ERR_NOT_FOUND},
        {"more written than sent", write_file, 119, 7, 4, {5}, ERR_IO},
        {"half of it written", write_file, 119, 7, 4, {2}, OK},
        {"a walk of no step", look_up, 111, 7, 2, {0}, ERR_IO},
        {"a walk of two steps", look_up, 111, 7, 2, {2}, ERR_IO},
        {"a list longer than it is", list_root, 41, 7, 4, {0xff, 0xff}, ERR_IO},
        {"a name longer than the list", list_root, 41, 33, 2, {0xff, 0xff}, ERR_IO},
        {"an empty name", list_root, 41, 33, 2, {0, 0}, ERR_IO},
        {"a name with a slash", list_root, 41, 35, 1, {'/'}, ERR_IO},
        {"a name with a zero", list_root, 41, 35, 1, {0}, ERR_IO},
    };
    host_write("f", "four");
    for (u32 i = 0; i < COUNT_OF(lies); i++) {
        lie.type = lies[i].type;
        lie.at = lies[i].at;
        lie.len = lies[i].len;
        memcpy(lie.bytes, lies[i].bytes, sizeof lie.bytes);
        world.server.spoil = tell_lie;
        enum status status = lies[i].run();
        world.server.spoil = NULL;
        if (status != lies[i].status)
            fail_msg("%s: %s", lies[i].what, status_text(status));
        forget_all();
    }
}

// "." again and again, at other places.
static void list_dots(struct fake_9p *server, u32 *len) {
    static u64 offset;
    if (server->reply[4] != 41)
        return;
    offset++;
    memset(server->reply + 7, 0, 29);
    server->reply[7] = 25;    // bytes of entries
    server->reply[11] = 0x80; // a directory
    memcpy(server->reply + 24, &offset, sizeof offset);
    server->reply[32] = 4; // likewise
    server->reply[33] = 1; // byte of a name
    server->reply[35] = '.';
    *len = 36;
    memcpy(server->reply, len, sizeof *len);
}

static void a_list_of_dots_ends(void **) {
    world.server.spoil = list_dots;
    assert_int_equal(list_root(), ERR_IO);
    world.server.spoil = NULL;
}

// Changes some bytes of every fourth answer or so; what is greeted with stays.
static void change_some(struct fake_9p *server, u32 *len) {
    if (random_below(4) != 0)
        return;
    for (u32 i = 0; i <= random_below(4); i++) {
        u32 at = random_below(8) == 0 ? random_below(*len) : 7 + random_below(30);
        server->reply[at] = random_below(2) == 0 ? (u8)random_below(256) : 0xff;
    }
    if (random_below(10) == 0)
        *len = random_below(FAKE_9P_BYTES + 10);
}

static void spoilt_answers_do_no_harm(void **) {
    for (seed = 1; seed <= 300; seed++) {
        u64 round = seed;
        world.server.spoil = change_some;
        do_everything();
        world.server.spoil = NULL;
        forget_all();
        seed = round;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(only_the_right_protocol_is_spoken),
        CASE(contents_are_written_and_read),
        CASE(long_transfers_take_several_messages),
        CASE(appending_goes_to_the_end_wherever_that_is),
        CASE(what_is_no_file_is_not_opened),
        CASE(times_are_set),
        CASE(names_are_made_moved_and_removed),
        CASE(listings_go_on_at_cookies),
        CASE(an_open_file_without_a_name_remains),
        CASE(sizes_of_nameless_files_are_found_by_reading),
        CASE(another_file_of_the_same_name_is_left_alone),
        CASE(what_was_created_is_what_is_open),
        CASE(a_removed_directory_is_empty),
        CASE(answers_that_do_not_fit_are_errors),
        CASE(a_list_of_dots_ends),
        CASE(answers_that_are_cut_are_errors),
        CASE(spoilt_answers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
