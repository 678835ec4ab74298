// Handle tables: an array of slots that doubles up to the table's limit.
//
// A slot is free exactly when its object is NULL. References and preopen names are released outside
// the lock, because the last release runs an object's own code, and frees memory.

#include "kernel/ipc/handle.h"

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/heap.h"

#define FIRST_CAPACITY 6u // the streams, preopened directories: each slot is cleared at a spawn

// Atomic, written by the CPU itself, which a thread that writes does not leave meanwhile:
static struct handle_counts {
    alignas(64) struct handle_cpu_stats counts;
} handle_counts[ARCH_CPUS_MAX];

static inline void count_add(u64 *counter, u32 handles) {
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + handles,
                     __ATOMIC_RELAXED);
}

// One handle. A lock is held.
static inline void count_opened_locked(void) {
    count_add(&handle_counts[arch_cpu_id()].counts.opened, 1);
}

static inline void count_closed_locked(void) {
    count_add(&handle_counts[arch_cpu_id()].counts.closed, 1);
}

struct handle_cpu_stats handle_cpu_stats(u32 cpu) {
    ASSERT(cpu < ARCH_CPUS_MAX);
    const struct handle_cpu_stats *counts = &handle_counts[cpu].counts;
    return (struct handle_cpu_stats){
        .opened = __atomic_load_n(&counts->opened, __ATOMIC_RELAXED),
        .closed = __atomic_load_n(&counts->closed, __ATOMIC_RELAXED),
    };
}

void handle_drop(struct handle *handle) {
    if (handle->object == NULL)
        return;
    object_release(handle->object);
    open_file_release(handle->file);
}

static void handle_release(struct handle *handle) {
    handle_drop(handle);
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
    u32 closed = 0;
    for (u32 i = 0; i < capacity; i++) {
        if (slots[i].object == NULL)
            continue;
        handle_release(&slots[i]);
        closed++;
    }
    arch_irq_state irq = arch_irq_save();
    count_add(&handle_counts[arch_cpu_id()].counts.closed, closed);
    arch_irq_restore(irq);
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
            count_opened_locked();
            spin_unlock(&table->lock);
            *out = i;
            return OK;
        }
        status = table_grow_locked(table, table->capacity);
    }
    spin_unlock(&table->lock);
    return status;
}

enum status handle_table_fill(struct handle_table *table, const struct handle *handles, u32 count) {
    while (count != 0 && handles[count - 1].object == NULL)
        count--;
    if (count > table->capacity) {
        spin_lock(&table->lock);
        enum status status = table_grow_locked(table, count - 1);
        spin_unlock(&table->lock);
        if (status != OK)
            return status;
    }
    u32 opened = 0;
    for (u32 i = 0; i < count; i++) {
        ASSERT(table->slots[i].object == NULL);
        if (handles[i].object == NULL)
            continue;
        table->slots[i] = handles[i];
        opened++;
    }
    arch_irq_state irq = arch_irq_save();
    count_add(&handle_counts[arch_cpu_id()].counts.opened, opened);
    arch_irq_restore(irq);
    return OK;
}

enum status handle_insert_at(struct handle_table *table, const struct handle *handle, u32 number) {
    ASSERT(handle->object != NULL);
    enum status status = OK;
    spin_lock(&table->lock);
    while (number >= table->capacity && status == OK)
        status = table_grow_locked(table, number);
    if (status == OK && table->slots[number].object != NULL)
        status = ERR_EXISTS;
    if (status == OK) {
        table->slots[number] = *handle;
        count_opened_locked();
    }
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
        if (slot->file != NULL)
            out->flags = open_file_flags(slot->file);
        out->file = NULL;
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
    bool found = slot != NULL && slot->preopen.data != NULL;
    if (found) {
        *len_bytes = slot->preopen.len;
        if (size != 0)
            memcpy(to, slot->preopen.data, min_u64(size, slot->preopen.len));
    }
    spin_unlock(&table->lock);
    return found ? OK : ERR_BAD_HANDLE;
}

bool handle_is_numbered(struct handle_table *table, u32 number) {
    spin_lock(&table->lock);
    const struct handle *slot = slot_at(table, number);
    bool is_numbered = slot != NULL && slot->preopen.data == NULL && slot->preopen.len != 0;
    spin_unlock(&table->lock);
    return is_numbered;
}

enum status handle_close(struct handle_table *table, u32 number) {
    struct handle closed = {.object = NULL};
    spin_lock(&table->lock);
    hints_forget(table);
    struct handle *slot = slot_at(table, number);
    if (slot != NULL) {
        closed = *slot;
        *slot = (struct handle){.object = NULL};
        count_closed_locked();
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
        *source = (struct handle){.object = NULL};
        count_closed_locked();
    }
    spin_unlock(&table->lock);
    if (!both_open)
        return ERR_BAD_HANDLE;
    if (closed.object != NULL)
        handle_release(&closed);
    return OK;
}

// -- What copies share --------------------------------------------------------------------------
// A handle gets its open file when it is first copied, or its position first needed.

// Whether the slot lacks one. Only files have positions.
static bool needs_file(const struct handle *slot) {
    return slot->file == NULL && slot->object->type == OBJECT_FILE;
}

// Gives the slot its open file, unless another thread has, or the handle is another by now. The
// lock is dropped meanwhile: look again.
static enum status make_file_locked(struct handle_table *table, u32 number) {
    spin_unlock(&table->lock);
    struct open_file *made = open_file_create(0);
    spin_lock(&table->lock);
    struct handle *slot = slot_at(table, number);
    struct open_file *unused = made;
    if (made != NULL && slot != NULL && needs_file(slot)) {
        open_file_set_flags(made, slot->flags);
        slot->file = made;
        unused = NULL;
    }
    spin_unlock(&table->lock);
    open_file_release(unused);
    spin_lock(&table->lock);
    return made == NULL ? ERR_NO_MEMORY : OK;
}

enum status handle_copy(struct handle_table *table, u32 number, struct handle *out) {
    enum status status = OK;
    spin_lock(&table->lock);
    struct handle *slot = slot_at(table, number);
    while (status == OK && slot != NULL && needs_file(slot)) {
        status = make_file_locked(table, number);
        slot = slot_at(table, number);
    }
    if (slot == NULL)
        status = ERR_BAD_HANDLE;
    if (status == OK) {
        *out = *slot;
        out->preopen = (struct bytes){NULL, 0};
        object_retain(out->object);
        if (out->file != NULL)
            open_file_retain(out->file);
    }
    spin_unlock(&table->lock);
    return status;
}

enum status handle_file(struct handle_table *table, u32 number, const struct object *object,
                        struct open_file **out) {
    struct handle copy;
    enum status status = handle_copy(table, number, &copy);
    if (status != OK)
        return status;
    bool is_same = copy.object == object && copy.file != NULL;
    object_release(copy.object);
    if (!is_same) {
        open_file_release(copy.file);
        return ERR_BAD_HANDLE;
    }
    *out = copy.file;
    return OK;
}

u64 handle_position(struct handle_table *table, u32 number, const struct object *object) {
    spin_lock(&table->lock);
    const struct handle *slot = slot_at(table, number);
    bool has_moved = slot != NULL && slot->object == object && slot->file != NULL;
    u64 position = has_moved ? open_file_position(slot->file) : 0;
    spin_unlock(&table->lock);
    return position;
}

// -- Flags and rights ---------------------------------------------------------------------------

enum status handle_set_flags(struct handle_table *table, u32 number, u16 flags) {
    spin_lock(&table->lock);
    struct handle *slot = slot_at(table, number);
    if (slot != NULL && slot->file != NULL)
        open_file_set_flags(slot->file, flags);
    else if (slot != NULL)
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
