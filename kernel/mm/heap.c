// kmalloc: slab caches in power-of-two classes; larger sizes are runs of whole frames, as many as
// they need. The caller says the size again when freeing, so large blocks need no header; a wrong
// size is caught by the slab's or the frame's own checks.

#include "base/assert.h"
#include "base/math.h"
#include "base/string.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap_internal.h"

#define CLASS_SHIFT_MIN 4u  // 16 bytes
#define CLASS_SHIFT_MAX 11u // 2 KiB
#define CLASS_COUNT     (CLASS_SHIFT_MAX - CLASS_SHIFT_MIN + 1)
#define LARGE_MAX       (PAGE_SIZE << FRAME_ORDER_MAX)

static struct {
    // Fixed after heap_init:
    struct slab_cache *classes[CLASS_COUNT];

    // Atomic, figures for people:
    u64 bytes_used;
    u64 large_frames;
} heap;

void heap_init(void) {
    static const char *const names[CLASS_COUNT] = {
        "kmalloc-16",  "kmalloc-32",  "kmalloc-64",   "kmalloc-128",
        "kmalloc-256", "kmalloc-512", "kmalloc-1024", "kmalloc-2048",
    };
    memset(&heap, 0, sizeof heap);
    slab_init();
    for (u32 i = 0; i < CLASS_COUNT; i++) {
        heap.classes[i] = slab_cache_create(names[i], 1ull << (CLASS_SHIFT_MIN + i));
        CHECK(heap.classes[i] != NULL); // the first frames of a boot
    }
}

// The class for `bytes`, or NULL when whole frames serve it.
static struct slab_cache *class_for(usize bytes) {
    ASSERT(bytes != 0);
    u32 shift = log2_ceil(bytes);
    if (shift > CLASS_SHIFT_MAX)
        return NULL;
    return heap.classes[shift < CLASS_SHIFT_MIN ? 0 : shift - CLASS_SHIFT_MIN];
}

static u64 pages_for(usize bytes) {
    return align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT;
}

static void *large_alloc(usize bytes) {
    struct phys_addr frame;
    if (bytes > LARGE_MAX || frame_alloc_kernel_zeroed(pages_for(bytes), &frame) != OK)
        return NULL;
    __atomic_fetch_add(&heap.large_frames, pages_for(bytes), __ATOMIC_RELAXED);
    return arch_frame_pointer(frame);
}

void *kmalloc(usize bytes) {
    struct slab_cache *class = class_for(bytes);
    void *memory = class != NULL ? slab_alloc(class) : large_alloc(bytes);
    if (memory != NULL)
        __atomic_fetch_add(&heap.bytes_used, bytes, __ATOMIC_RELAXED);
    return memory;
}

void kfree(void *memory, usize bytes) {
    if (memory == NULL)
        return;

    struct slab_cache *class = class_for(bytes);
    if (class != NULL) {
        slab_free(class, memory);
    } else {
        CHECK(bytes <= LARGE_MAX);
        CHECK(is_aligned((uptr)memory, PAGE_SIZE));
        frame_free_run(arch_frame_of(memory), pages_for(bytes));
        __atomic_fetch_sub(&heap.large_frames, pages_for(bytes), __ATOMIC_RELAXED);
    }
    __atomic_fetch_sub(&heap.bytes_used, bytes, __ATOMIC_RELAXED);
}

void heap_stats(struct heap_stats *out) {
    *out = (struct heap_stats){
        .bytes_used = __atomic_load_n(&heap.bytes_used, __ATOMIC_RELAXED),
        .frames = slab_frames() + __atomic_load_n(&heap.large_frames, __ATOMIC_RELAXED),
    };
}
