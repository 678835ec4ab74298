// The libFuzzer target for the service of pipes: any calls.

#include "tests/fuzz/user/fake_kernel.h"

#define main pipe_main
#include "user/services/pipe/main.c"
#undef main

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

static const u32 operations[] = {
    PIPE_CREATE,
    PIPE_WRITER,
    KWAST_FILE_OPERATION + FILE_READ,
    KWAST_FILE_OPERATION + FILE_READ,
    KWAST_FILE_OPERATION + FILE_WRITE,
    KWAST_FILE_OPERATION + FILE_WRITE,
    KWAST_FILE_OPERATION + FILE_STAT,
    KWAST_FILE_OPERATION + FILE_SYNC,
    KWAST_FIRST_OPERATION + 17,
};
static const u64 roots[] = {0};

static void let_fail(struct input *input) {
    fake_heap_fail(input_u8(input) % 4);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    struct input input = {data, len};
    const struct fake_service service = {
        .serve = serve,
        .operations = operations,
        .operation_count = COUNT_OF(operations),
        .roots = roots,
        .root_count = COUNT_OF(roots),
        .between = let_fail,
    };
    fake_begin();
    server = FAKE_SERVER;
    fake_run(&service, &input);
    MUST(waiting_count == 0 && fake_heap_clear() == 0);
    return 0;
}
