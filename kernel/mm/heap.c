// kmalloc: slab caches in classes, which are the powers of two and, from 192 bytes on, what is
// halfway between two of them, so that no large structure wastes more than a third; larger sizes
// are whole frames, as many as they need, in one run or, beyond HEAP_CONTIGUOUS_MAX, mapped
// together (heap_large.c). The caller says the size again when freeing, so large blocks need no
// header; a wrong size is caught by the slab's or the frame's own checks.

#include "base/assert.h"
#include "base/math.h"
#include "base/sanitize.h"
#include "base/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap_internal.h"

#define CLASS_SHIFT_MIN 4u  // 16 bytes
#define CLASS_SHIFT_MAX 11u // 2 KiB
#define HALF_SHIFT_MIN  8u  // 192, which is halfway to 256
#define POWER_COUNT     (CLASS_SHIFT_MAX - CLASS_SHIFT_MIN + 1)
#define CLASS_COUNT     (POWER_COUNT + CLASS_SHIFT_MAX - HALF_SHIFT_MIN + 1)

STATIC_ASSERT(HEAP_CONTIGUOUS_MAX <= PAGE_SIZE << FRAME_ORDER_MAX, "frame blocks serve it");

static struct {
    // Fixed after heap_init:
    struct slab_cache *classes[CLASS_COUNT]; // the powers of two, and those between

    // Atomic, figures for people:
    u64 bytes_used;
    u64 page_frames;

#ifndef NDEBUG
    u64 until_failure; // atomic; 0: far away
#endif
} heap;

// The number of the class for `bytes`, or CLASS_COUNT when whole frames serve it.
static u32 class_of(usize bytes) {
    ASSERT(bytes != 0);
    u32 shift = log2_ceil(bytes);
    if (shift > CLASS_SHIFT_MAX)
        return CLASS_COUNT;
    if (shift >= HALF_SHIFT_MIN && bytes <= 3ull << (shift - 2))
        return POWER_COUNT + shift - HALF_SHIFT_MIN;
    return shift < CLASS_SHIFT_MIN ? 0 : shift - CLASS_SHIFT_MIN;
}

static usize class_bytes(u32 class) {
    return class < POWER_COUNT ? 1ull << (CLASS_SHIFT_MIN + class)
                               : 3ull << (HALF_SHIFT_MIN + class - POWER_COUNT - 2);
}

void heap_init(void) {
    static const char *const names[CLASS_COUNT] = {
        "kmalloc-16",   "kmalloc-32",   "kmalloc-64",  "kmalloc-128", "kmalloc-256", "kmalloc-512",
        "kmalloc-1024", "kmalloc-2048", "kmalloc-192", "kmalloc-384", "kmalloc-768", "kmalloc-1536",
    };
    memset(&heap, 0, sizeof heap);
    slab_init();
    heap_large_init();
    for (u32 i = 0; i < CLASS_COUNT; i++) {
        heap.classes[i] = slab_cache_create(names[i], class_bytes(i));
        CHECK(heap.classes[i] != NULL); // the first frames of a boot
    }
}

// The class for `bytes`, or NULL when whole frames serve it.
static struct slab_cache *class_for(usize bytes) {
    u32 class = class_of(bytes);
    return class == CLASS_COUNT ? NULL : heap.classes[class];
}

static u64 pages_for(usize bytes) {
    return ((bytes - 1) >> PAGE_SHIFT) + 1; // which does not overflow
}

// The bytes behind an allocation that come with it.
static usize spare_bytes(usize bytes) {
    u32 class = class_of(bytes);
    return (class == CLASS_COUNT ? pages_for(bytes) * PAGE_SIZE : class_bytes(class)) - bytes;
}

static void *pages_alloc(usize bytes) {
    void *memory = NULL;
    struct phys_addr frame;
    if (bytes > HEAP_CONTIGUOUS_MAX)
        memory = heap_large_alloc(pages_for(bytes));
    else if (frame_alloc_kernel_zeroed(FRAME_USUAL, pages_for(bytes), &frame) == OK)
        memory = arch_frame_pointer(frame);
    if (memory != NULL)
        __atomic_fetch_add(&heap.page_frames, pages_for(bytes), __ATOMIC_RELAXED);
    return memory;
}

static void pages_free(void *memory, usize bytes) {
    CHECK(is_aligned((uptr)memory, PAGE_SIZE));
    memory_allow((u8 *)memory + bytes, spare_bytes(bytes));
    if (bytes > HEAP_CONTIGUOUS_MAX)
        heap_large_free(memory, pages_for(bytes));
    else
        frame_free_run(arch_frame_of(memory), pages_for(bytes));
    __atomic_fetch_sub(&heap.page_frames, pages_for(bytes), __ATOMIC_RELAXED);
}

#ifndef NDEBUG
void heap_fail_nth(u64 n) {
    __atomic_store_n(&heap.until_failure, n, __ATOMIC_RELAXED);
}

static bool is_to_fail(void) {
    u64 left = __atomic_load_n(&heap.until_failure, __ATOMIC_RELAXED);
    while (left != 0 && !__atomic_compare_exchange_n(&heap.until_failure, &left, left - 1, true,
                                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    return left == 1;
}
#else
static bool is_to_fail(void) {
    return false;
}
#endif

void *kmalloc(usize bytes) {
    return kmalloc_part(bytes, bytes);
}

void *kmalloc_part(usize bytes, usize zeroed) {
    if (is_to_fail())
        return NULL;
    struct slab_cache *class = class_for(bytes);
    void *memory = class != NULL ? slab_alloc_part(class, zeroed) : pages_alloc(bytes);
    if (memory == NULL)
        return NULL;
    __atomic_fetch_add(&heap.bytes_used, bytes, __ATOMIC_RELAXED);
    memory_forbid((u8 *)memory + bytes, spare_bytes(bytes));
    return memory;
}

void kfree(void *memory, usize bytes) {
    if (memory == NULL)
        return;

    struct slab_cache *class = class_for(bytes);
    if (class != NULL)
        slab_free(class, memory);
    else
        pages_free(memory, bytes);
    __atomic_fetch_sub(&heap.bytes_used, bytes, __ATOMIC_RELAXED);
}

void heap_stats(struct heap_stats *out) {
    *out = (struct heap_stats){
        .bytes_used = __atomic_load_n(&heap.bytes_used, __ATOMIC_RELAXED),
        .frames = slab_frames() + __atomic_load_n(&heap.page_frames, __ATOMIC_RELAXED),
    };
}

void heap_trim(void) {
    for (u32 i = 0; i < CLASS_COUNT; i++)
        slab_trim(heap.classes[i]);
    heap_large_trim();
}

void heap_check(void) {
    for (u32 i = 0; i < CLASS_COUNT; i++)
        slab_check(heap.classes[i]);
    heap_large_check();
}
