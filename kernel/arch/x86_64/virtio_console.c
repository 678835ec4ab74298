// The link: a port of a virtio 1.x console on PCI, as a byte stream. Of a device with several ports
// it is port 1, which is opened by a message; otherwise the only one. A starter that must not lose
// output gives the former: QEMU drops what its only port, a console, cannot pass on at once.
//
// Two queues of fixed buffers, one page each: for receiving, all are with the device except those
// whose bytes wait to be read; for sending, all are ours except those that are under way. Bytes are
// copied between the caller and the buffers, so nothing of the caller is ever given to the device.
//
// The device is not trusted with memory safety beyond what DMA gives it anyway: what it writes into
// the used rings (indices, buffer numbers, lengths) is checked against what it was lent. A device
// that breaks the protocol is reset and the link is dead: it is no longer present, what is written
// is dropped (so that nobody waits for room), and nothing is read.
//
// Invariants, under `lock`:
//   1. a buffer is lent (queue.lent) exactly from its publication in the available ring until it
//      is taken from the used ring;
//   2. of received buffers, ready[ready_head .. ready_tail) hold unread bytes, in order;
//   3. interrupts for sent buffers are asked for exactly while somebody waits for one to come back:
//   a write was refused for lack of room, or not all had been sent.

#include "base/math.h"
#include "base/string.h"
#include "kernel/arch/x86_64/devices.h"
#include "kernel/arch/x86_64/pci.h"

// -- What the specification fixes -----------------------------------------------------------------

#define VIRTIO_VENDOR         0x1af4
#define VIRTIO_F_VERSION_1    32
#define CONSOLE_F_MULTIPORT   1
#define VIRTIO_CAPABILITY_LEN 16
#define VIRTIO_NO_VECTOR      0xffff
#define VIRTQ_NO_INTERRUPT    1 // in available.flags
#define VIRTQ_NO_NOTIFY       1 // in used.flags
#define VIRTQ_DEVICE_WRITES   2 // in descriptor.flags

static const u16 console_ids[] = {0x1043, 0x1003};

enum virtio_capability_kind : u8 { CAPABILITY_COMMON = 1, CAPABILITY_NOTIFY = 2 };

enum virtio_status {
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_FAILED = 128,
};

struct common_config {
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
STATIC_ASSERT(sizeof(struct common_config) == 56, "virtio 1.2, section 4.1.4.3");

// To the queue of control messages.
struct control {
    u32 port;
    u16 event;
    u16 value;
};
enum control_event : u16 {
    CONTROL_DEVICE_READY = 0,
    CONTROL_PORT_READY = 3,
    CONTROL_PORT_OPEN = 6
};

struct descriptor {
    u64 address;
    u32 len;
    u16 flags;
    u16 next;
};

struct used_element {
    u32 id;
    u32 len;
};

// -- Queues ---------------------------------------------------------------------------------------

#define QUEUE_SIZE   64u // descriptors, and buffers at most; a power of two
#define BUFFER_BYTES ((u32)PAGE_SIZE)

// Numbers of queues: of the only port, or of several.
#define QUEUE_RX         0
#define QUEUE_TX         1
#define QUEUE_CONTROL_TX 3
#define QUEUE_PORT_1_RX  4
#define QUEUE_PORT_1_TX  5

// The shared part of a queue: one page.
struct ring {
    struct descriptor descriptors[QUEUE_SIZE];
    u16 available_flags;
    u16 available_index;
    u16 available[QUEUE_SIZE];
    u16 unused_event;
    u16 padding[61];
    u16 used_flags; // from here on the device writes
    u16 used_index;
    struct used_element used[QUEUE_SIZE];
};
STATIC_ASSERT(sizeof(struct ring) <= PAGE_SIZE, "a ring is one page");
STATIC_ASSERT(offsetof(struct ring, used_flags) % 4 == 0, "alignment of the used ring");
STATIC_ASSERT(offsetof(struct ring, available_flags) % 2 == 0, "alignment of the available ring");

struct queue {
    volatile struct ring *ring;
    u8 *buffers; // contiguous
    volatile u16 *doorbell;
    u16 index;     // its number
    u16 published; // our running copy of available_index
    u16 used_seen; // how far the used ring has been taken
    u64 lent;      // one bit per buffer
};
STATIC_ASSERT(QUEUE_SIZE == 64, "lent is one word");

// A received buffer, or what is left of it.
struct received {
    u16 buffer;
    u32 start;
    u32 end;
};

static struct link_port {
    // Fixed after virtio_console_start:
    volatile struct common_config *config;
    // Atomic:
    u32 lock;
    bool present;
    // Under lock:
    bool dead;
    bool awaits_sent; // upcall_link is owed once the device has finished with a buffer
    struct queue rx;
    struct queue tx;
    struct queue control; // of what is sent, where there are several ports
    struct received ready[QUEUE_SIZE];
    u32 ready_head; // running; the slot is this modulo QUEUE_SIZE
    u32 ready_tail;
} port;

// The port cannot use kernel/sync; this lock guards a few instructions and nests in nothing.
static arch_irq_state port_lock(void) {
    arch_irq_state irq = arch_irq_save();
    while (__atomic_exchange_n(&port.lock, 1, __ATOMIC_ACQUIRE) != 0)
        arch_cpu_relax();
    return irq;
}

static void port_unlock(arch_irq_state irq) {
    __atomic_store_n(&port.lock, 0, __ATOMIC_RELEASE); // pairs with the exchange in port_lock
    arch_irq_restore(irq);
}

static u8 *queue_buffer(const struct queue *queue, u32 buffer) {
    ASSERT(buffer < QUEUE_SIZE);
    return queue->buffers + (usize)buffer * BUFFER_BYTES;
}

// Lends `buffer` to the device, which sees it at the next queue_publish.
static void queue_lend(struct queue *queue, u32 buffer, u32 len, u16 flags) {
    ASSERT((queue->lent >> buffer & 1) == 0);
    ASSERT(len <= BUFFER_BYTES);
    volatile struct descriptor *descriptor = &queue->ring->descriptors[buffer];
    descriptor->address = arch_frame_of(queue_buffer(queue, buffer)).value;
    descriptor->len = len;
    descriptor->flags = flags;
    descriptor->next = 0;
    queue->ring->available[queue->published % QUEUE_SIZE] = (u16)buffer;
    queue->published++;
    queue->lent |= 1ull << buffer;
}

static void queue_publish(struct queue *queue) {
    __atomic_thread_fence(__ATOMIC_RELEASE); // descriptors before the index
    queue->ring->available_index = queue->published;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the index before looking at the device's flags
    if ((queue->ring->used_flags & VIRTQ_NO_NOTIFY) == 0)
        *queue->doorbell = queue->index;
}

enum take { TAKE_NONE, TAKE_ONE, TAKE_BROKEN };

// Takes the next buffer that the device has finished with.
static enum take queue_take(struct queue *queue, u32 *buffer, u32 *len) {
    u16 used_index = queue->ring->used_index;
    u16 waiting = (u16)(used_index - queue->used_seen);
    if (waiting == 0)
        return TAKE_NONE;
    __atomic_thread_fence(__ATOMIC_ACQUIRE); // the index before the elements
    u32 slot = queue->used_seen % QUEUE_SIZE;
    u32 id = queue->ring->used[slot].id;
    u32 written = queue->ring->used[slot].len;
    if (waiting > QUEUE_SIZE || id >= QUEUE_SIZE || (queue->lent >> id & 1) == 0 ||
        written > BUFFER_BYTES)
        return TAKE_BROKEN;
    queue->used_seen++;
    queue->lent &= ~(1ull << id);
    *buffer = id;
    *len = written;
    return TAKE_ONE;
}

// -- The stream, under lock -----------------------------------------------------------------------

static void port_kill_locked(void) {
    port.config->status = 0; // reset: the device lets go of the buffers
    port.dead = true;
    port.ready_head = port.ready_tail;
    __atomic_store_n(&port.present, false, __ATOMIC_RELAXED); // a hint; `dead` decides
}

// Collects received buffers. Returns whether there is something to read.
static bool rx_collect_locked(void) {
    u32 buffer;
    u32 len;
    enum take take;
    bool returned = false;
    while ((take = queue_take(&port.rx, &buffer, &len)) == TAKE_ONE) {
        if (len == 0) {
            queue_lend(&port.rx, buffer, BUFFER_BYTES, VIRTQ_DEVICE_WRITES);
            returned = true;
            continue;
        }
        ASSERT(port.ready_tail - port.ready_head < QUEUE_SIZE);
        port.ready[port.ready_tail++ % QUEUE_SIZE] =
            (struct received){.buffer = (u16)buffer, .start = 0, .end = len};
    }
    if (take == TAKE_BROKEN)
        port_kill_locked();
    else if (returned)
        queue_publish(&port.rx);
    return port.ready_head != port.ready_tail;
}

static void tx_collect_locked(void) {
    u32 buffer;
    u32 len;
    enum take take;
    while ((take = queue_take(&port.tx, &buffer, &len)) == TAKE_ONE)
        continue;
    if (take == TAKE_BROKEN)
        port_kill_locked();
}

// Asks for an interrupt for the next sent buffer, and looks once more in case it was quicker.
static void tx_await_locked(void) {
    port.awaits_sent = true;
    port.tx.ring->available_flags = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the flag before looking at the used index
    tx_collect_locked();
}

static usize tx_fill_locked(const u8 *from, usize len) {
    usize taken = 0;
    while (taken < len && port.tx.lent != UINT64_MAX) {
        u32 buffer = (u32)__builtin_ctzll(~port.tx.lent);
        u32 part = (u32)min_u64(len - taken, BUFFER_BYTES);
        memcpy(queue_buffer(&port.tx, buffer), from + taken, part);
        queue_lend(&port.tx, buffer, part, 0);
        taken += part;
    }
    if (taken != 0)
        queue_publish(&port.tx);
    return taken;
}

bool arch_link_present(void) {
    return __atomic_load_n(&port.present, __ATOMIC_RELAXED);
}

usize arch_link_write(const void *from, usize len) {
    arch_irq_state irq = port_lock();
    usize taken = 0;
    if (!port.dead && port.config != NULL) {
        tx_collect_locked();
        if (!port.dead)
            taken = tx_fill_locked(from, len);
        if (!port.dead && taken < len) {
            tx_await_locked();
            if (!port.dead)
                taken += tx_fill_locked((const u8 *)from + taken, len - taken);
        }
    }
    if (port.dead || port.config == NULL)
        taken = len;
    port_unlock(irq);
    return taken;
}

bool arch_link_is_sent(void) {
    arch_irq_state irq = port_lock();
    if (!port.dead && port.config != NULL)
        tx_collect_locked();
    if (!port.dead && port.tx.lent != 0)
        tx_await_locked();
    bool is_sent = port.dead || port.tx.lent == 0;
    port_unlock(irq);
    return is_sent;
}

usize arch_link_read(void *to, usize len) {
    arch_irq_state irq = port_lock();
    usize done = 0;
    bool returned = false;
    while (!port.dead && port.config != NULL && done < len && rx_collect_locked()) {
        struct received *received = &port.ready[port.ready_head % QUEUE_SIZE];
        u32 part = (u32)min_u64(len - done, received->end - received->start);
        memcpy((u8 *)to + done, queue_buffer(&port.rx, received->buffer) + received->start, part);
        done += part;
        received->start += part;
        if (received->start == received->end) {
            port.ready_head++;
            queue_lend(&port.rx, received->buffer, BUFFER_BYTES, VIRTQ_DEVICE_WRITES);
            returned = true;
        }
    }
    if (returned && !port.dead)
        queue_publish(&port.rx);
    port_unlock(irq);
    return done;
}

void virtio_console_interrupt(void) {
    arch_irq_state irq = port_lock();
    bool wake = false;
    if (!port.dead && port.config != NULL) {
        wake = rx_collect_locked();
        if (!port.dead && port.awaits_sent) {
            tx_collect_locked();
            if (!port.dead && port.tx.lent != UINT64_MAX) {
                port.awaits_sent = false;
                port.tx.ring->available_flags = VIRTQ_NO_INTERRUPT;
                wake = true;
            }
        }
        wake = wake || port.dead; // waiters find out
    }
    port_unlock(irq);
    if (wake)
        upcall_link();
}

// -- Start ----------------------------------------------------------------------------------------

// Finds the virtio capability `kind` and maps the `bytes` that it points to, at least.
static void *map_capability(const struct pci_device *device, u8 kind, u32 bytes, u64 *bytes_out,
                            u32 *at_out) {
    u32 at = 0;
    while ((at = pci_capability(device, PCI_CAPABILITY_VENDOR, at)) != 0) {
        if (at + VIRTIO_CAPABILITY_LEN + 4 > 256 || pci_read8(device, at + 3) != kind)
            continue;
        u32 bar = pci_read8(device, at + 4);
        u32 offset = pci_read32(device, at + 8);
        u32 len = pci_read32(device, at + 12);
        u64 phys;
        u64 bar_bytes;
        if (len < bytes || !pci_bar(device, bar, &phys, &bar_bytes) ||
            !range_fits(offset, len, bar_bytes))
            continue;
        *bytes_out = len;
        *at_out = at;
        return mmio_map(phys + offset, len);
    }
    return NULL;
}

// Steps 1 to 6 of "device initialization": reset, and agree on features.
static bool negotiate(volatile struct common_config *config, bool *has_ports) {
    config->status = 0;
    for (u32 i = 0; config->status != 0; i++) {
        if (i == 1000000)
            return false;
        arch_cpu_relax();
    }
    config->status = STATUS_ACKNOWLEDGE;
    config->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    config->device_feature_select = VIRTIO_F_VERSION_1 / 32;
    if ((config->device_feature & 1u << VIRTIO_F_VERSION_1 % 32) == 0)
        return false;
    config->device_feature_select = 0;
    u32 features = config->device_feature & 1u << CONSOLE_F_MULTIPORT;
    config->driver_feature_select = 0;
    config->driver_feature = features;
    *has_ports = features != 0;
    config->driver_feature_select = VIRTIO_F_VERSION_1 / 32;
    config->driver_feature = 1u << VIRTIO_F_VERSION_1 % 32;
    config->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    return (config->status & STATUS_FEATURES_OK) != 0;
}

// Where the doorbells are: the notification capability.
struct doorbells {
    u8 *base;
    u64 bytes;
    u32 multiplier;
};

static void write_address(volatile u32 *field, const volatile void *pointer) {
    u64 phys = arch_frame_of((const void *)pointer).value;
    field[0] = (u32)phys;
    field[1] = (u32)(phys >> 32);
}

// A queue of fewer descriptors than QUEUE_SIZE must not come to its ring's end.
static bool queue_start(struct queue *queue, u16 index, u32 buffer_count,
                        volatile struct common_config *config, const struct doorbells *doorbells) {
    ASSERT(buffer_count <= QUEUE_SIZE);
    config->queue_select = index;
    if (config->queue_size < buffer_count)
        return false;
    u64 doorbell = (u64)config->queue_notify_offset * doorbells->multiplier;
    if (!range_fits(doorbell, sizeof(u16), doorbells->bytes) || !is_aligned(doorbell, 2))
        return false;

    struct phys_addr ring;
    struct phys_addr buffers;
    if (!upcall_frame_alloc(&ring))
        return false;
    if (!upcall_frames_alloc(buffer_count * BUFFER_BYTES / PAGE_SIZE, &buffers)) {
        upcall_frame_free(ring);
        return false;
    }
    *queue = (struct queue){
        .ring = arch_frame_pointer(ring),
        .buffers = arch_frame_pointer(buffers),
        .doorbell = (volatile u16 *)(doorbells->base + doorbell),
        .index = index,
    };
    config->queue_size = (u16)min_u64(config->queue_size, QUEUE_SIZE);
    config->queue_vector = 0; // of the MSI-X table
    if (config->queue_vector != 0)
        return false; // the buffers are lost; so is the device, and this happens once at most
    write_address(config->queue_descriptors, queue->ring);
    write_address(config->queue_available, &queue->ring->available_flags);
    write_address(config->queue_used, &queue->ring->used_flags);
    config->queue_enable = 1;
    return true;
}

static bool queues_start(bool has_ports, volatile struct common_config *config,
                         const struct doorbells *doorbells) {
    u16 rx = has_ports ? QUEUE_PORT_1_RX : QUEUE_RX;
    u16 tx = has_ports ? QUEUE_PORT_1_TX : QUEUE_TX;
    if (config->queue_count <= tx || !queue_start(&port.rx, rx, QUEUE_SIZE, config, doorbells) ||
        !queue_start(&port.tx, tx, QUEUE_SIZE, config, doorbells))
        return false;
    port.tx.ring->available_flags = VIRTQ_NO_INTERRUPT;
    if (!has_ports)
        return true;
    if (!queue_start(&port.control, QUEUE_CONTROL_TX, 3, config, doorbells))
        return false;
    port.control.ring->available_flags = VIRTQ_NO_INTERRUPT;
    return true;
}

// Opens port 1. What the device has to say about its ports is not asked for: it has no buffers for
// that.
static void open_port(void) {
    static const struct control messages[] = {
        {0, CONTROL_DEVICE_READY, 1},
        {1, CONTROL_PORT_READY, 1},
        {1, CONTROL_PORT_OPEN, 1},
    };
    for (u32 i = 0; i < COUNT_OF(messages); i++) {
        memcpy(queue_buffer(&port.control, i), &messages[i], sizeof messages[i]);
        queue_lend(&port.control, i, sizeof messages[i], 0);
    }
    queue_publish(&port.control);
}

static bool device_start(const struct pci_device *device) {
    u64 bytes;
    u32 at;
    volatile struct common_config *config =
        map_capability(device, CAPABILITY_COMMON, sizeof(struct common_config), &bytes, &at);
    struct doorbells doorbells = {0};
    doorbells.base = map_capability(device, CAPABILITY_NOTIFY, sizeof(u16), &doorbells.bytes, &at);
    if (config == NULL || doorbells.base == NULL)
        return false;
    doorbells.multiplier = pci_read32(device, at + VIRTIO_CAPABILITY_LEN);

    pci_enable(device);
    u8 vector = irq_vector_install(virtio_console_interrupt);
    if (vector == 0 || !pci_msix_start(device, vector))
        return false;
    bool has_ports;
    if (!negotiate(config, &has_ports))
        goto fail;
    config->config_vector = VIRTIO_NO_VECTOR;
    if (!queues_start(has_ports, config, &doorbells))
        goto fail;

    port.config = config;
    config->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
    for (u32 i = 0; i < QUEUE_SIZE; i++)
        queue_lend(&port.rx, i, BUFFER_BYTES, VIRTQ_DEVICE_WRITES);
    queue_publish(&port.rx);
    if (has_ports)
        open_port();
    return true;

fail:
    config->status = STATUS_FAILED;
    return false;
}

void virtio_console_start(void) {
    struct pci_device device;
    if (!pci_find(VIRTIO_VENDOR, console_ids, COUNT_OF(console_ids), &device))
        return;
    device_note_own(device.bus, device.slot, device.function);
    arch_irq_state irq = port_lock();
    bool started = device_start(&device);
    if (started)
        __atomic_store_n(&port.present, true, __ATOMIC_RELAXED);
    port_unlock(irq);
    if (!started)
        upcall_log("virtio-console: the device does not work as virtio 1.x with MSI-X; no link");
}
