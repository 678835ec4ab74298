#pragma once
// What services have init keep for those that come after them (abi/kwast/init.h).

#include "base/status.h"
#include "user/sdk/kwast.h"

#define KEPT_MAX 256u // for each service

// `owner` is which service, below SERVICES_MAX; `number` is below KEPT_MAX. Takes the handle over,
// unless it fails.
enum status keep_put(u32 owner, u32 number, kwast_handle handle);

// *out is another handle to the same. ERR_NOT_FOUND.
enum status keep_get(u32 owner, u32 number, kwast_handle *out);
