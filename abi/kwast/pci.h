#pragma once
// What is asked of the PCI service: calls (abi/kwast/calls.h), whose answer is an enum status. The
// service has the machine's configuration space, and gives a driver what belongs to its function
// and nothing else.
//
// A driver is given a channel by the line `pci NAME VENDOR:DEVICE[,DEVICE]` of its block in the
// manifest (docs/drivers.md). With that it claims functions, one by one; each becomes a channel of
// its own. When that is closed, which happens at the latest when the driver ends, the function is
// reset, does not master the bus any more, its interrupts are gone, and its memory is given back.
//
// When the PCI service has died, all functions are reset by the next one. A driver sees its
// function's channel readable to poll_oneoff then, which it is not otherwise, and is to end: it is
// started again with a new one.

#include "abi/kwast/calls.h"

#define PCI_CONFIG_BYTES 256u
#define PCI_BARS         6u

// -- On the channel that the manifest gives -------------------------------------------------------

enum pci_match_op : u32 {
    // The function number words[0] of those that match, from 0 on, becomes the caller's: answered
    // with its channel. words[0] = where it is: bus << 8 | slot << 3 | function; words[1] =
    // device << 16 | vendor, words[2] = class << 16 | subclass << 8 | interface, words[3] =
    // subsystem << 16 | its vendor. ERR_NOT_FOUND: there are no more. ERR_BUSY: somebody has it.
    PCI_CLAIM = KWAST_FIRST_OPERATION,
};

// -- On the channel of a function -----------------------------------------------------------------

enum pci_function_op : u32 {
    // Configuration space, PCI_CONFIG_BYTES of it from words[0] on, which is a multiple of that,
    // into grant 0. ERR_NOT_FOUND: so much there is not, or cannot be reached; PCI Express has
    // 4 KiB.
    PCI_CONFIG = KWAST_FIRST_OPERATION + 16,

    // The memory behind BAR words[0]: answered with a handle of a range, for memory_map, of whole
    // pages; the BAR begins words[0] bytes into it and is words[1] bytes long. The same one
    // whenever it is asked for. ERR_NOT_FOUND: there is no such memory BAR.
    PCI_RANGE,

    // I/O ports, likewise: a handle for port_in and port_out; words[1] = how many.
    PCI_PORTS,

    // Interrupt number words[0]: answered with a handle for interrupt_take; words[0] = how many
    // there can be. Messages (MSI-X or MSI) where the function has them: they come once for each
    // event, and a virtio queue is told the number. Otherwise words[0] is 0: the interrupt is the
    // function's line (INTx), which is level-triggered, and may be other functions', too. With
    // words[1] = PCI_LINE it is the line in any case. ERR_NOT_FOUND: no such interrupt, or the
    // firmware does not tell where the line goes. ERR_BUSY: it was asked for before.
    PCI_INTERRUPT,

    // words[0] bytes of memory, whole pages, that the function can reach: answered with a handle of
    // memory, for memory_map; words[0] = its physical address. It belongs to the function until
    // that is closed. ERR_LIMIT: more than PCI_DMA_MAX in all, or KWAST_DMA_MAX at once.
    PCI_DMA,

    // The function may master the bus from now on, and answers at its BARs.
    PCI_START,

    // The function is as after power-on, as far as it can do that to itself: it does not master the
    // bus until PCI_START, and has no interrupts until it is asked for them again. What it has of
    // ranges and memory stays.
    PCI_RESET,
};

#define PCI_LINE    1u
#define PCI_DMA_MAX (32u << 20) // bytes for each function

// -- Values of channels ---------------------------------------------------------------------------
// Init makes the channels that match; the value says what they match.

#define PCI_MATCH_FLAG (1ull << 63)

// Functions of one vendor that are one of two devices, which may be the same.
static inline u64 pci_match(u16 vendor, u16 device, u16 other) {
    return PCI_MATCH_FLAG | (u64)vendor << 32 | (u64)device << 16 | other;
}

static inline bool pci_match_has(u64 match, u16 vendor, u16 device) {
    return (u16)(match >> 32) == vendor && ((u16)(match >> 16) == device || (u16)match == device);
}
