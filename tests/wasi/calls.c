// Carries out a script of WASI calls about files, as tests/wasi/property.py makes them, and prints
// one line for each: the error number, and what came back. The script comes on standard input: for
// each call struct call and the bytes of two paths.
//
// Descriptors are named by slots: 0 and 1 are the preopened directories 3 and 4, the others are
// what was opened for them. An empty slot is a number that is never open.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#define SLOTS       16
#define NEVER_OPEN  3000u
#define BUFFER_SIZE 131072
#define PARTS_MAX   3

struct call {
    uint8_t op;
    uint8_t slot;
    uint8_t other; // a slot, or a small number
    uint8_t dirflags;
    uint16_t oflags;
    uint16_t fdflags;
    uint16_t path_len;
    uint16_t other_len;
    uint32_t n;
    uint64_t x;
    uint64_t y;
};
_Static_assert(sizeof(struct call) == 32, "as the script has it");

// The calls that wasi-libc has only for strings that end in a zero byte.
#define IMPORT(name)                                                                               \
    __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int wasi_##name
IMPORT(path_open)(int fd, int dirflags, const char *path, int len, int oflags, uint64_t rights,
                  uint64_t inheriting, int fdflags, __wasi_fd_t *out);
IMPORT(path_create_directory)(int fd, const char *path, int len);
IMPORT(path_remove_directory)(int fd, const char *path, int len);
IMPORT(path_unlink_file)(int fd, const char *path, int len);
IMPORT(path_rename)(int fd, const char *path, int len, int to, const char *new, int new_len);
IMPORT(path_link)(int fd, int flags, const char *path, int len, int to, const char *new,
                  int new_len);
IMPORT(path_symlink)(const char *target, int target_len, int fd, const char *path, int len);
IMPORT(path_readlink)(int fd, const char *path, int len, void *to, int size, __wasi_size_t *used);
IMPORT(path_filestat_get)(int fd, int flags, const char *path, int len, __wasi_filestat_t *out);
IMPORT(path_filestat_set_times)(int fd, int flags, const char *path, int len, uint64_t accessed,
                                uint64_t modified, int fstflags);

static __wasi_fd_t slots[SLOTS];
static uint64_t cookies[SLOTS];
static uint8_t buffer[BUFFER_SIZE];
static const struct call *call;
static const char *path;
static const char *other_path;

static __wasi_fd_t fd(void) {
    return slots[call->slot];
}

static void put_hex(const void *bytes, size_t len) {
    const uint8_t *from = bytes;
    putchar(' ');
    for (size_t i = 0; i < len; i++) {
        putchar("0123456789abcdef"[from[i] >> 4]);
        putchar("0123456789abcdef"[from[i] & 15]);
    }
}

static uint32_t crc_table[256];

static void make_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        crc_table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            crc_table[i] = (crc_table[i] >> 1) ^ (0xedb88320u & (0u - (crc_table[i] & 1)));
    }
}

static uint32_t crc32(const uint8_t *bytes, size_t len) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len; i++)
        crc = (crc >> 8) ^ crc_table[(crc ^ bytes[i]) & 255];
    return ~crc;
}

// -- Contents -------------------------------------------------------------------------------------

// call->n bytes in call->other parts, of which the first ones are short.
static size_t parts(__wasi_iovec_t *out) {
    size_t count = call->other == 0 ? 1 : call->other;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = i + 1 == count ? call->n - at : call->n / 7;
        out[i] = (__wasi_iovec_t){buffer + at, len};
        at += len;
    }
    return count;
}

static void do_read(int at_offset) {
    __wasi_iovec_t list[PARTS_MAX];
    __wasi_size_t got = 0;
    size_t count = parts(list);
    memset(buffer, 0xee, call->n);
    int error = at_offset ? __wasi_fd_pread(fd(), list, count, call->x, &got)
                          : __wasi_fd_read(fd(), list, count, &got);
    printf("%d", error);
    if (error == 0)
        printf(" %u %u", (unsigned)got, (unsigned)crc32(buffer, got));
}

static void do_write(int at_offset) {
    __wasi_iovec_t list[PARTS_MAX];
    __wasi_size_t put = 0;
    size_t count = parts(list);
    for (size_t i = 0; i < call->n; i++)
        buffer[i] = (uint8_t)(call->y + 7 * i + (i >> 8));
    int error = at_offset ? __wasi_fd_pwrite(fd(), (__wasi_ciovec_t *)list, count, call->x, &put)
                          : __wasi_fd_write(fd(), (__wasi_ciovec_t *)list, count, &put);
    printf("%d", error);
    if (error == 0)
        printf(" %u", (unsigned)put);
}

static void do_seek(void) {
    __wasi_filesize_t at = 0;
    int error = __wasi_fd_seek(fd(), (__wasi_filedelta_t)call->x, call->other, &at);
    printf("%d", error);
    if (error == 0)
        printf(" %llu", at);
}

static void do_tell(void) {
    __wasi_filesize_t at = 0;
    int error = __wasi_fd_tell(fd(), &at);
    printf("%d", error);
    if (error == 0)
        printf(" %llu", at);
}

// -- Attributes -----------------------------------------------------------------------------------

static void do_fdstat(void) {
    __wasi_fdstat_t stat;
    int error = __wasi_fd_fdstat_get(fd(), &stat);
    printf("%d", error);
    if (error == 0)
        printf(" %d %d %llu %llu", stat.fs_filetype, stat.fs_flags, stat.fs_rights_base,
               stat.fs_rights_inheriting);
}

static void put_stat(int error, const __wasi_filestat_t *stat) {
    printf("%d", error);
    if (error == 0)
        printf(" %d %llu %llu %llu %llu %llu %llu", stat->filetype, stat->nlink, stat->size,
               stat->ino, stat->atim, stat->mtim, stat->ctim);
}

static void do_stat(void) {
    __wasi_filestat_t stat;
    put_stat(__wasi_fd_filestat_get(fd(), &stat), &stat);
}

static void do_path_stat(void) {
    __wasi_filestat_t stat;
    int error = wasi_path_filestat_get((int)fd(), call->dirflags, path, call->path_len, &stat);
    put_stat(error, &stat);
}

static void do_readlink(void) {
    __wasi_size_t used = 0;
    int error = wasi_path_readlink((int)fd(), path, call->path_len, buffer, (int)call->n, &used);
    printf("%d", error);
    if (error == 0)
        put_hex(buffer, used);
}

static void do_poll(void) {
    __wasi_subscription_t subscriptions[2] = {{.userdata = 5}, {.userdata = 5}};
    __wasi_event_t events[2];
    __wasi_size_t count = 0;
    for (int i = 0; i < 2; i++) {
        subscriptions[i].u.tag = i == 0 ? __WASI_EVENTTYPE_FD_READ : __WASI_EVENTTYPE_FD_WRITE;
        subscriptions[i].u.u.fd_read.file_descriptor = fd();
    }
    int error = __wasi_poll_oneoff(subscriptions, events, 2, &count);
    printf("%d", error);
    for (__wasi_size_t i = 0; error == 0 && i < count; i++)
        printf(" %d:%d:%d:%llu", (int)events[i].userdata, events[i].type, events[i].error,
               events[i].type == __WASI_EVENTTYPE_FD_READ ? events[i].fd_readwrite.nbytes : 0);
}

// -- Listing --------------------------------------------------------------------------------------

// One call from the slot's cookie on; prints the entries that are there whole, and moves the cookie
// on. Returns whether there may be more that fits.
static int list_some(int *error) {
    __wasi_size_t used = 0;
    size_t at = 0;
    size_t whole = 0;
    *error = __wasi_fd_readdir(fd(), buffer, call->n, cookies[call->slot], &used);
    while (*error == 0 && at + sizeof(__wasi_dirent_t) <= used) {
        __wasi_dirent_t entry;
        memcpy(&entry, buffer + at, sizeof entry);
        at += sizeof entry;
        if (at + entry.d_namlen > used)
            break;
        put_hex(buffer + at, entry.d_namlen);
        printf(":%d:%llu", entry.d_type, entry.d_ino);
        at += entry.d_namlen;
        cookies[call->slot] = entry.d_next;
        whole++;
    }
    return *error == 0 && used == call->n && whole != 0;
}

static void do_list(void) {
    int error;
    cookies[call->slot] = 0;
    while (list_some(&error))
        ;
    printf(" = %d", error);
}

// A part of a listing; with call->other it begins anew.
static void do_list_part(void) {
    int error;
    if (call->other != 0)
        cookies[call->slot] = 0;
    int more = list_some(&error);
    printf(" = %d %d", error, more);
}

// -- Descriptors ----------------------------------------------------------------------------------

static void close_slot(unsigned slot) {
    if (slots[slot] != (__wasi_fd_t)(NEVER_OPEN + slot) && __wasi_fd_close(slots[slot]) != 0)
        exit(1);
    slots[slot] = (__wasi_fd_t)(NEVER_OPEN + slot);
}

static void do_open(void) {
    __wasi_fd_t opened = 0;
    close_slot(call->other);
    int error = wasi_path_open((int)fd(), call->dirflags, path, call->path_len, call->oflags,
                               call->x, call->y, call->fdflags, &opened);
    if (error == 0) {
        slots[call->other] = opened;
        cookies[call->other] = 0;
    }
    printf("%d", error);
}

static void do_close(void) {
    int error = __wasi_fd_close(fd());
    if (error == 0)
        slots[call->slot] = NEVER_OPEN + call->slot;
    printf("%d", error);
}

static void do_renumber(void) {
    int error = __wasi_fd_renumber(fd(), slots[call->other]);
    if (error == 0 && call->slot != call->other) {
        cookies[call->other] = cookies[call->slot];
        slots[call->slot] = NEVER_OPEN + call->slot;
    }
    printf("%d", error);
}

static int call_simple(void) {
    int other = (int)slots[call->other % SLOTS];
    switch (call->op) {
    case 'f':
        return __wasi_fd_fdstat_set_flags(fd(), call->fdflags);
    case 'g':
        return __wasi_fd_fdstat_set_rights(fd(), call->x, call->y);
    case 'z':
        return __wasi_fd_filestat_set_size(fd(), call->x);
    case 'a':
        return __wasi_fd_allocate(fd(), call->x, call->y);
    case 't':
        return __wasi_fd_filestat_set_times(fd(), call->x, call->y, (__wasi_fstflags_t)call->n);
    case 'y':
        return call->other != 0 ? __wasi_fd_datasync(fd()) : __wasi_fd_sync(fd());
    case 'v':
        return __wasi_fd_advise(fd(), call->x, call->y, (__wasi_advice_t)call->n);
    case 'm':
        return wasi_path_create_directory((int)fd(), path, call->path_len);
    case 'd':
        return wasi_path_remove_directory((int)fd(), path, call->path_len);
    case 'u':
        return wasi_path_unlink_file((int)fd(), path, call->path_len);
    case 'n':
        return wasi_path_rename((int)fd(), path, call->path_len, other, other_path,
                                call->other_len);
    case 'h':
        return wasi_path_link((int)fd(), call->dirflags, path, call->path_len, other, other_path,
                              call->other_len);
    case 'l':
        return wasi_path_symlink(other_path, call->other_len, (int)fd(), path, call->path_len);
    case 'T':
        return wasi_path_filestat_set_times((int)fd(), call->dirflags, path, call->path_len,
                                            call->x, call->y, (int)call->n);
    default:
        fprintf(stderr, "no such call: %d\n", call->op);
        exit(1);
    }
}

static void carry_out(void) {
    switch (call->op) {
    case 'o':
        return do_open();
    case 'c':
        return do_close();
    case 'r':
        return do_read(0);
    case 'R':
        return do_read(1);
    case 'w':
        return do_write(0);
    case 'W':
        return do_write(1);
    case 'k':
        return do_seek();
    case 'K':
        return do_tell();
    case 'F':
        return do_fdstat();
    case 's':
        return do_stat();
    case 'S':
        return do_path_stat();
    case 'L':
        return do_readlink();
    case 'p':
        return do_poll();
    case 'i':
        return do_list();
    case 'I':
        return do_list_part();
    case 'x':
        return do_renumber();
    default:
        printf("%d", call_simple());
    }
}

// -- The script -----------------------------------------------------------------------------------

static uint8_t *read_all(size_t *len) {
    size_t size = 1 << 16;
    uint8_t *bytes = malloc(size);
    *len = 0;
    for (;;) {
        ssize_t got = bytes == NULL ? -1 : read(0, bytes + *len, size - *len);
        if (got < 0) {
            perror("the script");
            exit(1);
        }
        if (got == 0)
            return bytes;
        *len += (size_t)got;
        if (*len == size)
            bytes = realloc(bytes, size *= 2);
    }
}

int main(void) {
    static struct call current;
    size_t len;
    uint8_t *script = read_all(&len);
    call = &current;
    make_crc_table();
    for (unsigned slot = 0; slot < SLOTS; slot++)
        slots[slot] = (__wasi_fd_t)(slot < 2 ? 3 + slot : NEVER_OPEN + slot);
    for (size_t at = 0; at < len;) {
        memcpy(&current, script + at, sizeof current);
        path = (const char *)script + at + sizeof current;
        other_path = path + current.path_len;
        at += sizeof current + current.path_len + current.other_len;
        carry_out();
        putchar('\n');
    }
    return 0;
}
