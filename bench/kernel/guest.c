// Linux's side of the figures of whole machines: the only program of a Linux guest, its /init.
//
//   init boot           says when it began
//   init processes N    starts N copies of itself that sleep, and says what one costs
//   init sleep          such a copy
//   init ops NAME:COUNT...   runs /linux (linux.c) for each of them, or for `preempt`
//
// Ends by a reset, which ends QEMU.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

static long available_kib(void) {
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "MemAvailable: %ld", &kib);
    if (file != NULL)
        fclose(file);
    return kib;
}

static void processes(long count) {
    char *args[] = {"init", "sleep", NULL};
    char *environment[] = {NULL};
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    long before = available_kib();
    for (long i = 0; i < count; i++) {
        pid_t child;
        if (posix_spawn(&child, "/init", NULL, NULL, args, environment) != 0) {
            printf("processes: only %ld\n", i);
            return;
        }
    }
    sleep(2); // until the last of them sleeps
    printf("processes: %ld live, %ld bytes each\n", count,
           (before - available_kib()) * 1024 / count);
}

// Starts the second CPU, where there is one that Linux was told to leave alone (maxcpus=1).
//
// The first one waits for it in a loop that neither halts nor pauses. QEMU 7.2, which with -icount
// runs one CPU at a time until the next timer is due, then never lets the other have its turn. So
// somebody pauses meanwhile whom that loop gives way to: a pause ends the turn.
static void start_second_cpu(void) {
    mkdir("/sys", 0755);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    int online = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);
    if (online < 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            _mm_pause();
    }
    if (write(online, "1", 1) != 1)
        printf("no second CPU\n");
    close(online);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

#define BATCHES "3"

static void operation(char *name) {
    char *environment[] = {NULL};
    char *count = strchr(name, ':');
    if (count != NULL)
        *count++ = 0;
    char *args[] = {"linux", name, count, BATCHES, "/hello", NULL};
    pid_t child;
    if (posix_spawn(&child, "/linux", NULL, NULL, args, environment) != 0)
        printf("no /linux\n");
    else
        waitpid(child, NULL, 0);
    // What it started may still run, and nothing else is to.
    kill(-1, SIGKILL);
    while (wait(NULL) > 0)
        ;
}

int main(int argc, char **argv) {
    unsigned long long began = __rdtsc();
    if (argc == 2 && strcmp(argv[1], "sleep") == 0) {
        for (;;)
            pause();
    }
    printf("\ninit at %llu ticks\n", began);
    fflush(stdout);
    start_second_cpu();
    // Options that Linux does not know come before ours.
    bool is_ours = false;
    for (int i = 1; i < argc; i++) {
        if (is_ours)
            operation(argv[i]);
        is_ours = is_ours || strcmp(argv[i], "ops") == 0;
    }
    if (argc >= 3 && strcmp(argv[argc - 2], "processes") == 0)
        processes(atol(argv[argc - 1]));
    fflush(stdout);
    sync();
    reboot(RB_AUTOBOOT);
    return 1;
}
