// `kwast compile`: what the engine makes of a module, without running it. The same code compiles
// programs in the kernel.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/math.h"
#include "engine/api/engine.h"
#include "tools/disassemble.h"
#include "tools/kwast.h"
#include "tools/lib/report.h"

static const char compile_help[] =
    "usage: kwast compile [--cpu LEVEL] [--disassemble[=FUNCTION]] PROGRAM.wasm\n"
    "\n"
    "Decodes, validates and compiles a module, and prints its sizes, the CPU time that took,\n"
    "and how much memory it took at its peak besides the module and the code.\n"
    "\n"
    "  --cpu LEVEL             what the code may use: native, all that this CPU has (the\n"
    "                          default); avx; or baseline, x86-64-v2\n"
    "  --tier TIER             baseline, or auto (which is baseline so far)\n"
    "  --disassemble[=FUNCTION]\n"
    "                          print the code instead, of all functions or of the one with this\n"
    "                          name or number; beside accesses, calls and traps, the offset and\n"
    "                          name of the WebAssembly instruction\n";

static bool file_map(const char *path, struct bytes *out) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool opened = fd >= 0 && fstat(fd, &info) == 0;
    if (opened && !S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        opened = false;
    }
    void *data = NULL;
    if (opened && info.st_size != 0)
        data = mmap(NULL, (usize)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (!opened || data == MAP_FAILED) {
        report_error(path, "%s", strerror(errno));
        opened = false;
    }
    if (fd >= 0)
        close(fd);
    if (opened)
        *out = (struct bytes){data, (usize)info.st_size};
    return opened;
}

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// A figure of /proc/self/status, such as VmRSS or VmHWM, its peak; 0 if there is none.
static u64 status_bytes(const char *name) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long kib = 0;
    usize len = strlen(name);
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            sscanf(line + len + 1, "%llu", &kib);
    }
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

static int report_refusal(const char *path, const struct module_error *error) {
    if (error->func == NO_FUNC)
        report_error(path, "offset %u: %s", error->offset, error->text);
    else
        report_error(path, "function %u, offset %u: %s", error->func, error->offset, error->text);
    return EXIT_ERROR;
}

// `seconds` of CPU, and `peak_bytes` of memory beyond what was there before: the code is in it, the
// module is not.
static void print_report(usize module_bytes, const struct module_stats *stats, double seconds,
                         u64 peak_bytes) {
    u64 over_bytes = peak_bytes > stats->code_bytes ? peak_bytes - stats->code_bytes : 0;
    printf("module     %10zu bytes\n", module_bytes);
    printf("functions  %10u\n", stats->func_count);
    printf("bodies     %10llu bytes\n", (unsigned long long)stats->wasm_code_bytes);
    printf("code       %10llu bytes", (unsigned long long)stats->code_bytes);
    if (stats->wasm_code_bytes != 0)
        printf("  (%.2f per byte of body)",
               (double)stats->code_bytes / (double)stats->wasm_code_bytes);
    printf("\ntime       %10.3f ms", seconds * 1e3);
    if (seconds > 0)
        printf("     (%.1f MB/s)", (double)module_bytes / seconds / 1e6);
    printf("\nmemory     %10llu bytes  (peak, besides module and code)\n",
           (unsigned long long)over_bytes);
}

struct compile_options {
    const char *path;
    bool disassemble;
    const char *func; // to disassemble; NULL: all
    enum cpu_level cpu;
};

static int compile_bytes(struct engine *engine, const struct compile_options *options,
                         struct bytes wasm) {
    struct module *module;
    struct module_error error = {.func = NO_FUNC};
    u64 bytes_before = status_bytes("VmRSS");
    double start = cpu_seconds();
    enum status status = module_create_lent(engine, wasm, &error, &module);
    double seconds = cpu_seconds() - start;
    if (status != OK) {
        if (error.text[0] == '\0')
            snprintf(error.text, sizeof(error.text), "%s", status_text(status));
        return report_refusal(options->path, &error);
    }

    u64 peak_bytes = status_bytes("VmHWM");
    int exit_code = EXIT_OK;
    if (options->disassemble) {
        exit_code = disassemble(module, wasm, options->func);
    } else {
        struct module_stats stats;
        module_stats(module, &stats);
        print_report(wasm.len, &stats, seconds, peak_bytes - min_u64(peak_bytes, bytes_before));
    }
    module_release(module);
    return exit_code;
}

static int compile_file(const struct compile_options *options) {
    struct bytes wasm;
    if (!file_map(options->path, &wasm))
        return EXIT_ERROR;
    struct engine *engine;
    struct engine_config config = {
        .segment = SEGMENT_GS, .features = FEATURES_SUPPORTED, .cpu = options->cpu};
    enum status status = engine_create(&config, &engine);
    if (status != OK) {
        report_error("engine", "%s", status_text(status));
        return EXIT_ERROR;
    }
    int exit_code = compile_bytes(engine, options, wasm);
    engine_destroy(engine);
    if (wasm.len != 0)
        munmap((void *)wasm.data, wasm.len);
    return exit_code;
}

// The value of the option `name` at argv[*at], "" where it is missing; NULL when another is there.
static const char *option_value(char **argv, int argc, int *at, const char *name) {
    usize len = strlen(name);
    if (strncmp(argv[*at], name, len) != 0)
        return NULL;
    if (argv[*at][len] == '=')
        return argv[*at] + len + 1;
    if (argv[*at][len] != '\0')
        return NULL;
    return *at + 1 < argc ? argv[++*at] : "";
}

// The option at argv[*at], or the path; false when it is not understood.
static bool parse_argument(char **argv, int argc, int *at, struct compile_options *out) {
    const char *argument = argv[*at];
    const char *tier = option_value(argv, argc, at, "--tier");
    if (tier != NULL)
        return strcmp(tier, "baseline") == 0 || strcmp(tier, "auto") == 0;
    const char *level = option_value(argv, argc, at, "--cpu");
    if (level != NULL)
        return cpu_level_named(bytes_of(level), &out->cpu);
    if (strcmp(argument, "--disassemble") == 0 || strncmp(argument, "--disassemble=", 14) == 0) {
        out->disassemble = true;
        out->func = argument[13] == '=' ? argument + 14 : NULL;
        return true;
    }
    if (argument[0] == '-' || out->path != NULL)
        return false;
    out->path = argument;
    return true;
}

int compile_main(int argc, char **argv) {
    struct compile_options options = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(compile_help, stdout);
            return EXIT_OK;
        }
        if (!parse_argument(argv, argc, &i, &options)) {
            report_error("compile", "%s: not understood; see kwast compile --help", argv[i]);
            return EXIT_USAGE;
        }
    }
    if (options.path == NULL) {
        report_error("compile", "no program given; see kwast compile --help");
        return EXIT_USAGE;
    }
    return compile_file(&options);
}
