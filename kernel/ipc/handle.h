#pragma once
// Handle tables: small integers with rights, naming kernel objects. A file descriptor is a handle.

#include "kernel/ipc/object.h"
#include "kernel/sched/wait.h"

#define HANDLES_MAX 4096u

// An open object: what a descriptor adds to the object itself.
struct handle {
    struct object *object; // NULL: free slot
    u64 rights;            // as WASI numbers them; the kernel checks, kernel/wasi interprets
    u64 rights_inheriting;
    u64 position;         // of files
    u16 flags;            // WASI fdflags
    bool is_moving;       // somebody has taken the position
    bool is_move_awaited; // and somebody else waits for it
    struct bytes preopen; // its name when it is a preopened directory (owned), else empty
};

// What a program with one thread used last, for who asks again: `number` names `object`, which is
// what that kind of call takes, with the right to it. UINT64_MAX: nothing. It ends with any change
// of what is open, and with the second thread.
enum handle_hint_kind { HINT_CALL, HINT_SERVE, HINT_COUNT };

struct handle_hint {
    u64 number;
    struct object *object;
};

struct handle_table {
    struct spinlock lock;
    struct handle_hint hints[HINT_COUNT]; // owned by the only thread that uses the table

    // Under lock:
    struct handle *slots;
    u32 capacity; // atomic, only grows
    u32 limit;

    struct wait_queue moved; // where threads wait for a position
    u32 moved_count;         // atomic; grows under moved.lock
};

MUST_USE enum status handle_table_init(struct handle_table *table, u32 limit);
void handle_table_fini(struct handle_table *table); // closes all

// Whether a number is certainly not open: no table of this size has it. Takes no lock.
static inline bool handle_is_beyond(const struct handle_table *table, u32 number) {
    return number >= __atomic_load_n(&table->capacity, __ATOMIC_RELAXED);
}

// Puts a handle at the lowest free number. Takes over the reference (and the preopen name) on OK.
// ERR_LIMIT, ERR_NO_MEMORY.
MUST_USE enum status handle_insert(struct handle_table *table, const struct handle *handle,
                                   u32 *out);

// The same at a given number, which must be free. ERR_EXISTS.
MUST_USE enum status handle_insert_at(struct handle_table *table, const struct handle *handle,
                                      u32 number);

// How many are open.
u32 handle_count(struct handle_table *table);

// Copies a handle out, with a new reference to its object (release it) and without its preopen
// name, which lives only as long as the slot is open. ERR_BAD_HANDLE.
MUST_USE enum status handle_get(struct handle_table *table, u32 number, struct handle *out);

// The object alone, with a new reference, and the rights to it. ERR_BAD_HANDLE.
MUST_USE enum status handle_get_object(struct handle_table *table, u32 number, u64 *rights,
                                       struct object **out);

// The open handle itself, or NULL: for who is alone with the table, until it lets others at it.
static inline const struct handle *handle_peek(const struct handle_table *table, u32 number) {
    if (handle_is_beyond(table, number) || table->slots[number].object == NULL)
        return NULL;
    return &table->slots[number];
}

static inline void handle_hint_set(struct handle_table *table, enum handle_hint_kind kind,
                                   u64 number, struct object *object) {
    table->hints[kind] = (struct handle_hint){.number = number, .object = object};
}

// For the only thread that uses the table, before it lets others at it.
static inline void handle_hints_clear(struct handle_table *table) {
    for (u32 i = 0; i < HINT_COUNT; i++)
        table->hints[i].number = UINT64_MAX;
}

// Copies the first `size` bytes of a preopened directory's name; *len_bytes is its whole length.
// ERR_BAD_HANDLE: not open, or not preopened.
MUST_USE enum status handle_preopen_name(struct handle_table *table, u32 number, char *to,
                                         usize size, usize *len_bytes);

MUST_USE enum status handle_close(struct handle_table *table, u32 number);

// Moves `from` to `to`, closing what was there; both must be open. Onto itself: nothing happens.
MUST_USE enum status handle_renumber(struct handle_table *table, u32 from, u32 to);

// Takes the position of an open handle, so that threads which share it move on one after the other;
// waits until nobody else has it. The handle is still one of `object`. ERR_BAD_HANDLE: it is not.
// ERR_KILLED.
MUST_USE enum status handle_position_take(struct handle_table *table, u32 number,
                                          const struct object *object, u64 *position);

// Puts back what was taken, changed or not. Nothing happens when the handle was closed meanwhile.
void handle_position_put(struct handle_table *table, u32 number, const struct object *object,
                         u64 position);

// Flags of an open handle. ERR_BAD_HANDLE when it was closed meanwhile.
MUST_USE enum status handle_set_flags(struct handle_table *table, u32 number, u16 flags);
// Narrows the rights; ERR_DENIED when a right is not held.
MUST_USE enum status handle_set_rights(struct handle_table *table, u32 number, u64 rights,
                                       u64 inheriting);
