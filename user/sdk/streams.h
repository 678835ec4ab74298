#pragma once
// Streams of bytes that a driver has: files in a directory, which programs read, write and poll.
//
//   stream_set_init(&set, server);
//   error = stream_set_add(&set, &stream);         for each; name, send and resume are set
//   then, again and again:
//     stream_set_serve(&set);                      whatever clients ask for
//     stream_receive(&stream, bytes, len);          what came from the device, within stream_room
//     stream_can_send(&stream);                     when the device takes more again
//
// A write is answered when the device has taken all of it, a read when something has come. Not for
// several threads.

#include "user/sdk/device_files.h"
#include "user/sdk/files.h"

#define STREAM_WAITS_MAX    16u
#define STREAM_RECEIVED_MAX (64u << 10) // bytes that nobody has read yet
#define STREAM_SENT_AT_ONCE 4096u

struct stream_wait {
    u64 number; // of the call
    u32 len;
    u32 done;
};

struct stream_waits {
    struct stream_wait items[STREAM_WAITS_MAX]; // the first ones came first
    u32 count;
};

// What poll knows of a channel.
struct stream_end {
    kwast_handle ready; // KWAST_NO_HANDLE: there is no such channel
    u32 events;
    u64 available;
};

struct stream {
    // The driver's:
    const char *name;
    u32 (*send)(struct stream *stream, const u8 *bytes, u32 len); // returns how many it has taken;
                                                                  // if not all, stream_can_send
                                                                  // follows
    void (*resume)(struct stream *stream); // there is room for what comes; NULL: that is no news

    // The library's:
    struct stream_set *set;
    struct device_file file;
    kwast_handle channel; // for whoever opens the file
    struct stream_end end;
    struct stream_end lent; // while somebody has the stream alone
    u8 *received;
    u32 put;   // bytes ever put in there, modulo 2^32
    u32 taken; // and taken out
    struct stream_waits reads;
    struct stream_waits writes;
};

struct stream_set {
    kwast_handle server;
    struct device_files directory;
    struct files files;
};

void stream_set_init(struct stream_set *set, kwast_handle server);

// An error number of WASI.
u32 stream_set_add(struct stream_set *set, struct stream *stream);

// Answers all requests that have come.
void stream_set_serve(struct stream_set *set);

u32 stream_room(const struct stream *stream);
void stream_receive(struct stream *stream, const u8 *bytes, u32 len);
void stream_can_send(struct stream *stream);

// A channel for somebody who is to have the stream alone: until it is closed, opening the file is
// ERR_BUSY. Not while it is lent. An error number of WASI.
u32 stream_lend(struct stream *stream, kwast_handle *out);
bool stream_is_lent(const struct stream *stream);
