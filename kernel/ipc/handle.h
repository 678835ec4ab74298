#pragma once
// Handle tables: small integers with rights, naming kernel objects. A file descriptor is a handle.

#include "kernel/ipc/object.h"
#include "kernel/ipc/open_file.h"
#include "kernel/sync/spinlock.h"

#define HANDLES_MAX 4096u

// An open object: what a descriptor adds to the object itself.
struct handle {
    struct object *object; // NULL: free slot
    u64 rights;            // as WASI numbers them; the kernel checks, kernel/wasi interprets
    u64 rights_inheriting;
    struct open_file *file; // of a file that was used or copied (a reference), else NULL
    u16 flags;              // WASI fdflags, while there is no `file`, which has them then
    // Its name when it is a preopened directory (owned); HANDLE_NUMBERED: its program was given it
    // by its number; else empty.
    struct bytes preopen;
};

#define HANDLE_NUMBERED ((struct bytes){NULL, 1})

// Gives back what a handle refers to, but for the preopen name. An empty one is fine.
void handle_drop(struct handle *handle);

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
};

MUST_USE enum status handle_table_init(struct handle_table *table, u32 limit);
void handle_table_fini(struct handle_table *table); // closes all

// Puts handles into a table that is empty and nobody else's, numbered as they come; object NULL:
// none. They are the table's on OK; ERR_LIMIT, ERR_NO_MEMORY: it is empty still.
MUST_USE enum status handle_table_fill(struct handle_table *table, const struct handle *handles,
                                       u32 count);

// Whether a number is certainly not open: no table of this size has it. Takes no lock.
static inline bool handle_is_beyond(const struct handle_table *table, u32 number) {
    return number >= __atomic_load_n(&table->capacity, __ATOMIC_RELAXED);
}

// Puts a handle at the lowest free number. Takes over the references (and the preopen name) on OK.
// ERR_LIMIT, ERR_NO_MEMORY.
MUST_USE enum status handle_insert(struct handle_table *table, const struct handle *handle,
                                   u32 *out);

// The same at a given number, which must be free. ERR_EXISTS.
MUST_USE enum status handle_insert_at(struct handle_table *table, const struct handle *handle,
                                      u32 number);

// How many are open.
u32 handle_count(struct handle_table *table);

// How many a CPU has opened and closed, in all tables, since the start. What one opened another may
// close; the sum over all CPUs of opened - closed is what is open.
struct handle_cpu_stats {
    u64 opened;
    u64 closed;
};
struct handle_cpu_stats handle_cpu_stats(u32 cpu);

// What a handle names, for a call to use: with a new reference to its object (release it), and
// without `file` and the preopen name, which lives only as long as the slot is open.
// ERR_BAD_HANDLE.
MUST_USE enum status handle_get(struct handle_table *table, u32 number, struct handle *out);

// A copy of a handle, for somebody to have: the position and flags of a file are shared with it.
// handle_drop, or insert it. Without the preopen name. ERR_BAD_HANDLE, ERR_NO_MEMORY.
MUST_USE enum status handle_copy(struct handle_table *table, u32 number, struct handle *out);

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

// For the only thread that uses the table, before it lets others at it. Where there are others,
// nothing changes, so nothing is written: they read the numbers without a lock.
static inline void handle_hints_clear(struct handle_table *table) {
    for (u32 i = 0; i < HINT_COUNT; i++) {
        if (table->hints[i].number != UINT64_MAX)
            table->hints[i].number = UINT64_MAX;
    }
}

// Copies the first `size` bytes of a preopened directory's name; *len_bytes is its whole length.
// ERR_BAD_HANDLE: not open, or not preopened.
MUST_USE enum status handle_preopen_name(struct handle_table *table, u32 number, char *to,
                                         usize size, usize *len_bytes);
bool handle_is_numbered(struct handle_table *table, u32 number);

MUST_USE enum status handle_close(struct handle_table *table, u32 number);

// Moves `from` to `to`, closing what was there; both must be open. Onto itself: nothing happens.
MUST_USE enum status handle_renumber(struct handle_table *table, u32 from, u32 to);

// The open file behind a handle that is still one of `object`, with a reference: for its position.
// ERR_BAD_HANDLE: it is not. ERR_NO_MEMORY.
MUST_USE enum status handle_file(struct handle_table *table, u32 number,
                                 const struct object *object, struct open_file **out);

// The position of a handle that is still one of `object`, to look at; 0: it is not.
u64 handle_position(struct handle_table *table, u32 number, const struct object *object);

// Flags of an open handle. ERR_BAD_HANDLE when it was closed meanwhile.
MUST_USE enum status handle_set_flags(struct handle_table *table, u32 number, u16 flags);
// Narrows the rights; ERR_DENIED when a right is not held.
MUST_USE enum status handle_set_rights(struct handle_table *table, u32 number, u64 rights,
                                       u64 inheriting);
