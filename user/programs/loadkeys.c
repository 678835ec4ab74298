// loadkeys: chooses what the keys of the keyboard mean.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEYMAPS    "/boot/etc/keymaps/"
#define KEYBOARD   "/dev/keyboard"
#define TEXT_BYTES 32768

static const char help[] = "usage: loadkeys LAYOUT\n"
                           "LAYOUT is a file, or the name of one in " KEYMAPS ": us, de, fr, be.\n";

static int fail(const char *what) {
    fprintf(stderr, "loadkeys: %s: %s\n", what, strerror(errno));
    return 1;
}

// What the keyboard's driver found wrong.
static int report(const char *path) {
    char text[256];
    int keyboard = open(KEYBOARD, O_RDONLY);
    ssize_t len = keyboard < 0 ? -1 : read(keyboard, text, sizeof text);
    if (len < 0)
        return fail(KEYBOARD);
    fprintf(stderr, "loadkeys: %s:%.*s", path, (int)len, text);
    return 1;
}

int main(int argc, char **argv) {
    static char text[TEXT_BYTES];
    char path[512];
    if (argc != 2 || strcmp(argv[1], "--help") == 0) {
        fputs(help, argc == 2 ? stdout : stderr);
        return argc == 2 ? 0 : 2;
    }
    snprintf(path, sizeof path, "%s%s", strchr(argv[1], '/') != NULL ? "" : KEYMAPS, argv[1]);
    int file = open(path, O_RDONLY);
    ssize_t len = file < 0 ? -1 : read(file, text, sizeof text);
    if (len < 0)
        return fail(path);
    int keyboard = open(KEYBOARD, O_WRONLY);
    if (keyboard < 0)
        return fail(KEYBOARD);
    if (write(keyboard, text, (size_t)len) == len) // in one piece: half of a layout is another one
        return 0;
    return errno == EINVAL ? report(path) : fail(KEYBOARD);
}
