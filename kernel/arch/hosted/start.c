// The start of the machine: what was asked for on the command line, then kernel_main.
//
//   kwast-hosted [--memory MIB] [--cpus N] [--host-cpus LIST] [--append TEXT] [--link FD]
//                [--archive FD] [--symbols perf|gdb] [ARCHIVE]
//
// Descriptors are how `kwast run` hands things over; a person names an archive file, and gets the
// prompt.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/arch/hosted/hosted.h"

#define RAM_DEFAULT      (1 * GIB)
#define RAM_MIN          (16 * MIB)
#define CPUS_DEFAULT_MAX 4
#define SEED_BYTES       32

struct options {
    u64 ram_bytes;
    u32 cpus;
    const char *append;
    int link_fd;
    int archive_fd;
};

static struct boot_info boot;
static u8 seed[SEED_BYTES];

static u64 number_parse(const char *option, const char *text, u64 max) {
    char *end;
    errno = 0;
    u64 value = strtoull(text, &end, 10);
    if (end == text || *end != 0 || errno != 0 || value > max)
        start_fail("%s: %s is not a number that fits", option, text);
    return value;
}

static void option_set(struct options *options, const char *name, const char *value) {
    if (strcmp(name, "--memory") == 0)
        options->ram_bytes = number_parse(name, value, RAM_BYTES_MAX / MIB) * MIB;
    else if (strcmp(name, "--cpus") == 0)
        options->cpus = (u32)number_parse(name, value, ARCH_CPUS_MAX);
    else if (strcmp(name, "--host-cpus") == 0)
        cpus_keep(value);
    else if (strcmp(name, "--append") == 0)
        options->append = value;
    else if (strcmp(name, "--link") == 0)
        options->link_fd = (int)number_parse(name, value, INT32_MAX);
    else if (strcmp(name, "--archive") == 0)
        options->archive_fd = (int)number_parse(name, value, INT32_MAX);
    else if (strcmp(name, "--symbols") != 0)
        start_fail("unknown option %s", name);
    else if (!symbols_start(value))
        start_fail("%s: %s is unknown; it is perf or gdb", name, value);
}

// As many as Linux has, up to a few: a machine for one person.
static u32 cpus_default(void) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (u32)min_u64((u64)online, CPUS_DEFAULT_MAX);
}

static struct options options_parse(int argc, char **argv) {
    struct options options = {.ram_bytes = RAM_DEFAULT,
                              .cpus = cpus_default(),
                              .append = "",
                              .link_fd = -1,
                              .archive_fd = -1};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            options.archive_fd = open(argv[i], O_RDONLY | O_CLOEXEC);
            if (options.archive_fd < 0)
                start_fail("%s: %s", argv[i], strerror(errno));
            continue;
        }
        if (i + 1 == argc)
            start_fail("%s needs a value", argv[i]);
        option_set(&options, argv[i], argv[i + 1]);
        i++;
    }
    if (options.cpus == 0)
        start_fail("--cpus: a machine has one at least");
    options.ram_bytes = align_down(options.ram_bytes, ARCH_ZONE_BLOCK_BYTES);
    if (options.ram_bytes < RAM_MIN)
        start_fail("too little memory: %llu MiB are needed", RAM_MIN / MIB);
    return options;
}

static void archive_map(int fd) {
    struct stat info;
    if (fd < 0)
        return;
    if (fstat(fd, &info) != 0)
        start_fail("the boot archive: %s", strerror(errno));
    if (info.st_size == 0)
        return;
    void *data = mmap(NULL, (usize)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        start_fail("the boot archive: %s", strerror(errno));
    close(fd);
    boot.modules[boot.module_count++] = (struct bytes){data, (usize)info.st_size};
}

static void boot_info_fill(const struct options *options) {
    static char machine[64];
    fmt_string(machine, sizeof machine, "a Linux process, %u CPU%s", options->cpus,
               options->cpus == 1 ? "" : "s");
    boot.machine = machine;
    boot.boot_loader = "Linux";
    fmt_string(boot.command_line, sizeof boot.command_line, "%s", options->append);
    boot.ram_bytes = options->ram_bytes;
    boot.cpu_count = options->cpus;
    boot.free[boot.free_count++] = (struct phys_range){{RAM_START}, options->ram_bytes};
    boot.kernel_zone_limit = RAM_START + options->ram_bytes;
    usize got = arch_random(seed, sizeof seed);
    boot.seed = (struct bytes){seed, got};
}

int main(int argc, char **argv) {
    struct options options = options_parse(argc, argv);
    cpus_init(options.cpus);
    context_init();
    interrupt_init();
    memory_init(options.ram_bytes);
    time_init();
    archive_map(options.archive_fd);
    boot_info_fill(&options);
    link_start(options.link_fd);
    console_start();
    kernel_main(&boot);
}

void arch_devices_start(void) {
    // The link and the console are there from the start.
}
