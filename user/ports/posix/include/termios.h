#pragma once
// Terminals as POSIX has them, over Kwast's protocol (abi/kwast/terminal.h).

typedef unsigned tcflag_t;
typedef unsigned char cc_t;
typedef unsigned speed_t;

#define NCCS 32
struct termios {
    tcflag_t c_iflag, c_oflag, c_cflag, c_lflag;
    cc_t c_line;
    cc_t c_cc[NCCS];
    speed_t c_ispeed, c_ospeed;
};

enum {
    VINTR,
    VQUIT,
    VERASE,
    VKILL,
    VEOF,
    VTIME,
    VMIN,
    VSWTC,
    VSTART,
    VSTOP,
    VSUSP,
    VEOL,
    VREPRINT,
    VDISCARD,
    VWERASE,
    VLNEXT,
    VEOL2
};

#define BRKINT    0002
#define ICRNL     0400
#define INLCR     0100
#define IGNCR     0200
#define INPCK     0020
#define ISTRIP    0040
#define IUCLC     01000
#define IXON      02000
#define IXOFF     010000
#define IXANY     04000
#define IMAXBEL   020000
#define OPOST     0001
#define ONLCR     0004
#define OLCUC     0002
#define OCRNL     0010
#define CSIZE     0060
#define CS8       0060
#define PARENB    0400
#define CREAD     0200
#define CLOCAL    04000
#define HUPCL     02000
#define ISIG      0001
#define ICANON    0002
#define ECHO      0010
#define ECHOE     0020
#define ECHOK     0040
#define ECHONL    0100
#define ECHOCTL   01000
#define ECHOKE    04000
#define NOFLSH    0200
#define TOSTOP    0400
#define IEXTEN    0100000
#define XTABS     014000
#define TCSANOW   0
#define TCSADRAIN 1
#define TCSAFLUSH 2
#define TCIFLUSH  0
#define TCOFLUSH  1
#define TCIOFLUSH 2
#define B0        0
#define B9600     13
#define B38400    15
#define B115200   4098

int tcgetattr(int fd, struct termios *out);
int tcsetattr(int fd, int when, const struct termios *mode);
int tcflush(int fd, int queue);
int tcdrain(int fd);
int tcsendbreak(int fd, int duration);
speed_t cfgetospeed(const struct termios *mode);
speed_t cfgetispeed(const struct termios *mode);
int cfsetospeed(struct termios *mode, speed_t speed);
int cfsetispeed(struct termios *mode, speed_t speed);
void cfmakeraw(struct termios *mode);
