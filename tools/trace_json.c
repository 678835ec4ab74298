// From a trace to JSON ("Trace Event Format"): what Perfetto and chrome://tracing read.
//
// Tracks: under the process "CPUs" one for each CPU, with who ran; under each process one for each
// of its threads, with when it ran and where. Calls between processes are asynchronous slices of
// who called, and two arrows: from the call to the server's receive, and from its reply to the
// return. All else is an instant.
//
// Events of all CPUs are brought into one order first. What began before the oldest event that is
// left begins there; what has not ended ends with the trace; an arrow is drawn only when both its
// ends are there.

#include "tools/trace_json.h"

#include <stdlib.h>

#include "abi/kwast/trace.h"
#include "base/math.h"

#define PID_CPUS   2000000000u // no process gets that far
#define PID_KERNEL 1999999999u // Perfetto takes 0 for the idle task

struct cpu {
    u32 number;
    u64 lost;
    u64 first_ns; // where what we know begins
    u32 running;  // the thread, by index; 0: none
    u64 since_ns;
};

struct thread {
    u32 id;
    u32 process;
    char name[TRACE_NAME_BYTES + 1];
    // Its call that is under way:
    u64 call; // its number among all calls; 0: none
    u64 call_ns;
    u64 receive_ns;
    u32 server; // who received it, by index; 0: nobody yet
    u64 reply_ns;
    u64 operation;
};

struct placed {
    struct trace_event event;
    u32 cpu; // by index
    u64 order;
};

struct trace {
    FILE *out;
    struct trace_header header;
    u32 cpu_count;
    struct cpu *cpus;
    u64 event_count;
    struct placed *events;
    u32 thread_count; // threads[0] is nobody
    struct thread *threads;
    u64 calls; // so far
    bool has_one;
};

static void *zeroed(usize count, usize bytes) {
    void *memory = calloc(count + 1, bytes);
    if (memory == NULL)
        abort();
    return memory;
}

// -- Reading ------------------------------------------------------------------------------------

// Takes the structure that begins the stream, of which the sender has `bytes`; what it does not
// have is zero.
static bool take(struct bytes *stream, void *to, usize size, usize bytes) {
    memset(to, 0, size);
    if (stream->len < bytes)
        return false;
    memcpy(to, stream->data, min_u64(size, bytes));
    *stream = (struct bytes){stream->data + bytes, stream->len - bytes};
    return true;
}

static const char *read_header(struct trace *trace, struct bytes *stream) {
    struct trace_header *header = &trace->header;
    struct bytes rest = *stream;
    if (!take(&rest, header, sizeof *header, sizeof *header) || header->magic != TRACE_MAGIC)
        return "not a trace";
    bool is_sane = header->header_bytes >= sizeof *header &&
                   header->cpu_bytes >= sizeof(struct trace_cpu) &&
                   header->event_bytes >= sizeof(struct trace_event) &&
                   header->cpu_count <= TRACE_CPUS_MAX && header->began_ns <= header->ended_ns;
    if (!is_sane || stream->len < header->header_bytes)
        return "a damaged header";
    *stream =
        (struct bytes){stream->data + header->header_bytes, stream->len - header->header_bytes};
    return NULL;
}

// Reads the part of the next CPU.
static const char *read_cpu(struct trace *trace, struct bytes *stream) {
    struct trace_cpu part;
    if (!take(stream, &part, sizeof part, trace->header.cpu_bytes) ||
        part.count > stream->len / trace->header.event_bytes)
        return "it ends too early";
    struct cpu *cpu = &trace->cpus[trace->cpu_count];
    *cpu = (struct cpu){.number = part.cpu, .lost = part.lost};
    cpu->first_ns = trace->header.began_ns;
    for (u64 i = 0; i < part.count; i++) {
        struct placed *placed = &trace->events[trace->event_count];
        if (!take(stream, &placed->event, sizeof placed->event, trace->header.event_bytes))
            return "it ends too early";
        placed->cpu = trace->cpu_count;
        placed->order = trace->event_count++;
        if (i == 0 && part.lost != 0)
            cpu->first_ns = placed->event.time_ns;
    }
    trace->cpu_count++;
    return NULL;
}

static int compare_events(const void *a, const void *b) {
    const struct placed *x = a;
    const struct placed *y = b;
    if (x->event.time_ns != y->event.time_ns)
        return x->event.time_ns < y->event.time_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static const char *read_all(struct trace *trace, struct bytes stream) {
    const char *why = read_header(trace, &stream);
    if (why != NULL)
        return why;
    trace->cpus = zeroed(trace->header.cpu_count, sizeof *trace->cpus);
    trace->events = zeroed(stream.len / trace->header.event_bytes, sizeof *trace->events);
    for (u32 i = 0; i < trace->header.cpu_count && why == NULL; i++)
        why = read_cpu(trace, &stream);
    qsort(trace->events, trace->event_count, sizeof *trace->events, compare_events);
    return why;
}

// -- Threads ------------------------------------------------------------------------------------

static int compare_threads(const void *a, const void *b) {
    const struct thread *x = a;
    const struct thread *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

// The thread's index; 0 for one of which nothing is known.
static u32 thread_index(const struct trace *trace, u32 id) {
    const struct thread key = {.id = id};
    const struct thread *found =
        bsearch(&key, trace->threads, trace->thread_count, sizeof key, compare_threads);
    return found == NULL ? 0 : (u32)(found - trace->threads);
}

// Every event names the thread that it is of. The first name counts: when a thread's process has
// ended, it is called so for its last moments.
static void collect_threads(struct trace *trace) {
    trace->threads = zeroed(trace->event_count + 1, sizeof *trace->threads);
    for (u64 i = 0; i < trace->event_count; i++)
        trace->threads[1 + i].id = trace->events[i].event.thread;
    u64 count = trace->event_count + 1;
    qsort(trace->threads, count, sizeof *trace->threads, compare_threads);
    trace->thread_count = 1;
    for (u64 i = 1; i < count; i++) {
        if (trace->threads[i].id != trace->threads[trace->thread_count - 1].id)
            trace->threads[trace->thread_count++] = trace->threads[i];
    }
    for (u64 i = 0; i < trace->event_count; i++) {
        const struct trace_event *event = &trace->events[i].event;
        struct thread *thread = &trace->threads[thread_index(trace, event->thread)];
        if (thread->id == 0 || thread->name[0] != 0)
            continue;
        thread->process = event->process;
        memcpy(thread->name, event->name, TRACE_NAME_BYTES);
    }
}

// -- Writing ------------------------------------------------------------------------------------

static void put_text(struct trace *trace, const char *text) {
    fputc('"', trace->out);
    for (const u8 *at = (const u8 *)text; *at != 0; at++) {
        bool is_plain = *at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\';
        fprintf(trace->out, is_plain ? "%c" : "\\u%04x", *at);
    }
    fputc('"', trace->out);
}

// Begins an object: {"ph":...,"name":..., with the track. The caller ends it.
static void begin(struct trace *trace, const char *phase, const char *name, u32 pid, u32 tid) {
    fprintf(trace->out,
            "%s\n{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,\"name\":", trace->has_one ? "," : "", phase,
            pid, tid);
    put_text(trace, name);
    trace->has_one = true;
}

// Times are microseconds.
static void put_time(struct trace *trace, const char *key, u64 ns) {
    fprintf(trace->out, ",\"%s\":%llu.%03u", key, (unsigned long long)ns / 1000,
            (unsigned)(ns % 1000));
}

static u32 pid_of(u32 process) {
    return process == 0 ? PID_KERNEL : process;
}

static void put_name(struct trace *trace, const char *what, u32 pid, u32 tid, const char *name) {
    begin(trace, "M", what, pid, tid);
    fputs(",\"args\":{\"name\":", trace->out);
    put_text(trace, name);
    fputs("}}", trace->out);
}

static void put_names(struct trace *trace) {
    char text[64];
    put_name(trace, "process_name", PID_CPUS, 0, "CPUs");
    begin(trace, "M", "process_sort_index", PID_CPUS, 0);
    fputs(",\"args\":{\"sort_index\":-1}}", trace->out);
    put_name(trace, "process_name", PID_KERNEL, 0, "kernel");
    for (u32 i = 0; i < trace->cpu_count; i++) {
        snprintf(text, sizeof text, "CPU %u", trace->cpus[i].number);
        put_name(trace, "thread_name", PID_CPUS, trace->cpus[i].number, text);
    }
    for (u32 i = 1; i < trace->thread_count; i++) {
        const struct thread *thread = &trace->threads[i];
        if (thread->process != 0)
            put_name(trace, "process_name", pid_of(thread->process), 0, thread->name);
        put_name(trace, "thread_name", pid_of(thread->process), thread->id, thread->name);
    }
}

static const char *left_text(u64 left) {
    return left == TRACE_LEFT_READY ? "ready" : left == TRACE_LEFT_DEAD ? "ended" : "blocked";
}

// The running thread of the CPU leaves it.
static void end_stay(struct trace *trace, struct cpu *cpu, u64 at_ns, const char *left) {
    const struct thread *thread = &trace->threads[cpu->running];
    if (cpu->running == 0)
        return;
    u64 len_ns = at_ns > cpu->since_ns ? at_ns - cpu->since_ns : 0;
    begin(trace, "X", thread->name, PID_CPUS, cpu->number);
    put_time(trace, "ts", cpu->since_ns);
    put_time(trace, "dur", len_ns);
    fprintf(trace->out, ",\"args\":{\"process\":%u,\"thread\":%u,\"left\":\"%s\"}}",
            thread->process, thread->id, left);
    begin(trace, "X", "runs", pid_of(thread->process), thread->id);
    put_time(trace, "ts", cpu->since_ns);
    put_time(trace, "dur", len_ns);
    fprintf(trace->out, ",\"args\":{\"cpu\":%u,\"left\":\"%s\"}}", cpu->number, left);
    cpu->running = 0;
}

// -- Calls --------------------------------------------------------------------------------------

static void put_arrow(struct trace *trace, const char *phase, const char *name,
                      const struct thread *thread, u64 id, u64 at_ns) {
    begin(trace, phase, name, pid_of(thread->process), thread->id);
    put_time(trace, "ts", at_ns);
    fprintf(trace->out, ",\"cat\":\"ipc\",\"id\":%llu%s}", (unsigned long long)id,
            phase[0] == 'f' ? ",\"bp\":\"e\"" : "");
}

static void put_call_end(struct trace *trace, const struct thread *client, const char *phase,
                         u64 at_ns) {
    char name[32];
    snprintf(name, sizeof name, "call %llu", (unsigned long long)client->operation);
    begin(trace, phase, name, pid_of(client->process), client->id);
    put_time(trace, "ts", at_ns);
    fprintf(trace->out, ",\"cat\":\"ipc\",\"id\":%llu}", (unsigned long long)client->call);
}

static void end_call(struct trace *trace, struct thread *client, u64 at_ns) {
    if (client->call == 0)
        return;
    put_call_end(trace, client, "b", client->call_ns);
    put_call_end(trace, client, "e", at_ns);
    const struct thread *server = &trace->threads[client->server];
    if (client->server != 0) {
        put_arrow(trace, "s", "call", client, 2 * client->call, client->call_ns);
        put_arrow(trace, "f", "call", server, 2 * client->call, client->receive_ns);
    }
    if (client->server != 0 && client->reply_ns != 0) {
        put_arrow(trace, "s", "reply", server, 2 * client->call + 1, client->reply_ns);
        put_arrow(trace, "f", "reply", client, 2 * client->call + 1, at_ns);
    }
    client->call = 0;
}

static void take_call_event(struct trace *trace, const struct trace_event *event) {
    u32 self = thread_index(trace, event->thread);
    struct thread *client = &trace->threads[thread_index(trace, event->other)];
    switch (event->type) {
    case TRACE_CALL:
        client = &trace->threads[self];
        client->call = ++trace->calls;
        client->call_ns = event->time_ns;
        client->server = 0;
        client->reply_ns = 0;
        client->operation = event->words[0];
        return;
    case TRACE_RECEIVE:
        client->server = self;
        client->receive_ns = event->time_ns;
        return;
    case TRACE_REPLY:
        client->reply_ns = event->time_ns;
        return;
    default:
        end_call(trace, &trace->threads[self], event->time_ns);
    }
}

// -- Instants -----------------------------------------------------------------------------------

static void put_instant(struct trace *trace, const struct placed *placed, const char *name) {
    const struct trace_event *event = &placed->event;
    bool is_threads = event->thread != 0 && event->type != TRACE_INTERRUPT;
    begin(trace, "i", name,
          is_threads ? pid_of(trace->threads[thread_index(trace, event->thread)].process)
                     : PID_CPUS,
          is_threads ? event->thread : trace->cpus[placed->cpu].number);
    put_time(trace, "ts", event->time_ns);
    fprintf(trace->out, ",\"s\":\"t\",\"args\":{\"cpu\":%u,\"other\":%u,\"words\":[%llu,%llu]}}",
            trace->cpus[placed->cpu].number, event->other, (unsigned long long)event->words[0],
            (unsigned long long)event->words[1]);
}

static const char *interrupt_text(u64 which) {
    static const char *const names[] = {
        [TRACE_TIMER] = "interrupt: timer",
        [TRACE_LINK] = "interrupt: link",
        [TRACE_CONSOLE] = "interrupt: console",
        [TRACE_DEVICE] = "interrupt: device",
    };
    return which < COUNT_OF(names) ? names[which] : "interrupt";
}

static const char *end_text(u64 end) {
    return end == TRACE_EXITED ? "exit" : end == TRACE_TRAPPED ? "ends: trapped" : "ends: killed";
}

static void take_other_event(struct trace *trace, const struct placed *placed) {
    const struct trace_event *event = &placed->event;
    char text[64];
    switch (event->type) {
    case TRACE_WAKE:
        snprintf(text, sizeof text, "wakes %s",
                 trace->threads[thread_index(trace, event->other)].name);
        put_instant(trace, placed, text);
        break;
    case TRACE_SPAWN:
        put_instant(trace, placed, "spawns");
        break;
    case TRACE_EXIT:
        put_instant(trace, placed, end_text(event->words[0]));
        break;
    case TRACE_KILL:
        put_instant(trace, placed, "kills");
        break;
    case TRACE_FAULT:
        put_instant(trace, placed, "fault");
        break;
    case TRACE_TRAP:
        put_instant(trace, placed, "trap");
        break;
    case TRACE_INTERRUPT:
        put_instant(trace, placed, interrupt_text(event->words[0]));
        break;
    default:
        break; // of a later kernel
    }
}

// -- All of it ----------------------------------------------------------------------------------

// Who ran when a CPU's part begins: its first event says.
static void begin_cpus(struct trace *trace) {
    bool *is_seen = zeroed(trace->cpu_count, sizeof *is_seen);
    for (u64 i = 0; i < trace->event_count; i++) {
        const struct trace_event *event = &trace->events[i].event;
        struct cpu *cpu = &trace->cpus[trace->events[i].cpu];
        if (is_seen[trace->events[i].cpu])
            continue;
        is_seen[trace->events[i].cpu] = true;
        u32 id = event->type == TRACE_SWITCH ? event->other : event->thread;
        cpu->running = thread_index(trace, id);
        cpu->since_ns = cpu->first_ns;
    }
    free(is_seen);
}

static void put_events(struct trace *trace) {
    for (u64 i = 0; i < trace->event_count; i++) {
        const struct placed *placed = &trace->events[i];
        const struct trace_event *event = &placed->event;
        struct cpu *cpu = &trace->cpus[placed->cpu];
        if (event->type == TRACE_SWITCH) {
            end_stay(trace, cpu, event->time_ns, left_text(event->words[0]));
            cpu->running = thread_index(trace, event->thread);
            cpu->since_ns = event->time_ns;
        } else if (event->type >= TRACE_CALL && event->type <= TRACE_CANCEL) {
            take_call_event(trace, event);
        } else {
            take_other_event(trace, placed);
        }
    }
    for (u32 i = 0; i < trace->cpu_count; i++)
        end_stay(trace, &trace->cpus[i], trace->header.ended_ns, "running");
}

static void put_lost(struct trace *trace, const struct cpu *cpu) {
    char text[64];
    if (cpu->lost == 0)
        return;
    snprintf(text, sizeof text, "%llu events lost", (unsigned long long)cpu->lost);
    begin(trace, "i", text, PID_CPUS, cpu->number);
    put_time(trace, "ts", cpu->first_ns);
    fputs(",\"s\":\"t\"}", trace->out);
}

bool trace_json_write(struct bytes stream, FILE *out, struct trace_summary *summary,
                      const char **why) {
    struct trace trace = {.out = out};
    *summary = (struct trace_summary){0};
    *why = read_all(&trace, stream);
    if (*why == NULL) {
        collect_threads(&trace);
        fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", out);
        put_names(&trace);
        for (u32 i = 0; i < trace.cpu_count; i++) {
            put_lost(&trace, &trace.cpus[i]);
            summary->lost += trace.cpus[i].lost;
        }
        begin_cpus(&trace);
        put_events(&trace);
        summary->events = trace.event_count;
        fprintf(out, "\n],\"otherData\":{\"events\":%llu,\"lost\":%llu}}\n",
                (unsigned long long)summary->events, (unsigned long long)summary->lost);
    }
    free(trace.cpus);
    free(trace.events);
    free(trace.threads);
    return *why == NULL;
}
