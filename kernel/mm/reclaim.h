#pragma once
// Memory that somebody keeps at hand though nobody uses it: given back when there is need, and
// before figures are compared.

#include "base/types.h"

// `trim` gives back what it can. It takes no locks but spinlocks, and may be
// called in fault context. At boot; for good.
void reclaim_register(void (*trim)(void));

// Calls all of them. No spinlock is held.
void reclaim(void);
