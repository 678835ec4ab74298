// Programs of the boot archive: from a path to a module, and the handles that a program starts
// with.

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/init/init.h"
#include "kernel/ipc/archive.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/symbols.h"
#include "kernel/wasi/wasi.h"

static enum status load_fail(struct module_error *error, enum status status, const char *what) {
    *error = (struct module_error){.status = status, .func = NO_FUNC};
    fmt_string(error->text, sizeof error->text, "%s", what);
    return status;
}

static void publish_symbols(const struct module *module, struct bytes path) {
    char name[sizeof((struct process *)NULL)->name];
    program_name(path, name, sizeof name);
    symbols_publish(module, name);
}

enum status program_load(const struct boot_state *boot, struct bytes path,
                         struct module_error *error, u64 *compile_ns, struct module **out) {
    if (boot->root == NULL)
        return load_fail(error, ERR_NOT_FOUND, "there is no boot archive");
    struct object *file;
    enum status status = object_walk(boot->root, path, true, &file);
    if (status != OK)
        return load_fail(error, status, status_text(status));
    struct bytes wasm;
    if (archive_file_bytes(file, &wasm)) {
        u64 began_ns = arch_clock_ns();
        status = module_create_lent(process_engine(), wasm, error, out); // the archive stays
        *compile_ns = arch_clock_ns() - began_ns;
        if (status == OK)
            publish_symbols(*out, path);
    } else {
        status = load_fail(error, ERR_IS_DIRECTORY, "not a file");
    }
    object_release(file);
    return status;
}

void program_name(struct bytes path, char *out, usize size) {
    usize start = path.len;
    while (start > 0 && path.data[start - 1] != '/')
        start--;
    usize len = min_u64(path.len - start, size - 1);
    memcpy(out, path.data + start, len);
    out[len] = 0;
}

void program_streams(struct object *in, struct object *out, struct object *error,
                     struct handle *handles) {
    struct object *const objects[STANDARD_HANDLES] = {in, out, error};
    for (u32 i = 0; i < STANDARD_HANDLES; i++) {
        object_retain(objects[i]);
        handles[i] = (struct handle){
            .object = objects[i],
            .rights = wasi_stream_rights(i == 0 || in == out, i != 0 || in == out),
        };
    }
}

enum status program_preopen(struct object *directory, struct bytes guest, struct handle *out) {
    u8 *name = kmalloc(guest.len);
    enum status status = name == NULL                          ? ERR_NO_MEMORY
                         : directory->type != OBJECT_DIRECTORY ? ERR_NOT_DIRECTORY
                                                               : OK;
    if (status != OK) {
        kfree(name, guest.len);
        object_release(directory);
        return status;
    }
    memcpy(name, guest.data, guest.len);
    *out = (struct handle){
        .object = directory,
        .rights = wasi_directory_rights(),
        .rights_inheriting = wasi_inheriting_rights(),
        .preopen = {name, guest.len},
    };
    return OK;
}

void program_handle_drop(struct handle *handle) {
    object_release(handle->object);
    kfree((void *)(uptr)handle->preopen.data, handle->preopen.len);
}
