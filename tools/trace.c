// `kwast trace`: a trace as the machine has it, as JSON for Perfetto and chrome://tracing.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/kwast.h"
#include "tools/lib/report.h"
#include "tools/trace_json.h"

static const char trace_help[] =
    "usage: kwast trace IN -o OUT.json\n"
    "\n"
    "Converts a trace, a copy of the kernel's file `trace`, to what https://ui.perfetto.dev\n"
    "and chrome://tracing open. kwast run --trace does both at once.\n";

bool trace_json_save(struct bytes stream, const char *path) {
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        report_error(path, "%s", strerror(errno));
        return false;
    }
    struct trace_summary summary;
    const char *why;
    bool is_whole = trace_json_write(stream, out, &summary, &why);
    bool is_written = ferror(out) == 0;
    is_written = fclose(out) == 0 && is_written;
    if (!is_whole)
        report_error("trace", "%s", why);
    else if (!is_written)
        report_error(path, "%s", strerror(errno));
    else if (summary.lost != 0)
        report_error("trace", "%llu events lost: those are the oldest, and %llu are left",
                     (unsigned long long)summary.lost, (unsigned long long)summary.events);
    return is_whole && is_written;
}

// Reads the file to its end. False after saying why.
static bool read_all(const char *path, u8 **data, usize *len) {
    FILE *file = fopen(path, "re");
    *data = NULL;
    *len = 0;
    usize room = 0;
    while (file != NULL && feof(file) == 0 && ferror(file) == 0) {
        if (*len == room) {
            room = room == 0 ? 1 << 20 : 2 * room;
            *data = realloc(*data, room);
            if (*data == NULL)
                abort();
        }
        *len += fread(*data + *len, 1, room - *len, file);
    }
    bool is_read = file != NULL && ferror(file) == 0;
    if (!is_read)
        report_error(path, "%s", strerror(errno));
    if (file != NULL)
        fclose(file);
    return is_read;
}

int trace_main(int argc, char **argv) {
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(trace_help, stdout);
        return EXIT_OK;
    }
    if (argc != 4 || strcmp(argv[2], "-o") != 0) {
        fputs(trace_help, stderr);
        return EXIT_USAGE;
    }
    u8 *data;
    usize len;
    bool is_done =
        read_all(argv[1], &data, &len) && trace_json_save((struct bytes){data, len}, argv[3]);
    free(data);
    return is_done ? EXIT_OK : EXIT_ERROR;
}
