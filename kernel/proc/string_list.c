// Lists of strings as programs get them: arguments and environment.

#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"

// Programs may have a megabyte of arguments; the heap's largest block is above that.
#define LIST_BYTES_MAX (1u << 20)

enum status string_list_add(struct string_list *list, struct bytes text) {
    usize bytes = list->bytes + text.len + 1;
    if (text.len >= LIST_BYTES_MAX || bytes > LIST_BYTES_MAX)
        return ERR_LIMIT;
    char *data = kmalloc(bytes);
    if (data == NULL)
        return ERR_NO_MEMORY;
    if (list->bytes != 0)
        memcpy(data, list->data, list->bytes);
    if (text.len != 0)
        memcpy(data + list->bytes, text.data, text.len);
    kfree(list->data, list->bytes);
    *list = (struct string_list){list->count + 1, (u32)bytes, data};
    return OK;
}

enum status string_list_copy(const struct string_list *from, struct string_list *out) {
    *out = (struct string_list){.count = 0};
    if (from->bytes == 0)
        return OK;
    char *data = kmalloc(from->bytes);
    if (data == NULL)
        return ERR_NO_MEMORY;
    memcpy(data, from->data, from->bytes);
    *out = (struct string_list){from->count, from->bytes, data};
    return OK;
}

void string_list_fini(struct string_list *list) {
    kfree(list->data, list->bytes);
    *list = (struct string_list){.count = 0};
}
