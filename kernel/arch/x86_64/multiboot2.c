// What a Multiboot 2 loader says: a list of tags, each with a type and a size.
//
// The loader is not trusted to be right: every tag is read within the list's bounds, and every
// address that it names is checked where it is used.

#include "base/math.h"
#include "kernel/arch/x86_64/early.h"

#define INFO_BYTES_MAX (1 * MIB)

enum tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_RSDP_1 = 14,
    TAG_RSDP_2 = 15,
};

struct tag {
    u32 type;
    u32 size; // with this header
};

struct tag_module {
    struct tag tag;
    u32 start;
    u32 end;
};

struct tag_memory_map {
    struct tag tag;
    u32 entry_size;
    u32 entry_version;
};

struct PACKED memory_entry {
    u64 start;
    u64 bytes;
    u32 type;
    u32 reserved;
};

struct PACKED tag_framebuffer {
    struct tag tag;
    u64 phys;
    u32 pitch;
    u32 width;
    u32 height;
    u8 bits_per_pixel;
    u8 type;
    u16 reserved;
    u8 red_position; // direct colour
    u8 red_bits;
    u8 green_position;
    u8 green_bits;
    u8 blue_position;
    u8 blue_bits;
};

#define FRAMEBUFFER_TYPE_RGB  1
#define FRAMEBUFFER_TYPE_TEXT 2

static void parse_memory_map(const u8 *at, u32 size, struct boot_data *data) {
    if (size < sizeof(struct tag_memory_map))
        return;
    struct tag_memory_map map;
    memcpy(&map, at, sizeof map);
    if (map.entry_size < sizeof(struct memory_entry))
        return;
    for (u64 offset = sizeof map; range_fits(offset, map.entry_size, size);
         offset += map.entry_size) {
        struct memory_entry entry;
        memcpy(&entry, at + offset, sizeof entry);
        boot_memory_add(data, entry.start, entry.bytes, entry.type);
    }
}

static void parse_framebuffer(const u8 *at, u32 size, struct boot_data *data) {
    struct tag_framebuffer tag = {};
    if (size < offsetof(struct tag_framebuffer, red_position))
        return;
    memcpy(&tag, at, min_u64(size, sizeof tag));
    enum framebuffer_kind kind = FRAMEBUFFER_NONE;
    if (tag.type == FRAMEBUFFER_TYPE_RGB && size >= sizeof tag)
        kind = FRAMEBUFFER_RGB;
    else if (tag.type == FRAMEBUFFER_TYPE_TEXT)
        kind = FRAMEBUFFER_TEXT;
    data->framebuffer = (struct framebuffer_info){
        .kind = kind,
        .bits_per_pixel = tag.bits_per_pixel,
        .red_position = tag.red_position,
        .red_bits = tag.red_bits,
        .green_position = tag.green_position,
        .green_bits = tag.green_bits,
        .blue_position = tag.blue_position,
        .blue_bits = tag.blue_bits,
        .pitch = tag.pitch,
        .width = tag.width,
        .height = tag.height,
        .phys = tag.phys,
    };
}

static void parse_module(const u8 *at, u32 size, struct boot_data *data) {
    struct tag_module tag;
    if (size < sizeof tag)
        return;
    memcpy(&tag, at, sizeof tag);
    boot_module_add(data, tag.start, tag.end);
}

static void parse_tag(const u8 *at, struct tag tag, u64 phys, struct boot_data *data) {
    static char loader_name[64];
    const char *text = (const char *)at + sizeof tag;
    usize text_len = tag.size - sizeof tag;
    switch (tag.type) {
    case TAG_COMMAND_LINE:
        boot_text_copy(data->info.command_line, sizeof data->info.command_line, text, text_len);
        break;
    case TAG_LOADER_NAME:
        boot_text_copy(loader_name, sizeof loader_name, text, text_len);
        data->info.boot_loader = loader_name;
        break;
    case TAG_MODULE:
        parse_module(at, tag.size, data);
        break;
    case TAG_MEMORY_MAP:
        parse_memory_map(at, tag.size, data);
        break;
    case TAG_FRAMEBUFFER:
        parse_framebuffer(at, tag.size, data);
        break;
    case TAG_RSDP_1:
        if (data->rsdp_phys == 0)
            data->rsdp_phys = phys + sizeof tag;
        break;
    case TAG_RSDP_2:
        data->rsdp_phys = phys + sizeof tag;
        break;
    }
}

enum status multiboot2_parse(u64 info_phys, struct boot_data *data) {
    const u32 *head = boot_phys(info_phys, 8);
    if (head == NULL || *head < 8 || *head > INFO_BYTES_MAX)
        return ERR_MALFORMED;
    u32 total = *head;
    const u8 *info = boot_phys(info_phys, total);
    if (info == NULL)
        return ERR_MALFORMED;

    data->info.boot_loader = "Multiboot 2";
    for (u64 offset = 8; range_fits(offset, sizeof(struct tag), total);) {
        struct tag tag;
        memcpy(&tag, info + offset, sizeof tag);
        if (tag.type == TAG_END)
            return OK;
        if (tag.size < sizeof tag || !range_fits(offset, tag.size, total))
            return ERR_MALFORMED;
        parse_tag(info + offset, tag, info_phys + offset, data);
        offset = align_up(offset + tag.size, 8);
    }
    return ERR_TRUNCATED;
}
