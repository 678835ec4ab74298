// Checked copies between kernel and program memory. The bounds are checked here; what is in the
// running thread's address space is copied by the port's functions, which survive faults, and a
// fault in bounds commits the page.
//
// What is in another address space is shown page by page through a window: committed first, then
// looked up and copied under that address space's lock, so that nothing takes the frame away
// meanwhile. While a window is open nothing can be repaired. So where a page of the running
// thread's own side is missing, the port gives up (ERR_BUSY), the page is committed, and the copy
// of this piece is tried again.

#include "kernel/mm/guest.h"

#include "base/math.h"
#include "kernel/mm/mapping.h"

#define BOUNCE_BYTES 256u

// -- Through windows ----------------------------------------------------------------------------

// A copy to or from [address, address + len) of another address space. The other side is the
// kernel's own memory, or program memory of the running thread's address space, or none: then the
// range is filled.
struct transfer {
    struct aspace *as;
    u64 address;
    enum fault_access access;
    u8 *kernel;
    struct aspace *own;
    u64 program; // in `own`; 0: none
    u8 byte;     // to fill with
};

static enum status window_copy(const struct transfer *t, u8 *window, u64 done, u64 len) {
    bool is_read = t->access == FAULT_READ;
    if (t->program != 0) {
        struct virt_addr own = {t->program + done};
        return is_read ? arch_copy_to(own, window, len) : arch_copy_from(window, own, len);
    }
    if (t->kernel == NULL)
        memset(window, t->byte, len);
    else if (is_read)
        memcpy(t->kernel + done, window, len);
    else
        memcpy(window, t->kernel + done, len);
    return OK;
}

// Copies a piece that lies in one page. ERR_NOT_FOUND: that is not there yet.
static enum status piece_copy(const struct transfer *t, u64 done, u64 len) {
    u64 offset = (t->address + done) % PAGE_SIZE;
    struct virt_addr page = {t->address + done - offset};
    struct phys_addr frame;
    spin_lock(&t->as->lock);
    enum status status = aspace_reach_locked(t->as, page, t->access, &frame);
    if (status == OK) {
        u8 *window = arch_frame_window_open(frame, 1);
        status = window_copy(t, window + offset, done, len);
        arch_frame_window_close(window);
    }
    spin_unlock(&t->as->lock);
    return status;
}

// Commits what a piece needs of the running thread's own side: at most two pages.
static enum status own_commit(const struct transfer *t, u64 done, u64 len) {
    enum fault_access access = t->access == FAULT_READ ? FAULT_WRITE : FAULT_READ;
    u64 first = t->program + done;
    enum status status = aspace_fault(t->own, (struct virt_addr){first}, access);
    if (status == OK && align_down(first + len - 1, PAGE_SIZE) != align_down(first, PAGE_SIZE))
        status = aspace_fault(t->own, (struct virt_addr){first + len - 1}, access);
    return status;
}

static enum status transfer_run(const struct transfer *t, u64 len) {
    enum status status = OK;
    for (u64 done = 0; status == OK && done < len;) {
        u64 at = t->address + done;
        u64 piece = min_u64(len - done, PAGE_SIZE - at % PAGE_SIZE);
        status = piece_copy(t, done, piece);
        if (status == OK)
            done += piece;
        else if (status == ERR_NOT_FOUND)
            status = aspace_fault(t->as, (struct virt_addr){at}, t->access);
        else if (status == ERR_BUSY)
            status = own_commit(t, done, piece);
    }
    return status;
}

// -- Either way ---------------------------------------------------------------------------------

enum status aspace_read(struct aspace *as, void *to, struct virt_addr from, u64 len) {
    if (aspace_is_current(as))
        return arch_copy_from(to, from, len);
    struct transfer t = {.as = as, .address = from.value, .access = FAULT_READ, .kernel = to};
    return transfer_run(&t, len);
}

enum status aspace_write(struct aspace *as, struct virt_addr to, const void *from, u64 len) {
    if (aspace_is_current(as))
        return arch_copy_to(to, from, len);
    // What is written from is never written to, const or not.
    u8 *kernel = (u8 *)(uptr)from;
    struct transfer t = {.as = as, .address = to.value, .access = FAULT_WRITE, .kernel = kernel};
    return transfer_run(&t, len);
}

static enum status aspace_fill(struct aspace *as, struct virt_addr to, u8 byte, u64 len) {
    if (aspace_is_current(as))
        return arch_fill(to, byte, len);
    struct transfer t = {.as = as, .address = to.value, .access = FAULT_WRITE, .byte = byte};
    return transfer_run(&t, len);
}

// Between two address spaces of which neither is the running thread's.
static enum status copy_bounced(struct aspace *to_as, struct virt_addr to, struct aspace *from_as,
                                struct virt_addr from, u64 len) {
    u8 buffer[BOUNCE_BYTES];
    enum status status = OK;
    for (u64 done = 0; status == OK && done < len;) {
        u64 piece = min_u64(len - done, sizeof buffer);
        status = aspace_read(from_as, buffer, (struct virt_addr){from.value + done}, piece);
        if (status == OK)
            status = aspace_write(to_as, (struct virt_addr){to.value + done}, buffer, piece);
        done += piece;
    }
    return status;
}

static enum status copy_between(struct aspace *to_as, struct virt_addr to, struct aspace *from_as,
                                struct virt_addr from, u64 len) {
    bool is_to_here = aspace_is_current(to_as);
    bool is_from_here = aspace_is_current(from_as);
    if (is_to_here && is_from_here)
        return arch_copy_between(to, from, len);
    if (!is_to_here && !is_from_here)
        return copy_bounced(to_as, to, from_as, from, len);
    struct transfer t = {.as = from_as, .address = from.value, .access = FAULT_READ};
    if (is_from_here)
        t = (struct transfer){.as = to_as, .address = to.value, .access = FAULT_WRITE};
    t.own = is_from_here ? from_as : to_as;
    t.program = is_from_here ? from.value : to.value;
    return transfer_run(&t, len);
}

// -- Within a memory ----------------------------------------------------------------------------

static struct virt_addr address_in(const struct guest_memory *memory, struct guest_addr addr) {
    return (struct virt_addr){memory->base.value + addr.value};
}

enum status guest_read(const struct guest_memory *memory, void *to, struct guest_addr from,
                       u64 len) {
    if (!guest_range_ok(memory, from, len))
        return ERR_FAULT;
    return len == 0 ? OK : aspace_read(memory->aspace, to, address_in(memory, from), len);
}

enum status guest_write(const struct guest_memory *memory, struct guest_addr to, const void *from,
                        u64 len) {
    if (!guest_range_ok(memory, to, len))
        return ERR_FAULT;
    return len == 0 ? OK : aspace_write(memory->aspace, address_in(memory, to), from, len);
}

enum status guest_fill(const struct guest_memory *memory, struct guest_addr to, u8 byte, u64 len) {
    if (!guest_range_ok(memory, to, len))
        return ERR_FAULT;
    return len == 0 ? OK : aspace_fill(memory->aspace, address_in(memory, to), byte, len);
}

enum status guest_copy(const struct guest_memory *to_memory, struct guest_addr to,
                       const struct guest_memory *from_memory, struct guest_addr from, u64 len) {
    if (!guest_range_ok(to_memory, to, len) || !guest_range_ok(from_memory, from, len))
        return ERR_FAULT;
    if (len == 0)
        return OK;
    return copy_between(to_memory->aspace, address_in(to_memory, to), from_memory->aspace,
                        address_in(from_memory, from), len);
}
