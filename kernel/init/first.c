// The first process: the archive's init, which has everything that programs can have, and to which
// children without parents come. The machine runs as long as it does.

#include "abi/kwast/calls.h"
#include "abi/wasi/preview1.h"
#include "kernel/init/init.h"
#include "kernel/init/kernel_files.h"
#include "kernel/init/log.h"
#include "kernel/init/say.h"
#include "kernel/ipc/device.h"
#include "kernel/ipc/messages.h"
#include "kernel/ipc/stream.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process_object.h"
#include "kernel/wasi/wasi.h"

#define INIT_PATH     "bin/init.wasm"
#define HANDLES_OWNED (STANDARD_HANDLES + 4u)

static bool has_init(const struct boot_state *boot) {
    struct object *file;
    if (boot->root == NULL || object_walk(boot->root, bytes_of(INIT_PATH), true, &file) != OK)
        return false;
    object_release(file);
    return true;
}

// Puts a directory at the end of the handles.
static enum status add_directory(struct object *directory, const char *name, struct handle *handles,
                                 u32 *count) {
    object_retain(directory);
    enum status status = program_preopen(directory, bytes_of(name), &handles[*count]);
    *count += status == OK;
    return status;
}

static void add_processes(struct handle *handles, u32 *count) {
    object_retain(process_table_object());
    handles[(*count)++] = (struct handle){
        .object = process_table_object(),
        .rights = KWAST_RIGHT_WAIT | KWAST_RIGHT_KILL | WASI_RIGHT_POLL_FD_READWRITE,
    };
}

// The machine with all that belongs to it, where programs can have any.
static void add_machine(struct handle *handles, u32 *count) {
    struct object *machine = machine_object();
    if (machine == NULL)
        return;
    object_retain(machine);
    handles[(*count)++] =
        (struct handle){.object = machine, .rights = KWAST_RIGHT_DEVICES | KWAST_RIGHT_DMA};
}

static enum status spawn(const struct boot_state *boot, struct module *module,
                         struct module_error *error, struct process **out) {
    struct handle handles[HANDLES_OWNED];
    u32 count = STANDARD_HANDLES;
    struct object *messages = messages_stream();
    struct string_list args = {.count = 0};
    program_streams(console_device(), messages, messages, handles);
    for (u32 i = 0; i < STANDARD_HANDLES; i++) // what is shown goes to the device, too, or is read
        handles[i].rights = wasi_stream_rights(true, true);
    enum status status = string_list_add(&args, bytes_of("init"));
    if (status == OK)
        status = add_directory(boot->root, "/boot", handles, &count);
    if (status == OK)
        status = add_directory(kernel_directory(), "/kernel", handles, &count);
    if (status == OK) {
        add_processes(handles, &count);
        add_machine(handles, &count);
    }
    const struct process_config config = {
        .name = "init",
        .module = module,
        .args = args,
        .handles = handles,
        .handle_count = count,
        .error_stream = messages,
        .is_service = true,
    };
    if (status == OK)
        status = process_spawn(&config, error, out);
    for (u32 i = 0; status != OK && i < count; i++)
        program_handle_drop(&handles[i]);
    string_list_fini(&args);
    return status;
}

void first_run(const struct boot_state *boot) {
    struct module_error error = {.func = NO_FUNC};
    struct module *module;
    struct process *init;
    u64 compile_ns;
    if (!has_init(boot))
        return;
    enum status status = program_load(boot, bytes_of(INIT_PATH), &error, &compile_ns, &module);
    if (status == OK) {
        status = spawn(boot, module, &error, &init);
        module_release(module);
    }
    if (status != OK) {
        log_write(LOG_ERROR, INIT_PATH ": %s: %s", status_text(status), error.text);
        return;
    }
    log_console_level(LOG_WARNING); // the console is init's now
    process_set_init(init);
    status = process_wait(init, WAIT_FOREVER);
    (void)status; // this thread is never killed
    if (init->outcome == PROCESS_EXITED && init->exit_status == 0)
        arch_power_off(0);
    say_outcome(init);
    process_release(init);
}
