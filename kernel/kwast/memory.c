// Memory objects, and what is mapped over a program's pages (kernel/ipc/map_set.h).

#include "abi/wasi/preview1.h"
#include "base/math.h"
#include "kernel/ipc/memory_object.h"
#include "kernel/ipc/scheme.h"
#include "kernel/kwast/kwast_internal.h"
#include "kernel/proc/process_object.h"

STATIC_ASSERT(KWAST_PAGE_BYTES == PAGE_SIZE, "abi");
STATIC_ASSERT(KWAST_MAP_MAX == SCHEME_MAP_PAGES_MAX * PAGE_SIZE, "abi");

#define MEMORY_RIGHTS                                                                              \
    (KWAST_RIGHT_MAP | WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_FILESTAT_GET)

// (bytes, out)
enum status kwast_memory_create(struct process *process, const u64 *args) {
    if (!is_aligned(args[0], PAGE_SIZE))
        return ERR_INVALID;
    struct object *payer;
    enum status status = kwast_check(process, args[1], sizeof(u32));
    if (status == OK)
        status = process_object_create(process, &payer);
    if (status != OK)
        return status;
    struct handle handle = {.rights = MEMORY_RIGHTS};
    status = memory_object_create(args[0] >> PAGE_SHIFT, &process->account, payer, &handle.object);
    object_release(payer);
    return status == OK ? kwast_give(process, &handle, args[1]) : status;
}

// What `access` means, if anything.
static enum status rights_of(u64 access, enum page_rights *page_rights, u64 *handle_rights) {
    if ((access & KWAST_READ) == 0 || (access & ~(u64)(KWAST_READ | KWAST_WRITE)) != 0)
        return ERR_INVALID;
    bool is_write = (access & KWAST_WRITE) != 0;
    *page_rights = PAGE_READ | (is_write ? PAGE_WRITE : 0);
    *handle_rights = WASI_RIGHT_FD_READ | (is_write ? WASI_RIGHT_FD_WRITE : 0);
    return OK;
}

// The process's pages that are named, and what it has mapped over them.
static enum status get_range(struct process *process, u64 address, u64 len,
                             struct area_range *range, struct map_set **maps) {
    const struct guest_memory memory = process_memory(process);
    enum status status = area_range_of(&memory, address, len, range);
    return status == OK ? process_maps(process, maps) : status;
}

// (memory, offset, address, len, access)
enum status kwast_memory_map(struct process *process, const u64 *args) {
    enum page_rights page_rights;
    u64 rights;
    struct object *memory;
    struct area_range range;
    struct map_set *maps;
    enum status status = rights_of(args[4], &page_rights, &rights);
    if (status == OK)
        status =
            kwast_object(process, args[0], memory_object_is, rights | KWAST_RIGHT_MAP, &memory);
    if (status != OK)
        return status;
    status = is_aligned(args[1], PAGE_SIZE) ? OK : ERR_INVALID;
    if (status == OK)
        status = get_range(process, args[2], args[3], &range, &maps);
    if (process_is_single(process))
        handle_hints_clear(&process->handles); // it may be a device
    if (status == OK)
        status = map_set_map(maps, memory, args[1] >> PAGE_SHIFT, &range, page_rights);
    object_release(memory);
    return status;
}

// (server, number, index, offset, address, len, access)
enum status kwast_grant_map(struct process *process, const u64 *args) {
    struct object *server;
    struct map_set *maps;
    enum page_rights page_rights;
    u64 ignored;
    struct scheme_map what = {
        .number = args[1],
        .index = (u32)args[2],
        .offset = args[3],
        .access = (enum grant_access)args[6],
    };
    enum status status =
        kwast_object(process, args[0], scheme_is_server, KWAST_RIGHT_SERVE, &server);
    if (status != OK)
        return status;
    status = rights_of(args[6], &page_rights, &ignored);
    if (status == OK)
        status = get_range(process, args[4], args[5], &what.range, &maps);
    if (status == OK)
        status = scheme_map(server, &process->party, &what);
    object_release(server);
    return status == ERR_NOT_FOUND ? ERR_INVALID : status;
}

// (address)
enum status kwast_memory_unmap(struct process *process, const u64 *args) {
    struct map_set *maps;
    struct area_range range;
    enum status status = get_range(process, args[0], PAGE_SIZE, &range, &maps);
    if (status == OK)
        status = map_set_unmap(maps, range.area, range.offset);
    return status == ERR_NOT_FOUND ? ERR_INVALID : status;
}

// -- Waiting --------------------------------------------------------------------------------------

// The word at an offset, and its memory with a reference.
static enum status get_word(struct process *process, const u64 *args, u64 rights,
                            struct object **memory, struct phys_addr *word) {
    u64 offset = args[1];
    enum status status = kwast_object(process, args[0], memory_object_is, rights, memory);
    if (status != OK)
        return status;
    if ((memory_object_rights(*memory) & PAGE_DEVICE) != 0) {
        object_release(*memory);
        return ERR_DENIED; // nobody may look at a register for somebody else
    }
    if (!is_aligned(offset, sizeof(u32)) || offset >> PAGE_SHIFT >= memory_object_pages(*memory)) {
        object_release(*memory);
        return ERR_INVALID;
    }
    struct phys_addr frame = memory_object_frame(*memory, offset >> PAGE_SHIFT);
    *word = (struct phys_addr){frame.value + offset % PAGE_SIZE};
    return OK;
}

// (memory, offset, expected, timeout)
enum status kwast_memory_wait(struct process *process, const u64 *args) {
    struct object *memory;
    struct phys_addr word;
    enum status status = get_word(process, args, WASI_RIGHT_FD_READ, &memory, &word);
    if (status != OK)
        return status;
    status = memory_word_wait(word, (u32)args[2], kwast_deadline(args[3]));
    object_release(memory);
    return status;
}

// (memory, offset, count, out)
enum status kwast_memory_wake(struct process *process, const u64 *args) {
    struct object *memory;
    struct phys_addr word;
    enum status status = get_word(process, args, WASI_RIGHT_FD_WRITE, &memory, &word);
    if (status != OK)
        return status;
    u32 count;
    status = kwast_check(process, args[3], sizeof count);
    if (status == OK)
        count = memory_word_wake(word, (u32)args[2]);
    object_release(memory);
    return status == OK ? kwast_put(process, args[3], &count, sizeof count) : status;
}
