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
from dataclasses import dataclass

from common import BUILD, HERE, ROOT, Result, Unavailable, is_current, make, run as run_process
from programs import CC, WASM, WASM_LINK, command_run, need

sys.path.insert(0, str(ROOT / "tests"))
from machine import Machine  # noqa: E402

NAME = "kernel"
WHAT = "calls, switches, messages, processes: instructions and nanoseconds"

# In QEMU an instruction of the machine takes a nanosecond of its time, and nothing else takes any.
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
          "-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1"]
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


OPERATIONS = {
    "close": Operation("fd_close(-1)", 40, 8, (("close", "Linux close(-1)"),), 2000),
    "yield": Operation("a yield between two processes", 100, 30, (("yield", "Linux sched_yield"),), 500, 2),
    "call": Operation("IPC call and reply", 400, 120, (("pipe", "Linux pipes"), ("futex", "Linux futexes")),
                      200),
    "map-64k": Operation("IPC call and reply with 64 KiB that the server maps", None, None, (), 100),
    "spawn": Operation("spawn, run, exit and wait of a cached hello", 15000, None,
                       (("spawn", "Linux vfork+exec"),), 5),
}
GRANTS = {"grant-4k": 4096, "grant-64k": 65536}
COPY = "copy-64k"
BASE = "nothing"
BASE_COUNT = 5000
# A batch is shorter than Linux's time slices, so that other work on the machine misses most of them.
BATCHES = 100


def benchmarks():
    return [(f"kernel.{name}", operation.what) for name, operation in OPERATIONS.items()] + [
        (f"kernel.{name}", f"copying {size >> 10} KiB that a call lends, as a share of memcpy's speed")
        for name, size in GRANTS.items()]


# -- Programs ------------------------------------------------------------------------------------


def build_wasm(name, source):
    target = BUILD / "kernel" / f"{name}.wasm"
    if not is_current(target, source, HERE / "kernel.py", ROOT / "user/sdk/kwast.h"):
        target.parent.mkdir(parents=True, exist_ok=True)
        command_run([CC, "-std=c23", "-O2", "-D_GNU_SOURCE", "-I", ROOT, *WASM, "-c", source, "-o", f"{target}.o"])
        command_run([CC, *WASM_LINK, f"{target}.o", "-o", target])
    return target


def build_native(name, source):
    target = BUILD / "kernel" / name
    if not is_current(target, source, HERE / "kernel.py"):
        target.parent.mkdir(parents=True, exist_ok=True)
        command_run([CC, "-std=c23", "-O2", "-D_GNU_SOURCE", "-static", "-I", ROOT, source, "-o", target])
    return target


# -- Running -------------------------------------------------------------------------------------


def parse(name, text):
    """The times of one operation, in nanoseconds."""
    found = re.search(rf"^{name}((?: \d+)+) done$", text, re.MULTILINE)
    if not found:
        raise Unavailable(f"kernel.{name}: no result, but\n{text[-2000:]}")
    return [int(number) / 1000 for number in found.group(1).split()]


class Runner:
    """The machines, each started anew for each operation."""

    def __init__(self):
        self.hello = HERE / "hello.c"
        self.files = {"bin/ops.wasm": build_wasm("ops", HERE / "kernel/ops.c"),
                      "bin/hello.wasm": build_wasm("hello", self.hello)}

    def archive(self, *arguments):
        records = ["program=bin/ops.wasm", "preopen=/=.", *(f"arg={a}" for a in ("ops", *arguments))]
        return {"boot/run": "".join(f"{record}\0" for record in records).encode(), **self.files}

    def instructions(self, name, count):
        """The same each time, so one batch tells."""
        files = self.archive(name, count, 3)
        with Machine.pvh(files, kernel=ROOT / "build/release/kernel.elf", args=ICOUNT, cpus=1) as machine:
            return statistics.median(parse(name, machine.wait_off()))

    def hosted(self, name, count, batches):
        files = self.archive(name, count, batches)
        kernel = ROOT / "build/release/kwast-hosted"
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cpus)})  # the machine inherits it
        try:
            with Machine.hosted(files, kernel=kernel, cpus=1) as machine:
                return parse(name, machine.wait_off())
        finally:
            os.sched_setaffinity(0, cpus)

    def linux(self, name, count, batches):
        command = [build_native("linux", HERE / "kernel/linux.c"), name, count, batches,
                   build_native("hello", self.hello)]
        return parse(name, run_process(command).errors.decode())


# -- Comparing -----------------------------------------------------------------------------------


def best(values):
    return min(values), statistics.median(values)


def measure_times(names, runner, context):
    """Nanoseconds on one CPU, {(machine, operation): [of each batch]}: all take turns."""
    wanted = {("hosted", BASE, BASE_COUNT), ("linux", BASE, BASE_COUNT)}
    for name in names:
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


def compare_operation(name, instructions, times, context):
    operation = OPERATIONS[name]
    parts = operation.parts
    yield Result(f"kernel.{name}.instructions", "qemu", (instructions[name] - instructions[BASE]) / parts,
                 "instructions", bar=operation.bar_instructions)
    for index, kind in ((0, "min"), (1, "median")):
        full = f"kernel.{name}.{kind}"
        own = (best(times["hosted", name])[index] - best(times["hosted", BASE])[0]) / parts
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
    context.say("kernel: times")
    times = measure_times(names, runner, context)
    for name in names:
        if name in OPERATIONS:
            yield from compare_operation(name, instructions, times, context)
        else:
            yield from compare_grant(name, times)
