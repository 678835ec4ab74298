// Slab caches: objects of one size carved out of frame blocks of ZONE_KERNEL.
//
// A slab is a block of 2^order frames with a header at its start, so an object's slab is found by
// rounding its address. Which objects are taken is a bitmap in the header, not a list through the
// objects: whoever writes to a freed object harms nobody's bookkeeping, and a double free is found
// at once.
//
// Each CPU keeps some free objects of a cache at hand in a magazine, so that allocating and freeing
// takes no lock that others want; one that is empty or full exchanges half of what it holds with
// the slabs. For the slabs these objects are taken; a second bitmap says which of them are in a
// magazine.
//
// Invariants, checked by slab_check:
//   1. a slab's `used` is the number of bits in its bitmap, and no bit is beyond its capacity;
//   2. a slab is on `partial` when it has a free object, on no list when it is full;
//   3. at most one slab of a cache is empty; more are given back;
//   4. what is marked as being in a magazine is taken.
//
// Locks: magazine.lock (LOCK_SLAB_MAGAZINE), then cache.lock (LOCK_SLAB) for the slabs; frames are
// taken and given back under it.

#include "base/assert.h"
#include "base/list.h"
#include "base/math.h"
#include "base/sanitize.h"
#include "base/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap_internal.h"
#include "kernel/sync/spinlock.h"

#define SLAB_OBJECTS_MAX 256u
#define SLAB_OBJECTS_MIN                                                                           \
    7u // with fewer, a larger block is used; a power of two loses one to the header
#define SLAB_ORDER_MAX   3u
#define SLAB_MAGIC       0x6b77736cu

#define MAGAZINE_OBJECTS 8u
#define BATCH_OBJECTS    (MAGAZINE_OBJECTS / 2)

struct magazine {
    struct spinlock lock;

    // Under lock:
    u32 count;
    void *objects[MAGAZINE_OBJECTS];
};

struct slab_cache {
    struct spinlock lock;

    // Fixed:
    const char *name;
    u32 object_bytes;
    u32 order;
    u32 capacity;    // objects per slab
    u32 first_bytes; // offset of the first object

    // Under lock:
    struct list partial;
    u32 slab_count;
    u32 empty_count;
    u64 object_count; // with those in magazines

    struct magazine magazines[ARCH_CPUS_MAX];
};

struct slab {
    u32 magic;
    u32 used;
    struct slab_cache *cache;
    struct list link;
    u64 taken[SLAB_OBJECTS_MAX / 64]; // atomic for `keep`, which looks without the lock
    u64 kept[SLAB_OBJECTS_MAX / 64];  // atomic: in a magazine
};

STATIC_ASSERT(sizeof(struct slab) % 16 == 0, "objects behind it are aligned");

static struct slab_cache cache_cache; // where the other caches come from
static u64 total_frames;              // atomic

static bool cache_layout(struct slab_cache *cache, const char *name, usize size) {
    ASSERT(size != 0);
    if (size > PAGE_SIZE << SLAB_ORDER_MAX)
        return false;

    *cache = (struct slab_cache){.name = name, .object_bytes = (u32)align_up(size, 8)};
    cache->first_bytes = sizeof(struct slab);
    for (cache->order = 0; cache->order <= SLAB_ORDER_MAX; cache->order++) {
        u64 room = (PAGE_SIZE << cache->order) - cache->first_bytes;
        cache->capacity = (u32)min_u64(room / cache->object_bytes, SLAB_OBJECTS_MAX);
        if (cache->capacity >= SLAB_OBJECTS_MIN || cache->order == SLAB_ORDER_MAX)
            break;
    }
    if (cache->capacity == 0)
        return false;
    spin_init(&cache->lock, LOCK_SLAB, name);
    list_init(&cache->partial);
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++)
        spin_init(&cache->magazines[cpu].lock, LOCK_SLAB_MAGAZINE, name);
    return true;
}

void slab_init(void) {
    total_frames = 0;
    CHECK(cache_layout(&cache_cache, "slab_cache", sizeof(struct slab_cache)));
}

u64 slab_frames(void) {
    return __atomic_load_n(&total_frames, __ATOMIC_RELAXED); // a figure for people
}

// -- Slabs -------------------------------------------------------------------------------------

// Blocks are aligned where they are mapped, too.
static struct slab *slab_of(const void *object, u32 order) {
    return (struct slab *)align_down((uptr)object, PAGE_SIZE << order);
}

static u8 *object_at(const struct slab *slab, u32 index) {
    const struct slab_cache *cache = slab->cache;
    return (u8 *)slab + cache->first_bytes + (usize)index * cache->object_bytes;
}

static bool slab_add_locked(struct slab_cache *cache) {
    struct phys_addr frame;
    if (frame_alloc(ZONE_KERNEL, cache->order, &frame) != OK)
        return false;

    struct slab *slab = arch_frame_pointer(frame);
    *slab = (struct slab){.magic = SLAB_MAGIC, .cache = cache};
    list_init(&slab->link);
    memory_forbid(object_at(slab, 0), (usize)cache->capacity * cache->object_bytes);
    list_push_front(&cache->partial, &slab->link);
    cache->slab_count++;
    cache->empty_count++;
    __atomic_fetch_add(&total_frames, 1u << cache->order, __ATOMIC_RELAXED);
    return true;
}

static void slab_return_locked(struct slab_cache *cache, struct slab *slab) {
    ASSERT(slab->used == 0);
    list_remove(&slab->link);
    slab->magic = 0;
    cache->slab_count--;
    cache->empty_count--;
    memory_allow(object_at(slab, 0), (usize)cache->capacity * cache->object_bytes);
    frame_free(arch_frame_of(slab), cache->order);
    __atomic_fetch_sub(&total_frames, 1u << cache->order, __ATOMIC_RELAXED);
}

static u32 first_free(const struct slab *slab) {
    for (u32 word = 0; word < COUNT_OF(slab->taken); word++) {
        if (slab->taken[word] != UINT64_MAX)
            return word * 64 + (u32)__builtin_ctzll(~slab->taken[word]);
    }
    UNREACHABLE(); // a slab on the partial list has room
}

// -- Caches ------------------------------------------------------------------------------------

struct slab_cache *slab_cache_create(const char *name, usize size) {
    struct slab_cache *cache = slab_alloc(&cache_cache);
    if (cache == NULL)
        return NULL;
    if (!cache_layout(cache, name, size)) {
        slab_free(&cache_cache, cache);
        return NULL;
    }
    return cache;
}

void slab_cache_destroy(struct slab_cache *cache) {
    slab_drain(cache);
    spin_lock(&cache->lock);
    CHECK(cache->object_count == 0);
    while (!list_is_empty(&cache->partial))
        slab_return_locked(cache, container_of(cache->partial.next, struct slab, link));
    ASSERT(cache->slab_count == 0);
    spin_unlock(&cache->lock);
    slab_free(&cache_cache, cache);
}

static void *take_locked(struct slab_cache *cache) {
    if (list_is_empty(&cache->partial) && !slab_add_locked(cache))
        return NULL;
    struct slab *slab = container_of(cache->partial.next, struct slab, link);
    u32 index = first_free(slab);
    ASSERT(index < cache->capacity);
    __atomic_fetch_or(&slab->taken[index / 64], 1ull << (index % 64), __ATOMIC_RELAXED);
    cache->empty_count -= slab->used == 0;
    cache->object_count++;
    if (++slab->used == cache->capacity)
        list_remove(&slab->link);
    return object_at(slab, index);
}

// Finds the slab of an object that is allocated from this cache, and its place there.
static struct slab *slab_find(const struct slab_cache *cache, const void *object, u32 *index) {
    struct slab *slab = slab_of(object, cache->order);
    CHECK(slab->magic == SLAB_MAGIC);
    CHECK(slab->cache == cache);
    // Within a block, or so large that it is no place of an object.
    u32 offset = (u32)((const u8 *)object - object_at(slab, 0));
    *index = offset / cache->object_bytes;
    CHECK(*index * cache->object_bytes == offset);
    CHECK(*index < cache->capacity);
    return slab;
}

static void give_locked(struct slab_cache *cache, void *object) {
    u32 index;
    struct slab *slab = slab_find(cache, object, &index);
    u64 bit = 1ull << (index % 64);
    CHECK((slab->taken[index / 64] & bit) != 0);
    __atomic_fetch_and(&slab->taken[index / 64], ~bit, __ATOMIC_RELAXED);
    cache->object_count--;
    if (slab->used-- == cache->capacity)
        list_push_back(&cache->partial, &slab->link);
    if (slab->used == 0 && ++cache->empty_count > 1)
        slab_return_locked(cache, slab);
}

// -- Magazines ---------------------------------------------------------------------------------

// Marks an object that goes into a magazine or comes out. Relaxed: the mark orders nothing. Being
// marked already is a double free; and so is not being taken, as far as the owner can see it.
static void keep(struct slab *slab, u32 index) {
    u64 bit = 1ull << (index % 64);
    CHECK((__atomic_load_n(&slab->taken[index / 64], __ATOMIC_RELAXED) & bit) != 0);
    CHECK((__atomic_fetch_or(&slab->kept[index / 64], bit, __ATOMIC_RELAXED) & bit) == 0);
}

static void unkeep(struct slab_cache *cache, void *object) {
    u32 index;
    struct slab *slab = slab_find(cache, object, &index);
    u64 bit = 1ull << (index % 64);
    CHECK((__atomic_fetch_and(&slab->kept[index / 64], ~bit, __ATOMIC_RELAXED) & bit) != 0);
}

// Seldom called, as empty_locked is: not inline, so that their callers save fewer registers.
[[gnu::noinline]] static void fill_locked(struct slab_cache *cache, struct magazine *magazine) {
    spin_lock(&cache->lock);
    while (magazine->count < BATCH_OBJECTS) {
        void *object = take_locked(cache);
        if (object == NULL)
            break;
        u32 index;
        struct slab *slab = slab_find(cache, object, &index);
        keep(slab, index);
        magazine->objects[magazine->count++] = object;
    }
    spin_unlock(&cache->lock);
}

// Gives the `count` objects that have been there longest back.
[[gnu::noinline]] static void empty_locked(struct slab_cache *cache, struct magazine *magazine,
                                           u32 count) {
    spin_lock(&cache->lock);
    for (u32 i = 0; i < count; i++) {
        unkeep(cache, magazine->objects[i]);
        give_locked(cache, magazine->objects[i]);
    }
    spin_unlock(&cache->lock);
    magazine->count -= count;
    memmove(magazine->objects, magazine->objects + count,
            magazine->count * sizeof *magazine->objects);
}

void slab_drain(struct slab_cache *cache) {
    for (u32 cpu = 0; cpu < ARCH_CPUS_MAX; cpu++) {
        struct magazine *magazine = &cache->magazines[cpu];
        spin_lock(&magazine->lock);
        if (magazine->count != 0)
            empty_locked(cache, magazine, magazine->count);
        spin_unlock(&magazine->lock);
    }
}

void slab_trim(struct slab_cache *cache) {
    slab_drain(cache);
    spin_lock(&cache->lock);
    LIST_FOR_EACH(node, &cache->partial) {
        struct slab *slab = container_of(node, struct slab, link);
        if (slab->used == 0)
            slab_return_locked(cache, slab);
    }
    spin_unlock(&cache->lock);
}

static void *magazine_take(struct slab_cache *cache) {
    arch_irq_state irq = arch_irq_save(); // stays on this CPU
    struct magazine *magazine = &cache->magazines[arch_cpu_id()];
    spin_lock_masked(&magazine->lock);
    if (magazine->count == 0)
        fill_locked(cache, magazine);
    void *object = magazine->count == 0 ? NULL : magazine->objects[--magazine->count];
    spin_unlock_masked(&magazine->lock);
    arch_irq_restore(irq);
    return object;
}

void *slab_alloc(struct slab_cache *cache) {
    return slab_alloc_part(cache, cache->object_bytes);
}

void *slab_alloc_part(struct slab_cache *cache, usize bytes) {
    void *object = magazine_take(cache);
    if (object == NULL) {
        slab_drain(cache); // others may have some
        object = magazine_take(cache);
    }
    if (object == NULL)
        return NULL;
    unkeep(cache, object);
    memory_allow(object, cache->object_bytes);
    memset(object, 0, bytes);
    return object;
}

void slab_free(struct slab_cache *cache, void *object) {
    if (object == NULL)
        return;
    u32 index;
    struct slab *slab = slab_find(cache, object, &index);
    memory_allow(object, cache->object_bytes); // kmalloc has forbidden what nobody asked for
#ifndef NDEBUG
    memset(object, HEAP_JUNK, cache->object_bytes);
#endif
    memory_forbid(object, cache->object_bytes);
    keep(slab, index);
    arch_irq_state irq = arch_irq_save();
    struct magazine *magazine = &cache->magazines[arch_cpu_id()];
    spin_lock_masked(&magazine->lock);
    if (magazine->count == MAGAZINE_OBJECTS)
        empty_locked(cache, magazine, BATCH_OBJECTS);
    magazine->objects[magazine->count++] = object;
    spin_unlock_masked(&magazine->lock);
    arch_irq_restore(irq);
}

void slab_check(const struct slab_cache *const_cache) {
    struct slab_cache *cache = (struct slab_cache *)const_cache; // its lock changes
    u32 empty = 0;

    slab_drain(cache);
    spin_lock(&cache->lock);
    LIST_FOR_EACH(node, &cache->partial) {
        const struct slab *slab = container_of(node, struct slab, link);
        u32 used = 0;
        ASSERT(slab->magic == SLAB_MAGIC);
        ASSERT(slab->cache == cache);
        for (u32 i = 0; i < SLAB_OBJECTS_MAX; i++) {
            bool taken = (slab->taken[i / 64] >> (i % 64) & 1) != 0;
            ASSERT(!taken || i < cache->capacity);
            used += taken;
            u64 kept = __atomic_load_n(&slab->kept[i / 64], __ATOMIC_RELAXED);
            ASSERT(taken || (kept >> (i % 64) & 1) == 0);
        }
        ASSERT(used == slab->used);
        ASSERT(used < cache->capacity);
        empty += used == 0;
    }
    ASSERT(empty == cache->empty_count);
    ASSERT(empty <= 1);
    ASSERT(cache->object_count <= (u64)cache->slab_count * cache->capacity);
    spin_unlock(&cache->lock);
}
