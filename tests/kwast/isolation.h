#pragma once
// Which domain a test puts its children in: with ISOLATION=domain in the environment each in one of
// its own. So the same tests are run across domains.

#include <stdlib.h>
#include <string.h>

#include "abi/kwast/calls.h"

static inline u32 isolation_of_children(void) {
    const char *wish = getenv("ISOLATION");
    return wish != NULL && strcmp(wish, "domain") == 0 ? KWAST_ISOLATION_DOMAIN
                                                       : KWAST_ISOLATION_SIP;
}
