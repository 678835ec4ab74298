// Command line of `kwast run`. Options come before the program; what follows the program is its
// own. Names are wasmtime's where it has them.

#include "tools/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "tools/kwast.h"
#include "tools/lib/report.h"

#define MEMORY_MIN (64 * KIB)
#define MEMORY_MAX (8 * GIB)
#define CPUS_MAX   32u
#define SHARE_MAX  1000u

static const char run_help[] =
    "usage: kwast run [OPTIONS] PROGRAM.wasm [ARGS...]\n"
    "\n"
    "Boots Kwast with this program. Its standard input, output, error and exit status\n"
    "are the program's.\n"
    "\n"
    "  --machine MACHINE    what to boot on: qemu (the default), or hosted: the kernel as\n"
    "                       a Linux process\n"
    "  --dir HOST[::GUEST]  a preopened directory: HOST under the name GUEST. It is the\n"
    "                       directory itself: the program may write there, but not leave it\n"
    "  --kernel-files[=GUEST]  a preopened directory in which the kernel tells about itself:\n"
    "                       processes, cpus, memory, log, trace; without GUEST it is /kernel\n"
    "  --env NAME=VALUE     an environment variable; --env NAME takes the value from here\n"
    "  --argv0 NAME         what the program sees as its own name\n"
    "  --memory SIZE        limit of the process's memory (K, M, G; default 1G); the\n"
    "                       machine's RAM follows from it\n"
    "  --cpu-share N        the process's share of the CPU beside other processes, 1 to 1000;\n"
    "                       100 is usual, and children cannot have more\n"
    "  --trace FILE.json    what each CPU did, for https://ui.perfetto.dev or chrome://tracing\n"
    "  --invoke FUNCTION    call this export with ARGS and print its results\n"
    "  --timeout SECONDS    end it after this time, with status 124\n"
    "  --time               times of boot, compile, instantiate and run, and peak memory,\n"
    "                       on stderr\n"
    "  --verbose            the kernel's log, on stderr\n"
    "  --symbols TOOL       make compiled functions known by name to perf or to gdb; with\n"
    "                       --machine hosted only\n"
    "  --cpus N             CPUs of the machine, 1 to 32 (default 1)\n"
    "  --cpu LEVEL          instructions that compiled code may have: native, all that the CPU\n"
    "                       has (the default); avx; or baseline, x86-64-v2. The machine qemu\n"
    "                       has no others then\n"
    "  --isolation KIND     sip: isolated by compilation, in the kernel's address space (the\n"
    "                       default); domain: by page tables as well, with what it spawns. On\n"
    "                       the machine hosted a domain is bookkeeping\n"
    "  --tier TIER          baseline, or auto (which is baseline so far)\n"
    "\n"
    "Exit status: the program's; 134 when it trapped; 124 at a timeout; 1 when it could\n"
    "not be run; 2 for bad usage; 128 and the signal's number when a signal ended it.\n";

bool size_parse(const char *text, u64 *bytes) {
    static const struct {
        const char *suffix;
        u64 factor;
    } units[] = {
        {"", 1},    {"B", 1},     {"K", KIB}, {"k", KIB},   {"KiB", KIB},
        {"M", MIB}, {"MiB", MIB}, {"G", GIB}, {"GiB", GIB},
    };
    u64 value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (!mul_u64(value, 10, &value) || !add_u64(value, (u64)(*at - '0'), &value))
            return false;
    }
    if (at == text)
        return false;
    for (usize i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(at, units[i].suffix) == 0)
            return mul_u64(value, units[i].factor, bytes);
    }
    return false;
}

bool seconds_parse(const char *text, u64 *ns) {
    u64 value = 0;
    u64 unit = 1000000000;
    const char *at = text;
    bool has_digits = false;
    for (; *at >= '0' && *at <= '9'; at++, has_digits = true) {
        if (!mul_u64(value, 10, &value) || !add_u64(value, (u64)(*at - '0') * unit, &value))
            return false;
    }
    if (*at == '.')
        at++;
    for (; *at >= '0' && *at <= '9'; at++, has_digits = true) {
        unit /= 10;
        if (!add_u64(value, (u64)(*at - '0') * unit, &value))
            return false;
    }
    *ns = value;
    return has_digits && *at == '\0';
}

// -- One function per option: true, or the reason has been said -----------------------------------

typedef bool (*option_setter)(struct run_options *options, const char *value);

static bool refuse(const char *option, const char *value, const char *why) {
    report_error(option, "%s: %s", value, why);
    return false;
}

static bool set_machine(struct run_options *options, const char *value) {
    if (strcmp(value, "qemu") == 0)
        options->machine = MACHINE_QEMU;
    else if (strcmp(value, "hosted") == 0)
        options->machine = MACHINE_HOSTED;
    else
        return refuse("--machine", value, "unknown; it is qemu or hosted");
    return true;
}

static bool set_dir(struct run_options *options, const char *value) {
    const char *separator = strstr(value, "::");
    usize host_len = separator == NULL ? strlen(value) : (usize)(separator - value);
    const char *guest = separator == NULL ? value : separator + 2;
    if (host_len == 0 || guest[0] == '\0')
        return refuse("--dir", value, "a directory is empty; it is HOST or HOST::GUEST");
    if (strchr(guest, '=') != NULL)
        return refuse("--dir", value, "the guest's name must not contain '='");
    char *host = strndup(value, host_len);
    if (host == NULL)
        abort();
    options->directories[options->directory_count++] =
        (struct directory){.host = host, .guest = guest};
    return true;
}

static bool set_kernel_files(struct run_options *options, const char *value) {
    options->kernel_files = value == NULL ? "/kernel" : value;
    if (options->kernel_files[0] == '\0')
        return refuse("--kernel-files", "", "the guest's name is empty");
    return true;
}

static bool set_trace(struct run_options *options, const char *value) {
    if (value[0] == '\0')
        return refuse("--trace", value, "it is the name of a file");
    options->trace = value;
    return true;
}

static bool set_cpu_share(struct run_options *options, const char *value) {
    char *end;
    unsigned long share = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || share < 1 || share > SHARE_MAX)
        return refuse("--cpu-share", value, "it is a number from 1 to 1000");
    options->cpu_share = (u32)share;
    return true;
}

static bool set_env(struct run_options *options, const char *value) {
    if (value[0] == '\0' || value[0] == '=')
        return refuse("--env", value, "it is NAME=VALUE or NAME");
    char *copy;
    if (strchr(value, '=') != NULL) {
        copy = strdup(value);
    } else {
        const char *inherited = getenv(value);
        if (inherited == NULL)
            return refuse("--env", value, "not set here either");
        if (asprintf(&copy, "%s=%s", value, inherited) < 0)
            copy = NULL;
    }
    if (copy == NULL)
        abort();
    options->env[options->env_count++] = copy;
    return true;
}

static bool set_argv0(struct run_options *options, const char *value) {
    options->argv0 = value;
    return true;
}

static bool set_memory(struct run_options *options, const char *value) {
    if (!size_parse(value, &options->memory_bytes))
        return refuse("--memory", value, "not a size; examples: 512M, 2G");
    if (options->memory_bytes < MEMORY_MIN || options->memory_bytes > MEMORY_MAX)
        return refuse("--memory", value, "it is between 64K and 8G");
    return true;
}

static bool set_invoke(struct run_options *options, const char *value) {
    options->invoke = value;
    return true;
}

static bool set_timeout(struct run_options *options, const char *value) {
    if (!seconds_parse(value, &options->timeout_ns) || options->timeout_ns == 0)
        return refuse("--timeout", value, "not a positive number of seconds");
    return true;
}

static bool set_cpus(struct run_options *options, const char *value) {
    char *end;
    unsigned long cpus = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || cpus < 1 || cpus > CPUS_MAX)
        return refuse("--cpus", value, "it is a number from 1 to 32");
    options->cpus = (u32)cpus;
    return true;
}

static bool set_cpu(struct run_options *options, const char *value) {
    if (!cpu_level_named(bytes_of(value), &options->cpu))
        return refuse("--cpu", value, "unknown; it is native, avx or baseline");
    return true;
}

static bool set_isolation(struct run_options *options, const char *value) {
    options->in_domain = strcmp(value, "domain") == 0;
    if (options->in_domain || strcmp(value, "sip") == 0)
        return true;
    return refuse("--isolation", value, "unknown; it is sip or domain");
}

static bool set_tier(struct run_options *, const char *value) {
    if (strcmp(value, "baseline") == 0 || strcmp(value, "auto") == 0)
        return true;
    if (strcmp(value, "optimizing") == 0)
        return refuse("--tier", value, "the optimizing compiler is not there yet");
    return refuse("--tier", value, "unknown; it is baseline or auto");
}

static bool set_symbols(struct run_options *options, const char *value) {
    if (strcmp(value, "perf") != 0 && strcmp(value, "gdb") != 0)
        return refuse("--symbols", value, "unknown; it is perf or gdb");
    options->symbols = value;
    return true;
}

static bool set_time(struct run_options *options, const char *) {
    options->show_times = true;
    return true;
}

static bool set_verbose(struct run_options *options, const char *) {
    options->verbose = true;
    return true;
}

static const struct option {
    const char *name;
    option_setter set;
    enum option_value {
        VALUE_NONE,
        VALUE_NEEDED,
        VALUE_INLINE
    } value; // INLINE: may have one, with '='
} run_option_table[] = {
    {"--machine", set_machine, VALUE_NEEDED},
    {"--dir", set_dir, VALUE_NEEDED},
    {"--env", set_env, VALUE_NEEDED},
    {"--argv0", set_argv0, VALUE_NEEDED},
    {"--memory", set_memory, VALUE_NEEDED},
    {"--invoke", set_invoke, VALUE_NEEDED},
    {"--timeout", set_timeout, VALUE_NEEDED},
    {"--cpus", set_cpus, VALUE_NEEDED},
    {"--cpu", set_cpu, VALUE_NEEDED},
    {"--isolation", set_isolation, VALUE_NEEDED},
    {"--tier", set_tier, VALUE_NEEDED},
    {"--symbols", set_symbols, VALUE_NEEDED},
    {"--kernel-files", set_kernel_files, VALUE_INLINE},
    {"--trace", set_trace, VALUE_NEEDED},
    {"--cpu-share", set_cpu_share, VALUE_NEEDED},
    {"--time", set_time, VALUE_NONE},
    {"--verbose", set_verbose, VALUE_NONE},
};

// Finds the option whose name `arg` is, or starts with before '='.
static const struct option *option_find(const char *arg, const char **inline_value) {
    const char *equals = strchr(arg, '=');
    usize len = equals == NULL ? strlen(arg) : (usize)(equals - arg);
    *inline_value = equals == NULL ? NULL : equals + 1;
    for (usize i = 0; i < COUNT_OF(run_option_table); i++) {
        const char *name = run_option_table[i].name;
        if (strlen(name) == len && memcmp(name, arg, len) == 0)
            return &run_option_table[i];
    }
    return NULL;
}

// Parses the option at argv[*at] and moves *at past it.
static bool option_parse(int argc, char **argv, int *at, struct run_options *out) {
    const char *arg = argv[*at];
    const char *value;
    const struct option *option = option_find(arg, &value);
    if (option == NULL)
        return refuse("run", arg, "unknown option; see kwast run --help");
    if (option->value == VALUE_NONE && value != NULL)
        return refuse("run", arg, "this option takes no value");
    if (option->value == VALUE_NEEDED && value == NULL) {
        *at += 1;
        if (*at == argc)
            return refuse("run", arg, "the value is missing; see kwast run --help");
        value = argv[*at];
    }
    *at += 1;
    return option->set(out, value);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static void *zeroed(usize count, usize bytes) {
    void *memory = calloc(count, bytes);
    if (memory == NULL)
        abort();
    return memory;
}

bool run_options_parse(int argc, char **argv, struct run_options *out, int *exit_code) {
    // No list can be longer than the command line.
    *out = (struct run_options){
        .memory_bytes = MEMORY_DEFAULT,
        .cpus = 1,
        .env = zeroed((usize)argc + 1, sizeof(out->env[0])),
        .directories = zeroed((usize)argc + 1, sizeof(out->directories[0])),
    };
    *exit_code = EXIT_USAGE;
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            fputs(run_help, stdout);
            *exit_code = EXIT_OK;
            goto end;
        }
        if (!option_parse(argc, argv, &at, out))
            goto end;
    }
    if (at == argc) {
        report_error("run", "no program given; see kwast run --help");
        goto end;
    }
    if (out->symbols != NULL && out->machine != MACHINE_HOSTED) {
        report_error("--symbols", "only with --machine hosted: tools here cannot see into QEMU");
        goto end;
    }
    out->program = argv[at];
    out->args = argv + at + 1;
    out->arg_count = (u32)(argc - at - 1);
    if (out->argv0 == NULL)
        out->argv0 = base_name(out->program);
    return true;

end:
    run_options_fini(out);
    return false;
}

void run_options_fini(struct run_options *options) {
    for (u32 i = 0; i < options->env_count; i++)
        free(options->env[i]);
    for (u32 i = 0; i < options->directory_count; i++)
        free(options->directories[i].host);
    free(options->env);
    free(options->directories);
    *options = (struct run_options){0};
}
