// Functions: claiming, what belongs to one, resetting.
//
// What a driver gets is a duplicate of ours, or, of an interrupt, the only handle there is. Ours go
// when the driver has gone: so what belongs to a function is nobody's, or one driver's.
//
// Invariants:
//   1. a function that nobody has claimed does not master the bus;
//   2. memory that a function was told of is ours until the function was reset.

#include "user/services/pci/function.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/pci.h"
#include "base/math.h"
#include "user/services/pci/space.h"

#define CLASS_BRIDGE       0x06u
#define RESET_NS           100000000ull // until a function answers again
#define EXPRESS_CAN        0x04u        // offsets within the capability
#define EXPRESS_CONTROL    0x08u
#define EXPRESS_STATUS     0x0au
#define EXPRESS_CAN_RESET  (1u << 28)
#define EXPRESS_RESET      (1u << 15)
#define EXPRESS_PENDING    (1u << 5)
#define ADVANCED_CAN       0x03u
#define ADVANCED_CONTROL   0x04u
#define ADVANCED_CAN_RESET (1u << 1)
#define MSI_CONTROL        0x02u
#define MSI_ADDRESS        0x04u
#define MSI_ENABLE         (1u << 0)
#define MSI_MANY           (7u << 4)
#define MSI_WIDE           (1u << 7)
#define MSIX_CONTROL       0x02u
#define MSIX_TABLE         0x04u
#define MSIX_ENABLE        (1u << 15)
#define MSIX_MASK_ALL      (1u << 14)
#define MSIX_SIZE          0x7ffu // entries, less one
#define MSIX_BAR           0x7u
#define MSIX_ENTRY_BYTES   16u
#define LINES              16u // of the interrupt controllers that firmware speaks of
#define PENDING_ROUNDS     1000u
#define PAGE               KWAST_PAGE_BYTES

#define RANGE_RIGHTS                                                                               \
    (KWAST_RIGHT_MAP | __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE |                            \
     __WASI_RIGHTS_FD_FILESTAT_GET)
#define PORTS_RIGHTS (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE)

static struct {
    kwast_handle machine;
    struct kwast_machine description;
    struct function *all[FUNCTIONS_MAX];
    u32 count;
} functions;

static enum status status_of(u32 error) {
    switch (error) {
    case 0:
        return OK;
    case EACCES:
        return ERR_NO_ACCESS;
    case EBUSY:
        return ERR_BUSY;
    case ENOMEM:
        return ERR_NO_MEMORY;
    case EMFILE:
        return ERR_LIMIT;
    case ENOSPC:
        return ERR_NO_SPACE;
    default:
        return ERR_IO;
    }
}

// -- Finding --------------------------------------------------------------------------------------

static bool is_kernels(pci_place place) {
    for (u32 i = 0; i < functions.description.own_count; i++) {
        if (functions.description.own_functions[i] == place)
            return true;
    }
    return false;
}

static void add(pci_place place) {
    struct function *function = calloc(1, sizeof *function);
    if (function == NULL || functions.count == FUNCTIONS_MAX) {
        fprintf(stderr, "pci: %02x:%02x.%x: no room for it\n", place >> 8, place >> 3 & 31,
                place & 7);
        free(function);
        return;
    }
    u32 id = config_read(place, CONFIG_VENDOR, 4);
    *function = (struct function){
        .place = place,
        .vendor = (u16)id,
        .device = (u16)(id >> 16),
        .class = config_read(place, CONFIG_CLASS, 4) >> 8,
        .subsystem = config_read(place, CONFIG_SUBSYSTEM, 4),
        .is_own = is_kernels(place),
    };
    functions.all[functions.count++] = function;
}

static bool is_for_drivers(const struct function *function) {
    return !function->is_own && function->class >> 16 != CLASS_BRIDGE;
}

static void command_change(const struct function *function, u32 clear, u32 set) {
    u32 command = config_read(function->place, CONFIG_COMMAND, 2);
    config_write(function->place, CONFIG_COMMAND, 2, (command & ~clear) | set);
}

static void interrupts_off(const struct function *function) {
    static const struct {
        enum config_capability kind;
        u32 enable;
    } ways[] = {{CAPABILITY_MSI, MSI_ENABLE}, {CAPABILITY_MSIX, MSIX_ENABLE}};
    command_change(function, 0, COMMAND_NO_LINE);
    for (u32 i = 0; i < COUNT_OF(ways); i++) {
        u32 at = config_capability(function->place, ways[i].kind);
        if (at == 0)
            continue;
        u32 control = config_read(function->place, at + MSI_CONTROL, 2);
        config_write(function->place, at + MSI_CONTROL, 2, control & ~ways[i].enable);
    }
}

u32 functions_init(kwast_handle machine) {
    functions.machine = machine;
    u32 error = kwast_device_describe(machine, &functions.description);
    if (error == 0)
        error = space_init(machine, &functions.description);
    if (error != 0)
        return error;
    config_enumerate(add);
    for (u32 i = 0; i < functions.count; i++) {
        struct function *function = functions.all[i];
        bool is_master = (config_read(function->place, CONFIG_COMMAND, 2) & COMMAND_MASTER) != 0;
        if (!is_for_drivers(function))
            continue;
        interrupts_off(function); // a line that nobody answers would be a nuisance to others
        if (is_master)
            function_reset(function);
    }
    return kwast_dma_reclaim(machine); // what drivers of an earlier service had
}

u32 functions_count(void) {
    return functions.count;
}

struct function *function_at(u32 index) {
    return functions.all[index];
}

// -- Resetting ------------------------------------------------------------------------------------

// What it still has on its way to memory arrives before a reset.
static void wait_for_pending(const struct function *function, u32 express) {
    for (u32 i = 0; i < PENDING_ROUNDS; i++) {
        if ((config_read(function->place, express + EXPRESS_STATUS, 2) & EXPRESS_PENDING) == 0)
            return;
    }
}

// Asks the function to reset itself, which not all can. True: it will take a while.
static bool reset_itself(const struct function *function) {
    u32 express = config_capability(function->place, CAPABILITY_EXPRESS);
    u32 advanced = config_capability(function->place, CAPABILITY_ADVANCED);
    if (express != 0 &&
        (config_read(function->place, express + EXPRESS_CAN, 4) & EXPRESS_CAN_RESET) != 0) {
        wait_for_pending(function, express);
        u32 control = config_read(function->place, express + EXPRESS_CONTROL, 2);
        config_write(function->place, express + EXPRESS_CONTROL, 2, control | EXPRESS_RESET);
        return true;
    }
    if (advanced != 0 &&
        (config_read(function->place, advanced + ADVANCED_CAN, 1) & ADVANCED_CAN_RESET) != 0) {
        config_write(function->place, advanced + ADVANCED_CONTROL, 1, 1);
        return true;
    }
    return false;
}

// What the firmware set up, and a reset forgets.
struct kept {
    u32 bars[BARS];
    u32 command;
    u32 line;
};

static void keep(const struct function *function, struct kept *kept) {
    for (u32 i = 0; i < BARS; i++)
        kept->bars[i] = config_read(function->place, CONFIG_BAR + 4 * i, 4);
    kept->command = config_read(function->place, CONFIG_COMMAND, 2);
    kept->line = config_read(function->place, CONFIG_LINE, 1);
}

static void restore(const struct function *function, const struct kept *kept) {
    for (u32 i = 0; i < BARS; i++)
        config_write(function->place, CONFIG_BAR + 4 * i, 4, kept->bars[i]);
    config_write(function->place, CONFIG_LINE, 1, kept->line);
    config_write(function->place, CONFIG_COMMAND, 2, kept->command);
}

// No entry sends its message any more: that may be somebody else's by the time that MSI-X is
// enabled again.
static void table_mask(const struct function *function) {
    for (u32 i = 0; i < function->table_entries; i++)
        ((volatile u32 *)(void *)function->table)[4 * i + 3] = 1;
}

void function_reset(struct function *function) {
    struct kept kept;
    interrupts_off(function); // whoever goes on with it asks for them anew
    table_mask(function);
    memset(function->is_interrupt_given, 0, sizeof function->is_interrupt_given);
    command_change(function, COMMAND_MASTER, 0);
    keep(function, &kept);
    if (!reset_itself(function))
        return;
    usleep(RESET_NS / 1000);
    restore(function, &kept);
}

// -- Claiming -------------------------------------------------------------------------------------

enum status function_claim(struct function *function, kwast_handle ready) {
    if (function->is_claimed || !is_for_drivers(function))
        return ERR_BUSY;
    function->is_claimed = true;
    function->ready = ready;
    for (u32 i = 0; i < BARS; i++) {
        function->bars[i] = (struct bar){.kind = BAR_NONE};
        function->resources[i] = KWAST_NO_HANDLE;
    }
    for (u32 i = 0; i < BARS;) {
        u32 next;
        function->bars[i] = config_bar(function->place, i, &next);
        i = next;
    }
    return OK;
}

void function_release(struct function *function) {
    function_reset(function);
    for (u32 i = 0; i < function->dma_count; i++) {
        kwast_dma_done(function->dma[i].memory);
        close((int)function->dma[i].memory);
    }
    function->dma_count = 0;
    function->dma_bytes = 0;
    if (function->table_map != NULL) {
        kwast_memory_unmap(function->table_map);
        free(function->table_map);
    }
    function->table = NULL;
    function->table_map = NULL;
    function->table_entries = 0;
    for (u32 i = 0; i < BARS; i++) {
        if (function->resources[i] != KWAST_NO_HANDLE)
            close((int)function->resources[i]);
    }
    close((int)function->ready);
    function->is_claimed = false;
}

// -- Ranges and ports -----------------------------------------------------------------------------

// Our own handle of what is behind a BAR.
static enum status resource_open(struct function *function, u32 index) {
    const struct bar *bar = &function->bars[index];
    kwast_handle *resource = &function->resources[index];
    if (*resource != KWAST_NO_HANDLE)
        return OK;
    if (bar->kind == BAR_PORTS) {
        command_change(function, 0, COMMAND_PORTS);
        return status_of(
            kwast_device_ports(functions.machine, (u32)bar->address, (u32)bar->bytes, resource));
    }
    u64 start = align_down(bar->address, PAGE);
    u64 bytes = align_up(bar->address + bar->bytes, PAGE) - start;
    command_change(function, 0, COMMAND_MEMORY);
    return status_of(kwast_device_range(functions.machine, start, bytes, KWAST_UNCACHED, resource));
}

enum status function_resource(struct function *function, u32 index, enum bar_kind kind,
                              kwast_handle *out, u64 words[2]) {
    if (index >= BARS || function->bars[index].kind != kind)
        return ERR_NOT_FOUND;
    enum status status = resource_open(function, index);
    if (status != OK)
        return status;
    words[0] = kind == BAR_MEMORY ? function->bars[index].address % PAGE : 0;
    words[1] = function->bars[index].bytes;
    return status_of(kwast_handle_duplicate(
        function->resources[index], kind == BAR_MEMORY ? RANGE_RIGHTS : PORTS_RIGHTS, 0, out));
}

// -- Interrupts -----------------------------------------------------------------------------------

// Maps the entries of MSI-X, all of them masked.
static enum status table_open(struct function *function, u32 at, u32 count) {
    u32 where = config_read(function->place, at + MSIX_TABLE, 4);
    u32 index = where & MSIX_BAR;
    u64 offset = where & ~MSIX_BAR;
    if (function->table != NULL)
        return OK;
    if (index >= BARS || function->bars[index].kind != BAR_MEMORY ||
        !range_fits(offset, count * MSIX_ENTRY_BYTES, function->bars[index].bytes))
        return ERR_UNSUPPORTED;
    enum status status = resource_open(function, index);
    if (status != OK)
        return status;
    u64 start = function->bars[index].address % PAGE + offset;
    u64 first = align_down(start, PAGE);
    u64 bytes = align_up(start + count * MSIX_ENTRY_BYTES, PAGE) - first;
    u8 *pages = aligned_alloc(PAGE, (usize)bytes);
    if (pages == NULL)
        return ERR_NO_MEMORY;
    status = status_of(kwast_memory_map(function->resources[index], first, pages, (usize)bytes,
                                        KWAST_READ | KWAST_WRITE));
    if (status != OK) {
        free(pages);
        return status;
    }
    function->table_map = pages;
    function->table = pages + (start - first);
    function->table_entries = count;
    table_mask(function);
    return OK;
}

static enum status message_create(kwast_handle *out, struct kwast_message *message) {
    return status_of(kwast_device_message(functions.machine, out, message));
}

static enum status msix_give(struct function *function, u32 at, u32 index, kwast_handle *out) {
    struct kwast_message message;
    u32 control = config_read(function->place, at + MSIX_CONTROL, 2);
    enum status status = table_open(function, at, (control & MSIX_SIZE) + 1);
    if (status == OK && index >= function->table_entries)
        status = ERR_NOT_FOUND;
    if (status == OK)
        status = message_create(out, &message);
    if (status != OK)
        return status;
    volatile u32 *entry = (volatile u32 *)(void *)function->table + 4 * index;
    entry[0] = (u32)message.address;
    entry[1] = (u32)(message.address >> 32);
    entry[2] = message.data;
    entry[3] = 0;
    control = (control & ~MSIX_MASK_ALL) | MSIX_ENABLE;
    config_write(function->place, at + MSIX_CONTROL, 2, control);
    return OK;
}

static enum status msi_give(struct function *function, u32 at, kwast_handle *out) {
    struct kwast_message message;
    enum status status = message_create(out, &message);
    if (status != OK)
        return status;
    u32 control = config_read(function->place, at + MSI_CONTROL, 2);
    bool is_wide = (control & MSI_WIDE) != 0;
    u32 data_at = at + MSI_ADDRESS + (is_wide ? 8 : 4);
    config_write(function->place, at + MSI_ADDRESS, 4, (u32)message.address);
    if (is_wide)
        config_write(function->place, at + MSI_ADDRESS + 4, 4, (u32)(message.address >> 32));
    config_write(function->place, data_at, 2, message.data);
    config_write(function->place, at + MSI_CONTROL, 2, (control & ~MSI_MANY) | MSI_ENABLE);
    return OK;
}

// Which of the machine's lines it is only the firmware knows.
static void tell_line(struct function *function, u32 line) {
    pci_place place = function->place;
    if (!function->is_line_told)
        fprintf(stderr,
                "pci: %02x:%02x.%x (%04x:%04x) cannot be waited for: its interrupt is a line, and "
                "the firmware says %u of where that goes\n",
                place >> 8, place >> 3 & 31, place & 7, function->vendor, function->device, line);
    function->is_line_told = true;
}

static enum status line_give(struct function *function, kwast_handle *out) {
    u32 line = config_read(function->place, CONFIG_LINE, 1);
    if (line == 0 || line >= LINES) {
        tell_line(function, line);
        return ERR_NOT_FOUND;
    }
    enum status status = status_of(kwast_device_interrupt(functions.machine, line, out));
    if (status == OK)
        command_change(function, COMMAND_NO_LINE, 0);
    return status;
}

enum status function_interrupt(struct function *function, u64 index, bool wants_line,
                               kwast_handle *out, u64 *count) {
    u32 msix = wants_line ? 0 : config_capability(function->place, CAPABILITY_MSIX);
    u32 msi = wants_line ? 0 : config_capability(function->place, CAPABILITY_MSI);
    *count = 0;
    if (msix != 0)
        *count = min_u64((config_read(function->place, msix + MSIX_CONTROL, 2) & MSIX_SIZE) + 1,
                         MESSAGES_MAX);
    else if (msi != 0)
        *count = 1;
    if (index >= max_u64(*count, 1))
        return ERR_NOT_FOUND;
    if (function->is_interrupt_given[index])
        return ERR_BUSY;
    enum status status = msix != 0  ? msix_give(function, msix, (u32)index, out)
                         : msi != 0 ? msi_give(function, msi, out)
                                    : line_give(function, out);
    function->is_interrupt_given[index] = status == OK;
    return status;
}

// -- Memory ---------------------------------------------------------------------------------------

enum status function_memory(struct function *function, u64 bytes, kwast_handle *out, u64 *address) {
    if (bytes == 0 || !is_aligned(bytes, PAGE))
        return ERR_INVALID;
    if (function->dma_count == DMA_PIECES_MAX || bytes > PCI_DMA_MAX - function->dma_bytes ||
        bytes > KWAST_DMA_MAX)
        return ERR_LIMIT;
    kwast_handle memory;
    enum status status = status_of(kwast_dma_create(functions.machine, bytes, &memory, address));
    if (status != OK)
        return status;
    status = status_of(kwast_handle_duplicate(memory, RANGE_RIGHTS, 0, out));
    if (status != OK) {
        kwast_dma_done(memory);
        close((int)memory);
        return status;
    }
    function->dma[function->dma_count++] = (struct dma_piece){memory, bytes};
    function->dma_bytes += bytes;
    return OK;
}

void function_start(struct function *function) {
    command_change(function, 0, COMMAND_MASTER | COMMAND_MEMORY);
}
