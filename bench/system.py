"""What the whole system costs, from power-on to the shell's prompt: instructions, and memory."""

import re
import sys

from common import ROOT, Result, Unavailable, make
from kernel import ICOUNT
from machines import least
from programs import need

sys.path.insert(0, str(ROOT / "tests"))
from machine import Machine  # noqa: E402

NAME = "system"
WHAT = "the whole system at its prompt: instructions and memory"

BUILD = ROOT / "build"
KERNEL = BUILD / "release/kernel.elf"
PROMPT = r"/ \$ "
BOOT_BAR = 300_000_000
MEMORY_BAR_MB = 32


def benchmarks():
    return [("system.boot", "instructions from power-on to the prompt, and to its first answer"),
            ("system.memory", "the least memory that boots to the prompt and runs a utility")]


def system_files():
    folder = BUILD / "system"
    return {str(path.relative_to(folder)): path
            for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def boot(_):
    """The shell itself reads what the CPU has been busy for, a nanosecond for each instruction; what waits for the
    typist is idle. So this is a little more than what the prompt took."""
    with Machine.pvh(system_files(), kernel=KERNEL, args=ICOUNT, cpus=1) as machine:
        firmware_us = int(machine.expect(r"firmware and boot loader took (\d+) us$").group(1))
        machine.expect(PROMPT)
        machine.type("while read line; do echo \"$line\"; done < /kernel/cpus\n")
        busy_us = int(machine.expect(r"^0 +(\d+) +\d+ .*$").group(1))
    yield Result("system.boot", "qemu", (firmware_us + busy_us) * 1000, "instructions", bar=BOOT_BAR)
    yield Result("system.boot.firmware", "qemu", firmware_us * 1000, "instructions")


def fits(megabytes):
    with Machine.pvh(system_files(), kernel=KERNEL, memory=f"{megabytes}M", cpus=1) as machine:
        try:
            machine.expect(PROMPT, 60)
            machine.type("ls /boot/bin | wc -l; echo sta''tus $?\n")
            return machine.expect(r"^status (\d+)$", 60).group(1) == "0" and \
                re.search(r"^init: ", machine.text, re.M) is None
        except (AssertionError, BrokenPipeError):
            return False


def memory(_):
    least_mb = least(fits, 4, 128)
    if least_mb == 128 and not fits(128):
        raise Unavailable("system.memory: does not come to its prompt in 128 MB")
    yield Result("system.memory", "qemu", least_mb, "MB", bar=MEMORY_BAR_MB)


MEASURES = {"system.boot": boot, "system.memory": memory}


def run(names, context):
    need("qemu-system-x86_64", "qemu-system-x86")
    make("BUILD=release", "build/release/kernel.elf")
    make("system")
    for name in names:
        context.say(name)
        yield from MEASURES[name](context)
