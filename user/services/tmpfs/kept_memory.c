// The pieces are memory objects, shown one after the other over the end of our own memory, which
// nothing else uses. They have the numbers 0, 1, ... with init; a piece is with init before
// anything is in it.

#include "user/services/tmpfs/kept_memory.h"

#include <unistd.h>

#include "abi/kwast/init.h"
#include "base/math.h"
#include "base/status.h"

#define PIECE_MIN_BYTES (4ull * STOCK_UNIT_BYTES)
#define PIECE_MAX_BYTES (16ull << 20)

static struct {
    kwast_handle keeper;
    u8 *base;
    u64 size;
    u32 count;
} kept;

// Asks init about piece `number`; `handle` goes with the call unless it is KWAST_NO_HANDLE.
static enum status ask(enum init_op operation, u32 number, kwast_handle handle, kwast_handle *out) {
    struct kwast_call call = {.operation = operation, .words = {number}};
    if (handle != KWAST_NO_HANDLE) {
        call.handles = (u32)(uptr)&handle;
        call.handle_count = 1;
    }
    if (kwast_scheme_call(kept.keeper, &call, -1) != 0)
        return ERR_CLOSED;
    if (out != NULL)
        *out = call.handle;
    return (enum status)call.answer;
}

static bool show(kwast_handle piece, u64 offset, u64 bytes) {
    return bytes <= kept.size - offset &&
           kwast_memory_map(piece, 0, kept.base + offset, bytes, KWAST_READ | KWAST_WRITE) == 0;
}

// A quarter of what there is, and not too many pieces.
static u64 next_size(u64 offset) {
    u64 bytes = offset / 4 / STOCK_UNIT_BYTES * STOCK_UNIT_BYTES;
    u64 most = max_u64(PIECE_MAX_BYTES, kept.size / 16 / STOCK_UNIT_BYTES * STOCK_UNIT_BYTES);
    return min_u64(kept.size - offset, min_u64(max_u64(bytes, PIECE_MIN_BYTES), most));
}

static bool add_piece(void *context, u64 offset, u64 *ready) {
    (void)context;
    kwast_handle piece;
    u64 bytes = next_size(offset);
    if (kwast_memory_create(bytes, &piece) != 0)
        return false;
    bool is_kept = ask(INIT_KEEP, kept.count, piece, NULL) == OK && show(piece, offset, bytes);
    close((int)piece); // the mapping stays
    if (!is_kept)
        return false; // the next piece has the same number
    kept.count++;
    *ready = offset + bytes;
    return true;
}

static bool add_own(void *context, u64 offset, u64 *ready) {
    (void)context;
    *ready = offset + next_size(offset);
    return true;
}

// False: there are no more.
static bool find_piece(u64 *ready) {
    kwast_handle piece;
    __wasi_filestat_t stat = {0};
    if (ask(INIT_KEPT, kept.count, KWAST_NO_HANDLE, &piece) != OK)
        return false;
    bool is_there = __wasi_fd_filestat_get((int)piece, &stat) == 0 &&
                    stat.size % STOCK_UNIT_BYTES == 0 && show(piece, *ready, stat.size);
    close((int)piece);
    kept.count += is_there;
    *ready += is_there ? stat.size : 0;
    return is_there;
}

bool kept_memory_open(kwast_handle keeper, u64 size, struct stock_source *source) {
    const u64 memory_max = 1ull << 32;
    if (size >= memory_max)
        return false;
    bool is_room = keeper != KWAST_NO_HANDLE; // for the pieces; no page of it is ever needed
    if (is_room)
        kwast_process_keep(false);
    usize pages = __builtin_wasm_memory_grow(0, size / STOCK_UNIT_BYTES);
    if (is_room)
        kwast_process_keep(true);
    if (pages == SIZE_MAX)
        return false;
    kept.keeper = keeper;
    kept.base = (u8 *)(pages * STOCK_UNIT_BYTES);
    kept.size = size;
    u64 ready = 0;
    while (is_room && find_piece(&ready)) {
    }
    *source = (struct stock_source){
        .base = kept.base,
        .size = size,
        .ready = ready,
        .more = is_room ? add_piece : add_own,
    };
    return true;
}
