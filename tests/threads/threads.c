// Threads in one process: what they share, how they wait for each other, how many there can be, and
// every way in which they end. The first argument says which; prints what is wrong, or at the end
// "all right".

#include "tests/threads/thread.h"

#define EAGAIN_ID (-6)
#define LIMIT     64 // threads of a process, the first one too
#define PAGE      65536u

static u32 length(const char *text) {
    u32 len = 0;
    while (text[len] != 0)
        len++;
    return len;
}

static bool equal(const char *a, const char *b) {
    while (*a != 0 && *a == *b)
        a++, b++;
    return *a == *b;
}

static void say(const char *text) {
    const struct wasi_iovec part = {(u32)text, length(text)};
    u32 written;
    wasi_fd_write(1, &part, 1, &written);
}

static char *decimal(u32 value, char *end) {
    *--end = 0;
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return end;
}

static int failures;

static void check(bool is_right, const char *what, u32 line) {
    char number[12];
    if (is_right)
        return;
    __atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
    say("wrong: line ");
    say(decimal(line, number + sizeof number));
    say(": ");
    say(what);
    say("\n");
}

#define EXPECT(condition) check(condition, #condition, __LINE__)

static struct thread threads[LIMIT + 1];
static i32 gate; // opened with 1

static void open_gate(void) {
    __atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
    __builtin_wasm_memory_atomic_notify(&gate, UINT32_MAX);
}

static void wait_at_gate(struct thread *self) {
    (void)self;
    wait_while(&gate, 0);
}

static void compute(struct thread *self) {
    for (;;)
        __atomic_fetch_add(&self->number, 1, __ATOMIC_RELAXED);
}

static void nothing(struct thread *self) {
    (void)self;
}

// A thread that was joined may take a moment until it is gone.
static void start(struct thread *thread, void (*code)(struct thread *self)) {
    i32 id;
    while ((id = thread_start(thread, code)) == EAGAIN_ID)
        wasi_sched_yield();
    EXPECT(id > 0 && id < 1 << 29);
}

static void run(u32 count, void (*code)(struct thread *self)) {
    for (u32 i = 0; i < count; i++) {
        threads[i].number = i;
        start(&threads[i], code);
    }
    for (u32 i = 0; i < count; i++)
        thread_join(&threads[i]);
}

// -- Sharing ------------------------------------------------------------------------------------

#define ROUNDS 2000u

static u32 counter;
static struct mutex mutex;
static u32 guarded[2];

static void count(struct thread *self) {
    (void)self;
    for (u32 i = 0; i < ROUNDS; i++) {
        __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
        mutex_lock(&mutex);
        EXPECT(guarded[0] == guarded[1]);
        guarded[0]++;
        if (i % 64 == 0)
            wasi_sched_yield();
        guarded[1]++;
        mutex_unlock(&mutex);
    }
}

static void test_counter(void) {
    run(8, count);
    EXPECT(counter == 8 * ROUNDS);
    EXPECT(guarded[0] == 8 * ROUNDS && guarded[1] == 8 * ROUNDS);
}

#define PARTIES 6u

static i32 arrived[2]; // how many, and the round

static void barrier(void) {
    i32 round = __atomic_load_n(&arrived[1], __ATOMIC_SEQ_CST);
    if (__atomic_add_fetch(&arrived[0], 1, __ATOMIC_SEQ_CST) == PARTIES) {
        __atomic_store_n(&arrived[0], 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&arrived[1], round + 1, __ATOMIC_SEQ_CST);
        __builtin_wasm_memory_atomic_notify(&arrived[1], UINT32_MAX);
    } else {
        wait_while(&arrived[1], round);
    }
}

static u32 steps[PARTIES];

static void march(struct thread *self) {
    for (u32 i = 1; i <= 200; i++) {
        __atomic_store_n(&steps[self->number], i, __ATOMIC_SEQ_CST);
        barrier();
        for (u32 k = 0; k < PARTIES; k++)
            EXPECT(__atomic_load_n(&steps[k], __ATOMIC_SEQ_CST) == i);
        barrier();
    }
}

static void test_barrier(void) {
    run(PARTIES, march);
}

// A ring in which a token goes round: each thread waits for its own value.
#define RING 5

static i32 token;

static void pass(struct thread *self) {
    for (i32 i = 0; i < 300; i++) {
        i32 mine = i * RING + (i32)self->number;
        i32 now;
        while ((now = __atomic_load_n(&token, __ATOMIC_SEQ_CST)) != mine)
            __builtin_wasm_memory_atomic_wait32(&token, now, -1);
        __atomic_store_n(&token, mine + 1, __ATOMIC_SEQ_CST);
        __builtin_wasm_memory_atomic_notify(&token, UINT32_MAX);
    }
}

static void test_ring(void) {
    run(RING, pass);
    EXPECT(token == 300 * RING);
}

// -- Waiting ------------------------------------------------------------------------------------

static i64 wide = 5;

static void test_wait(void) {
    i32 value = 3;
    EXPECT(__builtin_wasm_memory_atomic_wait32(&value, 4, -1) == 1);
    EXPECT(__builtin_wasm_memory_atomic_wait32(&value, 3, 0) == 2);
    EXPECT(__builtin_wasm_memory_atomic_wait32(&value, 3, 1000000) == 2);
    EXPECT(__builtin_wasm_memory_atomic_wait64(&wide, 5 + (1ll << 32), -1) == 1);
    EXPECT(__builtin_wasm_memory_atomic_wait64(&wide, 5, 1000) == 2);
    EXPECT(__builtin_wasm_memory_atomic_notify(&value, 1) == 0);

    // Who waits is woken once, and counted by who wakes him.
    for (u32 i = 0; i < 8; i++)
        start(&threads[i], wait_at_gate);
    for (u32 woken = 0; woken < 8;) {
        u32 now = __builtin_wasm_memory_atomic_notify(&gate, 3);
        EXPECT(now <= 3);
        woken += now;
        wasi_sched_yield();
    }
    open_gate();
    for (u32 i = 0; i < 8; i++)
        thread_join(&threads[i]);
    EXPECT(__builtin_wasm_memory_atomic_notify(&gate, UINT32_MAX) == 0);
}

// -- How many -----------------------------------------------------------------------------------

static void test_sequence(void) {
    i32 last = 0;
    for (u32 i = 0; i < 1000; i++) {
        threads[0].number = i;
        start(&threads[0], nothing);
        thread_join(&threads[0]);
        EXPECT(threads[0].id != last);
        last = threads[0].id;
    }
}

static void test_storm(void) {
    for (u32 round = 0; round < 4; round++) {
        gate = 0;
        for (u32 i = 0; i < 50; i++)
            start(&threads[i], wait_at_gate);
        for (u32 i = 0; i < 50; i++) {
            i32 *id = &threads[i].id;
            while (__atomic_load_n(id, __ATOMIC_SEQ_CST) == 0)
                wasi_sched_yield();
            for (u32 k = 0; k < i; k++)
                EXPECT(threads[k].id != *id);
        }
        open_gate();
        for (u32 i = 0; i < 50; i++) {
            thread_join(&threads[i]);
            threads[i].id = 0;
        }
    }
}

static void test_limit(void) {
    for (u32 i = 0; i < LIMIT - 1; i++)
        EXPECT(thread_start(&threads[i], wait_at_gate) > 0);
    EXPECT(thread_start(&threads[LIMIT - 1], nothing) == EAGAIN_ID);
    EXPECT(thread_start(&threads[LIMIT - 1], nothing) == EAGAIN_ID);
    open_gate();
    for (u32 i = 0; i < LIMIT - 1; i++)
        thread_join(&threads[i]);
    run(LIMIT - 1, nothing);
}

// With a limit of three threads.
static void test_few(void) {
    for (u32 i = 0; i < 100; i++) {
        gate = 0;
        start(&threads[0], wait_at_gate);
        start(&threads[1], wait_at_gate);
        EXPECT(thread_start(&threads[2], nothing) == EAGAIN_ID);
        open_gate();
        thread_join(&threads[0]);
        thread_join(&threads[1]);
    }
}

// With memory for a few threads, but more than one.
static void test_poor(void) {
    for (u32 i = 0; i < 10; i++) {
        gate = 0;
        start(&threads[0], wait_at_gate);
        start(&threads[1], wait_at_gate);
        u32 count = 2;
        while (count < LIMIT && thread_start(&threads[count], wait_at_gate) > 0)
            count++;
        EXPECT(count < LIMIT - 1);
        open_gate();
        while (count != 0)
            thread_join(&threads[--count]);
    }
}

// -- Growing ------------------------------------------------------------------------------------

#define GROWERS 4u
#define GROWTHS 40u

static u8 seen[1024]; // by page: who grew the memory there

static void grow(struct thread *self) {
    for (u32 i = 0; i < GROWTHS; i++) {
        u32 before = __builtin_wasm_memory_grow(0, 1);
        if (before == UINT32_MAX)
            continue;
        EXPECT(before < sizeof seen && before < __builtin_wasm_memory_size(0));
        EXPECT(__atomic_fetch_add(&seen[before], 1, __ATOMIC_SEQ_CST) == 0);
        u32 *page = (u32 *)(before * PAGE);
        EXPECT(page[0] == 0 && page[PAGE / 4 - 1] == 0);
        page[0] = page[PAGE / 4 - 1] = self->number + 1;
    }
}

static void test_grow(void) {
    u32 before = __builtin_wasm_memory_size(0);
    run(GROWERS, grow);
    EXPECT(__builtin_wasm_memory_size(0) == before + GROWERS * GROWTHS);
    u32 of[GROWERS] = {0};
    for (u32 i = before; i < before + GROWERS * GROWTHS; i++) {
        u32 *page = (u32 *)(i * PAGE);
        EXPECT(page[0] == page[PAGE / 4 - 1] && page[0] - 1 < GROWERS);
        of[(page[0] - 1) % GROWERS]++;
    }
    for (u32 i = 0; i < GROWERS; i++)
        EXPECT(of[i] == GROWTHS);
    EXPECT(__builtin_wasm_memory_grow(0, 65536) == UINT32_MAX);
}

// -- Calls --------------------------------------------------------------------------------------

static void talk(struct thread *self) {
    char line[] = "thread 0\n";
    line[7] = (char)('0' + self->number);
    for (u32 i = 0; i < 50; i++)
        say(line);
}

static void test_output(void) {
    run(8, talk);
}

static u32 shared_fd;
static u8 taken[4096];

static void take(struct thread *self) {
    (void)self;
    for (;;) {
        u16 value = 0;
        const struct wasi_iovec part = {(u32)&value, sizeof value};
        u32 got = 0;
        EXPECT(wasi_fd_read(shared_fd, &part, 1, &got) == 0);
        if (got == 0)
            return;
        EXPECT(got == sizeof value && value < sizeof taken);
        __atomic_fetch_add(&taken[value % sizeof taken], 1, __ATOMIC_SEQ_CST);
    }
}

// A file of ascending numbers, of which each is read by exactly one of those who share the
// descriptor.
static void test_position(void) {
    EXPECT(wasi_path_open(3, 0, "numbers", 7, 0, WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK, 0, 0,
                          &shared_fd) == 0);
    run(4, take);
    for (u32 i = 0; i < sizeof taken; i++)
        EXPECT(taken[i] == 1);
}

static void test_clocks(void) {
    u64 process, thread;
    volatile u32 work = 0;
    for (u32 i = 0; i < 4; i++)
        run(4, nothing);
    while (work < 1000000)
        work++;
    EXPECT(wasi_clock_time_get(WASI_CLOCK_THREAD_CPUTIME, 1, &thread) == 0);
    EXPECT(wasi_clock_time_get(WASI_CLOCK_PROCESS_CPUTIME, 1, &process) == 0);
    EXPECT(thread > 0 && process > thread);
}

// Waits that nobody ends, of every length about as long as a CPU takes to go idle: none is slept
// over.
static void test_naps(void) {
    static i32 nobody;
    for (i64 ns = 0; ns < 20000; ns += 4)
        EXPECT(__builtin_wasm_memory_atomic_wait32(&nobody, 0, ns) == 2);
}

// Nanoseconds, which are instructions where a nanosecond of guest time is one (QEMU's -icount).
static void test_measure(void) {
    enum { WARM = 100, TIMES = 500 };
    u64 began = 0, ended = 0, least = UINT64_MAX;
    for (u32 i = 0; i < WARM + TIMES; i++) {
        u64 before;
        wasi_clock_time_get(WASI_CLOCK_MONOTONIC, 1, &before);
        if (i == WARM)
            began = before;
        start(&threads[0], nothing);
        thread_join(&threads[0]);
        wasi_clock_time_get(WASI_CLOCK_MONOTONIC, 1, &ended);
        if (i >= WARM && ended - before < least)
            least = ended - before;
    }
    char number[12];
    say("create and join: ");
    say(decimal((u32)((ended - began) / TIMES), number + sizeof number));
    say(" ns on average, at least ");
    say(decimal((u32)least, number + sizeof number));
    say("\n");
}

// -- Ending -------------------------------------------------------------------------------------

static void leave_with_7(struct thread *self) {
    (void)self;
    wasi_proc_exit(7);
}

static void trap(struct thread *self) {
    (void)self;
    __builtin_trap();
}

static i32 never;

static void end_by(void (*code)(struct thread *self)) {
    for (u32 i = 0; i < 8; i++)
        start(&threads[i], i % 2 == 0 ? wait_at_gate : compute);
    if (code != NULL) {
        start(&threads[8], code);
        wait_while(&never, 0);
    }
}

static void test_exit(void) {
    end_by(leave_with_7);
}

static void test_trap(void) {
    end_by(trap);
}

// The first thread's return ends the others.
static void test_return(void) {
    end_by(NULL);
}

// Until somebody kills it.
static void test_forever(void) {
    end_by(nothing);
}

static const struct {
    const char *name;
    void (*code)(void);
} tests[] = {
    {"counter", test_counter}, {"barrier", test_barrier},   {"ring", test_ring},
    {"wait", test_wait},       {"sequence", test_sequence}, {"storm", test_storm},
    {"limit", test_limit},     {"few", test_few},           {"poor", test_poor},
    {"grow", test_grow},       {"output", test_output},     {"position", test_position},
    {"clocks", test_clocks},   {"naps", test_naps},         {"measure", test_measure},
    {"exit", test_exit},       {"trap", test_trap},         {"return", test_return},
    {"forever", test_forever},
};

void _start(void) {
    static char strings[256];
    static char *argv[8];
    u32 count, bytes;
    if (wasi_args_sizes_get(&count, &bytes) != 0 || count != 2 || bytes > sizeof strings)
        wasi_proc_exit(2);
    wasi_args_get(argv, strings);
    for (u32 i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (!equal(argv[1], tests[i].name))
            continue;
        tests[i].code();
        if (failures != 0)
            wasi_proc_exit(1);
        say("all right\n");
        return;
    }
    wasi_proc_exit(2);
}
