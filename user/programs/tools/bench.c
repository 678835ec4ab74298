// bench: how long what programs do all the time takes. Each measurement is repeated until it has
// taken long enough, and the best of a few runs counts: what disturbs only ever adds.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/programs/tools/tools.h"
#include "user/sdk/program.h"
#include "user/sdk/start.h"

#define RUNS        3u
#define LONG_NS     50000000ull // how long a run takes at least
#define COPY_BYTES  (4u << 20)
#define PIPE_BYTES  4096u
#define PATH        "/tmp/.bench"
#define SIEVE_LIMIT 100000u

struct measure {
    const char *name;
    const char *what; // that one of is measured
    u64 bytes;        // that one of them moves; 0: it is none of that kind
    bool (*run)(u64 times);
};

static volatile u32 result; // so that nothing is left out

static bool run_sieve(u64 times) {
    static u8 composite[SIEVE_LIMIT];
    for (; times != 0; times--) {
        memset(composite, 0, sizeof composite);
        for (u32 i = 2; i < SIEVE_LIMIT; i++) {
            for (u32 j = 2 * i; !composite[i] && j < SIEVE_LIMIT; j += i)
                composite[j] = 1;
        }
        result += composite[SIEVE_LIMIT - 1];
    }
    return true;
}

static bool run_copy(u64 times) {
    static u8 *from;
    if (from == NULL)
        from = calloc(2, COPY_BYTES);
    for (; from != NULL && times != 0; times--) {
        memcpy(from + COPY_BYTES, from, COPY_BYTES);
        from[0] = (u8)times;
    }
    return from != NULL;
}

static bool run_clock(u64 times) {
    for (; times != 0; times--)
        result += (u32)clock_ns();
    return true;
}

static bool run_stat(u64 times) {
    struct stat info;
    bool done = true;
    for (; done && times != 0; times--)
        done = stat("/tmp", &info) == 0;
    return done;
}

static bool run_file(u64 times) {
    bool done = true;
    for (; done && times != 0; times--) {
        int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0666);
        done = fd >= 0 && write(fd, "x", 1) == 1;
        close(fd);
        done = unlink(PATH) == 0 && done;
    }
    return done;
}

static bool run_pipe(u64 times) {
    static u8 bytes[PIPE_BYTES];
    kwast_handle reader;
    kwast_handle writer;
    if (start_pipe(start_pipes(), &reader, &writer) != 0)
        return false;
    bool done = true;
    for (; done && times != 0; times--)
        done = write((int)writer, bytes, sizeof bytes) == sizeof bytes &&
               read((int)reader, bytes, sizeof bytes) == sizeof bytes;
    close((int)reader);
    close((int)writer);
    return done;
}

static bool run_spawn(u64 times) {
    char *path = program_path("tools", getenv("PATH"));
    bool done = path != NULL;
    for (; done && times != 0; times--) {
        struct start start;
        struct kwast_status status;
        kwast_handle child = KWAST_NO_HANDLE;
        start_init(&start, "bench");
        start_argument(&start, "bench");
        start_argument(&start, "nothing");
        done = start_run(&start, path, &child) == 0 && kwast_process_wait(child, -1, &status) == 0;
        close((int)child);
        start_fini(&start);
    }
    free(path);
    return done;
}

static const struct measure measures[] = {
    {"sieve", "the primes below 100,000", 0, run_sieve},
    {"copy", "4 MiB copied in memory", COPY_BYTES, run_copy},
    {"clock", "a call of the kernel (the time)", 0, run_clock},
    {"stat", "a question to the file system (stat /tmp)", 0, run_stat},
    {"file", "a file made, written and removed in /tmp", 0, run_file},
    {"pipe", "4 KiB into a pipe and out of it", PIPE_BYTES, run_pipe},
    {"spawn", "a process started and waited for", 0, run_spawn},
};

// Nanoseconds for one, times 16; 0: it failed.
static u64 measure(const struct measure *of) {
    u64 best = 0;
    u64 times = 1;
    for (u32 run = 0; run < RUNS;) {
        u64 began = clock_ns();
        if (!of->run(times))
            return 0;
        u64 took = clock_ns() - began;
        if (took < LONG_NS) {
            times *= took < LONG_NS / 16 ? 8 : 2;
            continue;
        }
        u64 one = 16 * took / times;
        best = run == 0 || one < best ? one : best;
        run++;
    }
    return best == 0 ? 1 : best;
}

static bool is_wanted(const struct measure *of, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], of->name) == 0)
            return true;
    }
    return argc == 1;
}

static void print(const struct measure *of, u64 sixteenths) {
    double ns = (double)sixteenths / 16;
    printf("%-6s %10.*f %s  %s", of->name, ns < 1e3 ? 1 : 2,
           ns < 1e3   ? ns
           : ns < 1e6 ? ns / 1e3
                      : ns / 1e6,
           ns < 1e3   ? "ns"
           : ns < 1e6 ? "us"
                      : "ms",
           of->what);
    if (of->bytes != 0)
        printf(" (%.0f MiB/s)", (double)of->bytes * 1e9 / ns / (double)MIB);
    putchar('\n');
    fflush(stdout);
}

int run_bench(int argc, char **argv) {
    int status = 0;
    u32 count = 0;
    if (argc == 2 && strcmp(argv[1], "nothing") == 0) // a process of the last measurement
        return 0;
    for (u32 i = 0; i < COUNT_OF(measures); i++) {
        if (!is_wanted(&measures[i], argc, argv))
            continue;
        count++;
        u64 took = measure(&measures[i]);
        if (took == 0)
            status = complain("%s: it does not work here", measures[i].name);
        else
            print(&measures[i], took);
    }
    return count == 0 ? misused() : status;
}
