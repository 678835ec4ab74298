// What loaders say is read within bounds, whatever they say: Multiboot 2, PVH, command line,
// screen.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/fake_phys.h"

#define INFO 0x9000ull

static struct boot_data data;

static int set_up(UNUSED void **state) {
    memset(&data, 0, sizeof data);
    return 0;
}

static int tear_down(UNUSED void **state) {
    fake_phys_clear();
    return 0;
}

// -- Multiboot 2 --------------------------------------------------------------------------------

struct info {
    u32 len;
    u8 bytes[2048];
};

static void put(struct info *info, const void *bytes, u32 len) {
    memcpy(info->bytes + info->len, bytes, len);
    info->len += len;
}

static void put_tag(struct info *info, u32 type, const void *payload, u32 len) {
    u32 head[2] = {type, 8 + len};
    put(info, head, sizeof head);
    put(info, payload, len);
    while (info->len % 8 != 0)
        put(info, "", 1);
}

static struct info whole_info(void) {
    struct info info = {.len = 8};
    put_tag(&info, 1, "quiet seed=0aFF log=none", 25);
    put_tag(&info, 2, "GRUB test", 10);
    const u32 module[3] = {0x400000, 0x401234, 0};
    put_tag(&info, 3, module, sizeof module);
    const struct PACKED {
        u32 entry_size;
        u32 version;
        struct PACKED {
            u64 start;
            u64 bytes;
            u32 type;
            u32 reserved;
        } entries[3];
    } map = {24,
             0,
             {{0x800, 0x9f000, 1, 0},
              {0x100000, 0x700000, 1, 0},
              {0x300000, 0x1001, 2, 0}}}; // contradicts the one before
    put_tag(&info, 6, &map, sizeof map);
    const struct PACKED {
        u64 phys;
        u32 pitch, width, height;
        u8 bits, type;
        u16 reserved;
        u8 colours[6];
    } screen = {0xfd000000, 4096, 1024, 768, 32, 1, 0, {16, 8, 8, 8, 0, 8}};
    put_tag(&info, 8, &screen, sizeof screen);
    put_tag(&info, 15, "RSD PTR ", 8);
    put_tag(&info, 0, "", 0);
    memcpy(info.bytes, &info.len, 4);
    return info;
}

static void multiboot2_is_read(UNUSED void **state) {
    struct info info = whole_info();
    fake_phys_put(INFO, info.bytes, info.len);
    assert_int_equal(multiboot2_parse(INFO, &data), OK);
    assert_string_equal(data.info.boot_loader, "GRUB test");
    assert_string_equal(data.info.command_line, "quiet seed=0aFF log=none");
    assert_true(data.has_memory_map);
    assert_int_equal(data.ram.count, 2);
    assert_int_equal(data.ram.ranges[0].start.value, 0x1000); // whole pages inside
    assert_int_equal(data.ram.ranges[0].bytes, 0x9e000);
    assert_int_equal(data.reserved.count, 1);
    assert_int_equal(data.reserved.ranges[0].bytes, 0x2000); // whole pages around
    assert_int_equal(data.module_count, 1);
    assert_int_equal(data.modules[0].bytes, 0x1234);
    assert_int_equal(data.framebuffer.kind, FRAMEBUFFER_RGB);
    assert_int_equal(data.framebuffer.phys, 0xfd000000);
    assert_int_equal(data.framebuffer.red_position, 16);
    assert_int_equal(memcmp(boot_phys(data.rsdp_phys, 8), "RSD PTR ", 8), 0);
}

// Each prefix is refused or understood, and never read beyond: every length is a case.
static void multiboot2_truncations_stay_inside(UNUSED void **state) {
    struct info info = whole_info();
    for (u32 len = 0; len < info.len; len++) {
        u8 *bytes = fake_phys_put(INFO, info.bytes, len);
        if (len >= 4)
            memcpy(bytes, &len, 4);
        enum status status = multiboot2_parse(INFO, &data);
        assert_true(status == ERR_MALFORMED || status == ERR_TRUNCATED);
        memset(&data, 0, sizeof data);
        fake_phys_clear();
    }
}

// Every 32-bit word replaced by bad ones.
static void multiboot2_wrong_words_stay_inside(UNUSED void **state) {
    static const u32 words[] = {0, 1, 7, 8, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
    struct info info = whole_info();
    for (u32 at = 0; at < info.len; at += 4) {
        for (u32 i = 0; i < COUNT_OF(words); i++) {
            u8 *bytes = fake_phys_put(INFO, info.bytes, info.len);
            memcpy(bytes + at, &words[i], 4);
            if (multiboot2_parse(INFO, &data) == OK) {
                boot_framebuffer_check(&data.framebuffer);
                boot_command_line_apply(&data);
            }
            memset(&data, 0, sizeof data);
            fake_phys_clear();
        }
    }
}

// -- PVH ----------------------------------------------------------------------------------------

struct start_info {
    u32 magic, version, flags, module_count;
    u64 modules, command_line, rsdp, map;
    u32 map_count, reserved;
};

static const struct start_info whole_start = {0x336ec578, 1,       0,       1, 0x10000,
                                              0x11000,    0x12000, 0x13000, 2, 0};

static void put_pvh(const struct start_info *start) {
    const u64 module[4] = {0x500000, 77, 0, 0};
    const u64 map[2][3] = {{0x100000, 0x1000000, 1}, {0xfffffffffffff000, 0x2000, 1}};
    fake_phys_put(INFO, start, sizeof *start);
    fake_phys_put(0x10000, module, sizeof module);
    fake_phys_put(0x11000, "hello", 6);
    fake_phys_put(0x13000, map, sizeof map);
}

static void pvh_is_read(UNUSED void **state) {
    put_pvh(&whole_start);
    assert_int_equal(pvh_parse(INFO, &data), OK);
    assert_string_equal(data.info.command_line, "hello"); // six bytes were readable
    assert_int_equal(data.rsdp_phys, 0x12000);
    assert_int_equal(data.module_count, 1);
    assert_int_equal(data.modules[0].phys, 0x500000);
    assert_int_equal(data.modules[0].bytes, 77);
    assert_int_equal(data.ram.count, 1); // the second one overflows
    assert_int_equal(data.ram.ranges[0].bytes, 0x1000000);
}

static void pvh_refuses_and_bounds(UNUSED void **state) {
    struct start_info start = whole_start;
    start.magic = 1;
    put_pvh(&start);
    assert_int_equal(pvh_parse(INFO, &data), ERR_MALFORMED);
    assert_int_equal(pvh_parse(0x77000, &data), ERR_MALFORMED);
    fake_phys_clear();

    start = whole_start;
    start.version = 0;
    put_pvh(&start);
    assert_int_equal(pvh_parse(INFO, &data), OK);
    assert_false(data.has_memory_map);
    fake_phys_clear();

    start = whole_start;
    start.module_count = start.map_count = UINT32_MAX;
    start.command_line = UINT64_MAX;
    memset(&data, 0, sizeof data);
    put_pvh(&start);
    assert_int_equal(pvh_parse(INFO, &data), OK);
    assert_int_equal(data.module_count, 0); // more entries than can be read: none
    assert_false(data.has_memory_map);
    assert_string_equal(data.info.command_line, "");
}

static void modules_are_bounded(UNUSED void **state) {
    boot_module_add(&data, 0x1000, 0x1000);
    boot_module_add(&data, 0x2000, 0x1000);
    boot_module_add(&data, 0x2000, 1ull << 60);
    assert_int_equal(data.module_count, 0);
    for (u64 i = 0; i < BOOT_MODULES_MAX + 2; i++)
        boot_module_add(&data, 0x1000, 0x1001);
    assert_int_equal(data.module_count, BOOT_MODULES_MAX);
}

// -- The command line -----------------------------------------------------------------------------

static const struct line_case {
    const char *name;
    const char *before;
    const char *after;
    usize seed_len;
    u8 seed[4];
} line_cases[] = {
    {"none", "quiet", "quiet", 0, {}},
    {"alone", "seed=00ff", "", 2, {0x00, 0xff}},
    {"first", "seed=0aFf quiet", "quiet", 2, {0x0a, 0xff}},
    {"last", "quiet seed=12", "quiet ", 1, {0x12}},
    {"middle, more blanks", "a seed=12345678   b", "a b", 4, {0x12, 0x34, 0x56, 0x78}},
    {"part of another word", "myseed=12", "myseed=12", 0, {}},
    {"odd digit", "seed=123 x", "x", 1, {0x12}},
    {"no digits", "seed= x", "x", 0, {}},
    {"no hexadecimal", "seed=zz x", "x", 0, {}},
};

static void seed_is_taken_out(UNUSED void **state) {
    for (usize i = 0; i < COUNT_OF(line_cases); i++) {
        const struct line_case *c = &line_cases[i];
        memset(&data, 0, sizeof data);
        strcpy(data.info.command_line, c->before);
        boot_command_line_apply(&data);
        assert_string_equal(data.info.command_line, c->after);
        assert_int_equal(data.info.seed.len, c->seed_len);
        if (c->seed_len != 0)
            assert_memory_equal(data.info.seed.data, c->seed, c->seed_len);
        // Nothing of the seed stays behind the end of the line.
        usize len = strlen(data.info.command_line);
        for (usize at = len; at < sizeof data.info.command_line; at++)
            assert_int_equal(data.info.command_line[at], 0);
    }
}

static void long_seeds_are_cut(UNUSED void **state) {
    memset(data.info.command_line, 'a', sizeof data.info.command_line - 1);
    memcpy(data.info.command_line, "seed=", 5);
    boot_command_line_apply(&data);
    assert_int_equal(data.info.seed.len, 64);
    assert_string_equal(data.info.command_line, "");
}

static void memory_is_limited(UNUSED void **state) {
    static const struct {
        const char *line;
        u64 bytes;
    } cases[] = {
        {"mem=8388608", 8 * MIB},
        {"x mem=16M", 16 * MIB},
        {"mem=1G", 64 * MIB},
        {"mem=2048K y", 2 * MIB},
        {"mem=", 64 * MIB},
        {"mem=-1", 64 * MIB},
        {"mem=0", 64 * MIB},
        {"amem=1M", 64 * MIB},
        {"mem=99999999999999999999", 64 * MIB},
        {"mem=18446744073709551615G", 64 * MIB},
    };
    for (usize i = 0; i < COUNT_OF(cases); i++) {
        memset(&data, 0, sizeof data);
        range_set_add(&data.ram, 1 * MIB, 33 * MIB);
        range_set_add(&data.ram, 40 * MIB, 72 * MIB);
        strcpy(data.info.command_line, cases[i].line);
        boot_command_line_apply(&data);
        assert_int_equal(range_set_bytes(&data.ram), cases[i].bytes);
    }
}

static void texts_are_bounded(UNUSED void **state) {
    char to[4];
    boot_text_copy(to, sizeof to, "abcdef", 6);
    assert_string_equal(to, "abc");
    boot_text_copy(to, sizeof to, "ab", 1);
    assert_string_equal(to, "a");
    boot_text_copy(to, sizeof to, "", 0);
    assert_string_equal(to, "");
}

// -- The screen ---------------------------------------------------------------------------------

static void impossible_screens_are_none(UNUSED void **state) {
    const struct framebuffer_info good = {.kind = FRAMEBUFFER_RGB,
                                          .bits_per_pixel = 32,
                                          .red_position = 16,
                                          .red_bits = 8,
                                          .green_position = 8,
                                          .green_bits = 8,
                                          .blue_bits = 8,
                                          .pitch = 4096,
                                          .width = 1024,
                                          .height = 768,
                                          .phys = 0xe0000000};
    struct framebuffer_info info = good;
    boot_framebuffer_check(&info);
    assert_int_equal(info.kind, FRAMEBUFFER_RGB);
#define REFUSED(field, value)                                                                      \
    info = good;                                                                                   \
    info.field = value;                                                                            \
    boot_framebuffer_check(&info);                                                                 \
    assert_int_equal(info.kind, FRAMEBUFFER_NONE)
    REFUSED(width, 0);
    REFUSED(height, 0);
    REFUSED(width, 1025);
    REFUSED(width, UINT32_MAX);
    REFUSED(height, UINT32_MAX);
    REFUSED(pitch, 4095);
    REFUSED(pitch, UINT32_MAX);
    REFUSED(bits_per_pixel, 8);
    REFUSED(bits_per_pixel, 33);
    REFUSED(red_position, 25);
    REFUSED(blue_bits, 0);
    REFUSED(green_bits, 9);
    REFUSED(phys, UINT64_MAX - 4096);
#undef REFUSED
    info = (struct framebuffer_info){.kind = FRAMEBUFFER_TEXT,
                                     .bits_per_pixel = 16,
                                     .pitch = 160,
                                     .width = 80,
                                     .height = 25,
                                     .phys = 0xb8000};
    boot_framebuffer_check(&info);
    assert_int_equal(info.kind, FRAMEBUFFER_TEXT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(multiboot2_is_read),
        TEST(multiboot2_truncations_stay_inside),
        TEST(multiboot2_wrong_words_stay_inside),
        TEST(pvh_is_read),
        TEST(pvh_refuses_and_bounds),
        TEST(modules_are_bounded),
        TEST(seed_is_taken_out),
        TEST(long_seeds_are_cut),
        TEST(memory_is_limited),
        TEST(texts_are_bounded),
        TEST(impossible_screens_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
