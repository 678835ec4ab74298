// Tests of calls to a server that waits: the CPU is handed over and back, with the caller's slice
// and priority; nobody else is wronged by that; and a kill, wherever it comes, leaves nothing
// behind.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/math.h"
#include "kernel/ipc/scheme.h"
#include "kernel/mm/heap.h"
#include "tests/fake_sched.h"
#include "tests/fake_thread.h"

#define MS           1000000ull
#define US           1000ull
#define SERVICES_MAX 2u

// A service with one thread: it works for work_ns, calls `next` if there is one, and answers.
static struct service {
    struct handle_table handles;
    struct scheme_party party;
    struct object *server;
    struct object *root;
    struct service *next;
    struct thread *thread;
    enum thread_priority priority;
    u64 work_ns;
    u64 after_ns; // spent after a reply without receiving
    u64 answered;
    bool replies_alone; // instead of replying and receiving in one step
    bool leaves;        // the thread ends with the first call, unanswered
    bool is_gone;
} services[SERVICES_MAX];

static u64 hog_ns; // what a third thread has computed

static struct {
    struct scheme_call call;
    struct thread *thread;
    u64 deadline_ns;
    u64 calls; // to do
    u64 done;
    u64 failed;
    u64 hog_ns;         // when it was done
    enum status status; // of the last one
    bool is_gone;
} client;

static const struct grant no_bytes = {.access = GRANT_WRITE};

static struct thread *start(void (*entry)(void *), void *argument, enum thread_priority priority) {
    struct thread *thread = fake_thread_make(entry, argument, priority, ANY_CPU);
    thread_start(thread);
    return thread;
}

static enum status exchange(struct service *service, struct scheme_request *request) {
    const u64 words[SCHEME_WORDS] = {request->words[0] + 1};
    struct scheme_served served = {
        .number = request->number,
        .words = words,
        .bytes = no_bytes,
        .deadline_ns = WAIT_FOREVER,
    };
    service->answered++;
    if (!service->replies_alone) {
        enum status status = scheme_reply_receive(service->server, &service->party, &served);
        *request = served.request;
        return status;
    }
    const struct scheme_reply reply = {.words = {words[0]}};
    enum status status = scheme_reply(service->server, &service->party, request->number, &reply);
    CHECK(status == OK);
    fake_work(service->after_ns);
    return scheme_receive(service->server, &service->party, &no_bytes, WAIT_FOREVER, request);
}

static void serve(void *argument) {
    struct service *service = argument;
    struct scheme_request request;
    enum status status =
        scheme_receive(service->server, &service->party, &no_bytes, WAIT_FOREVER, &request);
    while (status == OK && !service->leaves) {
        if (service->work_ns != 0)
            fake_work(service->work_ns);
        if (service->next != NULL && request.operation >= SCHEME_FIRST_OPERATION) {
            struct scheme_call call = {.operation = SCHEME_FIRST_OPERATION};
            status = scheme_call(service->next->root, &call, WAIT_FOREVER);
            CHECK(status == OK);
        }
        status = exchange(service, &request);
    }
    scheme_party_leave(&service->party);
    if (!service->leaves)
        scheme_party_fini(&service->party);
    service->is_gone = true;
    thread_exit();
}

static void call(void *) {
    while (client.done + client.failed < client.calls) {
        client.call = (struct scheme_call){.operation = SCHEME_FIRST_OPERATION, .words = {41}};
        client.status = scheme_call(services[0].root, &client.call, client.deadline_ns);
        if (client.status != OK)
            client.failed++;
        else if (client.call.words[0] == 42)
            client.done++;
        if (client.status == ERR_KILLED || client.status == ERR_PEER_DIED)
            break;
    }
    client.hog_ns = hog_ns;
    client.is_gone = true;
    thread_exit();
}

static void hog(void *) {
    for (;;) {
        fake_work(100 * US);
        hog_ns += 100 * US;
    }
}

static void sleep_ns(u64 ns) {
    CHECK(thread_sleep_until(arch_clock_ns() + ns) == OK);
}

static void service_start(struct service *service) {
    CHECK(handle_table_init(&service->handles, 8) == OK);
    scheme_party_init(&service->party, &service->handles);
    CHECK(scheme_create(bytes_of("test"), NULL, NULL, &service->server) == OK);
    CHECK(scheme_root(service->server, OBJECT_PLAIN, &service->root) == OK);
    service->thread = start(serve, service, service->priority);
    sleep_ns(100 * MS); // it waits, whatever its priority
}

static void client_start(enum thread_priority priority) {
    client.thread = start(call, NULL, priority);
}

static void reset(void) {
    memset(services, 0, sizeof services);
    for (u32 i = 0; i < SERVICES_MAX; i++)
        services[i].priority = PRIORITY_NORMAL;
    memset(&client, 0, sizeof client);
    client.calls = 1;
    client.deadline_ns = WAIT_FOREVER;
    hog_ns = 0;
}

// -- The hand-over -------------------------------------------------------------------------------

static u64 switches(void) {
    struct cpu_stats stats;
    CHECK(sched_cpu_stats(0, &stats));
    return stats.switches;
}

static void a_call_is_two_switches_and_no_timer(void) {
    service_start(&services[0]);
    client.calls = 1000;
    u64 switches_before = switches();
    u64 armed_before = fake_timer_armed();
    client_start(PRIORITY_NORMAL);
    sleep_ns(MS);
    CHECK(client.is_gone && client.done == 1000 && services[0].answered == 1000);
    CHECK(switches() - switches_before <= 2 * 1000 + 20);
    CHECK(fake_timer_armed() - armed_before <= 20);
}

static void a_pair_that_calls_for_ever_gets_one_share(void) {
    services[0].work_ns = 50 * US;
    service_start(&services[0]);
    client.calls = UINT64_MAX;
    client_start(PRIORITY_NORMAL);
    start(hog, NULL, PRIORITY_NORMAL);
    sleep_ns(2000 * MS);
    // Two threads of three at most have two thirds.
    CHECK(hog_ns >= 2000 * MS / 3 - 100 * MS);
    CHECK(hog_ns <= 2000 * MS * 2 / 3);
    sched_check();
}

// -- Priority ------------------------------------------------------------------------------------

static void a_low_server_runs_with_its_callers_priority(void) {
    services[0].priority = PRIORITY_BACKGROUND;
    services[0].work_ns = 50 * MS;
    service_start(&services[0]);
    start(hog, NULL, PRIORITY_NORMAL);
    sleep_ns(30 * MS);
    u64 before_ns = hog_ns;
    client_start(PRIORITY_HIGH);
    sleep_ns(100 * MS);
    CHECK(before_ns != 0);
    CHECK(client.is_gone && client.done == 1 && client.hog_ns - before_ns <= MS);
    // And what was lent has been given back.
    CHECK(services[0].thread->priority == PRIORITY_BACKGROUND);
    CHECK(services[0].thread->lender == NULL);
    sched_check();
}

static void priority_goes_down_a_chain(void) {
    services[0].priority = PRIORITY_NORMAL;
    services[0].next = &services[1];
    services[1].priority = PRIORITY_BACKGROUND;
    services[1].work_ns = 50 * MS;
    service_start(&services[1]);
    service_start(&services[0]);
    start(hog, NULL, PRIORITY_NORMAL);
    sleep_ns(30 * MS);
    u64 before_ns = hog_ns;
    client_start(PRIORITY_HIGH);
    sleep_ns(100 * MS);
    CHECK(before_ns != 0);
    CHECK(client.done == 1 && client.hog_ns - before_ns <= MS);
    CHECK(services[0].thread->priority == PRIORITY_NORMAL);
    CHECK(services[1].thread->priority == PRIORITY_BACKGROUND);
}

// A second client, whose call finds the server at work for another.
static struct {
    struct scheme_call call;
    u64 deadline_ns;
    u64 hog_ns; // when it was over
    enum status status;
    bool is_gone;
} second;

static void call_second(void *) {
    second.call = (struct scheme_call){.operation = SCHEME_FIRST_OPERATION, .words = {41}};
    second.status = scheme_call(services[0].root, &second.call, second.deadline_ns);
    second.hog_ns = hog_ns;
    second.is_gone = true;
    thread_exit();
}

// The first client's call, of a low priority, is under way, and others compute.
static void work_below_a_hog(enum thread_priority priority) {
    memset(&second, 0, sizeof second);
    second.deadline_ns = WAIT_FOREVER;
    services[0].priority = PRIORITY_BACKGROUND;
    services[0].work_ns = 50 * MS;
    service_start(&services[0]);
    client_start(priority);
    sleep_ns(10 * MS);
    start(hog, NULL, PRIORITY_NORMAL);
    sleep_ns(20 * MS);
    CHECK(!client.is_gone);
}

static void a_call_that_waits_lends_to_who_will_receive_it(void) {
    work_below_a_hog(PRIORITY_BACKGROUND);
    u64 before_ns = hog_ns;
    start(call_second, NULL, PRIORITY_HIGH);
    sleep_ns(200 * MS);
    CHECK(before_ns != 0);
    // Both calls ran past the hog: 40 ms of the first, 50 ms of the second.
    CHECK(second.is_gone && second.status == OK && second.hog_ns - before_ns <= MS);
    CHECK(services[0].thread->priority == PRIORITY_BACKGROUND);
    CHECK(services[0].thread->lender == NULL);
    sched_check();
}

static void a_higher_call_that_waits_takes_a_loans_place(void) {
    services[0].next = &services[1];
    services[1].priority = PRIORITY_BACKGROUND;
    services[1].work_ns = 50 * MS;
    service_start(&services[1]);
    work_below_a_hog(PRIORITY_NORMAL); // lends along the chain, as much as the hog has
    CHECK(services[0].thread->priority == PRIORITY_NORMAL);
    CHECK(services[1].thread->priority == PRIORITY_BACKGROUND || !client.is_gone);
    u64 before_ns = hog_ns;
    start(call_second, NULL, PRIORITY_HIGH);
    sleep_ns(300 * MS);
    CHECK(client.done == 1 && second.is_gone && second.status == OK);
    CHECK(second.hog_ns - before_ns <= MS);
    CHECK(services[0].thread->priority == PRIORITY_BACKGROUND);
    CHECK(services[1].thread->priority == PRIORITY_BACKGROUND);
}

static void a_call_that_waits_and_gives_up_lends_no_more(void) {
    work_below_a_hog(PRIORITY_BACKGROUND);
    second.deadline_ns = arch_clock_ns() + 5 * MS;
    start(call_second, NULL, PRIORITY_HIGH);
    sleep_ns(6 * MS);
    CHECK(second.is_gone && second.status == ERR_TIMED_OUT);
    u64 before_ns = hog_ns;
    sleep_ns(100 * MS);
    CHECK(hog_ns - before_ns >= 99 * MS);
    CHECK(services[0].thread->lender == NULL);
}

static void a_call_that_waits_lends_nothing_to_who_has_left(void) {
    memset(&second, 0, sizeof second);
    services[0].priority = PRIORITY_BACKGROUND;
    services[0].leaves = true;
    service_start(&services[0]);
    client_start(PRIORITY_NORMAL);
    sleep_ns(100 * MS);
    CHECK(services[0].is_gone && !client.is_gone); // its thread is no more
    second.deadline_ns = arch_clock_ns() + 5 * MS;
    start(call_second, NULL, PRIORITY_HIGH);
    sleep_ns(10 * MS);
    CHECK(second.is_gone && second.status == ERR_TIMED_OUT);
    scheme_party_fini(&services[0].party);
    sleep_ns(MS);
    CHECK(client.is_gone && client.status == ERR_PEER_DIED);
}

static void a_call_that_is_taken_back_lends_no_more(void) {
    services[0].next = &services[1];
    services[1].priority = PRIORITY_BACKGROUND;
    services[1].work_ns = 1000 * MS;
    service_start(&services[1]);
    services[0].priority = PRIORITY_BACKGROUND;
    service_start(&services[0]);
    start(hog, NULL, PRIORITY_NORMAL);
    client.deadline_ns = arch_clock_ns() + 20 * MS;
    client_start(PRIORITY_HIGH);
    sleep_ns(30 * MS);
    CHECK(client.is_gone && client.status == ERR_TIMED_OUT);
    u64 before_ns = hog_ns;
    sleep_ns(100 * MS);
    CHECK(hog_ns - before_ns >= 99 * MS); // all along the chain
    CHECK(services[1].thread->priority == PRIORITY_BACKGROUND);
}

static void a_reply_ends_the_loan_though_the_server_works_on(void) {
    services[0].priority = PRIORITY_BACKGROUND;
    services[0].replies_alone = true;
    services[0].after_ns = 1000 * MS;
    service_start(&services[0]);
    start(hog, NULL, PRIORITY_NORMAL);
    client_start(PRIORITY_HIGH);
    u64 before_ns = hog_ns;
    sleep_ns(100 * MS);
    CHECK(client.done == 1);
    CHECK(hog_ns - before_ns >= 99 * MS);
}

static void a_server_that_ends_owes_nothing(void) {
    services[0].priority = PRIORITY_BACKGROUND;
    services[0].leaves = true;
    service_start(&services[0]);
    client_start(PRIORITY_HIGH);
    sleep_ns(100 * MS);
    CHECK(services[0].is_gone && !client.is_gone);
    CHECK(client.thread->borrower == NULL);
    scheme_party_fini(&services[0].party);
    sleep_ns(MS);
    CHECK(client.is_gone && client.status == ERR_PEER_DIED);
}

static void a_higher_server_is_not_lowered(void) {
    services[0].priority = PRIORITY_HIGH;
    services[0].work_ns = 10 * MS;
    service_start(&services[0]);
    start(hog, NULL, PRIORITY_NORMAL);
    client_start(PRIORITY_NORMAL);
    sleep_ns(200 * MS);
    CHECK(client.done == 1);
    CHECK(services[0].thread->priority == PRIORITY_HIGH);
    CHECK(hog_ns != 0);
}

// -- Kills ---------------------------------------------------------------------------------------

static struct {
    struct thread *thread;
    const bool *is_gone;
} victim;

static void kill_victim(void) {
    if (victim.thread != NULL && !*victim.is_gone)
        thread_kill(victim.thread);
}

// Kills at the n-th place where an interrupt can come, while calls go to and fro.
static void kill_at_nth(u64 n, struct thread *const *whom, const bool *is_gone) {
    services[0].work_ns = 10;
    service_start(&services[0]);
    client.calls = 4;
    client.deadline_ns = arch_clock_ns() + 50 * MS; // where no server is left
    client_start(PRIORITY_NORMAL);
    victim.thread = *whom;
    victim.is_gone = is_gone;
    fake_interrupt_at_nth_chance(n, kill_victim);
    sleep_ns(100 * MS);
    victim.thread = NULL;
    CHECK(client.is_gone);
    CHECK(client.done + client.failed <= 4);
    sched_check();
}

static u64 chance;

static void client_killed_at_any_moment(void) {
    kill_at_nth(chance, &client.thread, &client.is_gone);
    CHECK(!services[0].is_gone);
    CHECK(client.failed == 0 || client.status == ERR_KILLED);
    // The next caller finds a server that works.
    client.is_gone = false;
    client.calls = 1;
    client.deadline_ns = WAIT_FOREVER;
    client.done = client.failed = 0;
    client_start(PRIORITY_NORMAL);
    sleep_ns(MS);
    CHECK(client.done == 1);
}

static void server_killed_at_any_moment(void) {
    kill_at_nth(chance, &services[0].thread, &services[0].is_gone);
    CHECK(services[0].is_gone || client.done == 4);
    CHECK(client.failed == 0 || client.status == ERR_PEER_DIED || client.status == ERR_TIMED_OUT);
}

// -- Running them --------------------------------------------------------------------------------

static void body(void *argument) {
    reset();
    void (*scenario)(void) = *(void (**)(void))argument;
    scenario();
    fake_sched_stop();
}

static void run_once(void (*scenario)(void)) {
    fake_machine_start_simple(16 * MIB);
    fake_sched_run(body, &scenario);
}

static void run(void **state) {
    run_once(*(void (**)(void))*state);
}

static void run_at_each_chance(void **state) {
    for (chance = 1; chance <= 120; chance++)
        run_once(*(void (**)(void))*state);
}

#define SCENARIO(name, how) {#name, how, name}

int main(void) {
    static struct {
        const char *name;
        void (*how)(void **);
        void (*scenario)(void);
    } scenarios[] = {
        SCENARIO(a_call_is_two_switches_and_no_timer, run),
        SCENARIO(a_pair_that_calls_for_ever_gets_one_share, run),
        SCENARIO(a_low_server_runs_with_its_callers_priority, run),
        SCENARIO(priority_goes_down_a_chain, run),
        SCENARIO(a_call_that_is_taken_back_lends_no_more, run),
        SCENARIO(a_call_that_waits_lends_to_who_will_receive_it, run),
        SCENARIO(a_higher_call_that_waits_takes_a_loans_place, run),
        SCENARIO(a_call_that_waits_and_gives_up_lends_no_more, run),
        SCENARIO(a_call_that_waits_lends_nothing_to_who_has_left, run),
        SCENARIO(a_reply_ends_the_loan_though_the_server_works_on, run),
        SCENARIO(a_server_that_ends_owes_nothing, run),
        SCENARIO(a_higher_server_is_not_lowered, run),
        SCENARIO(client_killed_at_any_moment, run_at_each_chance),
        SCENARIO(server_killed_at_any_moment, run_at_each_chance),
    };
    struct CMUnitTest tests[COUNT_OF(scenarios)];
    for (u32 i = 0; i < COUNT_OF(scenarios); i++)
        tests[i] = (struct CMUnitTest){scenarios[i].name, scenarios[i].how, NULL, NULL,
                                       &scenarios[i].scenario};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
