// Open files: the position and flags that copies of a handle share.
//
// A position that is taken is nobody else's until it is put back: `is_taken` changes under the lock
// of `moved`, the position only with `is_taken` set. References, flags and the position, for who
// only looks, are atomic.

#include "kernel/ipc/open_file.h"

#include "base/assert.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/wait.h"

struct open_file {
    u32 refs;     // atomic
    u16 flags;    // atomic
    u64 position; // atomic

    struct wait_queue moved; // where threads wait for the position
    bool is_taken;           // under moved.lock
};

struct open_file *open_file_create(u16 flags) {
    struct open_file *file = kmalloc(sizeof *file);
    if (file == NULL)
        return NULL;
    *file = (struct open_file){.refs = 1, .flags = flags};
    wait_queue_init(&file->moved);
    return file;
}

void open_file_retain(struct open_file *file) {
    u32 refs = __atomic_fetch_add(&file->refs, 1, __ATOMIC_RELAXED);
    ASSERT(refs != 0);
}

void open_file_release(struct open_file *file) {
    if (file == NULL || __atomic_sub_fetch(&file->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    ASSERT(!file->is_taken);
    kfree(file, sizeof *file);
}

enum status open_file_take(struct open_file *file, u64 *position) {
    enum status status = OK;
    wait_lock(&file->moved);
    while (file->is_taken && status == OK)
        status = wait_locked(&file->moved, WAIT_FOREVER);
    if (status == OK) {
        file->is_taken = true;
        *position = file->position;
    }
    wait_unlock(&file->moved);
    return status;
}

void open_file_put_back(struct open_file *file, u64 position) {
    wait_lock(&file->moved);
    ASSERT(file->is_taken);
    __atomic_store_n(&file->position, position, __ATOMIC_RELAXED);
    file->is_taken = false;
    wake_one_locked(&file->moved);
    wait_unlock(&file->moved);
}

u64 open_file_position(const struct open_file *file) {
    return __atomic_load_n(&file->position, __ATOMIC_RELAXED);
}

u16 open_file_flags(const struct open_file *file) {
    return __atomic_load_n(&file->flags, __ATOMIC_RELAXED);
}

void open_file_set_flags(struct open_file *file, u16 flags) {
    __atomic_store_n(&file->flags, flags, __ATOMIC_RELAXED);
}
