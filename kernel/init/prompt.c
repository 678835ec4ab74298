// The prompt: a few commands on the console until there is a shell that runs as a program.

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/init/init.h"
#include "kernel/init/kernel_files.h"
#include "kernel/init/log.h"
#include "kernel/init/say.h"
#include "kernel/ipc/stream.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/code.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/trace.h"
#include "kernel/sched/wait.h"

#define LINE_BYTES 1025u
#define WORDS_MAX  32u

struct command_line {
    struct bytes words[WORDS_MAX];
    u32 count;
};

struct command {
    const char *name;
    const char *usage;
    void (*run)(const struct boot_state *boot, const struct command_line *line);
};

static void run_help(const struct boot_state *boot, const struct command_line *line);

// -- ls -----------------------------------------------------------------------------------------

static void list_directory(struct object *directory) {
    struct object_entry entry;
    for (u64 cookie = 0; object_read_entry(directory, cookie, &entry) == OK;
         cookie = entry.next_cookie) {
        struct object *child;
        struct object_stat stat = {.size = 0};
        if (object_lookup(directory, entry.name, &child) == OK) {
            enum status status = object_stat(child, &stat);
            (void)status; // then the size shows as 0
            object_release(child);
        }
        say("%10lu  %.*s%s\n", stat.size, (int)entry.name.len, (const char *)entry.name.data,
            entry.type == OBJECT_DIRECTORY ? "/" : "");
    }
}

// People know the archive's root as "/"; a walk knows no absolute paths.
static struct bytes below_root(struct bytes path) {
    while (path.len != 0 && path.data[0] == '/') {
        path.data++;
        path.len--;
    }
    return path.len == 0 ? bytes_of(".") : path;
}

static void run_ls(const struct boot_state *boot, const struct command_line *line) {
    if (boot->root == NULL) {
        say("there is no boot archive\n");
        return;
    }
    struct bytes path = line->count > 1 ? below_root(line->words[1]) : bytes_of(".");
    struct object *object;
    enum status status = object_walk(boot->root, path, true, &object);
    if (status != OK) {
        say("ls: %s\n", status_text(status));
        return;
    }
    if (object->type == OBJECT_DIRECTORY)
        list_directory(object);
    else
        say("%.*s\n", (int)path.len, (const char *)path.data);
    object_release(object);
}

// -- run ----------------------------------------------------------------------------------------

// NAME means bin/NAME.wasm; anything with a slash is a path.
static struct bytes program_path(struct bytes name, char *buffer, usize size) {
    for (usize i = 0; i < name.len; i++) {
        if (name.data[i] == '/')
            return below_root(name);
    }
    usize len = fmt_string(buffer, size, "bin/%.*s.wasm", (int)name.len, (const char *)name.data);
    return (struct bytes){(const u8 *)buffer, min_u64(len, size - 1)};
}

// Starts the program that the line names; NULL when it could not, which has been said.
static struct process *start(const struct boot_state *boot, const struct command_line *line) {
    if (line->count < 2) {
        say("usage: %.*s NAME [ARGS...]\n", (int)line->words[0].len,
            (const char *)line->words[0].data);
        return NULL;
    }
    char buffer[LINE_BYTES + 16];
    struct bytes path = program_path(line->words[1], buffer, sizeof buffer);
    struct process *process;
    enum status status = program_start(boot, path, line->words + 1, line->count - 1, &process);
    return status == OK ? process : NULL;
}

static void run_run(const struct boot_state *boot, const struct command_line *line) {
    foreground_set(NULL); // Ctrl-C at the prompt was for the prompt
    struct process *process = start(boot, line);
    if (process == NULL)
        return;
    if (foreground_set(process))
        process_kill(process);
    enum status status = process_wait(process, WAIT_FOREVER);
    (void)status; // this thread is never killed
    foreground_set(NULL);
    if (process->outcome != PROCESS_EXITED || process->exit_status != 0)
        say_outcome(process);
    process_release(process);
}

static void run_start(const struct boot_state *boot, const struct command_line *line) {
    struct process *process = start(boot, line);
    if (process != NULL)
        say("started as process %u\n", process->id);
    process_release(process);
}

// -- ps, cpus, mem, kill, log, poweroff ---------------------------------------------------------

// Prints one of the kernel's own files.
static void show(const char *name) {
    struct bytes text;
    usize size;
    enum status status = kernel_file_text(bytes_of(name), &text, &size);
    if (status != OK) {
        say("%s: %s\n", name, status_text(status));
        return;
    }
    arch_console_write((const char *)text.data, text.len);
    kfree((void *)(uptr)text.data, size);
}

static void run_ps(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    (void)line;
    show("processes");
}

static void run_cpus(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    (void)line;
    show("cpus");
    sched_check();
}

static void run_mem(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    (void)line;
    show("memory");
}

// False unless the text is a number that a process can have.
static bool parse_number(struct bytes text, u64 *out) {
    *out = 0;
    for (usize i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *out > UINT32_MAX)
            return false;
        *out = *out * 10 + (u64)(text.data[i] - '0');
    }
    return text.len != 0;
}

static void run_kill(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    u64 id;
    if (line->count != 2 || !parse_number(line->words[1], &id)) {
        say("usage: kill NUMBER\n");
        return;
    }
    struct process *process = id > UINT32_MAX ? NULL : process_find((u32)id, NULL);
    if (process == NULL) {
        say("kill: no such process\n");
        return;
    }
    process_kill(process);
    process_release(process);
}

static void run_log(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    (void)line;
    show("log");
}

// What comes of it is in the kernel's file `trace`.
static void run_trace(const struct boot_state *boot, const struct command_line *line) {
    bool is_on = line->count == 2 && bytes_equal_text(line->words[1], "on");
    bool is_off = line->count == 2 && bytes_equal_text(line->words[1], "off");
    enum status status = OK;
    if (is_on)
        status = trace_start(boot->cpu_count, TRACE_EVENTS_USUAL);
    else if (is_off)
        trace_stop();
    else
        say("usage: trace on|off\n");
    if (status != OK)
        say("trace: %s\n", status_text(status));
}

#ifndef NDEBUG
struct domains {
    u32 count;
    u64 pages;
};

static void check_domain(struct aspace *as, void *context) {
    struct domains *domains = context;
    u64 pages = aspace_check(as);
    if (as == aspace_kernel())
        return;
    domains->count++;
    domains->pages += pages;
}

static void run_check(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    (void)line;
    heap_check();
    frame_check();
    struct domains domains = {0};
    aspace_for_each(check_domain, &domains);
    code_check();
    sched_check();
    say("all invariants hold; %u domains have %lu pages that nobody else has\n", domains.count,
        domains.pages);
}

static void run_fail(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    u64 n;
    if (line->count != 2 || !parse_number(line->words[1], &n))
        say("usage: fail NUMBER\n");
    else
        heap_fail_nth(n);
}
#endif

static void run_poweroff(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    (void)line;
    arch_power_off(0);
}

static const struct command commands[] = {
    {"help", "what can be typed", run_help},
    {"ls", "[PATH]: files of the boot archive", run_ls},
    {"run", "NAME [ARGS...]: a program of bin/", run_run},
    {"start", "NAME [ARGS...]: the same, without waiting for its end", run_start},
    {"ps", "processes", run_ps},
    {"cpus", "what each CPU did, and runs", run_cpus},
    {"mem", "memory", run_mem},
    {"kill", "NUMBER: end a process", run_kill},
    {"log", "what the kernel said", run_log},
    {"trace", "on|off: write down what happens, for the file trace of /kernel", run_trace},
#ifndef NDEBUG
    {"check", "every invariant of the kernel's memory and scheduler", run_check},
    {"fail", "NUMBER: that allocation of the kernel's heap from now on fails", run_fail},
#endif
    {"poweroff", "stop the machine", run_poweroff},
};

static void run_help(const struct boot_state *boot, const struct command_line *line) {
    (void)boot;
    (void)line;
    for (u32 i = 0; i < COUNT_OF(commands); i++)
        say("  %-10s %s\n", commands[i].name, commands[i].usage);
    say("Ctrl-C ends the program that runs.\n");
}

static void split_words(struct bytes text, struct command_line *out) {
    out->count = 0;
    usize at = 0;
    while (out->count < WORDS_MAX) {
        while (at < text.len && text.data[at] <= ' ')
            at++;
        usize start = at;
        while (at < text.len && text.data[at] > ' ')
            at++;
        if (at == start)
            return;
        out->words[out->count++] = (struct bytes){text.data + start, at - start};
    }
}

static void run_line(const struct boot_state *boot, struct bytes text) {
    struct command_line line;
    split_words(text, &line);
    if (line.count == 0)
        return;
    for (u32 i = 0; i < COUNT_OF(commands); i++) {
        if (bytes_equal_text(line.words[0], commands[i].name)) {
            commands[i].run(boot, &line);
            return;
        }
    }
    say("%.*s: no such command; try help\n", (int)line.words[0].len,
        (const char *)line.words[0].data);
}

// Reads one line without its newline; the console hands out whole lines, but perhaps several. False
// at the end of the input.
static bool read_line(char *line, usize size, usize *len) {
    for (*len = 0; *len < size;) {
        usize got = 0;
        char c;
        if (object_read(console_stream(), 0, &c, 1, &got) != OK || got == 0)
            return *len != 0;
        if (c == '\n')
            break;
        line[(*len)++] = c;
    }
    return true;
}

void prompt_run(const struct boot_state *boot) {
    char line[LINE_BYTES];
    for (;;) {
        usize len;
        say("kwast> ");
        if (!read_line(line, sizeof line, &len)) { // Ctrl-D, or nobody can type any more
            say("poweroff\n");
            arch_power_off(0);
        }
        run_line(boot, (struct bytes){(const u8 *)line, len});
        log_flush_to_link();
    }
}
