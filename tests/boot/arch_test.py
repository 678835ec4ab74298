"""Boots the x86_64 port with its test payload (arch_payload.c) in QEMU, in every way that it can be
started, and checks that each of its tests passes.

Run from the root, after `make build/arch-test.elf`: pytest tests/boot/arch_test.py
"""

import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import read_some  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KERNEL = os.path.join(ROOT, "build", "arch-test.elf")
COMMAND_LINE = "before seed=00fFa5 after"
MODULE = b"the boot archive" + bytes(range(256)) * 64
TIMEOUT_S = 600  # a limit for hangs only: tests wait for output


class Machine:
    """A running QEMU whose serial line we hold."""

    def __init__(self, *arguments):
        self.output = ""
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-monitor", "none"]
            + ["-serial", "stdio", "-no-reboot", "-net", "none", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.deadline = time.monotonic() + TIMEOUT_S

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _read(self):
        """Appends what came; returns False at the end of the machine."""
        left = self.deadline - time.monotonic()
        ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
        assert ready, f"nothing more within {TIMEOUT_S} s; so far:\n{self.output}"
        data = read_some(self.process.stdout.fileno())
        self.output += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def wait_for(self, text):
        while text not in self.output:
            assert self._read(), f"the machine ended without saying {text!r}:\n{self.output}"

    def wait_for_end(self):
        while self._read():
            pass
        return self.output

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def module_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("module") / "programs.tar"
    path.write_bytes(MODULE)
    return str(path)


@pytest.fixture(scope="module")
def iso_path(tmp_path_factory, module_path):
    path = str(tmp_path_factory.mktemp("iso") / "arch-test.iso")
    maker = os.path.join(ROOT, "tools", "mkiso.sh")
    subprocess.run([maker, KERNEL, module_path, path, COMMAND_LINE], check=True)
    return path


@pytest.fixture(scope="module")
def high_iso_path(tmp_path_factory, module_path):
    """An ISO whose kernel asks to be loaded as high as possible instead of as low."""
    folder = tmp_path_factory.mktemp("high")
    image = bytearray(open(KERNEL, "rb").read())
    tag = struct.pack("<HHIIIII", 10, 0, 24, 0x200000, 0x7FFFFFFF, 0x200000, 1)
    at = image.index(tag) + len(tag) - 4
    image[at : at + 4] = struct.pack("<I", 2)
    kernel = folder / "high.elf"
    kernel.write_bytes(image)
    path = str(folder / "high.iso")
    maker = os.path.join(ROOT, "tools", "mkiso.sh")
    subprocess.run([maker, str(kernel), module_path, path, COMMAND_LINE], check=True)
    return path


def check_payload(*arguments):
    """Runs the payload to its end; returns its output."""
    with Machine(*arguments) as machine:
        machine.wait_for("# type: ok")
        machine.type("ok")
        output = machine.wait_for_end()
    results = re.findall(r"^(ok|not ok) (\d+) (.*)$", output, re.MULTILINE)
    plan = re.search(r"^1\.\.(\d+)$", output, re.MULTILINE)
    assert plan, output
    assert [int(number) for _, number, _ in results] == list(range(1, int(plan[1]) + 1)), output
    assert [name for verdict, _, name in results if verdict != "ok"] == [], output
    # The report of the last test's double fault names the functions on the stack.
    for function in ("overflow_stack", "kernel_main", "boot_start"):
        assert re.search(rf"^  0x[0-9a-f]{{16}} {function}\+0x", output, re.MULTILINE), output
    return output


def pvh(module_path, *arguments):
    return ["-kernel", KERNEL, "-initrd", module_path, "-append", COMMAND_LINE, *arguments]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-machine", "q35", "-cpu", "max"],
        ["-machine", "q35", "-cpu", "Nehalem"],  # x86-64-v2 and nothing more
        ["-machine", "q35", "-cpu", "max,fsgsbase=off,xsave=off,rdseed=off"],
        ["-machine", "pc", "-cpu", "max", "-m", "6G"],  # RAM above 4 GiB
        ["-machine", "q35,hpet=off", "-cpu", "max"],
        ["-machine", "q35,hpet=off", "-cpu", "max", "-icount", "shift=0"],
        ["-machine", "q35", "-cpu", "max", "-smp", "4", "-m", "32"],
        ["-machine", "pc", "-cpu", "Nehalem", "-smp", "2"],
    ],
    ids=lambda arguments: " ".join(arguments[1:]),
)
def test_pvh(module_path, arguments):
    check_payload(*pvh(module_path, *arguments))


def test_bios_iso(iso_path):
    output = check_payload("-machine", "q35", "-cpu", "max", "-m", "256", "-cdrom", iso_path)
    assert "started by GRUB" in output


def test_kernel_runs_wherever_it_is_loaded(high_iso_path):
    output = check_payload("-machine", "q35", "-cpu", "max", "-m", "256", "-cdrom", high_iso_path)
    # The image is not at 2 MiB any more: that is free.
    assert re.search(r"^# free 0001\w{5} \+ f\w{6}$", output, re.MULTILINE), output


def test_uefi_iso(iso_path):
    output = check_payload(
        "-machine", "q35", "-cpu", "max", "-m", "512", "-cdrom", iso_path,
        "-bios", "/usr/share/ovmf/OVMF.fd",
    )
    assert "started by GRUB" in output


def test_without_acpi(module_path):
    """No table tells of timers, interrupt controllers or power: the PIT measures."""
    with Machine(*pvh(module_path, "-machine", "pc,acpi=off", "-cpu", "max")) as machine:
        machine.wait_for("# type: ok")
        assert "not ok" not in machine.output, machine.output
        assert "the timer does not come early" in machine.output


@pytest.mark.parametrize(
    "cpu, message",
    [
        ("core2duo", "this CPU lacks SSE4.1, SSE4.2, POPCNT; Kwast needs x86-64-v2"),
        ("max,nx=off", "this CPU lacks NX; Kwast needs x86-64-v2"),
        ("pentium3", "this CPU has no 64-bit mode (long mode); Kwast needs x86-64-v2"),
    ],
)
def test_missing_features_are_named(module_path, cpu, message):
    with Machine(*pvh(module_path, "-machine", "q35", "-cpu", cpu)) as machine:
        machine.wait_for(message)


def test_too_little_memory_is_said(module_path):
    with Machine(*pvh(module_path, "-machine", "q35", "-cpu", "max", "-m", "4")) as machine:
        machine.wait_for("too little memory")
