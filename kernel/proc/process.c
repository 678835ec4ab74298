// Processes.
//
// A process is counted: whoever spawned it holds a reference, and each of its threads holds one
// while it runs. Everything that can fail happens in process_spawn, on the spawner's thread; then
// the first thread runs the program. At its end it waits until the other threads (threads.c) have
// left, and takes the instance, the memory and the handles down, so what is left for the last
// reference is the exit status.

#include "kernel/proc/process.h"

#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/reclaim.h"
#include "kernel/proc/proc_internal.h"
#include "kernel/proc/program.h"
#include "kernel/proc/symbols.h"
#include "kernel/sched/trace.h"

#define STACK_LIMIT_MIN (64 * KIB)

// How many processes are looked at under one hold of the table's lock: there may be 100,000.
#define VISITS_AT_ONCE 32u

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

// The kernel's own threads are like those of services.
static bool is_service_running(void) {
    const struct thread *thread = thread_current();
    const struct process *process = thread == NULL ? NULL : thread->owner;
    return process == NULL || process->is_service;
}

void process_init(struct engine *engine) {
    table.engine = engine;
    frame_reserve_set_services(is_service_running);
    table.next_id = 1;
    spin_init(&table.lock, LOCK_PROCESS_TABLE, "process table");
    list_init(&table.processes);
    imports_init(engine);
    programs_init();
}

struct engine *process_engine(void) {
    return table.engine;
}

struct process *process_current(void) {
    return thread_current()->owner;
}

// -- The first thread ---------------------------------------------------------------------------

static enum process_outcome outcome_of(enum trap trap) {
    if (trap == TRAP_NONE || trap == TRAP_EXIT)
        return PROCESS_EXITED;
    return trap == TRAP_KILLED ? PROCESS_KILLED : PROCESS_TRAPPED;
}

static void release_imports(struct process *process) {
    const struct program *program = process->program;
    if (process->imports != NULL && process->imports != program->imports)
        kfree(process->imports, program->import_count * sizeof *process->imports);
    process->imports = NULL;
    store_destroy(process->shared);
    process->shared = NULL;
}

// Takes down what only the running program needed. Its other threads have left.
static void release_resources(struct process *process) {
    process->memory = NULL;
    map_set_close(process->party.maps); // no page of the memory is anybody else's any more
    process->first.instance = NULL;
    if (process->aspace == aspace_kernel())
        store_pool_put(process->module, process->first.store);
    else
        store_destroy(process->first.store); // a domain goes with its processes
    process->first.store = NULL;
    release_imports(process);
    module_release(process->module);
    process->module = NULL;
    string_list_fini(&process->args);
    string_list_fini(&process->env);
    account_refund(&process->account, process->kept_bytes);
    process->kept_bytes = 0;
    scheme_party_fini(&process->party);
    map_set_release(process->party.maps);
    process->party.maps = NULL;
    handle_table_fini(&process->handles);
    object_release(process->error_stream);
    process->error_stream = NULL;
}

// -- The tree -----------------------------------------------------------------------------------

static void set_parent_locked(struct process *process, struct process *parent) {
    process->parent = parent;
    if (parent != NULL)
        list_push_back(&parent->children, &process->child_link);
}

static enum process_stop stop_of(struct process *process) {
    spin_lock(&process->lock);
    enum process_stop stop = process->stop;
    spin_unlock(&process->lock);
    return stop;
}

// What a child has of its parent's state, before its program starts. That of a parent that is being
// killed never does: who kills a whole tree has passed the parent already, and the child could have
// made another one by the time that the parent sees that it is killed.
static void inherit(struct process *child, struct process *parent) {
    spin_lock(&parent->lock);
    enum process_stop stop = parent->stop;
    bool is_ending = parent->is_ending;
    child->notes.ignored = parent->notes.ignored;
    spin_unlock(&parent->lock);
    if (is_ending)
        process_kill(child);
    else if (stop == PROCESS_TREE_STOPPED)
        process_set_stop(child, PROCESS_TREE_STOPPED);
}

static void enter_table(struct process *process, struct process *parent) {
    spin_lock(&table.lock);
    process->id = table.next_id++;
    list_push_back(&table.processes, &process->table_link);
    set_parent_locked(process, parent);
    if (parent != NULL)
        inherit(process, parent);
    spin_unlock(&table.lock);
}

// The one after `process` in a walk over all that descend from `root`, parents first; NULL: it was
// the last.
static struct process *next_in_tree_locked(struct process *process, const struct process *root) {
    if (!list_is_empty(&process->children))
        return container_of(process->children.next, struct process, child_link);
    while (process != root) {
        struct list *node = process->child_link.next;
        if (node != &process->parent->children)
            return container_of(node, struct process, child_link);
        process = process->parent;
    }
    return NULL;
}

static void set_stop_of_tree_locked(struct process *root, enum process_stop stop) {
    for (struct process *process = root; process != NULL;
         process = next_in_tree_locked(process, root))
        process_set_stop(process, stop);
}

// Nobody might know any more that the process stands still, nor what was stopped along with it.
static void go_on_locked(struct process *process) {
    if (stop_of(process) == PROCESS_TREE_STOPPED)
        set_stop_of_tree_locked(process, PROCESS_GOING);
    else
        process_set_stop(process, PROCESS_GOING);
}

// Its children become init's; those of init itself the kernel's.
static void leave_table(struct process *process) {
    spin_lock(&table.lock);
    if (process == table.init)
        table.init = NULL;
    list_remove(&process->table_link);
    for (struct list *node; (node = list_pop_front(&process->children)) != NULL;) {
        struct process *child = container_of(node, struct process, child_link);
        set_parent_locked(child, table.init);
        go_on_locked(child);
    }
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

// The thread keeps its own reference, for its stack.
static void leave_aspace(struct process *process) {
    spin_lock(&process->lock);
    struct aspace *as = process->aspace;
    process->aspace = NULL;
    spin_unlock(&process->lock);
    aspace_release(as);
}

enum status process_aspace_get(struct process *process, struct aspace **out) {
    spin_lock(&process->lock);
    *out = process->aspace;
    if (*out != NULL)
        aspace_retain(*out);
    spin_unlock(&process->lock);
    return *out == NULL ? ERR_NOT_FOUND : OK;
}

static void process_main(void *argument) {
    struct process *process = argument;
    struct process_thread *thread = &process->first;
    process_thread_enter(thread);

    u64 began_ns = arch_clock_ns();
    enum trap trap = process_thread_begin(thread);
    if (trap == TRAP_NONE)
        trap = process_run_entry(process);
    process->times.started_ns = began_ns;
    process->times.run_ns = arch_clock_ns() - began_ns;
    process_thread_finish(thread, trap);
    process_threads_wait(process);

    static const enum trace_end ends[] = {
        [PROCESS_EXITED] = TRACE_EXITED,
        [PROCESS_TRAPPED] = TRACE_TRAPPED,
        [PROCESS_KILLED] = TRACE_KILLED,
    };
    trace(TRACE_EXIT, 0, ends[outcome_of(process->trap)],
          outcome_of(process->trap) == PROCESS_TRAPPED ? process->trap : process->exit_status);
    release_resources(process);
    leave_table(process);
    process_thread_leave(thread);
    leave_aspace(process);

    wait_lock(&process->ended);
    process->outcome = outcome_of(process->trap);
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
    enum status status = OK;
    if (config->gives_strings) {
        process->args = config->args;
        process->env = config->env;
    } else {
        status = string_list_copy(&config->args, &process->args);
        if (status == OK)
            status = string_list_copy(&config->env, &process->env);
    }
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
    aspace_release(process->aspace);
    kfree(process, sizeof *process);
}

// Makes the memories that the module imports, in a store that outlives those of all threads.
static enum status make_shared(struct process *process, struct module *module) {
    enum status status = store_create(table.engine, process, &process->shared);
    for (u32 i = 0; status == OK && i < process->program->import_count; i++) {
        if (process->imports[i].kind != EXTERN_MEMORY)
            continue;
        struct import_info info;
        module_import(module, i, &info);
        status = store_memory(process->shared, info.memory, &process->imports[i].memory);
    }
    return status;
}

// Imports of its own, as far as those of all who run the program will not do.
static enum status take_imports(struct process *process, struct module *module) {
    const struct program *program = process->program;
    if (!program->imports_memory) {
        process->imports = program->imports;
        return OK;
    }
    usize bytes = program->import_count * sizeof *process->imports;
    process->imports = kmalloc(bytes);
    if (process->imports == NULL)
        return ERR_NO_MEMORY;
    memcpy(process->imports, program->imports, bytes);
    return make_shared(process, module);
}

static enum status make_instance(struct process *process, struct module *module,
                                 struct module_error *error) {
    struct process_thread *thread = &process->first;
    if (process->aspace == aspace_kernel())
        thread->store = store_pool_take(module);
    if (thread->store != NULL)
        return store_adopt(thread->store, process, &thread->instance);
    enum status status = store_create(table.engine, process, &thread->store);
    return status != OK ? status
                        : instance_create(thread->store, module, process->imports, error,
                                          &thread->trap, &thread->instance);
}

static enum status instantiate_here(struct process *process, struct module *module,
                                    struct module_error *error) {
    u64 began_ns = arch_clock_ns();
    enum status status = take_imports(process, module);
    if (status == OK)
        status = make_instance(process, module, error);
    process->times.instantiate_ns = arch_clock_ns() - began_ns;
    if (status != OK)
        return status;
    process->memory = instance_memory(process->first.instance);
    if (process->memory != NULL)
        process->area = area_at(process->aspace, process->memory->base);
    return process_check_entry(process, error);
}

// What an instance consists of is mapped in its process's domain alone. So it is made there, by the
// spawner on the stack of the first thread.
struct instantiation {
    struct process *process;
    struct module *module;
    struct module_error error;
    enum status status;
};

static void instantiate_as_visitor(void *argument) {
    struct instantiation *made = argument;
    made->status = instantiate_here(made->process, made->module, &made->error);
}

[[gnu::noinline]] static enum status
instantiate_apart(struct process *process, struct module *module, struct module_error *error) {
    struct instantiation *made = kmalloc(sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    *made = (struct instantiation){.process = process, .module = module, .error = *error};
    thread_visit(process->first.thread, instantiate_as_visitor, made);
    enum status status = made->status;
    *error = made->error;
    kfree(made, sizeof *made);
    return status;
}

static enum status instantiate(struct process *process, struct module *module,
                               struct module_error *error) {
    bool is_here = aspace_is_current(process->aspace);
    return is_here ? instantiate_here(process, module, error)
                   : instantiate_apart(process, module, error);
}

// Each process pays for its strings, and for all of its module, though others may share it: so what
// the kernel holds for it is within its limit, whoever else goes first.
static enum status link_module(struct process *process, struct module *module,
                               struct module_error *error) {
    enum status status = program_link(module, error, &process->program);
    if (status != OK)
        return status;
    u64 bytes = process->program->held_bytes + process->args.bytes + process->env.bytes;
    status = account_charge(&process->account, bytes);
    if (status == OK)
        process->kept_bytes = bytes;
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
    if (status == OK)
        status = handle_table_fill(&process->handles, config->handles, config->handle_count);
    if (status != OK)
        forget_handles(process);
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
    list_push_back(&process->threads, &process->first.link);
    process->thread_count = 1;
    enter_table(process, config->parent);
    process->first.thread->process_id = process->id;
    trace(TRACE_SPAWN, process->id, process->first.thread->id, 0);
    thread_start(process->first.thread);
}

static void init_process(struct process *process, const struct process_config *config) {
    spin_init(&process->lock, LOCK_PROCESS, "process");
    wait_queue_init(&process->gone);
    wait_queue_init(&process->ended);
    wait_queue_init(&process->resumed);
    list_init(&process->threads);
    list_init(&process->spares);
    list_init(&process->table_link);
    list_init(&process->children);
    list_init(&process->child_link);
    scheme_party_init(&process->party, &process->handles);
    process->aspace = config->aspace == NULL ? aspace_kernel() : config->aspace;
    aspace_retain(process->aspace);
    process->account.limit =
        config->memory_limit == 0 ? PROCESS_MEMORY_DEFAULT : config->memory_limit;
    process->is_service = config->is_service;
    process->account.is_kept = config->is_service;
    process->share_value = config->cpu_share == 0 ? CPU_SHARE_USUAL : config->cpu_share;
    cpu_share_init(&process->share, process->share_value);
    process->affinity = config->affinity == 0 ? ANY_CPU : config->affinity;
    process->thread_limit =
        config->thread_limit == 0 ? PROCESS_THREADS_DEFAULT : config->thread_limit;
    u64 stack_bytes = config->stack_limit == 0 ? PROCESS_STACK_DEFAULT : config->stack_limit;
    process->stack_bytes = align_up(max_u64(stack_bytes, STACK_LIMIT_MIN), PAGE_SIZE) + PAGE_SIZE;
    process->first.process = process;
    list_init(&process->first.link);
}

static enum status spawn(const struct process_config *config, struct module_error *error,
                         struct process **out) {
    *error = (struct module_error){.status = ERR_NO_MEMORY, .func = NO_FUNC};
    struct process *process = kmalloc(sizeof *process);
    if (process == NULL)
        return ERR_NO_MEMORY;
    init_process(process, config);

    enum status status = copy_config(process, config);
    if (status != OK)
        goto fail_copy;
    status = link_module(process, config->module, error);
    if (status != OK)
        goto fail_copy;
    status = process_thread_create(&process->first, process_main, process);
    if (status != OK)
        goto fail_copy;
    status = instantiate(process, config->module, error);
    if (status != OK)
        goto fail_instance;
    status = insert_handles(process, config);
    if (status != OK)
        goto fail_instance;

    start(process, config);
    *out = process;
    return OK;

fail_instance:
    store_destroy(process->first.store);
    release_imports(process);
    thread_discard(process->first.thread);
fail_copy:
    if (config->gives_strings) { // they are the caller's still
        process->args = (struct string_list){0};
        process->env = (struct string_list){0};
    }
    free_process(process);
    if (error->text[0] == 0)
        fmt_string(error->text, sizeof error->text, "%s", status_text(status));
    error->status = status;
    return status;
}

enum status process_spawn(const struct process_config *config, struct module_error *error,
                          struct process **out) {
    enum status status = spawn(config, error, out);
    if (status != ERR_NO_MEMORY)
        return status;
    reclaim(); // what is kept for processes of other programs
    return spawn(config, error, out);
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

enum status process_maps(struct process *process, struct map_set **out) {
    // Pairs with the release below, and in party_unmap.
    *out = __atomic_load_n(&process->party.maps, __ATOMIC_ACQUIRE);
    if (*out != NULL)
        return OK;
    struct map_set *fresh;
    enum status status = map_set_create(&fresh);
    if (status != OK)
        return status;
    if (__atomic_compare_exchange_n(&process->party.maps, out, fresh, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        *out = fresh;
    else // another thread was quicker
        map_set_release(fresh);
    return OK;
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

static enum process_state state_locked(const struct process *process) {
    return process->has_ended               ? PROCESS_HAS_ENDED
           : process->stop == PROCESS_GOING ? PROCESS_IS_RUNNING
                                            : PROCESS_IS_STOPPED;
}

enum process_state process_state(struct process *process) {
    wait_lock(&process->ended);
    enum process_state state = state_locked(process);
    wait_unlock(&process->ended);
    return state;
}

enum status process_wait_change(struct process *process, enum process_state known,
                                u64 deadline_ns) {
    enum status status = OK;
    wait_lock(&process->ended);
    while (state_locked(process) == known && status == OK)
        status = wait_locked(&process->ended, deadline_ns);
    bool has_changed = state_locked(process) != known;
    wait_unlock(&process->ended);
    return has_changed ? OK : status;
}

bool process_has_ended(struct process *process) {
    wait_lock(&process->ended);
    bool has_ended = process->has_ended;
    wait_unlock(&process->ended);
    return has_ended;
}

// The process behind `last` in the table, or the first one (NULL). The table is in the order of
// ids, by which the place is found again when `last` has left it.
static struct process *next_locked(const struct process *last) {
    struct list *node = table.processes.next;
    if (last != NULL && !list_is_empty(&last->table_link)) {
        node = last->table_link.next;
    } else if (last != NULL) {
        while (node != &table.processes &&
               container_of(node, struct process, table_link)->id <= last->id)
            node = node->next;
    }
    return node == &table.processes ? NULL : container_of(node, struct process, table_link);
}

void process_for_each(void (*visit)(struct process *process, void *context), void *context) {
    struct process *last = NULL;
    for (bool goes_on = true; goes_on;) {
        struct process *held = last; // keeps its place between two holds of the lock
        spin_lock(&table.lock);
        struct process *next = next_locked(last);
        for (u32 i = 0; i < VISITS_AT_ONCE && next != NULL; i++) {
            visit(next, context);
            last = next;
            next = next_locked(last);
        }
        goes_on = next != NULL;
        if (goes_on)
            process_retain(last);
        spin_unlock(&table.lock);
        process_release(held);
    }
}

struct find {
    u32 id;
    const struct process *root;
    struct process *found;
};

static bool descends_locked(const struct process *process, const struct process *root) {
    while (process != NULL && process != root)
        process = process->parent;
    return process == root;
}

static void find_process(struct process *process, void *context) {
    struct find *find = context;
    if (process->id != find->id || !descends_locked(process, find->root))
        return;
    process_retain(process);
    find->found = process;
}

struct process *process_find(u32 id, const struct process *root) {
    struct find find = {.id = id, .root = root};
    process_for_each(find_process, &find);
    return find.found;
}

void process_kill_tree(struct process *root) {
    spin_lock(&table.lock);
    for (struct process *process = root; process != NULL;
         process = next_in_tree_locked(process, root))
        process_kill(process);
    spin_unlock(&table.lock);
}

bool process_note(struct process *root, u32 number, bool tree) {
    if (!tree)
        return process_note_one(root, number);
    bool lives = false;
    spin_lock(&table.lock);
    for (struct process *process = root; process != NULL;
         process = next_in_tree_locked(process, root))
        lives |= process_note_one(process, number) && process == root;
    spin_unlock(&table.lock);
    return lives;
}

u32 process_parent_id(struct process *process) {
    spin_lock(&table.lock);
    u32 id = process->parent == NULL ? 0 : process->parent->id;
    spin_unlock(&table.lock);
    return id;
}

static void set_stop_of_tree(struct process *root, enum process_stop stop) {
    spin_lock(&table.lock);
    set_stop_of_tree_locked(root, stop);
    spin_unlock(&table.lock);
}

void process_stop(struct process *process, bool tree) {
    if (tree)
        set_stop_of_tree(process, PROCESS_TREE_STOPPED);
    else
        process_set_stop(process, PROCESS_STOPPED);
}

void process_continue(struct process *process, bool tree) {
    if (tree)
        set_stop_of_tree(process, PROCESS_GOING);
    else
        process_set_stop(process, PROCESS_GOING);
}
