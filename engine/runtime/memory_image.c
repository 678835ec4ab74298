// The initial image of a module's memory: what its active data segments write, where that is the
// same for every instance.

#include "base/math.h"
#include "engine/runtime/runtime.h"

// Whether the image is what these segments write in whatever order, because they are apart.
static bool segments_are_apart(const struct module_decl *decl) {
    u64 bytes = decl->memories[0].limits.min * WASM_PAGE_BYTES;
    u64 end = 0;
    for (u32 i = 0; i < decl->data_count; i++) {
        const struct data_segment *data = &decl->datas[i];
        if (data->mode != SEGMENT_ACTIVE)
            continue;
        if (data->memory != 0 || data->offset.kind != CONST_VALUE || data->offset.value < end ||
            !range_fits(data->offset.value, data->bytes.len, bytes))
            return false;
        end = data->offset.value + data->bytes.len;
    }
    return true;
}

bool module_find_image(const struct module *module) {
    const struct module_decl *decl = module->decl;
    bool is_own = decl->memory_count != 0 && decl->memory_import_count == 0;
    return is_own && decl->memories[0].limits.min <= MEMORY_MAX_PAGES && segments_are_apart(decl);
}

bool module_has_image(const struct module *module) {
    return module->has_image;
}

bool module_image_next(const struct module *module, u32 *cursor, struct image_piece *out) {
    const struct module_decl *decl = module->decl;
    ASSERT(module->has_image);
    while (*cursor < decl->data_count) {
        const struct data_segment *data = &decl->datas[(*cursor)++];
        if (data->mode != SEGMENT_ACTIVE || data->bytes.len == 0)
            continue;
        *out = (struct image_piece){data->offset.value, data->bytes};
        return true;
    }
    return false;
}

void *module_host_data(const struct module *module) {
    return __atomic_load_n(&module->host_data, __ATOMIC_ACQUIRE); // pairs with the exchange below
}

void *module_host_data_set(struct module *module, void *data) {
    void *before = NULL;
    bool is_first = __atomic_compare_exchange_n(&module->host_data, &before, data, false,
                                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return is_first ? data : before;
}
