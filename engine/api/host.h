#pragma once
// What the embedder of the engine must provide. Resolved when linking: kernel/proc in the kernel,
// tools/lib/host_linux.c for host programs and tests. Unless said otherwise the functions are
// called in thread context and may block.

#include "base/status.h"
#include "base/types.h"
#include "engine/api/contract.h"

struct module;

// -- Heap ---------------------------------------------------------------------------------------

// Returns `bytes` of zeroed memory aligned to 16, or NULL. `bytes` is not zero.
MUST_USE void *host_alloc(usize bytes);

// Gives memory back; `bytes` is the size that was asked for. `memory` may be NULL.
void host_free(void *memory, usize bytes);

// Memory for instances, tables and exceptions, which a program computes with besides its linear
// memories: zeroed, aligned to 16, charged to `owner`. Only the owner's own threads read and write
// it, and who calls the engine for a store in the owner's place; so it need not be mapped for
// anybody else. Giving it back touches nothing of it, and NULL may be given. `owner` is the owner
// of the store; of one that nobody uses (store_retire) it is NULL. ERR_LIMIT, ERR_NO_MEMORY.
MUST_USE enum status host_data_alloc(void *owner, u64 bytes, void **out);
void host_data_free(void *owner, void *data, u64 bytes);

// The charge alone, where such memory changes its owner. ERR_LIMIT changes nothing.
MUST_USE enum status host_charge(void *owner, u64 bytes);
void host_refund(void *owner, u64 bytes);

// The module is about to go, and what the host keeps with it (module_host_data_set) with it.
void host_module_end(void *data);

// -- Linear memories ----------------------------------------------------------------------------
// `owner` is the owner of the store: whoever is charged.

// Reserves a slot of MEMORY_SLOT_BYTES, all of it inaccessible, and stores its page-aligned base.
MUST_USE enum status host_memory_reserve(void *owner, u64 *base_out);

// Charges and makes accessible [old_bytes, new_bytes) of the slot, reading as zeros. Pages may be
// committed on first touch. ERR_LIMIT or ERR_NO_MEMORY change nothing.
MUST_USE enum status host_memory_grow(void *owner, u64 base, u64 old_bytes, u64 new_bytes);

// Excludes others who grow the shared memory at `base`, for a growth. May block; not nested.
void host_memory_lock(u64 base);
void host_memory_unlock(u64 base);

// Gives the slot and its `bytes` of memory back.
void host_memory_release(void *owner, u64 base, u64 bytes);

// Makes the memory at `base`, memory 0 of a new instance of `module`, which nobody has touched,
// hold the module's image (module_image_next), however it likes. False: the engine writes it.
MUST_USE bool host_memory_image(void *owner, struct module *module, u64 base);

// The memory of `bytes` at `base` is its owner's no longer. Makes it what it was when the instance
// of `module` was new, of `first_bytes` with the module's image, and charges it to nobody. False,
// when that does not pay: nothing has changed.
MUST_USE bool host_memory_retire(void *owner, struct module *module, u64 base, u64 bytes,
                                 u64 first_bytes);

// Charges such a memory to its next owner. ERR_LIMIT changes nothing.
MUST_USE enum status host_memory_adopt(void *owner, u64 base, u64 bytes);

// Copies into or out of linear memory. The engine has checked the range against the memory's size;
// what can still fail is committing a page: ERR_NO_MEMORY.
MUST_USE enum status host_memory_write(void *owner, u64 address, const void *from, usize len);
MUST_USE enum status host_memory_read(void *owner, void *to, u64 address, usize len);

// -- Waiting in shared memories ------------------------------------------------------------------

// What memory.atomic.wait gives.
enum host_wait_result { WAIT_WOKEN, WAIT_NOT_EQUAL, WAIT_TIMED_OUT };

struct host_wait {
    u64 address; // in a linear memory, in bounds and aligned to `bytes`
    u32 bytes;   // 4 or 8
    u64 expected;
    i64 timeout_ns; // negative: none
};

// Blocks while the value at the address is what is expected, until a notify of that address or the
// timeout. Returns TRAP_NONE, or the trap that ends the thread instead.
MUST_USE enum trap host_memory_wait(void *owner, const struct host_wait *wait,
                                    enum host_wait_result *result);

// Wakes up to `count` that wait at the address, the oldest first; returns how many.
u32 host_memory_notify(void *owner, u64 address, u32 count);

// -- Code ---------------------------------------------------------------------------------------
// No page of a code range is ever writable and executable, through any mapping, at one time.

// Reserves room for `bytes` of code; stores its page-aligned address.
MUST_USE enum status host_code_reserve(usize bytes, u64 *address_out);

// Copies into a range that is not yet published.
MUST_USE enum status host_code_write(u64 address, const void *from, usize len);

// Makes the range executable and readable, for good: it is not written again.
MUST_USE enum status host_code_publish(u64 address, usize bytes);

// Gives a range back, published or not. Nothing runs in it any more.
void host_code_release(u64 address, usize bytes);

// -- Threads ------------------------------------------------------------------------------------

// Moves `thread->stack_limit` to `lowest` or below by committing stack. False when the thread's
// stack may not grow that far.
MUST_USE bool host_stack_grow(struct thread_block *thread, u64 lowest);

// Whether the running thread is to end (engine_interrupt): what generated code calls returns then
// with TRAP_KILLED, and compiling ends with ERR_KILLED.
MUST_USE bool host_is_stopping(void);

// Waits while the running thread is to stand still. TRAP_NONE, or TRAP_KILLED: it is to end. Host
// functions that find that it is to stand still return TRAP_PAUSED when they are done; then this is
// called, and the program goes on. So are helpers that may be called in a loop.
MUST_USE enum trap host_pause(void);

// Sets the segment base through which generated code of this thread reaches memory 0.
void host_segment_base_set(u64 base);

// Excludes other threads, and fault handlers on this CPU, from the engine's registries. Held for
// short searches and updates only; not nested.
void host_registry_lock(void);
void host_registry_unlock(void);
