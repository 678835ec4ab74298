// The kernel's words on the console, and starting programs there.

#include "kernel/init/say.h"

#include "base/fmt.h"
#include "kernel/init/kernel_files.h"
#include "kernel/ipc/messages.h"
#include "kernel/ipc/stream.h"

#define TEXT_BYTES 256u

static void say_sink(void *context, const char *text, usize len) {
    (void)context;
    messages_say(text, len);
}

// In one piece where it fits, so that what programs print does not get into the middle of it.
void say(const char *format, ...) {
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    usize len = fmt_string_va(text, sizeof text, format, args);
    va_end(args);
    if (len < sizeof text) {
        messages_say(text, len);
    } else {
        va_start(args, format);
        fmt_write(say_sink, NULL, format, args);
        va_end(args);
    }
    if (arch_irq_enabled())
        messages_wake();
}

void say_outcome(const struct process *process) {
    u64 ms = process->times.run_ns / 1000000;
    switch (process->outcome) {
    case PROCESS_EXITED:
        say("  %-16s exited with status %u", process->name, process->exit_status);
        break;
    case PROCESS_TRAPPED:
        say("  %-16s trapped: %s", process->name, trap_text(process->trap));
        break;
    case PROCESS_KILLED:
        say("  %-16s killed", process->name);
        break;
    }
    say(" after %lu.%03lu s\n", ms / 1000, ms % 1000);
}

static void say_error(const char *name, const struct module_error *error) {
    say("kwast: %s: %s", name, error->text);
    if (error->offset != 0)
        say(" (module offset 0x%x)", error->offset);
    say("\n");
}

static enum status spawn(const struct boot_state *boot, const char *name, struct module *module,
                         const struct string_list *args, struct process **out) {
    struct handle handles[STANDARD_HANDLES + 2];
    struct object *console = console_stream();
    program_streams(console, console, console, handles);
    u32 count = STANDARD_HANDLES;
    struct module_error error;
    object_retain(boot->root);
    enum status status = program_preopen(boot->root, bytes_of("/"), &handles[count]);
    if (status == OK) {
        count++;
        object_retain(kernel_directory());
        status = program_preopen(kernel_directory(), bytes_of("/kernel"), &handles[count]);
    }
    if (status == OK)
        count++;
    const struct process_config config = {
        .name = name,
        .module = module,
        .args = *args,
        .handles = handles,
        .handle_count = count,
        .error_stream = console,
    };
    status = process_spawn(&config, &error, out);
    if (status != OK) {
        say_error(name, &error);
        for (u32 i = 0; i < count; i++)
            program_handle_drop(&handles[i]);
    }
    return status;
}

enum status program_start(const struct boot_state *boot, struct bytes path,
                          const struct bytes *args, u32 arg_count, struct process **out) {
    char name[sizeof(*out)->name];
    struct module_error error = {.func = NO_FUNC};
    struct module *module;
    u64 compile_ns;
    program_name(path, name, sizeof name);
    enum status status = program_load(boot, path, &error, &compile_ns, &module);
    if (status != OK) {
        say_error(name, &error);
        return status;
    }
    struct string_list list = {.count = 0};
    for (u32 i = 0; i < arg_count && status == OK; i++)
        status = string_list_add(&list, args[i]);
    if (status == OK)
        status = spawn(boot, name, module, &list, out);
    string_list_fini(&list);
    module_release(module);
    return status;
}
