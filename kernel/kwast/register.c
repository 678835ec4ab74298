// Registers every call of the module "kwast" with the process layer, and what they share.

#include "base/math.h"
#include "kernel/kwast/kwast.h"
#include "kernel/kwast/kwast_internal.h"
#include "kernel/sched/wait.h"
#include "kernel/wasi/wasi.h"

struct kwast_call_entry {
    const char *name;
    const char *signature;
    kwast_func func;
};

static enum trap kwast_entry(struct instance *caller, u64 *values, void *context) {
    const struct kwast_call_entry *call = context;
    enum status status = call->func(process_of(caller), values);
    values[0] = status == OK ? 0 : wasi_error_number(status);
    return process_call_end();
}

u32 kwast_error_number(enum status status) {
    return wasi_error_number(status);
}

static const struct kwast_call_entry calls[] = {
#define KWAST_CALL(name, parameters) {#name, parameters ":i", kwast_##name},
#include "kernel/kwast/calls.def"
#undef KWAST_CALL
};

// Some have an entry of their own instead of the one that all share.
static host_direct direct_entry_of(const struct kwast_call_entry *call) {
    return call->func == kwast_scheme_call            ? kwast_call_entry
           : call->func == kwast_scheme_reply_receive ? kwast_exchange_entry
                                                      : NULL;
}

static struct host_import imports[COUNT_OF(calls)];

const struct import_name kwast_mapping_imports[] = {
    {"kwast", "memory_map"},
    {"kwast", "grant_map"},
};
const u32 kwast_mapping_import_count = COUNT_OF(kwast_mapping_imports);

enum status kwast_register(void) {
    for (u32 i = 0; i < COUNT_OF(calls); i++)
        imports[i] = (struct host_import){
            .module = "kwast",
            .name = calls[i].name,
            .signature = calls[i].signature,
            .code = kwast_entry,
            .direct = direct_entry_of(&calls[i]),
            .context = (void *)(uptr)&calls[i],
        };
    return process_register_imports(imports, COUNT_OF(imports));
}

// -- Handles ------------------------------------------------------------------------------------

enum status kwast_handle(struct process *process, u64 number, object_test is, u64 rights,
                         struct handle *out) {
    enum status status = handle_copy(&process->handles, (u32)number, out);
    if (status != OK)
        return status;
    if ((is == NULL || is(out->object)) && (rights & ~out->rights) == 0)
        return OK;
    handle_drop(out);
    return ERR_DENIED;
}

enum status kwast_object(struct process *process, u64 number, object_test is, u64 rights,
                         struct object **out) {
    u64 held;
    enum status status = handle_get_object(&process->handles, (u32)number, &held, out);
    if (status != OK)
        return status;
    if (is(*out) && (rights & ~held) == 0)
        return OK;
    object_release(*out);
    return ERR_DENIED;
}

enum status kwast_give(struct process *process, const struct handle *handle, u64 out) {
    u32 number;
    struct handle given = *handle;
    enum status status = kwast_check(process, out, sizeof number);
    if (status == OK)
        status = handle_insert(&process->handles, &given, &number);
    if (status != OK) {
        handle_drop(&given);
        return status;
    }
    status = kwast_put(process, out, &number, sizeof number);
    if (status != OK)
        kwast_close(process, number);
    return status;
}

void kwast_close(struct process *process, u32 number) {
    enum status status = handle_close(&process->handles, number);
    (void)status;
}

// (handle, rights, inheriting, out)
enum status kwast_handle_duplicate(struct process *process, const u64 *args) {
    struct handle handle;
    enum status status = kwast_handle(process, args[0], NULL, args[1], &handle);
    if (status != OK)
        return status;
    if ((args[2] & ~handle.rights_inheriting) != 0) {
        handle_drop(&handle);
        return ERR_DENIED;
    }
    handle.rights = args[1];
    handle.rights_inheriting = args[2];
    return kwast_give(process, &handle, args[3]);
}

// -- Memory -------------------------------------------------------------------------------------

enum status kwast_get(struct process *process, u64 from, void *to, u64 len) {
    struct guest_memory memory = process_memory(process);
    return guest_read(&memory, to, (struct guest_addr){from}, len);
}

enum status kwast_put(struct process *process, u64 to, const void *from, u64 len) {
    struct guest_memory memory = process_memory(process);
    return guest_write(&memory, (struct guest_addr){to}, from, len);
}

enum status kwast_get_text(struct process *process, u64 from, u64 len, u64 max, u8 *to) {
    return len == 0 || len > max ? ERR_INVALID : kwast_get(process, from, to, len);
}
