#pragma once
// The kernel as a service sees it, for fuzzing services on the host: clients whose calls are made
// of the fuzzer's input, their grants and channels, and handles that are counted. Every service is
// compiled with `close` and the heap's functions renamed to those here.
//
// What is stated for every service: each call is answered once, and in the end at all; answers are
// statuses, and say no more data than there was room for; when all clients have gone, the service
// has as many handles as before.

#include "user/sdk/kwast.h"

#define FAKE_SERVER 7u // the handle of the server end

// -- Input --------------------------------------------------------------------------------------

struct input {
    const u8 *data;
    usize len;
};

u8 input_u8(struct input *input); // 0 at the end
u32 input_u32(struct input *input);
u64 input_u64(struct input *input);
void input_fill(struct input *input, void *to, usize len);

// -- Clients ------------------------------------------------------------------------------------

struct fake_service {
    kwast_serve_func serve;
    void *context;
    const u32 *operations; // that clients ask for
    u32 operation_count;
    const u64 *roots; // values of the channels that clients have at first
    u32 root_count;
    void (*between)(struct input *input); // what else happens, now and then; NULL: nothing
    u32 keeps;                            // handles that it may have more in the end
};

// Forgets everything of the input before.
void fake_begin(void);

// Makes calls until the input is used up, and then closes everything.
void fake_run(const struct fake_service *service, struct input *input);

u32 fake_handles(void); // how many the service has
u32 fake_handle_create(void);

// -- The heap -----------------------------------------------------------------------------------

// The n-th allocation from now on fails; 0: none does.
void fake_heap_fail(u32 nth);

// Frees what is left, as the end of a process does. Returns how many blocks that were.
u32 fake_heap_clear(void);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)
