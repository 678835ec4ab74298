/* Memory that clients lend and a server maps: kernel/ipc/scheme_map.c and map_set.c. Every atomic step
 * below is one section there under the scheme's lock, or one step that others may see; the set's mutex
 * is held over several. How a call waits and is woken is in scheme.pml, and no more than a flag here:
 * `done`. Clients may give up at any moment, and end after their calls, their memory with them. The
 * server has several threads, which map, unmap, answer each other's calls, and end at any moment.
 *
 * Checked for every interleaving (make model):
 *   - when a call has returned, whatever ended it, no page of its caller is reachable by the server;
 *     so the caller's memory does not go while it is mapped, and none is mapped after it has gone
 *   - nothing touches a call that has returned
 *   - every call ends once, with one result; an answer is not lost, and goes to its own call alone
 *   - nobody waits for ever, for the mutex as little as for a call
 *   - the set of a server that has ended is empty when it is freed, which it is once, and nobody touches
 *     it afterwards
 *
 * BREAK takes away one of the things that this rests on; make model sees to it that each is missed:
 *   1  the caller does not take back what is still mapped when its call is over
 *   2  a call that ends does not wait for what is under way with it
 *   3  the call's count goes down before the pages are unmapped
 *   4  who takes back holds no reference to the set
 *   5  a call is not pinned while it is mapped
 *   6  a server that ends leaves its set as it is
 *   7  a call that ends during a mapping is not ended by its unpinning
 *   8  a reply does not find out whether the call is still the same
 *
 * That nothing is mapped for a call whose end has begun (enter_call) is not among them: it only saves the
 * caller from taking it back.
 */

#ifndef BREAK
#define BREAK 0
#endif
#define CLIENTS 2
#ifndef CALLS
#define CALLS   1 /* of the first client */
#endif
#ifndef OTHERS
#define OTHERS  1 /* of the second */
#endif
#define THREADS 2 /* of the server */
#define SLOTS   2
#define MAPPED  2
#ifndef MAPS
#define MAPS    1 /* of each thread, at most */
#endif
#define NONE    255

/* Which call it is, among all */
#define IDENTITY(client, number) ((client) * 16 + (number))

mtype = { NO_RESULT, ANSWERED, TAKEN_BACK, PEER_DIED, CLOSED };

typedef call_state {
    bool exists;    /* on its caller's stack */
    bool pending;
    byte slot = NONE;
    bool finishing;
    bool done;
    byte pins;
    byte count;     /* of its mappings */
    byte number;
    byte answer;
    byte ended;
    mtype result = NO_RESULT;
};
call_state call[CLIENTS];
bool memory_is_there[CLIENTS] = true;

typedef slot_state {
    bool used;
    byte client = NONE; /* NONE: was taken back, the reply is still due */
    byte generation;
};
slot_state slot[SLOTS];

typedef mapped_state {
    bool exists;
    bool reachable;     /* the pages are in the server's memory */
    bool in_set;
    byte owner = NONE;  /* whose pages they are */
    byte client = NONE; /* mapped->call */
    bool linked;        /* in call->mapped */
    byte slot = NONE;   /* with the generation: mapped->number */
    byte generation;
};
mapped_state mapped[MAPPED];

bool set_locked;
bool set_closed;
bool set_freed;
byte set_refs = 1;
byte threads = THREADS;
bool closed; /* the server end */

/* ---- The set ------------------------------------------------------------------------------------- */

inline set_lock() {
    atomic { assert(!set_freed); !set_locked -> set_locked = true }
}

inline set_unlock() {
    atomic { assert(set_locked && !set_freed); set_locked = false }
}

/* map_set_release */
inline set_release() {
    atomic {
        assert(set_refs > 0);
        set_refs--;
        if
        :: set_refs == 0 ->
            assert(!set_freed && !set_locked);
            assert(!mapped[0].in_set && !mapped[1].in_set);
            set_freed = true
        :: else
        fi
    }
}

inline unlink(m) {
    assert(call[mapped[m].client].exists && call[mapped[m].client].count > 0);
    assert(mapped[m].linked);
    mapped[m].linked = false;
    call[mapped[m].client].count--
}

/* mapped_remove_locked: the mutex is held, which the caller may not return without */
inline remove(m) {
    assert(set_locked && mapped[m].exists);
#if BREAK == 3
    atomic {
        if
        :: mapped[m].client != NONE -> unlink(m); mapped[m].client = NONE
        :: else
        fi
    };
#endif
    mapped[m].reachable = false;
    mapped[m].in_set = false;
    atomic { /* take_from_call */
        if
        :: mapped[m].client != NONE -> unlink(m)
        :: else
        fi;
        mapped[m].exists = false;
        mapped[m].owner = NONE;
        mapped[m].client = NONE;
        mapped[m].slot = NONE;
        mapped[m].generation = 0
    }
}

/* ---- The end of calls ------------------------------------------------------------------------------ */

/* call_finish_locked */
inline finish(c, why) {
    assert(call[c].exists && !call[c].finishing && !call[c].done);
    call[c].slot = NONE;
    call[c].result = why;
    call[c].ended++;
    call[c].finishing = true;
#if BREAK == 2
    call[c].done = true
#else
    call[c].done = (call[c].pins == 0)
#endif
}

/* call_unpin_locked */
inline unpin(c) {
    assert(call[c].exists && call[c].pins > 0);
    call[c].pins--;
#if BREAK != 7
    if
    :: call[c].pins == 0 && call[c].finishing -> call[c].done = true
    :: else
    fi
#endif
}

/* ---- Clients ---------------------------------------------------------------------------------------- */

proctype Client(byte me; byte calls) {
    byte n, m;
    bool has_set;
    for (n : 1 .. calls) {
        bool refused = false;
        atomic { /* submit */
            if
            :: closed -> refused = true
            :: else ->
                call[me].exists = true;
                call[me].number = n;
                call[me].pending = true
            fi
        };
        if
        :: refused -> goto next
        :: else
        fi;
        if
        :: atomic { call[me].done }
        :: atomic { /* withdraw: a timeout, or a kill */
            if
            :: call[me].finishing /* its end has begun */
            :: else ->
                if
                :: call[me].pending -> call[me].pending = false
                :: else ->
                    assert(slot[call[me].slot].client == me);
                    slot[call[me].slot].client = NONE
                fi;
                finish(me, TAKEN_BACK)
            fi
           };
           call[me].done
        fi;
#if BREAK != 1
        /* scheme_take_back */
        do
        :: atomic { call[me].count == 0 -> break }
        :: atomic { /* find_set */
            call[me].count != 0 ->
                assert(!set_freed);
#if BREAK != 4
                set_refs++
#endif
           };
           set_lock();
           atomic { /* find_mapped_locked */
                m = 0;
                do
                :: m == MAPPED -> m = NONE; break
                :: m < MAPPED && mapped[m].linked && mapped[m].owner == me -> break
                :: m < MAPPED && !(mapped[m].linked && mapped[m].owner == me) -> m++
                od
           };
           if
           :: m != NONE ->
                assert(mapped[m].client == me); /* is known by now, for the mutex is held */
                remove(m)
           :: else
           fi;
           set_unlock();
#if BREAK != 4
           set_release()
#endif
        od;
#endif
        atomic { /* the call returns */
            assert(call[me].done && call[me].pins == 0 && call[me].ended == 1);
            assert(call[me].result != ANSWERED || call[me].answer == IDENTITY(me, n));
            assert(!(mapped[0].reachable && mapped[0].owner == me));
            assert(!(mapped[1].reachable && mapped[1].owner == me));
            call[me].exists = false;
            call[me].finishing = false;
            call[me].done = false;
            call[me].count = 0;
            call[me].number = 0;
            call[me].answer = 0;
            call[me].ended = 0;
            call[me].result = NO_RESULT;
            m = 0
        };
next:   skip
    }
    atomic { /* the client's process ends */
        assert(!(mapped[0].reachable && mapped[0].owner == me));
        assert(!(mapped[1].reachable && mapped[1].owner == me));
        memory_is_there[me] = false
    }
}

/* ---- Threads of the server ---------------------------------------------------------------------------- */

inline pick_slot(s) {
    if
    :: slot[0].used -> s = 0
    :: slot[1].used -> s = 1
    fi;
    g = slot[s].generation;
    c = slot[s].client;
    n = (c != NONE -> IDENTITY(c, call[c].number) : 0)
}

#define NAMES(s, g) (slot[s].used && slot[s].generation == g)

proctype Server() {
    byte s, g, c, m, n;
    byte maps = 0;
    bool is_over;
    do
    :: atomic { /* scheme_receive */
        (call[0].pending || call[1].pending) && (!slot[0].used || !slot[1].used);
        if
        :: call[0].pending -> c = 0
        :: call[1].pending -> c = 1
        fi;
        s = (slot[0].used -> 1 : 0);
        slot[s].used = true;
        slot[s].client = c;
        slot[s].generation++;
        call[c].pending = false;
        call[c].slot = s;
        s = 0; c = 0
       }
    :: atomic { /* scheme_map: call_pin */
        maps < MAPS && (slot[0].used || slot[1].used) && (!mapped[0].exists || !mapped[1].exists);
        pick_slot(s);
        maps++;
        m = NONE;
        if
        :: c != NONE ->
#if BREAK != 5
            call[c].pins++;
#endif
            m = (mapped[0].exists -> 1 : 0);
            mapped[m].exists = true /* kmalloc */
        :: else /* ERR_CANCELLED */
        fi
       };
       if
       :: m != NONE ->
            assert(memory_is_there[c]); /* lent_find */
            set_lock();
            /* map_set_add_locked; no thread of the server maps once the set is closed */
            assert(!set_closed && memory_is_there[c]);
            atomic {
                mapped[m].reachable = true;
                mapped[m].in_set = true;
                mapped[m].owner = c;
                mapped[m].slot = s;
                mapped[m].generation = g
            };
            atomic { /* enter_call */
                assert(call[c].exists);
                is_over = call[c].finishing;
                if
                :: !is_over -> call[c].count++; mapped[m].linked = true
                :: else
                fi
            };
            if
            :: !is_over -> mapped[m].client = c
            :: else -> remove(m)
            fi;
            set_unlock();
#if BREAK != 5
            atomic { unpin(c) }
#endif
       :: else
       fi;
       d_step { s = 0; g = 0; c = 0; m = 0; n = 0; is_over = false }
    :: atomic { mapped[0].in_set || mapped[1].in_set }; /* map_set_unmap of what there is */
       set_lock();
       if
       :: mapped[0].in_set -> m = 0; remove(m)
       :: mapped[1].in_set -> m = 1; remove(m)
       :: else
       fi;
       set_unlock();
       m = 0
    :: atomic { slot[0].used || slot[1].used; pick_slot(s) }; /* scheme_reply: party_unmap */
       if
       :: mapped[0].linked || mapped[1].linked -> /* map_set_has_lent */
            set_lock();
            for (m : 0 .. MAPPED - 1) {
                if
                :: mapped[m].in_set && mapped[m].slot == s && mapped[m].generation == g -> remove(m)
                :: else
                fi
            }
            set_unlock()
       :: else
       fi;
       atomic { /* answer_locked */
            if
#if BREAK == 8
            :: true ->
#else
            :: NAMES(s, g) ->
#endif
                c = slot[s].client;
                if
                :: c != NONE -> call[c].answer = n; finish(c, ANSWERED)
                :: else /* it goes nowhere */
                fi;
                slot[s].client = NONE;
                slot[s].used = false
            :: else /* another thread was faster */
            fi;
            s = 0; g = 0; c = 0; m = 0; n = 0
       }
    :: break /* ends, between two calls of the kernel */
    od;
    atomic {
        threads--;
        if
        :: threads > 0 -> goto out
        :: else
        fi
    };
    /* release_resources, by the last one: map_set_close */
#if BREAK != 6
    set_lock();
    set_closed = true;
    for (m : 0 .. MAPPED - 1) {
        if
        :: mapped[m].in_set -> remove(m)
        :: else
        fi
    }
    set_unlock();
#endif
    atomic { /* scheme_party_fini; the handle to the server end has gone as well: CLOSED */
        for (s : 0 .. SLOTS - 1) {
            if
            :: slot[s].used && slot[s].client != NONE -> c = slot[s].client; finish(c, PEER_DIED)
            :: else
            fi;
            slot[s].client = NONE;
            slot[s].used = false
        }
        closed = true;
        for (c : 0 .. CLIENTS - 1) {
            if
            :: call[c].pending -> call[c].pending = false; finish(c, CLOSED)
            :: else
            fi
        }
    };
    set_release();
out: skip
}

init {
    atomic {
        run Client(0, CALLS);
        run Client(1, OTHERS);
        run Server();
        run Server()
    };
    (_nr_pr == 1);
    assert(set_freed && !mapped[0].exists && !mapped[1].exists);
    assert(!slot[0].used && !slot[1].used)
}
