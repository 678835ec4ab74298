#pragma once
// A 9P server in the test's own process, over a directory of the host's. Like QEMU's it knows a fid
// by its path, and asks for attributes by path, whether the fid is open or not.

#include "user/services/ninep/p9.h"

#define FAKE_9P_FIDS  512u
#define FAKE_9P_BYTES 8192u // of a message

struct fake_9p {
    struct p9_transport transport;
    const char *version; // what it says that it speaks
    u32 message_bytes;   // and takes
    u32 exchanges;       // so far
    // Changes the answer before it goes, of *len bytes; NULL: an honest server.
    void (*spoil)(struct fake_9p *fake, u32 *len);
    void *context;
    // The server's own:
    char root[128];
    struct {
        bool is_used;
        char path[512];
        int fd; // -1: not open
        void *list;
    } fids[FAKE_9P_FIDS + 1]; // the last one is never in use
    u8 request[FAKE_9P_BYTES];
    u8 reply[FAKE_9P_BYTES];
    u8 *sent; // the last answer, in memory of its own: nothing is behind it
};

void fake_9p_init(struct fake_9p *fake, const char *root);
void fake_9p_fini(struct fake_9p *fake);

u32 fake_9p_fids_in_use(const struct fake_9p *fake);
