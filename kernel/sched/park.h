#pragma once
// Parking: a wait of one thread for something that exactly one party hands over to it, and the
// switch straight from one such thread to another. It takes no queue and no lock, and is what calls
// between processes are made of (kernel/ipc/scheme.h); for everything else there is wait.h.
//
// A thread that is to be found says who it is where others look, under a lock of theirs, and then
// parks, without that lock. Who has something for it claims it, under the same lock: a claimed
// thread sleeps, and goes on sleeping until its claimer runs it. So a thread is handed something
// exactly when the claim says so, and touches nothing meanwhile.
//
//   lock; publish myself; unlock              lock; find the thread; take it out
//   status = park(deadline);                  if (park_claim(thread)) { put it there; }
//   OK: it is there                           else { leave it where the thread looks next }
//   else: lock; look; take myself out         unlock; if it was claimed: park_run(thread)

#include "kernel/sched/thread.h"

// Sleeps. OK: a claimer has run this thread, and no earlier claim is left over. Without a claim:
// ERR_TIMED_OUT, ERR_KILLED, or ERR_WOULD_BLOCK: somebody wanted to claim it while it was awake, so
// what it waits for may be there by now. Thread context, preemption on, no spinlock held.
MUST_USE enum status park(u64 deadline_ns);

// The same, but neither kill nor time ends it: for what is sure to come soon. May return early.
void park_for_sure(void);

// Whether the thread sleeps, and nobody else has claimed it: then the caller has to run it, soon.
// If not, its next park, or the one that it is about to begin, returns at once. Any context; the
// thread does not exit meanwhile.
MUST_USE bool park_claim(struct thread *thread);

// Makes a claimed thread ready; its park returns OK. Any context; takes the run queue's lock.
void park_run(struct thread *claimed);

// Runs a claimed thread and parks, in one step, as park_run and park would: the thread takes this
// one's place on the CPU. It does so past the run queue, and with what is left of this thread's
// slice, which in return gets what the other one had left: so two threads that hand over to each
// other all the time use up their slices like one that computes. Where that cannot be, because the
// other may not run here or has a lower priority, or because somebody else is to run now, it is
// made ready instead.
MUST_USE enum status park_and_run(struct thread *claimed, u64 deadline_ns);
