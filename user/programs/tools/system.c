// What is told about the whole machine: memory, log, time, mounts.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/programs/tools/tools.h"
#include "user/sdk/mounts.h"

bool memory_use_read(struct memory_use *out) {
    usize len;
    char *text = kernel_text("memory", &len);
    *out = (struct memory_use){.total_kib = 0};
    if (text == NULL)
        return false;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char name[16];
        unsigned long long first;
        unsigned long long second;
        int found = sscanf(line, "%15s %llu of %llu", name, &first, &second);
        if (found == 3) { // a zone: how much is free, of how much
            out->free_kib += first;
            out->total_kib += second;
        } else if (found == 2 && strcmp(name, "heap") == 0) {
            out->heap_kib = first;
        }
    }
    free(text);
    return true;
}

int run_free(int argc, char **argv) {
    struct memory_use use;
    u64 unit = 1;
    for (int option; (option = getopt(argc, argv, "km")) != -1;) {
        if (option == '?')
            return misused();
        unit = option == 'm' ? KIB : 1;
    }
    if (!memory_use_read(&use))
        return 1;
    printf("%12s %12s %12s %12s\n", "total", "used", "free", "kernel heap");
    printf("%12llu %12llu %12llu %12llu\n", use.total_kib / unit,
           (use.total_kib - use.free_kib) / unit, use.free_kib / unit, use.heap_kib / unit);
    return 0;
}

int run_dmesg(int argc, char **argv) {
    usize len;
    (void)argv;
    if (argc != 1)
        return misused();
    char *text = kernel_text("log", &len);
    if (text == NULL)
        return 1;
    fwrite(text, 1, len, stdout);
    free(text);
    return 0;
}

int run_uptime(int argc, char **argv) {
    struct table cpus;
    struct table processes = {.text = NULL};
    u64 seconds = clock_ns() / 1000000000u;
    (void)argv;
    if (argc != 1)
        return misused();
    bool done = table_read("cpus", &cpus) && table_read("processes", &processes);
    if (done) {
        u64 busy = 0;
        u64 all = 0;
        for (u32 i = 0; i < cpus.row_count; i++) {
            busy += table_number(&cpus, i, "busy_us");
            all += table_number(&cpus, i, "busy_us") + table_number(&cpus, i, "idle_us");
        }
        printf("up %llu:%02llu:%02llu, %u processes, %u CPU%s, busy %llu%% of the time\n",
               seconds / 3600, seconds / 60 % 60, seconds % 60, processes.row_count, cpus.row_count,
               cpus.row_count == 1 ? "" : "s", all == 0 ? 0 : 100 * busy / all);
    }
    table_free(&processes);
    table_free(&cpus);
    return done ? 0 : 1;
}

int run_nproc(int argc, char **argv) {
    struct table cpus;
    (void)argv;
    if (argc != 1)
        return misused();
    bool done = table_read("cpus", &cpus);
    if (done)
        printf("%u\n", cpus.row_count);
    table_free(&cpus);
    return done ? 0 : 1;
}

int run_mount(int argc, char **argv) {
    struct mount mount;
    (void)argv;
    if (argc != 1)
        return misused();
    for (u32 i = 0; mount_get(i, &mount); i++) {
        printf("%-10s %s", mount.path,
               mount.is_told     ? mount.stat.type
               : mount.is_scheme ? "of a service"
                                 : "of the kernel");
        if (mount.stat.total_bytes != 0)
            printf(", %llu of %llu KiB free", mount.stat.free_bytes / KIB,
                   mount.stat.total_bytes / KIB);
        putchar('\n');
    }
    return 0;
}
