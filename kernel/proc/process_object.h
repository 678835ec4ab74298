#pragma once
// Processes as objects: what a handle to a process names. Readable when the process has ended. And
// the table of all of them, as an object that leads to each.

#include "kernel/ipc/object.h"
#include "kernel/proc/process.h"

// A new reference to an object that holds a reference to the process.
MUST_USE enum status process_object_create(struct process *process, struct object **out);
bool process_object_is(const struct object *object);
struct process *process_object_process(struct object *object); // lives as long as the object

// The one table; no reference is taken.
struct object *process_table_object(void);

// Whether it leads to processes: the table, or a process, which leads to those that descend from
// it.
bool process_object_leads(const struct object *object);
