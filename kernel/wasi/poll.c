// poll_oneoff: waiting for clocks and descriptors at once.
//
// All subscriptions are copied in and resolved, and the queues of their objects are watched from
// then on; the call looks at all of them, and sleeps until something may have changed, again and
// again until there is at least one event. A time of day is something that changes, too: who waits
// for one is woken when the clock has been set, and looks how long it is to then.

#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/wall.h"
#include "kernel/wasi/wasi_internal.h"

#define SUBSCRIPTIONS_MAX 4096u

// A subscription, resolved.
struct subject {
    u64 userdata;
    enum wasi_eventtype type;
    enum wasi_errno error; // why it cannot be waited for: an event of its own
    u64 deadline_ns;       // of a clock: of its own where is_wall, of arch_clock_ns otherwise
    bool is_wall;
    struct handle handle; // of a descriptor; its object is NULL where there is none
    u64 position;         // of a file
    struct wait_watch watch;
    bool is_watched;
};

struct poll {
    struct process *process;
    struct wasi_subscription *subscriptions;
    struct subject *subjects;
    struct wasi_event *events;
    u32 count;
    u32 event_count;

    struct wait_set set;
    u64 deadline_ns; // the earliest, as of the last look
};

static bool poll_alloc(struct poll *poll) {
    poll->subscriptions = kmalloc(poll->count * sizeof *poll->subscriptions);
    poll->subjects = kmalloc(poll->count * sizeof *poll->subjects);
    poll->events = kmalloc(poll->count * sizeof *poll->events);
    return poll->subscriptions != NULL && poll->subjects != NULL && poll->events != NULL;
}

static void poll_free(struct poll *poll) {
    for (u32 i = 0; poll->subjects != NULL && i < poll->count; i++) {
        struct subject *subject = &poll->subjects[i];
        if (subject->is_watched)
            wait_set_unwatch(&subject->watch);
        object_release(subject->handle.object); // and maybe its queue
    }
    kfree(poll->events, poll->count * sizeof *poll->events);
    kfree(poll->subjects, poll->count * sizeof *poll->subjects);
    kfree(poll->subscriptions, poll->count * sizeof *poll->subscriptions);
}

// -- Resolving ----------------------------------------------------------------------------------

static void resolve_clock(struct poll *poll, const struct wasi_subscription *from,
                          struct subject *to) {
    u64 now = arch_clock_ns();
    u64 timeout = from->clock.timeout_ns;
    bool is_absolute = (from->clock.flags & WASI_SUBCLOCK_ABSTIME) != 0;
    u32 id = from->clock.id;
    if ((from->clock.flags & ~WASI_SUBCLOCK_ABSTIME) != 0 || id > WASI_CLOCK_MONOTONIC) {
        bool is_known = id == WASI_CLOCK_PROCESS_CPUTIME || id == WASI_CLOCK_THREAD_CPUTIME;
        to->error = is_known ? WASI_ENOTSUP : WASI_EINVAL;
        return;
    }
    if (!is_absolute)
        to->deadline_ns = timeout < WAIT_FOREVER - 1 - now ? now + timeout : WAIT_FOREVER - 1;
    else
        to->deadline_ns = timeout;
    to->is_wall = is_absolute && id == WASI_CLOCK_REALTIME;
    if (to->is_wall) {
        wait_set_watch(&poll->set, &to->watch, wall_queue());
        to->is_watched = true;
    }
}

static void resolve_fd(struct poll *poll, const struct wasi_subscription *from,
                       struct subject *to) {
    struct handle handle;
    u64 right = from->tag == WASI_EVENT_FD_READ ? WASI_RIGHT_FD_READ : WASI_RIGHT_FD_WRITE;
    to->error = wasi_fd(poll->process, from->fd, WASI_RIGHT_POLL_FD_READWRITE | right, &handle);
    if (to->error != WASI_ESUCCESS)
        return;
    to->handle = handle;
    to->position = handle_position(&poll->process->handles, from->fd, handle.object);
    const struct object_ops *ops = handle.object->ops;
    struct wait_queue *queue = ops->poll_queue != NULL ? ops->poll_queue(handle.object) : NULL;
    if (queue == NULL)
        return; // it never changes
    wait_set_watch(&poll->set, &to->watch, queue);
    to->is_watched = true;
}

static enum wasi_errno resolve(struct poll *poll) {
    for (u32 i = 0; i < poll->count; i++) {
        const struct wasi_subscription *from = &poll->subscriptions[i];
        struct subject *to = &poll->subjects[i];
        to->userdata = from->userdata;
        to->type = from->tag;
        if ((u8)from->tag == WASI_EVENT_CLOCK)
            resolve_clock(poll, from, to);
        else if ((u8)from->tag <= WASI_EVENT_FD_WRITE)
            resolve_fd(poll, from, to);
        else
            return WASI_EINVAL;
    }
    return WASI_ESUCCESS;
}

// -- Looking ------------------------------------------------------------------------------------

// What a read would find, or a write.
static bool fd_is_ready(const struct subject *subject, struct wasi_event *event) {
    struct object *object = subject->handle.object;
    u64 available;
    u32 events = object_poll(object, &available);
    u32 wanted = subject->type == WASI_EVENT_FD_READ ? POLL_READABLE : POLL_WRITABLE;
    if ((events & (wanted | POLL_HANGUP)) == 0)
        return false;
    struct object_stat stat;
    if (object->type == OBJECT_FILE && subject->type == WASI_EVENT_FD_READ &&
        object_stat(object, &stat) == OK)
        available = stat.size > subject->position ? stat.size - subject->position : 0;
    event->available = available;
    event->flags = (events & POLL_HANGUP) != 0 ? WASI_EVENT_HANGUP : 0;
    return true;
}

// What the clocks say at one moment.
struct moment {
    u64 now;
    u64 wall;
};

// How long it is to the subject's deadline; 0: it has come.
static u64 time_left(const struct subject *subject, const struct moment *moment) {
    u64 now = subject->is_wall ? moment->wall : moment->now;
    return subject->deadline_ns > now ? subject->deadline_ns - now : 0;
}

static bool is_ready(const struct subject *subject, const struct moment *moment,
                     struct wasi_event *event) {
    *event = (struct wasi_event){
        .userdata = subject->userdata,
        .error = subject->error,
        .type = subject->type,
    };
    if (subject->error != WASI_ESUCCESS)
        return true;
    if (subject->type == WASI_EVENT_CLOCK)
        return time_left(subject, moment) == 0;
    return fd_is_ready(subject, event);
}

static void look(struct poll *poll) {
    const struct moment moment = {arch_clock_ns(), wall_now_ns()};
    poll->event_count = 0;
    poll->deadline_ns = WAIT_FOREVER;
    for (u32 i = 0; i < poll->count; i++) {
        const struct subject *subject = &poll->subjects[i];
        u64 deadline;
        if (is_ready(subject, &moment, &poll->events[poll->event_count]))
            poll->event_count++;
        else if (subject->type == WASI_EVENT_CLOCK &&
                 add_u64(moment.now, time_left(subject, &moment), &deadline))
            poll->deadline_ns = min_u64(poll->deadline_ns, deadline);
    }
}

// -- Waiting ------------------------------------------------------------------------------------

static enum wasi_errno wait_for_events(struct poll *poll) {
    for (;;) {
        look(poll);
        if (poll->event_count != 0)
            return WASI_ESUCCESS;
        enum status status = wait_set_wait(&poll->set, poll->deadline_ns);
        if (status != OK && status != ERR_TIMED_OUT)
            return wasi_errno_of(status);
    }
}

static enum wasi_errno run(struct poll *poll, const u64 *args, u32 bytes, subscription_taker take) {
    enum wasi_errno error = WASI_ESUCCESS;
    for (u32 i = 0; error == WASI_ESUCCESS && i < poll->count; i++)
        error = take(poll->process, args[0] + (u64)i * bytes, &poll->subscriptions[i]);
    if (error == WASI_ESUCCESS)
        error = resolve(poll);
    if (error == WASI_ESUCCESS)
        error = wait_for_events(poll);
    if (error == WASI_ESUCCESS)
        error = wasi_put(poll->process, args[1], poll->events,
                         poll->event_count * sizeof *poll->events);
    return error == WASI_ESUCCESS ? wasi_put_u32(poll->process, args[3], poll->event_count) : error;
}

enum wasi_errno wasi_poll(struct process *process, const u64 *args, u32 bytes,
                          subscription_taker take) {
    if (args[2] == 0 || args[2] > SUBSCRIPTIONS_MAX)
        return WASI_EINVAL;
    enum wasi_errno error = wasi_check(process, args[0], args[2] * bytes);
    if (error == WASI_ESUCCESS)
        error = wasi_check(process, args[1], args[2] * sizeof(struct wasi_event));
    if (error == WASI_ESUCCESS)
        error = wasi_check(process, args[3], sizeof(u32));
    if (error != WASI_ESUCCESS)
        return error;
    struct poll *poll = kmalloc(sizeof *poll); // others wake its set: not on the stack
    if (poll == NULL)
        return WASI_ENOMEM;
    poll->process = process;
    poll->count = (u32)args[2];
    wait_set_init(&poll->set);
    error = poll_alloc(poll) ? run(poll, args, bytes, take) : WASI_ENOMEM;
    poll_free(poll);
    kfree(poll, sizeof *poll);
    return error;
}

static enum wasi_errno take_subscription(struct process *process, u64 at,
                                         struct wasi_subscription *out) {
    return wasi_get(process, at, out, sizeof *out);
}

// (subscriptions, events out, count, events stored out)
enum wasi_errno wasi_poll_oneoff(struct process *process, const u64 *args) {
    return wasi_poll(process, args, sizeof(struct wasi_subscription), take_subscription);
}
