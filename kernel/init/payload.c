// The product's payload: none.

#include "kernel/init/payload.h"

bool payload_run(struct bytes script, u32 *exit_status) {
    (void)script;
    (void)exit_status;
    return false;
}
