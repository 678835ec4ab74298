// Opens "/data/dir/inner" many times while a test swaps "dir" for a link to outside, and says what
// it has seen. Exits with 1 when it has read what is outside, and with 2 when opening fails in a
// way that this does not explain.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES 3000

int main(void) {
    for (int i = 0; i < TRIES; i++) {
        char text[16] = "";
        int fd = open("/data/dir/inner", O_RDONLY);
        if (fd < 0 && errno != ENOENT && errno != ENOTCAPABLE && errno != ENOTDIR &&
            errno != EBUSY) {
            perror("dir/inner");
            return 2;
        }
        if (fd >= 0)
            read(fd, text, sizeof text - 1);
        if (strstr(text, "SECRET") != NULL) {
            puts("outside!");
            return 1;
        }
        if (fd >= 0)
            close(fd);
    }
    puts("never outside");
    return 0;
}
