#pragma once
// The manifest: which services there are, and what each of them has. docs/system.md describes it
// for people.
//
//   # a comment
//   service tmp
//       run       /boot/bin/tmpfs.wasm $tmp 256M
//       serves    tmp directory
//       memory    300M
//       restart   always
//
// A block begins with `service NAME`; each line is a key and words. In the words of `run`, $NAME is
// the descriptor of what is called NAME: a scheme that the service serves, or a channel it uses.

#include "base/types.h"
#include "user/sdk/kwast.h"

#define NAME_BYTES    32u
#define SERVICES_MAX  64u
#define WORDS_MAX     32u
#define CPUS_MAX      32u
#define SCHEMES_MAX   8u
#define NEEDS_MAX     16u
#define VARIABLES_MAX 16u
#define CLAIMS_MAX    8u

enum restart { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

enum start_time {
    START_BOOT,
    START_WANTED,  // when somebody wants it (INIT_START)
    START_SCREEN,  // at boot, where there is a screen
    START_MACHINE, // at boot, where there are devices
};

// Whether it is kept memory (KWAST_RESERVE_SERVICE).
enum reserve { RESERVE_IF_IT_SERVES, RESERVE_NO, RESERVE_YES };

// What descriptors 0 to 2 are.
enum streams {
    STREAMS_LOG,      // nothing to read; what is written is shown on the console
    STREAMS_DEVICE,   // the console as a device
    STREAMS_TERMINAL, // a service's
};

struct served {
    char name[NAME_BYTES];
    enum kwast_kind kind;
};

// Something of the machine that a driver has for itself (docs/drivers.md).
enum claim_kind { CLAIM_PORTS, CLAIM_INTERRUPT, CLAIM_SCREEN, CLAIM_MACHINE, CLAIM_PCI };

struct claim {
    char name[NAME_BYTES];
    enum claim_kind kind;
    u32 first; // port, or interrupt line
    u32 count; // of ports
    u64 match; // of CLAIM_PCI: abi/kwast/pci.h
};

struct service_config {
    u32 line; // in the manifest
    char name[NAME_BYTES];
    char *words[WORDS_MAX]; // of `run`: the module's path, and arguments
    u32 word_count;
    struct served serves[SCHEMES_MAX];
    u32 serves_count;
    char sees[NEEDS_MAX][NAME_BYTES]; // directories
    char *paths[NEEDS_MAX];           // as what; NULL: /NAME
    u32 sees_count;
    char uses[NEEDS_MAX][NAME_BYTES]; // channels
    u32 uses_count;
    u32 keeps;       // handles that init keeps for it
    bool sets_clock; // what it sees of the kernel lets it set the time of day
    struct claim claims[CLAIMS_MAX];
    u32 claim_count;
    enum streams streams;
    char terminal[NAME_BYTES];
    char *variables[VARIABLES_MAX];
    u32 variable_count;
    struct kwast_spawn limits; // memory, handles, threads, CPU share, CPUs, isolation
    enum reserve reserve;
    enum restart restart;
    enum start_time start; // START_WANTED with a PCI function: when that is there (INIT_FOUND)
};

struct manifest {
    struct service_config services[SERVICES_MAX];
    u32 count;
    bool is_first;   // of what is read: the next line is the first of its service
    char error[128]; // what is wrong with it; empty: nothing
    u32 error_line;
};

// Takes `text`, which is NUL-terminated, apart: it is changed, and must stay. False: `error` says
// what is wrong, in `error_line`.
bool manifest_parse(struct manifest *manifest, char *text);
