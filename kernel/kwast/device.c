// Devices: what comes from a machine, and what is done with it (kernel/ipc/device.h).

#include "kernel/ipc/device.h"
#include "abi/wasi/preview1.h"
#include "kernel/ipc/memory_object.h"
#include "kernel/kwast/kwast_internal.h"
#include "kernel/proc/process_object.h"

STATIC_ASSERT(KWAST_OWN_FUNCTIONS == ARCH_OWN_FUNCTIONS_MAX, "abi");

#define RANGE_RIGHTS                                                                               \
    (KWAST_RIGHT_MAP | WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_FILESTAT_GET)
#define PORTS_RIGHTS     (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_FILESTAT_GET)
#define INTERRUPT_RIGHTS (KWAST_RIGHT_WAIT | WASI_RIGHT_FD_READ | WASI_RIGHT_POLL_FD_READWRITE)

static bool is_range(const struct object *object) {
    return memory_object_is(object) &&
           (memory_object_rights((struct object *)(uptr)object) & PAGE_DEVICE) != 0;
}

static bool is_described(const struct object *object) {
    return machine_is(object) || is_range(object);
}

// Whether the call's first argument is a machine with these rights.
static enum status check_machine(struct process *process, const u64 *args, u64 rights) {
    struct object *machine;
    enum status status = kwast_object(process, args[0], machine_is, rights, &machine);
    if (status == OK)
        object_release(machine);
    return status;
}

static struct kwast_channel channel_of(struct arch_channel channel) {
    return (struct kwast_channel){channel.position, channel.bits};
}

// (device, out)
enum status kwast_device_describe(struct process *process, const u64 *args) {
    struct object *device;
    enum status status = kwast_object(process, args[0], is_described, 0, &device);
    if (status != OK)
        return status;
    object_release(device);
    struct arch_devices devices;
    arch_devices_describe(&devices);
    struct kwast_machine machine = {
        .screen_address = devices.screen.start.value,
        .screen_bytes = devices.screen.bytes,
        .pixels = devices.screen.bytes != 0 ? KWAST_PIXELS_RGB : KWAST_PIXELS_NONE,
        .screen_width = devices.screen_width,
        .screen_height = devices.screen_height,
        .screen_pitch = devices.screen_pitch,
        .pixel_bytes = devices.pixel_bytes,
        .red = channel_of(devices.red),
        .green = channel_of(devices.green),
        .blue = channel_of(devices.blue),
        .pci_config_address = devices.pci_config.start.value,
        .pci_config_bytes = devices.pci_config.bytes,
        .pci_first_bus = devices.pci_first_bus,
        .own_count = devices.own_count,
    };
    for (u32 i = 0; i < devices.own_count; i++)
        machine.own_functions[i] = devices.own_functions[i];
    return kwast_put(process, args[1], &machine, sizeof machine);
}

// (machine, address, bytes, caching, out)
enum status kwast_device_range(struct process *process, const u64 *args) {
    struct handle handle = {.rights = RANGE_RIGHTS};
    enum status status = check_machine(process, args, KWAST_RIGHT_DEVICES);
    if (status != OK)
        return status;
    u64 bytes = args[2];
    u64 caching = args[3];
    if (!is_aligned(args[1] | bytes, PAGE_SIZE) || bytes == 0 ||
        (caching != KWAST_UNCACHED && caching != KWAST_COMBINING))
        return ERR_INVALID;
    enum page_rights rights = PAGE_DEVICE | (caching == KWAST_COMBINING ? PAGE_COMBINING : 0);
    status = kwast_check(process, args[4], sizeof(u32));
    if (status == OK)
        status = memory_object_create_range((struct phys_addr){args[1]}, bytes >> PAGE_SHIFT,
                                            rights, &handle.object);
    return status == OK ? kwast_give(process, &handle, args[4]) : status;
}

// -- Ports ----------------------------------------------------------------------------------------

// (machine, first, count, out)
enum status kwast_device_ports(struct process *process, const u64 *args) {
    struct handle handle = {.rights = PORTS_RIGHTS};
    enum status status = check_machine(process, args, KWAST_RIGHT_DEVICES);
    if (status == OK)
        status = kwast_check(process, args[3], sizeof(u32));
    if (status == OK)
        status = ports_create((u32)args[1], (u32)args[2], &handle.object);
    return status == OK ? kwast_give(process, &handle, args[3]) : status;
}

// (ports, offset, width, out)
enum status kwast_port_in(struct process *process, const u64 *args) {
    struct object *ports;
    u32 value;
    enum status status = kwast_object(process, args[0], ports_is, WASI_RIGHT_FD_READ, &ports);
    if (status != OK)
        return status;
    status = kwast_check(process, args[3], sizeof value);
    if (status == OK)
        status = ports_read(ports, (u32)args[1], (u32)args[2], &value);
    object_release(ports);
    return status == OK ? kwast_put(process, args[3], &value, sizeof value) : status;
}

// (ports, offset, width, value)
enum status kwast_port_out(struct process *process, const u64 *args) {
    struct object *ports;
    enum status status = kwast_object(process, args[0], ports_is, WASI_RIGHT_FD_WRITE, &ports);
    if (status != OK)
        return status;
    status = ports_write(ports, (u32)args[1], (u32)args[2], (u32)args[3]);
    object_release(ports);
    return status;
}

// -- Interrupts -----------------------------------------------------------------------------------

// (machine, line, out)
enum status kwast_device_interrupt(struct process *process, const u64 *args) {
    struct handle handle = {.rights = INTERRUPT_RIGHTS};
    enum status status = check_machine(process, args, KWAST_RIGHT_DEVICES);
    if (status == OK)
        status = kwast_check(process, args[2], sizeof(u32));
    if (status == OK)
        status = interrupt_create_line((u32)args[1], &handle.object);
    return status == OK ? kwast_give(process, &handle, args[2]) : status;
}

// (machine, out, message)
enum status kwast_device_message(struct process *process, const u64 *args) {
    struct handle handle = {.rights = INTERRUPT_RIGHTS};
    struct kwast_message message = {};
    enum status status = check_machine(process, args, KWAST_RIGHT_DEVICES);
    if (status == OK)
        status = kwast_check(process, args[1], sizeof(u32));
    if (status == OK)
        status = kwast_check(process, args[2], sizeof message);
    if (status == OK)
        status = interrupt_create_message(&message.address, &message.data, &handle.object);
    if (status != OK)
        return status;
    status = kwast_put(process, args[2], &message, sizeof message);
    if (status == OK)
        return kwast_give(process, &handle, args[1]);
    object_release(handle.object);
    return status;
}

// (interrupt, timeout, out)
enum status kwast_interrupt_take(struct process *process, const u64 *args) {
    struct object *interrupt;
    u64 count;
    enum status status = kwast_object(process, args[0], interrupt_is, KWAST_RIGHT_WAIT, &interrupt);
    if (status != OK)
        return status;
    status = kwast_check(process, args[2], sizeof count);
    if (status == OK)
        status = interrupt_take(interrupt, kwast_deadline(args[1]), &count);
    object_release(interrupt);
    return status == OK ? kwast_put(process, args[2], &count, sizeof count) : status;
}

// -- Memory for devices ---------------------------------------------------------------------------

// (machine, bytes, out, address)
enum status kwast_dma_create(struct process *process, const u64 *args) {
    struct object *payer;
    struct handle handle = {.rights = RANGE_RIGHTS | KWAST_RIGHT_DMA};
    enum status status = check_machine(process, args, KWAST_RIGHT_DMA);
    if (status != OK)
        return status;
    if (!is_aligned(args[1], PAGE_SIZE) || args[1] > KWAST_DMA_MAX)
        return ERR_INVALID;
    status = kwast_check(process, args[2], sizeof(u32));
    if (status == OK)
        status = kwast_check(process, args[3], sizeof(u64));
    if (status == OK)
        status = process_object_create(process, &payer);
    if (status != OK)
        return status;
    status =
        memory_object_create_dma(args[1] >> PAGE_SHIFT, &process->account, payer, &handle.object);
    object_release(payer);
    if (status != OK)
        return status;
    u64 address = memory_object_frame(handle.object, 0).value;
    status = kwast_give(process, &handle, args[2]);
    return status == OK ? kwast_put(process, args[3], &address, sizeof address) : status;
}

// (memory)
enum status kwast_dma_done(struct process *process, const u64 *args) {
    struct object *memory;
    enum status status =
        kwast_object(process, args[0], memory_object_is_dma, KWAST_RIGHT_DMA, &memory);
    if (status != OK)
        return status;
    memory_object_dma_done(memory);
    object_release(memory);
    return OK;
}

// (machine)
enum status kwast_dma_reclaim(struct process *process, const u64 *args) {
    enum status status = check_machine(process, args, KWAST_RIGHT_DMA);
    if (status == OK)
        memory_object_dma_reclaim();
    return status;
}
