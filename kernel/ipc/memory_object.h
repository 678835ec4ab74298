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

bool memory_object_is(const struct object *object);

u64 memory_object_pages(struct object *memory);

// The frames from a page on.
struct mapping_frames memory_object_frames(struct object *memory, u64 first_page);

// PAGE_DEVICE, or nothing: what every mapping of it has besides its rights.
enum page_rights memory_object_rights(struct object *memory);
