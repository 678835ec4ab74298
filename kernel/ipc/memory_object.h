#pragma once
// Memory that is an object: frames that processes map over pages of their own (mapping.h). It is
// there as a whole from the beginning, cleared, so that nobody who maps it ever finds a page
// missing; and it stays as long as a handle to it or a mapping of it does.

#include "kernel/ipc/object.h"
#include "kernel/mm/mapping.h"

// Makes memory of so many pages, charged to `account` as long as it lives. `payer` is an object
// that keeps the account alive; a reference of it is kept. ERR_LIMIT, ERR_NO_MEMORY, ERR_KILLED.
// Thread context.
MUST_USE enum status memory_object_create(u64 pages, struct memory_account *account,
                                          struct object *payer, struct object **out);

// The same in contiguous frames, which a device may write to until it is said that none does: the
// frames of a memory object that goes before that are put aside.
MUST_USE enum status memory_object_create_dma(u64 pages, struct memory_account *account,
                                              struct object *payer, struct object **out);
bool memory_object_is_dma(const struct object *object);
void memory_object_dma_done(struct object *memory);

// No device writes to any memory that there is now, but for the port's own: so all of it is done,
// and what was put aside is freed.
void memory_object_dma_reclaim(void);

struct dma_stats {
    u64 pages; // in all
    u64 aside;
};
void memory_object_dma_stats(struct dma_stats *out);

// A range of a device's (arch.h), PAGE_DEVICE and perhaps PAGE_COMBINING. ERR_BUSY: a part of it
// belongs to another one. ERR_INVALID, ERR_NO_ACCESS as the port says. ERR_NO_MEMORY.
MUST_USE enum status memory_object_create_range(struct phys_addr start, u64 pages,
                                                enum page_rights rights, struct object **out);

bool memory_object_is(const struct object *object); // any of the three

u64 memory_object_pages(struct object *memory);

// The frames from a page on.
struct mapping_frames memory_object_frames(struct object *memory, u64 first_page);

// The frame of one page.
struct phys_addr memory_object_frame(struct object *memory, u64 page);

// PAGE_DEVICE with what belongs to it, or nothing: what every mapping has besides its rights.
enum page_rights memory_object_rights(struct object *memory);
