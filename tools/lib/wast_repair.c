// Finds the fault by reading the import section entry by entry: its end is reached after fewer
// entries than the count says, and the count is that of the imports. Of descriptions only those of
// functions and tags are understood; modules with others in such a section are left as they are.

#include "tools/lib/wast_repair.h"

#include <string.h>

#define IMPORT_SECTION 2
#define COMPACT_ITEMS  0x7f
#define KIND_FUNC      0
#define KIND_TAG       4

struct cursor {
    u8 *at;
    u8 *end;
    bool broken;
};

static u8 take_byte(struct cursor *c) {
    if (c->at == c->end) {
        c->broken = true;
        return 0;
    }
    return *c->at++;
}

static u32 take_number(struct cursor *c) {
    u32 number = 0;
    for (u32 shift = 0; shift < 32; shift += 7) {
        u8 byte = take_byte(c);
        number |= (u32)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return number;
    }
    c->broken = true;
    return 0;
}

// A name; returns its length.
static u32 skip_name(struct cursor *c) {
    u32 len = take_number(c);
    if (c->broken || len > (usize)(c->end - c->at))
        c->broken = true;
    else
        c->at += len;
    return len;
}

static void skip_description(struct cursor *c, u8 kind) {
    if (kind == KIND_TAG)
        (void)take_byte(c);
    else if (kind != KIND_FUNC)
        c->broken = true;
    (void)take_number(c);
}

// Reads one entry; returns how many imports it is.
static u32 skip_entry(struct cursor *c) {
    (void)skip_name(c);
    u32 name_len = skip_name(c);
    u8 kind = take_byte(c);
    if (kind != COMPACT_ITEMS || name_len != 0) {
        skip_description(c, kind);
        return 1;
    }
    u32 count = take_number(c);
    for (u32 i = 0; i < count && !c->broken; i++) {
        (void)skip_name(c);
        skip_description(c, take_byte(c));
    }
    return count;
}

static bool repair_section(struct cursor section) {
    u8 *count_at = section.at;
    u32 declared = take_number(&section);
    u32 entries = 0;
    u32 imports = 0;
    while (section.at != section.end && !section.broken) {
        imports += skip_entry(&section);
        entries++;
    }
    bool has_one_byte = declared < 0x80;
    if (section.broken || !has_one_byte || declared != imports || entries >= declared)
        return false;
    *count_at = (u8)entries;
    return true;
}

bool wast_repair_imports(u8 *bytes, usize len) {
    static const u8 magic[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    if (len < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return false;
    struct cursor module = {bytes + sizeof magic, bytes + len, false};
    while (module.at != module.end && !module.broken) {
        u8 id = take_byte(&module);
        u32 section_len = take_number(&module);
        if (module.broken || section_len > (usize)(module.end - module.at))
            return false;
        if (id == IMPORT_SECTION)
            return repair_section((struct cursor){module.at, module.at + section_len, false});
        module.at += section_len;
    }
    return false;
}
