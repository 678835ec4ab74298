#pragma once
// Address spaces: areas of virtual memory and what lies behind them. Memory is committed on first
// touch, zeroed, in runs that grow with what has been touched, up to 64 KiB, where contiguous
// frames are to be had: a process that touches three pages has three.

#include "base/list.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/image.h"
#include "kernel/mm/vma.h"
#include "kernel/sync/spinlock.h"

// A protection domain: the kernel's, which `sip` processes share, or a further one.
struct aspace {
    struct spinlock lock;

    // Under lock:
    struct vma_tree slots; // areas of arch_aspace_slots

    struct spinlock data_lock;

    // Under data_lock, of data.c alone:
    struct list data_pages;       // that have room
    struct data_page *data_spare; // one that is empty, or NULL; it is not among these

    // Under the lock of all address spaces:
    struct list link;

    // Fixed:
    struct arch_aspace *arch;

    u32 ref_count;          // atomic; of the kernel's without meaning
    struct arch_aspace own; // of a further one: `arch` points to it
};

enum area_kind : u8 {
    AREA_MEMORY, // a linear memory: [start, start + accessible) commits on touch, the rest is guard
    AREA_STACK,  // grows down: [end - accessible, end) is committed, the rest is guard
    AREA_DATA, // [start, start + accessible) is committed; the kernel's C code reads and writes it
};

// What a process may have; shared by all of its areas. A charge is bytes made accessible,
// committed or not.
struct memory_account {
    u64 charged; // atomic
    u64 limit;
    u64 committed; // atomic, bytes of frames
    bool is_kept;  // atomic: what its memories are granted from now on is promised (frame.h)
};

// No account (NULL) is the kernel's own: it is charged nothing. ERR_LIMIT: nothing changed.
MUST_USE enum status account_charge(struct memory_account *account, u64 bytes);
void account_refund(struct memory_account *account, u64 bytes);

// A memory of which no more pages than that have been committed can be used again (area_retire).
#define AREA_PAGES_KEPT 6u

struct area {
    struct vma vma;
    struct aspace *as;
    struct memory_account *account; // NULL: the kernel's
    union {
        struct image *image;    // what a memory starts with; NULL: zeros. Holds a reference
        struct data_page *page; // AREA_DATA: of data.c
    };
    u32 device_count; // atomic: mappings that show a device
    enum area_kind kind;

    // Under aspace.lock:
    u64 accessible;
    u64 touched;                    // bytes of a memory that have been committed
    u64 promised;                   // bytes of the rest for which there will be frames
    u32 committed[AREA_PAGES_KEPT]; // the first of its pages that were, numbered from its start
    struct vma_tree mappings;       // what lies over pages of a memory (mapping.h)
    struct vma_tree aside;          // frames that had to make room, of mapping.c alone
};

void aspace_init(struct aspace *as, struct arch_aspace *arch);
struct aspace *aspace_kernel(void); // the shared one

// A further one, empty; the caller owns a reference. ERR_NO_MEMORY.
MUST_USE enum status aspace_create(struct aspace **out);

// Who has areas in an address space holds a reference. Releasing is for thread context.
void aspace_retain(struct aspace *as);
void aspace_release(struct aspace *as);

// Whether the running thread is in it, so that what is mapped there can be reached as it is.
static inline bool aspace_is_current(const struct aspace *as) {
    return as->arch == arch_aspace_current();
}

// How many there are besides the kernel's.
u32 aspace_count(void);

// Visits each, the kernel's too. What keeps them meanwhile is a spinlock.
void aspace_for_each(void (*visit)(struct aspace *as, void *context), void *context);

// Reserves `bytes` (page-aligned), nothing accessible. The area is the caller's until destroyed;
// the account outlives it. ERR_NO_MEMORY.
MUST_USE enum status area_create(struct aspace *as, enum area_kind kind, u64 bytes,
                                 struct memory_account *account, struct area **out);

// Charges and makes the area accessible up to `bytes` (page-aligned) in all; it never shrinks.
// Memory areas commit later, the others at once. ERR_LIMIT (of the account or the area; a stack
// keeps a guard page), ERR_NO_MEMORY: nothing changed. Calls for one area are the caller's to
// serialise. Where the account is kept, a memory is promised its frames; else it is refused any
// when next to none is left, so that those who have something find frames for it.
MUST_USE enum status area_grow(struct aspace *as, struct area *area, u64 bytes);

// Has a memory that nobody has touched start with `image`, of which it takes a reference: pages
// that are read are shared with all others that do, those that are written become the memory's own.
void area_set_image(struct aspace *as, struct area *area, struct image *image);

// Nobody uses the memory any more: makes it what it was when it was new, of `accessible` bytes,
// charged to nobody, with some frames of its own for whoever is next. False, when it has so many
// that it is no good for that: nothing has changed. Thread context, in the address space.
MUST_USE bool area_retire(struct aspace *as, struct area *area, u64 accessible);

// Gives it, or a stack that is charged to nobody, to an account. ERR_LIMIT, ERR_NO_MEMORY: nothing
// changed.
MUST_USE enum status area_adopt(struct aspace *as, struct area *area,
                                struct memory_account *account);

// Unmaps, frees the frames, refunds, frees the area. NULL is allowed. Nobody uses the area any
// more, nothing lies over it (mapping.h), but a fault that comes late is answered with ERR_FAULT.
// Thread context.
void area_destroy(struct aspace *as, struct area *area);

// A page fault in the slots region: commits what may be committed. OK: try again. ERR_NO_MEMORY:
// in bounds, but no frame is left. ERR_FAULT: not accessible. ERR_NO_ACCESS: mapped for reading
// only. Fault context, interrupts off; thread context, too.
MUST_USE enum status aspace_fault(struct aspace *as, struct virt_addr address,
                                  enum fault_access access);

// The same for code that may reach only what is charged to `account` (NULL: the kernel's own).
// ERR_DENIED: the address is in no such area, so the code should not have been able to form it.
MUST_USE enum status aspace_fault_own(struct aspace *as, struct virt_addr address,
                                      enum fault_access access,
                                      const struct memory_account *account);

// The frame that a read or write at a page would reach. It stays there as long as the lock is held.
// ERR_NOT_FOUND: there is a fault to repair first. ERR_FAULT: the page shows a device.
MUST_USE enum status aspace_reach_locked(struct aspace *as, struct virt_addr page,
                                         enum fault_access access, struct phys_addr *frame);

// Walks all of its page tables. Returns how many pages of its own are mapped.
u64 aspace_check(const struct aspace *as);
