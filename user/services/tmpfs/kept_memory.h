#pragma once
// Memory for the stock that init keeps (abi/kwast/init.h), in pieces.

#include "user/sdk/kwast.h"
#include "user/services/tmpfs/stock.h"

// Has room for `size` bytes, and shows what was kept there. KWAST_NO_HANDLE as `keeper`: it is our
// own memory, and is kept by nobody. Not more than once. False: there is no memory.
bool kept_memory_open(kwast_handle keeper, u64 size, struct stock_source *source);
