// Claims of the manifest become handles. A device has one holder at a time, so nothing is kept
// here: what a service had is free again when it has ended.

#include "user/services/init/machine.h"

#include <errno.h>

#define DESCRIPTORS_MAX 16u // that the kernel starts us with

static kwast_handle machine = KWAST_NO_HANDLE;

void machine_find(void) {
    __wasi_fdstat_t stat;
    for (u32 fd = 3; fd < DESCRIPTORS_MAX && machine == KWAST_NO_HANDLE; fd++) {
        if (__wasi_fd_fdstat_get((int)fd, &stat) == 0 &&
            (stat.fs_rights_base & KWAST_RIGHT_DEVICES) != 0)
            machine = fd;
    }
}

// The whole pages that the frame buffer is in.
static u32 claim_screen(kwast_handle *out) {
    struct kwast_machine description;
    u32 error = kwast_device_describe(machine, &description);
    if (error != 0 || description.pixels == KWAST_PIXELS_NONE)
        return error;
    u64 first = description.screen_address & ~(KWAST_PAGE_BYTES - 1ull);
    u64 end = description.screen_address + description.screen_bytes + KWAST_PAGE_BYTES - 1;
    end &= ~(KWAST_PAGE_BYTES - 1ull);
    return kwast_device_range(machine, first, end - first, KWAST_COMBINING, out);
}

static u32 claim_machine(kwast_handle *out) {
    return kwast_handle_duplicate(machine, KWAST_RIGHT_DEVICES | KWAST_RIGHT_DMA, 0, out);
}

bool machine_is_there(void) {
    return machine != KWAST_NO_HANDLE;
}

bool machine_has_screen(void) {
    struct kwast_machine description;
    return machine != KWAST_NO_HANDLE && kwast_device_describe(machine, &description) == 0 &&
           description.pixels != KWAST_PIXELS_NONE;
}

u32 machine_claim(const struct claim *claim, kwast_handle pci, kwast_handle *out) {
    u32 error = 0;
    *out = KWAST_NO_HANDLE;
    if (machine == KWAST_NO_HANDLE)
        return 0;
    switch (claim->kind) {
    case CLAIM_PORTS:
        error = kwast_device_ports(machine, claim->first, claim->count, out);
        break;
    case CLAIM_INTERRUPT:
        error = kwast_device_interrupt(machine, claim->first, out);
        if (error == EINVAL)
            return 0; // nobody knows where it comes
        break;
    case CLAIM_SCREEN:
        error = claim_screen(out);
        break;
    case CLAIM_MACHINE:
        error = claim_machine(out);
        break;
    case CLAIM_PCI:
        if (pci != KWAST_NO_HANDLE)
            error = kwast_scheme_channel(pci, claim->match, KWAST_KIND_PLAIN, out);
        break;
    }
    if (error != 0)
        *out = KWAST_NO_HANDLE;
    return error;
}
