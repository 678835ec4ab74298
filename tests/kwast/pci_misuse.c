// Messages that no driver would send, to the PCI service: it answers all of them, stays, and gives
// the next driver what it asks for.
//
//   pci_misuse       as init, with the machine at descriptor 6, and pci in /boot/bin

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/kwast/file.h"
#include "abi/kwast/pci.h"
#include "base/status.h"
#include "user/sdk/start.h"

#define MACHINE  6u
#define MESSAGES 4000u

static kwast_handle server;
static kwast_handle service;
static u64 random_state = 99;

static u64 next_random(void) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return random_state >> 24;
}

static void need(u32 error, const char *what) {
    if (error == 0)
        return;
    printf("wrong: %s: %s\n", what, strerror((int)error));
    exit(1);
}

static void start_pci(void) {
    struct start start;
    need(kwast_scheme_create("pci", 3, &server), "scheme");
    start_init(&start, "pci");
    start_handle(&start, 1, 1);
    start_handle(&start, 2, 2);
    start_handle_with(&start, server, 3, KWAST_RIGHT_SERVE);
    start_handle(&start, MACHINE, 4);
    const char *const words[] = {"pci", "3", "4", "-1"};
    for (u32 i = 0; i < sizeof words / sizeof words[0]; i++)
        start_argument(&start, words[i]);
    need(start_run(&start, "/boot/bin/pci.wasm", &service), "pci");
    start_fini(&start);
}

// A word that means something now and then.
static u64 any_word(void) {
    static const u64 words[] = {0,           1,
                                2,           5,
                                6,           63,
                                64,          4096,
                                8192,        KWAST_DMA_MAX,
                                PCI_DMA_MAX, UINT32_MAX,
                                1ull << 32,  1ull << 63,
                                UINT64_MAX,  UINT64_MAX - 4095};
    return next_random() % 4 == 0 ? next_random() : words[next_random() % 16];
}

static kwast_handle claims_of(u64 match) {
    kwast_handle claims;
    need(kwast_scheme_channel(server, match, KWAST_KIND_PLAIN, &claims), "claims");
    return claims;
}

static kwast_handle claim(kwast_handle claims) {
    struct kwast_call call;
    do { // the service may not have heard yet that the function was given back
        call = (struct kwast_call){.operation = PCI_CLAIM};
        need(kwast_scheme_call(claims, &call, -1), "claiming");
    } while (call.answer == ERR_BUSY);
    need(call.answer == OK ? 0 : EIO, "claiming: the answer");
    return call.handle;
}

// One message; what comes back is given away at once, or kept for a while.
static void send_any(kwast_handle channel, const char *name) {
    static kwast_handle kept[16];
    static u8 memory[8192];
    const struct kwast_grant grant = {(u32)(uptr)memory, (u32)(next_random() % sizeof memory),
                                      (u32)(next_random() % 4)};
    struct kwast_call call = {
        .operation = (u32)(KWAST_FIRST_OPERATION + next_random() % 30),
        .bytes = (u32)(uptr)memory,
        .bytes_len = (u32)(next_random() % 300),
        .grants = (u32)(uptr)&grant,
        .grant_count = next_random() % 2,
        .handles = (u32)(uptr)&service,
        .handle_count = next_random() % 2,
        .words = {any_word(), any_word(), any_word(), any_word()},
    };
    u32 error = kwast_scheme_call(channel, &call, -1);
    if (error == EINVAL || error == EACCES || error == EFAULT)
        return; // the kernel has refused the grant
    need(error, name);
    if (call.handle == KWAST_NO_HANDLE)
        return;
    u32 slot = (u32)(next_random() % 16);
    if (kept[slot] != 0)
        close((int)kept[slot]);
    kept[slot] = call.handle;
}

int main(void) {
    static const u64 matches[] = {PCI_MATCH_FLAG, UINT64_MAX, PCI_MATCH_FLAG | 1ull << 62};
    struct kwast_status status;
    kwast_handle root;
    start_pci();
    need(kwast_scheme_root(server, KWAST_KIND_DIRECTORY, &root), "root");
    kwast_handle claims = claims_of(pci_match(0x1af4, 0x1044, 0x1005));
    kwast_handle function = claim(claims);
    kwast_handle stranger = claims_of(1ull << 62 | 12345); // no function has this number
    kwast_handle number = claims_of(77);                   // nor is this an open file
    for (u32 i = 0; i < MESSAGES; i++) {
        send_any(function, "a function");
        send_any(claims, "claims");
        send_any(root, "the root");
        send_any(stranger, "a stranger");
        send_any(number, "a number");
    }
    for (u32 i = 0; i < sizeof matches / sizeof matches[0]; i++) {
        kwast_handle channel = claims_of(matches[i]);
        for (u32 j = 0; j < 100; j++)
            send_any(channel, "a match");
        close((int)channel);
    }
    // The function is given back, and serves the next one.
    close((int)function);
    for (u32 i = 0; i < 3; i++) {
        function = claim(claims);
        struct kwast_call call = {.operation = PCI_DMA, .words = {PCI_DMA_MAX}};
        need(kwast_scheme_call(function, &call, -1), "memory");
        need(call.answer == ERR_LIMIT ? 0 : EIO, "too much memory");
        call = (struct kwast_call){.operation = PCI_DMA, .words = {4096}};
        need(kwast_scheme_call(function, &call, -1), "memory");
        need(call.answer == OK ? 0 : EIO, "memory: the answer");
        close((int)call.handle);
        close((int)function);
    }
    if (kwast_process_wait(service, 0, &status) == 0)
        puts("wrong: the service has ended");
    puts("all right");
    return 0;
}
