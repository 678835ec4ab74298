#pragma once
// Where the parts of an instance lie, computed from its module: generated code and the run-time
// system both ask here. All offsets are from the start of struct instance, in bytes.

#include "engine/decode/module.h"

struct instance_layout {
    u32 memories;     // struct memory *[memory_count]: all of them, memory 0 too
    u32 tables;       // struct table *[table_count]
    u32 tags;         // struct tag *[tag_count]
    u32 imports;      // struct func_ref *[func_import_count]
    u32 global_ptrs;  // u64 *[global_count]: where each global's cell is
    u32 global_cells; // 16 bytes for each own global
    u32 func_refs;    // struct func_ref[func_ref_count], by ref_index
    u32 size;
};

// ERR_LIMIT when an instance would be 2 GiB or more.
MUST_USE enum status layout_compute(const struct module_decl *decl, struct instance_layout *out);

static inline u32 layout_memory(const struct instance_layout *layout, u32 memory) {
    return layout->memories + 8 * memory;
}

static inline u32 layout_tag(const struct instance_layout *layout, u32 tag) {
    return layout->tags + 8 * tag;
}

static inline u32 layout_table(const struct instance_layout *layout, u32 table) {
    return layout->tables + 8 * table;
}

static inline u32 layout_import(const struct instance_layout *layout, u32 func) {
    return layout->imports + 8 * func;
}

static inline u32 layout_global_ptr(const struct instance_layout *layout, u32 global) {
    return layout->global_ptrs + 8 * global;
}

// The cell of an own global: `own` is its index less global_import_count.
static inline u32 layout_global_cell(const struct instance_layout *layout, u32 own) {
    return layout->global_cells + 16 * own;
}

static inline u32 layout_func_ref(const struct instance_layout *layout, u32 ref_index) {
    return layout->func_refs + FUNC_REF_BYTES * ref_index;
}
