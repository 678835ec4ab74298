// The kernel's own files. Each is written by one function below, into a buffer that is made larger
// and written again until it fits: what is told changes all the time, so nobody can say beforehand.

#include "kernel/init/kernel_files.h"

#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/init/log.h"
#include "kernel/ipc/handle.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"
#include "kernel/proc/process.h"
#include "kernel/sched/trace.h"
#include "kernel/sched/wall.h"

#define NS_PER_S    1000000000u
#define NS_DIGITS   9u
#define FIRST_BYTES 4096u
#define MOST_BYTES  (16 * MIB)

// Where a file is written to. What does not fit is counted and lost.
struct writer {
    char *data;
    usize size;
    usize len;
};

static void PRINTF_LIKE(2, 3) put(struct writer *to, const char *format, ...) {
    va_list args;
    va_start(args, format);
    usize room = to->len < to->size ? to->size - to->len : 0;
    char none[1];
    to->len +=
        fmt_string_va(room != 0 ? to->data + to->len : none, room != 0 ? room : 1, format, args);
    va_end(args);
}

// -- What there is to tell ----------------------------------------------------------------------

static void put_process(struct process *process, void *context) {
    struct process_usage usage = process_usage(process);
    put(context, "%5u  %6u  %5u  %7u  %10lu  %10llu  %10llu  %7u  %9lu  %9lu  0x%08x  %5s  %s\n",
        process->id, process->parent == NULL ? 0 : process->parent->id, process->share_value,
        __atomic_load_n(&process->share.threads, __ATOMIC_RELAXED), usage.cpu_ns / 1000,
        __atomic_load_n(&process->account.committed, __ATOMIC_RELAXED) / KIB,
        __atomic_load_n(&process->account.charged, __ATOMIC_RELAXED) / KIB,
        handle_count(&process->handles), usage.messages.calls, usage.messages.served,
        process->affinity & sched_online(),
        process_state(process) == PROCESS_IS_STOPPED ? "T" : "-", process->name);
}

static void write_processes(struct writer *to) {
    put(to, "   id  parent  share  threads      cpu_us  memory_kib     may_kib  handles      calls"
            "     served        cpus  state  name\n");
    process_for_each(put_process, to);
}

static void write_cpus(struct writer *to) {
    struct cpu_stats stats;
    struct frame_cpu_stats frames;
    put(to, "cpu     busy_us     idle_us  switches   taken      calls     served  ready"
            "     got_kib   freed_kib  kept_kib     opened     closed  runs\n");
    for (u32 cpu = 0; sched_cpu_stats(cpu, &stats); cpu++) {
        frame_cpu_stats(cpu, &frames);
        struct handle_cpu_stats handles = handle_cpu_stats(cpu);
        put(to, "%3u  %10lu  %10lu  %8lu  %6lu  %9lu  %9lu  %5u", cpu, stats.busy_ns / 1000,
            stats.idle_ns / 1000, stats.switches, stats.taken, stats.messages.calls,
            stats.messages.served, stats.ready);
        put(to, "  %10llu  %10llu  %8llu  %9lu  %9lu  %s\n", frames.taken * PAGE_SIZE / KIB,
            frames.freed * PAGE_SIZE / KIB, frames.kept * PAGE_SIZE / KIB, handles.opened,
            handles.closed, stats.running);
    }
}

static void write_memory(struct writer *to) {
    static const char *const zones[ZONE_COUNT] = {
        [ZONE_KERNEL] = "kernel", [ZONE_PROGRAM] = "programs"};
    struct frame_stats frames;
    struct heap_stats heap;
    reclaim();
    heap_trim();
    frame_stats(&frames);
    heap_stats(&heap);
    for (u32 zone = 0; zone < ZONE_COUNT; zone++)
        put(to, "%-9s %8llu of %8llu KiB free\n", zones[zone], frames.free[zone] * PAGE_SIZE / KIB,
            frames.total[zone] * PAGE_SIZE / KIB);
    put(to, "heap      %8llu KiB in use (%lu bytes)\n", heap.bytes_used / KIB, heap.bytes_used);
    put(to, "promised  %8llu KiB to services\n", frame_promised() * PAGE_SIZE / KIB);
}

static void write_log(struct writer *to) {
    if (to->len < to->size)
        to->len += log_read(to->data + to->len, to->size - to->len);
}

// Copies what fits, so it needs all the room at once.
static void write_trace(struct writer *to) {
    usize most = trace_bytes_most();
    to->len += to->size > most && most != 0 ? trace_copy(to->data) : most;
}

static void write_clock(struct writer *to) {
    u64 now = wall_now_ns();
    put(to, "%lu.%09lu\n", now / NS_PER_S, now % NS_PER_S);
}

// SECONDS[.FRACTION], and perhaps a newline. A fraction has at most nine digits.
static bool parse_time(struct bytes text, u64 *out) {
    usize len = text.len != 0 && text.data[text.len - 1] == '\n' ? text.len - 1 : text.len;
    u64 value = 0;
    u32 digits = 0; // in a row
    bool has_point = false;
    for (usize i = 0; i < len; i++) {
        u8 c = text.data[i];
        if (c == '.' && !has_point && digits != 0) {
            has_point = true;
            digits = 0;
            continue;
        }
        if (c < '0' || c > '9' || value > (WALL_LAST_NS - 9) / 10 ||
            (has_point && digits == NS_DIGITS))
            return false;
        value = value * 10 + (c - '0');
        digits++;
    }
    for (u32 missing = NS_DIGITS - (has_point ? digits : 0); missing != 0; missing--) {
        if (value > WALL_LAST_NS / 10)
            return false;
        value *= 10;
    }
    *out = value;
    return digits != 0;
}

static enum status set_clock(struct bytes text) {
    u64 now;
    return parse_time(text, &now) ? wall_set(now) : ERR_INVALID;
}

static const struct kernel_file {
    const char *name;
    void (*write)(struct writer *to);
    usize (*bytes_most)(void);             // NULL: nobody knows, but there are less than MOST_BYTES
    enum status (*set)(struct bytes text); // what writing it does; NULL: it is only read
} files[] = {
    {"clock", write_clock, NULL, set_clock},
    {"cpus", write_cpus, NULL, NULL},
    {"log", write_log, NULL, NULL},
    {"memory", write_memory, NULL, NULL},
    {"processes", write_processes, NULL, NULL},
    {"trace", write_trace, trace_bytes_most, NULL},
};

static const struct kernel_file *find(struct bytes name) {
    for (u32 i = 0; i < COUNT_OF(files); i++) {
        if (bytes_equal_text(name, files[i].name))
            return &files[i];
    }
    return NULL;
}

enum status kernel_file_text(struct bytes name, struct bytes *text, usize *size) {
    const struct kernel_file *file = find(name);
    if (file == NULL)
        return ERR_NOT_FOUND;
    usize most = file->bytes_most == NULL ? MOST_BYTES : file->bytes_most() + 1;
    usize first = file->bytes_most == NULL ? FIRST_BYTES : most;
    for (usize bytes = first; bytes <= most;) {
        struct writer writer = {.data = kmalloc(bytes), .size = bytes};
        if (writer.data == NULL)
            return ERR_NO_MEMORY;
        file->write(&writer);
        if (writer.len < bytes) {
            *text = (struct bytes){(const u8 *)writer.data, writer.len};
            *size = bytes;
            return OK;
        }
        kfree(writer.data, bytes);
        bytes = max_u64(2 * bytes, writer.len + writer.len / 4); // there may be more next time
    }
    return ERR_NO_MEMORY;
}

// -- As objects ---------------------------------------------------------------------------------

// What a file said when it was opened. Whoever opened it pays.
struct snapshot {
    struct object object;
    struct process *payer; // with a reference; NULL: the kernel
    const struct kernel_file *file;
    struct bytes text;
    usize size;
};

static struct snapshot *snapshot_of(struct object *object) {
    return container_of(object, struct snapshot, object);
}

static struct memory_account *account_of(struct process *payer) {
    return payer == NULL ? NULL : &payer->account;
}

static u64 cost_of(const struct snapshot *snapshot) {
    return sizeof *snapshot + snapshot->size;
}

static void snapshot_destroy(struct object *object) {
    struct snapshot *snapshot = snapshot_of(object);
    account_refund(account_of(snapshot->payer), cost_of(snapshot));
    process_release(snapshot->payer);
    kfree((void *)(uptr)snapshot->text.data, snapshot->size);
    kfree(snapshot, sizeof *snapshot);
}

static enum status snapshot_read(struct object *object, u64 offset, void *to, usize len,
                                 usize *got) {
    const struct snapshot *snapshot = snapshot_of(object);
    usize left = offset < snapshot->text.len ? snapshot->text.len - offset : 0;
    *got = min_u64(len, left);
    if (*got != 0)
        memcpy(to, snapshot->text.data + offset, *got);
    return OK;
}

static enum status snapshot_stat(struct object *object, struct object_stat *out) {
    const struct snapshot *snapshot = snapshot_of(object);
    *out = (struct object_stat){
        .type = OBJECT_FILE,
        .device = 4,
        .inode = (u64)(snapshot->file - files) + 2,
        .link_count = 1,
        .size = snapshot->text.len,
        .modified_ns = wall_now_ns(),
    };
    return OK;
}

// Where in it does not matter: each write says all there is to say.
static enum status settable_write(struct object *object, u64 offset, const void *from, usize len,
                                  usize *put) {
    (void)offset;
    enum status status = snapshot_of(object)->file->set((struct bytes){from, len});
    *put = status == OK ? len : 0;
    return status;
}

// Opening it to be written anew, as shells do.
static enum status settable_set_size(struct object *object, u64 bytes) {
    (void)object;
    return bytes == 0 ? OK : ERR_INVALID;
}

static const struct object_ops snapshot_ops = {
    .destroy = snapshot_destroy,
    .read = snapshot_read,
    .stat = snapshot_stat,
};

static const struct object_ops settable_ops = {
    .destroy = snapshot_destroy,
    .read = snapshot_read,
    .write = settable_write,
    .set_size = settable_set_size,
    .stat = snapshot_stat,
};

static enum status kernel_directory_stat(struct object *object, struct object_stat *out) {
    *out = (struct object_stat){.type = object->type, .device = 4, .inode = 1, .link_count = 1};
    return OK;
}

static enum status kernel_directory_lookup(struct object *object, struct bytes name,
                                           struct object **out) {
    (void)object;
    struct snapshot *snapshot = kmalloc(sizeof *snapshot);
    if (snapshot == NULL)
        return ERR_NO_MEMORY;
    struct process *payer = process_current();
    enum status status = kernel_file_text(name, &snapshot->text, &snapshot->size);
    if (status == OK) {
        status = account_charge(account_of(payer), cost_of(snapshot));
        if (status != OK)
            kfree((void *)(uptr)snapshot->text.data, snapshot->size);
    }
    if (status != OK) {
        kfree(snapshot, sizeof *snapshot);
        return status;
    }
    if (payer != NULL)
        process_retain(payer);
    snapshot->payer = payer;
    snapshot->file = find(name);
    object_init(&snapshot->object, snapshot->file->set != NULL ? &settable_ops : &snapshot_ops,
                OBJECT_FILE);
    *out = &snapshot->object;
    return OK;
}

static enum status kernel_directory_read_entry(struct object *object, u64 cookie,
                                               struct object_entry *out) {
    (void)object;
    if (cookie >= COUNT_OF(files))
        return ERR_NOT_FOUND;
    *out = (struct object_entry){
        .inode = cookie + 2,
        .type = OBJECT_FILE,
        .next_cookie = cookie + 1,
        .name = bytes_of(files[cookie].name),
    };
    return OK;
}

static const struct object_ops kernel_directory_ops = {
    .stat = kernel_directory_stat,
    .lookup = kernel_directory_lookup,
    .read_entry = kernel_directory_read_entry,
};

static struct object directory = {
    .ops = &kernel_directory_ops,
    .ref_count = 1, // the kernel's own: it never goes
    .type = OBJECT_DIRECTORY,
};

struct object *kernel_directory(void) {
    return &directory;
}
