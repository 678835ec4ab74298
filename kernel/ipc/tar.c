// Tar, as POSIX.1-2008 (ustar and pax) and GNU tar write it.
//
// An archive is a sequence of 512-byte headers, each followed by its data rounded up to whole
// blocks, and ends with two blocks of zeros. Two kinds of header describe the entry behind them and
// not one of their own: GNU's 'L' and 'K' (a long name or target) and pax's 'x' (records); 'g' is
// pax's default for all entries, of which nothing concerns us.
//
// Nothing read from a header is used before the header's checksum was found right, and no number
// before it was compared with what is left of the archive.

#include "kernel/ipc/tar.h"

#include "base/assert.h"
#include "base/math.h"
#include "base/utf8.h"

struct tar_header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char target[100];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char padding[12];
};
STATIC_ASSERT(sizeof(struct tar_header) == TAR_BLOCK_BYTES, "one block");

void tar_reader_init(struct tar_reader *reader, struct bytes tar) {
    memset(reader, 0, sizeof *reader); // not a compound literal: it is too large for a stack
    reader->tar = tar;
}

static enum status tar_fail(struct tar_reader *reader, const char *why) {
    reader->why = why;
    return ERR_MALFORMED;
}

// A field ends at its NUL or at its size.
static struct bytes field_text(const char *field, usize size) {
    usize len = 0;
    while (len < size && field[len] != 0)
        len++;
    return (struct bytes){(const u8 *)field, len};
}

// Octal digits between optional spaces, ended by a space, a NUL or the field's end; or GNU's
// base-256, marked by the highest bit.
static bool field_number(const char *field, usize size, u64 *out) {
    u64 value = 0;
    usize i = 0;
    if ((u8)field[0] == 0x80) {
        for (i = 1; i < size; i++) {
            if (value >> 56 != 0)
                return false;
            value = value << 8 | (u8)field[i];
        }
        *out = value;
        return true;
    }
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (u64)(field[i] - '0'); // 12 digits are 36 bits
    for (; i < size; i++) {
        if (field[i] != ' ' && field[i] != 0)
            return false;
    }
    *out = value;
    return true;
}

static bool block_is_zero(const u8 *block) {
    for (usize i = 0; i < TAR_BLOCK_BYTES; i++) {
        if (block[i] != 0)
            return false;
    }
    return true;
}

// The sum of all bytes, with the checksum field itself read as spaces.
static u64 header_sum(const struct tar_header *header) {
    const u8 *bytes = (const u8 *)header;
    u64 sum = 0;
    for (usize i = 0; i < TAR_BLOCK_BYTES; i++) {
        bool own = i - offsetof(struct tar_header, checksum) < sizeof header->checksum;
        sum += own ? ' ' : bytes[i];
    }
    return sum;
}

// Takes one whole block, or refuses.
static enum status take_block(struct tar_reader *reader, const u8 **out) {
    reader->offset = reader->at;
    if (reader->tar.len - reader->at < TAR_BLOCK_BYTES)
        return tar_fail(reader, "the archive ends before its end mark");
    *out = reader->tar.data + reader->at;
    reader->at += TAR_BLOCK_BYTES;
    return OK;
}

// Takes `size` bytes of data and the padding behind them.
static enum status take_data(struct tar_reader *reader, u64 size, struct bytes *out) {
    u64 left = reader->tar.len - reader->at;
    if (size > left || align_up(size, TAR_BLOCK_BYTES) > left)
        return tar_fail(reader, "the archive ends inside an entry");
    *out = (struct bytes){reader->tar.data + reader->at, size};
    reader->at += align_up(size, TAR_BLOCK_BYTES);
    return OK;
}

static enum status check_header(struct tar_reader *reader, const struct tar_header *header) {
    if (memcmp(header->magic, "ustar", 5) != 0)
        return tar_fail(reader, "not a ustar header");
    u64 checksum;
    if (!field_number(header->checksum, sizeof header->checksum, &checksum))
        return tar_fail(reader, "the checksum is not a number");
    if (checksum != header_sum(header))
        return tar_fail(reader, "wrong checksum");
    return OK;
}

static bool pax_number(struct bytes text, u64 *out) {
    u64 value = 0;
    for (usize i = 0; i < text.len; i++) {
        u8 digit = text.data[i] - '0';
        if (digit > 9 || !mul_u64(value, 10, &value) || !add_u64(value, digit, &value))
            return false;
    }
    *out = value;
    return text.len != 0;
}

static enum status pax_record(struct tar_reader *reader, struct bytes key, struct bytes value) {
    if (bytes_equal_text(key, "path")) {
        reader->long_path = value;
    } else if (bytes_equal_text(key, "linkpath")) {
        reader->long_target = value;
    } else if (bytes_equal_text(key, "size")) {
        if (!pax_number(value, &reader->pax_size))
            return tar_fail(reader, "the size in a pax header is not a number");
        reader->has_pax_size = true;
    }
    return OK;
}

// Records are "LENGTH KEY=VALUE\n", the length in decimal and of the whole record.
static enum status pax_records(struct tar_reader *reader, struct bytes data) {
    while (data.len != 0) {
        usize digits = 0;
        while (digits < data.len && data.data[digits] != ' ')
            digits++;
        u64 len;
        if (!pax_number((struct bytes){data.data, digits}, &len) || len > data.len ||
            len < digits + 4 || data.data[len - 1] != '\n')
            return tar_fail(reader, "a record of a pax header is damaged");

        usize start = digits + 1;
        usize equals = start;
        while (equals < len && data.data[equals] != '=')
            equals++;
        if (equals == len)
            return tar_fail(reader, "a record of a pax header is damaged");
        struct bytes key = {data.data + start, equals - start};
        struct bytes value = {data.data + equals + 1, len - 1 - (equals + 1)};
        enum status status = pax_record(reader, key, value);
        if (status != OK)
            return status;
        data.data += len;
        data.len -= len;
    }
    return OK;
}

// GNU's long names carry a NUL at their end.
static struct bytes gnu_name(struct bytes data) {
    return field_text((const char *)data.data, data.len);
}

// Copies a path into the reader's own buffer and checks it as text.
static enum status keep_path(struct tar_reader *reader, struct bytes path, char *buffer,
                             struct bytes *out) {
    if (path.len == 0)
        return tar_fail(reader, "an empty name");
    if (path.len > TAR_PATH_MAX)
        return tar_fail(reader, "a name is too long");
    if (!utf8_is_valid(path))
        return tar_fail(reader, "a name is not UTF-8");
    for (usize i = 0; i < path.len; i++) {
        if (path.data[i] == 0)
            return tar_fail(reader, "a name contains a NUL");
    }
    memmove(buffer, path.data, path.len);
    *out = (struct bytes){(const u8 *)buffer, path.len};
    return OK;
}

static enum status entry_path(struct tar_reader *reader, const struct tar_header *header,
                              struct tar_entry *out) {
    struct bytes path = reader->long_path;
    char joined[sizeof header->prefix + 1 + sizeof header->name];
    if (path.len == 0) {
        struct bytes name = field_text(header->name, sizeof header->name);
        // GNU's own format ("ustar  ") keeps times where ustar has the prefix.
        bool has_prefix = header->magic[5] == 0;
        struct bytes prefix = field_text(header->prefix, has_prefix ? sizeof header->prefix : 0);
        usize len = 0;
        if (prefix.len != 0) {
            memcpy(joined, prefix.data, prefix.len);
            joined[prefix.len] = '/';
            len = prefix.len + 1;
        }
        memcpy(joined + len, name.data, name.len);
        path = (struct bytes){(const u8 *)joined, name.len == 0 ? 0 : len + name.len};
    }
    return keep_path(reader, path, reader->path, &out->path);
}

static enum status entry_type(struct tar_reader *reader, char type, enum tar_type *out) {
    switch (type) {
    case 0:
    case '0':
    case '7': // "contiguous": an ordinary file to everybody
        *out = TAR_FILE;
        return OK;
    case '1':
        *out = TAR_HARD_LINK;
        return OK;
    case '2':
        *out = TAR_SYMLINK;
        return OK;
    case '5':
        *out = TAR_DIRECTORY;
        return OK;
    default:
        return tar_fail(reader, "neither a file, a directory nor a link");
    }
}

static enum status read_entry(struct tar_reader *reader, const struct tar_header *header, u64 size,
                              struct tar_entry *out) {
    *out = (struct tar_entry){.offset = reader->offset};
    enum status status = entry_type(reader, header->type, &out->type);
    if (status == OK)
        status = entry_path(reader, header, out);
    if (status == OK && !field_number(header->mtime, sizeof header->mtime, &out->modified_s))
        status = tar_fail(reader, "the time is not a number");
    if (status == OK && (out->type == TAR_SYMLINK || out->type == TAR_HARD_LINK)) {
        struct bytes target = reader->long_target;
        if (target.len == 0)
            target = field_text(header->target, sizeof header->target);
        status = keep_path(reader, target, reader->target, &out->target);
    }
    if (reader->has_pax_size)
        size = reader->pax_size;
    if (status == OK && out->type == TAR_FILE)
        status = take_data(reader, size, &out->data);
    reader->long_path = reader->long_target = (struct bytes){NULL, 0};
    reader->has_pax_size = false;
    return status;
}

// A header that describes the next one. *done: it was none.
static enum status read_extension(struct tar_reader *reader, const struct tar_header *header,
                                  u64 size, bool *done) {
    struct bytes data;
    *done =
        header->type != 'L' && header->type != 'K' && header->type != 'x' && header->type != 'g';
    if (*done)
        return OK;
    enum status status = take_data(reader, size, &data);
    if (status != OK)
        return status;
    if (header->type == 'L')
        reader->long_path = gnu_name(data);
    else if (header->type == 'K')
        reader->long_target = gnu_name(data);
    else if (header->type == 'x')
        return pax_records(reader, data);
    return OK;
}

enum status tar_next(struct tar_reader *reader, struct tar_entry *out) {
    for (;;) {
        const u8 *block;
        enum status status = take_block(reader, &block);
        if (status != OK)
            return status;
        if (block_is_zero(block)) {
            status = take_block(reader, &block);
            if (status == OK && !block_is_zero(block))
                status = tar_fail(reader, "a single block of zeros");
            return status == OK ? ERR_NOT_FOUND : status;
        }

        const struct tar_header *header = (const struct tar_header *)block;
        u64 size;
        bool done;
        status = check_header(reader, header);
        if (status == OK && !field_number(header->size, sizeof header->size, &size))
            status = tar_fail(reader, "the size is not a number");
        if (status == OK)
            status = read_extension(reader, header, size, &done);
        if (status != OK || done)
            return status != OK ? status : read_entry(reader, header, size, out);
    }
}
