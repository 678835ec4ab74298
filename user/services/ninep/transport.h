#pragma once
// Messages of 9P over a virtio device.

#include "user/sdk/virtio.h"
#include "user/services/ninep/p9.h"

// Claims the first device that matches. `*out` lives as long as the process. A device that breaks
// the rules later, or whose bus goes, ends the process: who starts it again has the device reset.
enum status ninep_transport_open(kwast_handle claims, struct p9_transport **out);
