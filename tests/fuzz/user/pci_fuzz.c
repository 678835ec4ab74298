// The libFuzzer target for the PCI service: any calls, of functions whose configuration space is
// the input's bytes. Which functions there are is fixed.

#include <stdio.h>

#include "tests/fuzz/user/fake_kernel.h"

#define main pci_main
#include "user/services/pci/main.c"
#undef main

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

#define SLOTS      4u // functions, the last of which is the kernel's
#define VENDOR     0x1af4u
#define DEVICE     0x1042u
#define SPACE_FREE 0x40u // behind the header

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

u32 kwast_port_out(kwast_handle, u32 offset, u32 width, u32 value) {
    if (offset == 0) {
        bus.address = value;
        return 0;
    }
    u8 *at = selected(offset, width);
    if (at != NULL)
        memcpy(at, &value, width);
    return 0;
}

static void set_header(u32 slot) {
    const u32 id = DEVICE << 16 | VENDOR;
    memcpy(bus.space[slot], &id, sizeof id);
    bus.space[slot][CONFIG_HEADER] = 0;
}

// Lists of capabilities that are likely to be some.
static void fill_space(struct input *input, u32 slot) {
    static const u8 kinds[] = {CAPABILITY_MSI, CAPABILITY_EXPRESS, CAPABILITY_MSIX,
                               CAPABILITY_ADVANCED};
    u8 *space = bus.space[slot];
    input_fill(input, space, SPACE_FREE + 32);
    space[CONFIG_STATUS] |= 1 << 4;
    space[CONFIG_CAPABILITIES] = SPACE_FREE;
    space[SPACE_FREE] = kinds[space[SPACE_FREE] % COUNT_OF(kinds)];
    set_header(slot);
}

static void change_space(struct input *input) {
    u32 slot = input_u8(input) % SLOTS;
    bus.space[slot][input_u8(input)] = input_u8(input);
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
