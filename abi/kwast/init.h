#pragma once
// What is asked of init: calls (abi/kwast/calls.h) on a channel to it, which the manifest gives by
// `uses init`. An answer is an enum status.

#include "abi/kwast/calls.h"

enum init_op : u32 {
    INIT_POWER_OFF = KWAST_FIRST_OPERATION, // stops all services, and then the machine

    // There is a PCI function words[0] = vendor << 16 | device: starts the drivers that wait for
    // one. 0: that was all.
    INIT_FOUND,

    // The service whose name is the call's bytes is wanted now: starts it, if the manifest says
    // that it waits for that and it was not started yet. ERR_NOT_FOUND.
    INIT_START,

    // bytes = a service's name: ends it, wherever it is, and starts it again at once.
    // ERR_NOT_FOUND: no such service runs.
    INIT_RESTART,

    // On the channel that the manifest gives by `keeps`: handles that a service finds again when it
    // has been started again, by numbers below the one in the manifest. They are nobody else's.
    INIT_KEEP, // words[0] = the number, and a handle: in place of what had the number
    INIT_KEPT, // words[0] = the number; answers the handle. ERR_NOT_FOUND: there is none
};
