// Handle tables: an array of slots that doubles up to the table's limit.
//
// A slot is free exactly when its object is NULL. References and preopen names are released outside
// the lock, because the last release runs an object's own code.

#include "kernel/ipc/handle.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/heap.h"

#define FIRST_CAPACITY 8u

static void handle_release(struct handle *handle) {
    object_release(handle->object);
    if (handle->preopen.data != NULL)
        kfree((void *)(uptr)handle->preopen.data, handle->preopen.len);
}

// A change that may end what a hint says.
static void hints_forget(struct handle_table *table) {
    handle_hints_clear(table);
}

static struct handle *slot_at(struct handle_table *table, u32 number) {
    if (number >= table->capacity || table->slots[number].object == NULL)
        return NULL;
    return &table->slots[number];
}

enum status handle_table_init(struct handle_table *table, u32 limit) {
    ASSERT(limit <= HANDLES_MAX);
    spin_init(&table->lock, LOCK_HANDLES, "handles");
    wait_queue_init(&table->moved);
    table->moved_count = 0;
    handle_hints_clear(table);
    table->capacity = (u32)min_u64(FIRST_CAPACITY, limit);
    table->limit = limit;
    table->slots = NULL;
    if (table->capacity == 0)
        return OK;
    table->slots = kmalloc(table->capacity * sizeof *table->slots);
    if (table->slots != NULL)
        return OK;
    table->capacity = 0; // so that it may be finished like any other
    return ERR_NO_MEMORY;
}

void handle_table_fini(struct handle_table *table) {
    // Whoever lists the processes may still count the handles.
    spin_lock(&table->lock);
    struct handle *slots = table->slots;
    u32 capacity = table->capacity;
    table->slots = NULL;
    __atomic_store_n(&table->capacity, 0, __ATOMIC_RELAXED);
    spin_unlock(&table->lock);
    for (u32 i = 0; i < capacity; i++) {
        if (slots[i].object != NULL)
            handle_release(&slots[i]);
    }
    kfree(slots, capacity * sizeof *slots);
}

// Makes the table larger than `least`. The lock is dropped meanwhile, so that neither allocating
// nor freeing is under it: large pieces are unmapped on all CPUs. Another thread may have grown it
// as well, which is fine: the caller looks for a free slot again.
static enum status table_grow_locked(struct handle_table *table, u32 least) {
    u32 old = table->capacity;
    u64 wished = max_u64(max_u64(FIRST_CAPACITY, old * 2ull), least + 1ull);
    u32 capacity = (u32)min_u64(wished, table->limit);
    if (capacity <= least)
        return ERR_LIMIT;
    spin_unlock(&table->lock);
    struct handle *slots = kmalloc(capacity * sizeof *slots);
    struct handle *unused = slots;
    u32 unused_count = capacity;
    spin_lock(&table->lock);
    if (slots != NULL && table->capacity == old) {
        if (old != 0)
            memcpy(slots, table->slots, old * sizeof *slots);
        unused = table->slots;
        unused_count = old;
        table->slots = slots;
        __atomic_store_n(&table->capacity, capacity, __ATOMIC_RELAXED);
    }
    spin_unlock(&table->lock);
    kfree(unused, unused_count * sizeof *unused);
    spin_lock(&table->lock);
    return slots == NULL ? ERR_NO_MEMORY : OK;
}

enum status handle_insert(struct handle_table *table, const struct handle *handle, u32 *out) {
    ASSERT(handle->object != NULL);
    enum status status = OK;
    spin_lock(&table->lock);
    while (status == OK) {
        for (u32 i = 0; i < table->capacity; i++) {
            if (table->slots[i].object != NULL)
                continue;
            table->slots[i] = *handle;
            spin_unlock(&table->lock);
            *out = i;
            return OK;
        }
        status = table_grow_locked(table, table->capacity);
    }
    spin_unlock(&table->lock);
    return status;
}

enum status handle_insert_at(struct handle_table *table, const struct handle *handle, u32 number) {
    ASSERT(handle->object != NULL);
    enum status status = OK;
    spin_lock(&table->lock);
    while (number >= table->capacity && status == OK)
        status = table_grow_locked(table, number);
    if (status == OK && table->slots[number].object != NULL)
        status = ERR_EXISTS;
    if (status == OK)
        table->slots[number] = *handle;
    spin_unlock(&table->lock);
    return status;
}

u32 handle_count(struct handle_table *table) {
    u32 count = 0;
    spin_lock(&table->lock);
    for (u32 i = 0; i < table->capacity; i++)
        count += table->slots[i].object != NULL;
    spin_unlock(&table->lock);
    return count;
}

enum status handle_get(struct handle_table *table, u32 number, struct handle *out) {
    spin_lock(&table->lock);
    struct handle *slot = slot_at(table, number);
    if (slot != NULL) {
        *out = *slot;
        out->preopen = (struct bytes){NULL, 0};
        out->is_moving = false;
        out->is_move_awaited = false;
        object_retain(slot->object);
    }
    spin_unlock(&table->lock);
    return slot == NULL ? ERR_BAD_HANDLE : OK;
}

enum status handle_get_object(struct handle_table *table, u32 number, u64 *rights,
                              struct object **out) {
    if (handle_is_beyond(table, number))
        return ERR_BAD_HANDLE;
    spin_lock(&table->lock);
    const struct handle *slot = slot_at(table, number);
    if (slot != NULL) {
        *rights = slot->rights;
        *out = slot->object;
        object_retain(slot->object);
    }
    spin_unlock(&table->lock);
    return slot == NULL ? ERR_BAD_HANDLE : OK;
}

enum status handle_preopen_name(struct handle_table *table, u32 number, char *to, usize size,
                                usize *len_bytes) {
    spin_lock(&table->lock);
    struct handle *slot = slot_at(table, number);
    bool found = slot != NULL && slot->preopen.len != 0;
    if (found) {
        *len_bytes = slot->preopen.len;
        if (size != 0)
            memcpy(to, slot->preopen.data, min_u64(size, slot->preopen.len));
    }
    spin_unlock(&table->lock);
    return found ? OK : ERR_BAD_HANDLE;
}

enum status handle_close(struct handle_table *table, u32 number) {
    struct handle closed = {.object = NULL};
    spin_lock(&table->lock);
    hints_forget(table);
    struct handle *slot = slot_at(table, number);
    if (slot != NULL) {
        closed = *slot;
        *slot = (struct handle){.object = NULL};
    }
    spin_unlock(&table->lock);
    if (closed.object == NULL)
        return ERR_BAD_HANDLE;
    handle_release(&closed);
    return OK;
}

enum status handle_renumber(struct handle_table *table, u32 from, u32 to) {
    struct handle closed = {.object = NULL};
    spin_lock(&table->lock);
    hints_forget(table);
    struct handle *source = slot_at(table, from);
    struct handle *target = slot_at(table, to);
    bool both_open = source != NULL && target != NULL;
    if (both_open && source != target) {
        closed = *target;
        *target = *source;
        target->is_moving = false; // who has taken the position finds it gone
        target->is_move_awaited = false;
        *source = (struct handle){.object = NULL};
    }
    spin_unlock(&table->lock);
    if (!both_open)
        return ERR_BAD_HANDLE;
    if (closed.object != NULL)
        handle_release(&closed);
    return OK;
}

// -- Positions ----------------------------------------------------------------------------------
// A position that is taken is marked in its slot. Who finds the mark notes that he waits, and
// sleeps until `moved_count` is another than it was before the look: it grows when the position is
// put back, or found to be gone.

static struct handle *slot_of(struct handle_table *table, u32 number, const struct object *object) {
    struct handle *slot = slot_at(table, number);
    return slot != NULL && slot->object == object ? slot : NULL;
}

static enum status try_take(struct handle_table *table, u32 number, const struct object *object,
                            u64 *position) {
    spin_lock(&table->lock);
    struct handle *slot = slot_of(table, number, object);
    enum status status = slot == NULL ? ERR_BAD_HANDLE : slot->is_moving ? ERR_BUSY : OK;
    if (status == ERR_BUSY)
        slot->is_move_awaited = true;
    if (status == OK) {
        slot->is_moving = true;
        *position = slot->position;
    }
    spin_unlock(&table->lock);
    return status;
}

static enum status wait_for_move(struct handle_table *table, u32 seen) {
    enum status status = OK;
    wait_lock(&table->moved);
    while (table->moved_count == seen && status == OK)
        status = wait_locked(&table->moved, WAIT_FOREVER);
    wait_unlock(&table->moved);
    return status;
}

enum status handle_position_take(struct handle_table *table, u32 number,
                                 const struct object *object, u64 *position) {
    for (;;) {
        // Before the look at the slot; the lock's release in between pairs with the one here.
        u32 seen = __atomic_load_n(&table->moved_count, __ATOMIC_ACQUIRE);
        enum status status = try_take(table, number, object, position);
        if (status == ERR_BUSY)
            status = wait_for_move(table, seen);
        else
            return status;
        if (status != OK)
            return status;
    }
}

void handle_position_put(struct handle_table *table, u32 number, const struct object *object,
                         u64 position) {
    spin_lock(&table->lock);
    struct handle *slot = slot_of(table, number, object);
    bool is_awaited = slot == NULL || slot->is_move_awaited;
    if (slot != NULL) {
        slot->position = position;
        slot->is_moving = false;
        slot->is_move_awaited = false;
    }
    spin_unlock(&table->lock);
    if (!is_awaited)
        return;
    wait_lock(&table->moved);
    __atomic_store_n(&table->moved_count, table->moved_count + 1, __ATOMIC_RELEASE);
    wake_all_locked(&table->moved);
    wait_unlock(&table->moved);
}

// -- Flags and rights ---------------------------------------------------------------------------

enum status handle_set_flags(struct handle_table *table, u32 number, u16 flags) {
    spin_lock(&table->lock);
    struct handle *slot = slot_at(table, number);
    if (slot != NULL)
        slot->flags = flags;
    spin_unlock(&table->lock);
    return slot == NULL ? ERR_BAD_HANDLE : OK;
}

enum status handle_set_rights(struct handle_table *table, u32 number, u64 rights, u64 inheriting) {
    enum status status = ERR_BAD_HANDLE;
    spin_lock(&table->lock);
    hints_forget(table);
    struct handle *slot = slot_at(table, number);
    if (slot != NULL) {
        bool held = (rights & ~slot->rights) == 0 && (inheriting & ~slot->rights_inheriting) == 0;
        status = held ? OK : ERR_DENIED;
        if (held) {
            slot->rights = rights;
            slot->rights_inheriting = inheriting;
        }
    }
    spin_unlock(&table->lock);
    return status;
}
