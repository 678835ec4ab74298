// Polling the mouse: not ready as long as nothing has moved, then ready with all that can be read.
// Prints "mouse: move it" when the test is to move it once, and then what it found.

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "abi/kwast/input.h"

static int mouse;

static bool is_ready(int timeout_ms) {
    struct pollfd event = {.fd = mouse, .events = POLLRDNORM};
    return poll(&event, 1, timeout_ms) == 1 && (event.revents & POLLRDNORM) != 0;
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    mouse = open("/dev/mouse", O_RDONLY);
    bool was_ready = is_ready(0);
    printf("mouse: move it\n");
    bool became_ready = is_ready(-1);
    struct input_motion motion = {0};
    ssize_t len = read(mouse, &motion, sizeof motion);
    bool is_still_ready = is_ready(0);
    printf("mouse: ready %d, %d, %d; %d bytes, %d %d\n", was_ready, became_ready, is_still_ready,
           (int)len, motion.right, motion.down);
    return 0;
}
