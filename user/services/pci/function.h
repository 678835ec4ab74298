#pragma once
// The machine's PCI functions, and what their drivers have of them.

#include "base/status.h"
#include "user/sdk/kwast.h"
#include "user/services/pci/config.h"

#define FUNCTIONS_MAX  256u
#define DMA_PIECES_MAX 64u
#define MESSAGES_MAX   64u // interrupts of one function that can be given away

// Memory that the function can reach.
struct dma_piece {
    kwast_handle memory;
    u64 bytes;
};

struct function {
    pci_place place;
    u16 vendor;
    u16 device;
    u32 class; // class << 16 | subclass << 8 | interface
    u32 subsystem;
    bool is_own;       // the kernel drives it
    bool is_line_told; // it has been said that its line goes nowhere

    // While a driver has it:
    bool is_claimed;
    kwast_handle ready; // of the driver's channel
    struct bar bars[BARS];
    kwast_handle resources[BARS]; // of a BAR: a range, or ports; KWAST_NO_HANDLE: not asked for yet
    struct dma_piece dma[DMA_PIECES_MAX];
    u32 dma_count;
    u64 dma_bytes;
    bool is_interrupt_given[MESSAGES_MAX];
    u8 *table;         // MSI-X entries, mapped; NULL: not yet
    u8 *table_map;     // the pages that they are in
    u32 table_entries; // when it was mapped: the function may say something else by now
};

// Finds all functions, and stops what any of them was doing: none masters the bus afterwards but
// the kernel's own. An error number of WASI.
u32 functions_init(kwast_handle machine);
u32 functions_count(void);
struct function *function_at(u32 index);

// Gives it to a driver, whose channel's server side `ready` is. ERR_BUSY.
enum status function_claim(struct function *function, kwast_handle ready);

// The driver has gone: resets it, and gives everything back.
void function_release(struct function *function);

// A handle for the driver, and two words: what abi/kwast/pci.h says.
enum status function_resource(struct function *function, u32 index, enum bar_kind kind,
                              kwast_handle *out, u64 words[2]);
enum status function_interrupt(struct function *function, u64 index, bool wants_line,
                               kwast_handle *out, u64 *count);
enum status function_memory(struct function *function, u64 bytes, kwast_handle *out, u64 *address);
void function_start(struct function *function);
void function_reset(struct function *function);
