#pragma once
// A machine that runs Kwast: QEMU, or the kernel as a Linux process, as a child process that does
// not outlive its starter.

#include "base/types.h"
#include "engine/api/engine.h"

enum machine_kind {
    MACHINE_QEMU,
    MACHINE_HOSTED,
};

struct machine_config {
    enum machine_kind kind;
    int archive;   // descriptor of the boot archive, a regular file
    u64 ram_bytes; // a multiple of MIB
    u32 cpus;
    enum cpu_level cpu;  // what code may use; QEMU's CPU has no more than that of what is optional
    const char *append;  // the kernel's command line
    const char *symbols; // whom to tell of compiled functions: perf, gdb or NULL; hosted only
    bool runs_scripts;   // the kernel that runs specification scripts
};

// The descriptors are our ends, and non-blocking.
struct machine {
    int pid;
    int link;   // stream socket: abi/kwast/link.h
    int serial; // what the machine prints on its serial line
    int errors; // what QEMU itself prints; a Linux process prints everything here
};

// Where the program or file `name` lies that was built along with the running program; on failure
// says why.
MUST_USE bool program_beside(const char *name, char *out, usize size);

// Starts QEMU, found in PATH, with the kernel image that KWAST_KERNEL names or that lies beside
// this program; or the kernel as a process, which KWAST_HOSTED names or which lies there too. The
// kernels that run scripts lie beside this program. On failure says why and returns false.
MUST_USE bool machine_start(const struct machine_config *config, struct machine *out);

// Suspends and continues the whole machine.
void machine_pause(const struct machine *machine);
void machine_resume(const struct machine *machine);

// Waits up to `timeout_ms` for it to end by itself.
void machine_wait(const struct machine *machine, u32 timeout_ms);

// Ends the machine at once and closes the descriptors. May be called again.
void machine_end(struct machine *machine);
