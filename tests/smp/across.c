// Pairs of threads on two CPUs that hand over to each other (hand_across, kernel/sched/handover.h),
// under ThreadSanitizer: each is asleep while the other works, in both directions at once, and is
// killed at some moment.
//
//   across [CPUS [ROUNDS [SEED]]]
//
// What is checked: nobody misses what it was handed, or gets it twice; who is claimed touches
// nothing before it is run, which ThreadSanitizer sees; and a kill ends both of a pair.

#include "base/assert.h"
#include "kernel/sched/handover.h"
#include "tests/smp/crew.h"
#include "tests/smp/machine.h"

#define PAIRS 6u
#define SIDES 2u

static struct pair {
    struct spinlock lock;
    struct spinlock kill_lock; // before `lock`

    struct side {
        struct pair *pair;
        struct thread *thread; // under kill_lock; NULL: it has ended, or will without a kill

        // Under lock:
        struct thread *waiting; // published: it may be claimed
        bool has_word;
        u64 word;
    } sides[SIDES];

    // Under lock:
    bool is_over;
    u64 handed; // to one that slept

    u32 left; // atomic: sides
} pairs[PAIRS];

static u64 exchanges; // atomic: that every pair is to make

// -- One side -------------------------------------------------------------------------------------

static struct side *other_side(struct side *side) {
    return &side->pair->sides[side == &side->pair->sides[0] ? 1 : 0];
}

// Gives the other side its word. Returns it where it sleeps, claimed; it looks under the lock if it
// is awake.
static struct thread *give_locked(struct side *other, u64 word) {
    if (other->pair->is_over || thread_is_killed(thread_current()))
        return NULL;
    CHECK(!other->has_word);
    struct thread *claimed = other->waiting;
    if (claimed != NULL && !park_claim(claimed))
        claimed = NULL;
    other->word = word;
    other->has_word = true;
    if (claimed == NULL)
        return NULL;
    other->waiting = NULL;
    other->pair->handed++;
    return claimed;
}

// Waits for a word, and runs `claimed` meanwhile, if it is not NULL. False: killed, or it is over.
// Interrupts are off, the lock is held, and let go of.
static bool await(struct side *side, struct thread *claimed, u64 *word) {
    struct pair *pair = side->pair;
    struct thread *self = thread_current();
    while (!pair->is_over) { // then nobody would wake it
        enum status status;
        side->waiting = self;
        spin_unlock_masked(&pair->lock);
        if (claimed != NULL) {
            hand_across(self, claimed);
            status = self->wake_status;
            arch_irq_enable();
        } else {
            status = park(WAIT_FOREVER);
        }
        claimed = NULL;
        arch_irq_disable();
        spin_lock_masked(&pair->lock);
        side->waiting = NULL;
        // Who claimed it has given it something, or was a kill.
        CHECK(status != OK || side->has_word || pair->is_over);
        if (side->has_word || pair->is_over || status == ERR_KILLED || thread_is_killed(self))
            break;
    }
    bool has_word = side->has_word && !pair->is_over;
    *word = side->word;
    side->has_word = false;
    spin_unlock_masked(&pair->lock);
    arch_irq_enable();
    return has_word && !thread_is_killed(self);
}

static void side_end(struct side *side) {
    struct pair *pair = side->pair;
    spin_lock(&pair->kill_lock);
    side->thread = NULL;
    spin_unlock(&pair->kill_lock);
    spin_lock(&pair->lock);
    pair->is_over = true;
    struct thread *waiting = other_side(side)->waiting;
    other_side(side)->waiting = NULL;
    if (waiting != NULL && park_claim(waiting))
        park_run(waiting);
    spin_unlock(&pair->lock);
    __atomic_fetch_sub(&pair->left, 1, __ATOMIC_RELEASE);
    machine_thread_exit();
}

// The first side begins. Each answers with one more than it was given.
static void side_main(void *argument) {
    struct side *side = argument;
    struct pair *pair = side->pair;
    bool is_first = side == &pair->sides[0];
    u64 expected = is_first ? 1 : 0;
    u64 word = 0;
    arch_irq_disable();
    spin_lock_masked(&pair->lock);
    struct thread *claimed = is_first ? give_locked(other_side(side), 0) : NULL;
    if (side->has_word || pair->is_over) { // the other one was quicker
        word = side->word;
        side->has_word = false;
        CHECK(word == expected || pair->is_over);
        expected += 2;
        claimed = give_locked(other_side(side), word + 1);
    }
    while (await(side, claimed, &word)) {
        CHECK(word == expected);
        expected += 2;
        if (word >= 2 * __atomic_load_n(&exchanges, __ATOMIC_RELAXED))
            break;
        arch_irq_disable();
        spin_lock_masked(&pair->lock);
        claimed = give_locked(other_side(side), word + 1);
    }
    side_end(side);
}

// -- The whole ------------------------------------------------------------------------------------

static void pair_start(struct pair *pair, u32 number) {
    *pair = (struct pair){.left = SIDES};
    spin_init(&pair->lock, LOCK_WAIT_QUEUE, "pair");
    spin_init(&pair->kill_lock, LOCK_PROCESS, "pair's kill");
    for (u32 i = 0; i < SIDES; i++) {
        u32 cpu = (number + i) % stress.cpus; // so half of the pairs call the other way round
        pair->sides[i].pair = pair;
        pair->sides[i].thread = stress_thread("side", side_main, &pair->sides[i], 1u << cpu);
    }
    for (u32 i = 0; i < SIDES; i++)
        thread_start(pair->sides[i].thread);
}

static void kill_one(struct side *side) {
    struct pair *pair = side->pair;
    spin_lock(&pair->kill_lock);
    if (side->thread != NULL)
        thread_kill(side->thread);
    spin_unlock(&pair->kill_lock);
}

static bool is_left(const struct pair *pair) {
    return __atomic_load_n(&pair->left, __ATOMIC_ACQUIRE) != 0;
}

static void round_of(u64 *random, bool has_kills) {
    for (u32 i = 0; i < PAIRS; i++)
        pair_start(&pairs[i], i);
    for (u32 i = 0; i < PAIRS; i++) {
        if (has_kills) {
            stress_pause(machine_random(random) % 300);
            kill_one(&pairs[i].sides[machine_random(random) % SIDES]);
        }
        while (is_left(&pairs[i]))
            stress_pause(50);
    }
    sched_check();
}

static void body(void *) {
    u64 random = stress.seed;
    u64 handed = 0;
    for (u32 i = 0; i < stress.rounds / 10 + 1; i++) {
        __atomic_store_n(&exchanges, 20, __ATOMIC_RELAXED);
        round_of(&random, false);
        for (u32 pair = 0; pair < PAIRS; pair++)
            handed += pairs[pair].handed;
        __atomic_store_n(&exchanges, UINT64_MAX / 2, __ATOMIC_RELAXED);
        round_of(&random, true);
    }
    CHECK(handed != 0);
    stress_end();
}

int main(int argc, char **argv) {
    stress_run("across", argc, argv, body);
}
