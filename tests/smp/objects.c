// What the threads of processes share, on several CPUs at once, under ThreadSanitizer:
// notifications, a handle table, waits at an address of shared memory.
//
//   objects [CPUS [ROUNDS [SEED]]]
//
// Every part has counts that must come out.

#include "base/assert.h"
#include "engine/api/host.h"
#include "kernel/ipc/handle.h"
#include "kernel/ipc/notification.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_internal.h"
#include "tests/smp/crew.h"
#include "tests/smp/machine.h"

#define THREADS 8u
#define NUMBERS 24u // of handles

// -- Notifications ------------------------------------------------------------------------------
// Each odd thread waits for a bit from each even one, and answers; a signal that got lost stops
// both. In between come timeouts, and bits that nobody waits for.

static struct object *asked[THREADS], *answered[THREADS];

static u64 take(struct object *object, u64 *random) {
    u64 bits;
    enum status status;
    do {
        bool forever = machine_random(random) % 2 == 0;
        u64 deadline_ns = arch_clock_ns() + machine_random(random) % 30000;
        status = notification_take(object, forever ? WAIT_FOREVER : deadline_ns, &bits);
        CHECK(status == OK || (status == ERR_TIMED_OUT && !forever));
    } while (status != OK);
    return bits;
}

static void notification_work(u32 number, u64 *random) {
    u32 other = number ^ 1;
    for (u32 i = 0; i < stress.rounds; i++) {
        if (number % 2 == 0) {
            notification_signal(asked[other], 1ull << i % 64);
            u64 bits = take(answered[number], random);
            CHECK((bits & 1ull << i % 64) != 0 && (bits & bits - 1) == 0);
        } else {
            u64 bits = take(asked[number], random);
            CHECK((bits & bits - 1) == 0);
            notification_signal(answered[other], 0);
            notification_signal(answered[other], bits);
        }
    }
}

static void notifications(void) {
    for (u32 i = 0; i < THREADS; i++)
        CHECK(notification_create(&asked[i]) == OK && notification_create(&answered[i]) == OK);
    crew_run("notifications", THREADS, notification_work, false);
    for (u32 i = 0; i < THREADS; i++) {
        object_release(asked[i]);
        object_release(answered[i]);
    }
}

// -- A handle table -----------------------------------------------------------------------------
// All threads open, close, copy, move and look up handles of one table; the object of number 0
// stays, and they move its position on, through that and through a copy in another table.

static struct handle_table table;
static struct handle_table second_table;
static struct object *kept;

static struct handle new_handle(void) {
    struct handle handle = {.rights = 7, .rights_inheriting = 3};
    CHECK(notification_create(&handle.object) == OK);
    handle.object->type = OBJECT_FILE; // so that it has a position
    return handle;
}

static void move_on(struct handle_table *through) {
    struct open_file *file;
    u64 position;
    CHECK(handle_file(through, 0, kept, &file) == OK);
    CHECK(open_file_take(file, &position) == OK);
    machine_work(1);
    open_file_put_back(file, position + 1);
    open_file_release(file);
}

static void use_number(u32 number, u64 *random) {
    struct handle got;
    struct open_file *file;
    u64 position;
    if (handle_get(&table, number, &got) != OK)
        return;
    notification_signal(got.object, 1);
    enum status status = handle_file(&table, number, got.object, &file);
    CHECK(status == OK || status == ERR_BAD_HANDLE); // closed meanwhile, or another one
    if (status == OK) {
        CHECK(open_file_take(file, &position) == OK);
        open_file_put_back(file, machine_random(random));
        open_file_release(file);
    }
    object_release(got.object);
}

static void copy_number(u32 from, u32 to) {
    struct handle copy;
    if (handle_copy(&table, from, &copy) != OK)
        return;
    if (handle_insert_at(&table, &copy, to) != OK)
        handle_drop(&copy);
}

static void handle_work(u32, u64 *random) {
    for (u32 i = 0; i < stress.rounds; i++) {
        u32 number = (u32)(machine_random(random) % NUMBERS) + 1;
        u32 other = (u32)(machine_random(random) % NUMBERS) + 1;
        struct handle handle = new_handle();
        enum status status;
        switch (machine_random(random) % 6) {
        case 0:
            status = handle_insert(&table, &handle, &number);
            CHECK(status == OK || status == ERR_LIMIT);
            break;
        case 1:
            status = handle_insert_at(&table, &handle, number);
            CHECK(status == OK || status == ERR_EXISTS || status == ERR_LIMIT);
            break;
        case 2:
            status = handle_renumber(&table, number, other);
            CHECK(status == OK || status == ERR_BAD_HANDLE);
            status = ERR_LIMIT; // the new one was not needed
            break;
        case 3:
            status = handle_close(&table, number);
            CHECK(status == OK || status == ERR_BAD_HANDLE);
            status = ERR_LIMIT;
            break;
        case 4:
            copy_number(number, other);
            status = ERR_LIMIT;
            break;
        default:
            use_number(number, random);
            status = ERR_LIMIT;
            break;
        }
        if (status != OK)
            object_release(handle.object);
        move_on(i % 2 == 0 ? &table : &second_table);
    }
}

static void handles(void) {
    const struct handle first = new_handle();
    u32 number;
    struct handle last;
    kept = first.object;
    CHECK(handle_table_init(&table, NUMBERS / 2 + 1) == OK);
    CHECK(handle_table_init(&second_table, 1) == OK);
    CHECK(handle_insert(&table, &first, &number) == OK && number == 0);
    CHECK(handle_copy(&table, 0, &last) == OK);
    CHECK(handle_insert(&second_table, &last, &number) == OK && number == 0);
    crew_run("handles", THREADS, handle_work, false);
    CHECK(handle_get(&table, 0, &last) == OK);
    CHECK(last.object == kept);
    CHECK(handle_position(&table, 0, kept) == (u64)THREADS * stress.rounds);
    object_release(last.object);
    handle_table_fini(&second_table);
    handle_table_fini(&table);
}

// -- Waits at an address ------------------------------------------------------------------------
// A lock as programs make it: 0 free, 1 taken, 2 taken and perhaps awaited. A lost notification
// stops a thread, two owners at once lose counts.

static u64 *words;   // atomic; the first is the lock
static u64 address;  // of the words, as a program has them
static u64 guarded;  // under it
static u32 returned; // atomic; of those that are not killed

enum status host_memory_read(void *, void *to, u64 from, usize len) {
    return arch_copy_from(to, (struct virt_addr){from}, len);
}

static void words_create(void) {
    struct area *area;
    struct phys_addr frame;
    CHECK(area_create(aspace_kernel(), AREA_STACK, 2 * PAGE_SIZE, NULL, &area) == OK);
    CHECK(area_grow(aspace_kernel(), area, PAGE_SIZE) == OK);
    address = area->vma.end - PAGE_SIZE;
    CHECK(arch_translate(arch_aspace_kernel(), (struct virt_addr){address}, &frame));
    words = arch_frame_pointer(frame);
}

static void futex_lock(u64 *word, u64 *random) {
    u64 seen = 0;
    if (__atomic_compare_exchange_n(word, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0) {
        const struct host_wait wait = {
            .address = address,
            .bytes = 8,
            .expected = 2,
            .timeout_ns = machine_random(random) % 2 == 0 ? -1 : 20000,
        };
        enum host_wait_result result;
        CHECK(host_memory_wait(NULL, &wait, &result) == TRAP_NONE);
        CHECK(result != WAIT_TIMED_OUT || wait.timeout_ns >= 0);
    }
}

static void futex_unlock(u64 *word) {
    if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
        CHECK(host_memory_notify(NULL, address, 1) <= 1);
}

static void wait_work(u32, u64 *random) {
    for (u32 i = 0; i < stress.rounds; i++) {
        futex_lock(&words[0], random);
        u64 before = guarded;
        machine_work((u32)(machine_random(random) % 4));
        guarded = before + 1;
        futex_unlock(&words[0]);
    }
}

// Who is killed in a wait leaves nothing of itself behind: the others are woken all the same.
static void killed_work(u32 number, u64 *) {
    const struct host_wait wait = {
        .address = address + 2 * sizeof *words, .bytes = 8, .timeout_ns = -1};
    enum host_wait_result result;
    enum trap trap = host_memory_wait(NULL, &wait, &result);
    // Who is woken and then killed was counted by the notification: it is lost, as it should.
    CHECK(trap == TRAP_NONE || (number % 2 == 0 && trap == TRAP_KILLED));
    __atomic_fetch_add(&returned, number % 2, __ATOMIC_RELEASE);
    while (number % 2 == 0 && __atomic_load_n(&words[3], __ATOMIC_ACQUIRE) == 0)
        thread_yield(); // it stays until all have been killed
}

static void waits(void) {
    memory_wait_init();
    words_create();
    crew_run("waits", THREADS, wait_work, false);
    CHECK(guarded == (u64)THREADS * stress.rounds);
    for (u32 i = 0; i < stress.rounds / 10 + 1; i++) {
        words[2] = 0;
        words[3] = 0;
        returned = 0;
        crew_start(THREADS, killed_work, false);
        for (u32 k = 0; k < THREADS; k += 2)
            thread_kill(crew_thread(k));
        __atomic_store_n(&words[3], 1, __ATOMIC_RELEASE);
        while (__atomic_load_n(&returned, __ATOMIC_ACQUIRE) != THREADS / 2) {
            CHECK(host_memory_notify(NULL, address + 2 * sizeof *words, 1) <= 1);
            stress_pause(20);
        }
        crew_wait(0);
    }
    sched_check();
}

static void body(void *) {
    notifications();
    handles();
    waits();
    heap_check();
    stress_end();
}

int main(int argc, char **argv) {
    stress_run("objects", argc, argv, body);
}
