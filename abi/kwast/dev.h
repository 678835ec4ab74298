#pragma once
// What drivers tell the service that has /dev: calls (abi/kwast/calls.h) on the channel that they
// are given for it, which no program has.

#include "abi/kwast/calls.h"

enum dev_op : u32 {
    // There is a device: the call's bytes are its name, and its handle is what opening it gives. It
    // replaces one of the same name, as when a driver was started again. ERR_EXISTS: the name is
    // one
    // of those that no driver serves. ERR_LIMIT: there are too many.
    DEV_ADD = KWAST_FIRST_OPERATION,
};

#define DEV_NAME_MAX 31u
