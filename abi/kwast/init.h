#pragma once
// What is asked of init: calls (abi/kwast/calls.h) on a channel to it, which the manifest gives by
// `uses init`. An answer is an enum status.

#include "abi/kwast/calls.h"

enum init_op : u32 {
    INIT_POWER_OFF = KWAST_FIRST_OPERATION, // stops all services, and then the machine

    // There is a PCI function words[0] = vendor << 16 | device: starts the drivers that wait for
    // one.
    INIT_FOUND,

    // The service whose name is the call's bytes is wanted now: starts it, if the manifest says
    // that it waits for that and it was not started yet. ERR_NOT_FOUND.
    INIT_START,
};
