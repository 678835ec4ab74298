"""What a whole machine costs: starting it, its least memory, many processes in it, and what a second CPU is
worth; Linux's next to them.

All but the last are counted in QEMU: instructions (-icount), megabytes, frames. The last is time, hosted on two CPUs.
"""

import os
import re
import statistics
import sys

import linux_guest
from common import BUILD, HERE, ICOUNT, ROOT, Result, Unavailable, is_current, make, run as run_process
from kernel import build_wasm
from programs import CC, command_run, need

sys.path.insert(0, str(ROOT / "tests"))
from machine import Machine  # noqa: E402

NAME = "machine"
WHAT = "starting a machine, its least memory, many processes, a second CPU"

LINUX = "Linux 6.1"
KERNEL = ROOT / "build/release/kernel.elf"
BOOT_BAR = 10_000_000
BOOT_KERNEL_BAR = 3_000_000
MEMORY_BAR_MB = 16
CROWDS = {"machine.processes": (20_000, 0), "machine.domains": (100_000, 25)}  # processes, domains besides the first
PROCESS_BAR_KIB = 40
SCALING_BAR = 0.97
CHILDREN = 4
ROUNDS = 60_000_000  # of each child: about 0.2 s
LINUX_PROCESSES = 1000


def benchmarks():
    return [("machine.boot", "instructions from power-on to the first one of the first process, microvm"),
            ("machine.memory", "the least memory that boots and runs hello, microvm"),
            ("machine.processes", "20000 live processes of a small program in 4 GiB: memory of each"),
            ("machine.domains", "100000 of them in 25 protection domains in 4 GiB"),
            ("machine.scaling", "independent processes: what a second CPU gains, over what it gains Linux")]


HELLO = {"boot/run": b"program=bin/hello.wasm\0arg=hello\0times=1\0", "bin/hello.wasm": HERE / "hello.wasm"}


# -- Boot ----------------------------------------------------------------------------------------


def boot(context):
    with Machine.pvh(HELLO, machine="microvm", kernel=KERNEL, args=ICOUNT, cpus=1) as machine:
        text = machine.wait_off()
    found = re.search(r"^times: firmware (\d+), kernel (\d+), compile (\d+), instantiate (\d+)", text, re.M)
    if not found:
        raise Unavailable(f"machine.boot: no times, but\n{text[-2000:]}")
    firmware, kernel, compiling, instantiating = map(int, found.groups())
    total = firmware + kernel + compiling + instantiating
    name = "machine.boot.instructions"
    yield Result(name, "qemu", total, "instructions", bar=BOOT_BAR)
    yield Result("machine.boot.firmware", "qemu", firmware, "instructions")
    yield Result("machine.boot.kernel", "qemu", kernel, "instructions", bar=BOOT_KERNEL_BAR)
    yield Result("machine.boot.program", "qemu", compiling + instantiating, "instructions")
    if context.wants("native"):
        text = linux_guest.run("boot", memory="256M")
        found = re.search(r"^init at (\d+) ticks", text, re.M)
        if not found:
            raise Unavailable(f"machine.boot: Linux says\n{text[-2000:]}")
        yield Result(name, "qemu", total, "instructions", peer=LINUX, peer_value=int(found.group(1)))


# -- Memory --------------------------------------------------------------------------------------


def least(works, low, high):
    """The least number above `low` that works; `high` does."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def kwast_fits(megabytes):
    with Machine.pvh(HELLO, machine="microvm", kernel=KERNEL, memory=f"{megabytes}M", cpus=1) as machine:
        return machine.expect(r"^hello$|cannot start|panic").group(0) == "hello"


def linux_fits(megabytes):
    return "init at" in linux_guest.run("boot", memory=f"{megabytes}M")


def memory(context):
    own = least(kwast_fits, 2, 64)
    yield Result("machine.memory", "qemu", own, "MB", bar=MEMORY_BAR_MB)
    if context.wants("native"):
        yield Result("machine.memory", "qemu", own, "MB", peer=LINUX, peer_value=least(linux_fits, 16, 256))


# -- Processes -----------------------------------------------------------------------------------


def gather(name, count, domains):
    """Bytes that each of so many processes costs."""
    programs = {f"bin/{program}.wasm": f"build/programs/{program}.wasm" for program in ("crowd", "sleeper")}
    make(*programs.values())
    files = {at: ROOT / path for at, path in programs.items()}
    with Machine.pvh(files, machine="microvm", kernel=KERNEL, memory="4G", cpus=1) as machine:
        machine.expect(r"^kwast> ")
        machine.type(f"run crowd {count} {domains}\n")
        said = machine.expect(r"^crowd: (\d+) live, \d+ KiB, (\d+) bytes each$|^crowd: .*:.*$", 3600)
        if said.group(1) is None:
            raise Unavailable(f"{name}: {said.group(0)}")
        machine.expect(rf"^crowd: {count + 1} listed with one more$", 3600)
        machine.expect(r"^crowd: all gone, (0|-\d+) KiB missing$", 3600)
    return int(said.group(2))


def crowd(name):
    count, domains = CROWDS[name]
    each = gather(name, count, domains) / 1024
    yield Result(f"{name}.live", "qemu", count, "processes", bar=count, more_is_better=True)
    yield Result(f"{name}.each", "qemu", each, "KiB", bar=PROCESS_BAR_KIB)
    return each


def crowd_in_domains(_):
    yield from crowd("machine.domains")


def processes(context):
    each = yield from crowd("machine.processes")
    if context.wants("native"):
        text = linux_guest.run("processes", LINUX_PROCESSES, memory="4G")
        found = re.search(r"^processes: \d+ live, (\d+) bytes each", text, re.M)
        if not found:
            raise Unavailable(f"machine.processes: Linux says\n{text[-2000:]}")
        yield Result("machine.processes.each", "qemu", each, "KiB", peer=LINUX,
                     peer_value=int(found.group(1)) / 1024)


# -- Scaling -------------------------------------------------------------------------------------


def build_scale():
    source = HERE / "kernel/scale.c"
    target = BUILD / "kernel/scale"
    if not is_current(target, source, HERE / "machines.py"):
        target.parent.mkdir(parents=True, exist_ok=True)
        command_run([CC, "-std=c23", "-O2", "-D_GNU_SOURCE", "-static", source, "-o", target])
    return build_wasm("scale", source), target


def parse_scale(text):
    found = re.search(r"^scale (\d+) done$", text, re.M)
    if not found:
        raise Unavailable(f"machine.scaling: no result, but\n{text[-2000:]}")
    return int(found.group(1))


def kwast_time(wasm, cpus):
    records = ["program=bin/scale.wasm", "preopen=/=.", "arg=scale", f"arg={CHILDREN}", f"arg={ROUNDS}"]
    files = {"boot/run": "".join(f"{record}\0" for record in records).encode(), "bin/scale.wasm": wasm}
    with Machine.hosted(files, kernel=ROOT / "build/release/kwast-hosted", cpus=cpus) as machine:
        return parse_scale(machine.wait_off())


def linux_time(native, _):
    return parse_scale(run_process([native, CHILDREN, ROUNDS]).output.decode())


def on_cpus(cpus, measure, program):
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(every)[:cpus]))  # what is started inherits it
    try:
        return measure(program, cpus)
    finally:
        os.sched_setaffinity(0, every)


def scaling(context):
    if len(os.sched_getaffinity(0)) < 2:
        raise Unavailable("machine.scaling: needs two CPUs")
    wasm, native = build_scale()
    gains = {"kwast": [], "linux": []}
    # The four take turns, in both orders, so that other load meets all alike.
    runs = [("kwast", kwast_time, wasm), ("linux", linux_time, native)]
    for repetition in range(2 * context.repetitions):
        for name, measure, program in runs if repetition % 2 == 0 else reversed(runs):
            one = on_cpus(1, measure, program)
            gains[name].append(one / on_cpus(2, measure, program))
    own, theirs = (statistics.median(gains[name]) for name in ("kwast", "linux"))
    yield Result("machine.scaling", "hosted", own, "times as fast", bar=SCALING_BAR, peer="Linux processes",
                 peer_value=theirs, more_is_better=True, bar_is_ratio=True)


# -- All -----------------------------------------------------------------------------------------

MEASURES = {"machine.boot": boot, "machine.memory": memory, "machine.processes": processes,
            "machine.domains": crowd_in_domains, "machine.scaling": scaling}


def run(names, context):
    need(CC, CC)
    need("qemu-system-x86_64", "qemu-system-x86")
    context.build_kwast()
    make("BUILD=release", "build/release/kernel.elf")
    for name in names:
        context.say(name)
        yield from MEASURES[name](context)
