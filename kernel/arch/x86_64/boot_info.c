// What all boot loaders say in their own ways: memory, modules, a command line.
//
// Usable RAM is collected first and everything else afterwards: where a firmware's list contradicts
// itself, "reserved" wins (boot_start subtracts it).

#include "base/math.h"
#include "kernel/arch/x86_64/early.h"

#define MEMORY_USABLE      1
#define PHYS_ADDRESS_LIMIT (1ull << 52)
#define SEED_BYTES_MAX     64
#define SCREEN_SIDE_MAX    16384u
#define SCREEN_PITCH_MAX   (128u * 1024u)

void boot_memory_add(struct boot_data *data, u64 start, u64 bytes, u32 type) {
    u64 end;
    data->has_memory_map = true;
    if (!add_u64(start, bytes, &end) || end > PHYS_ADDRESS_LIMIT)
        end = PHYS_ADDRESS_LIMIT;
    if (start >= end)
        return;
    if (type == MEMORY_USABLE)
        range_set_add(&data->ram, align_up(start, PAGE_SIZE), align_down(end, PAGE_SIZE));
    else
        range_set_add(&data->reserved, align_down(start, PAGE_SIZE), align_up(end, PAGE_SIZE));
}

void boot_module_add(struct boot_data *data, u64 start, u64 end) {
    if (data->module_count == BOOT_MODULES_MAX || start >= end || end > PHYS_ADDRESS_LIMIT)
        return;
    data->modules[data->module_count++] = (struct boot_module){start, end - start};
}

void boot_text_copy(char *to, usize size, const char *from, usize len) {
    usize at = 0;
    for (; at + 1 < size && at < len && from[at] != 0; at++)
        to[at] = from[at];
    to[at] = 0;
}

// -- The command line -----------------------------------------------------------------------------

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

// The text after `name` where a word of `line` starts with it, or NULL.
static char *word_find(char *line, const char *name) {
    usize len = strlen(name);
    for (char *at = line; *at != 0; at++) {
        bool starts = at == line || at[-1] == ' ';
        if (starts && strlen(at) >= len && memcmp(at, name, len) == 0)
            return at + len;
    }
    return NULL;
}

// Removes the word that starts at `word` with the blanks behind it; its old bytes are overwritten.
static void word_remove(char *word) {
    char *end = word;
    while (*end != 0 && *end != ' ')
        end++;
    while (*end == ' ')
        end++;
    usize rest = strlen(end) + 1;
    usize len = (usize)(end - word);
    memmove(word, end, rest);
    memset(word + rest, 0, len);
}

static void seed_take(struct boot_data *data) {
    static u8 seed[SEED_BYTES_MAX];
    static const char name[] = "seed=";
    char *text = word_find(data->info.command_line, name);
    if (text == NULL)
        return;
    usize len = 0;
    for (; len < SEED_BYTES_MAX; len++) {
        int high = hex_digit(text[2 * len]);
        int low = high < 0 ? -1 : hex_digit(text[2 * len + 1]);
        if (low < 0)
            break;
        seed[len] = (u8)(high << 4 | low);
    }
    data->info.seed = (struct bytes){seed, len};
    word_remove(text - (sizeof name - 1));
}

// A decimal number with an optional K, M or G; 0 when it is none.
static u64 size_parse(const char *text) {
    u64 value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (!mul_u64(value, 10, &value) || !add_u64(value, (u64)(*text - '0'), &value))
            return 0;
    }
    u64 unit = *text == 'K' ? KIB : *text == 'M' ? MIB : *text == 'G' ? GIB : 1;
    return mul_u64(value, unit, &value) ? value : 0;
}

void boot_command_line_apply(struct boot_data *data) {
    seed_take(data);
    const char *limit = word_find(data->info.command_line, "mem=");
    u64 bytes = limit != NULL ? size_parse(limit) : 0;
    if (bytes == 0)
        return;
    range_set_trim(&data->ram, bytes);
    data->info.ram_bytes = min_u64(data->info.ram_bytes, bytes);
}

// -- The screen ---------------------------------------------------------------------------------

static bool colour_fits(const struct framebuffer_info *info, u8 position, u8 bits) {
    return bits != 0 && bits <= 8 && position + bits <= info->bits_per_pixel;
}

static bool framebuffer_ok(const struct framebuffer_info *info) {
    u64 pixel_bytes = (info->bits_per_pixel + 7u) / 8;
    u64 end;
    if (info->width == 0 || info->width > SCREEN_SIDE_MAX || info->height == 0 ||
        info->height > SCREEN_SIDE_MAX)
        return false;
    if (info->pitch < info->width * pixel_bytes || info->pitch > SCREEN_PITCH_MAX)
        return false;
    if (!add_u64(info->phys, (u64)info->pitch * info->height, &end) || end > PHYS_ADDRESS_LIMIT)
        return false;
    if (info->kind == FRAMEBUFFER_TEXT)
        return info->bits_per_pixel == 16;
    switch (info->bits_per_pixel) {
    case 15:
    case 16:
    case 24:
    case 32:
        return colour_fits(info, info->red_position, info->red_bits) &&
               colour_fits(info, info->green_position, info->green_bits) &&
               colour_fits(info, info->blue_position, info->blue_bits);
    default:
        return false;
    }
}

void boot_framebuffer_check(struct framebuffer_info *info) {
    if (info->kind != FRAMEBUFFER_NONE && !framebuffer_ok(info))
        *info = (struct framebuffer_info){.kind = FRAMEBUFFER_NONE};
}
