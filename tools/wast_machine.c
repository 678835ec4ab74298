// Scripts in a machine. What comes over the link is cut into lines (tests/spec/lines.h).

#include "tools/wast_machine.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/kwast/boot.h"
#include "base/math.h"
#include "tests/spec/lines.h"
#include "tools/lib/link_frames.h"
#include "tools/lib/report.h"
#include "tools/lib/tar.h"

#define RAM_BYTES    GIB
#define SILENCE_MS   300000 // no script takes that long
#define CONSOLE_TAIL 4096u

struct session {
    struct machine machine;
    struct wast_report *report;
    struct link_frames frames;
    char line[SPEC_LINE_BYTES * 2];
    usize line_len;
    bool ended;
    bool failed;
    char console[CONSOLE_TAIL]; // the beginning of what it printed; it prints nothing when all is
                                // well
    usize console_len;
};

// -- Lines ----------------------------------------------------------------------------------------

// The next word, which it ends.
static char *take_word(char **line) {
    char *word = *line;
    char *tab = strchr(word, '\t');
    if (tab != NULL)
        *tab = '\0';
    *line = tab != NULL ? tab + 1 : word + strlen(word);
    return word;
}

static u32 take_number(char **line) {
    return (u32)strtoul(take_word(line), NULL, 10);
}

static void take_event(struct session *session, char *line) {
    struct spec_event event = {
        .verdict = (enum spec_verdict)take_number(&line),
        .command = (enum script_command)take_number(&line),
    };
    event.line = take_number(&line);
    event.script = bytes_of(take_word(&line));
    event.text = line;
    wast_report_event(session->report, &event);
}

static void take_script(struct session *session, char *line) {
    struct bytes name = bytes_of(take_word(&line));
    struct spec_counts counts;
    for (u32 verdict = 0; verdict < SPEC_VERDICT_COUNT; verdict++) {
        for (u32 i = 0; i < SCRIPT_COMMAND_COUNT; i++)
            counts.of[verdict][i] = take_number(&line);
    }
    wast_report_script(session->report, name, &counts);
}

static void take_line(struct session *session, char *line) {
    const char *kind = take_word(&line);
    if (strcmp(kind, SPEC_LINE_EVENT) == 0) {
        take_event(session, line);
    } else if (strcmp(kind, SPEC_LINE_SCRIPT) == 0) {
        take_script(session, line);
    } else if (strcmp(kind, SPEC_LINE_END) == 0) {
        session->ended = true;
        if (strcmp(line, status_text(OK)) != 0) {
            report_error("scripts", "%s", line);
            session->failed = true;
        }
    } else {
        report_error("machine", "says \"%s\"", kind);
        session->failed = true;
    }
}

static void take_output(struct session *session, struct bytes bytes) {
    for (usize i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != '\n') {
            if (session->line_len < sizeof session->line - 1)
                session->line[session->line_len++] = (char)bytes.data[i];
            continue;
        }
        session->line[session->line_len] = '\0';
        session->line_len = 0;
        take_line(session, session->line);
    }
}

// -- The machine ----------------------------------------------------------------------------------

// Reads what is there. False when the other side has closed.
static bool receive(struct session *session) {
    usize room;
    void *space = link_frames_space(&session->frames, &room);
    ssize_t got = read(session->machine.link, space, room);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    link_frames_arrived(&session->frames, (usize)got);
    u16 type;
    struct bytes payload;
    enum link_next next;
    while ((next = link_frames_peek(&session->frames, &type, &payload)) == LINK_NEXT_FRAME) {
        if (type == LINK_STDOUT)
            take_output(session, payload);
        link_frames_drop(&session->frames);
    }
    return next == LINK_NEXT_INCOMPLETE;
}

static bool receive_console(struct session *session, int fd) {
    char buffer[1024];
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    usize keep = min_u64((u64)got, CONSOLE_TAIL - session->console_len);
    memcpy(session->console + session->console_len, buffer, keep);
    session->console_len += keep;
    return true;
}

static void serve(struct session *session) {
    struct pollfd fds[] = {
        {.fd = session->machine.link, .events = POLLIN},
        {.fd = session->machine.serial, .events = POLLIN},
        {.fd = session->machine.errors, .events = POLLIN},
    };
    while (!session->ended && !session->failed) {
        int ready = poll(fds, COUNT_OF(fds), SILENCE_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            report_error("machine", "has said nothing for %d s", SILENCE_MS / 1000);
            session->failed = true;
        }
        for (usize i = 1; i < COUNT_OF(fds); i++) {
            if (fds[i].revents != 0 && !receive_console(session, fds[i].fd))
                fds[i].fd = -1;
        }
        if (fds[0].revents != 0 && !receive(session) && !session->ended) {
            report_error("machine", "ended before the scripts did");
            session->failed = true;
        }
    }
}

static int make_archive(struct bytes blob) {
    static const char records[] = "program=script\0wast=1";
    int fd = memfd_create("kwast-boot-archive", MFD_CLOEXEC);
    if (fd < 0) {
        report_error("boot archive", "%s", strerror(errno));
        return -1;
    }
    struct tar tar;
    tar_init(&tar, fd, GIB);
    tar_add_data(&tar, BOOT_RUN_PATH, records, sizeof records);
    tar_add_data(&tar, "script", blob.data, blob.len);
    if (tar_finish(&tar))
        return fd;
    report_error(tar.what, "%s", tar.why);
    close(fd);
    return -1;
}

bool wast_machine_run(enum machine_kind kind, enum cpu_level cpu, struct bytes blob,
                      struct wast_report *report) {
    int archive = make_archive(blob);
    if (archive < 0)
        return false;
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        abort();
    session->report = report;
    struct machine_config config = {
        .kind = kind,
        .archive = archive,
        .ram_bytes = align_up(RAM_BYTES + 2 * blob.len, MIB),
        .append = "log=none",
        .cpus = 1,
        .cpu = cpu,
        .runs_scripts = true,
    };
    bool done = machine_start(&config, &session->machine);
    close(archive);
    if (done) {
        serve(session);
        machine_end(&session->machine);
        done = !session->failed;
        if (!done)
            fwrite(session->console, 1, session->console_len, stderr);
    }
    free(session);
    return done;
}
