// The parts of an instance, one behind the other. Invariant: the parts are in the order of struct
// instance_layout, do not overlap, and are aligned to 8 (the cells and references to 16).

#include "engine/decode/layout.h"

#include "base/math.h"

static u32 place_part(u64 *end, u64 count, u32 size, u32 alignment) {
    u64 start = align_up(*end, alignment);
    *end = start + count * size; // counts are below 2^32: no overflow before the check at the end
    return (u32)start;
}

enum status layout_compute(const struct module_decl *decl, struct instance_layout *out) {
    struct instance_layout layout = {};
    u64 end = INSTANCE_HEAD_BYTES;
    layout.memories = place_part(&end, decl->memory_count, 8, 8);
    layout.tables = place_part(&end, decl->table_count, 8, 8);
    layout.tags = place_part(&end, decl->tag_count, 8, 8);
    layout.imports = place_part(&end, decl->func_import_count, 8, 8);
    layout.global_ptrs = place_part(&end, decl->global_count, 8, 8);
    layout.global_cells = place_part(&end, decl->global_count - decl->global_import_count, 16, 16);
    layout.func_refs = place_part(&end, decl->func_ref_count, FUNC_REF_BYTES, 16);
    if (end >= 2 * GIB)
        return ERR_LIMIT;
    layout.size = (u32)end;
    *out = layout;
    return OK;
}
