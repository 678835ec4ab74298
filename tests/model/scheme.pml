/* The life of a call to a scheme, as kernel/ipc/scheme.c and scheme_serve.c have it: every atomic
 * step below is one section there under the scheme's lock. Clients may give up at any moment, servers
 * die at any moment and are replaced, and the service may end.
 *
 * Checked for every interleaving (make model):
 *   - nobody waits for ever: a client that has no answer when everything else is over is a deadlock
 *   - every call ends once, with one result, and an answer reaches only the call that it was for
 *   - nothing touches a call that its caller has left: it is on the caller's stack
 *   - slots are all free in the end
 *
 * Waiting is modelled as waiting for the condition itself: that no wake-up is lost on the way is the
 * wait queue's business (kernel/sched/wait.c).
 */

#define CLIENTS 2
#ifndef CALLS
#define CALLS   2 /* of each client */
#endif
#define SLOTS   2
#define SERVERS 2 /* parties, one after the other */
#ifndef THREADS
#define THREADS 2 /* of each */
#endif
#define NONE    255

mtype = { GONE, PENDING, RECEIVED, FINISHING, DONE }; /* where a call is; GONE: not on any stack */
mtype = { NO_RESULT, ANSWERED, TAKEN_BACK, PEER_DIED, CLOSED };

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
    bool used;
    bool told_due;  /* in the serving's list of cancelled calls */
    byte client = NONE;
    byte party = NONE;
    byte generation;
};
slot_state slot[SLOTS];

bool closed;         /* the server end is gone */
bool died[SERVERS];
byte threads[SERVERS]; /* of a party, still there */
byte running = SERVERS;

/* call_finish_locked */
inline finish(c, why) {
    assert(call[c].where == PENDING || call[c].where == RECEIVED);
    call[c].result = why;
    call[c].ended++;
    call[c].slot = NONE;
    if
    :: call[c].pins == 0 -> call[c].where = DONE
    :: else -> call[c].where = FINISHING
    fi
}

/* call_unpin_locked */
inline unpin(c) {
    assert(call[c].pins > 0);
    call[c].pins--;
    if
    :: call[c].pins == 0 && call[c].where == FINISHING -> call[c].where = DONE
    :: else
    fi
}

inline free_slot(s) {
    assert(slot[s].used && slot[s].client == NONE);
    slot[s].used = false;
    slot[s].told_due = false;
    slot[s].party = NONE
}

/* ---- The caller: scheme_call -------------------------------------------------------------------- */

proctype Client(byte me) {
    byte n;
    for (n : 1 .. CALLS) {
        bool refused = false;
        atomic { /* submit */
            assert(call[me].where == GONE);
            call[me].result = NO_RESULT;
            call[me].ended = 0;
            call[me].pins = 0;
            call[me].number = n;
            call[me].answer = 0;
            if
            :: closed -> refused = true
            :: else -> call[me].where = PENDING
            fi
        }
        if
        :: refused -> goto next
        :: else
        fi;
        if
        :: call[me].where == DONE
        :: atomic { /* a deadline, or a kill: withdraw */
            if
            :: call[me].where == PENDING -> finish(me, TAKEN_BACK)
            :: call[me].where == RECEIVED ->
                slot[call[me].slot].client = NONE;
                slot[call[me].slot].told_due = true;
                finish(me, TAKEN_BACK)
            :: else /* its end has begun */
            fi
          };
          call[me].where == DONE
        fi;
        atomic { /* scheme_call returns, and the call's memory is the caller's again */
            assert(call[me].ended == 1 && call[me].pins == 0);
            assert(call[me].result != ANSWERED || call[me].answer == call[me].number);
            call[me].where = GONE
        }
next:   skip
    }
}

/* ---- A thread of a server: scheme_receive, scheme_copy, scheme_reply, scheme_party_fini ----------------------- */

/* The slot and generation that a number names, if it still does. */
#define NAMES(s, g) (slot[s].used && slot[s].party == me && slot[s].generation == g)

proctype Server(byte me) {
    byte s, g, c, n;
    do
    :: closed -> break
    :: atomic { /* told of a call that was taken back: its reply is still due */
        (slot[0].told_due && slot[0].party == me) || (slot[1].told_due && slot[1].party == me);
        if
        :: slot[0].told_due && slot[0].party == me -> s = 0
        :: slot[1].told_due && slot[1].party == me -> s = 1
        fi;
        slot[s].told_due = false
       }
    :: atomic { /* take_call_locked, pinned */
        !closed && (!slot[0].used || !slot[1].used) &&
            (call[0].where == PENDING || call[1].where == PENDING);
        if
        :: call[0].where == PENDING -> c = 0
        :: call[1].where == PENDING -> c = 1
        fi;
        if
        :: !slot[0].used -> s = 0
        :: !slot[1].used -> s = 1
        fi;
        slot[s].used = true;
        slot[s].party = me;
        slot[s].client = c;
        slot[s].generation++;
        g = slot[s].generation;
        call[c].where = RECEIVED;
        call[c].slot = s;
        call[c].pins = 1;
        n = call[c].number
       };
       /* deliver: the copy that the pin is for */
       assert(call[c].where != GONE && call[c].where != DONE && call[c].number == n);
       if
       :: atomic { unpin(c) }
       :: atomic { /* it cannot be delivered: refuse */
            if
            :: NAMES(s, g) ->
                if
                :: slot[s].client != NONE -> slot[s].client = NONE; finish(c, CLOSED)
                :: else
                fi;
                free_slot(s)
            :: else /* another thread has guessed the number, and answered */
            fi
          };
          atomic { unpin(c) }
       fi
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
       atomic { unpin(c) }
    :: atomic { /* scheme_reply */
        (slot[0].used && slot[0].party == me) || (slot[1].used && slot[1].party == me);
        if
        :: slot[0].used && slot[0].party == me -> s = 0
        :: slot[1].used && slot[1].party == me -> s = 1
        fi;
        g = slot[s].generation;
        assert(NAMES(s, g));
        if
        :: slot[s].client != NONE ->
            c = slot[s].client;
            slot[s].client = NONE;
            call[c].answer = call[c].number;
            finish(c, ANSWERED)
        :: else /* it goes nowhere */
        fi;
        free_slot(s)
       }
    :: break /* dies, between two calls of the kernel */
    od;
    atomic { /* the last one out: scheme_party_fini */
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
                    finish(c, PEER_DIED)
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

init {
    byte i;
    atomic {
        for (i : 0 .. CLIENTS - 1) { run Client(i) }
        threads[0] = THREADS;
        for (i : 1 .. THREADS) { run Server(0) }
    };
    i = 1;
    do
    :: i < SERVERS ->
        died[i - 1];
        atomic {
            threads[i] = THREADS;
            byte t;
            for (t : 1 .. THREADS) { run Server(i) }
        };
        i++
    :: else -> break
    od;
    /* The last reference to the server end goes with the last server, as no one else has one. */
    running == 0;
    atomic { /* server_end_destroy */
        closed = true;
        for (i : 0 .. CLIENTS - 1) {
            if
            :: call[i].where == PENDING -> finish(i, CLOSED)
            :: else
            fi
        }
    };
    (_nr_pr == 1);
    for (i : 0 .. SLOTS - 1) { assert(!slot[i].used) }
}
