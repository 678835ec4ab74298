// Processes: spawning, waiting, killing.
//
// A spawn is a list of things to copy in, each of which can be refused; what has been made so far
// is given back by spawn_fini, whichever it was. Compiling happens on the caller's time, and its
// bytes are charged to the caller meanwhile.

#include "abi/wasi/preview1.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/ipc/archive.h"
#include "kernel/kwast/kwast_internal.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/module_cache.h"
#include "kernel/proc/process_object.h"

#define ALL_RIGHTS                                                                                 \
    (KWAST_RIGHT_WAIT | KWAST_RIGHT_KILL | KWAST_RIGHT_JOIN | WASI_RIGHT_FD_READ |                 \
     WASI_RIGHT_POLL_FD_READWRITE)
#define ERROR_STREAM 2u
#define HANDLES_FEW  8u

STATIC_ASSERT(KWAST_SHARE_MAX == CPU_SHARE_MAX && KWAST_SHARE_USUAL == CPU_SHARE_USUAL, "abi");

struct spawn {
    struct process *parent;
    struct kwast_spawn given;
    char name[KWAST_SPAWN_NAME + 1];
    u8 *wasm; // on the heap, charged
    u64 wasm_bytes;
    struct bytes lasting; // or bytes of the boot archive
    struct module *module;
    struct handle *handles; // by number in the child
    u32 handle_room;
    u32 handle_count; // one more than the largest number
    struct process_config config;
};

static void spawn_fini(struct spawn *spawn) {
    for (u32 i = 0; i < spawn->handle_count; i++) {
        struct handle *handle = &spawn->handles[i];
        handle_drop(handle);
        kfree((void *)(uptr)handle->preopen.data, handle->preopen.len);
    }
    kfree(spawn->handles, spawn->handle_room * sizeof *spawn->handles);
    string_list_fini(&spawn->config.args);
    string_list_fini(&spawn->config.env);
    aspace_release(spawn->config.aspace);
    module_release(spawn->module);
    if (spawn->wasm != NULL) {
        kfree(spawn->wasm, spawn->wasm_bytes);
        account_refund(&spawn->parent->account, spawn->wasm_bytes);
    }
}

// -- The module ---------------------------------------------------------------------------------

static enum status wasm_alloc(struct spawn *spawn, u64 bytes) {
    if (bytes == 0 || bytes > KWAST_MODULE_MAX)
        return ERR_INVALID;
    enum status status = account_charge(&spawn->parent->account, bytes);
    if (status != OK)
        return status;
    spawn->wasm = kmalloc(bytes);
    spawn->wasm_bytes = bytes;
    if (spawn->wasm != NULL)
        return OK;
    account_refund(&spawn->parent->account, bytes);
    return ERR_NO_MEMORY;
}

static enum status read_file(struct spawn *spawn, struct object *file) {
    struct object_stat stat;
    enum status status = object_stat(file, &stat);
    if (status == OK)
        status = wasm_alloc(spawn, stat.size);
    u64 done = 0;
    while (status == OK && done < spawn->wasm_bytes) {
        usize got;
        status = object_read(file, done, spawn->wasm + done, spawn->wasm_bytes - done, &got);
        if (status == OK && got == 0)
            status = ERR_TRUNCATED; // it has shrunk
        done += status == OK ? got : 0;
    }
    return status;
}

static bool is_file(const struct object *object) {
    return object->type == OBJECT_FILE;
}

static enum status get_wasm(struct spawn *spawn) {
    const struct kwast_spawn *given = &spawn->given;
    if (given->module != KWAST_NO_HANDLE) {
        struct object *file;
        enum status status =
            kwast_object(spawn->parent, given->module, is_file, WASI_RIGHT_FD_READ, &file);
        if (status != OK)
            return status;
        // Those of the archive stay when the object goes.
        if (!archive_file_bytes(file, &spawn->lasting))
            status = read_file(spawn, file);
        else if (spawn->lasting.len == 0 || spawn->lasting.len > KWAST_MODULE_MAX)
            status = ERR_INVALID;
        object_release(file);
        return status;
    }
    enum status status = kwast_check(spawn->parent, given->bytes, given->bytes_len);
    if (status == OK)
        status = wasm_alloc(spawn, given->bytes_len);
    return status == OK ? kwast_get(spawn->parent, given->bytes, spawn->wasm, spawn->wasm_bytes)
                        : status;
}

// -- What the process starts with ---------------------------------------------------------------

// A list of strings that end with zero bytes. `out` is the caller's to give back.
static enum status get_strings(struct spawn *spawn, u32 address, u32 len, struct string_list *out) {
    if (len > KWAST_STRINGS_MAX)
        return ERR_LIMIT;
    if (len == 0)
        return OK;
    char *data = kmalloc(len);
    if (data == NULL)
        return ERR_NO_MEMORY;
    *out = (struct string_list){.bytes = len, .data = data};
    enum status status = kwast_get(spawn->parent, address, data, len);
    for (u32 i = 0; status == OK && i < len; i++)
        out->count += data[i] == 0;
    return status == OK && data[len - 1] != 0 ? ERR_INVALID : status;
}

static enum status get_preopen_name(struct spawn *spawn, const struct kwast_given *given,
                                    struct handle *handle) {
    if (given->name_len == 0)
        return OK;
    if (given->name_len == KWAST_BY_NUMBER) {
        handle->preopen = HANDLE_NUMBERED;
        return OK;
    }
    if (given->name_len > KWAST_BYTES_MAX || handle->object->type != OBJECT_DIRECTORY)
        return ERR_INVALID;
    u8 *name = kmalloc(given->name_len);
    if (name == NULL)
        return ERR_NO_MEMORY;
    handle->preopen = (struct bytes){name, given->name_len};
    return kwast_get(spawn->parent, given->name, name, given->name_len);
}

// Makes room for handle `number`. Few have more than a few.
static enum status make_room(struct spawn *spawn, u32 number) {
    if (number < spawn->handle_room)
        return OK;
    u32 room = number < HANDLES_FEW ? HANDLES_FEW : KWAST_GIVEN_MAX;
    struct handle *handles = kmalloc(room * sizeof *handles);
    if (handles == NULL)
        return ERR_NO_MEMORY;
    if (spawn->handle_count != 0)
        memcpy(handles, spawn->handles, spawn->handle_count * sizeof *handles);
    kfree(spawn->handles, spawn->handle_room * sizeof *handles);
    spawn->handles = handles;
    spawn->handle_room = room;
    return OK;
}

static enum status get_handle(struct spawn *spawn, const struct kwast_given *given) {
    struct handle handle;
    if (given->number >= KWAST_GIVEN_MAX ||
        (given->number < spawn->handle_count && spawn->handles[given->number].object != NULL))
        return ERR_INVALID;
    enum status status = make_room(spawn, given->number);
    if (status != OK)
        return status;
    status = kwast_handle(spawn->parent, given->handle, NULL, given->rights, &handle);
    if (status != OK)
        return status;
    status = (given->inheriting & ~handle.rights_inheriting) != 0 ? ERR_DENIED : OK;
    handle.rights = given->rights;
    handle.rights_inheriting = given->inheriting;
    if (status == OK)
        status = get_preopen_name(spawn, given, &handle);
    spawn->handles[given->number] = handle; // spawn_fini gives it back
    spawn->handle_count = (u32)max_u64(spawn->handle_count, given->number + 1);
    return status;
}

static enum status get_handles(struct spawn *spawn) {
    if (spawn->given.given_count > KWAST_GIVEN_MAX)
        return ERR_INVALID;
    enum status status = OK;
    for (u32 i = 0; status == OK && i < spawn->given.given_count; i++) {
        struct kwast_given given;
        status = kwast_get(spawn->parent, (u64)spawn->given.given + i * sizeof given, &given,
                           sizeof given);
        if (status == OK)
            status = get_handle(spawn, &given);
    }
    return status;
}

// A limit of the child, which the parent's bounds. 0 means the parent's.
static enum status limit_of(u64 wished, u64 parents, u64 *out) {
    *out = wished == 0 ? parents : wished;
    return *out > parents ? ERR_DENIED : OK;
}

static enum status get_limits(struct spawn *spawn) {
    const struct kwast_spawn *given = &spawn->given;
    u64 handles;
    u64 threads;
    u64 share;
    enum status status =
        limit_of(given->memory_limit, spawn->parent->account.limit, &spawn->config.memory_limit);
    if (status == OK)
        status = limit_of(given->handle_limit, spawn->parent->handles.limit, &handles);
    if (status == OK)
        spawn->config.handle_limit = (u32)handles;
    if (status == OK)
        status = limit_of(given->thread_limit, spawn->parent->thread_limit, &threads);
    if (status == OK)
        spawn->config.thread_limit = (u32)threads;
    if (status == OK && given->cpu_share > CPU_SHARE_MAX)
        status = ERR_INVALID;
    if (status == OK)
        status = limit_of(given->cpu_share, spawn->parent->share_value, &share);
    if (status == OK)
        spawn->config.cpu_share = (u32)share;
    if (status != OK || given->reserve == KWAST_RESERVE_NONE)
        return status;
    if (given->reserve != KWAST_RESERVE_SERVICE)
        return ERR_INVALID;
    spawn->config.is_service = true;
    return spawn->parent->is_service ? OK : ERR_DENIED;
}

static enum status get_cpus(struct spawn *spawn) {
    u32 wished = spawn->given.cpus;
    spawn->config.affinity = wished != 0 ? wished : spawn->parent->affinity;
    if (wished == 0)
        return OK;
    if ((wished & ~spawn->parent->affinity) != 0)
        return ERR_DENIED;
    return (wished & sched_online()) == 0 ? ERR_INVALID : OK;
}

static enum status get_joined(struct spawn *spawn, struct aspace **out) {
    struct object *object;
    enum status status = kwast_object(spawn->parent, spawn->given.join, process_object_is,
                                      KWAST_RIGHT_JOIN, &object);
    if (status != OK)
        return status;
    status = process_aspace_get(process_object_process(object), out);
    object_release(object);
    return status;
}

static enum status get_domain(struct spawn *spawn) {
    struct aspace **out = &spawn->config.aspace; // spawn_fini gives the reference back
    switch (spawn->given.isolation) {
    case KWAST_ISOLATION_SIP:
        return process_aspace_get(spawn->parent, out);
    case KWAST_ISOLATION_DOMAIN:
        return aspace_create(out);
    case KWAST_ISOLATION_JOIN:
        return get_joined(spawn, out);
    default:
        return ERR_INVALID;
    }
}

static enum status get_everything(struct spawn *spawn) {
    const struct kwast_spawn *given = &spawn->given;
    enum status status = kwast_get_text(spawn->parent, given->name, given->name_len,
                                        KWAST_SPAWN_NAME, (u8 *)spawn->name);
    if (status == OK)
        status = kwast_check(spawn->parent, given->reason, given->reason_len);
    if (status == OK)
        status = get_limits(spawn);
    if (status == OK)
        status = get_cpus(spawn);
    if (status == OK)
        status = get_domain(spawn);
    if (status == OK)
        status = get_strings(spawn, given->args, given->args_len, &spawn->config.args);
    if (status == OK)
        status = get_strings(spawn, given->env, given->env_len, &spawn->config.env);
    if (status == OK)
        status = get_handles(spawn);
    return status == OK ? get_wasm(spawn) : status;
}

// -- Starting it --------------------------------------------------------------------------------

static enum status put_reason(struct spawn *spawn, const struct module_error *error) {
    char text[KWAST_REASON_BYTES];
    usize len = error->func != NO_FUNC
                    ? fmt_string(text, sizeof text, "%s (function %u, module offset 0x%x)",
                                 error->text, error->func, error->offset)
                    : fmt_string(text, sizeof text, "%s", error->text);
    u64 room = min_u64(spawn->given.reason_len, min_u64(len, sizeof text - 1) + 1);
    if (room == 0)
        return OK;
    text[room - 1] = 0;
    return kwast_put(spawn->parent, spawn->given.reason, text, room);
}

static enum status start(struct spawn *spawn, struct process **out) {
    struct module_error error = {.func = NO_FUNC};
    struct bytes wasm = {spawn->wasm, spawn->wasm_bytes};
    enum status status =
        spawn->lasting.data != NULL
            ? module_cache_get_lasting(process_engine(), spawn->lasting, &error, &spawn->module)
            : module_cache_get(process_engine(), wasm, &error, &spawn->module);
    spawn->config.name = spawn->name;
    spawn->config.gives_strings = true;
    spawn->config.module = spawn->module;
    spawn->config.parent = spawn->parent;
    spawn->config.handles = spawn->handles;
    spawn->config.handle_count = spawn->handle_count;
    if (spawn->handle_count > ERROR_STREAM)
        spawn->config.error_stream = spawn->handles[ERROR_STREAM].object;
    if (status == OK)
        status = process_spawn(&spawn->config, &error, out);
    if (status == OK) {
        spawn->handle_count = 0; // all that is the process's now
        spawn->config.args = (struct string_list){0};
        spawn->config.env = (struct string_list){0};
        return OK;
    }
    enum status told = put_reason(spawn, &error);
    if (told != OK)
        return told;
    bool is_modules_fault = status != ERR_NO_MEMORY && status != ERR_LIMIT;
    return is_modules_fault ? ERR_REFUSED : status;
}

// (spawn, out)
enum status kwast_process_spawn(struct process *process, const u64 *args) {
    u32 number;
    struct spawn *spawn = kmalloc(sizeof *spawn);
    if (spawn == NULL)
        return ERR_NO_MEMORY;
    spawn->parent = process;
    enum status status = kwast_get(process, args[0], &spawn->given, sizeof spawn->given);
    if (status == OK)
        status = kwast_check(process, args[1], sizeof number);
    if (status == OK)
        status = get_everything(spawn);
    struct process *child;
    if (status == OK)
        status = start(spawn, &child);
    spawn_fini(spawn);
    kfree(spawn, sizeof *spawn);
    if (status != OK)
        return status;

    struct object *object;
    status = process_object_create(child, &object);
    if (status == OK)
        status =
            kwast_give(process, &(struct handle){.object = object, .rights = ALL_RIGHTS}, args[1]);
    if (status != OK || thread_is_killed(thread_current()))
        process_kill(child); // nobody would know of it
    process_release(child);
    return status;
}

// -- Afterwards ---------------------------------------------------------------------------------

static enum status put_status(struct process *process, struct process *of, u64 to) {
    static const u32 outcomes[] = {
        [PROCESS_EXITED] = KWAST_EXITED,
        [PROCESS_TRAPPED] = KWAST_TRAPPED,
        [PROCESS_KILLED] = KWAST_KILLED,
    };
    struct kwast_status status = {
        .id = of->id,
        .memory_bytes = __atomic_load_n(&of->account.charged, __ATOMIC_RELAXED),
        .cpu_ns = process_cpu_time_ns(of),
    };
    if (process_has_ended(of)) {
        status.outcome = outcomes[of->outcome];
        status.status = of->outcome == PROCESS_TRAPPED ? of->trap : of->exit_status;
    } else if (process_state(of) == PROCESS_IS_STOPPED) {
        status.outcome = KWAST_STOPPED;
    }
    return kwast_put(process, to, &status, sizeof status);
}

// Looks the process's handle up and checks where its status is to go.
static enum status get_process(struct process *process, u64 number, u64 out,
                               struct object **object) {
    enum status status = kwast_object(process, number, process_object_is, KWAST_RIGHT_WAIT, object);
    if (status != OK)
        return status;
    status = kwast_check(process, out, sizeof(struct kwast_status));
    if (status != OK)
        object_release(*object);
    return status;
}

// (process, timeout, out)
enum status kwast_process_wait(struct process *process, const u64 *args) {
    struct object *object;
    enum status status = get_process(process, args[0], args[2], &object);
    if (status != OK)
        return status;
    struct process *of = process_object_process(object);
    status = process_wait(of, kwast_deadline(args[1]));
    if (status == OK)
        status = put_status(process, of, args[2]);
    object_release(object);
    return status;
}

// (process, known, timeout, out)
enum status kwast_process_wait_change(struct process *process, const u64 *args) {
    struct object *object;
    if (args[1] != KWAST_RUNNING && args[1] != KWAST_STOPPED)
        return ERR_INVALID;
    enum status status = get_process(process, args[0], args[3], &object);
    if (status != OK)
        return status;
    struct process *of = process_object_process(object);
    enum process_state known = args[1] == KWAST_STOPPED ? PROCESS_IS_STOPPED : PROCESS_IS_RUNNING;
    status = process_wait_change(of, known, kwast_deadline(args[2]));
    if (status == OK)
        status = put_status(process, of, args[3]);
    object_release(object);
    return status;
}

// (process, out)
enum status kwast_process_status(struct process *process, const u64 *args) {
    struct object *object;
    enum status status = get_process(process, args[0], args[1], &object);
    if (status != OK)
        return status;
    status = put_status(process, process_object_process(object), args[1]);
    object_release(object);
    return status;
}

static enum status kill(struct process *process, u64 number, void (*how)(struct process *of)) {
    struct object *object;
    enum status status =
        kwast_object(process, number, process_object_is, KWAST_RIGHT_KILL, &object);
    if (status != OK)
        return status;
    how(process_object_process(object));
    object_release(object);
    return OK;
}

// (process)
enum status kwast_process_kill(struct process *process, const u64 *args) {
    return kill(process, args[0], process_kill);
}

// (process)
enum status kwast_process_kill_tree(struct process *process, const u64 *args) {
    return kill(process, args[0], process_kill_tree);
}

static enum status set_stop(struct process *process, const u64 *args,
                            void (*how)(struct process *of, bool tree)) {
    struct object *object;
    enum status status =
        kwast_object(process, args[0], process_object_is, KWAST_RIGHT_KILL, &object);
    if (status != OK)
        return status;
    how(process_object_process(object), args[1] != 0);
    object_release(object);
    return OK;
}

// (process, tree)
enum status kwast_process_stop(struct process *process, const u64 *args) {
    return set_stop(process, args, process_stop);
}

// (process, tree)
enum status kwast_process_continue(struct process *process, const u64 *args) {
    return set_stop(process, args, process_continue);
}

// (process, number, tree)
enum status kwast_process_note(struct process *process, const u64 *args) {
    struct object *object;
    if (args[1] == 0 || args[1] >= KWAST_NOTES)
        return ERR_INVALID;
    enum status status =
        kwast_object(process, args[0], process_object_is, KWAST_RIGHT_KILL, &object);
    if (status != OK)
        return status;
    bool lives = process_note(process_object_process(object), (u32)args[1], args[2] != 0);
    object_release(object);
    return lives ? OK : ERR_NOT_FOUND;
}

// (taken, ignored, out)
enum status kwast_process_notes(struct process *process, const u64 *args) {
    const u32 allowed = ~(1u << KWAST_NOTE_KILL);
    struct kwast_notes notes;
    enum status status = kwast_check(process, args[2], sizeof notes);
    if (status != OK)
        return status;
    struct process_notes before =
        process_set_notes(process, (u32)args[0] & allowed, (u32)args[1] & allowed);
    notes = (struct kwast_notes){
        .came = before.came,
        .ignored = before.ignored,
        .id = process->id,
        .parent = process_parent_id(process),
    };
    return kwast_put(process, args[2], &notes, sizeof notes);
}

// (from, id, out)
enum status kwast_process_open(struct process *process, const u64 *args) {
    struct handle from;
    struct object *object;
    enum status status = kwast_handle(process, args[0], process_object_leads, 0, &from);
    if (status != OK)
        return status;
    struct process *root =
        from.object == process_table_object() ? NULL : process_object_process(from.object);
    struct process *found = process_find((u32)args[1], root);
    handle_drop(&from);
    if (found == NULL)
        return ERR_NOT_FOUND;
    status = process_object_create(found, &object);
    process_release(found);
    const struct handle made = {.object = object, .rights = from.rights};
    return status == OK ? kwast_give(process, &made, args[2]) : status;
}

// (keeps)
enum status kwast_process_keep(struct process *process, const u64 *args) {
    if (!process->is_service)
        return ERR_DENIED;
    __atomic_store_n(&process->account.is_kept, args[0] != 0, __ATOMIC_RELAXED);
    return OK;
}
