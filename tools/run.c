// `kwast run`: a program on a machine of its own, as if it were a program of this one.
//
// One loop moves bytes between the link (abi/kwast/link.h) and the standard streams. It never
// blocks but in poll(): standard input is read only against the machine's credit, output waits in
// outlets, and while those are full nothing is taken from the link, which slows the program down.
// Requests for files are served as they come: the machine has only so many under way.
// Signals come through a descriptor, so every way to end passes session_end, which ends the
// machine. The terminal's modes are never changed, so there is nothing to put back.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/math.h"
#include "tools/boot_archive.h"
#include "tools/kwast.h"
#include "tools/lib/file_server.h"
#include "tools/lib/link_frames.h"
#include "tools/lib/machine.h"
#include "tools/lib/report.h"
#include "tools/options.h"
#include "tools/outlet.h"
#include "tools/trace_json.h"

#define TAIL_BYTES        8192u
#define STDIN_CHUNK_BYTES 16384u
#define RAM_GRAIN         (64 * MIB)
#define RAM_KERNEL        (128 * MIB)
#define MACHINE_END_MS    2000

// The last bytes of a stream that matters only when something goes wrong.
struct tail {
    usize len;
    u8 bytes[TAIL_BYTES];
};

struct session {
    const struct run_options *options;
    struct machine machine;
    int signals; // signalfd
    struct outlet out;
    struct outlet err;
    struct link_frames frames;
    struct outlet to_machine; // never flushed as an outlet: see link_send
    struct file_server files;
    struct outlet trace; // collects what comes of it
    u64 stdin_credit;
    bool stdin_ended;
    bool hello_seen;
    bool link_ended;
    bool exit_seen; // LINK_EXIT came: exit_code is final but for what is still to be written
    bool finished;
    int exit_code;
    u64 started_ns;
    u64 hello_ns;
    struct tail serial;
    struct tail errors;
};

static u64 now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void session_end(struct session *session, int exit_code) {
    machine_end(&session->machine);
    session->finished = true;
    session->exit_code = exit_code;
}

static void tail_add(struct tail *tail, struct bytes bytes) {
    if (bytes.len > TAIL_BYTES)
        bytes = (struct bytes){bytes.data + bytes.len - TAIL_BYTES, TAIL_BYTES};
    usize keep = min_u64(tail->len, TAIL_BYTES - bytes.len);
    memmove(tail->bytes, tail->bytes + tail->len - keep, keep);
    memcpy(tail->bytes + keep, bytes.data, bytes.len);
    tail->len = keep + bytes.len;
}

static void tail_print(const struct tail *tail) {
    fwrite(tail->bytes, 1, tail->len, stderr);
    if (tail->len != 0 && tail->bytes[tail->len - 1] != '\n')
        fputc('\n', stderr);
}

// -- Frames to the machine ------------------------------------------------------------------------

static void frame_queue(struct session *session, enum link_type type, struct bytes payload) {
    struct link_header header = {.magic = LINK_MAGIC, .type = type, .len = (u32)payload.len};
    outlet_put(&session->to_machine, (struct bytes){(const u8 *)&header, sizeof(header)});
    outlet_put(&session->to_machine, payload);
}

static void link_send(struct session *session) {
    struct outlet *queue = &session->to_machine;
    ssize_t done = send(session->machine.link, queue->pending + queue->pending_start,
                        outlet_pending(queue), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done > 0)
        queue->pending_start += (usize)done;
    else if (done < 0 && errno != EAGAIN && errno != EINTR)
        queue->pending_start = queue->pending_end; // it is gone; reading will tell
}

// -- Frames from the machine ----------------------------------------------------------------------

static void broken_link(struct session *session, const char *why) {
    report_error("link", "%s", why);
    session_end(session, EXIT_ERROR);
}

static void handle_hello(struct session *session, struct bytes payload) {
    u32 version;
    session->hello_seen = true;
    session->hello_ns = now_ns();
    if (!link_payload_read(payload, &version, sizeof(version)))
        broken_link(session, "malformed greeting");
    else if (version != LINK_VERSION)
        broken_link(session, "the kernel speaks another version; build both anew");
}

static void handle_times(struct session *session, struct bytes payload) {
    struct link_times times;
    if (!link_payload_read(payload, &times, sizeof(times))) {
        broken_link(session, "malformed times");
        return;
    }
    char text[512];
    int len = snprintf(
        text, sizeof(text),
        "boot         %10.3f ms  (firmware %.3f, kernel %.3f, the rest is the machine)\n"
        "compile      %10.3f ms  (%llu bytes of WebAssembly, %llu of code)\n"
        "instantiate  %10.3f ms\n"
        "run          %10.3f ms\n",
        (double)(session->hello_ns - session->started_ns) / 1e6, (double)times.firmware_ns / 1e6,
        (double)(times.started_ns - times.compile_ns - times.instantiate_ns) / 1e6,
        (double)times.compile_ns / 1e6, (unsigned long long)times.wasm_bytes,
        (unsigned long long)times.code_bytes, (double)times.instantiate_ns / 1e6,
        (double)times.run_ns / 1e6);
    outlet_put(&session->err, (struct bytes){(const u8 *)text, (usize)len});
}

static void handle_exit(struct session *session, struct bytes payload) {
    struct link_exit end;
    if (!link_payload_read(payload, &end, sizeof(end))) {
        broken_link(session, "malformed exit");
        return;
    }
    machine_end(&session->machine);
    session->exit_seen = true;
    switch (end.outcome) {
    case LINK_EXITED:
        session->exit_code = (int)(end.status & 0xff);
        break;
    case LINK_TRAPPED:
        session->exit_code = EXIT_TRAPPED;
        break;
    case LINK_INTERRUPTED:
        session->exit_code = EXIT_SIGNAL_BASE + SIGINT;
        break;
    default:
        session->exit_code = EXIT_ERROR;
        break;
    }
}

static void handle_file_request(struct session *session, struct bytes payload) {
    struct file_server *files = &session->files;
    switch (file_server_serve(files, payload)) {
    case FILE_SERVED_ANSWER:
        frame_queue(session, LINK_FILE_REPLY, (struct bytes){files->answer, files->answer_len});
        break;
    case FILE_SERVED_SILENT:
        break;
    case FILE_SERVED_MALFORMED:
        broken_link(session, "malformed request for a file");
        break;
    }
}

static void handle_frame(struct session *session, u16 type, struct bytes payload) {
    if (!session->hello_seen && type != LINK_HELLO) {
        broken_link(session, "the machine did not greet");
        return;
    }
    u32 credit;
    switch (type) {
    case LINK_HELLO:
        handle_hello(session, payload);
        break;
    case LINK_STDOUT:
        outlet_put(&session->out, payload);
        break;
    case LINK_STDERR:
        outlet_put(&session->err, payload);
        break;
    case LINK_LOG:
        if (session->options->verbose)
            outlet_put(&session->err, payload);
        break;
    case LINK_STDIN_CREDIT:
        if (!link_payload_read(payload, &credit, sizeof(credit)))
            broken_link(session, "malformed credit");
        else
            session->stdin_credit += credit;
        break;
    case LINK_TIMES:
        handle_times(session, payload);
        break;
    case LINK_TRACE:
        if (session->options->trace != NULL)
            outlet_put(&session->trace, payload);
        break;
    case LINK_FILE_REQUEST:
        handle_file_request(session, payload);
        break;
    case LINK_EXIT:
        handle_exit(session, payload);
        break;
    default:
        break;
    }
}

static void link_receive(struct session *session) {
    usize room;
    void *space = link_frames_space(&session->frames, &room);
    ssize_t got = read(session->machine.link, space, room);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        session->link_ended = true;
        return;
    }
    link_frames_arrived(&session->frames, (usize)got);

    u16 type;
    struct bytes payload;
    enum link_next next;
    while ((next = link_frames_peek(&session->frames, &type, &payload)) == LINK_NEXT_FRAME) {
        handle_frame(session, type, payload);
        if (session->finished || session->exit_seen)
            return;
        link_frames_drop(&session->frames);
    }
    if (next == LINK_NEXT_BROKEN)
        broken_link(session, "what the machine sent is not a frame");
    else if (outlet_pending(&session->to_machine) != 0)
        link_send(session); // answers: at once, if there is room
}

// -- Standard input -------------------------------------------------------------------------------

static void stdin_receive(struct session *session) {
    static u8 buffer[STDIN_CHUNK_BYTES];
    usize len = min_u64(session->stdin_credit, sizeof(buffer));
    ssize_t got = read(STDIN_FILENO, buffer, len);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        if (got < 0 && errno != EBADF)
            report_error("standard input", "%s", strerror(errno));
        session->stdin_ended = true;
        frame_queue(session, LINK_STDIN_END, (struct bytes){0});
        return;
    }
    session->stdin_credit -= (u64)got;
    frame_queue(session, LINK_STDIN, (struct bytes){buffer, (usize)got});
}

// -- The other descriptors ------------------------------------------------------------------------

// Reads from the serial line or QEMU's standard error. False when it has ended.
static bool tail_receive(struct session *session, int fd, struct tail *tail) {
    u8 buffer[4096];
    ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    struct bytes bytes = {buffer, (usize)got};
    tail_add(tail, bytes);
    if (session->options->verbose)
        outlet_put(&session->err, bytes);
    return true;
}

static void handle_signal(struct session *session) {
    struct signalfd_siginfo info;
    if (read(session->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo != SIGTSTP) {
        session_end(session, EXIT_SIGNAL_BASE + (int)info.ssi_signo);
        return;
    }
    bool has_machine = session->machine.pid > 0;
    if (has_machine)
        machine_pause(&session->machine);
    raise(SIGSTOP);
    if (has_machine)
        machine_resume(&session->machine);
}

static void outlet_serve(struct session *session, struct outlet *outlet) {
    int error = outlet_flush(outlet);
    if (error == 0)
        return;
    if (error == EPIPE) { // as SIGPIPE would have ended the program
        session_end(session, EXIT_SIGNAL_BASE + SIGPIPE);
        return;
    }
    report_error(outlet->name, "%s", strerror(error));
    session_end(session, EXIT_ERROR);
}

// Writes what standard output takes without waiting.
static void stdout_write_some(struct session *session) {
    while (outlet_pending(&session->out) != 0 && outlet_flush(&session->out) == 0 &&
           poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, 0) > 0)
        continue;
}

// The machine is gone and has not said what became of the program.
static void handle_sudden_end(struct session *session) {
    machine_wait(&session->machine, MACHINE_END_MS);
    bool verbose = session->options->verbose; // then it has been shown already
    while (tail_receive(session, session->machine.serial, &session->serial) &&
           poll(&(struct pollfd){.fd = session->machine.serial, .events = POLLIN}, 1, 0) > 0)
        continue;
    while (tail_receive(session, session->machine.errors, &session->errors) &&
           poll(&(struct pollfd){.fd = session->machine.errors, .events = POLLIN}, 1, 0) > 0)
        continue;
    stdout_write_some(session);
    while (outlet_pending(&session->err) != 0 && outlet_flush(&session->err) == 0)
        continue;
    if (!verbose) {
        tail_print(&session->serial);
        tail_print(&session->errors);
    }
    report_error("machine", session->hello_seen ? "ended before the program did"
                                                : "ended before it could run the program");
    session_end(session, EXIT_ERROR);
}

// -- The loop -------------------------------------------------------------------------------------

enum source { FROM_SIGNALS, FROM_LINK, FROM_STDIN, TO_STDOUT, TO_STDERR, FROM_SERIAL, FROM_ERRORS };
#define SOURCE_COUNT 7

// A descriptor that nothing is wanted of is left out: poll reports hang-ups unasked.
static struct pollfd interest(int fd, short events) {
    return (struct pollfd){.fd = events == 0 ? -1 : fd, .events = events};
}

static void fill_interests(const struct session *session, struct pollfd fds[SOURCE_COUNT]) {
    bool room =
        outlet_pending(&session->out) < OUTLET_FULL && outlet_pending(&session->err) < OUTLET_FULL;
    bool sending = outlet_pending(&session->to_machine) != 0;
    bool running = !session->exit_seen;
    short link = (short)((running && room ? POLLIN : 0) | (running && sending ? POLLOUT : 0));
    bool stdin_wanted = running && !sending && !session->stdin_ended && session->stdin_credit != 0;

    fds[FROM_SIGNALS] = interest(session->signals, POLLIN);
    fds[FROM_LINK] = interest(session->machine.link, link);
    fds[FROM_STDIN] = interest(STDIN_FILENO, stdin_wanted ? POLLIN : 0);
    fds[TO_STDOUT] = interest(STDOUT_FILENO, outlet_pending(&session->out) != 0 ? POLLOUT : 0);
    fds[TO_STDERR] = interest(STDERR_FILENO, outlet_pending(&session->err) != 0 ? POLLOUT : 0);
    fds[FROM_SERIAL] = interest(session->machine.serial, running && room ? POLLIN : 0);
    fds[FROM_ERRORS] = interest(session->machine.errors, running && room ? POLLIN : 0);
}

// Milliseconds until the time is up, rounded up; -1 without a limit.
static int time_left_ms(const struct session *session) {
    if (session->options->timeout_ns == 0)
        return -1;
    u64 spent = now_ns() - session->started_ns;
    if (spent >= session->options->timeout_ns)
        return 0;
    return (int)min_u64((session->options->timeout_ns - spent + 999999) / 1000000, 1000000);
}

static void handle_timeout(struct session *session) {
    machine_end(&session->machine);
    stdout_write_some(session);
    report_error(session->options->program, "did not end within %.9g s",
                 (double)session->options->timeout_ns / 1e9);
    session_end(session, EXIT_TIMED_OUT);
}

static void close_ended(int *fd) {
    close(*fd);
    *fd = -1;
}

static void session_step(struct session *session) {
    struct pollfd fds[SOURCE_COUNT];
    fill_interests(session, fds);
    int ready = poll(fds, SOURCE_COUNT, time_left_ms(session));
    if (ready < 0)
        return; // EINTR
    if (time_left_ms(session) == 0) {
        handle_timeout(session);
        return;
    }
    if (fds[FROM_SIGNALS].revents != 0)
        handle_signal(session);
    if (!session->finished && fds[TO_STDOUT].revents != 0)
        outlet_serve(session, &session->out);
    if (!session->finished && fds[TO_STDERR].revents != 0)
        outlet_serve(session, &session->err);
    if (session->finished)
        return;

    if (fds[FROM_SERIAL].revents != 0 &&
        !tail_receive(session, session->machine.serial, &session->serial))
        close_ended(&session->machine.serial);
    if (fds[FROM_ERRORS].revents != 0 &&
        !tail_receive(session, session->machine.errors, &session->errors))
        close_ended(&session->machine.errors);
    if (fds[FROM_STDIN].revents != 0)
        stdin_receive(session);
    if ((fds[FROM_LINK].revents & POLLOUT) != 0)
        link_send(session);
    if ((fds[FROM_LINK].revents & ~POLLOUT) != 0)
        link_receive(session);
    if (session->link_ended && !session->finished && !session->exit_seen)
        handle_sudden_end(session);
}

static bool session_is_done(const struct session *session) {
    bool written = outlet_pending(&session->out) == 0 && outlet_pending(&session->err) == 0;
    return session->finished || (session->exit_seen && written);
}

// Blocks the signals that end or stop us and returns where they arrive instead.
static int signals_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGTSTP);
    struct sigaction old;
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
        sigdelset(&set, SIGHUP); // nohup
    signal(SIGPIPE, SIG_IGN);    // writes report it instead
    signal(SIGXFSZ, SIG_IGN);    // likewise
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// RAM for the process's limit, the archive, and the kernel with the compiled code and its tables.
static u64 ram_for(u64 memory_bytes, u64 archive_bytes) {
    u64 ram = memory_bytes + memory_bytes / 64 + RAM_KERNEL + 8 * archive_bytes;
    return align_up(ram, RAM_GRAIN);
}

static bool directories_open(struct session *session) {
    const struct run_options *options = session->options;
    file_server_init(&session->files);
    for (u32 i = 0; i < options->directory_count; i++) {
        const char *host = options->directories[i].host;
        int error = file_server_add_root(&session->files, host);
        if (error != 0) {
            report_error(host, "%s", strerror(error));
            return false;
        }
    }
    return true;
}

// The peak of this process. getrusage would count what forked it, before it became this.
static long own_peak_kib(void) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        sscanf(line, "VmHWM: %ld", &kib);
    if (file != NULL)
        fclose(file);
    return kib;
}

// After the machine's end: how much memory it took at its peak, and this command besides.
static void print_memory(void) {
    struct rusage machine;
    long own = own_peak_kib();
    if (getrusage(RUSAGE_CHILDREN, &machine) == 0)
        fprintf(stderr, "memory       %10ld KiB (this command %ld, the machine %ld)\n",
                own + machine.ru_maxrss, own, machine.ru_maxrss);
}

// What there is of a trace becomes a file. False after saying why that is not so.
static bool save_trace(const struct session *session) {
    struct bytes stream = {session->trace.pending + session->trace.pending_start,
                           outlet_pending(&session->trace)};
    if (session->options->trace == NULL)
        return true;
    if (stream.len != 0)
        return trace_json_save(stream, session->options->trace);
    report_error("trace", "there is none: the machine did not come to send it");
    return false;
}

static int run_program(const struct run_options *options) {
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        abort();
    session->options = options;
    u64 archive_bytes;
    int archive = directories_open(session) ? boot_archive_create(options, &archive_bytes) : -1;
    if (archive < 0) {
        file_server_fini(&session->files);
        free(session);
        return EXIT_ERROR;
    }
    session->signals = signals_open();
    session->started_ns = now_ns();
    outlet_init(&session->out, STDOUT_FILENO, "standard output");
    outlet_init(&session->err, STDERR_FILENO, "standard error");
    outlet_init(&session->to_machine, -1, "link");
    outlet_init(&session->trace, -1, "trace");
    struct machine_config config = {
        .kind = options->machine,
        .archive = archive,
        .ram_bytes = ram_for(options->memory_bytes, archive_bytes),
        .cpus = options->cpus,
        .cpu = session->options->cpu,
        .append = "log=none", // the log comes over the link; a panic is printed all the same
        .symbols = session->options->symbols,
    };
    int exit_code = EXIT_ERROR;
    if (session->signals < 0) {
        report_error("signals", "%s", strerror(errno));
    } else if (machine_start(&config, &session->machine)) {
        close(archive); // the machine has its own
        while (!session_is_done(session))
            session_step(session);
        machine_end(&session->machine);
        if (options->show_times)
            print_memory();
        exit_code = session->exit_code;
        if (!save_trace(session) && exit_code == EXIT_OK)
            exit_code = EXIT_ERROR;
    }
    outlet_fini(&session->out);
    outlet_fini(&session->err);
    outlet_fini(&session->to_machine);
    outlet_fini(&session->trace);
    file_server_fini(&session->files);
    free(session);
    return exit_code;
}

int run_main(int argc, char **argv) {
    struct run_options options;
    int exit_code;
    if (!run_options_parse(argc, argv, &options, &exit_code))
        return exit_code;
    exit_code = run_program(&options);
    run_options_fini(&options);
    return exit_code;
}
