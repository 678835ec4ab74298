// Processes.
//
// A process is counted: whoever spawned it holds a reference, and its thread holds one while it
// runs. Everything that can fail happens in process_spawn, on the spawner's thread; then the
// thread runs the program and takes the instance, the memory and the handles down at its end, so
// what is left for the last reference is the exit status.
//
// Locks: the table's, then process.lock, which guards only `thread`: killing races with ending.

#include "kernel/proc/process.h"

#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/proc/symbols.h"

#define STACK_COMMITTED_FIRST (2ull * STACK_HEADROOM_BYTES)
#define STACK_LIMIT_MIN       (64 * KIB)
#define REPORT_LINE_BYTES     256u

static struct {
    struct engine *engine; // fixed after boot

    struct spinlock lock;

    // Under lock:
    struct list processes;
    struct process *init; // inherits orphans; NULL: the kernel does
    u32 next_id;
} table;

void process_early_init(void) {
    engine_host_init();
}

void process_init(struct engine *engine) {
    table.engine = engine;
    table.next_id = 1;
    spin_init(&table.lock, LOCK_PROCESS_TABLE, "process table");
    list_init(&table.processes);
    imports_init(engine);
}

struct engine *process_engine(void) {
    return table.engine;
}

struct process *process_current(void) {
    return thread_current()->owner;
}

struct guest_memory process_memory(const struct process *process) {
    const struct memory *memory = instance_memory(process->instance);
    if (memory == NULL)
        return (struct guest_memory){.bytes = 0};
    return (struct guest_memory){{memory->base}, memory->bytes};
}

enum trap process_exit(struct process *process, u32 status) {
    process->exit_status = status;
    return TRAP_EXIT;
}

// -- Reports ------------------------------------------------------------------------------------

static void PRINTF_LIKE(2, 3) report_line(struct process *process, const char *format, ...) {
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

static void report_frame(struct process *process, u32 index, const struct trap_frame *frame) {
    struct bytes name = symbols_func_name(frame->module, frame->func);
    if (name.len != 0)
        report_line(process, "  %u: %.*s (module offset 0x%x)\n", index,
                    (int)min_u64(name.len, REPORT_LINE_BYTES / 2), (const char *)name.data,
                    frame->wasm_offset);
    else
        report_line(process, "  %u: function %u (module offset 0x%x)\n", index, frame->func,
                    frame->wasm_offset);
}

static void report_trap(struct process *process, enum trap trap) {
    if (process->error_stream == NULL)
        return;
    const struct trap_report *report = &process->report;
    struct bytes tag = {0};
    if (trap == TRAP_EXCEPTION && report->tag != NO_TAG && report->frame_count != 0)
        tag = module_tag_name(report->frames[0].module, report->tag);
    report_line(process, "kwast: %s: trap: %s%s%.*s\n", process->name, trap_text(trap),
                tag.len != 0 ? ": " : "", (int)tag.len, (const char *)tag.data);
    for (u32 i = 0; i < report->frame_count; i++)
        report_frame(process, i, &report->frames[i]);
    if (report->frames_total > report->frame_count)
        report_line(process, "  ... and %u more\n", report->frames_total - report->frame_count);
}

// -- The process's thread -----------------------------------------------------------------------

static enum trap run(struct process *process) {
    if (process->trap != TRAP_NONE) // an active segment did not fit
        return process->trap;
    struct func_ref *start = instance_start_func(process->instance);
    if (start != NULL) {
        u64 none[1] = {0};
        enum trap trap = func_call(table.engine, &process->block, start, none);
        if (trap != TRAP_NONE)
            return trap;
    }
    return process_run_entry(process);
}

static enum process_outcome outcome_of(enum trap trap) {
    if (trap == TRAP_NONE || trap == TRAP_EXIT)
        return PROCESS_EXITED;
    return trap == TRAP_KILLED ? PROCESS_KILLED : PROCESS_TRAPPED;
}

// Takes down what only the running program needed.
static void release_resources(struct process *process) {
    store_destroy(process->store);
    process->store = NULL;
    process->instance = NULL;
    module_release(process->module);
    process->module = NULL;
    account_refund(&process->account, process->module_bytes);
    process->module_bytes = 0;
    scheme_party_fini(&process->party);
    handle_table_fini(&process->handles);
    object_release(process->error_stream);
    process->error_stream = NULL;
}

// Cuts the thread loose from the process, which it outlives by a moment.
static void detach_thread(struct process *process) {
    struct thread *thread = thread_current();
    spin_lock(&process->lock);
    process->thread = NULL;
    spin_unlock(&process->lock);
    preempt_disable();
    thread->owner = NULL;
    thread->block = NULL;
    thread->name = "ended";
    preempt_enable();
    stack_charge_kernel(thread->stack);
}

// -- The tree -----------------------------------------------------------------------------------

static void set_parent_locked(struct process *process, struct process *parent) {
    process->parent = parent;
    if (parent != NULL)
        list_push_back(&parent->children, &process->child_link);
}

static void enter_table(struct process *process, struct process *parent) {
    spin_lock(&table.lock);
    process->id = table.next_id++;
    list_push_back(&table.processes, &process->table_link);
    set_parent_locked(process, parent);
    spin_unlock(&table.lock);
}

// Its children become init's.
static void leave_table(struct process *process) {
    spin_lock(&table.lock);
    CHECK(process != table.init);
    list_remove(&process->table_link);
    for (struct list *node; (node = list_pop_front(&process->children)) != NULL;)
        set_parent_locked(container_of(node, struct process, child_link), table.init);
    if (process->parent != NULL)
        list_remove(&process->child_link);
    process->parent = NULL;
    spin_unlock(&table.lock);
}

void process_set_init(struct process *process) {
    spin_lock(&table.lock);
    table.init = process;
    spin_unlock(&table.lock);
}

static void process_main(void *argument) {
    struct process *process = argument;
    struct thread *thread = thread_current();
    process->block.owner = thread;
    process->block.report = &process->report;
    thread_block_set_limit(&process->block, thread->stack);

    u64 began_ns = arch_clock_ns();
    enum trap trap = thread_is_killed(thread) ? TRAP_KILLED : run(process);
    process->times.run_ns = arch_clock_ns() - began_ns;
    if (outcome_of(trap) == PROCESS_TRAPPED)
        report_trap(process, trap);

    release_resources(process);
    leave_table(process);
    detach_thread(process);

    wait_lock(&process->ended);
    process->trap = trap;
    process->outcome = outcome_of(trap);
    process->has_ended = true;
    wake_all_locked(&process->ended);
    wait_unlock(&process->ended);
    process_release(process);
    thread_exit();
}

// -- Making one ---------------------------------------------------------------------------------

static enum status copy_config(struct process *process, const struct process_config *config) {
    usize len = min_u64(strlen(config->name), sizeof process->name - 1);
    memcpy(process->name, config->name, len);
    enum status status = string_list_copy(&config->args, &process->args);
    if (status == OK)
        status = string_list_copy(&config->env, &process->env);
    if (status == OK && config->invoke != NULL) {
        usize bytes = strlen(config->invoke) + 1;
        process->invoke = kmalloc(bytes);
        if (process->invoke == NULL)
            return ERR_NO_MEMORY;
        memcpy(process->invoke, config->invoke, bytes);
    }
    return status;
}

// Frees the structure and what it always owns.
static void free_process(struct process *process) {
    if (process->invoke != NULL)
        kfree(process->invoke, strlen(process->invoke) + 1);
    string_list_fini(&process->args);
    string_list_fini(&process->env);
    kfree(process, sizeof *process);
}

static enum status instantiate(struct process *process, struct module *module,
                               struct module_error *error) {
    struct extern_ref *imports;
    enum status status = imports_resolve(module, error, &imports);
    if (status != OK)
        return status;
    u64 began_ns = arch_clock_ns();
    status =
        instance_create(process->store, module, imports, error, &process->trap, &process->instance);
    process->times.instantiate_ns = arch_clock_ns() - began_ns;
    kfree(imports, module_import_count(module) * sizeof *imports);
    return status == OK ? process_check_entry(process, error) : status;
}

// Each process pays for all of its module, though others may share it: so what the kernel holds for
// it is within its limit, whoever else goes first.
static enum status charge_module(struct process *process, const struct module *module) {
    struct module_stats stats;
    module_stats(module, &stats);
    enum status status = account_charge(&process->account, stats.held_bytes);
    if (status == OK)
        process->module_bytes = stats.held_bytes;
    return status;
}

// On failure the references are still the caller's: the table forgets them.
static void forget_handles(struct process *process) {
    if (process->handles.slots != NULL)
        memset(process->handles.slots, 0,
               process->handles.capacity * sizeof *process->handles.slots);
    handle_table_fini(&process->handles);
}

static enum status insert_handles(struct process *process, const struct process_config *config) {
    u32 limit = config->handle_limit == 0 ? HANDLES_MAX : config->handle_limit;
    enum status status = handle_table_init(&process->handles, limit);
    for (u32 i = 0; status == OK && i < config->handle_count; i++) {
        if (config->handles[i].object != NULL)
            status = handle_insert_at(&process->handles, &config->handles[i], i);
    }
    if (status != OK)
        forget_handles(process);
    return status;
}

static enum status create_thread(struct process *process, u64 stack_limit) {
    u64 stack_bytes =
        max_u64(stack_limit == 0 ? PROCESS_STACK_DEFAULT : stack_limit, STACK_LIMIT_MIN);
    const struct thread_config config = {
        .name = process->name,
        .entry = process_main,
        .argument = process,
        .owner = process,
        .account = &process->account,
        .stack_bytes = align_up(stack_bytes, PAGE_SIZE) + PAGE_SIZE, // and a guard
        .stack_committed = STACK_COMMITTED_FIRST,
        .priority = PRIORITY_NORMAL,
    };
    enum status status = thread_create(&config, &process->thread);
    if (status == OK)
        process->thread->block = &process->block;
    return status;
}

// Nothing fails any more.
static void start(struct process *process, const struct process_config *config) {
    module_retain(config->module);
    process->module = config->module;
    process->error_stream = config->error_stream;
    if (process->error_stream != NULL)
        object_retain(process->error_stream);
    process->ref_count = 2; // the caller's and the thread's
    enter_table(process, config->parent);
    thread_start(process->thread);
}

enum status process_spawn(const struct process_config *config, struct module_error *error,
                          struct process **out) {
    *error = (struct module_error){.status = ERR_NO_MEMORY, .func = NO_FUNC};
    struct process *process = kmalloc(sizeof *process);
    if (process == NULL)
        return ERR_NO_MEMORY;
    spin_init(&process->lock, LOCK_PROCESS, "process");
    wait_queue_init(&process->ended);
    list_init(&process->table_link);
    list_init(&process->children);
    list_init(&process->child_link);
    scheme_party_init(&process->party, &process->handles);
    process->account.limit =
        config->memory_limit == 0 ? PROCESS_MEMORY_DEFAULT : config->memory_limit;

    enum status status = copy_config(process, config);
    if (status != OK)
        goto fail_copy;
    status = charge_module(process, config->module);
    if (status != OK)
        goto fail_copy;
    status = store_create(table.engine, process, &process->store);
    if (status != OK)
        goto fail_copy;
    status = instantiate(process, config->module, error);
    if (status != OK)
        goto fail_instance;
    status = insert_handles(process, config);
    if (status != OK)
        goto fail_instance;
    status = create_thread(process, config->stack_limit);
    if (status != OK)
        goto fail_thread;

    start(process, config);
    *out = process;
    return OK;

fail_thread:
    forget_handles(process);
fail_instance:
    store_destroy(process->store);
fail_copy:
    free_process(process);
    if (error->text[0] == 0)
        fmt_string(error->text, sizeof error->text, "%s", status_text(status));
    error->status = status;
    return status;
}

void process_retain(struct process *process) {
    u32 before = __atomic_fetch_add(&process->ref_count, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

void process_release(struct process *process) {
    if (process == NULL)
        return;
    u32 before = __atomic_fetch_sub(&process->ref_count, 1, __ATOMIC_ACQ_REL);
    CHECK(before != 0);
    if (before == 1)
        free_process(process);
}

enum status process_wait(struct process *process, u64 deadline_ns) {
    enum status status = OK;
    wait_lock(&process->ended);
    while (!process->has_ended && status == OK)
        status = wait_locked(&process->ended, deadline_ns);
    bool has_ended = process->has_ended;
    wait_unlock(&process->ended);
    return has_ended ? OK : status;
}

bool process_has_ended(struct process *process) {
    wait_lock(&process->ended);
    bool has_ended = process->has_ended;
    wait_unlock(&process->ended);
    return has_ended;
}

void process_kill(struct process *process) {
    spin_lock(&process->lock);
    if (process->thread != NULL)
        thread_kill(process->thread);
    spin_unlock(&process->lock);
}

void process_for_each(void (*visit)(struct process *process, void *context), void *context) {
    spin_lock(&table.lock);
    LIST_FOR_EACH(node, &table.processes)
    visit(container_of(node, struct process, table_link), context);
    spin_unlock(&table.lock);
}
