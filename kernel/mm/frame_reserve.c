// Who gets the frames that are left when memory is short.
//
// What everybody lives on (the file system, pipes, the console) must not end because somebody takes
// all memory: whoever takes it is told so. Frames are therefore given in three turns, each of which
// leaves something for the next:
//   1. programs leave the reserve, and what is promised;
//   2. services, and the kernel itself, leave what is promised;
//   3. who was promised a frame, and page tables to map it with, leave nothing.
//
// A promise is made before memory is granted (memory.grow, the start of a service), where it can be
// refused; so a fault that asks for the frame never is. The reserve is for what is granted nowhere:
// kernel objects, stacks, the start of a service in the place of one that ended.
//
// Programs that are no services are granted more than there is, as most use little of it. They are
// refused it, by memory.grow and when they start, while there is a margin left above the reserve:
// so those that have something to touch still can.
//
// Locks: the promises are under the allocator's lock; the flags are hints.

#include "base/assert.h"
#include "base/math.h"
#include "kernel/mm/frame_internal.h"

// A machine that has no more can just hold the system, and keeps nothing but promises.
#define SMALL_FRAMES (16 * MIB >> PAGE_SHIFT)

// Of the rest of RAM.
#define RESERVE_PART   64u  // of the programs' zone
#define KERNEL_PART    128u // of the kernel's
#define MARGIN_PART    128u
#define RESERVE_FRAMES (8 * MIB >> PAGE_SHIFT) // at most
#define KERNEL_FRAMES  (4 * MIB >> PAGE_SHIFT)
#define TABLES_PART    4u // of the kernel's reserve

static struct {
    // Fixed after boot:
    bool (*is_service)(void); // NULL: everybody is
    u64 spare[ZONE_COUNT];    // the reserve, frames
    u64 tables;
    u64 margin;

    // Under the allocator's lock:
    u64 promised;

    // Atomic, changed under the allocator's lock:
    bool is_scarce[ZONE_COUNT]; // programs get none
    bool is_tight[ZONE_COUNT];  // or soon will
} reserve;

void frame_reserve_init(u64 ram) {
    memset(&reserve, 0, sizeof reserve); // a test boots more than once
    u64 rest = ram > SMALL_FRAMES ? ram - SMALL_FRAMES : 0;
    reserve.spare[ZONE_PROGRAM] = min_u64(rest / RESERVE_PART, RESERVE_FRAMES);
    reserve.spare[ZONE_KERNEL] = min_u64(rest / KERNEL_PART, KERNEL_FRAMES);
    reserve.tables = reserve.spare[ZONE_KERNEL] / TABLES_PART;
    reserve.margin = min_u64(rest / MARGIN_PART, RESERVE_FRAMES);
}

void frame_reserve_set_services(bool (*is_service)(void)) {
    reserve.is_service = is_service;
}

bool frame_reserve_is_ours(void) {
    return reserve.is_service == NULL || reserve.is_service();
}

enum frame_asker frame_reserve_asker(enum frame_need need) {
    return need == FRAME_PROMISED    ? ASKER_PROMISED
           : frame_reserve_is_ours() ? ASKER_SERVICE
                                     : ASKER_PROGRAM;
}

u64 frame_reserve_mark_locked(enum zone zone, enum frame_asker asker) {
    u64 promised = zone == ZONE_PROGRAM ? reserve.promised : 0;
    switch (asker) {
    case ASKER_PROGRAM:
        // While nobody can be a service there is nobody to keep it for.
        return promised + (reserve.is_service == NULL ? 0 : reserve.spare[zone]);
    case ASKER_SERVICE:
        return promised + (zone == ZONE_KERNEL && reserve.is_service != NULL ? reserve.tables : 0);
    case ASKER_PROMISED:
        return 0;
    }
    UNREACHABLE();
}

// The flags are hints, and order nothing.
static void set_hint(bool *hint, bool value) {
    if (*hint != value)
        __atomic_store_n(hint, value, __ATOMIC_RELAXED);
}

void frame_reserve_look_locked(const u64 free[ZONE_COUNT]) {
    for (u32 zone = 0; zone < ZONE_COUNT; zone++) {
        u64 mark = frame_reserve_mark_locked((enum zone)zone, ASKER_PROGRAM);
        set_hint(&reserve.is_scarce[zone], free[zone] < mark);
        set_hint(&reserve.is_tight[zone], free[zone] < mark + reserve.margin);
    }
}

bool frame_is_scarce(enum zone zone) {
    return __atomic_load_n(&reserve.is_scarce[zone], __ATOMIC_RELAXED);
}

static void add_locked(u64 frames) {
    __atomic_store_n(&reserve.promised, reserve.promised + frames, __ATOMIC_RELAXED); // to be read
}

static void end_locked(u64 frames) {
    CHECK(frames <= reserve.promised);
    __atomic_store_n(&reserve.promised, reserve.promised - frames, __ATOMIC_RELAXED);
}

enum status frame_promise(u64 frames, enum frame_promise promise) {
    enum frame_asker asker = promise == PROMISE_TO_START ? ASKER_SERVICE : ASKER_PROGRAM;
    if (frames == 0)
        return OK;
    if (frame_failure_is_injected())
        return ERR_NO_MEMORY;
    if (frame_have(frames, asker, add_locked))
        return OK;
    frame_magazines_drain();
    return frame_have(frames, asker, add_locked) ? OK : ERR_NO_MEMORY;
}

void frame_promise_end(u64 frames) {
    if (frames != 0)
        frame_change_promises(end_locked, frames);
}

u64 frame_promised(void) {
    return __atomic_load_n(&reserve.promised, __ATOMIC_RELAXED);
}

bool frame_can_grant(void) {
    return !__atomic_load_n(&reserve.is_tight[ZONE_PROGRAM], __ATOMIC_RELAXED) ||
           frame_reserve_is_ours() || frame_have(reserve.margin, ASKER_PROGRAM, NULL);
}
