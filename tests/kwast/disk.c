// The block driver and the PCI service are killed again and again while somebody writes: what was
// answered is on the disk, what was not is there sector by sector or not at all, and the one who
// writes sees an error, tries again, and goes on.
//
//   disk             as init, with the machine at descriptor 6, and virtio_blk and pci in /boot/bin
//   disk worker      a child: /disk/0 is the disk, descriptor 4 memory to tell how far it is
//
// The worker knows what each sector must hold: the last value whose write was answered, or one of
// those since whose writes failed. In the end it says the sum of all, so that who has the disk can
// look for itself.

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/pci.h"
#include "base/math.h"
#include "user/sdk/start.h"

#define MACHINE      6u
#define SHARED       4u
#define PAGE         KWAST_PAGE_BYTES
#define SECTORS      256u // that are written to
#define RUN_MAX      16u  // sectors in one write
#define SECTOR_BYTES 512u
#define SECTOR_WORDS (SECTOR_BYTES / sizeof(u64))
#define ROUNDS       40u
#define PCI_EVERY    5u // rounds after which the PCI service is killed, too

// What the two tell each other.
struct shared {
    _Atomic u32 done;   // writes that were answered
    _Atomic u32 failed; // that were not
    _Atomic u32 stop;
};

static _Alignas(PAGE) u8 shared_page[PAGE];
static struct shared *shared = (struct shared *)(void *)shared_page;

static void need(u32 error, const char *what) {
    if (error == 0)
        return;
    printf("wrong: %s: %s\n", what, strerror((int)error));
    exit(1);
}

static u64 next_random(u64 *state) {
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

// -- The worker -----------------------------------------------------------------------------------

static struct {
    u64 known[SECTORS];  // the value that is there at least
    u64 newest[SECTORS]; // the last one that was tried
    u64 next;            // the next value
    u64 random;
    int disk;
} worker = {.next = 1, .random = 12345};

static u64 buffer[RUN_MAX * SECTOR_WORDS];

static void fill(u32 sector, u64 value, u64 *words) {
    for (u32 i = 0; i < SECTOR_WORDS; i++)
        words[i] = value << 32 | (sector << 8) | i;
}

// The value that a sector holds; all of it must be of one write.
static u64 value_in(u32 sector, const u64 *words) {
    u64 expected[SECTOR_WORDS];
    u64 value = words[0] >> 32;
    fill(sector, value, expected);
    if (value == 0 && words[0] == 0)
        return 0; // never written
    if (memcmp(words, expected, SECTOR_BYTES) != 0) {
        printf("wrong: sector %u is torn\n", sector);
        exit(1);
    }
    return value;
}

static void open_disk(void) {
    while ((worker.disk = open("/disk/0", O_RDWR)) < 0) {
        if (errno != EOWNERDEAD) {
            printf("wrong: opening: %s\n", strerror(errno));
            exit(1);
        }
    }
}

// An answer, or false: the driver died meanwhile, and there is another one.
static bool answered(ssize_t result, usize len, const char *what) {
    if (result == (ssize_t)len)
        return true;
    if (result >= 0 || (errno != EOWNERDEAD && errno != EPIPE)) {
        printf("wrong: %s: %zd of %zu bytes: %s\n", what, result, len, strerror(errno));
        exit(1);
    }
    atomic_fetch_add(&shared->failed, 1);
    close(worker.disk);
    open_disk();
    return false;
}

static void write_some(void) {
    u32 first = (u32)(next_random(&worker.random) % SECTORS);
    u32 count = (u32)min_u64(1 + next_random(&worker.random) % RUN_MAX, SECTORS - first);
    u64 value = worker.next++;
    for (u32 i = 0; i < count; i++) {
        fill(first + i, value, buffer + i * SECTOR_WORDS);
        worker.newest[first + i] = value;
    }
    usize len = count * SECTOR_BYTES;
    if (!answered(pwrite(worker.disk, buffer, len, first * SECTOR_BYTES), len, "writing"))
        return;
    for (u32 i = 0; i < count; i++)
        worker.known[first + i] = value;
    atomic_fetch_add(&shared->done, 1);
}

// What was read must be as new as what is known. Returns whether there was an answer.
static bool check(u32 sector) {
    if (!answered(pread(worker.disk, buffer, SECTOR_BYTES, sector * SECTOR_BYTES), SECTOR_BYTES,
                  "reading"))
        return false;
    u64 value = value_in(sector, buffer);
    if (value < worker.known[sector] || value > worker.newest[sector]) {
        printf("wrong: sector %u holds %llu, not %llu to %llu\n", sector, (unsigned long long)value,
               (unsigned long long)worker.known[sector], (unsigned long long)worker.newest[sector]);
        exit(1);
    }
    worker.known[sector] = value;
    return true;
}

static int run_worker(void) {
    u64 sum = 0;
    need(kwast_memory_map(SHARED, 0, shared_page, PAGE, KWAST_READ | KWAST_WRITE), "mapping");
    open_disk();
    while (atomic_load(&shared->stop) == 0) {
        write_some();
        check((u32)(next_random(&worker.random) % SECTORS));
        if (next_random(&worker.random) % 8 == 0)
            answered(fsync(worker.disk), 0, "flushing");
    }
    while (!answered(fsync(worker.disk), 0, "flushing"))
        ;
    for (u32 i = 0; i < SECTORS; i++) {
        while (!check(i))
            ;
        sum += worker.known[i] * (i + 1);
    }
    printf("sum %llu\n", (unsigned long long)sum);
    return 0;
}

// -- The controller -------------------------------------------------------------------------------

struct service {
    const char *name;
    kwast_handle server;
    kwast_handle process;
};

static struct service pci = {.name = "pci"};
static struct service blk = {.name = "virtio_blk"};

static void number_argument(struct start *start, i32 number) {
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    start_argument(start, text);
}

// Starts a service with its scheme at descriptor 3 and `other` at 4.
static void start(struct service *service, kwast_handle other, bool with_init) {
    struct start start;
    char path[64];
    snprintf(path, sizeof path, "/boot/bin/%s.wasm", service->name);
    start_init(&start, service->name);
    start_handle(&start, 1, 1);
    start_handle(&start, 2, 2);
    start_handle_with(&start, service->server, 3, KWAST_RIGHT_SERVE);
    start_handle(&start, other, 4);
    start_argument(&start, service->name);
    number_argument(&start, 3);
    number_argument(&start, 4);
    if (with_init)
        number_argument(&start, -1);
    need(start_run(&start, path, &service->process), service->name);
    start_fini(&start);
}

static void kill_service(struct service *service) {
    struct kwast_status status;
    need(kwast_process_kill(service->process), "killing");
    need(kwast_process_wait(service->process, -1, &status), "waiting");
    close((int)service->process);
}

static void start_driver(void) {
    kwast_handle claims;
    need(kwast_scheme_channel(pci.server, pci_match(0x1af4, 0x1042, 0x1001), KWAST_KIND_PLAIN,
                              &claims),
         "claims");
    start(&blk, claims, false);
    close((int)claims);
}

// The driver is alive, or has ended by itself as the PCI service went: then it is started again.
static void look_after_driver(void) {
    struct kwast_status status;
    if (kwast_process_wait(blk.process, 0, &status) != 0)
        return;
    close((int)blk.process);
    start_driver();
}

// Waits until so many more writes were answered.
static void wait_for_writes(u32 count, kwast_handle worker_process) {
    u32 target = atomic_load(&shared->done) + count;
    struct kwast_status status;
    while ((i32)(atomic_load(&shared->done) - target) < 0) {
        look_after_driver();
        if (kwast_process_wait(worker_process, 1000000, &status) == 0) {
            printf("wrong: the worker has ended\n");
            exit(1);
        }
    }
}

static kwast_handle start_worker(void) {
    struct start start;
    kwast_handle root;
    kwast_handle memory;
    kwast_handle process;
    need(kwast_scheme_root(blk.server, KWAST_KIND_DIRECTORY, &root), "root");
    need(kwast_memory_create(PAGE, &memory), "memory");
    need(kwast_memory_map(memory, 0, shared_page, PAGE, KWAST_READ | KWAST_WRITE), "mapping");
    start_init(&start, "worker");
    start_handle(&start, 1, 1);
    start_handle(&start, 2, 2);
    start_directory(&start, root, "/disk");
    start_handle(&start, memory, SHARED);
    start_argument(&start, "disk");
    start_argument(&start, "worker");
    need(start_run(&start, "/boot/bin/init.wasm", &process), "worker");
    start_fini(&start);
    return process;
}

static int run_controller(u32 rounds) {
    struct kwast_status status;
    u64 random = rounds;
    need(kwast_scheme_create("pci", 3, &pci.server), "scheme");
    need(kwast_scheme_create("blk", 3, &blk.server), "scheme");
    start(&pci, MACHINE, true);
    start_driver();
    kwast_handle worker_process = start_worker();
    for (u32 round = 1; round <= rounds; round++) {
        wait_for_writes((u32)(next_random(&random) % 20), worker_process);
        if (round % PCI_EVERY == 0) {
            kill_service(&pci);
            start(&pci, MACHINE, true);
        } else {
            kill_service(&blk);
            start_driver();
        }
    }
    wait_for_writes(20, worker_process);
    atomic_store(&shared->stop, 1);
    while (kwast_process_wait(worker_process, 1000000, &status) != 0)
        look_after_driver();
    printf("%u writes, %u failed\n", atomic_load(&shared->done), atomic_load(&shared->failed));
    puts(status.outcome == KWAST_EXITED && status.status == 0 ? "all right" : "wrong");
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0)
        return run_worker();
    return run_controller(ROUNDS);
}
