// The engine's host (engine/api/host.h) on the kernel's memory management and threads.
//
// A linear memory is one area of MEMORY_SLOT_BYTES in the owner's address space, charged to the
// account of the store's owner, which is a process; a store without owner (the engine's own tests)
// is the kernel's own. An area is found again by its base address, so the engine keeps no
// handle to it.

#include "base/math.h"
#include "engine/api/host.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/code.h"
#include "kernel/mm/data.h"
#include "kernel/mm/guest.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/proc/process.h"
#include "kernel/proc/program.h"
#include "kernel/sched/wait.h"

// Stack is committed in steps, so that deep recursion does not come here for each page.
#define STACK_STEP_BYTES (32 * KIB)

STATIC_ASSERT(MEMORY_SLOT_BYTES % PAGE_SIZE == 0, "slots are whole pages");

#define GROWING_COUNT 16u

static struct {
    struct spinlock registry_lock;

    // Whoever grows a shared memory holds the one that its address falls to.
    struct mutex growing[GROWING_COUNT];
} host;

void engine_host_init(void) {
    spin_init(&host.registry_lock, LOCK_ENGINE_REGISTRY, "engine registry");
    for (u32 i = 0; i < GROWING_COUNT; i++)
        mutex_init(&host.growing[i]);
    memory_wait_init();
}

// -- Areas --------------------------------------------------------------------------------------

static struct memory_account *account_of(void *owner) {
    struct process *process = owner;
    return process == NULL ? NULL : &process->account;
}

struct area *area_at(struct aspace *as, u64 base) {
    spin_lock(&as->lock);
    struct vma *vma = vma_find(&as->slots, base);
    spin_unlock(&as->lock);
    CHECK(vma != NULL && vma->start == base);
    return container_of(vma, struct area, vma);
}

// That of a memory of the owner's; mostly the one that the process knows already.
static struct area *memory_at(void *owner, u64 base) {
    const struct process *process = owner;
    bool is_known = process != NULL && process->area != NULL && process->area->vma.start == base;
    return is_known ? process->area : area_at(aspace_of(owner), base);
}

// -- Heap ---------------------------------------------------------------------------------------

void *host_alloc(usize bytes) {
    return kmalloc(bytes);
}

void host_free(void *memory, usize bytes) {
    kfree(memory, bytes);
}

enum status host_data_alloc(void *owner, u64 bytes, void **out) {
    enum status status = account_charge(account_of(owner), bytes);
    if (status != OK)
        return status;
    status = data_alloc(aspace_of(owner), bytes, out);
    if (status != OK)
        account_refund(account_of(owner), bytes);
    return status;
}

void host_data_free(void *owner, void *data, u64 bytes) {
    if (data == NULL)
        return;
    data_free(aspace_of(owner), data, bytes);
    account_refund(account_of(owner), bytes);
}

enum status host_charge(void *owner, u64 bytes) {
    return account_charge(account_of(owner), bytes);
}

void host_refund(void *owner, u64 bytes) {
    account_refund(account_of(owner), bytes);
}

// -- Linear memories ----------------------------------------------------------------------------

enum status host_memory_reserve(void *owner, u64 *base_out) {
    struct area *area;
    enum status status =
        area_create(aspace_of(owner), AREA_MEMORY, MEMORY_SLOT_BYTES, account_of(owner), &area);
    if (status == OK)
        *base_out = area->vma.start;
    return status;
}

enum status host_memory_grow(void *owner, u64 base, u64 old_bytes, u64 new_bytes) {
    struct area *area = memory_at(owner, base);
    ASSERT(area->accessible == old_bytes);
    CHECK(old_bytes <= new_bytes && new_bytes <= MEMORY_SLOT_BYTES - MEMORY_GUARD_BYTES);
    enum status status = area_grow(aspace_of(owner), area, new_bytes);
    if (status != ERR_NO_MEMORY)
        return status;
    reclaim(); // what is kept for processes to come
    return area_grow(aspace_of(owner), area, new_bytes);
}

static struct mutex *growing_of(u64 base) {
    return &host.growing[base / PAGE_SIZE * 0x9e3779b97f4a7c15 >> 60];
}

void host_memory_lock(u64 base) {
    mutex_lock(growing_of(base));
}

void host_memory_unlock(u64 base) {
    mutex_unlock(growing_of(base));
}

void host_memory_release(void *owner, u64 base, u64 bytes) {
    struct area *area = memory_at(owner, base);
    ASSERT(area->accessible == bytes);
    struct process *process = owner;
    if (process != NULL && process->area == area)
        process->area = NULL;
    area_destroy(aspace_of(owner), area);
}

bool host_memory_image(void *owner, struct module *module, u64 base) {
    struct program *program = module_host_data(module);
    if (program == NULL)
        return false;
    if (program->image != NULL)
        area_set_image(aspace_of(owner), area_at(aspace_of(owner), base), program->image);
    return true;
}

bool host_memory_retire(void *owner, struct module *module, u64 base, u64 bytes, u64 first_bytes) {
    struct aspace *as = aspace_of(owner);
    struct area *area = memory_at(owner, base);
    ASSERT(area->accessible == bytes);
    // A domain goes with its processes.
    return as == aspace_kernel() && module_host_data(module) != NULL &&
           area_retire(as, area, first_bytes);
}

enum status host_memory_adopt(void *owner, u64 base, u64 bytes) {
    struct area *area = area_at(aspace_kernel(), base);
    ASSERT(area->accessible == bytes);
    return area_adopt(aspace_kernel(), area, account_of(owner));
}

enum status host_memory_write(void *owner, u64 address, const void *from, usize len) {
    return aspace_write(aspace_of(owner), (struct virt_addr){address}, from, len);
}

enum status host_memory_read(void *owner, void *to, u64 address, usize len) {
    return aspace_read(aspace_of(owner), to, (struct virt_addr){address}, len);
}

// -- Code ---------------------------------------------------------------------------------------

enum status host_code_reserve(usize bytes, u64 *address_out) {
    struct virt_addr address;
    enum status status = code_reserve(bytes, &address);
    if (status == OK)
        *address_out = address.value;
    return status;
}

enum status host_code_write(u64 address, const void *from, usize len) {
    code_write((struct virt_addr){address}, from, len);
    return OK;
}

enum status host_code_publish(u64 address, usize bytes) {
    (void)bytes;
    return code_publish((struct virt_addr){address});
}

void host_code_release(u64 address, usize bytes) {
    arch_symbols_withdraw(address, bytes);
    code_release((struct virt_addr){address});
}

// -- Threads ------------------------------------------------------------------------------------

void thread_block_set_limit(struct thread_block *block, const struct area *stack) {
    block->stack_limit = stack->vma.end - stack->accessible + STACK_HEADROOM_BYTES;
}

void stack_charge_kernel(struct area *stack) {
    struct memory_account *from = stack->account;
    u64 bytes = stack->accessible; // of a stack all of it is committed
    __atomic_fetch_sub(&from->committed, bytes, __ATOMIC_RELAXED);
    account_refund(from, bytes);
    stack->account = NULL;
}

bool host_stack_grow(struct thread_block *block, u64 lowest) {
    struct thread *thread = block->owner;
    struct area *stack = thread->stack;
    // The lowest page of the area stays a guard, whatever the program asks for.
    u64 most = stack->vma.end - stack->vma.start - PAGE_SIZE;
    if (lowest >= stack->vma.end || lowest < stack->vma.start)
        return false;
    u64 needed = align_up(stack->vma.end - lowest + STACK_HEADROOM_BYTES, PAGE_SIZE);
    if (needed > most)
        return false;
    u64 wished = min_u64(align_up(needed, STACK_STEP_BYTES), most);
    if (needed > stack->accessible && area_grow(thread->aspace, stack, wished) != OK &&
        area_grow(thread->aspace, stack, needed) != OK)
        return false;
    thread_block_set_limit(block, stack);
    return block->stack_limit <= lowest;
}

bool host_is_stopping(void) {
    return thread_is_killed(thread_current());
}

enum trap host_pause(void) {
    return process_pause();
}

void host_segment_base_set(u64 base) {
    arch_segment_base_set(&thread_current()->context, base);
}

void host_registry_lock(void) {
    spin_lock(&host.registry_lock);
}

void host_registry_unlock(void) {
    spin_unlock(&host.registry_lock);
}
