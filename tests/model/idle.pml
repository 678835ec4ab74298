/* Going idle, waking, handing over and passing on, as kernel/sched/sched.c has them: CPUs that idle say
 * so, look at all queues, and sleep until an interrupt; whoever makes a thread ready hands it to its own
 * CPU if that idles (hand), or puts it into that CPU's queue and tells a CPU that idles (offer). Every
 * atomic step below is one access of a word that is shared without a lock, or what is done under a run
 * queue's lock between two such accesses. Accesses are sequentially consistent here; where that is needed
 * the code has an exchange, a fence, or says SEQ_CST.
 *
 * Threads compute for ever once they run, but for those that block once. Slices do not end, so nothing
 * but this protocol can bring a thread to a CPU.
 *
 * Checked for every interleaving (make model), when nothing more can happen:
 *   - no CPU sleeps that was handed a thread, or has one in its queue, or could take one over
 *   - every thread that was woken runs, or waits for CPUs all of which are busy
 * and always: a thread is in one place, and runs on a CPU that it may run on.
 *
 * BREAK=1 to 9 leave a step out, or swap two. `make model` has all found but 6 and 9, which do no harm
 * with as few CPUs and threads as can be searched whole.
 */

#ifndef CPUS
#define CPUS 3
#endif
#ifndef THREADS
#define THREADS 3
#endif
#ifndef BLOCKS
#define BLOCKS 0 /* of how many threads, once each */
#endif
#ifndef BALANCES
#define BALANCES 0 /* how often a slice ends after all */
#endif
#ifndef HOMES
#define HOMES 0 /* two bits for each thread: the CPU that it ran on last */
#endif
#define HOME(t) ((HOMES) >> 2 * (t) & 3)
#ifndef PINNED
#define PINNED 0 /* the last thread may run on CPU 0 alone */
#endif
#ifndef BREAK
#define BREAK 0
#endif

#define NONE 255
#define OPEN 254
#define IDLE NONE /* who runs: the idle thread */

#define MAY(t, c) (!(PINNED && (t) == THREADS - 1) || (c) == 0)
#define IS_HANDED(c) (handed[c] < OPEN)

mtype = { BLOCKED, WAKING, QUEUED, RUNNING };

byte handed[CPUS] = NONE;
bool offered[CPUS];    /* is_offered */
bool idle[CPUS];       /* sched.idle */
bool reschedule[CPUS];
bool interrupt[CPUS];  /* on its way, or waits until interrupts are on */
bool asleep[CPUS];
bool lock[CPUS];
byte current[CPUS] = IDLE;
byte queue[CPUS];      /* bits: which threads */

mtype state[THREADS] = BLOCKED;
byte home[THREADS];
byte blocks = BLOCKS;
byte balances = BALANCES;

#define TAKE(c) !lock[c] -> lock[c] = true
#define RELEASE(c) lock[c] = false

#define TELL(c) reschedule[c] = true; interrupt[c] = true

/* Whether a thread waits anywhere: queue after queue */
inline look(i, got) {
    i = 0;
    do
    :: atomic { i < CPUS -> got = got || queue[i] != 0; i++ }
    :: atomic { i == CPUS -> i = 0; break }
    od
}

/* One of those that idle is told, and may run the thread */
inline offer(not, t, i, got) {
    got = false;
    do
    :: atomic { i < CPUS && (i == not || !MAY(t, i) || !idle[i]) -> i++ }
    :: atomic { i < CPUS && i != not && MAY(t, i) && idle[i] -> idle[i] = false }; /* idle_end */
       atomic { offered[i] = true; TELL(i); got = true; i = 0; break }
    :: atomic { i == CPUS -> i = 0; break }
    od
}

/* Each of those that idle is told */
inline pass_on(not, i, got) {
    got = false;
    look(i, got);
    do
    :: atomic { got && i < CPUS && (i == not || !idle[i]) -> i++ }
    :: atomic { got && i < CPUS && i != not && idle[i] -> idle[i] = false };
       atomic { offered[i] = true; TELL(i); i++ }
    :: atomic { !got || i == CPUS -> i = 0; got = false; break }
    od
}

inline put(c, t) {
    assert((queue[c] >> t & 1) == 0 && home[t] == c && MAY(t, c));
    state[t] = QUEUED;
    queue[c] = queue[c] | 1 << t
}

/* runq_pop_locked, of any that are there: what comes first is a matter of priorities */
inline pop(c, t) {
    if
    :: queue[c] == 0 -> t = NONE
    :: queue[c] & 1 -> t = 0
    :: queue[c] >> 1 & 1 -> t = 1
    :: queue[c] >> 2 & 1 -> t = 2
    fi;
    if
    :: t != NONE -> queue[c] = queue[c] & ~(1 << t)
    :: else
    fi
}

/* take_from: of those that may run here */
inline take_from(other, c, t) {
    if
    :: queue[other] != 0 -> /* the count */
        atomic {
            TAKE(other);
            t = NONE
        };
        if
        :: atomic { /* one look at `handed`, without its lock */
               current[other] != IDLE || IS_HANDED(other) ->
               if
               :: queue[other] & 1 && MAY(0, c) -> t = 0
               :: queue[other] >> 1 & 1 && MAY(1, c) -> t = 1
               :: queue[other] >> 2 & 1 && MAY(2, c) -> t = 2
               :: else
               fi;
               if
               :: t != NONE -> queue[other] = queue[other] & ~(1 << t); home[t] = c
               :: else
               fi;
               RELEASE(other)
           }
        :: atomic { current[other] == IDLE && !IS_HANDED(other) -> RELEASE(other) }
        fi
    :: queue[other] == 0 -> t = NONE
    fi
}

/* ---- Waking ------------------------------------------------------------------------------------- */

/* sched_wake, by some other CPU or an interrupt; who is there owns the thread, which it has taken off
 * its queue. */
proctype waker(byte t) {
    byte c, i;
    bool got, was;
again:
end_waker:
    atomic { state[t] == BLOCKED -> state[t] = WAKING; c = home[t] };
    /* hand */
    if
    :: handed[c] == OPEN ->
        atomic { was = !idle[c]; idle[c] = false };
        atomic {
            if
            :: handed[c] == OPEN -> handed[c] = t
            :: else -> goto taken
            fi
        };
        interrupt[c] = true;
        if
        :: was -> offer(c, NONE, i, got)
        :: else
        fi;
        got = false;
        atomic { was = false; c = 0; goto again };
taken:
        if
        :: was -> offer(c, NONE, i, got)
        :: else
        fi;
        got = false
    :: handed[c] != OPEN
    fi;
    atomic {
        TAKE(c);
        was = false;
        if
        :: current[c] == t -> state[t] = RUNNING; RELEASE(c); c = 0; goto again /* on its way out */
        :: else -> put(c, t)
        fi
    };
    if
    :: atomic {
           current[c] == IDLE && !IS_HANDED(c) ->
           idle[c] = false;
#if BREAK != 5
           offered[c] = true;
#endif
           TELL(c)
       }
    :: atomic { current[c] != IDLE || IS_HANDED(c) -> skip };
#if BREAK != 1
        offer(c, t, i, got);
#endif
        atomic {
            if
            :: !got && current[c] == IDLE -> TELL(c)
            :: else
            fi;
            got = false
        }
    fi;
    atomic { RELEASE(c); c = 0; goto again }
}

/* ---- A CPU -------------------------------------------------------------------------------------- */

proctype cpu(byte c) {
    byte to, other, i;
    bool got, was;

idles: /* sched_run */
#if BREAK == 2
    got = reschedule[c];
    look(i, got);
#endif
    /* sched_idle_begin */
    if
    :: atomic { handed[c] == NONE -> handed[c] = OPEN }
    :: atomic { handed[c] != NONE -> skip }
    fi;
    idle[c] = true;
    /* may_have_work */
#if BREAK != 2
    got = reschedule[c];
    look(i, got);
#endif
    if
    :: atomic { got -> got = false; goto chooses }
    :: atomic { !got -> skip }
    fi;
sleeps:
    if
    :: handed[c] == OPEN ->
#if BREAK == 3
        interrupt[c] = false; /* it was taken before, with interrupts on */
#endif
        asleep[c] = true;
end_sleeps:
        atomic { interrupt[c] -> interrupt[c] = false; asleep[c] = false }
    :: handed[c] != OPEN
    fi;
    if
    :: atomic { IS_HANDED(c) -> goto runs_handed }
    :: atomic { !IS_HANDED(c) -> goto idles }
    fi;

chooses: /* sched_switch of the idle thread, choose_without_locked */
    atomic {
        TAKE(c);
        reschedule[c] = false;
        was = offered[c];
        offered[c] = false;
        pop(c, to);
        if
        :: to != NONE -> goto chosen
        :: else -> RELEASE(c)
        fi
    };
    do
    :: atomic { other < CPUS && (other == c || to != NONE) -> other++ }
    :: atomic { other < CPUS && other != c && to == NONE -> skip }; take_from(other, c, to)
       ; other++
    :: atomic { other == CPUS -> other = 0; break }
    od;
    atomic {
        TAKE(c);
        if
        :: to != NONE -> put(c, to)
        :: else
        fi;
        pop(c, to);
        if
        :: to == NONE -> to = 0; was = false; RELEASE(c); goto sleeps
        :: else
        fi
    };
chosen:
    idle[c] = false;
    atomic {
        other = handed[c];
        handed[c] = NONE;
        if
        :: other < OPEN -> put(c, other); reschedule[c] = true; interrupt[c] = true
        :: else
        fi
    };
    if
    :: other < OPEN -> offer(c, other, i, got); got = false
    :: else
    fi;
    other = 0;
    if
#if BREAK == 4
    :: false
#else
    :: was
#endif
        -> pass_on(c, i, got)
    :: else
    fi;
    goto switches;

runs_handed:
#if BREAK == 8
    atomic { to = handed[c]; handed[c] = NONE };
#endif
    atomic {
        TAKE(c);
#if BREAK != 8
        to = handed[c];
        handed[c] = NONE;
#endif
        reschedule[c] = false;
        was = offered[c];
        offered[c] = false;
        if
        :: queue[c] != 0 -> put(c, to); pop(c, to) /* somebody may come before it */
        :: true
        fi
    };
    if
#if BREAK == 7
    :: false
#else
    :: was
#endif
        -> pass_on(c, i, got)
    :: else
    fi;

switches:
    atomic {
        assert(MAY(to, c) && home[to] == c && state[to] != BLOCKED);
        state[to] = RUNNING;
        current[c] = to;
        was = false;
        RELEASE(c)
    };

runs:
end_runs:
    if
    :: atomic {
           interrupt[c] -> interrupt[c] = false;
           if
           :: reschedule[c] -> goto preempts
           :: else -> goto runs
           fi
       }
    :: atomic { blocks > 0 -> blocks--; state[to] = BLOCKED };
       atomic {
           TAKE(c);
           if
           :: state[to] == RUNNING -> RELEASE(c); goto runs /* woken on its way */
           :: else
           fi;
           reschedule[c] = false;
           was = offered[c];
           offered[c] = false;
           pop(c, to);
           if
           :: to == NONE -> current[c] = IDLE; to = 0; was = false; RELEASE(c); goto idles
           :: to != NONE && !was -> goto switches
           :: else
           fi
       };
       pass_on(c, i, got);
       goto switches
    :: atomic { balances > 0 -> balances--; other = (c + 1) % CPUS };
       take_from(other, c, to);
       atomic {
           other = to;
           to = current[c];
           if
           :: other == NONE -> other = 0; goto runs
           :: else
           fi
       };
       atomic { TAKE(c); put(c, other); RELEASE(c) };
#if BREAK != 9
       offer(c, other, i, got);
#endif
       atomic { got = false; other = 0; goto runs }
    fi;

preempts: /* sched_switch of a thread that could go on */
    atomic {
        TAKE(c);
        reschedule[c] = false;
        was = offered[c];
        offered[c] = false;
        other = to;
        put(c, to);
        pop(c, to)
    };
    if
    :: to != other -> offer(c, other, i, got)
    :: else
    fi;
    if
#if BREAK == 6
    :: false
#else
    :: was
#endif
        -> pass_on(c, i, got)
    :: else
    fi;
    atomic { got = false; other = 0; goto switches }
}

/* ---- The whole ---------------------------------------------------------------------------------- */

#define COULD_TAKE(c, t) (state[t] == QUEUED && MAY(t, c))
#define IS_IN_PLACE(t) (state[t] == RUNNING || state[t] == QUEUED)

init {
    byte k;
    atomic {
        do
        :: k < CPUS -> run cpu(k); k++
        :: else -> k = 0; break
        od;
        do
        :: k < THREADS -> home[k] = HOME(k); run waker(k); k++
        :: else -> k = 0; break
        od
    };
    timeout;
    d_step {
        do
        :: k < CPUS ->
            assert(!lock[k] && (asleep[k] || current[k] != IDLE));
            assert(!asleep[k] || (handed[k] == OPEN && queue[k] == 0));
            assert(!asleep[k] || (!COULD_TAKE(k, 0) && !COULD_TAKE(k, 1)));
            assert(!asleep[k] || THREADS < 3 || !COULD_TAKE(k, 2));
            k++
        :: else -> k = 0; break
        od;
        assert(IS_IN_PLACE(0) && IS_IN_PLACE(1) && (THREADS < 3 || IS_IN_PLACE(2)))
    }
}
