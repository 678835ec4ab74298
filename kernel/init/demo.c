// What the machine shows when it was given nothing to run: what it is, and programs in three
// languages at the same time.

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/init/init.h"
#include "kernel/init/say.h"
#include "kernel/ipc/stream.h"
#include "kernel/sched/wait.h"

static const char *const programs[] = {"bin/demo-c.wasm", "bin/demo-cpp.wasm",
                                       "bin/demo-rust.wasm"};

static void print_banner(const struct boot_state *boot) {
    const struct boot_info *info = boot->info;
    u64 ms = boot->ready_ns / 1000000;
    u64 firmware_ms = arch_firmware_ns() / 1000000;
    say("\nKwast " KWAST_VERSION " - WebAssembly in ring 0\n");
    say("  machine  %s\n", info->machine);
    say("  memory   %llu MiB\n", info->ram_bytes / MIB);
    say("  CPUs     %u\n", boot->cpu_count);
    say("  boot     %lu.%03lu s, after %lu.%03lu s of firmware and loader\n\n", ms / 1000,
        ms % 1000, firmware_ms / 1000, firmware_ms % 1000);
}

static struct process *start_one(const struct boot_state *boot, struct bytes path) {
    char name[32];
    struct process *process = NULL;
    program_name(path, name, sizeof name);
    struct bytes args[] = {bytes_of(name)};
    enum status status = program_start(boot, path, args, COUNT_OF(args), &process);
    return status == OK ? process : NULL;
}

// Ctrl-C ends the one that is waited for, and then all.
static void wait_for_all(struct process *const *running) {
    bool interrupted = false;
    for (u32 i = 0; i < COUNT_OF(programs); i++) {
        if (running[i] == NULL)
            continue;
        interrupted = foreground_set(running[i]) || interrupted;
        if (interrupted)
            process_kill(running[i]);
        enum status status = process_wait(running[i], WAIT_FOREVER);
        (void)status; // this thread is never killed
    }
    foreground_set(NULL);
}

void demo_run(const struct boot_state *boot) {
    struct process *running[COUNT_OF(programs)];
    print_banner(boot);
    for (u32 i = 0; i < COUNT_OF(programs); i++)
        running[i] = start_one(boot, bytes_of(programs[i]));
    wait_for_all(running);
    say("\n");
    for (u32 i = 0; i < COUNT_OF(programs); i++) {
        if (running[i] != NULL)
            say_outcome(running[i]);
        process_release(running[i]);
    }
    say("\n");
}
