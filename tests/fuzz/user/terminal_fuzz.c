// The libFuzzer target for terminals: any calls, any bytes that are typed, and any that are shown.

#include "abi/kwast/file.h"
#include "base/status.h"
#include "tests/fuzz/user/fake_kernel.h"
#include "user/services/console/filter.h"
#include "user/services/console/terminal.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

static const u32 operations[] = {
    KWAST_FILE_OPERATION + FILE_READ,
    KWAST_FILE_OPERATION + FILE_READ,
    KWAST_FILE_OPERATION + FILE_WRITE,
    KWAST_FILE_OPERATION + FILE_STAT,
    KWAST_FILE_OPERATION + FILE_SYNC,
    TERMINAL_GET_MODE,
    TERMINAL_SET_MODE,
    TERMINAL_GET_SIZE,
    TERMINAL_SET_SIZE,
    TERMINAL_SET_FOREGROUND,
    TERMINAL_TAKE_INTERRUPT,
    TERMINAL_ADD_CHANNEL,
    TERMINAL_STOP,
    KWAST_FIRST_OPERATION + 40,
};
static const u64 roots[] = {0};

static struct terminal terminal;
static struct filter filter;

u32 kwast_process_note(kwast_handle process, u32 number, bool tree) {
    MUST(process > FAKE_SERVER && number == KWAST_NOTE_INTERRUPT && tree);
    return 0;
}

u32 kwast_process_stop(kwast_handle process, bool) {
    MUST(process > FAKE_SERVER);
    return 0;
}

// What is shown goes to the emulator as UTF-8, never more of it than there is room for.
static void show(void *context, const char *text, usize len) {
    static char out[FILTER_GROWTH * (FILE_DATA_MAX + 1)];
    (void)context;
    cursor_write(&terminal.cursor, text, len);
    MUST(len <= FILE_DATA_MAX && filter_put(&filter, text, len, out) <= sizeof out);
}

static void type(struct input *input) {
    char typed[256];
    u32 len = input_u8(input);
    enum source source = input_u8(input) % SOURCE_COUNT;
    input_fill(input, typed, len);
    terminal_type(&terminal, source, typed, len);
    if (len == 0)
        terminal_hang_up(&terminal);
}

// The terminal answers by itself.
static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    (void)bytes;
    (void)reply;
    terminal_serve(&terminal, request);
    return false;
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    struct input input = {data, len};
    const struct fake_service service = {
        .serve = serve,
        .operations = operations,
        .operation_count = COUNT_OF(operations),
        .roots = roots,
        .root_count = COUNT_OF(roots),
        .between = type,
        .keeps = KWAST_HANDLES_MAX, // who is in the foreground
    };
    fake_begin();
    filter = (struct filter){0};
    terminal = (struct terminal){.server = FAKE_SERVER, .show = show};
    MUST(terminal_init(&terminal) == 0);
    fake_run(&service, &input);
    return 0;
}
