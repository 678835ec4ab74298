// Devices: who has which range and ports, and the objects of the machine and of ports.
//
// Invariant: claims of one kind do not overlap.
//
// Locks: claims.lock, held while the port is asked, so that it hears of one after the other.

#include "kernel/ipc/device.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/arch/arch.h"
#include "kernel/ipc/stream.h"
#include "kernel/mm/heap.h"
#include "kernel/sync/spinlock.h"

static struct {
    struct spinlock lock;
    struct list all; // under lock
} claims = {
    .lock = {.rank = LOCK_OBJECT, .name = "device claims"},
    .all = {&claims.all, &claims.all},
};

// -- Claims ---------------------------------------------------------------------------------------

static bool is_taken_locked(enum device_kind kind, u64 first, u64 end) {
    LIST_FOR_EACH(node, &claims.all) {
        const struct device_claim *claim = container_of(node, struct device_claim, link);
        if (claim->kind == kind && first < claim->first + claim->count && end > claim->first)
            return true;
    }
    return false;
}

static enum status port_claim(enum device_kind kind, u64 first, u64 count) {
    if (kind == DEVICE_RANGE)
        return arch_range_claim((struct phys_addr){first}, count);
    return first > UINT32_MAX || count > UINT32_MAX ? ERR_INVALID
                                                    : arch_ports_claim((u32)first, (u32)count);
}

enum status device_claim(struct device_claim *claim, enum device_kind kind, u64 first, u64 count) {
    u64 end;
    if (count == 0 || !add_u64(first, count, &end))
        return ERR_INVALID;
    spin_lock(&claims.lock);
    enum status status =
        is_taken_locked(kind, first, end) ? ERR_BUSY : port_claim(kind, first, count);
    if (status == OK) {
        *claim = (struct device_claim){.kind = kind, .first = first, .count = count};
        list_init(&claim->link);
        list_push_back(&claims.all, &claim->link);
    }
    spin_unlock(&claims.lock);
    return status;
}

void device_release(struct device_claim *claim) {
    spin_lock(&claims.lock);
    list_remove(&claim->link);
    if (claim->kind == DEVICE_RANGE)
        arch_range_release((struct phys_addr){claim->first}, claim->count);
    else
        arch_ports_release((u32)claim->first, (u32)claim->count);
    spin_unlock(&claims.lock);
    console_returned();
}

static enum status device_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type, .link_count = 1};
    return OK;
}

// -- The machine ----------------------------------------------------------------------------------

static const struct object_ops machine_ops = {
    .stat = device_stat,
};

static struct object machine = {
    .ops = &machine_ops,
    .ref_count = 1, // the kernel's own: it never goes
    .type = OBJECT_PLAIN,
};

struct object *machine_object(void) {
    return arch_devices_present() ? &machine : NULL;
}

bool machine_is(const struct object *object) {
    return object == &machine;
}

// -- Ports ----------------------------------------------------------------------------------------

struct ports {
    struct object object;
    struct device_claim claim;
};

static struct ports *ports_of(struct object *object) {
    CHECK(ports_is(object));
    return container_of(object, struct ports, object);
}

static void ports_destroy(struct object *object) {
    struct ports *ports = ports_of(object);
    device_release(&ports->claim);
    kfree(ports, sizeof *ports);
}

static const struct object_ops ports_ops = {
    .destroy = ports_destroy,
    .stat = device_stat,
};

bool ports_is(const struct object *object) {
    return object->ops == &ports_ops;
}

enum status ports_create(u64 first, u64 count, struct object **out) {
    struct ports *ports = kmalloc(sizeof *ports);
    if (ports == NULL)
        return ERR_NO_MEMORY;
    enum status status = device_claim(&ports->claim, DEVICE_PORTS, first, count);
    if (status != OK) {
        kfree(ports, sizeof *ports);
        return status;
    }
    object_init(&ports->object, &ports_ops, OBJECT_PLAIN);
    *out = &ports->object;
    return OK;
}

// Which port that is.
static enum status port_at(struct object *object, u64 offset, u32 width, u32 *port) {
    const struct ports *ports = ports_of(object);
    bool is_width = width == 1 || width == 2 || width == 4;
    if (!is_width || !range_fits(offset, width, ports->claim.count))
        return ERR_INVALID;
    *port = (u32)(ports->claim.first + offset);
    return OK;
}

enum status ports_read(struct object *object, u64 offset, u32 width, u32 *value) {
    u32 port;
    enum status status = port_at(object, offset, width, &port);
    if (status == OK)
        *value = arch_port_read(port, width);
    return status;
}

enum status ports_write(struct object *object, u64 offset, u32 width, u32 value) {
    u32 port;
    enum status status = port_at(object, offset, width, &port);
    return status == OK ? arch_port_write(port, width, value) : status;
}
