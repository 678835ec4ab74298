"""What the kernel's operations cost: instructions under QEMU's -icount, nanoseconds hosted on one CPU, and
Linux's next to them.

bench/kernel/ops.c does the operations as a program, bench/kernel/linux.c does Linux's. Both print the
time of one operation for each batch; what the loop around it costs (`nothing`) is taken off.
"""

import os
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace

import linux_guest
from common import BUILD, HERE, ICOUNT, ROOT, Result, Unavailable, is_current, make, run as run_process
from programs import CC, WASM, WASM_LINK, command_run, need

sys.path.insert(0, str(ROOT / "tests"))
from machine import Machine  # noqa: E402

NAME = "kernel"
WHAT = "calls, switches, messages, processes: instructions and nanoseconds"

COPY_SHARE = 0.7  # of memcpy's speed, for what is lent, on top of the empty call


@dataclass
class Operation:
    """`parts` is how many of what the bars are for one operation does. A bar is None where there is none."""
    what: str
    bar_instructions: float | None
    bar_ns: float | None
    peers: tuple  # operations of linux.c, with what they are called
    count: int
    parts: int = 1
    program: str = "ops"
    cpus: int = 1
    in_loop: bool = True  # whose cost is no part of it
    said: str = ""  # the name under which the result is printed, where it is another one


OPERATIONS = {
    "close": Operation("fd_close(-1)", 40, 8, (("close", "Linux close(-1)"),), 2000),
    "yield": Operation("a yield between two processes", 100, 30, (("yield", "Linux sched_yield"),), 500, 2),
    "call": Operation("IPC call and reply", 400, 120, (("pipe", "Linux pipes"), ("futex", "Linux futexes")),
                      200),
    "call-64": Operation("IPC call and reply with 64 inline bytes", 400, 120, (), 200),
    "call-across": Operation("IPC call and reply between two CPUs", 1500, None,
                             (("pipe-across", "Linux pipes"), ("futex-across", "Linux futexes")), 200, cpus=2,
                             said="caller"),
    "map-64k": Operation("IPC call and reply with 64 KiB that the server maps", None, None, (), 100),
    "spawn": Operation("spawn, run, exit and wait of a cached hello", 15000, None,
                       (("spawn", "Linux vfork+exec"),), 5),
    "teardown": Operation("taking down a page, of 64 MiB that a killed process has touched", None, None, (), 64,
                          in_loop=False),
    "thread": Operation("making a thread and waiting for its end", 3000, None,
                        (("thread", "Linux pthread_create+join"),), 50, program="threads"),
}
PREEMPT = "preempt"
PREEMPT_BAR = 350
# The same with the other process in a protection domain of its own. On the hosted machine that is bookkeeping.
DOMAINS = {"call-domain": "call", "spawn-domain": "spawn"}
GRANTS = {"grant-4k": 4096, "grant-64k": 65536}
COPY = "copy-64k"
OPERATIONS |= {name: replace(OPERATIONS[of], what=f"{OPERATIONS[of].what}, across domains", bar_instructions=None,
                             bar_ns=None, peers=()) for name, of in DOMAINS.items()}
BASE = "nothing"
BASE_COUNT = 5000
# A batch is shorter than Linux's time slices, so that other work on the machine misses most of them.
BATCHES = 100


def benchmarks():
    return [(f"kernel.{name}", operation.what) for name, operation in OPERATIONS.items()] + [
        (f"kernel.{PREEMPT}", "a switch from a process whose time is up to the next, with vector registers")] + [
        (f"kernel.{name}", f"copying {size >> 10} KiB that a call lends, as a share of memcpy's speed")
        for name, size in GRANTS.items()]


# -- Programs ------------------------------------------------------------------------------------


def build_wasm(name, source):
    target = BUILD / "kernel" / f"{name}.wasm"
    if not is_current(target, source, HERE / "kernel.py", ROOT / "user/sdk/kwast.h", ROOT / "abi/kwast/calls.h"):
        target.parent.mkdir(parents=True, exist_ok=True)
        command_run([CC, "-std=c23", "-O2", "-D_GNU_SOURCE", "-I", ROOT, *WASM, "-c", source, "-o", f"{target}.o"])
        command_run([CC, *WASM_LINK, f"{target}.o", "-o", target])
    return target


def build_threads():
    """Threads share an imported memory, and have no C library."""
    source = HERE / "kernel/threads.c"
    target = BUILD / "kernel/threads.wasm"
    if not is_current(target, source, HERE / "kernel.py", ROOT / "tests/threads/thread.h"):
        target.parent.mkdir(parents=True, exist_ok=True)
        command_run([CC, "-std=c23", "-O2", "-I", ROOT, *WASM, "-matomics", "-mbulk-memory", "-fno-builtin", "-c",
                     source, "-o", f"{target}.o"])
        command_run([CC, *WASM_LINK, "-nostdlib", "-Wl,--import-memory,--shared-memory,--max-memory=33554432",
                     f"{target}.o", "-o", target])
    return target


# -- Running -------------------------------------------------------------------------------------


def parse(name, text):
    """The times of one operation, in nanoseconds."""
    found = re.search(rf"^{name}((?: \d+)+) done$", text, re.MULTILINE)
    if not found:
        raise Unavailable(f"kernel.{name}: no result, but\n{text[-2000:]}")
    return [int(number) / 1000 for number in found.group(1).split()]


def parse_gaps(text):
    """What each switch took, in nanoseconds, of two processes that watched the clock (gaps.h)."""
    seen = {}
    for who in ("child", "parent"):
        found = re.search(rf"^gaps {who}((?: \d+)+) done$", text, re.MULTILINE)
        if not found:
            raise Unavailable(f"kernel.{PREEMPT}: no result, but\n{text[-2000:]}")
        turn, *times = map(int, found.group(1).split())
        seen[who] = turn, list(zip(times[::2], times[1::2]))
    costs = []
    for one, other in (("child", "parent"), ("parent", "child")):
        turn = (seen[one][0] + seen[other][0]) / 2
        begins = [next_ns for _, next_ns in seen[other][1]]
        for last, next_ns in seen[one][1]:
            inside = [begin for begin in begins if last < begin < next_ns]
            if inside:
                costs.append(inside[0] - last - turn)
    if not costs:
        raise Unavailable(f"kernel.{PREEMPT}: nobody was preempted")
    return costs


class Runner:
    """The machines, each started anew for each operation."""

    def __init__(self):
        self.hello = HERE / "hello.c"
        self.files = {"bin/ops.wasm": build_wasm("ops", HERE / "kernel/ops.c"),
                      "bin/hello.wasm": build_wasm("hello", self.hello),
                      "bin/threads.wasm": build_threads()}

    def archive(self, program, *arguments):
        records = [f"program=bin/{program}.wasm", "preopen=/=.", *(f"arg={a}" for a in (program, *arguments))]
        return {"boot/run": "".join(f"{record}\0" for record in records).encode(), **self.files}

    def instructions_text(self, files, cpus=1):
        with Machine.pvh(files, kernel=ROOT / "build/release/kernel.elf", args=ICOUNT, cpus=cpus) as machine:
            return machine.wait_off()

    def instructions(self, name, count):
        """The same each time, so one batch tells."""
        files = self.archive(program_of(name), name, count, 3)
        return statistics.median(parse(said(name), self.instructions_text(files, cpus_of(name))))

    def hosted_text(self, files, cpus=1):
        kernel = ROOT / "build/release/kwast-hosted"
        all_cpus = os.sched_getaffinity(0)
        used = sorted(all_cpus)[:cpus]
        # Each CPU has one of Linux's, as linux.c's processes do: else Linux may put two on one.
        args = ["--host-cpus", ",".join(map(str, used))] if len(used) == cpus else []
        os.sched_setaffinity(0, set(used))  # the machine inherits it
        try:
            with Machine.hosted(files, kernel=kernel, cpus=cpus, args=args) as machine:
                return machine.wait_off()
        finally:
            os.sched_setaffinity(0, all_cpus)

    def hosted(self, name, count, batches):
        text = self.hosted_text(self.archive(program_of(name), name, count, batches), cpus_of(name))
        return parse(said(name), text)

    def linux_text(self, *arguments):
        return run_process([linux_guest.program("linux", HERE / "kernel/linux.c"), *arguments]).errors.decode()

    def linux(self, name, count, batches):
        return parse(name, self.linux_text(name, count, batches, linux_guest.program("hello", self.hello)))


def program_of(name):
    return OPERATIONS[name].program if name in OPERATIONS else "ops"


def cpus_of(name):
    return OPERATIONS[name].cpus if name in OPERATIONS else 1


def said(name):
    return OPERATIONS[name].said or name if name in OPERATIONS else name


def guest_instructions(names, context):
    """Instructions of Linux's operations in a guest of the same QEMU, {operation: of one}, with the loop's."""
    counts = {}
    for operation in (OPERATIONS[name] for name in names if name in OPERATIONS):
        of_cpus = counts.setdefault(operation.cpus, {BASE: BASE_COUNT})
        of_cpus |= {peer: operation.count for peer, _ in operation.peers}
    found = {}
    for cpus, of_cpus in counts.items():
        if len(of_cpus) == 1 or not context.wants("native"):
            continue
        text = linux_guest.run("ops", *(f"{name}:{count}" for name, count in of_cpus.items()), memory="512M",
                               machine="q35", cpus=cpus).replace("\r", "")
        # Besides the operation there is a tick of the timer now and then.
        found |= {name: min(parse(name, text)) for name in of_cpus}
    return found


# -- Comparing -----------------------------------------------------------------------------------


def best(values):
    return min(values), statistics.median(values)


def measure_times(names, runner, context):
    """Nanoseconds on one CPU, {(machine, operation): [of each batch]}: all take turns."""
    wanted = {("hosted", BASE, BASE_COUNT), ("linux", BASE, BASE_COUNT)}
    for name in names:
        if name == PREEMPT:
            continue
        if name in GRANTS:
            wanted |= {("hosted", name, 100), ("hosted", "call", 200), ("hosted", COPY, 50)}
            continue
        operation = OPERATIONS[name]
        wanted.add(("hosted", name, operation.count))
        if context.wants("native"):
            wanted |= {("linux", peer, operation.count) for peer, _ in operation.peers}
    values = {}
    for _ in range(context.repetitions):
        for machine, name, count in sorted(wanted):
            of_batches = getattr(runner, machine)(name, count, BATCHES)
            values.setdefault((machine, name), []).extend(of_batches)
    return values


def compare_operation(name, instructions, guest, times, context):
    operation = OPERATIONS[name]
    parts = operation.parts
    counted = (instructions[name] - (instructions[BASE] if operation.in_loop else 0)) / parts
    for peer, label in operation.peers if guest else ():
        yield Result(f"kernel.{name}.instructions", "qemu", counted,
                     "instructions", peer=label, peer_value=(guest[peer] - guest[BASE]) / parts)
    yield Result(f"kernel.{name}.instructions", "qemu", counted,
                 "instructions", bar=operation.bar_instructions)
    sip = instructions.get(DOMAINS.get(name))
    if sip is not None:
        yield Result(f"kernel.{name}.instructions", "qemu", counted,
                     "instructions", peer="sip", peer_value=(sip - instructions[BASE]) / parts)
    for index, kind in ((0, "min"), (1, "median")):
        full = f"kernel.{name}.{kind}"
        own = (best(times["hosted", name])[index] - (best(times["hosted", BASE])[0] if operation.in_loop else 0)) / parts
        # Other work on the machine is in the median: the bar is for the best.
        yield Result(full, "hosted", own, "ns", bar=operation.bar_ns if kind == "min" else None)
        for peer, label in operation.peers if context.wants("native") else ():
            theirs = (best(times["linux", peer])[index] - best(times["linux", BASE])[0]) / parts
            yield Result(full, "hosted", own, "ns", peer=label, peer_value=theirs)


def compare_grant(name, times):
    """The speed of the copy that is on top of an empty call, over that of memcpy in the program."""
    copy_ns = best(times["hosted", name])[0] - best(times["hosted", "call"])[0]
    memcpy_ns = (best(times["hosted", COPY])[0] - best(times["hosted", BASE])[0]) * GRANTS[name] / GRANTS["grant-64k"]
    yield Result(f"kernel.{name}.ns", "hosted", copy_ns, "ns")
    yield Result(f"kernel.{name}.share", "hosted", memcpy_ns / copy_ns, "of memcpy", bar=COPY_SHARE,
                 more_is_better=True)


def compare_preempt(runner, context):
    """How far a loop had got when its time was up is chance, hence the median of the counts. Times are the least:
    in between, Linux runs others than these two."""
    counted = parse_gaps(runner.instructions_text(runner.archive("ops", PREEMPT)))
    yield Result(f"kernel.{PREEMPT}.instructions", "qemu", statistics.median(counted), "instructions",
                 bar=PREEMPT_BAR)
    files = runner.archive("ops", PREEMPT)
    own = [cost for _ in range(context.repetitions) for cost in parse_gaps(runner.hosted_text(files))]
    yield Result(f"kernel.{PREEMPT}.min", "hosted", min(own), "ns")
    if context.wants("native"):
        theirs = [cost for _ in range(context.repetitions) for cost in parse_gaps(runner.linux_text(PREEMPT))]
        yield Result(f"kernel.{PREEMPT}.min", "hosted", min(own), "ns", peer="Linux", peer_value=min(theirs))


def run(names, context):
    need(CC, CC)
    need("qemu-system-x86_64", "qemu-system-x86")
    context.build_kwast()
    make("BUILD=release", "build/release/kernel.elf")
    runner = Runner()
    names = [name.removeprefix("kernel.") for name in names]
    instructions = {}
    for name in [BASE, *(name for name in names if name in OPERATIONS)]:
        context.say(f"kernel.{name}: counting instructions")
        count = OPERATIONS[name].count if name != BASE else BASE_COUNT
        instructions[name] = runner.instructions(name, count)
    context.say("kernel: Linux in QEMU")
    guest = guest_instructions(names, context)
    context.say("kernel: times")
    times = measure_times(names, runner, context)
    for name in names:
        if name == PREEMPT:
            context.say("kernel.preempt: watching the clock")
            yield from compare_preempt(runner, context)
        elif name in OPERATIONS:
            yield from compare_operation(name, instructions, guest, times, context)
        else:
            yield from compare_grant(name, times)
