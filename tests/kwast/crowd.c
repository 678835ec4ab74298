// How many processes can live at once, and what one costs.
//
//   crowd COUNT [DOMAINS] COUNT processes of /bin/sleeper.wasm, spawned by keepers, which are this
//                         program again as /bin/crowd.wasm; all in this domain, or as many each in
//                         so many others. Once all of them have run and wait it says what one
//                         costs, and how many the kernel lists; spawns one more; kills them all,
//                         and says what was not given back.
//   crowd keeper COUNT    a child: keeps so many until it is told
//
// Costs are frames that are free less; `/kernel` is where the kernel says how many are.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/sdk/start.h"

#define KEPT_MAX      4000u // a keeper has a handle for each
#define KEEPERS_MAX   64u
#define WARM_UP       64u
#define SETTLE_ROUNDS 5000 // of a millisecond or more

// What a keeper is given, beside output as 1 and 2.
enum given { GIVEN_SLEEPER = 3, GIVEN_READY, GIVEN_END };

// What they tell each other.
#define DONE   1ull
#define FAILED 2ull

static bool is_keeper;

[[noreturn]] static void fail(const char *what, u32 error) {
    printf("crowd: %s: %s\n", what, strerror((int)error));
    if (is_keeper)
        kwast_notification_signal(GIVEN_READY, FAILED);
    exit(1);
}

static void need(const char *what, u32 error) {
    if (error != 0)
        fail(what, error);
}

static void take(kwast_handle notification) {
    u64 bits;
    need("take", kwast_notification_take(notification, -1, &bits));
    if (bits != DONE)
        exit(1); // it has said why
}

static void end(kwast_handle process) {
    struct kwast_status status;
    need("wait", kwast_process_wait(process, -1, &status));
    if (close((int)process) != 0)
        fail("close", (u32)errno);
}

// -- A keeper ------------------------------------------------------------------------------------

static kwast_handle kept[KEPT_MAX];

static void spawn_sleeper(kwast_handle runs, kwast_handle never, kwast_handle *out) {
    static struct start start; // large for a stack
    start_init(&start, "sleeper");
    start.given[start.given_count++] = kwast_give(runs, 3, NULL);
    start.given[start.given_count++] = kwast_give(never, 4, NULL);
    u32 error = start_run_module(&start, GIVEN_SLEEPER, out);
    if (error != 0)
        fail(start.reason[0] != 0 ? start.reason : "spawn", error);
    start_fini(&start);
}

static int keep(u32 count) {
    is_keeper = true;
    kwast_handle runs;
    kwast_handle never;
    need("notification", kwast_notification_create(&runs));
    need("notification", kwast_notification_create(&never));
    for (u32 i = 0; i < count; i++) {
        spawn_sleeper(runs, never, &kept[i]);
        take(runs); // it has come into the program: it has all that it will have
    }
    need("signal", kwast_notification_signal(GIVEN_READY, DONE));
    take(GIVEN_END);
    for (u32 i = 0; i < count; i++)
        need("kill", kwast_process_kill(kept[i]));
    for (u32 i = 0; i < count; i++)
        end(kept[i]);
    return 0;
}

// -- The crowd -----------------------------------------------------------------------------------

static struct {
    kwast_handle sleeper;
    kwast_handle self;
    kwast_handle ready;
    kwast_handle told[KEEPERS_MAX]; // each keeper's end
    kwast_handle keepers[KEEPERS_MAX];
    u32 keeper_count;
} crowd;

// KiB of free frames in both zones.
static long free_kib(void) {
    char text[512];
    int file = open("/kernel/memory", O_RDONLY);
    ssize_t len = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (len <= 0)
        fail("/kernel/memory", (u32)errno);
    close(file);
    text[len] = 0;
    long kernel;
    long programs;
    const char *second = strstr(text, "programs");
    if (second == NULL || sscanf(text, "kernel %ld", &kernel) != 1 ||
        sscanf(second, "programs %ld", &programs) != 1)
        fail("/kernel/memory", EINVAL);
    return kernel + programs;
}

// How many sleepers /kernel/processes has.
static u32 listed(void) {
    char line[128];
    u32 count = 0;
    FILE *file = fopen("/kernel/processes", "r");
    if (file == NULL)
        fail("/kernel/processes", (u32)errno);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, " sleeper\n") != NULL;
    fclose(file);
    return count;
}

static void spawn_keeper(u32 count, enum kwast_isolation isolation) {
    u32 n = crowd.keeper_count++;
    need("notification", kwast_notification_create(&crowd.told[n]));
    const struct kwast_given given[] = {
        kwast_give(1, 1, NULL),
        kwast_give(1, 2, NULL),
        kwast_give(crowd.sleeper, GIVEN_SLEEPER, NULL),
        kwast_give(crowd.ready, GIVEN_READY, NULL),
        kwast_give(crowd.told[n], GIVEN_END, NULL),
    };
    char number[16];
    snprintf(number, sizeof number, "%u", count);
    static struct start start; // large for a stack
    start_init(&start, "keeper");
    start.limits.isolation = isolation;
    start_argument(&start, "crowd");
    start_argument(&start, "keeper");
    start_argument(&start, number);
    for (u32 i = 0; i < COUNT_OF(given); i++)
        start.given[start.given_count++] = given[i];
    u32 error = start_run_module(&start, crowd.self, &crowd.keepers[n]);
    if (error != 0)
        fail(start.reason[0] != 0 ? start.reason : "spawn", error);
    start_fini(&start);
    take(crowd.ready);
}

// `domains`: 0 for this one alone.
static void gather(u32 count, u32 domains) {
    u32 most = domains == 0 ? KEPT_MAX : (count + domains - 1) / domains;
    while (count != 0) {
        u32 kept_here = count < most ? count : most;
        spawn_keeper(kept_here, domains == 0 ? KWAST_ISOLATION_SIP : KWAST_ISOLATION_DOMAIN);
        count -= kept_here;
    }
}

static void disperse(void) {
    while (crowd.keeper_count != 0) {
        u32 n = --crowd.keeper_count;
        need("signal", kwast_notification_signal(crowd.told[n], DONE));
        end(crowd.keepers[n]);
        close((int)crowd.told[n]);
    }
}

// What is missing of `before`. The last ones may still be giving back.
static long settle(long before) {
    long missing = before - free_kib();
    for (int i = 0; i < SETTLE_ROUNDS && missing > 0; i++) {
        usleep(1000);
        missing = before - free_kib();
    }
    return missing;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc == 3 && strcmp(argv[1], "keeper") == 0)
        return keep((u32)strtoul(argv[2], NULL, 10));
    u32 count = argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : 0;
    u32 domains = argc > 2 ? (u32)strtoul(argv[2], NULL, 10) : 0;
    u32 keepers = domains == 0 ? KEEPERS_MAX - 1 : domains;
    if (count == 0 || keepers >= KEEPERS_MAX || count > keepers * KEPT_MAX) {
        fprintf(stderr, "usage: crowd COUNT [DOMAINS]\n");
        return 2;
    }
    crowd.sleeper = (kwast_handle)open("/bin/sleeper.wasm", O_RDONLY);
    crowd.self = (kwast_handle)open("/bin/crowd.wasm", O_RDONLY);
    need("notification", kwast_notification_create(&crowd.ready));
    gather(WARM_UP, domains); // what is made once
    disperse();

    long before = free_kib();
    gather(count, domains);
    long used = before - free_kib();
    printf("crowd: %u live, %ld KiB, %lld bytes each\n", count, used, used * 1024ll / count);
    spawn_keeper(1, KWAST_ISOLATION_SIP); // a system that is this full still works
    printf("crowd: %u listed with one more\n", listed());
    disperse();
    printf("crowd: all gone, %ld KiB missing\n", settle(before));
    return 0;
}
