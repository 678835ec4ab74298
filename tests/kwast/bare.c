// Spawns /boot/bin/nothing.wasm without a single handle, and says what has become of it.

#include <stdio.h>

#include "user/sdk/start.h"

int main(void) {
    struct start start;
    kwast_handle child;
    struct kwast_status status;
    start_init(&start, "nothing");
    start_argument(&start, "nothing");
    u32 error = start_run(&start, "/boot/bin/nothing.wasm", &child);
    if (error == 0)
        error = kwast_process_wait(child, -1, &status);
    if (error != 0)
        printf("bare: error %u %s\n", error, start.reason);
    else
        printf("bare: outcome %u status %u\n", status.outcome, status.status);
    start_fini(&start);
    return 0;
}
