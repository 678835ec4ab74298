// The libFuzzer target for tmpfs behind the file protocol: any calls, with allocations that fail.
// Besides what holds for every service (fake_kernel.h): whoever comes after it finds a file system
// in its memory, and no more used of it.

#include "tests/fuzz/user/fake_kernel.h"
#include "user/sdk/files.h"
#include "user/services/tmpfs/tmpfs.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

#define LIMIT        (256u << 10)
#define MEMORY_BYTES (2u << 20)

static const u32 operations[] = {
    KWAST_FILE_OPERATION + FILE_OPEN,
    KWAST_FILE_OPERATION + FILE_OPEN,
    KWAST_FILE_OPERATION + FILE_READ,
    KWAST_FILE_OPERATION + FILE_WRITE,
    KWAST_FILE_OPERATION + FILE_APPEND,
    KWAST_FILE_OPERATION + FILE_SET_SIZE,
    KWAST_FILE_OPERATION + FILE_ALLOCATE,
    KWAST_FILE_OPERATION + FILE_SYNC,
    KWAST_FILE_OPERATION + FILE_LIST,
    KWAST_FILE_OPERATION + FILE_STAT,
    KWAST_FILE_OPERATION + FILE_SET_TIMES,
    KWAST_FILE_OPERATION + FILE_READ_LINK,
    KWAST_FILE_OPERATION + FILE_MAKE_DIRECTORY,
    KWAST_FILE_OPERATION + FILE_REMOVE_DIRECTORY,
    KWAST_FILE_OPERATION + FILE_UNLINK,
    KWAST_FILE_OPERATION + FILE_RENAME,
    KWAST_FILE_OPERATION + FILE_LINK,
    KWAST_FILE_OPERATION + FILE_MAKE_LINK,
    FILE_SYSTEM_STAT,
    KWAST_FIRST_OPERATION,
};
static const u64 roots[] = {0};

static void let_fail(struct input *input) {
    fake_heap_fail(input_u8(input) % 16);
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    return files_answer(context, request, bytes, reply);
}

static bool more(void *context, u64 offset, u64 *ready) {
    (void)context;
    *ready = offset + 4ull * STOCK_UNIT_BYTES;
    return true;
}

static struct file_system_stat stat_of(struct file_system *fs) {
    struct file_system_stat stat = {0};
    MUST(fs->ops->stat_system(fs, &stat) == OK);
    return stat;
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    ALIGNED(64) static u8 memory[MEMORY_BYTES];
    struct stock_source source = {.base = memory, .size = stock_size_for(LIMIT), .more = more};
    struct input input = {data, len};
    struct files files;
    MUST(source.size <= sizeof memory);
    memset(memory, 0, source.size);
    fake_begin();
    struct file_system *fs = tmpfs_create(LIMIT, &source);
    MUST(fs != NULL);
    files_init(&files, FAKE_SERVER, fs);
    const struct fake_service service = {
        .serve = serve,
        .context = &files,
        .operations = operations,
        .operation_count = COUNT_OF(operations),
        .roots = roots,
        .root_count = COUNT_OF(roots),
        .between = let_fail,
    };
    fake_run(&service, &input);
    fake_heap_fail(0);
    struct file_system_stat before = stat_of(fs);
    MUST(before.free_bytes <= before.total_bytes);
    fake_heap_clear(); // the process has ended
    struct stock_source kept = source;
    kept.ready = kept.size / STOCK_UNIT_BYTES * STOCK_UNIT_BYTES;
    fs = tmpfs_create(LIMIT, &kept);
    MUST(fs != NULL && stat_of(fs).free_bytes >= before.free_bytes);
    fake_heap_clear();
    return 0;
}
