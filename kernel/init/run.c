// `kwast run`: one program, its streams over the link, its end in LINK_EXIT, then power off.

#include "abi/kwast/boot.h"
#include "abi/kwast/link.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/init/init.h"
#include "kernel/init/kernel_files.h"
#include "kernel/init/log.h"
#include "kernel/init/payload.h"
#include "kernel/init/run_records.h"
#include "kernel/init/say.h"
#include "kernel/ipc/archive.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/link_file.h"
#include "kernel/ipc/stream.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/trace.h"

#define MESSAGE_BYTES   320u
#define STATUS_REFUSED  1u
#define STATUS_TRAPPED  134u
#define STATUS_STOPPED  130u
#define HANDLES_AT_MOST (STANDARD_HANDLES + RUN_PREOPENS_MAX)

struct run {
    const struct boot_state *boot;
    struct run_records records;
    struct handle handles[HANDLES_AT_MOST];
    u32 handle_count;
    struct link_times times;
};

static void send_trace(void) {
    trace_stop();
    usize size = trace_bytes_most();
    u8 *stream = size == 0 ? NULL : kmalloc(size);
    if (stream == NULL)
        return; // there is none, or nobody has room for it: the other side sees that it is missing
    enum status sent = link_send(LINK_TRACE, stream, trace_copy(stream));
    (void)sent; // this thread is never killed
    kfree(stream, size);
}

// Says how it ended and stops the machine. Where there is no link, the machine's own exit status
// has to tell.
[[noreturn]] static void finish(enum link_outcome outcome, u32 status) {
    log_flush_to_link();
    send_trace();
    const struct link_exit end = {outcome, status};
    enum status sent = link_send(LINK_EXIT, &end, sizeof end);
    (void)sent;               // nobody is left to be told
    link_flush(WAIT_FOREVER); // however slow its reader is; who has LINK_EXIT ends the machine
    static const u32 machine_status[] = {
        [LINK_TRAPPED] = STATUS_TRAPPED,
        [LINK_REFUSED] = STATUS_REFUSED,
        [LINK_INTERRUPTED] = STATUS_STOPPED,
    };
    arch_power_off(outcome == LINK_EXITED ? status : machine_status[outcome]);
}

// A message for people, on the program's stderr: it has not started, so nothing is mixed.
[[noreturn]] static void PRINTF_LIKE(1, 2) refuse(const char *format, ...) {
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    usize len = fmt_string_va(text, sizeof text, format, args);
    va_end(args);
    len = min_u64(len, sizeof text - 1);
    usize put;
    struct object *stream = link_is_up() ? link_stderr_stream() : console_stream();
    enum status status = object_write(stream, 0, text, len, &put);
    (void)status;
    finish(LINK_REFUSED, STATUS_REFUSED);
}

[[noreturn]] static void refuse_module(const char *name, const struct module_error *error) {
    if (error->func != NO_FUNC)
        refuse("kwast: %s: %s (function %u, module offset 0x%x)\n", name, error->text, error->func,
               error->offset);
    if (error->offset != 0)
        refuse("kwast: %s: %s (module offset 0x%x)\n", name, error->text, error->offset);
    refuse("kwast: %s: %s\n", name, error->text);
}

static enum status open_preopen(const struct run *run, const struct run_preopen *preopen,
                                struct object **out) {
    if (preopen->is_kernel) {
        *out = kernel_directory();
        object_retain(*out);
        return OK;
    }
    if (preopen->is_root)
        return link_is_up() ? link_directory_create(preopen->root, out) : ERR_CLOSED;
    struct bytes path = preopen->path.len == 0 ? bytes_of(".") : preopen->path;
    return object_walk(run->boot->root, path, true, out);
}

static void open_handles(struct run *run) {
    bool is_linked = link_is_up();
    struct object *console = console_stream();
    program_streams(is_linked ? link_stdin_stream() : console,
                    is_linked ? link_stdout_stream() : console,
                    is_linked ? link_stderr_stream() : console, run->handles);
    run->handle_count = STANDARD_HANDLES;
    for (u32 i = 0; i < run->records.preopen_count; i++) {
        const struct run_preopen *preopen = &run->records.preopens[i];
        struct object *directory;
        enum status status = open_preopen(run, preopen, &directory);
        if (status == OK)
            status = program_preopen(directory, preopen->guest, &run->handles[run->handle_count]);
        if (status != OK)
            refuse("kwast: preopen %.*s: %s\n", (int)min_u64(preopen->path.len, 128),
                   (const char *)preopen->path.data, status_text(status));
        run->handle_count++;
    }
}

static struct process *start(struct run *run) {
    char name[sizeof((struct process *)NULL)->name];
    program_name(run->records.program, name, sizeof name);
    struct module_error error = {.func = NO_FUNC};
    struct module *module;
    u64 compile_ns;
    if (program_load(run->boot, run->records.program, &error, &compile_ns, &module) != OK)
        refuse_module(name, &error);
    run->times.compile_ns = compile_ns;
    struct module_stats stats;
    module_stats(module, &stats);
    run->times.wasm_bytes = stats.wasm_code_bytes;
    run->times.code_bytes = stats.code_bytes;

    open_handles(run);
    struct aspace *domain = NULL;
    if (run->records.in_domain && aspace_create(&domain) != OK)
        refuse("kwast: no memory for a protection domain\n");
    const struct process_config config = {
        .aspace = domain,
        .name = name,
        .module = module,
        .args = run->records.args,
        .env = run->records.env,
        .memory_limit = run->records.memory_limit,
        .cpu_share = run->records.cpu_share,
        .handles = run->handles,
        .handle_count = run->handle_count,
        .error_stream = link_is_up() ? link_stderr_stream() : console_stream(),
        .invoke = run->records.invoke,
    };
    struct process *process;
    if (process_spawn(&config, &error, &process) != OK)
        refuse_module(name, &error);
    module_release(module);
    aspace_release(domain);
    return process;
}

[[noreturn]] static void run_script(struct run *run) {
    struct object *file;
    struct bytes script;
    enum status status = object_walk(run->boot->root, run->records.program, true, &file);
    if (status != OK || !archive_file_bytes(file, &script))
        refuse("kwast: no such script\n");
    u32 exit_status;
    if (!payload_run(script, &exit_status))
        refuse("kwast: this kernel runs no scripts\n");
    finish(LINK_EXITED, exit_status);
}

// Over the link, or where there is none on the console.
static void tell_times(struct run *run, const struct process *process) {
    struct link_times *times = &run->times;
    times->firmware_ns = arch_firmware_ns();
    times->started_ns = process->times.started_ns;
    times->instantiate_ns = process->times.instantiate_ns;
    times->run_ns = process->times.run_ns;
    if (link_is_up()) {
        enum status status = link_send(LINK_TIMES, times, sizeof *times);
        (void)status; // nobody is left to be told
        return;
    }
    say("times: firmware %lu, kernel %lu, compile %lu, instantiate %lu, run %lu ns\n",
        times->firmware_ns, times->started_ns - times->compile_ns - times->instantiate_ns,
        times->compile_ns, times->instantiate_ns, times->run_ns);
}

void run_from_records(const struct boot_state *boot, struct bytes text) {
    struct run *run = kmalloc(sizeof *run);
    if (run == NULL)
        refuse("kwast: out of memory\n");
    run->boot = boot;
    u32 cpus = (u32)max_u64(1, min_u64(boot->info->cpu_count, ARCH_CPUS_MAX));
    const char *why;
    if (run_records_parse(text, &run->records, &why) != OK)
        refuse("kwast: %s: %s\n", BOOT_RUN_PATH, why);
    if (run->records.is_script)
        run_script(run);

    if (run->records.trace_events != 0 && trace_start(cpus, run->records.trace_events) != OK)
        refuse("kwast: no memory for the trace\n");

    struct process *process = start(run);
    if (foreground_set(process)) // Ctrl-C came while it was compiled
        process_kill(process);
    log_flush_to_link();
    enum status status = process_wait(process, WAIT_FOREVER);
    (void)status; // this thread is never killed

    if (run->records.wants_times)
        tell_times(run, process);
    switch (process->outcome) {
    case PROCESS_EXITED:
        finish(LINK_EXITED, process->exit_status & 0xff);
    case PROCESS_TRAPPED:
        finish(LINK_TRAPPED, 0);
    case PROCESS_KILLED:
        finish(LINK_INTERRUPTED, 0);
    }
    finish(LINK_REFUSED, STATUS_REFUSED); // not reached: the outcomes are all above
}
