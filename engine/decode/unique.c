// No two exports have one name: sorts them, and compares neighbours.
//
// The names are hostile, so neither hash collisions nor an unlucky order may cost more than
// n log n comparisons, and nothing recurses: a heap sort over indices.

#include "engine/api/host.h"
#include "engine/decode/decode_internal.h"

#include "base/math.h"

static int compare_names(struct bytes a, struct bytes b) {
    usize common = min_u64(a.len, b.len);
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

// Restores the heap (largest first) below `at`, whose children are heaps.
static void sift_down(const struct export_decl *exports, u32 *heap, u32 at, u32 count) {
    for (;;) {
        u32 largest = at;
        for (u32 child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (compare_names(exports[heap[child]].name, exports[heap[largest]].name) > 0)
                largest = child;
        }
        if (largest == at)
            return;
        u32 moved = heap[at];
        heap[at] = heap[largest];
        heap[largest] = moved;
        at = largest;
    }
}

static void sort_by_name(const struct export_decl *exports, u32 *heap, u32 count) {
    for (u32 i = count / 2; i-- > 0;)
        sift_down(exports, heap, i, count);
    for (u32 last = count; last-- > 1;) {
        u32 largest = heap[0];
        heap[0] = heap[last];
        heap[last] = largest;
        sift_down(exports, heap, 0, last);
    }
}

void check_export_names(struct decoder *d) {
    const struct export_decl *exports = d->decl->exports;
    u32 count = d->decl->export_count;
    if (count < 2)
        return;
    usize bytes = count * sizeof(u32);
    u32 *sorted = host_alloc(bytes);
    if (sorted == NULL) {
        reader_fail(&d->reader, ERR_NO_MEMORY, status_text(ERR_NO_MEMORY));
        return;
    }
    for (u32 i = 0; i < count; i++)
        sorted[i] = i;
    sort_by_name(exports, sorted, count);
    for (u32 i = 1; i < count; i++) {
        if (bytes_equal(exports[sorted[i - 1]].name, exports[sorted[i]].name))
            reader_fail_at(&d->reader, exports[sorted[i]].name.data, ERR_INVALID,
                           "duplicate export name");
    }
    host_free(sorted, bytes);
}
