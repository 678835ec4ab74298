// Virtio devices behind the PCI service (virtio.h): the modern PCI transport, virtio 1.2
// section 4.1.

#include "user/sdk/virtio.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/math.h"

#define CAPABILITIES_AT   0x34u
#define CAPABILITY_VENDOR 0x09u
#define CAPABILITIES_MAX  48u
#define CAPABILITY_BYTES  16u
#define NOTIFY_MULTIPLIER 16u // offset, behind the others
#define DEVICE_ID_FIRST   0x1000u
#define DEVICE_ID_LAST    0x107fu
#define CLAIM_TRIES       20u
#define CLAIM_PAUSE_MS    10
#define NO_VECTOR         0xffffu
#define RESET_ROUNDS      1000000u
#define GENERATION_ROUNDS 1000u
#define ALLOCATION_MAX    (64u << 20)

enum region_kind : u8 {
    REGION_COMMON = 1,
    REGION_NOTIFY = 2,
    REGION_INTERRUPT = 3, // why the line was raised; reading it lowers the line
    REGION_CONFIG = 4,
};

enum device_status : u8 {
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_FAILED = 128,
};

struct virtio_common {
    u32 device_feature_select;
    u32 device_feature;
    u32 driver_feature_select;
    u32 driver_feature;
    u16 config_vector;
    u16 queue_count;
    u8 status;
    u8 generation;
    u16 queue_select;
    u16 queue_size;
    u16 queue_vector;
    u16 queue_enable;
    u16 queue_notify_offset;
    u32 queue_descriptors[2]; // low half first, as all 64-bit fields
    u32 queue_available[2];
    u32 queue_used[2];
};
_Static_assert(sizeof(struct virtio_common) == 56, "virtio 1.2, section 4.1.4.3");

// -- The PCI service ------------------------------------------------------------------------------

static enum status status_of(u32 error) {
    switch (error) {
    case 0:
        return OK;
    case __WASI_ERRNO_OWNERDEAD:
    case __WASI_ERRNO_PIPE:
        return ERR_PEER_DIED;
    case __WASI_ERRNO_NOMEM:
        return ERR_NO_MEMORY;
    case __WASI_ERRNO_TIMEDOUT:
        return ERR_TIMED_OUT;
    default:
        return ERR_IO;
    }
}

// Asks; words[0] goes there, all come back. *handle may be NULL where none comes.
static enum status ask(kwast_handle channel, struct kwast_call *call, kwast_handle *handle) {
    u32 error = kwast_scheme_call(channel, call, -1);
    if (error != 0)
        return status_of(error);
    if (call->answer != OK)
        return call->answer < STATUS_COUNT ? (enum status)call->answer : ERR_IO;
    if (handle != NULL) {
        *handle = call->handle;
        return call->handle != KWAST_NO_HANDLE ? OK : ERR_IO;
    }
    return OK;
}

static enum status read_configuration(kwast_handle function, u8 *config) {
    struct kwast_grant grant = {(u32)(uptr)config, PCI_CONFIG_BYTES, KWAST_WRITE};
    struct kwast_call call = {
        .operation = PCI_CONFIG, .grants = (u32)(uptr)&grant, .grant_count = 1};
    return ask(function, &call, NULL);
}

// Whole pages of our own, for something else to be mapped over.
static void *pages_for(u64 bytes) {
    return bytes <= ALLOCATION_MAX ? aligned_alloc(KWAST_PAGE_BYTES, (usize)bytes) : NULL;
}

// Maps `len` bytes at `offset` of a BAR; *out is where they are.
static enum status map_region(kwast_handle function, u32 bar, u64 offset, u64 len,
                              volatile u8 **out) {
    kwast_handle range;
    struct kwast_call call = {.operation = PCI_RANGE, .words = {bar}};
    enum status status = ask(function, &call, &range);
    if (status != OK)
        return status;
    if (!range_fits(offset, len, call.words[1])) {
        close((int)range);
        return ERR_UNSUPPORTED;
    }
    u64 start = call.words[0] + offset;
    u64 first = align_down(start, KWAST_PAGE_BYTES);
    u64 bytes = align_up(start + len, KWAST_PAGE_BYTES) - first;
    u8 *pages = pages_for(bytes);
    status = pages == NULL ? ERR_NO_MEMORY
                           : status_of(kwast_memory_map(range, first, pages, (usize)bytes,
                                                        KWAST_READ | KWAST_WRITE));
    close((int)range); // the mapping keeps it
    if (status == OK)
        *out = pages + (start - first);
    else
        free(pages);
    return status;
}

// -- Where the registers are ----------------------------------------------------------------------

static u32 field32(const u8 *config, u32 at) {
    u32 value;
    memcpy(&value, config + at, sizeof value);
    return value;
}

static enum status take_region(struct virtio *device, const u8 *config, u32 at) {
    enum region_kind kind = (enum region_kind)config[at + 3];
    u32 len = field32(config, at + 12);
    volatile u8 *mapped;
    bool is_needed = (kind == REGION_COMMON && device->common == NULL) ||
                     (kind == REGION_NOTIFY && device->notify == NULL) ||
                     (kind == REGION_INTERRUPT && device->cause == NULL) ||
                     (kind == REGION_CONFIG && device->config == NULL);
    if (!is_needed || len == 0 || (kind == REGION_COMMON && len < sizeof(struct virtio_common)) ||
        (kind == REGION_NOTIFY && at + NOTIFY_MULTIPLIER + 4 > PCI_CONFIG_BYTES))
        return OK; // the first that will do, is it
    enum status status =
        map_region(device->function, config[at + 4], field32(config, at + 8), len, &mapped);
    if (status != OK) // in a BAR that is ports, or none, there may be another one of the kind
        return status == ERR_NOT_FOUND ? OK : status;
    if (kind == REGION_COMMON) {
        device->common = (volatile struct virtio_common *)(volatile void *)mapped;
    } else if (kind == REGION_NOTIFY) {
        device->notify = mapped;
        device->notify_bytes = len;
        device->notify_multiplier = field32(config, at + NOTIFY_MULTIPLIER);
    } else if (kind == REGION_INTERRUPT) {
        device->cause = mapped;
    } else {
        device->config = mapped;
        device->config_bytes = len;
    }
    return OK;
}

static enum status find_regions(struct virtio *device, const u8 *config) {
    enum status status = OK;
    u32 at = config[CAPABILITIES_AT] & ~3u;
    for (u32 i = 0; i < CAPABILITIES_MAX && at != 0 && status == OK; i++) {
        if (config[at] == CAPABILITY_VENDOR && at + CAPABILITY_BYTES <= PCI_CONFIG_BYTES)
            status = take_region(device, config, at);
        at = config[at + 1] & ~3u;
    }
    if (status == OK && (device->common == NULL || device->notify == NULL))
        status = ERR_UNSUPPORTED;
    return status;
}

// -- Opening --------------------------------------------------------------------------------------

static bool reset(struct virtio *device) {
    device->common->status = 0;
    for (u32 i = 0; i < RESET_ROUNDS; i++) {
        if (device->common->status == 0)
            return true;
    }
    return false;
}

static u64 offered_features(struct virtio *device) {
    device->common->device_feature_select = 0;
    u64 low = device->common->device_feature;
    device->common->device_feature_select = 1;
    return (u64)device->common->device_feature << 32 | low;
}

// Steps 1 to 6 of "device initialization".
static enum status negotiate(struct virtio *device, u64 wanted) {
    if (!reset(device))
        return ERR_IO;
    device->common->status = STATUS_ACKNOWLEDGE;
    device->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    u64 offered = offered_features(device);
    if ((offered & VIRTIO_FEATURE_VERSION_1) == 0)
        return ERR_UNSUPPORTED;
    device->features = offered & (wanted | VIRTIO_FEATURE_VERSION_1);
    device->common->driver_feature_select = 0;
    device->common->driver_feature = (u32)device->features;
    device->common->driver_feature_select = 1;
    device->common->driver_feature = (u32)(device->features >> 32);
    device->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    if ((device->common->status & STATUS_FEATURES_OK) == 0)
        return ERR_UNSUPPORTED;
    device->common->config_vector = NO_VECTOR;
    device->queue_count = device->common->queue_count;
    return OK;
}

static enum status start_function(struct virtio *device) {
    struct kwast_call call = {.operation = PCI_START};
    return ask(device->function, &call, NULL);
}

// The service may not have heard yet that the driver before us has gone.
static enum status claim(kwast_handle claims, struct kwast_call *call, kwast_handle *function) {
    for (u32 tries = CLAIM_TRIES;; tries--) {
        struct kwast_call asked = *call;
        enum status status = ask(claims, &asked, function);
        if (status != ERR_BUSY || tries == 0) {
            *call = asked;
            return status;
        }
        poll(NULL, 0, CLAIM_PAUSE_MS);
    }
}

enum status virtio_open(struct virtio *device, kwast_handle claims, u32 number, u64 wanted) {
    u8 config[PCI_CONFIG_BYTES];
    struct kwast_call call = {.operation = PCI_CLAIM, .words = {number}};
    *device = (struct virtio){.function = KWAST_NO_HANDLE};
    enum status status = claim(claims, &call, &device->function);
    if (status != OK)
        return status;
    device->device_id = (u32)(call.words[1] >> 16);
    bool is_virtio = (call.words[1] & 0xffff) == VIRTIO_VENDOR &&
                     device->device_id >= DEVICE_ID_FIRST && device->device_id <= DEVICE_ID_LAST;
    status = is_virtio ? read_configuration(device->function, config) : ERR_UNSUPPORTED;
    if (status == OK)
        status = start_function(device);
    if (status == OK)
        status = find_regions(device, config);
    if (status == OK)
        status = negotiate(device, wanted);
    if (status == OK)
        return OK;
    if (device->common != NULL)
        device->common->status = STATUS_FAILED;
    close((int)device->function);
    return status;
}

enum status virtio_start(struct virtio *device) {
    device->common->status =
        STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
    return OK;
}

void virtio_fail(struct virtio *device) {
    reset(device);
    device->common->status = STATUS_FAILED;
}

enum status virtio_config_read(const struct virtio *device, u32 offset, void *to, u32 len) {
    u8 *bytes = to;
    if (!range_fits(offset, len, device->config_bytes))
        return ERR_INVALID;
    for (u32 round = 0; round < GENERATION_ROUNDS; round++) {
        u8 generation = device->common->generation;
        for (u32 i = 0; i < len; i++)
            bytes[i] = device->config[offset + i];
        if (device->common->generation == generation)
            return OK;
    }
    return ERR_IO;
}

enum status virtio_memory_create(struct virtio *device, u64 bytes, struct virtio_memory *out) {
    bytes = align_up(bytes, KWAST_PAGE_BYTES);
    struct kwast_call call = {.operation = PCI_DMA, .words = {bytes}};
    *out = (struct virtio_memory){.data = pages_for(bytes), .bytes = bytes};
    if (out->data == NULL)
        return ERR_NO_MEMORY;
    enum status status = ask(device->function, &call, &out->handle);
    if (status == OK) {
        out->address = call.words[0];
        status = status_of(
            kwast_memory_map(out->handle, 0, out->data, (usize)bytes, KWAST_READ | KWAST_WRITE));
    }
    if (status != OK)
        free(out->data);
    return status;
}

// -- Queues ---------------------------------------------------------------------------------------

static void write_address(volatile u32 *field, u64 address) {
    field[0] = (u32)address;
    field[1] = (u32)(address >> 32);
}

static enum status ring_create(struct virtio_queue *queue, u16 size) {
    struct virtio_book *book = calloc(size, sizeof *book);
    if (book == NULL)
        return ERR_NO_MEMORY;
    enum status status =
        virtio_memory_create(queue->device, virtio_ring_bytes(size), &queue->memory);
    if (status == OK)
        virtio_ring_init(&queue->ring, size, queue->memory.data, queue->memory.address, book);
    else
        free(book);
    return status;
}

static enum status find_doorbell(struct virtio_queue *queue) {
    const struct virtio *device = queue->device;
    u64 offset = (u64)device->common->queue_notify_offset * device->notify_multiplier;
    if (!range_fits(offset, sizeof(u16), device->notify_bytes) || !is_aligned(offset, sizeof(u16)))
        return ERR_UNSUPPORTED;
    queue->doorbell = (volatile u16 *)(volatile void *)(device->notify + offset);
    return OK;
}

// Each queue has a message of its own; or all have the device's line.
static enum status take_interrupt(struct virtio_queue *queue) {
    struct virtio *device = queue->device;
    struct kwast_call call = {.operation = PCI_INTERRUPT, .words = {queue->index}};
    if (device->has_line) {
        queue->interrupt = device->line;
        return OK;
    }
    enum status status = ask(device->function, &call, &queue->interrupt);
    if (status != OK || call.words[0] != 0)
        return status;
    device->has_line = true;
    device->line = queue->interrupt;
    return device->cause != NULL ? OK : ERR_UNSUPPORTED;
}

enum status virtio_queue_open(struct virtio *device, u16 index, u16 size_max,
                              struct virtio_queue *queue) {
    volatile struct virtio_common *common = device->common;
    *queue = (struct virtio_queue){.device = device, .index = index, .interrupt = KWAST_NO_HANDLE};
    if (index >= device->queue_count)
        return ERR_NOT_FOUND;
    common->queue_select = index;
    u16 size = common->queue_size;
    if (size == 0)
        return ERR_NOT_FOUND;
    while (size > size_max || size > VIRTIO_RING_MAX)
        size /= 2;
    if (size == 0 || (size & (size - 1)) != 0)
        return ERR_UNSUPPORTED;
    enum status status = find_doorbell(queue);
    if (status == OK)
        status = take_interrupt(queue);
    if (status == OK)
        status = ring_create(queue, size);
    if (status != OK)
        return status;
    common->queue_size = size;
    u16 vector = device->has_line ? NO_VECTOR : index;
    common->queue_vector = vector;
    if (common->queue_vector != vector)
        return ERR_IO;
    write_address(common->queue_descriptors, queue->ring.descriptors_address);
    write_address(common->queue_available, queue->ring.available_address);
    write_address(common->queue_used, queue->ring.used_address);
    common->queue_enable = 1;
    return OK;
}

enum status virtio_queue_put(struct virtio_queue *queue, const struct virtio_buffer *buffers,
                             u32 count, u16 *token) {
    return virtio_ring_put(&queue->ring, buffers, count, token);
}

void virtio_queue_notify(struct virtio_queue *queue) {
    *queue->doorbell = queue->index;
}

// Whoever finds it without having waited lowers the line all the same, which others may share.
enum status virtio_queue_take(struct virtio_queue *queue, u16 *token, u32 *written) {
    enum status status = virtio_ring_take(&queue->ring, token, written);
    if (status == OK && queue->device->has_line)
        (void)*queue->device->cause;
    return status;
}

// A line is lowered by reading why it was raised, and unmasked by asking for it when it has not
// come.
enum status virtio_queue_listen(struct virtio_queue *queue) {
    const struct virtio *device = queue->device;
    u64 count;
    u32 error;
    while ((error = kwast_interrupt_take(queue->interrupt, 0, &count)) == 0) {
        if (!device->has_line)
            return OK;
        (void)*device->cause;
    }
    return error == __WASI_ERRNO_TIMEDOUT ? OK : status_of(error);
}

enum status virtio_queue_wait(struct virtio_queue *queue, i64 timeout_ns) {
    struct pollfd events[] = {
        {.fd = (int)queue->interrupt, .events = POLLRDNORM},
        {.fd = (int)queue->device->function, .events = POLLRDNORM},
    };
    i64 timeout_ms = timeout_ns < 0 ? -1 : (timeout_ns + 999999) / 1000000;
    int ready =
        poll(events, COUNT_OF(events), timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
    if (ready < 0)
        return ERR_IO;
    if (ready == 0)
        return ERR_TIMED_OUT;
    if (events[1].revents != 0)
        return ERR_PEER_DIED;
    return virtio_queue_listen(queue);
}
