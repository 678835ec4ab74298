// init: the first process. Starts the services of the manifest (manifest.h), each after those that
// it needs, and starts them again as the manifest says; at the end stops them in the reverse order.
//
// The server ends of all schemes are init's as well: so a name stays when its service dies, and who
// calls it waits for the next one. A service that ends again and again is started after ever longer
// pauses.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/init.h"
#include "abi/kwast/pci.h"
#include "base/status.h"
#include "user/sdk/start.h"
#include "user/services/init/keep.h"
#include "user/services/init/machine.h"
#include "user/services/init/manifest.h"

#define MANIFEST_PATH  "/boot/etc/init.conf"
#define MANIFEST_BYTES 65536u
#define DEVICE         0
#define KERNEL_FILES   4
#define SHOWN          2 // for what we and services say; who has the device reads it there
#define SAYING                                                                                     \
    (__WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC |                  \
     __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS | __WASI_RIGHTS_FD_FILESTAT_GET |                           \
     __WASI_RIGHTS_POLL_FD_READWRITE)
#define NS_PER_MS      1000000ull
#define PAUSE_FIRST_NS (100 * NS_PER_MS)
#define PAUSE_LAST_NS  (10000 * NS_PER_MS)
#define HEALTHY_NS     (10000 * NS_PER_MS) // who lived that long starts over with the first pause
#define SYNC_NS        (10000 * NS_PER_MS) // how long file systems may take in the end
#define SYNC_WORD      "--sync"
#define OWN_MODULE     "/boot/bin/init.wasm"
#define NOT_SCHEDULED  UINT64_MAX
#define SERVED_MAX     64u   // requests in a row, before somebody else's turn
#define PCI_NAME       "pci" // the scheme of the service that has the PCI functions

// Something that a service can be given by name.
struct named {
    const char *name;
    enum kwast_kind kind;
    kwast_handle channel;
    kwast_handle server; // KWAST_NO_HANDLE: the kernel's
    struct service *owner;
};

struct service {
    const struct service_config *config;
    kwast_handle process; // KWAST_NO_HANDLE: it does not run
    kwast_handle keeper;  // its channel for what we keep for it, once it was started
    u64 started_ns;
    u64 start_at_ns; // when to start it
    bool is_wanted;  // it was ended to be started again
    u64 pause_ns;    // before the next start
    u32 place;       // in the order of the starts; 0: none yet
};

static struct manifest manifest;
static struct service services[SERVICES_MAX];
static struct named names[SERVICES_MAX * SCHEMES_MAX + 4];
static u32 name_count;
static kwast_handle own_server;
static bool is_stopping;
static bool all_found; // PCI functions: the service has told of all, or there is none

static u64 now_ns(void) {
    __wasi_timestamp_t now = 0;
    return __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &now) == 0 ? now : 0;
}

static const char *error_text(u32 error) {
    return strerror((int)error);
}

// -- Names ----------------------------------------------------------------------------------------

static struct named *find_name(const char *name) {
    for (u32 i = 0; i < name_count; i++) {
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    }
    return NULL;
}

static void add_name(struct named named) {
    names[name_count++] = named;
}

// What the kernel gave us.
static void add_own_names(void) {
    add_name((struct named){"boot", KWAST_KIND_DIRECTORY, 3, KWAST_NO_HANDLE, NULL});
    add_name((struct named){"kernel", KWAST_KIND_DIRECTORY, KERNEL_FILES, KWAST_NO_HANDLE, NULL});
    add_name((struct named){"processes", KWAST_KIND_PLAIN, 5, KWAST_NO_HANDLE, NULL});
}

static bool add_scheme(const char *name, enum kwast_kind kind, struct service *owner) {
    struct named named = {.name = name, .kind = kind, .owner = owner};
    if (find_name(name) != NULL) {
        fprintf(stderr, "init: %s: the name '%s' is taken\n", owner->config->name, name);
        return false;
    }
    u32 error = kwast_scheme_create(name, strlen(name), &named.server);
    if (error == 0)
        error = kwast_scheme_root(named.server, kind, &named.channel);
    if (error != 0) {
        fprintf(stderr, "init: scheme '%s': %s\n", name, error_text(error));
        return false;
    }
    add_name(named);
    return true;
}

static void add_schemes(void) {
    add_scheme("init", KWAST_KIND_PLAIN, NULL);
    own_server = find_name("init")->server;
    for (u32 i = 0; i < manifest.count; i++) {
        const struct service_config *config = &manifest.services[i];
        for (u32 j = 0; j < config->serves_count; j++)
            add_scheme(config->serves[j].name, config->serves[j].kind, &services[i]);
    }
}

// -- Starting -------------------------------------------------------------------------------------

// Descriptors of a service, by name, for $NAME.
struct numbering {
    struct {
        const char *name;
        u32 number;
    } items[SCHEMES_MAX + NEEDS_MAX + CLAIMS_MAX + 1];
    u32 count;
    u32 next;
};

// What was made for a service alone, and is closed here when it has it.
struct claimed {
    kwast_handle handles[CLAIMS_MAX];
    u32 count;
    bool is_busy; // something cannot be had now
};

static bool need(const struct service_config *config, const char *name, struct named **out) {
    *out = find_name(name);
    if (*out == NULL)
        fprintf(stderr, "init: %s:%u: %s needs '%s', which nobody serves\n", MANIFEST_PATH,
                config->line, config->name, name);
    return *out != NULL;
}

static u32 number(struct numbering *numbering, const char *name) {
    numbering->items[numbering->count].name = name;
    numbering->items[numbering->count++].number = numbering->next;
    return numbering->next++;
}

// What this machine does not have gets a name without a number.
static void number_nothing(struct numbering *numbering, const char *name) {
    numbering->items[numbering->count].name = name;
    numbering->items[numbering->count++].number = KWAST_NO_HANDLE;
}

// Whether it drives a PCI function: then it is started when there is one.
static bool is_pci_driver(const struct service *service) {
    for (u32 i = 0; service != NULL && i < service->config->claim_count; i++) {
        if (service->config->claims[i].kind == CLAIM_PCI)
            return true;
    }
    return false;
}

// Whether the service is started with the others: where there is what it is for.
static bool starts_at_boot(const struct service_config *config) {
    switch (config->start) {
    case START_BOOT:
        return true;
    case START_SCREEN:
        return machine_has_screen();
    case START_MACHINE:
        return machine_is_there();
    default:
        return false;
    }
}

// Whether nobody serves it, for there is no such device.
static bool is_absent(const struct named *named) {
    const struct service *owner = named->owner;
    if (owner == NULL || owner->started_ns != 0)
        return false;
    bool is_for_device =
        owner->config->start == START_SCREEN || owner->config->start == START_MACHINE;
    return is_pci_driver(owner) || (is_for_device && !starts_at_boot(owner->config));
}

static bool give_streams(struct start *start, const struct service_config *config) {
    struct named *terminal;
    switch (config->streams) {
    case STREAMS_LOG:
        start_handle_with(start, SHOWN, 1, SAYING);
        start_handle_with(start, SHOWN, 2, SAYING);
        return true;
    case STREAMS_DEVICE:
        start_handle(start, DEVICE, 0);
        start_handle(start, DEVICE, 1);
        start_handle(start, SHOWN, 2);
        return true;
    case STREAMS_TERMINAL:
        if (!need(config, config->terminal, &terminal))
            return false;
        for (u32 i = 0; i < 3; i++)
            start_handle(start, terminal->channel, i);
        return true;
    }
    return false;
}

static bool give_directories(struct start *start, const struct service_config *config) {
    static char paths[NEEDS_MAX][NAME_BYTES + 1];
    for (u32 i = 0; i < config->sees_count; i++) {
        struct named *named;
        if (!need(config, config->sees[i], &named))
            return false;
        if (is_absent(named))
            continue;
        snprintf(paths[i], sizeof paths[i], "/%s", config->sees[i]);
        const char *path = config->paths[i] != NULL ? config->paths[i] : paths[i];
        if (named->channel == KERNEL_FILES && !config->sets_clock)
            start_directory_to_read(start, named->channel, path);
        else
            start_directory(start, named->channel, path);
    }
    return true;
}

// The channel by which a service has us keep something: its value says whose.
static bool give_keeper(struct start *start, const struct service_config *config,
                        struct numbering *numbering) {
    u32 index = (u32)(config - manifest.services);
    kwast_handle *keeper = &services[index].keeper;
    u32 error = *keeper != KWAST_NO_HANDLE
                    ? 0
                    : kwast_scheme_channel(own_server, 1 + index, KWAST_KIND_PLAIN, keeper);
    if (error != 0) {
        fprintf(stderr, "init: %s: keeps: %s\n", config->name, error_text(error));
        return false;
    }
    start_handle(start, *keeper, number(numbering, "keep"));
    return true;
}

static bool give_channels(struct start *start, const struct service_config *config,
                          struct numbering *numbering) {
    struct named *named;
    for (u32 i = 0; i < config->serves_count; i++) {
        if (!need(config, config->serves[i].name, &named))
            return false;
        start_handle(start, named->server, number(numbering, named->name));
    }
    for (u32 i = 0; i < config->uses_count; i++) {
        if (!need(config, config->uses[i], &named))
            return false;
        if (is_absent(named))
            number_nothing(numbering, named->name);
        else
            start_handle(start, named->channel, number(numbering, named->name));
    }
    return config->keeps == 0 || give_keeper(start, config, numbering);
}

// Of the service that has the PCI functions.
static kwast_handle pci_server(void) {
    const struct named *pci = find_name(PCI_NAME);
    return pci == NULL ? KWAST_NO_HANDLE : pci->server;
}

static bool give_claims(struct start *start, const struct service_config *config,
                        struct numbering *numbering, struct claimed *claimed) {
    for (u32 i = 0; i < config->claim_count; i++) {
        const struct claim *claim = &config->claims[i];
        kwast_handle handle;
        u32 error = machine_claim(claim, pci_server(), &handle);
        if (error != 0) {
            fprintf(stderr, "init: %s: %s: %s\n", config->name, claim->name, error_text(error));
            claimed->is_busy = true;
            return false;
        }
        if (handle == KWAST_NO_HANDLE) {
            number_nothing(numbering, claim->name);
            continue;
        }
        claimed->handles[claimed->count++] = handle;
        start_handle(start, handle, number(numbering, claim->name));
    }
    return true;
}

// A word of `run`, with $NAME as a number.
static bool give_argument(struct start *start, const struct service_config *config,
                          const struct numbering *numbering, const char *word) {
    char text[16];
    if (word[0] != '$') {
        start_argument(start, word);
        return true;
    }
    for (u32 i = 0; i < numbering->count; i++) {
        if (strcmp(numbering->items[i].name, word + 1) == 0) {
            snprintf(text, sizeof text, "%d", (int)numbering->items[i].number);
            start_argument(start, text);
            return true;
        }
    }
    fprintf(stderr, "init: %s:%u: %s neither serves nor uses '%s'\n", MANIFEST_PATH, config->line,
            config->name, word);
    return false;
}

// Who serves others must not end because one of them takes all memory.
static bool has_reserve(const struct service_config *config) {
    return config->reserve == RESERVE_YES ||
           (config->reserve == RESERVE_IF_IT_SERVES && config->serves_count != 0);
}

static bool prepare(struct start *start, const struct service_config *config,
                    struct claimed *claimed) {
    struct numbering numbering = {.count = 0};
    if (config->word_count == 0) {
        fprintf(stderr, "init: %s:%u: %s has no 'run'\n", MANIFEST_PATH, config->line,
                config->name);
        return false;
    }
    start->limits = config->limits;
    if (has_reserve(config))
        start->limits.reserve = KWAST_RESERVE_SERVICE;
    if (!give_streams(start, config) || !give_directories(start, config))
        return false;
    numbering.next = start->next_number;
    if (!give_channels(start, config, &numbering) ||
        !give_claims(start, config, &numbering, claimed))
        return false;
    start_argument(start, config->name);
    for (u32 i = 1; i < config->word_count; i++) {
        if (!give_argument(start, config, &numbering, config->words[i]))
            return false;
    }
    for (u32 i = 0; i < config->variable_count; i++)
        start_variable(start, config->variables[i]);
    return true;
}

// When to try again, if at all.
static void schedule(struct service *service, bool failed) {
    enum restart policy = service->config->restart;
    bool again = policy == RESTART_ALWAYS || (policy == RESTART_ON_FAILURE && failed);
    u64 now = now_ns();
    if (now - service->started_ns >= HEALTHY_NS)
        service->pause_ns = PAUSE_FIRST_NS;
    service->start_at_ns = again ? now + service->pause_ns : NOT_SCHEDULED;
    service->pause_ns =
        service->pause_ns < PAUSE_LAST_NS / 2 ? 2 * service->pause_ns : PAUSE_LAST_NS;
}

// It will not come back: whoever calls what it served is told so.
static void abandon(const struct service *service) {
    for (u32 i = 0; i < name_count; i++) {
        if (names[i].owner != service || names[i].server == KWAST_NO_HANDLE)
            continue;
        close((int)names[i].server);
        names[i].server = KWAST_NO_HANDLE;
    }
}

static bool serves_pci(const struct service *service) {
    const struct named *pci = find_name(PCI_NAME);
    return pci != NULL && pci->owner == service;
}

static void start_service(struct service *service) {
    const struct service_config *config = service->config;
    struct start start;
    struct claimed claimed = {.count = 0};
    static u32 last_place;
    service->start_at_ns = NOT_SCHEDULED;
    service->started_ns = now_ns();
    start_init(&start, config->name);
    if (prepare(&start, config, &claimed)) {
        u32 error = start_run(&start, config->words[0], &service->process);
        if (error != 0) {
            service->process = KWAST_NO_HANDLE;
            fprintf(stderr, "init: %s: %s: %s %s\n", config->name, config->words[0],
                    error_text(error), start.reason);
            schedule(service, true);
        } else if (service->place == 0) {
            service->place = ++last_place;
        }
    }
    if (claimed.is_busy)
        schedule(service, true);
    if (service->process == KWAST_NO_HANDLE && service->start_at_ns == NOT_SCHEDULED)
        abandon(service);
    if (service->process == KWAST_NO_HANDLE)
        all_found |= serves_pci(service);
    for (u32 i = 0; i < claimed.count; i++)
        close((int)claimed.handles[i]);
    start_fini(&start);
}

static bool starts_after(const struct service *service, const char *name) {
    const struct named *named = find_name(name);
    return named != NULL && named->owner != NULL && named->owner != service &&
           named->owner->started_ns == 0 && !is_absent(named);
}

// Whether something that the service needs has not been started yet.
static bool has_to_wait(const struct service *service) {
    const struct service_config *config = service->config;
    bool waits = config->streams == STREAMS_TERMINAL && starts_after(service, config->terminal);
    for (u32 i = 0; i < config->sees_count; i++)
        waits |= starts_after(service, config->sees[i]);
    for (u32 i = 0; i < config->uses_count; i++)
        waits |= starts_after(service, config->uses[i]);
    return waits;
}

static bool is_held_by(const char *name) {
    const struct named *named = find_name(name);
    return named != NULL && is_absent(named);
}

// Whether something that the service has may be a device's, and nobody knows yet whether that is
// there.
static bool is_held(const struct service *service) {
    const struct service_config *config = service->config;
    bool is_held = false;
    for (u32 i = 0; i < config->sees_count; i++)
        is_held |= is_held_by(config->sees[i]);
    for (u32 i = 0; i < config->uses_count; i++)
        is_held |= is_held_by(config->uses[i]);
    return is_held && !all_found;
}

// Starts all, each after what it needs. Services that need each other are started as they come:
// calls wait for their servers.
static void start_all(void) {
    for (bool any = true, force = false; any || !force;) {
        force = !any;
        any = false;
        for (u32 i = 0; i < manifest.count; i++) {
            struct service *service = &services[i];
            if (!starts_at_boot(service->config) || service->started_ns != 0 || is_held(service) ||
                (!force && has_to_wait(service)))
                continue;
            start_service(service);
            any = true;
        }
    }
}

// All PCI functions are known, or never will be: what waited for that need not any more.
static void finish_finding(void) {
    if (all_found)
        return;
    all_found = true;
    start_all();
}

// -- Watching -------------------------------------------------------------------------------------

static void report_end(const struct service *service, const struct kwast_status *status) {
    const char *name = service->config->name;
    if (status->outcome == KWAST_TRAPPED)
        fprintf(stderr, "init: %s trapped (%u)\n", name, status->status);
    else if (status->outcome == KWAST_KILLED)
        fprintf(stderr, "init: %s was killed\n", name);
    else if (status->status != 0)
        fprintf(stderr, "init: %s ended with status %u\n", name, status->status);
}

static void watch(struct service *service) {
    struct kwast_status status;
    if (service->process == KWAST_NO_HANDLE ||
        kwast_process_wait(service->process, 0, &status) != 0)
        return;
    close((int)service->process);
    service->process = KWAST_NO_HANDLE;
    if (service->is_wanted) {
        service->is_wanted = false;
        service->start_at_ns = 0;
        return;
    }
    report_end(service, &status);
    schedule(service, status.outcome != KWAST_EXITED || status.status != 0);
    if (service->start_at_ns == NOT_SCHEDULED)
        abandon(service);
    if (serves_pci(service))
        finish_finding();
}

// Starts the drivers of a function.
static void found(u32 id) {
    for (u32 i = 0; i < manifest.count; i++) {
        const struct service_config *config = services[i].config;
        for (u32 j = 0; j < config->claim_count; j++) {
            const struct claim *claim = &config->claims[j];
            if (services[i].started_ns == 0 && claim->kind == CLAIM_PCI &&
                pci_match_has(claim->match, (u16)(id >> 16), (u16)id))
                start_service(&services[i]);
        }
    }
}

// For the service `owner`: true when a handle that came with the call has been taken over.
static bool serve_keeper(u32 owner, const struct kwast_request *request,
                         struct kwast_reply *reply) {
    u64 number = request->words[0];
    if (number >= manifest.services[owner].keeps)
        reply->answer = ERR_INVALID;
    else if (request->operation == INIT_KEEP && request->handle_count == 1)
        reply->answer = keep_put(owner, (u32)number, request->handles[0]);
    else if (request->operation == INIT_KEPT)
        reply->answer = keep_get(owner, (u32)number, &reply->handle);
    else
        reply->answer = ERR_UNSUPPORTED;
    return request->operation == INIT_KEEP && reply->answer == OK;
}

// When it has ended it is started again: watch.
static enum status restart(const char *name, usize len) {
    for (u32 i = 0; i < manifest.count; i++) {
        struct service *service = &services[i];
        if (service->process == KWAST_NO_HANDLE || strlen(service->config->name) != len ||
            memcmp(service->config->name, name, len) != 0)
            continue;
        service->is_wanted = true;
        return kwast_process_kill(service->process) == 0 ? OK : ERR_NOT_FOUND;
    }
    return ERR_NOT_FOUND;
}

// It is started when this has been answered.
static enum status want_service(const char *name, usize len) {
    for (u32 i = 0; i < manifest.count; i++) {
        const struct service_config *config = services[i].config;
        if (config->start != START_WANTED || strlen(config->name) != len ||
            memcmp(config->name, name, len) != 0)
            continue;
        if (services[i].started_ns == 0)
            services[i].start_at_ns = 0;
        return OK;
    }
    return ERR_NOT_FOUND;
}

static bool serve(void *context, const struct kwast_request *request, const void *bytes,
                  struct kwast_reply *reply) {
    (void)context;
    if (request->operation == KWAST_CLOSED)
        return false;
    bool is_keeper = request->value != 0;
    if (is_keeper && serve_keeper((u32)request->value - 1, request, reply))
        return true;
    for (u32 i = 0; i < request->handle_count; i++)
        close((int)request->handles[i]);
    if (is_keeper)
        return true;
    if (request->operation == INIT_POWER_OFF)
        is_stopping = true;
    else if (request->operation == INIT_FOUND && request->words[0] != 0)
        found((u32)request->words[0]);
    else if (request->operation == INIT_FOUND)
        finish_finding();
    else if (request->operation == INIT_RESTART)
        reply->answer = restart(bytes, request->bytes_len);
    else if (request->operation == INIT_START)
        reply->answer = want_service(bytes, request->bytes_len);
    else
        reply->answer = ERR_UNSUPPORTED;
    return true;
}

static void serve_all(void) {
    struct kwast_request request;
    static u8 bytes[KWAST_BYTES_MAX];
    for (u32 i = 0; i < SERVED_MAX; i++) {
        if (kwast_scheme_receive(own_server, &request, bytes, sizeof bytes, 0) != 0)
            return;
        struct kwast_reply reply = {.number = request.number, .handle = KWAST_NO_HANDLE};
        bool is_due = serve(NULL, &request, bytes, &reply) && request.number != 0;
        bool has_gone = is_due && kwast_scheme_reply(own_server, &reply) != 0;
        if (has_gone && reply.handle != KWAST_NO_HANDLE)
            close((int)reply.handle);
    }
}

// Milliseconds until the next start that is due; -1: none is.
static int time_to_next(void) {
    u64 next = NOT_SCHEDULED;
    u64 now = now_ns();
    for (u32 i = 0; i < manifest.count; i++) {
        if (services[i].start_at_ns < next)
            next = services[i].start_at_ns;
    }
    if (next == NOT_SCHEDULED)
        return -1;
    return next <= now ? 0 : (int)((next - now) / NS_PER_MS + 1);
}

static void wait_for_news(void) {
    struct pollfd events[SERVICES_MAX + 1] = {{.fd = (int)own_server, .events = POLLRDNORM}};
    nfds_t count = 1;
    for (u32 i = 0; i < manifest.count; i++) {
        if (services[i].process != KWAST_NO_HANDLE)
            events[count++] = (struct pollfd){.fd = (int)services[i].process, .events = POLLRDNORM};
    }
    poll(events, count, time_to_next());
}

static void run(void) {
    while (!is_stopping) {
        wait_for_news();
        serve_all();
        u64 now = now_ns();
        for (u32 i = 0; i < manifest.count; i++) {
            watch(&services[i]);
            if (services[i].start_at_ns <= now)
                start_service(&services[i]);
        }
    }
}

// -- Stopping -------------------------------------------------------------------------------------

// Has the file systems write what they hold. A process of its own waits for them: they may ask us
// for something meanwhile, or never answer.
static void sync_all(void) {
    struct start start;
    kwast_handle child = KWAST_NO_HANDLE;
    start_init(&start, "sync");
    start_handle(&start, SHOWN, SHOWN);
    start_argument(&start, "init");
    start_argument(&start, SYNC_WORD);
    for (u32 i = 0; i < name_count; i++) {
        bool is_served = names[i].owner != NULL && names[i].owner->process != KWAST_NO_HANDLE;
        if (!is_served || names[i].kind != KWAST_KIND_DIRECTORY)
            continue;
        start_channel(&start, names[i].channel);
        start_argument(&start, names[i].name);
    }
    u32 error = start_run(&start, OWN_MODULE, &child);
    start_fini(&start);
    struct kwast_status status = {0};
    u64 deadline_ns = now_ns() + SYNC_NS;
    while (error == 0 && kwast_process_wait(child, 0, &status) == ETIMEDOUT) {
        struct pollfd events[] = {{.fd = (int)own_server, .events = POLLRDNORM},
                                  {.fd = (int)child, .events = POLLRDNORM}};
        u64 now = now_ns();
        if (now >= deadline_ns) {
            fprintf(stderr, "init: a file system does not answer: going on without it\n");
            kwast_process_kill(child);
            break;
        }
        poll(events, COUNT_OF(events), (int)((deadline_ns - now) / NS_PER_MS + 1));
        serve_all();
    }
    if (error != 0)
        fprintf(stderr, "init: file systems are not told to write: %s\n", error_text(error));
}

// The process that waits: the directories with these names are descriptors from 3 on.
static int sync_these(char **directories) {
    int failures = 0;
    for (int i = 0; directories[i] != NULL; i++) {
        if (fsync(3 + i) == 0)
            continue;
        fprintf(stderr, "init: %s: not all is written: %s\n", directories[i], strerror(errno));
        failures++;
    }
    return failures != 0;
}

// Stops services in the reverse order of their starts.
static void stop_all(void) {
    struct kwast_status status;
    for (u32 place = SERVICES_MAX; place != 0; place--) {
        for (u32 i = 0; i < manifest.count; i++) {
            struct service *service = &services[i];
            if (service->place != place || service->process == KWAST_NO_HANDLE)
                continue;
            kwast_process_kill(service->process);
            kwast_process_wait(service->process, -1, &status);
        }
    }
}

// -- The beginning --------------------------------------------------------------------------------

static bool read_manifest(void) {
    static char text[MANIFEST_BYTES];
    int file = open(MANIFEST_PATH, O_RDONLY);
    ssize_t len = file < 0 ? -1 : read(file, text, sizeof text);
    if (len < 0) {
        perror("init: " MANIFEST_PATH);
        return false;
    }
    close(file);
    if (len == sizeof text) {
        fprintf(stderr, "init: %s: more than %u bytes\n", MANIFEST_PATH, MANIFEST_BYTES - 1);
        return false;
    }
    text[len] = 0;
    if (!manifest_parse(&manifest, text)) {
        fprintf(stderr, "init: %s:%u: %s\n", MANIFEST_PATH, manifest.error_line, manifest.error);
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], SYNC_WORD) == 0)
        return sync_these(argv + 2);
    if (!read_manifest())
        return 1;
    for (u32 i = 0; i < manifest.count; i++)
        services[i] = (struct service){
            .config = &manifest.services[i],
            .process = KWAST_NO_HANDLE,
            .keeper = KWAST_NO_HANDLE,
            .start_at_ns = NOT_SCHEDULED,
            .pause_ns = PAUSE_FIRST_NS,
        };
    machine_find();
    add_own_names();
    add_schemes();
    all_found = !machine_is_there() || find_name(PCI_NAME) == NULL;
    start_all();
    run();
    sync_all();
    stop_all();
    return 0;
}
