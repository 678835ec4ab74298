/* The life of a call to a scheme, as kernel/ipc/scheme.c and scheme_serve.c have it, and the parking
 * that it is made of (kernel/sched/park.c): every atomic step below is one section there under the
 * scheme's lock, or one exchange of a thread's `park`. Clients may give up at any moment, servers die
 * at any moment and are replaced, and the service may end.
 *
 * Checked for every interleaving (make model):
 *   - nobody sleeps for ever: a client that has no answer when everything else is over is a deadlock,
 *     and so is a server's thread that sleeps while there is something for it
 *   - every call ends once, with one result, and an answer reaches only the call that it was for
 *   - nothing touches a call that its caller has left: it is on the caller's stack
 *   - a thread is claimed once, by one party, and what was handed to it is there when it runs
 *   - slots are all free in the end
 *
 * That a thread is claimed only when its context has been saved is in how it goes to sleep: one step
 * that somebody else takes for it, some time after it has let go of the lock.
 */

#define CLIENTS 2
#ifndef CALLS
#define CALLS   1 /* of the first client */
#endif
#ifndef OTHERS
#define OTHERS  1 /* of the second */
#endif
#define SLOTS   2
#define SERVERS 2 /* parties, one after the other */
#ifndef THREADS
#define THREADS 2 /* of each */
#endif
#define SLEEPERS 4 /* threads that park: clients 0 and 1, the party's threads 2 and 3 */
#define NONE    255

mtype = { GONE, PENDING, RECEIVED, FINISHING, DONE }; /* where a call is; GONE: not on any stack */
mtype = { NO_RESULT, ANSWERED, TAKEN_BACK, PEER_DIED, CLOSED };
mtype = { AWAKE, ASLEEP, CALLED };           /* a thread's park */
mtype = { NOT_RUN, HANDED, AGAIN, CANCELLED }; /* how a sleep ended */

typedef call_state {
    mtype where = GONE;
    mtype result = NO_RESULT;
    byte slot = NONE;
    byte pins;
    byte number;   /* counts the client's calls */
    byte answer;   /* what the server answered */
    byte ended;    /* how often it was ended */
};
call_state call[CLIENTS];

typedef slot_state {
    bool used;      /* by a call, or for a thread that waits */
    bool told_due;  /* in the serving's list of cancelled calls */
    byte client = NONE;
    byte party = NONE; /* NONE: a waiting thread has it */
    byte generation;
};
slot_state slot[SLOTS];

mtype park[SLEEPERS] = AWAKE;
mtype woken[SLEEPERS] = NOT_RUN;
byte receiver_slot[SLEEPERS] = NONE; /* of a thread that waits for a call; linked if it is there */
bool linked[SLEEPERS];
byte party_of[SLEEPERS];
byte handed[SLEEPERS] = NONE;        /* the slot of the call that was handed over, */
byte handed_by[SLEEPERS] = NONE;     /* whose that is, */
byte handed_as[SLEEPERS];            /* and which use of the slot */

bool closed;         /* the server end is gone */
bool died[SERVERS];
byte threads[SERVERS]; /* of a party, still there */
byte running = SERVERS;

/* ---- Parking ------------------------------------------------------------------------------------ */

/* park_claim: under the scheme's lock, or by a timer */
#define CLAIMS(t) (park[t] == ASLEEP)

/* park_run, and park_and_run as far as the other thread goes */
inline wake(t) {
    assert(park[t] == CALLED && woken[t] == NOT_RUN);
    woken[t] = HANDED
}

/* park: how it ended is in `how`. A deadline or a kill may come before, and then may not be seen */
inline sleep(me, may_cancel, how) {
    if
    :: atomic { /* a timer, or a kill, comes before it sleeps */
        may_cancel && park[me] == AWAKE -> park[me] = CALLED
       }
    :: true
    fi;
    if
    :: atomic { park[me] == CALLED -> park[me] = AWAKE; how = AGAIN } /* park_publish fails */
    :: atomic { park[me] == AWAKE -> park[me] = ASLEEP };
       if
       :: atomic { woken[me] != NOT_RUN -> how = woken[me]; woken[me] = NOT_RUN }
       :: atomic { may_cancel && CLAIMS(me) -> park[me] = CALLED; how = CANCELLED } /* park_end */
       fi;
       park[me] = AWAKE
    fi
}

/* ---- Ending calls ------------------------------------------------------------------------------- */

/* call_done_locked: `claimed` is the caller where it is to be run */
inline done(c, claimed) {
    if
    :: CLAIMS(c) -> claimed = c
    :: else
    fi;
    park[c] = CALLED;
    call[c].where = DONE
}

/* call_finish_claim_locked */
inline finish(c, why, claimed) {
    assert(call[c].where == PENDING || call[c].where == RECEIVED);
    call[c].result = why;
    call[c].ended++;
    call[c].slot = NONE;
    if
    :: call[c].pins == 0 -> done(c, claimed)
    :: else -> call[c].where = FINISHING
    fi
}

inline wake_if_any(claimed) {
    if
    :: claimed != NONE -> wake(claimed); claimed = NONE
    :: else
    fi
}

/* call_finish_locked */
inline finish_now(c, why, claimed) {
    finish(c, why, claimed);
    wake_if_any(claimed)
}

/* call_unpin_locked */
inline unpin(c, claimed) {
    assert(call[c].pins > 0);
    call[c].pins--;
    if
    :: call[c].pins == 0 && call[c].where == FINISHING -> done(c, claimed); wake_if_any(claimed)
    :: else
    fi
}

inline free_slot(s) {
    assert(slot[s].used && slot[s].client == NONE);
    slot[s].used = false;
    slot[s].told_due = false;
    slot[s].party = NONE
}

/* receiver_claim_locked: any thread that waits, of a party; those that are awake are told, too */
inline claim_receiver(whose, t) {
    t = CLIENTS;
    do
    :: t == SLEEPERS -> t = NONE; break
    :: else ->
        if
        :: linked[t] && (whose == NONE || party_of[t] == whose) ->
            if
            :: CLAIMS(t) -> park[t] = CALLED; linked[t] = false; break
            :: else -> park[t] = CALLED
            fi
        :: else
        fi;
        t++
    od
}

/* call_receive_locked: pinned, as if there were always something to deliver */
inline receive(who, where_to, whose) {
    slot[where_to].party = whose;
    slot[where_to].client = who;
    slot[where_to].generation++;
    call[who].where = RECEIVED;
    call[who].slot = where_to;
    call[who].pins = 1
}

/* ---- The caller: scheme_call -------------------------------------------------------------------- */

proctype Client(byte me; byte calls) {
    byte n, t, party;
    mtype how;
    for (n : 1 .. calls) {
        bool refused = false;
        t = NONE;
        atomic { /* submit */
            assert(call[me].where == GONE);
            call[me].result = NO_RESULT;
            call[me].ended = 0;
            call[me].pins = 0;
            call[me].number = n;
            call[me].answer = 0;
            if
            :: closed -> refused = true
            :: else ->
                claim_receiver(NONE, t);
                if
                :: t != NONE ->
                    assert(receiver_slot[t] != NONE && handed[t] == NONE);
                    handed[t] = receiver_slot[t];
                    receiver_slot[t] = NONE;
                    handed_by[t] = me;
                    receive(me, handed[t], party_of[t]);
                    handed_as[t] = slot[handed[t]].generation
                :: else -> call[me].where = PENDING
                fi
            fi
        }
        if
        :: refused -> goto next
        :: else
        fi;
        atomic { wake_if_any(t) }; /* park_and_run */
        sleep(me, true, how);
        do
        :: how == AGAIN ->
            if
            :: atomic { call[me].where == DONE -> how = HANDED }
            :: atomic { call[me].where != DONE -> skip }; sleep(me, true, how)
            fi
        :: how == CANCELLED ->
            atomic { /* withdraw */
                if
                :: call[me].where == PENDING ->
                    call[me].where = DONE;
                    call[me].result = TAKEN_BACK;
                    call[me].ended++
                :: call[me].where == RECEIVED ->
                    t = call[me].slot;
                    slot[t].client = NONE;
                    slot[t].told_due = true;
                    call[me].slot = NONE;
                    call[me].result = TAKEN_BACK;
                    call[me].ended++;
                    if
                    :: call[me].pins == 0 -> call[me].where = DONE
                    :: else -> call[me].where = FINISHING
                    fi;
                    party = slot[t].party;
                    claim_receiver(party, t);
                    wake_if_any(t)
                :: else /* its end has begun */
                fi
            };
            do
            :: atomic { call[me].where == DONE -> how = HANDED; break }
            :: atomic { call[me].where != DONE -> skip }; sleep(me, false, how)
            od
        :: how == HANDED -> break
        od;
        atomic { /* scheme_call returns, and the call's memory is the caller's again */
            assert(call[me].where == DONE);
            assert(call[me].ended == 1 && call[me].pins == 0);
            assert(call[me].result != ANSWERED || call[me].answer == call[me].number);
            call[me].where = GONE;
            call[me].result = NO_RESULT; /* what no longer matters is forgotten: fewer states */
            call[me].ended = 0;
            call[me].number = 0;
            call[me].answer = 0
        };
next:   skip; d_step { t = 0; party = 0; how = NOT_RUN }
    }
}

/* ---- A thread of a server: scheme_receive, scheme_copy, scheme_reply, scheme_party_fini ----------------------- */

/* The slot and generation that a number names, if it still does. */
#define NAMES(s, g) (slot[s].used && slot[s].party == me && slot[s].generation == g)
#define FREE(s) (!slot[s].used)

/* slot_take_locked */
inline take_slot(s) {
    if
    :: FREE(0) -> s = 0; slot[0].used = true
    :: !FREE(0) && FREE(1) -> s = 1; slot[1].used = true
    :: else -> s = NONE
    fi
}

/* next_locked, with the lock held up to the sleep. *s: a slot for the thread, or NONE; `caller` is
 * run. What is taken: `got` is the slot of a call, or NONE for other news, or that it is to die. */
inline next(tid, s, caller, got, dies) {
    got = NONE;
    dies = false;
    do
    :: true ->
        if
        :: s == NONE -> take_slot(s)
        :: else
        fi;
        /* take_locked */
        if
        :: slot[0].told_due && slot[0].party == me -> slot[0].told_due = false; break
        :: slot[1].told_due && slot[1].party == me -> slot[1].told_due = false; break
        :: else ->
            if
            :: s == NONE -> break /* in the kernel more are made, or it fails */
            :: s != NONE && call[0].where == PENDING -> receive(0, s, me); got = s; g = slot[s].generation; c = 0; s = NONE; break
            :: s != NONE && call[1].where == PENDING -> receive(1, s, me); got = s; g = slot[s].generation; c = 1; s = NONE; break
            :: else
            fi
        fi;
        receiver_slot[tid] = s;
        s = NONE;
        linked[tid] = true;
        waits = true;
        break
    od;
    if
    :: !waits && s != NONE -> slot[s].used = false; s = NONE
    :: else
    fi;
    if
    :: !waits -> wake_if_any(caller)
    :: else
    fi
}

proctype Server(byte me; byte tid) {
    byte s, g, c, n, got, caller, own;
    bool dies, waits;
    mtype how;
    do
    :: closed -> break
    :: atomic { /* scheme_receive, or scheme_reply_receive: a call is answered under the same lock */
        s = NONE;
        caller = NONE;
        own = NONE;
        waits = false;
        if
        :: slot[0].used && slot[0].party == me -> s = 0
        :: slot[1].used && slot[1].party == me -> s = 1
        :: true
        fi;
        if
        :: s != NONE ->
            if
            :: slot[s].client != NONE ->
                c = slot[s].client;
                slot[s].client = NONE;
                call[c].answer = call[c].number;
                finish(c, ANSWERED, caller)
            :: else /* it goes nowhere */
            fi;
            slot[s].told_due = false;
            slot[s].party = NONE;
            own = s
        :: else
        fi;
        next(tid, own, caller, got, dies)
       };
       do
       :: waits ->
            atomic { wake_if_any(caller) };
            sleep(tid, true, how);
            if
            :: how == HANDED && receiver_slot[tid] == NONE ->
                atomic {
                    got = handed[tid];
                    c = handed_by[tid];
                    g = handed_as[tid];
                    handed[tid] = NONE;
                    handed_by[tid] = NONE;
                    handed_as[tid] = 0;
                    assert(got != NONE && !linked[tid])
                };
                waits = false
            :: else ->
                atomic {
                    assert(handed[tid] == NONE);
                    linked[tid] = false;
                    own = receiver_slot[tid];
                    receiver_slot[tid] = NONE;
                    waits = false;
                    if
                    :: how == CANCELLED -> slot[own].used = false; dies = true
                    :: else -> next(tid, own, caller, got, dies)
                    fi
                }
            fi
       :: !waits -> break
       od;
       if
       :: dies -> break
       :: !dies && got == NONE -> goto again
       :: else
       fi;
       s = got;
       n = call[c].number;
       /* deliver: the copy that the pin is for */
       assert(call[c].where != GONE && call[c].where != DONE && call[c].number == n);
       if
       :: atomic { unpin(c, caller) }
       :: atomic { /* it cannot be delivered: refuse */
            if
            :: NAMES(s, g) ->
                if
                :: slot[s].client != NONE ->
                    slot[s].client = NONE;
                    finish_now(c, CLOSED, caller)
                :: else
                fi;
                free_slot(s)
            :: else /* another thread has guessed the number, and answered */
            fi
          };
          atomic { unpin(c, caller) }
       fi;
again: skip; d_step { s = 0; g = 0; c = 0; n = 0; got = 0; caller = 0; own = 0; how = NOT_RUN }
    :: atomic { /* scheme_copy of a call that was received before: pin */
        (slot[0].used && slot[0].party == me && slot[0].client != NONE) ||
            (slot[1].used && slot[1].party == me && slot[1].client != NONE);
        if
        :: slot[0].used && slot[0].party == me && slot[0].client != NONE -> s = 0
        :: slot[1].used && slot[1].party == me && slot[1].client != NONE -> s = 1
        fi;
        c = slot[s].client;
        n = call[c].number;
        call[c].pins++
       };
       assert(call[c].where != GONE && call[c].where != DONE && call[c].number == n);
       atomic { caller = NONE; unpin(c, caller); s = 0; c = 0; n = 0; caller = 0 }
    :: atomic { /* scheme_reply */
        (slot[0].used && slot[0].party == me) || (slot[1].used && slot[1].party == me);
        if
        :: slot[0].used && slot[0].party == me -> s = 0
        :: slot[1].used && slot[1].party == me -> s = 1
        fi;
        caller = NONE;
        if
        :: slot[s].client != NONE ->
            c = slot[s].client;
            slot[s].client = NONE;
            call[c].answer = call[c].number;
            finish_now(c, ANSWERED, caller)
        :: else /* it goes nowhere */
        fi;
        free_slot(s);
        s = 0; c = 0; caller = 0
       }
    :: break /* dies, between two calls of the kernel */
    od;
    atomic { /* the last one out: scheme_party_fini */
        assert(!linked[tid] && receiver_slot[tid] == NONE && handed[tid] == NONE);
        caller = NONE;
        threads[me]--;
        if
        :: threads[me] > 0 -> goto out
        :: else
        fi;
        s = 0;
        do
        :: s == SLOTS -> break
        :: else ->
            if
            :: slot[s].used && slot[s].party == me ->
                if
                :: slot[s].client != NONE ->
                    c = slot[s].client;
                    slot[s].client = NONE;
                    finish_now(c, PEER_DIED, caller)
                :: else
                fi;
                free_slot(s)
            :: else
            fi;
            s++
        od;
        died[me] = true;
        running--;
out:    skip
    }
}

/* ---- Whoever keeps the service going ------------------------------------------------------------- */

inline start(p) {
    threads[p] = THREADS;
    for (t : 1 .. THREADS) {
        party_of[CLIENTS + t - 1] = p;
        park[CLIENTS + t - 1] = AWAKE;
        run Server(p, CLIENTS + t - 1)
    }
}

init {
    byte i, t, caller = NONE;
    atomic {
        run Client(0, CALLS);
        run Client(1, OTHERS);
        start(0)
    };
    i = 1;
    do
    :: i < SERVERS ->
        died[i - 1];
        atomic { start(i) };
        i++
    :: else -> break
    od;
    /* The last reference to the server end goes with the last server, as no one else has one. */
    running == 0;
    atomic { /* server_end_destroy */
        closed = true;
        for (i : 0 .. CLIENTS - 1) {
            if
            :: call[i].where == PENDING -> finish_now(i, CLOSED, caller)
            :: else
            fi
        }
    };
    (_nr_pr == 1);
    for (i : 0 .. SLOTS - 1) { assert(!slot[i].used) }
}
