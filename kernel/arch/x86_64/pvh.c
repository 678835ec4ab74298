// What a PVH loader says (qemu -kernel, microVM monitors): struct hvm_start_info of Xen's ABI.

#include "base/math.h"
#include "kernel/arch/x86_64/early.h"

#define START_MAGIC        0x336ec578u
#define MEMORY_ENTRIES_MAX 1024u

struct start_info {
    u32 magic;
    u32 version;
    u32 flags;
    u32 module_count;
    u64 modules_phys;
    u64 command_line_phys;
    u64 rsdp_phys;
    // Version 1:
    u64 memory_map_phys;
    u32 memory_map_count;
    u32 reserved;
};

struct module_entry {
    u64 phys;
    u64 bytes;
    u64 command_line_phys;
    u64 reserved;
};

struct memory_entry {
    u64 start;
    u64 bytes;
    u32 type;
    u32 reserved;
};

static void parse_command_line(u64 phys, struct boot_data *data) {
    usize size = sizeof data->info.command_line;
    if (phys == 0)
        return;
    // The text may end right below 4 GiB: shorten what is looked at until it fits.
    usize len = size;
    while (len > 0 && boot_phys(phys, len) == NULL)
        len--;
    const char *text = len > 0 ? boot_phys(phys, len) : NULL;
    if (text != NULL)
        boot_text_copy(data->info.command_line, size, text, len);
}

enum status pvh_parse(u64 info_phys, struct boot_data *data) {
    const struct start_info *start = boot_phys(info_phys, offsetof(struct start_info, rsdp_phys));
    if (start == NULL || start->magic != START_MAGIC)
        return ERR_MALFORMED;
    start = boot_phys(info_phys, sizeof *start);
    if (start == NULL)
        return ERR_MALFORMED;

    data->info.boot_loader = "PVH";
    parse_command_line(start->command_line_phys, data);
    data->rsdp_phys = start->rsdp_phys;

    u32 module_count = (u32)min_u64(start->module_count, BOOT_MODULES_MAX);
    const struct module_entry *modules =
        boot_phys(start->modules_phys, module_count * sizeof *modules);
    for (u32 i = 0; modules != NULL && i < module_count; i++) {
        u64 end;
        if (add_u64(modules[i].phys, modules[i].bytes, &end))
            boot_module_add(data, modules[i].phys, end);
    }

    if (start->version == 0)
        return OK; // no memory map: boot_start complains
    u32 count = (u32)min_u64(start->memory_map_count, MEMORY_ENTRIES_MAX);
    const struct memory_entry *map = boot_phys(start->memory_map_phys, count * sizeof *map);
    for (u32 i = 0; map != NULL && i < count; i++)
        boot_memory_add(data, map[i].start, map[i].bytes, map[i].type);
    return OK;
}
