// The boot, as a list: what the kernel proper starts, in order. Everything before the scheduler
// runs on the boot stack with interrupts off; everything that may block runs in the first thread.

#include "abi/kwast/boot.h"
#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/init/init.h"
#include "kernel/init/log.h"
#include "kernel/init/say.h"
#include "kernel/ipc/archive.h"
#include "kernel/ipc/link.h"
#include "kernel/ipc/stream.h"
#include "kernel/kwast/kwast.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/code.h"
#include "kernel/mm/data.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/module_cache.h"
#include "kernel/proc/random.h"
#include "kernel/wasi/wasi.h"

#define MAIN_STACK_BYTES    (64 * KIB)
#define STATUS_CANNOT_START 1u

static struct boot_state boot;

[[noreturn]] static void fail(const char *what, enum status status) {
    log_write(LOG_ERROR, "%s: %s", what, status_text(status));
    upcall_panic(what);
}

// Here, and not with the upcalls, because a host program that links them brings its own.
void assert_failed(const char *file, int line, const char *what) {
    char why[256];
    fmt_string(why, sizeof why, "%s:%d: %s", file, line, what);
    upcall_panic(why);
}

static void require(const char *what, enum status status) {
    if (status != OK)
        fail(what, status);
}

// What was given to start is not fit for it: no bug, so no panic, but a message and a halt. Where
// somebody waits for the machine it goes off instead.
[[noreturn]] static void PRINTF_LIKE(1, 2) cannot_start(const char *format, ...) {
    char why[256];
    va_list args;
    va_start(args, format);
    fmt_string_va(why, sizeof why, format, args);
    va_end(args);
    say("Kwast cannot start: %s\n", why);
    if (link_is_up())
        arch_power_off(STATUS_CANNOT_START);
    arch_halt();
}

// -- The command line ---------------------------------------------------------------------------

// Whether `word` is one of the words of the command line.
static bool has_option(const char *word) {
    const char *at = boot.info->command_line;
    usize len = strlen(word);
    while (*at != 0) {
        while (*at == ' ')
            at++;
        usize i = 0;
        while (at[i] != 0 && at[i] != ' ')
            i++;
        if (i == len && memcmp(at, word, len) == 0)
            return true;
        at += i;
    }
    return false;
}

static void start_log(void) {
    log_init();
    if (has_option("log=none"))
        log_console_off();
    else if (has_option("quiet"))
        log_console_level(LOG_WARNING);
    log_write(LOG_INFO, "kwast on %s, %llu MiB, started by %s", boot.info->machine,
              boot.info->ram_bytes / MIB, boot.info->boot_loader);
    log_write(LOG_INFO, "firmware and boot loader took %lu us", arch_firmware_ns() / 1000);
}

// The number behind `name=` on the command line, or `otherwise`.
static u64 number_option(const char *name, u64 otherwise) {
    const char *at = boot.info->command_line;
    usize len = strlen(name);
    while (*at != 0) {
        while (*at == ' ')
            at++;
        usize same = 0;
        while (same < len && at[same] == name[same])
            same++;
        if (same == len && at[len] == '=') {
            u64 value = 0;
            for (at += len + 1; *at >= '0' && *at <= '9' && value < UINT32_MAX; at++)
                value = 10 * value + (u64)(*at - '0');
            return value;
        }
        while (*at != 0 && *at != ' ')
            at++;
    }
    return otherwise;
}

// What `cpu=` on the command line says, if it is understood.
static enum cpu_level cpu_option(void) {
    enum cpu_level level = CPU_NATIVE;
    if (has_option("cpu=baseline"))
        level = CPU_BASELINE;
    else if (has_option("cpu=avx"))
        level = CPU_AVX_ONLY;
    return level;
}

// -- On the boot stack --------------------------------------------------------------------------

static void start_memory(void) {
    require("page frames", frame_init(boot.info));
    struct phys_addr frame;
    if (frame_alloc(ZONE_PROGRAM, 0, &frame) != OK)
        cannot_start("too little memory: programs need %llu MiB in one aligned piece",
                     ARCH_ZONE_BLOCK_BYTES / MIB);
    frame_free(frame, 0);
    heap_init();
    aspace_init(aspace_kernel(), arch_aspace_kernel());
    data_register();
    code_init();
    if (!arch_aspaces_are_apart())
        log_write(LOG_INFO, "protection domains are bookkeeping on this machine");
}

static void start_engine(void) {
    if (!random_init(boot.info->seed))
        log_write(LOG_WARNING, "no hardware randomness and no seed: random numbers are weak");
    bool is_fs = arch_memory_segment() == ARCH_SEGMENT_FS;
    const struct engine_config config = {
        .segment = is_fs ? SEGMENT_FS : SEGMENT_GS,
        .features = FEATURES_SUPPORTED,
        .cpu = cpu_option(),
        .mapping_imports = kwast_mapping_imports,
        .mapping_import_count = kwast_mapping_import_count,
    };
    struct engine *engine;
    process_early_init();
    require("engine", engine_create(&config, &engine));
    process_init(engine);
    module_cache_init();
    require("WASI", wasi_register());
    require("the module kwast", kwast_register());
}

// -- In the first thread ------------------------------------------------------------------------

static void open_archive(void) {
    if (boot.info->module_count == 0)
        cannot_start(
            "there is no boot archive: the boot loader was to load a tar of programs as the "
            "first module");
    struct archive_error error;
    struct archive *archive;
    enum status status = archive_create(boot.info->modules[0], &error, &archive);
    if (status != OK)
        cannot_start("the boot archive is damaged at byte %lu: %s", error.offset, error.why);
    boot.root = archive_root(archive);
}

// Whether there is a boot/run; its bytes stay.
static bool find_records(struct bytes *out) {
    struct object *file;
    if (object_walk(boot.root, bytes_of(BOOT_RUN_PATH), true, &file) != OK)
        return false;
    bool found = archive_file_bytes(file, out);
    object_release(file);
    return found;
}

static void main_thread(void *argument) {
    (void)argument;
    boot.ready_ns = arch_clock_ns();
    link_init(foreground_interrupt);
    open_archive();
    log_flush_to_link();
#ifndef NDEBUG
    if (has_option("panic")) // for the test of what a panic looks like
        upcall_panic("asked for");
#endif

    struct bytes records;
    if (find_records(&records))
        run_from_records(&boot, records);
    if (!has_option("prompt"))
        first_run(&boot);
    demo_run(&boot);
    prompt_run(&boot);
}

static void start_main_thread(void) {
    const struct thread_config config = {
        .name = "main",
        .entry = main_thread,
        .stack_bytes = MAIN_STACK_BYTES + PAGE_SIZE,
        .stack_committed = MAIN_STACK_BYTES,
        .priority = PRIORITY_NORMAL,
    };
    struct thread *thread;
    require("main thread", thread_create(&config, &thread));
    thread_start(thread);
}

static void start_cpus(void) {
    u64 wanted = number_option("cpus", ARCH_CPUS_MAX);
    if (wanted > 1 && boot.info->cpu_count > 1)
        sched_expect_company();
    boot.cpu_count = arch_cpus_start((u32)min_u64(wanted, ARCH_CPUS_MAX));
    log_write(LOG_INFO, "%u of %u CPUs run", boot.cpu_count, boot.info->cpu_count);
}

void upcall_cpu_main(void) {
    sched_init();
    sched_run();
}

void kernel_main(const struct boot_info *info) {
    boot.info = info;
    start_log();
    start_memory();
    arch_devices_start();
    sched_init();
    foreground_init(); // before anything can ask it to interrupt
    console_init(foreground_interrupt);
    start_engine();
    start_main_thread();
    start_cpus();
    sched_run();
}
