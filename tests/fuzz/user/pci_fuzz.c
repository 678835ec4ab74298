// The libFuzzer target for the PCI service: any calls, of functions that say what a real one might,
// until the input changes bytes of their configuration space, or gives all of it. Which functions
// there are is fixed.

#include <stdio.h>

#include "tests/fuzz/user/fake_kernel.h"

#define main pci_main
#include "user/services/pci/main.c"
#undef main

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

#define SLOTS          4u // functions, the last of which is the kernel's
#define VENDOR         0x1af4u
#define DEVICE         0x1042u
#define BAR_PORT       0xc000u
#define BAR_MEMORY_AT  0xfe000000u
#define SPACE_MSI      0x40u // where capabilities are, for those who have them
#define SPACE_MSIX     0x50u
#define SPACE_EXPRESS  0x60u
#define SPACE_ADVANCED 0x80u
#define SPACE_FILLED   0x90u
#define TABLE_ENTRIES  4u

static const u32 operations[] = {
    PCI_CLAIM,
    PCI_CLAIM,
    PCI_CONFIG,
    PCI_RANGE,
    PCI_PORTS,
    PCI_INTERRUPT,
    PCI_DMA,
    PCI_START,
    PCI_RESET,
    PCI_RESET + 1,
    KWAST_FILE_OPERATION + FILE_OPEN,
    KWAST_FILE_OPERATION + FILE_READ,
    KWAST_FILE_OPERATION + FILE_LIST,
    KWAST_FILE_OPERATION + FILE_STAT,
};

static struct {
    u32 address;
    u8 space[SLOTS][PCI_CONFIG_BYTES];
} bus;

// -- The machine ----------------------------------------------------------------------------------

u32 kwast_device_describe(kwast_handle, struct kwast_machine *out) {
    *out = (struct kwast_machine){.own_count = 1, .own_functions = {(SLOTS - 1) << 3}};
    return 0;
}

static u32 give(kwast_handle *out) {
    *out = fake_handle_create();
    return 0;
}

u32 kwast_device_ports(kwast_handle, u32 first, u32 count, kwast_handle *out) {
    return count == 0 || first + count > 0x10000 ? __WASI_ERRNO_INVAL : give(out);
}

u32 kwast_device_range(kwast_handle, u64 address, u64 bytes, enum kwast_caching,
                       kwast_handle *out) {
    MUST(address % KWAST_PAGE_BYTES == 0 && bytes % KWAST_PAGE_BYTES == 0 && bytes != 0);
    return bytes > UINT32_MAX || address + bytes < address ? __WASI_ERRNO_INVAL : give(out);
}

u32 kwast_device_interrupt(kwast_handle, u32 line, kwast_handle *out) {
    MUST(line != 0 && line < 16);
    return give(out);
}

u32 kwast_device_message(kwast_handle, kwast_handle *out, struct kwast_message *message) {
    *message = (struct kwast_message){.address = 0xfee00000, .data = 0x40};
    return give(out);
}

u32 kwast_dma_create(kwast_handle, u64 bytes, kwast_handle *out, u64 *address) {
    MUST(bytes != 0 && bytes % KWAST_PAGE_BYTES == 0 && bytes <= KWAST_DMA_MAX);
    *address = 0x100000;
    return give(out);
}

u32 kwast_dma_done(kwast_handle) {
    return 0;
}

u32 kwast_dma_reclaim(kwast_handle) {
    return 0;
}

u32 kwast_memory_map(kwast_handle, u64, void *to, usize len, u32) {
    memset(to, 0, len); // all of it is its own
    return 0;
}

u32 kwast_memory_unmap(void *) {
    return 0;
}

u32 kwast_scheme_call(kwast_handle, struct kwast_call *, i64) {
    return 0;
}

int fake_usleep(unsigned microseconds);
int fake_usleep(unsigned) {
    return 0;
}

// -- Its configuration space ----------------------------------------------------------------------

static u8 *selected(u32 offset, u32 width) {
    u32 place = bus.address >> 8 & 0xffff;
    u32 at = (bus.address & 0xfc) + offset - 4;
    MUST(offset >= 4 && at + width <= PCI_CONFIG_BYTES);
    return (place & 7) == 0 && place >> 3 < SLOTS ? &bus.space[place >> 3][at] : NULL;
}

u32 kwast_port_in(kwast_handle, u32 offset, u32 width, u32 *out) {
    const u8 *at = selected(offset, width);
    *out = at == NULL ? UINT32_MAX >> (32 - 8 * width) : 0;
    if (at != NULL)
        memcpy(out, at, width);
    return 0;
}

// Of a BAR only the bits of its address can be written.
static u32 writable(u32 at) {
    static const u32 masks[BARS] = {
        ~(KWAST_PAGE_BYTES - 1), ~31u, ~(KWAST_PAGE_BYTES - 1), UINT32_MAX, ~0xfffu, ~0xfffu};
    return at >= CONFIG_BAR && at < CONFIG_BAR + 4 * BARS ? masks[(at - CONFIG_BAR) / 4]
                                                          : UINT32_MAX;
}

u32 kwast_port_out(kwast_handle, u32 offset, u32 width, u32 value) {
    u32 before = 0;
    if (offset == 0) {
        bus.address = value;
        return 0;
    }
    u8 *at = selected(offset, width);
    if (at == NULL)
        return 0;
    u32 mask = writable(bus.address & 0xfc);
    memcpy(&before, at, width);
    value = (value & mask) | (before & ~mask);
    memcpy(at, &value, width);
    return 0;
}

static void set(u32 slot, u32 at, u32 width, u32 value) {
    memcpy(&bus.space[slot][at], &value, width);
}

static void set_header(u32 slot) {
    set(slot, CONFIG_VENDOR, 4, DEVICE << 16 | VENDOR);
    set(slot, CONFIG_HEADER, 1, 0);
}

// Which of these a function has, a bit each tells.
static void set_capabilities(u32 slot, u8 which) {
    static const struct {
        u8 at;
        enum config_capability kind;
    } all[] = {{SPACE_MSI, CAPABILITY_MSI},
               {SPACE_MSIX, CAPABILITY_MSIX},
               {SPACE_EXPRESS, CAPABILITY_EXPRESS},
               {SPACE_ADVANCED, CAPABILITY_ADVANCED}};
    u8 next = 0;
    for (u32 i = 0; i < COUNT_OF(all); i++) {
        if ((which >> i & 1) == 0)
            continue;
        set(slot, all[i].at, 2, (u32)next << 8 | all[i].kind);
        next = all[i].at;
    }
    set(slot, CONFIG_STATUS, 2, 1 << 4);
    set(slot, CONFIG_CAPABILITIES, 1, next);
    set(slot, SPACE_MSI + 2, 2, which & 0x80); // addresses of 64 bits, or not
    set(slot, SPACE_MSIX + 2, 2, TABLE_ENTRIES - 1);
    set(slot, SPACE_MSIX + 4, 4, KWAST_PAGE_BYTES - TABLE_ENTRIES * 16); // the end of BAR 0
    set(slot, SPACE_EXPRESS + 4, 4, 1u << 28);                           // it can reset itself
    set(slot, SPACE_ADVANCED + 3, 1, 1u << 1);
}

// A function as there might be one, or any.
static void fill_space(struct input *input, u32 slot) {
    u8 which = input_u8(input);
    memset(bus.space[slot], 0, sizeof bus.space[slot]);
    set(slot, CONFIG_BAR, 4, BAR_MEMORY_AT);
    set(slot, CONFIG_BAR + 4, 4, BAR_PORT | 1);
    set(slot, CONFIG_BAR + 8, 4, BAR_MEMORY_AT | 4);
    set(slot, CONFIG_BAR + 12, 4, 1); // above 4 GiB
    set(slot, CONFIG_BAR + 16, 4, BAR_MEMORY_AT + 0x1000);
    set(slot, CONFIG_LINE, 1, which >> 4);
    set_capabilities(slot, which);
    if (which >= 0xf0)
        input_fill(input, bus.space[slot], SPACE_FILLED);
    set_header(slot);
}

static void change_space(struct input *input) {
    u32 slot = input_u8(input) % SLOTS;
    u8 at = input_u8(input);
    bus.space[slot][at] = input_u8(input);
    set_header(slot);
}

// Once: what was found stays.
static void begin(void) {
    for (u32 i = 0; i < SLOTS; i++)
        set_header(i);
    MUST(functions_init(FAKE_SERVER) == 0 && functions_count() == SLOTS);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    const u64 roots[] = {0, pci_match(VENDOR, DEVICE, DEVICE)};
    struct input input = {data, len};
    static struct files files;
    fake_begin();
    if (functions_count() == 0)
        begin();
    server = FAKE_SERVER;
    for (u32 i = 0; i < SLOTS; i++)
        fill_space(&input, i);
    if (files.fs == NULL)
        files_init(&files, server, listing_file_system());
    const struct fake_service service = {
        .serve = serve,
        .context = &files,
        .operations = operations,
        .operation_count = COUNT_OF(operations),
        .roots = roots,
        .root_count = COUNT_OF(roots),
        .between = change_space,
    };
    fake_run(&service, &input);
    for (u32 i = 0; i < functions_count(); i++)
        MUST(!function_at(i)->is_claimed);
    return 0;
}
