// top: what processes and CPUs do, live. Each picture is what changed since the one before; the
// first is about the whole time since the machine started.

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/terminal.h"
#include "user/programs/tools/tools.h"
#include "user/sdk/kwast.h"

#define BAR_WIDTH     20u
#define KEY_CTRL_C    3
#define ROWS_USUAL    24u
#define COLUMNS_USUAL 80u
#define NO_LIMIT      UINT32_MAX

enum order { BY_CPU, BY_MEMORY, BY_ID };

struct process {
    u32 row; // of the table
    u64 id;
    u64 cpu_us; // since the picture before
    u64 memory_kib;
};

struct top {
    bool is_text;
    bool has_keys;
    enum order order;
    u32 rows;
    u32 columns;
    u32 row; // where the picture is
    u64 then_ns;
    struct table cpus;
    struct table processes;
    struct table cpus_then;
    struct table processes_then;
};

// -- The terminal ---------------------------------------------------------------------------------

static bool ask(struct kwast_call *call) {
    return kwast_scheme_call(STDIN_FILENO, call, -1) == 0 && call->answer == 0;
}

static void set_mode(u64 mode) {
    struct kwast_call call = {.operation = TERMINAL_SET_MODE, .words = {mode}};
    ask(&call);
}

static void look_at_size(struct top *top) {
    struct kwast_call call = {.operation = TERMINAL_GET_SIZE};
    bool known = !top->is_text && ask(&call) && call.words[0] >= 20 && call.words[1] >= 5;
    top->columns = known ? (u32)call.words[0] : COLUMNS_USUAL;
    top->rows = known ? (u32)call.words[1] : top->is_text ? NO_LIMIT : ROWS_USUAL;
}

// Prints a line of the picture, as far as the terminal is wide; false: there is no row left.
static bool PRINTF_LIKE(2, 3) line(struct top *top, const char *format, ...) {
    char text[512];
    va_list args;
    if (top->row == top->rows)
        return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *ending = top->is_text ? "\n" : "\x1b[K";
    printf("%s%.*s%s", top->row == 0 || top->is_text ? "" : "\r\n", (int)top->columns, text,
           ending);
    top->row++;
    return top->row < top->rows;
}

// -- What has changed -----------------------------------------------------------------------------

// The row of the table before that has the same number in `column`, or NO_LIMIT. Both are in the
// order of that column, so `*from` goes on where the last search ended.
static u32 row_before(const struct table *then, const char *column, u64 number, u32 *from) {
    while (*from < then->row_count && table_number(then, *from, column) < number)
        ++*from;
    bool found = *from < then->row_count && table_number(then, *from, column) == number;
    return found ? *from : NO_LIMIT;
}

static u64 change(const struct table *now, u32 row, const struct table *then, u32 row_then,
                  const char *column) {
    u64 before = row_then == NO_LIMIT ? 0 : table_number(then, row_then, column);
    u64 after = table_number(now, row, column);
    return after > before ? after - before : 0;
}

static struct process *list_processes(const struct top *top) {
    u32 count = top->processes.row_count;
    struct process *list = calloc(count + 1, sizeof *list);
    u32 from = 0;
    for (u32 i = 0; list != NULL && i < count; i++) {
        u64 id = table_number(&top->processes, i, "id");
        u32 then = row_before(&top->processes_then, "id", id, &from);
        list[i] = (struct process){
            .row = i,
            .id = id,
            .cpu_us = change(&top->processes, i, &top->processes_then, then, "cpu_us"),
            .memory_kib = table_number(&top->processes, i, "memory_kib"),
        };
    }
    return list;
}

static int compare_numbers(u64 a, u64 b) {
    return a < b ? -1 : a > b;
}

static int by_cpu(const void *a, const void *b) {
    const struct process *x = a;
    const struct process *y = b;
    int order = compare_numbers(y->cpu_us, x->cpu_us);
    return order != 0 ? order : compare_numbers(x->id, y->id);
}

static int by_memory(const void *a, const void *b) {
    const struct process *x = a;
    const struct process *y = b;
    int order = compare_numbers(y->memory_kib, x->memory_kib);
    return order != 0 ? order : compare_numbers(x->id, y->id);
}

// -- The picture ----------------------------------------------------------------------------------

static void draw_head(struct top *top) {
    struct memory_use use = {.total_kib = 0};
    u64 seconds = clock_ns() / 1000000000u;
    memory_use_read(&use);
    line(top, "up %llu:%02llu:%02llu, %u processes, %llu of %llu MiB free", seconds / 3600,
         seconds / 60 % 60, seconds % 60, top->processes.row_count, use.free_kib / KIB,
         use.total_kib / KIB);
}

static void draw_cpus(struct top *top) {
    u32 from = 0;
    u32 most = top->rows / 3;
    for (u32 i = 0; i < top->cpus.row_count && i < most; i++) {
        char bar[BAR_WIDTH + 1] = "";
        u32 then = row_before(&top->cpus_then, "cpu", table_number(&top->cpus, i, "cpu"), &from);
        u64 busy = change(&top->cpus, i, &top->cpus_then, then, "busy_us");
        u64 idle = change(&top->cpus, i, &top->cpus_then, then, "idle_us");
        u64 permille = busy + idle == 0 ? 0 : 1000 * busy / (busy + idle);
        memset(bar, '#', (usize)(permille * BAR_WIDTH + 999) / 1000);
        line(top, "cpu %-3s [%-*s] %3llu.%llu%%  %s", table_text(&top->cpus, i, "cpu"),
             (int)BAR_WIDTH, bar, permille / 10, permille % 10, table_text(&top->cpus, i, "runs"));
    }
}

static bool draw_process(struct top *top, const struct process *process, u64 passed_us) {
    const struct table *table = &top->processes;
    u64 permille = passed_us == 0 ? 0 : 1000 * process->cpu_us / passed_us;
    u64 centiseconds = table_number(table, process->row, "cpu_us") / 10000;
    return line(top, "%6llu %4llu.%llu %4llu:%02llu.%02llu %9llu %4s  %s", process->id,
                permille / 10, permille % 10, centiseconds / 6000, centiseconds / 100 % 60,
                centiseconds % 100, process->memory_kib, table_text(table, process->row, "threads"),
                table_text(table, process->row, "name"));
}

static void draw_processes(struct top *top, u64 passed_us) {
    struct process *list = list_processes(top);
    u32 count = list == NULL ? 0 : top->processes.row_count;
    if (top->order != BY_ID)
        qsort(list, count, sizeof *list, top->order == BY_CPU ? by_cpu : by_memory);
    bool fits = line(top, "%s", "");
    fputs(top->is_text ? "" : "\x1b[7m", stdout);
    fits =
        fits && line(top, "%6s %6s %10s %9s %4s  %s", "ID", "CPU%", "TIME", "KIB", "THR", "NAME");
    fputs(top->is_text ? "" : "\x1b[0m", stdout);
    for (u32 i = 0; fits && i < count; i++)
        fits = draw_process(top, &list[i], passed_us);
    free(list);
}

static bool draw(struct top *top) {
    u64 now_ns = clock_ns();
    bool done = table_read("cpus", &top->cpus);
    if (done && table_read("processes", &top->processes)) {
        look_at_size(top);
        top->row = 0;
        fputs(top->is_text ? "" : "\x1b[H", stdout);
        draw_head(top);
        draw_cpus(top);
        draw_processes(top, (now_ns - top->then_ns) / 1000);
        fputs(top->is_text ? "\n" : "\x1b[J", stdout);
        fflush(stdout);
    } else {
        table_free(&top->cpus);
        done = false;
    }
    table_free(&top->cpus_then);
    table_free(&top->processes_then);
    top->cpus_then = top->cpus;
    top->processes_then = top->processes;
    top->then_ns = now_ns;
    return done && !ferror(stdout); // a pipe that nobody reads any more
}

// -- Keys -----------------------------------------------------------------------------------------

// False: it is time to end.
static bool take_key(struct top *top) {
    char key;
    if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == KEY_CTRL_C)
        return false;
    if (key == 'c' || key == 'm' || key == 'i')
        top->order = key == 'c' ? BY_CPU : key == 'm' ? BY_MEMORY : BY_ID;
    return true;
}

// Waits for a key or for the next picture. False: it is time to end.
static bool rest(struct top *top, double seconds) {
    struct pollfd key = {.fd = STDIN_FILENO, .events = POLLRDNORM};
    int found = poll(&key, top->has_keys ? 1 : 0, (int)(seconds * 1000));
    return found < 1 || take_key(top);
}

static bool parse_times(const char *text, u64 *out) {
    char *end;
    *out = strtoull(text, &end, 10);
    return end != text && *end == 0 && *out != 0;
}

int run_top(int argc, char **argv) {
    static struct top top;
    double seconds = 1;
    u64 times = UINT64_MAX;
    top.is_text = !isatty(STDOUT_FILENO);
    for (int option; (option = getopt(argc, argv, "bd:n:")) != -1;) {
        if (option == 'b')
            top.is_text = true;
        else if (option == 'd' && atof(optarg) >= 0 && atof(optarg) < 1e6)
            seconds = atof(optarg);
        else if (option != 'n' || !parse_times(optarg, &times))
            return misused();
    }
    top.has_keys = !top.is_text && isatty(STDIN_FILENO);
    if (top.has_keys)
        set_mode(0);
    if (!top.is_text)
        fputs("\x1b[?1049h\x1b[?25l", stdout); // another screen, no cursor
    bool done = draw(&top);
    while (done && --times != 0 && rest(&top, seconds))
        done = draw(&top);
    if (!top.is_text)
        fputs("\x1b[?25h\x1b[?1049l", stdout);
    if (top.has_keys)
        set_mode(TERMINAL_COOKED);
    return done ? 0 : 1;
}
