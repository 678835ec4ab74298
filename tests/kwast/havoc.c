// Files while services are killed: random operations on a directory, and a model of what they have
// made of it, while a child has init kill one service after another at random moments. An operation
// whose server died has been done, or not, or a write in part from the front: which, is looked up,
// and nothing else may ever be seen.
//
//   havoc INIT PIPE DIRECTORY ROUNDS SEED SERVICE...
//
// INIT and PIPE are descriptors of channels. Says in the end what it found, as often as it takes
// for the terminal to live through it.

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/kwast/init.h"
#include "abi/kwast/pipe.h"
#include "base/status.h"
#include "user/sdk/start.h"

#define SLOTS      24u
#define FILE_BYTES 150000u
#define KILLER_ARG "killer"
#define INIT_CHILD 3u
#define PATH_BYTES 128u

// What a name stands for.
struct slot {
    bool is_there;
    u32 size;
    u8 *bytes; // FILE_BYTES
};

static struct slot slots[SLOTS];
static const char *directory;
static u64 random_state;
static u32 operation_count, doubt_count, error_count;
static kwast_handle init_channel, pipe_channel;

static u32 random_below(u32 limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (u32)(random_state >> 32) % limit;
}

// The terminal may be among the dead: until it is said.
static void say(const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int tries = 0; tries < 1000 && write(STDOUT_FILENO, text, (usize)len) != len; tries++)
        usleep(1000);
}

[[noreturn]] static void fail(const char *what, u32 slot, u32 at) {
    say("havoc: wrong: %s, slot %u at %u, errno %d, after %u operations\n", what, slot, at, errno,
        operation_count);
    exit(1);
}

static bool is_death(void) {
    error_count += errno == EOWNERDEAD;
    return errno == EOWNERDEAD;
}

static const char *path_of(u32 slot, char out[PATH_BYTES]) {
    snprintf(out, PATH_BYTES, "%s/d%u/f%u", directory, slot % 4, slot);
    return out;
}

// -- Looking --------------------------------------------------------------------------------------

// The file as it is; false: it is not there.
static bool read_slot(u32 index, u8 *bytes, u32 *size) {
    char path[PATH_BYTES];
    for (;;) {
        int file = open(path_of(index, path), O_RDONLY);
        if (file < 0 && errno == ENOENT)
            return false;
        ssize_t got = 0;
        *size = 0;
        while (file >= 0 && *size < FILE_BYTES &&
               (got = read(file, bytes + *size, FILE_BYTES - *size)) > 0)
            *size += (u32)got;
        if (file >= 0 && got >= 0) {
            close(file);
            return true;
        }
        if (!is_death())
            fail("cannot be read", index, 0);
        if (file >= 0)
            close(file);
    }
}

static u8 seen[FILE_BYTES];

static void check_slot(u32 index) {
    u32 size = 0;
    bool is_there = read_slot(index, seen, &size);
    if (is_there != slots[index].is_there)
        fail(is_there ? "is there" : "is not there", index, 0);
    if (!is_there)
        return;
    if (size != slots[index].size)
        fail("has another size", index, size);
    for (u32 i = 0; i < size; i++) {
        if (seen[i] != slots[index].bytes[i])
            fail("has another byte", index, i);
    }
}

static void check_all(void) {
    for (u32 i = 0; i < SLOTS; i++)
        check_slot(i);
}

// -- Operations -----------------------------------------------------------------------------------

// The same until no server dies of it; -1 with errno otherwise.
static int open_slot(u32 index, int flags) {
    char path[PATH_BYTES];
    int file;
    while ((file = open(path_of(index, path), flags, 0666)) < 0 && is_death())
        doubt_count++;
    return file;
}

// Whether a write of `len` bytes at `offset` of a file of `old` bytes can have left it as it is
// seen.
static u32 written_of(u32 index, const u8 *data, u32 offset, u32 len) {
    struct slot *slot = &slots[index];
    u32 size = 0;
    if (!read_slot(index, seen, &size))
        fail("went while it was written", index, 0);
    u32 done = 0;
    while (done < len && offset + done < size && seen[offset + done] == data[done])
        done++;
    u32 end = done == 0 || offset + done < slot->size ? slot->size : offset + done;
    if (size != end)
        fail("has a size that no part of the write makes", index, size);
    return done;
}

static void apply_write(struct slot *slot, const u8 *data, u32 offset, u32 len) {
    if (len == 0)
        return;
    if (offset > slot->size)
        memset(slot->bytes + slot->size, 0, offset - slot->size);
    memcpy(slot->bytes + offset, data, len);
    if (offset + len > slot->size)
        slot->size = offset + len;
}

static void do_write(u32 index) {
    static u8 data[40000];
    struct slot *slot = &slots[index];
    u32 len = 1 + random_below(sizeof data);
    u32 offset = random_below(FILE_BYTES - len);
    for (u32 i = 0; i < len; i++)
        data[i] = (u8)(1 + random_below(255));
    int file = open_slot(index, O_WRONLY | O_CREAT);
    if (file < 0)
        fail("cannot be opened", index, 0);
    if (!slot->is_there) {
        slot->is_there = true;
        slot->size = 0;
    }
    ssize_t put = pwrite(file, data, len, offset);
    if (put < 0 && !is_death())
        fail("cannot be written", index, offset);
    close(file);
    u32 done = put < 0 ? 0 : (u32)put;
    apply_write(slot, data, offset, done);
    if (done == len)
        return;
    // The kernel writes in pieces, and a count that is short tells of whole ones alone.
    doubt_count++;
    u32 more = written_of(index, data + done, offset + done, len - done);
    apply_write(slot, data + done, offset + done, more);
    check_slot(index);
}

static void do_truncate(u32 index) {
    struct slot *slot = &slots[index];
    u32 size = random_below(FILE_BYTES);
    int file = open_slot(index, O_WRONLY);
    if (file < 0 && errno == ENOENT && !slot->is_there)
        return;
    if (file < 0 || !slot->is_there)
        fail("opens otherwise than it should", index, 0);
    bool is_done = ftruncate(file, size) == 0;
    if (!is_done && !is_death())
        fail("cannot be cut", index, size);
    close(file);
    if (!is_done) {
        u32 found = 0;
        doubt_count++;
        if (!read_slot(index, seen, &found) || (found != size && found != slot->size))
            fail("was cut to something else", index, found);
        is_done = found == size;
    }
    if (!is_done)
        return;
    if (size > slot->size)
        memset(slot->bytes + slot->size, 0, size - slot->size);
    slot->size = size;
    check_slot(index);
}

static bool is_there(u32 index) {
    u32 size;
    return read_slot(index, seen, &size);
}

static void do_unlink(u32 index) {
    char path[PATH_BYTES];
    struct slot *slot = &slots[index];
    if (unlink(path_of(index, path)) != 0) {
        if (errno == ENOENT && !slot->is_there)
            return;
        if (!is_death())
            fail("cannot be removed", index, 0);
        doubt_count++;
        bool is_left = is_there(index);
        if (is_left && !slot->is_there)
            fail("came while it was removed", index, 0);
        slot->is_there = is_left;
        return;
    }
    if (!slot->is_there)
        fail("was there", index, 0);
    slot->is_there = false;
}

static void do_rename(u32 from, u32 to) {
    char old[PATH_BYTES], new[PATH_BYTES];
    bool is_done = rename(path_of(from, old), path_of(to, new)) == 0;
    if (!is_done && errno == ENOENT && !slots[from].is_there)
        return;
    if (!is_done) {
        if (!is_death())
            fail("cannot be renamed", from, to);
        doubt_count++;
        is_done = slots[from].is_there && from != to && !is_there(from);
    }
    if (is_done && from != to) {
        struct slot moved = slots[from];
        slots[from] = (struct slot){.bytes = slots[to].bytes};
        slots[to] = moved;
    }
    check_slot(from); // not both, and not neither
    check_slot(to);
}

// Other services: their answers are right, or they have died.
static void ask_others(void) {
    u8 bytes[64] = {0};
    int file = open("/dev/zero", O_RDONLY);
    if (file >= 0 && read(file, bytes, 1) == 1 && bytes[0] != 0)
        fail("/dev/zero has something", 0, 0);
    if (file >= 0)
        close(file);
    struct kwast_call call = {.operation = PIPE_CREATE};
    if (kwast_scheme_call(pipe_channel, &call, -1) != 0 || call.answer != 0)
        return;
    int reader = (int)call.handle;
    call = (struct kwast_call){.operation = PIPE_WRITER};
    if (kwast_scheme_call((kwast_handle)reader, &call, -1) == 0 && call.answer == 0) {
        bool is_right = write((int)call.handle, "pipe", 4) != 4 || read(reader, bytes, 64) != 4 ||
                        memcmp(bytes, "pipe", 4) == 0;
        close((int)call.handle);
        if (!is_right)
            fail("a pipe has something else", 0, 0);
    }
    close(reader);
}

static void operate(void) {
    u32 index = random_below(SLOTS);
    switch (random_below(8)) {
    case 0:
        do_truncate(index);
        break;
    case 1:
        do_unlink(index);
        break;
    case 2:
    case 3:
        do_rename(index, random_below(SLOTS));
        break;
    case 4:
        ask_others();
        break;
    default:
        do_write(index);
    }
    operation_count++;
}

// -- The killer -----------------------------------------------------------------------------------

static void restart(const char *name) {
    struct kwast_call call = {
        .operation = INIT_RESTART, .bytes = (u32)(uptr)name, .bytes_len = (u32)strlen(name)};
    // It may not have been started again since the last time.
    for (;;) {
        call.answer = OK;
        if (kwast_scheme_call(init_channel, &call, -1) == 0 && call.answer == OK)
            return;
        usleep(1000);
    }
}

static int kill_services(int rounds, char **names) {
    int count = 0;
    while (names[count] != NULL)
        count++;
    for (int i = 0; i < rounds; i++) {
        usleep(random_below(20000));
        restart(names[i % count]);
    }
    return 0;
}

static u32 spawn_killer(int argc, char **argv, kwast_handle *child) {
    struct start start;
    start_init(&start, KILLER_ARG);
    start_argument(&start, KILLER_ARG);
    for (int i = 4; i < argc; i++)
        start_argument(&start, argv[i]);
    start_handle(&start, init_channel, INIT_CHILD);
    u32 error = start_run(&start, "/boot/bin/havoc.wasm", child);
    start_fini(&start);
    return error;
}

// -- All ------------------------------------------------------------------------------------------

static void make_directories(void) {
    char path[PATH_BYTES];
    for (u32 i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/d%u", directory, i);
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            fail("no directory", i, 0);
    }
    for (u32 i = 0; i < SLOTS; i++) {
        slots[i].bytes = malloc(FILE_BYTES);
        if (slots[i].bytes == NULL)
            fail("no memory", i, 0);
    }
}

int main(int argc, char **argv) {
    kwast_handle child;
    struct kwast_status status;
    if (argc >= 3 && strcmp(argv[0], KILLER_ARG) == 0) {
        init_channel = INIT_CHILD;
        random_state = strtoull(argv[2], NULL, 10) + 1;
        return kill_services(atoi(argv[1]), argv + 3);
    }
    if (argc < 7)
        return 2;
    init_channel = (kwast_handle)atoi(argv[1]);
    pipe_channel = (kwast_handle)atoi(argv[2]);
    directory = argv[3];
    random_state = strtoull(argv[5], NULL, 10) + 77;
    make_directories();
    u32 error = spawn_killer(argc, argv, &child);
    if (error != 0) {
        say("havoc: no killer: %s\n", strerror((int)error));
        return 1;
    }
    while (kwast_process_wait(child, 0, &status) == ETIMEDOUT) {
        operate();
        if (operation_count % 64 == 0)
            check_all();
    }
    check_all();
    say("havoc: %u operations, %u in doubt, %u errors: all right\n", operation_count, doubt_count,
        error_count);
    return 0;
}
