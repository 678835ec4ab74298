#pragma once
// The import module `kwast`: what a program can ask the kernel beyond WASI. A program declares what
// it uses; user/sdk does that for C. Numbers are little-endian, addresses are in the caller's
// memory.
//
// Every call returns 0, or an error number of WASI preview 1: EBADF for a number that is no open
// handle, ENOTCAPABLE for a handle that is of another kind or lacks the right, EFAULT for an
// address outside of the memory or where a device is mapped, EACCES where a result would go to
// pages that are mapped for reading only, EINVAL for anything else that makes no sense, ENOMEM,
// EMFILE (a limit), EINTR (the process is to end), ETIMEDOUT. What a failed call was to store is
// not stored.
//
// A handle is a descriptor: fd_close closes it, poll_oneoff waits until it is readable, and
// fd_renumber moves it.
//
// A timeout is in nanoseconds: negative for none, 0 for not waiting at all.

#include "base/types.h"

#define KWAST_NO_HANDLE   UINT32_MAX

#define KWAST_WORDS       4u
#define KWAST_BYTES_MAX   4096u
#define KWAST_GRANTS_MAX  4u
#define KWAST_HANDLES_MAX 4u

// Calls that the servers of one scheme have received and not answered.
#define KWAST_RECEIVED_MAX 4096u

// Channels that were closed, of which the servers of one scheme have not been told.
#define KWAST_UNTOLD_MAX 4096u

// Rights of handles that are no files; those of files are WASI's, below bit 32.
enum kwast_right : u64 {
    KWAST_RIGHT_SERVE = 1ull << 32,   // receive and reply; make channels
    KWAST_RIGHT_CALL = 1ull << 33,    // scheme_call on a channel
    KWAST_RIGHT_SIGNAL = 1ull << 34,  // notification_signal
    KWAST_RIGHT_WAIT = 1ull << 35,    // notification_take; process_wait, process_status
    KWAST_RIGHT_KILL = 1ull << 36,    // process_kill
    KWAST_RIGHT_JOIN = 1ull << 37,    // letting a child into the process's domain
    KWAST_RIGHT_MAP = 1ull << 38,     // memory_map, for reading with WASI's fd_read, too, and for
                                      // writing with fd_write
    KWAST_RIGHT_DEVICES = 1ull << 39, // ranges, ports and interrupts of a machine
    KWAST_RIGHT_DMA = 1ull << 40,     // memory that devices reach; saying that they do not
};

// -- Handles --------------------------------------------------------------------------------------

// handle_duplicate(handle: i32, rights: i64, inheriting: i64, out: *u32)
//   A second handle to the same object, at the lowest free number, with these rights, all of which
//   the first one has (ENOTCAPABLE).

// -- Schemes --------------------------------------------------------------------------------------
// A scheme is a service (kernel/ipc/scheme.h tells the whole story). One process makes it and has
// the server end; clients have channels: the root, or something that the server opened for them.

// What a channel is to its holder.
enum kwast_kind : u32 {
    KWAST_KIND_PLAIN = 0, // for scheme_call alone
    KWAST_KIND_STREAM = 1,
    KWAST_KIND_FILE = 2,
    KWAST_KIND_DIRECTORY = 3,
    KWAST_KIND_TERMINAL = 4, // a stream at which somebody sits
};

// scheme_create(name: *u8, len: i32, out: *u32)
//   A new scheme; *out is its server end. The name, 1 to 63 bytes, is for people. It counts with
//   its channels, whoever makes those, as memory of the caller's (ENOMEM) until they are gone.

// scheme_channel(server: i32, value: i64, kind: i32, out: *u32)
//   A client's end, for something that the server knows by `value`: to be given to a child or in a
//   reply. It is of no use once the server has died. EMFILE: KWAST_UNTOLD_MAX channels were closed
//   that no server has been told of, by scheme_receive.

// scheme_root(server: i32, kind: i32, out: *u32)
//   The same for the value 0, and for every later server, too.

// What a read or a write would find now.
#define KWAST_READABLE 1u // a read would not wait: there are bytes, or it is the end
#define KWAST_WRITABLE 2u // a write would not wait
#define KWAST_HANGUP   4u // the other side is gone for good

// scheme_pollable(server: i32, value: i64, kind: i32, out: *u32, ready: *u32)
//   As scheme_channel, for a pipe, a terminal, a socket: something that can make wait. Where one of
//   scheme_channel is always ready to poll_oneoff, this one is what the server says by *ready, a
//   handle that the server keeps: nothing at first. When the server closes it, or dies, the channel
//   is readable, writable and hung up. (*ready stays when the channel is closed: KWAST_CLOSED says
//   that it is.)
// scheme_root_ready(server: i32, ready: *u32)
//   The same for the root, in the hands of whoever has it: always ready until the first server asks
//   for this, and then hung up between a server's end and the next one's call.
// ready_set(ready: i32, events: i32, available: i64)
//   What the channel is from now on: KWAST_READABLE, with so many bytes, KWAST_WRITABLE,
//   KWAST_HANGUP. To be said whenever it changes, before the reply to the request that changed it:
//   so whoever polls after an answer finds what holds after it.

enum kwast_access : u32 { KWAST_READ = 1, KWAST_WRITE = 2 };

// Memory that is lent to the server for the time of a call.
struct kwast_grant {
    u32 address;
    u32 len;
    u32 access; // enum kwast_access: what the server may do
};

// Operations below KWAST_FIRST_OPERATION come from the kernel alone, so that a server can rely on
// what they carry: scheme_call refuses them.
#define KWAST_CANCELLED       1u  // the call `number` was taken back: its reply is still due
#define KWAST_CLOSED          2u  // the last channel to `value` is closed; no reply
#define KWAST_FILE_OPERATION  16u // from here on the file protocol's (abi/kwast/file.h)
#define KWAST_FIRST_OPERATION 64u // from here on whatever client and server agree on

struct kwast_call {
    u32 operation;
    u32 bytes_len;
    u32 grant_count;
    u32 handle_count;
    u32 bytes;   // address of up to KWAST_BYTES_MAX bytes that come with the call
    u32 grants;  // address of struct kwast_grant, each
    u32 handles; // address of u32, each: copies of these handles go to the server
    u32 padding;
    u64 words[KWAST_WORDS]; // the server's are stored
    u32 answer;             // stored: the server's word for how it went
    u32 handle;             // stored: what came with the reply, or KWAST_NO_HANDLE
};

// scheme_call(channel: i32, call: *struct kwast_call, timeout: i64)
//   Asks and waits for the reply. EOWNERDEAD: the server died, or had died before; EPIPE: there is
//   no server any more, and will be none. EMFILE, ENOMEM: the call could not be delivered.

struct kwast_request {
    u64 number; // for the reply; 0: none is due
    u64 value;  // of the channel
    u64 words[KWAST_WORDS];
    u32 operation;
    u32 bytes_len; // all of them; those that fit are stored
    u32 grant_count;
    u32 handle_count;
    struct {
        u32 len;
        u32 access;
    } grants[KWAST_GRANTS_MAX];
    u32 handles[KWAST_HANDLES_MAX]; // the server's own now
};

// scheme_receive(server: i32, request: *struct kwast_request, bytes: *u8, len: i32, timeout: i64)
//   Waits for the next call. EMFILE: KWAST_RECEIVED_MAX received calls have no reply yet.

struct kwast_reply {
    u64 number;
    u64 words[KWAST_WORDS];
    u32 answer; // 0: it went well
    u32 handle; // goes to the client and is closed here, when the reply succeeds; or
                // KWAST_NO_HANDLE
};

// scheme_reply(server: i32, reply: *struct kwast_reply)
//   EINVAL: no such call waits for this process's reply.

// scheme_reply_receive(server: i32, reply: *struct kwast_reply, request: *struct kwast_request,
//                      bytes: *u8, len: i32, timeout: i64)
//   Both in one step. When replying fails, nothing is received.

// grant_read(server: i32, number: i64, index: i32, offset: i64, to: *u8, len: i32)
// grant_write(server: i32, number: i64, index: i32, offset: i64, from: *u8, len: i32)
//   Copies between the caller's memory and grant `index` of a received call, all or nothing that
//   counts. ECANCELED: the call was taken back. EINVAL: not within the grant. EACCES: not lent for
//   that.

// grant_map(server: i32, number: i64, index: i32, offset: i64, address: *u8, len: i32, access: i32)
//   Shows whole pages of grant `index` in the caller's memory instead of its own pages there, for
//   reading or for both (KWAST_READ | KWAST_WRITE): without a copy, and what either side writes the
//   other sees at once. Until memory_unmap, the reply, or the end of the call in any other way:
//   then the caller's own pages are back at once, with what they held. What the client has at the
//   offset must be whole pages, too: the grant's address plus the offset is a multiple of
//   KWAST_PAGE_BYTES, as `address`, and `len`, of at most KWAST_MAP_MAX. Errors as of grant_read;
//   EACCES: the client has there what it only borrowed itself, or a device, or pages of several
//   memory objects: that can be copied, but for the device. EEXIST: something is mapped over the
//   caller's pages. ENOTSUP: the kernel made this call, as WASI's functions do.

// -- Memory ---------------------------------------------------------------------------------------
// Memory that is a handle: any number of processes can have it in their own memories at a time. It
// is all zeros at first, and there as a whole, so nobody who maps it finds a page missing for want
// of memory. It counts against the limit of who made it, as long as a handle or a mapping refers to
// it.
//
// A program maps it over whole pages that are its own memory already (memory.grow makes room), so
// every load and store reaches it. These pages keep what they held, and are back when the mapping
// goes. A store to what is mapped for reading only is a trap. Where a program imports one of the
// calls that map, its accesses to memory are done as it says: none is left out, doubled, widened,
// split or moved; only those of the threads proposal are atomic and ordered for others.

#define KWAST_PAGE_BYTES 4096u
#define KWAST_MAP_MAX    (16u << 20) // grant_map: bytes at a time

// memory_create(bytes: i64, out: *u32)
//   `bytes` is a multiple of KWAST_PAGE_BYTES. ENOMEM, EMFILE (the limit of memory). Its size is
//   what fd_filestat_get says.

// memory_map(memory: i32, offset: i64, address: *u8, len: i32, access: i32)
//   Needs KWAST_RIGHT_MAP, WASI's fd_read, and fd_write for KWAST_WRITE. All multiples of
//   KWAST_PAGE_BYTES. EEXIST: something is mapped over a part of the pages.

// memory_unmap(address: *u8)
//   Takes off what memory_map or grant_map put there, as a whole. EINVAL: nothing begins there.

// memory_wait(memory: i32, offset: i64, expected: i32, timeout: i64)
//   Waits while the aligned 32-bit word at `offset` is `expected`, until memory_wake at the same
//   place. EAGAIN: it is something else. Needs WASI's fd_read; the memory need not be mapped.

// memory_wake(memory: i32, offset: i64, count: i32, out: *u32)
//   Wakes up to `count` of those who wait there, the oldest first; *out is how many. Needs
//   fd_write.

// -- Notifications --------------------------------------------------------------------------------
// One word of bits. Signals are or-ed, so any number of them takes no memory.

// notification_create(out: *u32)
// notification_signal(handle: i32, bits: i64)
// notification_take(handle: i32, timeout: i64, out: *u64)
//   Waits until some bit is set, and takes them all.

// -- Processes ------------------------------------------------------------------------------------

// A handle that a new process starts with: a copy of one of the parent's.
struct kwast_given {
    u32 handle;
    u32 number; // in the child: below KWAST_GIVEN_MAX, each once
    u64 rights; // all of which the parent's handle has
    u64 inheriting;
    u32 name; // of a preopened directory; len 0: it is none
    u32 name_len;
};

// As the length of a name: this is no directory that has one, but a stream that the program knows
// by its number, as Unix's descriptors above 2. fd_prestat_get answers KWAST_PREOPEN_NUMBERED in
// place of a directory's tag, which libcs pass over: so they find directories behind it, too.
#define KWAST_BY_NUMBER        UINT32_MAX
#define KWAST_PREOPEN_NUMBERED 1u

#define KWAST_GIVEN_MAX        64u
#define KWAST_SPAWN_NAME       31u
#define KWAST_STRINGS_MAX      (1u << 20) // bytes of arguments, and of the environment
#define KWAST_MODULE_MAX       (64u << 20)
#define KWAST_REASON_BYTES     192u

// Which protection domain a new process is in. Processes of one domain share page tables, and are
// kept apart by how they are compiled; nothing of another domain's processes is mapped. The machine
// `hosted` keeps account of domains, no more.
enum kwast_isolation : u32 {
    KWAST_ISOLATION_SIP = 0,    // the spawner's own
    KWAST_ISOLATION_DOMAIN = 1, // a new one
    KWAST_ISOLATION_JOIN = 2,   // that of the process `join`
};

// How much of the CPUs a process gets while others want them as well: in proportion to their
// shares. It is no cap, is not divided among children, and does not grow with the number of
// threads.
#define KWAST_SHARE_USUAL 100u
#define KWAST_SHARE_MAX   1000u

// When memory is short a service still gets some that is kept for such, and what memory.grow gives
// it is kept for it: a page of it is there when it is touched, whatever others have taken. What
// cannot be kept is refused by memory.grow, or spawning. Others are told ENOMEM in time as well as
// can be, but a page that they touch for the first time may be the one that nobody has left: that
// is the trap "out of memory".
enum kwast_reserve : u32 { KWAST_RESERVE_NONE, KWAST_RESERVE_SERVICE };

struct kwast_spawn {
    u32 module; // handle of a file; KWAST_NO_HANDLE: `bytes`
    u32 bytes;  // the module itself
    u32 bytes_len;
    u32 name; // for people
    u32 name_len;
    u32 args; // strings, each ended by a zero byte, one after the other; argv[0] first
    u32 args_len;
    u32 env; // likewise
    u32 env_len;
    u32 given; // address of struct kwast_given, each
    u32 given_count;
    u32 isolation;    // enum kwast_isolation
    u64 memory_limit; // bytes; 0: what the parent has
    u32 handle_limit; // 0: what the parent has
    u32 thread_limit; // 0: what the parent has
    u32 cpu_share;    // 1 to KWAST_SHARE_MAX; 0: what the parent has
    u32 reason;       // where a refused module's reason goes, as text with a zero byte
    u32 reason_len;
    u32 join;    // of KWAST_ISOLATION_JOIN: a handle of a process, with KWAST_RIGHT_JOIN
    u32 cpus;    // a bit for each CPU that it may run on; 0: those of the parent
    u32 reserve; // enum kwast_reserve
};

// process_spawn(spawn: *struct kwast_spawn, out: *u32)
//   Makes and starts a process. ENOEXEC: the module was refused, or cannot be linked; the reason
//   says why. No limit may exceed the parent's, nor may the child run where the parent may not, or
//   have the reserve if the parent has not (ENOTCAPABLE); of the CPUs that it may run on the
//   machine must have one (EINVAL). ENOENT: the process to join has ended. ENOMEM: there is no
//   memory, or it cannot be kept. The handle has all rights of its kind.

enum kwast_outcome : u32 {
    KWAST_RUNNING,
    KWAST_EXITED,
    KWAST_TRAPPED,
    KWAST_KILLED,
    KWAST_STOPPED, // it stands still
};

struct kwast_status {
    u32 id;
    u32 outcome; // enum kwast_outcome
    u32 status;  // of KWAST_EXITED; of KWAST_TRAPPED: the trap's number; of KWAST_KILLED: the
                 // note's, or 0 by process_kill
    u32 padding;
    u64 memory_bytes; // charged now
    u64 cpu_ns;
};

// Numbers of notes that have a meaning here.
#define KWAST_NOTES          32u
#define KWAST_NOTE_INTERRUPT 2u // Ctrl-C
#define KWAST_NOTE_KILL      9u // cannot be taken

struct kwast_notes {
    u32 came;
    u32 ignored; // before
    u32 id;      // the caller's number
    u32 parent;  // its parent's; 0: the kernel
};

// process_wait(process: i32, timeout: i64, out: *struct kwast_status)
//   Waits for its end.
// process_status(process: i32, out: *struct kwast_status)
//   As it is now.
// process_kill(process: i32)
//   Asks it to end. That it has ended, process_wait tells.
// process_kill_tree(process: i32)
//   Asks it, its children, theirs and so on to end.
// process_stop(process: i32, tree: i32)
//   Has it stand still: all its threads stop where its program would go on, at once in its code,
//   and at the end of a call. So a wait that is under way ends as ever, and what it was woken for
//   it finds when it goes on; its clients wait for it, and can give up; killing it works at once.
//   It is charged no CPU time. Unless `tree` is 0 all that descend from it do so, too, and so does
//   what a call under way starts. Needs KWAST_RIGHT_KILL. Nothing happens to one that stands still
//   or is ending. One whose parent ends goes on, and so does what was stopped along with it, for
//   nobody may know of it.
// process_continue(process: i32, tree: i32)
//   Has it go on, and unless `tree` is 0 all that descend from it. Needs KWAST_RIGHT_KILL.
// process_note(process: i32, number: i32, tree: i32)
//   Tells it a number of 1 to KWAST_NOTES - 1, as Unix's signals have them, and unless `tree` is 0
//   also all that descend from it. Who takes the number finds that it came (process_notes), and
//   nothing is interrupted for that; who ignores it goes on; anyone else is killed. Needs
//   KWAST_RIGHT_KILL. EINVAL: there is no such number. ENOENT: it has ended, or is about to.
// process_notes(taken: i32, ignored: i32, out: *struct kwast_notes)
//   Says what the caller takes and what it ignores from now on, a bit 1 << number for each; what
//   it starts ignores the same at first, and takes nothing. KWAST_NOTE_KILL can be neither. *out:
//   what has come since the last time, and how it was before.
// process_wait_change(process: i32, known: i32, timeout: i64, out: *struct kwast_status)
//   Waits until its outcome is not `known`, which is KWAST_RUNNING or KWAST_STOPPED. As
//   process_wait.
// process_keep(keeps: i32)
//   Whether what memory.grow gives the process from now on is kept for it, which is so at first:
//   not (0) for pages that only serve to have something mapped over them. ENOTCAPABLE: it is no
//   service.
// process_open(from: i32, id: i32, out: *u32)
//   A handle to the process with this number, which descends from the process `from` or is it, or
//   to any process, where `from` is the table of processes (which init is given). It has the rights
//   that `from` has. ENOENT: there is no such process, or it has ended.

// -- Devices --------------------------------------------------------------------------------------
// What drivers have. A machine with devices gives its first process a handle `machine`, from which
// all others come; the machine `hosted` gives none. A physical range, a port and an interrupt line
// have one holder at a time: as long as a handle or a mapping refers to them, nobody gets them a
// second time (EBUSY). What the kernel itself needs, and memory that is RAM, nobody gets at all
// (EACCES).
//
// A device that masters the bus can write any memory, unless something confines it: who holds
// KWAST_RIGHT_DMA, or a device that can do so, is trusted (docs/CAVEATS.md).

enum kwast_pixels : u32 {
    KWAST_PIXELS_NONE, // there is no screen
    KWAST_PIXELS_RGB,  // direct colour
};

// Bits of a pixel that are one colour, and where they begin.
struct kwast_channel {
    u8 position;
    u8 bits;
};

#define KWAST_OWN_FUNCTIONS 4u

// What a machine has that no device tells.
struct kwast_machine {
    // The screen: pixel (x, y) is at screen_address + y * screen_pitch + x * pixel_bytes.
    u64 screen_address; // physical; a multiple of KWAST_PAGE_BYTES or not
    u64 screen_bytes;
    u32 pixels; // enum kwast_pixels
    u32 screen_width;
    u32 screen_height;
    u32 screen_pitch;
    u32 pixel_bytes; // 2, 3 or 4
    struct kwast_channel red;
    struct kwast_channel green;
    struct kwast_channel blue;
    u8 padding[2];

    // PCI configuration space: a range of 1 MiB for each bus from the first on, and 4 KiB in it for
    // each slot << 3 | function. 0 bytes: it is reached by ports 0xcf8 and 0xcfc alone.
    u64 pci_config_address;
    u64 pci_config_bytes;
    u32 pci_first_bus;

    // PCI functions that the kernel drives itself, as bus << 8 | slot << 3 | function: nobody else
    // is to touch them.
    u32 own_count;
    u32 own_functions[KWAST_OWN_FUNCTIONS];
};

// device_describe(device: i32, out: *struct kwast_machine)
//   `device` is a machine, or a range of one: so the screen's holder knows what is on it.

enum kwast_caching : u32 {
    KWAST_UNCACHED = 0,  // registers
    KWAST_COMBINING = 1, // a screen: stores may be gathered, and are seen later
};

// device_range(machine: i32, address: i64, bytes: i64, caching: i32, out: *u32)
//   A physical range, as a handle for memory_map: whole pages. Needs KWAST_RIGHT_DEVICES. Grants
//   and calls that would copy from a page or to one where it is mapped are refused (EFAULT). While
//   somebody has the screen's range, the kernel shows nothing there, but for a panic. EINVAL: not
//   whole pages, or no address of this machine. EACCES, EBUSY.

// device_ports(machine: i32, first: i32, count: i32, out: *u32)
//   I/O ports. Needs KWAST_RIGHT_DEVICES. While somebody has the first serial line's (0x3f8 to
//   0x3ff), the kernel neither reads nor writes there, but for a panic, and its interrupt (line 4)
//   can be had. EACCES: the kernel needs one of them (interrupt controllers, timers, among them
//   0x61, power). EBUSY.
// port_in(ports: i32, offset: i32, width: i32, out: *u32)
// port_out(ports: i32, offset: i32, width: i32, value: i32)
//   `width` is 1, 2 or 4 bytes, all within what the handle has (EINVAL), with WASI's fd_read and
//   fd_write. Not atomic with anything.

// device_interrupt(machine: i32, line: i32, out: *u32)
//   An interrupt line: below 16 an ISA interrupt, wherever the machine has put it and as it says
//   that it behaves; otherwise a global one, which is level-triggered and active low. Several can
//   have a line that is level-triggered, as devices share them: it comes to all of them, and again
//   once one of them waits for that, if a device still asks: so a driver looks whether it was its
//   own, and leaves no device asking that it does not wait for. Needs KWAST_RIGHT_DEVICES. EINVAL:
//   there is no such line. EACCES, EBUSY, ENOSPC: no vector is left.

struct kwast_message {
    u64 address;
    u32 data;
    u32 padding;
};

// device_message(machine: i32, out: *u32, message: *struct kwast_message)
//   An interrupt that a device raises by writing `data` to `address` (MSI, MSI-X). Needs
//   KWAST_RIGHT_DEVICES. ENOSPC.

// interrupt_take(interrupt: i32, timeout: i64, out: *u64)
//   Waits until it has come, and says how often since it was taken last: 1 or more. A line that is
//   level-triggered is masked when it comes, and unmasked by the next interrupt_take: between the
//   two the device is to be quieted. It begins unmasked. An interrupt is readable to poll_oneoff
//   when this would not wait. Needs KWAST_RIGHT_WAIT.

// dma_create(machine: i32, bytes: i64, out: *u32, address: *u64)
//   Memory as of memory_create, of contiguous frames from the physical *address on, at most
//   KWAST_DMA_MAX bytes. Needs KWAST_RIGHT_DMA. When the last handle and mapping is gone its frames
//   are put aside, and not used again, as a device may still write there; unless dma_done was said.
#define KWAST_DMA_MAX (4u << 20)
// dma_done(memory: i32)
//   No device knows this memory any more. Needs KWAST_RIGHT_DMA.
// dma_reclaim(machine: i32)
//   No device masters the bus, but for the kernel's own: all that was put aside can be used again.
//   Needs KWAST_RIGHT_DMA.
