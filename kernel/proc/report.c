// What people read when a program traps: where, as a backtrace of its functions, written to the
// process's error stream.

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/proc/symbols.h"

#define REPORT_LINE_BYTES 256u

static void PRINTF_LIKE(2, 3) report_line(const struct process *process, const char *format, ...) {
    char line[REPORT_LINE_BYTES];
    va_list args;
    va_start(args, format);
    usize len = fmt_string_va(line, sizeof line, format, args);
    va_end(args);
    if (len >= sizeof line) {
        len = sizeof line - 1;
        line[len - 1] = '\n';
    }
    usize put;
    enum status status = object_write(process->error_stream, 0, line, len, &put);
    (void)status; // a report that nobody takes is lost
}

static void report_frame(const struct process *process, u32 index, const struct trap_frame *frame) {
    struct bytes name = symbols_func_name(frame->module, frame->func);
    if (name.len != 0)
        report_line(process, "  %u: %.*s (module offset 0x%x)\n", index,
                    (int)min_u64(name.len, REPORT_LINE_BYTES / 2), (const char *)name.data,
                    frame->wasm_offset);
    else
        report_line(process, "  %u: function %u (module offset 0x%x)\n", index, frame->func,
                    frame->wasm_offset);
}

void process_report_trap(const struct process_thread *thread, enum trap trap) {
    const struct process *process = thread->process;
    const struct trap_report *report = &thread->report;
    if (process->error_stream == NULL)
        return;
    struct bytes tag = {0};
    if (trap == TRAP_EXCEPTION && report->tag != NO_TAG && report->frame_count != 0)
        tag = module_tag_name(report->frames[0].module, report->tag);
    char which[sizeof ": thread 4294967295"] = "";
    if (thread->id != 0)
        fmt_string(which, sizeof which, ": thread %u", thread->id);
    report_line(process, "kwast: %s%s: trap: %s%s%.*s\n", process->name, which, trap_text(trap),
                tag.len != 0 ? ": " : "", (int)tag.len, (const char *)tag.data);
    for (u32 i = 0; i < report->frame_count; i++)
        report_frame(process, i, &report->frames[i]);
    if (report->frames_total > report->frame_count)
        report_line(process, "  ... and %u more\n", report->frames_total - report->frame_count);
}
