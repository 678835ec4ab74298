// Programs: what is the same for all processes that run a module, made when the first one is.
//
// Invariant: is_linked is set once, last of all; what it vouches for does not change afterwards, so
// reading it takes no lock.

#include "kernel/proc/program.h"

#include "base/assert.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_internal.h"

void programs_init(void) {
    store_pool_init();
}

// -- Life ---------------------------------------------------------------------------------------

static void free_program(struct program *program) {
    if (program->imports != NULL)
        kfree(program->imports, program->import_count * sizeof *program->imports);
    image_release(program->image);
    kfree(program, sizeof *program);
}

void host_module_end(void *data) {
    free_program(data);
}

struct program *program_of(struct module *module) {
    struct program *program = module_host_data(module);
    if (program != NULL)
        return program;
    program = kmalloc(sizeof *program);
    if (program == NULL)
        return NULL;
    mutex_init(&program->lock);
    struct program *there = module_host_data_set(module, program);
    if (there != program)
        free_program(program); // another was faster
    return there;
}

void program_set_cached(struct module *module, bool is_cached) {
    struct program *program = module_host_data(module);
    ASSERT(program != NULL);
    // Before stores are dropped, for store_pool_put.
    __atomic_store_n(&program->is_cached, is_cached, __ATOMIC_SEQ_CST);
    if (!is_cached)
        store_pool_drop(module);
}

// -- Linking ------------------------------------------------------------------------------------

static u64 pages_of(const struct image_piece *piece) {
    u64 last = piece->offset + piece->bytes.len - 1;
    return (last >> PAGE_SHIFT) - (piece->offset >> PAGE_SHIFT) + 1;
}

// Makes the image of the module's memory; NULL when it has none, or starts as zeros.
static enum status make_image(const struct module *module, struct image **out) {
    *out = NULL;
    if (!module_has_image(module))
        return OK;
    u64 pages = 0;
    struct image_piece piece;
    for (u32 cursor = 0; module_image_next(module, &cursor, &piece);)
        pages += pages_of(&piece);
    if (pages == 0)
        return OK;
    struct image *image;
    enum status status = image_create(pages, &image);
    if (status != OK)
        return status;
    for (u32 cursor = 0; status == OK && module_image_next(module, &cursor, &piece);)
        status = image_write(image, piece.offset, piece.bytes);
    if (status != OK)
        image_release(image);
    else
        *out = image;
    return status;
}

static u64 held_bytes(const struct module *module, const struct program *program) {
    struct module_stats stats;
    module_stats(module, &stats);
    u64 bytes = stats.held_bytes + sizeof *program;
    bytes += program->import_count * sizeof *program->imports;
    return program->image == NULL ? bytes : bytes + image_bytes(program->image);
}

static enum status link_locked(struct program *program, struct module *module,
                               struct module_error *error) {
    struct extern_ref *imports;
    enum status status = imports_resolve(module, error, &imports);
    if (status != OK)
        return status;
    u32 count = module_import_count(module);
    status = make_image(module, &program->image);
    if (status != OK) {
        kfree(imports, count * sizeof *imports);
        return status;
    }
    program->imports = imports;
    program->import_count = count;
    for (u32 i = 0; i < count; i++)
        program->imports_memory |= imports[i].kind == EXTERN_MEMORY;
    program->held_bytes = held_bytes(module, program);
    __atomic_store_n(&program->is_linked, true, __ATOMIC_RELEASE); // pairs with program_link
    return OK;
}

enum status program_link(struct module *module, struct module_error *error, struct program **out) {
    struct program *program = program_of(module);
    if (program == NULL)
        return ERR_NO_MEMORY;
    *out = program;
    if (__atomic_load_n(&program->is_linked, __ATOMIC_ACQUIRE))
        return OK;
    mutex_lock(&program->lock);
    enum status status = program->is_linked ? OK : link_locked(program, module, error);
    mutex_unlock(&program->lock);
    return status;
}
