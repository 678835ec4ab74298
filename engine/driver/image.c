// Collecting a module's functions, and publishing them.
//
// A call of a function that was added before is resolved at once. The others are resolved when the
// chunk they lie in is written: they were collected in the order of the code.
//
// Invariants: a function lies in one chunk; chunks follow each other without gaps in the offsets;
// the length of each, filled up with int3, is a multiple of FUNC_ALIGN. Chunks double in size up to
// CHUNK_MAX, so that a small module takes little.

#include "engine/driver/image.h"

#include "base/assert.h"
#include "base/math.h"
#include "engine/api/host.h"
#include "engine/decode/arena.h"
#include "engine/driver/driver_internal.h"

#define FUNC_ALIGN      16u
#define INT3            0xcc
#define CHUNK_MIN       1024u
#define CHUNK_MAX       (256u * 1024)
#define IMAGE_BYTES_MAX (1u << 30) // every distance fits a rel32
#define LIST_MIN        64u

struct code_chunk {
    struct code_chunk *next;
    u32 start; // offset of its first byte in the code
    u32 len;
    u32 capacity;
    ALIGNED(16) u8 bytes[];
};

// -- Lists --------------------------------------------------------------------------------------

static void list_fini(struct image_list *list, usize size) {
    host_free(list->items, list->capacity * size);
    *list = (struct image_list){0};
}

// Makes room for `more` elements of `size` bytes.
static enum status list_reserve(struct image_list *list, u32 more, usize size) {
    u64 need = (u64)list->count + more;
    if (need <= list->capacity)
        return OK;
    u64 wanted = max_u64(max_u64(need, 2ull * list->capacity), LIST_MIN);
    if (wanted > UINT32_MAX)
        return ERR_LIMIT;
    void *items = host_alloc(wanted * size);
    if (items == NULL)
        return ERR_NO_MEMORY;
    if (list->count != 0)
        memcpy(items, list->items, list->count * size);
    host_free(list->items, list->capacity * size);
    list->items = items;
    list->capacity = (u32)wanted;
    return OK;
}

// -- The image ----------------------------------------------------------------------------------

enum status image_init(struct code_image *image, u32 func_count) {
    ASSERT(func_count != 0);
    *image = (struct code_image){.func_capacity = func_count};
    image->funcs = host_alloc(func_count * sizeof *image->funcs);
    image->arena = arena_create();
    return image->funcs == NULL || image->arena == NULL ? ERR_NO_MEMORY : OK;
}

static void chunk_drop(struct code_image *image) {
    struct code_chunk *chunk = image->first;
    image->first = chunk->next;
    host_free(chunk, sizeof *chunk + chunk->capacity);
}

void image_fini(struct code_image *image) {
    while (image->first != NULL)
        chunk_drop(image);
    host_free(image->funcs, image->func_capacity * sizeof *image->funcs);
    arena_destroy(image->arena);
    list_fini(&image->calls, sizeof(struct code_call));
    list_fini(&image->guards, sizeof(struct code_guard));
    list_fini(&image->tries, sizeof(struct code_try));
    list_fini(&image->catches, sizeof(struct code_catch));
    list_fini(&image->pack, 1);
    *image = (struct code_image){0};
}

// -- Adding -------------------------------------------------------------------------------------

static struct code_chunk *chunk_create(struct code_image *image, u32 bytes) {
    u64 wanted = image->first == NULL ? CHUNK_MIN : 2ull * image->last->capacity;
    u32 capacity = (u32)max_u64(bytes, min_u64(wanted, CHUNK_MAX));
    struct code_chunk *chunk = host_alloc(sizeof *chunk + capacity);
    if (chunk == NULL)
        return NULL;
    chunk->start = image->bytes;
    chunk->capacity = capacity;
    if (image->first == NULL)
        image->first = chunk;
    else
        image->last->next = chunk;
    image->last = chunk;
    return chunk;
}

static enum status add_code(struct code_image *image, const struct assembler *code) {
    u32 bytes = (u32)align_up(code->len, FUNC_ALIGN);
    if (bytes > IMAGE_BYTES_MAX - image->bytes)
        return ERR_LIMIT;
    struct code_chunk *chunk = image->last;
    if (image->first == NULL || bytes > chunk->capacity - chunk->len)
        chunk = chunk_create(image, bytes);
    if (chunk == NULL)
        return ERR_NO_MEMORY;
    memcpy(chunk->bytes + chunk->len, code->code, code->len);
    memset(chunk->bytes + chunk->len + code->len, INT3, bytes - code->len);
    chunk->len += bytes;
    image->bytes += bytes;
    return OK;
}

static enum status add_sites(struct code_image *image, const struct code_unit *unit,
                             struct code_func *func) {
    if (unit->site_count > UINT32_MAX / SITE_PACKED_MAX)
        return ERR_LIMIT;
    enum status status = list_reserve(&image->pack, unit->site_count * SITE_PACKED_MAX, 1);
    if (status != OK)
        return status;
    usize bytes = sites_pack(unit->sites, unit->site_count, image->pack.items);
    u8 *sites = arena_alloc(image->arena, bytes, 1);
    if (sites == NULL)
        return ERR_NO_MEMORY;
    if (bytes != 0)
        memcpy(sites, image->pack.items, bytes);
    func->sites = sites;
    func->site_bytes = (u32)bytes;
    return OK;
}

// Makes the rel32 at `code_offset`, which lies in `chunk`, reach a function.
static void resolve(struct code_chunk *chunk, u32 code_offset, const struct code_func *func) {
    CHECK(range_fits(code_offset - chunk->start, 4, chunk->len));
    u32 distance = func->entry - (code_offset + 4);
    memcpy(chunk->bytes + (code_offset - chunk->start), &distance, sizeof distance);
}

static enum status add_calls(struct code_image *image, const struct code_unit *unit, u32 entry,
                             u32 first_func) {
    enum status status = list_reserve(&image->calls, unit->call_count, sizeof(struct code_call));
    if (status != OK)
        return status;
    struct code_call *later = image->calls.items;
    for (u32 i = 0; i < unit->call_count; i++) {
        struct code_call call = unit->calls[i];
        CHECK(call.func >= first_func && call.func - first_func < image->func_capacity);
        call.code_offset += entry;
        call.func -= first_func;
        if (call.func < image->func_count)
            resolve(image->last, call.code_offset, &image->funcs[call.func]);
        else
            later[image->calls.count++] = call;
    }
    return OK;
}

// A number that counts from the function's first, or `none`.
static u32 renumber(u32 number, u32 none, u32 first) {
    return number == none ? none : number + first;
}

static enum status add_tries(struct code_image *image, const struct code_unit *unit, u32 entry) {
    enum status status = list_reserve(&image->guards, unit->guard_count, sizeof *unit->guards);
    if (status == OK)
        status = list_reserve(&image->tries, unit->try_count, sizeof *unit->tries);
    if (status == OK)
        status = list_reserve(&image->catches, unit->catch_count, sizeof *unit->catches);
    if (status != OK)
        return status;
    u32 first_try = image->tries.count;
    u32 first_catch = image->catches.count;
    for (u32 i = 0; i < unit->guard_count; i++) {
        struct code_guard guard = unit->guards[i];
        guard.code_offset += entry;
        guard.innermost += first_try;
        ((struct code_guard *)image->guards.items)[image->guards.count++] = guard;
    }
    for (u32 i = 0; i < unit->try_count; i++) {
        struct code_try try = unit->tries[i];
        try.outer = renumber(try.outer, NO_TRY, first_try);
        try.first_catch = renumber(try.first_catch, NO_CATCH, first_catch);
        try.last_catch = renumber(try.last_catch, NO_CATCH, first_catch);
        ((struct code_try *)image->tries.items)[image->tries.count++] = try;
    }
    for (u32 i = 0; i < unit->catch_count; i++) {
        struct code_catch catch = unit->catches[i];
        catch.next = renumber(catch.next, NO_CATCH, first_catch);
        catch.landing += entry;
        ((struct code_catch *)image->catches.items)[image->catches.count++] = catch;
    }
    return OK;
}

enum status image_add(struct code_image *image, const struct code_unit *unit, u32 first_func) {
    ASSERT(unit->code.status == OK);
    ASSERT(unit->code.len != 0);
    CHECK(image->func_count < image->func_capacity);
    struct code_func *func = &image->funcs[image->func_count++];
    func->entry = image->bytes;
    enum status status = add_code(image, &unit->code);
    if (status == OK)
        status = add_sites(image, unit, func);
    if (status == OK)
        status = add_calls(image, unit, func->entry, first_func);
    if (status == OK && unit->try_count != 0)
        status = add_tries(image, unit, func->entry);
    return status;
}

// -- Publishing ---------------------------------------------------------------------------------

// Writes the code to `address`, giving back each chunk that is written.
static enum status write_chunks(struct code_image *image, u64 address) {
    const struct code_call *calls = image->calls.items;
    u32 next_call = 0;
    while (image->first != NULL) {
        struct code_chunk *chunk = image->first;
        u32 end = chunk->start + chunk->len;
        for (; next_call < image->calls.count && calls[next_call].code_offset < end; next_call++) {
            const struct code_call *call = &calls[next_call];
            CHECK(call->func < image->func_count);
            resolve(chunk, call->code_offset, &image->funcs[call->func]);
        }
        enum status status = host_code_write(address + chunk->start, chunk->bytes, chunk->len);
        if (status != OK)
            return status;
        chunk_drop(image);
    }
    ASSERT(next_call == image->calls.count);
    return OK;
}

static enum status publish_bytes(struct code_image *image, u64 *address_out) {
    u64 address;
    enum status status = host_code_reserve(image->bytes, &address);
    if (status != OK)
        return status;
    status = write_chunks(image, address);
    if (status == OK)
        status = host_code_publish(address, image->bytes);
    if (status != OK) {
        host_code_release(address, image->bytes);
        return status;
    }
    *address_out = address;
    return OK;
}

// A list as long as it is, in the arena. NULL when out of memory.
static void *list_keep(struct code_image *image, const struct image_list *list, usize size) {
    void *items = arena_alloc(image->arena, list->count, size);
    if (items != NULL && list->count != 0)
        memcpy(items, list->items, list->count * size);
    return items;
}

// False when out of memory.
static bool keep_tries(struct code_image *image, struct code_object *object) {
    object->guard_count = image->guards.count;
    object->try_count = image->tries.count;
    object->catch_count = image->catches.count;
    object->guards = list_keep(image, &image->guards, sizeof *object->guards);
    object->tries = list_keep(image, &image->tries, sizeof *object->tries);
    object->catches = list_keep(image, &image->catches, sizeof *object->catches);
    return object->guards != NULL && object->tries != NULL && object->catches != NULL;
}

// Everything but registry and code.
static void object_free(struct code_object *object) {
    if (object == NULL)
        return;
    host_free(object->funcs, object->func_count * sizeof *object->funcs);
    arena_destroy(object->arena);
    host_free(object, sizeof *object);
}

enum status image_publish(struct code_image *image, struct engine *engine,
                          struct code_object **out) {
    ASSERT(image->func_count == image->func_capacity);
    struct code_object *object = host_alloc(sizeof *object);
    enum status status = ERR_NO_MEMORY;
    if (object == NULL || !keep_tries(image, object))
        goto fail;
    object->bytes = image->bytes;
    status = publish_bytes(image, &object->address);
    if (status != OK)
        goto fail;

    object->func_count = image->func_count;
    object->funcs = image->funcs;
    object->arena = image->arena;
    image->funcs = NULL;
    image->arena = NULL;
    status = code_registry_add(&engine->codes, object);
    if (status != OK)
        goto fail_add;
    *out = object;
    image_fini(image);
    return OK;

fail_add:
    host_code_release(object->address, object->bytes);
fail:
    object_free(object);
    image_fini(image);
    return status;
}

void code_unpublish(struct engine *engine, struct code_object *object) {
    if (object == NULL)
        return;
    code_registry_remove(&engine->codes, object);
    host_code_release(object->address, object->bytes);
    object_free(object);
}
