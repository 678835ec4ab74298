#pragma once
// The code of a module in the making: what was compiled so far, function by function.
//
// It lies in chunks, so that it is never copied to make it grow, and goes from there into code
// memory chunk by chunk, so that it is never there twice.

#include "engine/runtime/code.h"
#include "engine/x64/code.h"

struct arena;

// Elements of one kind, growing by doubling.
struct image_list {
    void *items;
    u32 count;
    u32 capacity;
};

struct code_image {
    u32 bytes;      // of the code so far, a multiple of 16
    u32 func_count; // that were added
    u32 func_capacity;
    struct code_func *funcs;
    struct arena *arena; // their sites
    struct code_chunk *first;
    struct code_chunk *last;

    // Offsets count from the start of the code, numbers from the first in the image.
    struct image_list calls;   // struct code_call, of functions that had not been added; sorted
    struct image_list guards;  // struct code_guard, sorted
    struct image_list tries;   // struct code_try
    struct image_list catches; // struct code_catch

    struct image_list pack; // bytes, where sites are packed
};

// Room for `func_count` functions, at least one. In any case image_fini frees what was taken.
MUST_USE enum status image_init(struct code_image *image, u32 func_count);
void image_fini(struct code_image *image);

// Appends the function in `unit`, which has no failure. `first_func` is the number in the module of
// the first function in the image: what calls count from.
MUST_USE enum status image_add(struct code_image *image, const struct code_unit *unit,
                               u32 first_func);

// Publishes the code and enters it into the registry. All functions that are called have been
// added. The image is empty afterwards, whether that succeeds or not.
MUST_USE enum status image_publish(struct code_image *image, struct engine *engine,
                                   struct code_object **out);
