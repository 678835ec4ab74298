#pragma once
// Shared by the files of the module decoder; not for others.

#include "engine/decode/arena.h"
#include "engine/decode/module.h"
#include "engine/decode/reader.h"
#include "engine/decode/refuse.h"

// A module being decoded. `reader` is over the current section's content.
struct decoder {
    struct module_decl *decl;
    struct reader reader;
    u32 declared_func_count; // from the function section; bodies must be as many
    u32 code_count;
    u32 data_count; // from the data count section
    u32 func;       // whose body is being read, or NO_FUNC; for messages
    struct bytes name_section;
};

// Memory in the module's arena; on NULL the reader has failed.
void *decoder_alloc(struct decoder *d, u64 count, usize size);

// A copy of `count` elements of `size` bytes at the front of room for `count + more`.
void *decoder_extend(struct decoder *d, const void *from, u32 count, u32 more, usize size);

// imports.c
void decode_imports(struct decoder *d);

// sections.c
u32 read_type_index(struct decoder *d);
struct table_type read_table_type(struct decoder *d);
struct memory_type read_memory_type(struct decoder *d);
struct tag_decl read_tag_type(struct decoder *d);
struct global_type read_global_type(struct decoder *d);
void check_table_count(struct decoder *d, const u8 *where, u64 count);
void check_memory_count(struct decoder *d, const u8 *where, u64 count);
void decode_types(struct decoder *d);
void decode_functions(struct decoder *d);
void decode_tables(struct decoder *d);
void decode_memories(struct decoder *d);
void decode_tags(struct decoder *d);
void decode_globals(struct decoder *d);
void decode_exports(struct decoder *d);
void decode_start(struct decoder *d);

// segments.c
void decode_elems(struct decoder *d);
void decode_data_count(struct decoder *d);
void decode_code(struct decoder *d);
void decode_datas(struct decoder *d);

// const_expr.c
void decode_const_expr(struct decoder *d, enum value_type want, struct const_expr *out);

// Notes that `func` is used as a value: it gets a reference in each instance.
void decoder_declare_ref(struct decoder *d, u32 func);

// names.c: reads what is usable; never fails a module, except for want of memory.
void decode_names(struct decoder *d);

// unique.c: fails the reader when two exports have one name.
void check_export_names(struct decoder *d);
