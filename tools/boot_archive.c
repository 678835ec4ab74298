// Packs what a run needs: boot/run and the program.
//
// The archive has no name in any file system, so it cannot be left behind.

#include "tools/boot_archive.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/kwast/boot.h"
#include "tools/lib/report.h"
#include "tools/lib/tar.h"

#define ARCHIVE_BYTES_MAX (1 * GIB)
#define PROGRAM_NAME_MAX  80
#define TRACE_EVENTS      16384u // kept of each CPU: 1 MiB

// The records of boot/run under way.
struct records {
    FILE *stream;
};

static void PRINTF_LIKE(2, 3) add(struct records *records, const char *format, ...);

static void add(struct records *records, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(records->stream, format, args);
    fputc('\0', records->stream);
    va_end(args);
}

// bin/NAME.wasm after the file's own name, where that is plain enough.
static void program_path(const char *program, char *out, usize size) {
    const char *slash = strrchr(program, '/');
    const char *name = slash == NULL ? program : slash + 1;
    usize len = strlen(name);
    bool plain = len != 0 && len <= PROGRAM_NAME_MAX && name[0] != '.';
    for (usize i = 0; i < len; i++)
        plain = plain && name[i] > ' ' && name[i] < 0x7f;
    bool has_suffix = len > 5 && strcmp(name + len - 5, ".wasm") == 0;
    if (plain)
        snprintf(out, size, "bin/%s%s", name, has_suffix ? "" : ".wasm");
    else
        snprintf(out, size, "bin/program.wasm");
}

static void add_run(struct tar *tar, const struct run_options *options, const char *path) {
    char *text = NULL;
    size_t len = 0;
    struct records records = {open_memstream(&text, &len)};
    if (records.stream == NULL)
        abort();
    add(&records, "program=%s", path);
    add(&records, "arg=%s", options->argv0);
    for (u32 i = 0; i < options->arg_count; i++)
        add(&records, "arg=%s", options->args[i]);
    for (u32 i = 0; i < options->env_count; i++)
        add(&records, "env=%s", options->env[i]);
    for (u32 i = 0; i < options->directory_count; i++)
        add(&records, "root=%s=%u", options->directories[i].guest, i);
    if (options->kernel_files != NULL)
        add(&records, "kernel=%s", options->kernel_files);
    if (options->cpu_share != 0)
        add(&records, "share=%u", options->cpu_share);
    if (options->trace != NULL)
        add(&records, "trace=%u", TRACE_EVENTS);
    add(&records, "memory=%llu", (unsigned long long)options->memory_bytes);
    if (options->invoke != NULL)
        add(&records, "invoke=%s", options->invoke);
    if (options->in_domain)
        add(&records, "isolation=domain");
    if (options->show_times)
        add(&records, "times=1");
    if (fclose(records.stream) != 0)
        abort();
    tar_add_data(tar, BOOT_RUN_PATH, text, len);
    free(text);
}

int boot_archive_create(const struct run_options *options, u64 *bytes) {
    int fd = memfd_create("kwast-boot-archive", MFD_CLOEXEC);
    if (fd < 0) {
        report_error("boot archive", "%s", strerror(errno));
        return -1;
    }
    char path[PROGRAM_NAME_MAX + 16];
    program_path(options->program, path, sizeof(path));

    struct tar tar;
    tar_init(&tar, fd, ARCHIVE_BYTES_MAX);
    add_run(&tar, options, path);
    tar_add_file(&tar, path, options->program);
    if (!tar_finish(&tar)) {
        report_error(tar.what, "%s", tar.why);
        close(fd);
        return -1;
    }
    *bytes = tar.bytes;
    return fd;
}
