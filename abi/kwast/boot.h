#pragma once
// The boot archive: a tar (ustar) whose entries are
//
//   boot/run      optional: what to run, as records (below)
//   bin/init.wasm without boot/run: the first process, which starts all others. Its descriptors are
//                 the console as a device (0 to 2), as preopened directories /boot (3), which is
//                 this archive, and /kernel (4), all processes (5), and the machine (6), where
//                 programs can have devices. Without it the kernel starts its demonstration and
//                 prompt
//   bin/NAME.wasm programs
//   anything else files, below the root of the read-only file system that is made from the tar
//
// boot/run is a sequence of NUL-terminated strings "key=value":
//
//   program=PATH        the program, a path in the archive; required, first
//   arg=TEXT            an argument; argv[0] comes first
//   env=NAME=VALUE      an environment variable
//   preopen=GUEST=PATH  a preopened directory: the archive's PATH under the name GUEST
//   root=GUEST=NUMBER   another: the directory NUMBER of who is at the other end of the link
//                       (abi/kwast/file.h)
//   kernel=GUEST        another: what the kernel tells about itself (processes, cpus, ...)
//   share=NUMBER        the process's share of the CPU, 1 to 1000
//   trace=EVENTS        trace, keep so many events of each CPU, and send LINK_TRACE in the end
//   memory=BYTES        limit of the process's memory
//   invoke=NAME         call this export, with the args after argv[0] as its arguments
//   isolation=DOMAIN    sip (the default), or domain: a protection domain of its own
//   times=1             send LINK_TIMES
//   wast=1              `program` is a specification script (tests only)
//
// The kernel's command line knows: log=serial|none, quiet, mem=BYTES (use less RAM), prompt (no
// bin/init.wasm), and in debug
// builds panic (stop with one, for the test of the report).

#define BOOT_RUN_PATH "boot/run"
