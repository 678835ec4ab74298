#pragma once
// The one request that is understood: how large the terminal is.

struct winsize {
    unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel;
};

#define TIOCGWINSZ 0x5413
#define TIOCSWINSZ 0x5414
#define FIONREAD   0x541b

int ioctl(int fd, int request, ...);
