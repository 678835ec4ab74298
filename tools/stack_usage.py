#!/usr/bin/env python3
"""Checks that the kernel's stacks are deep enough, from the machine code of a kernel with symbols.

Usage: stack_usage.py [-v] kernel.first.elf...

What runs on a program's stack below its limit (a host function or a helper, and on top of it a page
fault, or an interrupt with the vector registers and a switch to another thread) must fit into
STACK_HEADROOM_BYTES. The depth of a function is its own frame (everything that it pushes and
subtracts from rsp) and that of its deepest callee. Indirect calls are listed here with what they
may reach, and one that is not listed is an error, as is recursion. Ways that end in a panic do not
count.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Who calls through a pointer, and whom that may reach. A pattern ends in "*".
SINKS = ["console_sink", "say_sink", "buffer_sink"]
STREAM_QUEUES = ["link_poll_queue", "console_poll_queue", "messages_poll_queue", "server_end_poll_queue",
                 "notification_poll_queue", "process_object_poll_queue", "interrupt_poll_queue"]
HOST_FUNCTIONS = ["wasi_entry", "wasi_close_entry", "kwast_entry", "kwast_call_entry", "kwast_exchange_entry",
                  "wasi_proc_exit", "wasi_proc_raise", "wasi_sched_yield", "wasi_thread_spawn"]
INDIRECT = {
    "wasi_entry": [f"wasi_{call}" for call in re.findall(
        r"^WASI_CALL\((\w+)", (ROOT / "kernel/wasi/calls.def").read_text(), re.MULTILINE)] + [
        "wasi0_fd_seek", "wasi0_fd_filestat_get", "wasi0_path_filestat_get", "wasi0_poll_oneoff"],
    "frame_can_grant": ["is_service_running"],
    "frame_reserve_asker": ["is_service_running"],
    "frame_reserve_is_ours": ["is_service_running"],
    "frame_have": ["add_locked"],
    "frame_change_promises": ["end_locked"],
    "at_position": ["run_read", "run_write"],
    "run_file": ["run_read", "run_write"],
    "at_offset": ["run_read", "run_write"],
    "kwast_entry": [f"kwast_{call}" for call in re.findall(
        r"^KWAST_CALL\((\w+)", (ROOT / "kernel/kwast/calls.def").read_text(), re.MULTILINE)],
    "kwast_handle": ["is_file", "scheme_is_server", "scheme_is_channel", "notification_is", "process_object_is", "machine_is", "is_described",
                     "ports_is", "interrupt_is", "memory_object_is", "memory_object_is_dma"],
    "kwast_object": ["is_file", "scheme_is_server", "scheme_is_channel", "notification_is", "process_object_is", "machine_is", "is_described",
                     "ports_is", "interrupt_is", "memory_object_is", "memory_object_is_dma"],
    "transfer_run": ["read_step", "write_step"],
    "object_read": ["node_read", "console_read", "messages_read", "stdin_read", "snapshot_read", "remote_read"],
    "object_write": ["console_write", "device_write", "messages_write", "stdout_write", "stderr_write", "remote_write"],
    "object_stat": ["node_stat", "console_stat", "messages_stat", "stream_stat", "scheme_end_stat", "notification_stat", "snapshot_stat", "kernel_directory_stat",
                    "process_object_stat", "remote_stat", "device_stat", "interrupt_stat", "memory_stat"],
    "object_append": ["remote_append"],
    "object_set_size": ["remote_set_size"],
    "object_allocate": ["remote_allocate"],
    "object_sync": ["remote_sync"],
    "object_set_times": ["remote_set_times"],
    "object_list": ["remote_list", "put_entry"],
    "list_by_entry": ["put_entry"],
    "listing_take": ["put_entry"],
    "hand_over": ["listing_take"],
    "remote_list": ["listing_take", "link_remote_call", "scheme_remote_call"],
    **{f"remote_{name}": ["link_remote_call", "scheme_remote_call"] for name in
       "send read write append set_size allocate sync stat set_times at_stat at_set_times at_read_link at_rename "
       "at_link at_make_link".split()},
    "reclaim": ["store_pool_trim", "stack_pool_trim", "data_trim_kernel"],
    "thread_visit": [],  # a jump, as above; what is called is on the other stack
    "visit_main": ["instantiate_as_visitor"],
    "object_lookup": ["node_lookup", "kernel_directory_lookup"],
    "object_read_entry": ["node_read_entry", "kernel_directory_read_entry"],
    "object_read_link": ["node_read_link"],
    "object_walk": ["node_lookup", "kernel_directory_lookup", "node_read_link"],
    "object_poll": ["console_poll", "device_poll", "messages_poll", "stdin_poll", "output_poll", "server_end_poll", "notification_poll",
                    "process_object_poll", "interrupt_poll"],
    "object_release": ["server_end_destroy", "channel_destroy", "notification_destroy", "process_object_destroy", "snapshot_destroy",
                       "file_destroy", "root_destroy", "ports_destroy", "interrupt_destroy", "memory_destroy", "ready_end_destroy"],
    **{f"path_{name}": [f"tree_{name}", f"remote_at_{name}"] for name in
       "stat set_times read_link remove_directory unlink rename link make_link".split()},
    "path_open": ["tree_open", "link_open", "scheme_open"],
    "path_make_directory": ["tree_create", "remote_at_make_directory"],
    "change_one": ["path_make_directory", "path_remove_directory", "path_unlink"],
    "wasi_poll": STREAM_QUEUES + ["take_subscription"],
    "fmt_write": SINKS,
    "emit_number": SINKS,
    "emit_field": SINKS,
    "frame_parser_feed": ["receive_piece"],
    "take_header": ["receive_piece"],
    "interrupt_handle": ["virtio_console_interrupt"],
    "interrupt_dispatch": ["virtio_console_interrupt"],
    "timer_interrupt": ["upcall_timer"],
    "console_interrupt": ["foreground_interrupt"],
    "link_interrupt": ["foreground_interrupt"],
    "func_call": [],  # the kernel calls no host function from C
    "entry_enter": [],  # generated code checks its own stack
    "entry_throw": [],  # a jump to where it is caught, on that frame's stack
    "entry_throw_ref": [],
    "context_switch_aspace": [],  # a jump to where the thread goes on, on its own stack
    "switch_to_locked": [],
    "sched_switch": [],
    "park_and_run": [],
    "thread_yield": [],
    "yield_slow": [],
    "sched_preempt": [],
    "kwast_call_entry": [],
    "kwast_exchange_entry": [],
    "run_for_each": ["part_*"],
    "entries_clear": ["unmapped_frame_free*"],
    "part_clear": ["unmapped_frame_free*"],
    "arch_unmap": ["unmapped_frame_free*"],
    "emit_truncation": ["asm_*"],
    "emit_simd": ["simd_*"],  # the templates of its table
    "module_decode": ["decode_*"],
    "flush": ["send", "try_send"],  # of the log
    "log_write": ["try_send"],
    "log_flush_to_link": ["send"],
    "prompt_run": [f"run_{command}" for command in
                   "help ls run start ps cpus mem kill log trace fail poweroff".split()],
    "process_for_each": ["put_process", "find_process"],
    "aspace_for_each": ["check_domain"],
    "arch_mapped_for_each": ["owned_run_check", "zone_run_check"],
    "kill": ["process_kill", "process_kill_tree"],
    **{name: ["write_cpus", "write_log", "write_memory", "write_processes", "write_trace", "trace_bytes_most"]
       for name in ("kernel_file_text", "kernel_directory_lookup")},
}

# Calls that are there but are not taken in full: the caller's situation decides, as the reason says.
CUT = {
    ("thread_reap", "wait_unlock"): ["spin_check_before_unlock"],  # interrupts are off: it does not switch
    ("scheme_release", "object_release"): ["process_object_destroy"],  # who pays is a process
    ("memory_destroy", "object_release"): ["process_object_destroy"],
}

# Functions that call themselves, and how deep at most: the height of an AVL tree of 2^40 areas.
RECURSIVE = {"gap_find": 58}

# Ways that do not come back: a panic needs what stack there is.
NO_RETURN = {"assert_failed", "upcall_panic", "exception_fatal", "arch_halt", "arch_power_off"}

PAGE_BYTES = 4096
CPU_FRAME_BYTES = 5 * 8 + 16 + 2 * 8  # what an exception pushes, aligned, and the stub
VECTOR_BYTES = 2696 + 64      # XSAVE with AVX-512 and PKRU, aligned: the most that is enabled
THUNK_BYTES = 256             # a host thunk: the arguments of the longest signature, saved registers
RETURN_BYTES = 8


class Code:
    """The functions of an image by name (name@address where there are several of one name): frame
    sizes, calls by address, whether they call through a pointer."""

    def __init__(self, path):
        text = subprocess.run(["llvm-objdump-19", "-d", "--no-show-raw-insn", path],
                              check=True, capture_output=True, text=True).stdout
        starts = re.findall(r"^([0-9a-f]+) <(.+)>:$", text, re.MULTILINE)
        names = [name for _, name in starts]
        self.at = {int(address, 16): name if names.count(name) == 1 else f"{name}@{address}"
                   for address, name in starts}
        self.frame = dict.fromkeys(self.at.values(), 0)
        self.calls = {name: set() for name in self.at.values()}
        self.indirect = dict.fromkeys(self.at.values(), False)
        name = None
        for line in text.splitlines():
            if match := re.match(r"([0-9a-f]+) <.+>:$", line):
                name = self.at[int(match[1], 16)]
            elif name is not None and "\t" in line:
                self.instruction(name, line.split("\t", 1)[1].replace("\t", " "))

    def instruction(self, name, text):
        if text.startswith("push"):
            self.frame[name] += 8
        elif match := re.match(r"(?:subq \$|addq \$-|andq \$-)0x([0-9a-f]+), %rsp", text):
            self.frame[name] += int(match[1], 16)
        elif match := re.match(r"(call|j)\w* 0x([0-9a-f]+) <([^+>]+)(\+0x[0-9a-f]+)?>", text):
            address = int(match[2], 16) - int(match[4] or "0", 16)
            # A jump inside the function is none of our business; a call of itself is.
            if address in self.at and (self.at[address] != name or match[1] == "call"):
                self.calls[name].add(self.at[address])
        elif re.match(r"callq? \*|jmpq? \*%", text):
            self.indirect[name] = True


def matching(code, pattern):
    if pattern.endswith("*"):
        return [name for name in code.frame if name.startswith(pattern[:-1])]
    return [pattern] if pattern in code.frame else []


class Depths:
    def __init__(self, code):
        self.code, self.known, self.errors = code, {}, []

    def callees(self, name):
        """(function, bytes between) for each; the bytes are frames of functions that were cut."""
        out = []
        for callee in self.code.calls[name] - NO_RETURN:
            if (name, callee) in CUT:
                between = self.code.frame[callee] + RETURN_BYTES
                out += [(inner, between) for cut in CUT[name, callee] for inner in matching(self.code, cut)]
            elif callee in self.code.frame and not (callee == name and name in RECURSIVE):
                out.append((callee, 0))
        if self.code.indirect[name]:
            if name not in INDIRECT:
                self.errors.append(f"{name} calls through a pointer: list it in INDIRECT")
            for pattern in INDIRECT.get(name, []):
                out += [(callee, 0) for callee in matching(self.code, pattern)]
        return sorted(set(out))

    def of(self, name, path=()):
        """The depth of `name` with its callees, and the way there."""
        if name in path:
            self.errors.append("recursion: " + " -> ".join(path[path.index(name):] + (name,)))
            return 0, ()
        if name not in self.known:
            deepest = (0, ())
            for callee, between in self.callees(name):
                depth, way = self.of(callee, path + (name,))
                deepest = max(deepest, (depth + between, way))
            own = (self.code.frame[name] + RETURN_BYTES) * RECURSIVE.get(name, 1)
            self.known[name] = (own + deepest[0], ((name, own),) + deepest[1])
        return self.known[name]

    def deepest(self, patterns):
        names = [name for pattern in patterns for name in matching(self.code, pattern)]
        return max((self.of(name) for name in names), default=(0, ()))


def constant(path, name):
    """A #define of bytes in a source."""
    text = (ROOT / path).read_text()
    match = re.search(rf"#define {name}\s+\(?(0x[0-9a-f]+|\d+)u?(?: \* (KIB|MIB))?", text)
    return int(match[1], 0) * {None: 1, "KIB": 1024, "MIB": 1024**2}[match[2]]


def check(title, room, parts, verbose):
    """Prints one line; says whether the parts fit."""
    total = sum(depth for _, (depth, _) in parts)
    print(f"{title}: {total} of {room} bytes")
    if verbose or total > room:
        for what, (depth, way) in parts:
            print(f"  {what}: {depth}", " ".join(f"{name}:{own}" for name, own in way))
    return total <= room


def check_image(path, verbose):
    depths = Depths(Code(path))
    headroom = constant("engine/api/contract.h", "STACK_HEADROOM_BYTES")
    slack = constant("engine/api/contract.h", "STACK_SLACK_BYTES")
    interrupt_stack = constant("kernel/arch/x86_64/gdt.c", "INTERRUPT_STACK_BYTES")
    main_stack = constant("kernel/init/kmain.c", "MAIN_STACK_BYTES")
    reaper_stack = constant("kernel/sched/thread.c", "REAPER_STACK_BYTES")

    exception = depths.deepest(["exception_entry"])
    switch = depths.deepest(["interrupt_entry"])
    interrupt = (switch[0] + VECTOR_BYTES, switch[1])
    # An exception is handled with interrupts off, so there is one of the two.
    on_top = ("exception or interrupt", (CPU_FRAME_BYTES + max(exception, interrupt)[0],
                                         max(exception, interrupt)[1]))
    called = depths.deepest([*HOST_FUNCTIONS, "helper_*", "entry_stack_grow", "entry_segment_set", "host_pause",
                             "entry_throw", "entry_throw_ref",
                             "entry_trap_exit"])
    checks = [
        ("below a program's stack limit", headroom,
         [("frames that check rsp itself, thunk", (slack + THUNK_BYTES, ())),
          ("host function or helper", called), on_top]),
        ("a process before and after its program", headroom + PAGE_BYTES,
         [("first or other thread, or who visits it", depths.deepest(["process_main", "process_thread_main", "visit_main"])), on_top]),
        ("interrupt stack", interrupt_stack, [("handler", depths.deepest(["interrupt_handle"]))]),
        ("main thread", main_stack, [("main_thread", depths.deepest(["main_thread"])), on_top]),
        ("reaper", reaper_stack, [("reaper_main", depths.deepest(["reaper_main"])), on_top]),
    ]
    fits = [check(f"{path}: {title}", room, parts, verbose) for title, room, parts in checks]
    for error in sorted(set(depths.errors)):
        print(f"{path}: {error}")
    return all(fits) and not depths.errors


def main():
    arguments = sys.argv[1:]
    verbose = "-v" in arguments
    paths = [path for path in arguments if path != "-v"]
    return 0 if all([check_image(path, verbose) for path in paths]) else 1


if __name__ == "__main__":
    sys.exit(main())
