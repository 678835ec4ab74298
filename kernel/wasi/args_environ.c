// Arguments and environment: lists of NUL-terminated strings, and an array of pointers into them.

#include "kernel/mm/heap.h"
#include "kernel/wasi/wasi_internal.h"

static enum wasi_errno put_sizes(struct process *process, const struct string_list *list,
                                 u64 count_at, u64 bytes_at) {
    enum wasi_errno error = wasi_check(process, bytes_at, sizeof(u32));
    if (error == WASI_ESUCCESS)
        error = wasi_put_u32(process, count_at, list->count);
    return error == WASI_ESUCCESS ? wasi_put_u32(process, bytes_at, list->bytes) : error;
}

static enum wasi_errno put_strings(struct process *process, const struct string_list *list,
                                   u64 pointers_at, u64 strings_at) {
    u64 pointer_bytes = (u64)list->count * sizeof(u32);
    enum wasi_errno error = wasi_check(process, pointers_at, pointer_bytes);
    if (error == WASI_ESUCCESS)
        error = wasi_check(process, strings_at, list->bytes);
    if (error != WASI_ESUCCESS || list->count == 0)
        return error;
    u32 *pointers = kmalloc(pointer_bytes);
    if (pointers == NULL)
        return WASI_ENOMEM;
    u32 at = 0;
    for (u32 i = 0; i < list->count; i++) {
        pointers[i] = (u32)strings_at + at;
        at += (u32)strlen(list->data + at) + 1;
    }
    error = wasi_put(process, strings_at, list->data, list->bytes);
    if (error == WASI_ESUCCESS)
        error = wasi_put(process, pointers_at, pointers, pointer_bytes);
    kfree(pointers, pointer_bytes);
    return error;
}

// (argv, argv_buf)
enum wasi_errno wasi_args_get(struct process *process, const u64 *args) {
    return put_strings(process, &process->args, args[0], args[1]);
}

// (argc out, bytes out)
enum wasi_errno wasi_args_sizes_get(struct process *process, const u64 *args) {
    return put_sizes(process, &process->args, args[0], args[1]);
}

// (environ, environ_buf)
enum wasi_errno wasi_environ_get(struct process *process, const u64 *args) {
    return put_strings(process, &process->env, args[0], args[1]);
}

// (count out, bytes out)
enum wasi_errno wasi_environ_sizes_get(struct process *process, const u64 *args) {
    return put_sizes(process, &process->env, args[0], args[1]);
}
