// The functions as files. A file's text is made when it is read.

#include "user/services/pci/listing.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/math.h"
#include "user/services/pci/function.h"
#include "user/services/pci/space.h"

#define DEVICE_NUMBER 0x706369u
#define TEXT_BYTES    1024u
#define NAME_BYTES    8u
#define EXTENDED_MAX  16u // capabilities that are listed

static struct node root = {1, FILE_TYPE_DIRECTORY};
static struct node nodes[FUNCTIONS_MAX]; // by function

static void name_of(u32 index, char name[NAME_BYTES]) {
    pci_place place = function_at(index)->place;
    snprintf(name, NAME_BYTES, "%02x:%02x.%x", place >> 8, place >> 3 & 31, place & 7);
}

static const char *class_name(u32 class) {
    static const char *const names[] = {
        "old device", "storage", "network", "display", "multimedia", "memory",     "bridge",
        "serial",     "system",  "input",   "docking", "processor",  "serial bus", "wireless"};
    u32 base = class >> 16;
    return base < COUNT_OF(names) ? names[base] : "other";
}

// -- The text -------------------------------------------------------------------------------------

struct text {
    char bytes[TEXT_BYTES];
    u32 len;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text->bytes + text->len, TEXT_BYTES - text->len, format, args);
    va_end(args);
    text->len = (u32)min_u64(text->len + (u32)len, TEXT_BYTES - 1);
}

static void describe_config(const struct function *function, struct text *text) {
    struct config_extended extended[EXTENDED_MAX];
    u32 count = config_extended(function->place, extended, EXTENDED_MAX);
    add(text, "config    %u bytes\n", space_bytes(function->place));
    for (u32 i = 0; i < count; i++)
        add(text, "%s%04x at %03x%s", i == 0 ? "extended  " : ", ", extended[i].kind,
            extended[i].at, i == count - 1 ? "\n" : "");
}

static void describe(const struct function *function, struct text *text) {
    text->len = 0;
    add(text, "device    %04x:%04x\n", function->vendor, function->device);
    add(text, "class     %06x %s\n", function->class, class_name(function->class));
    add(text, "subsystem %04x:%04x\n", function->subsystem & 0xffff, function->subsystem >> 16);
    describe_config(function, text);
    u32 command = config_read(function->place, CONFIG_COMMAND, 2);
    add(text, "driver    %s%s\n",
        function->is_own       ? "the kernel"
        : function->is_claimed ? "yes"
                               : "none",
        (command & COMMAND_MASTER) != 0 ? ", masters the bus" : "");
    for (u32 i = 0; function->is_claimed && i < BARS; i++) {
        const struct bar *bar = &function->bars[i];
        if (bar->kind != BAR_NONE)
            add(text, "%-9s %llx, %llu %s\n", bar->kind == BAR_MEMORY ? "memory" : "ports",
                (unsigned long long)bar->address, (unsigned long long)bar->bytes,
                bar->kind == BAR_MEMORY ? "bytes" : "ports");
    }
    if (function->is_claimed)
        add(text, "dma       %llu bytes\n", (unsigned long long)function->dma_bytes);
}

// -- The files ------------------------------------------------------------------------------------
// Nothing of it is ever released: each node has a reference of its own.

static void release(struct file_system *fs, struct node *node) {
    (void)fs;
    (void)node;
}

static enum status lookup(struct file_system *fs, struct node *directory, struct bytes name,
                          struct node **out) {
    (void)fs;
    (void)directory;
    for (u32 i = 0; i < functions_count(); i++) {
        char text[NAME_BYTES];
        name_of(i, text);
        if (!bytes_equal(name, bytes_of(text)))
            continue;
        *out = node_retain(&nodes[i]);
        return OK;
    }
    return ERR_NOT_FOUND;
}

static u64 inode_of(const struct node *node) {
    return node == &root ? 1 : (u64)(node - nodes) + 2;
}

static enum status list(struct file_system *fs, struct node *directory, u64 cookie,
                        struct listing *listing) {
    (void)fs;
    (void)directory;
    for (u64 i = cookie; i < functions_count(); i++) {
        char name[NAME_BYTES];
        name_of((u32)i, name);
        if (!listing_add(listing, i + 1, inode_of(&nodes[i]), FILE_TYPE_FILE, bytes_of(name)))
            break;
    }
    return OK;
}

static u64 text_of(const struct node *node, struct text *text) {
    describe(function_at((u32)(node - nodes)), text);
    return text->len;
}

static enum status stat(struct file_system *fs, struct node *node, struct file_stat *out) {
    (void)fs;
    struct text text;
    *out = (struct file_stat){.device = DEVICE_NUMBER,
                              .inode = inode_of(node),
                              .link_count = 1,
                              .size = node == &root ? 0 : text_of(node, &text),
                              .type = node->type};
    return OK;
}

static enum status read(struct file_system *fs, struct node *node, u64 offset,
                        struct transfer *transfer) {
    (void)fs;
    struct text text;
    u64 len = text_of(node, &text);
    if (offset >= len)
        return OK;
    return transfer_put(transfer, text.bytes + offset,
                        min_u64(len - offset, transfer_left(transfer)));
}

static const struct file_system_ops operations = {
    .release = release,
    .lookup = lookup,
    .list = list,
    .stat = stat,
    .read = read,
};

struct file_system *listing_file_system(void) {
    static struct file_system fs = {&operations, &root};
    for (u32 i = 0; i < FUNCTIONS_MAX; i++)
        nodes[i] = (struct node){1, FILE_TYPE_FILE};
    return &fs;
}
