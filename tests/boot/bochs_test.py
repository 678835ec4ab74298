"""Kwast in Bochs, which has what QEMU's emulation lacks: x2APIC, the TSC-deadline timer, PCID and
INVPCID. The kernel says that it uses them, and processes in protection domains of their own come to no
harm.

Run from the root, after `make`: pytest tests/boot/bochs_test.py
"""

import codecs
import os
import pty
import subprocess
import sys
import tempfile
import threading
import tty
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, boot_archive  # noqa: E402

CONFIG = """
display_library: term
cpu: model=tigerlake, count={cpus}, ips=100000000, reset_on_triple_fault=0
memory: guest=256, host=256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
vga: extension=none
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
ata0-master: type=cdrom, path="{iso}", status=inserted
boot: cdrom
com1: enabled=1, mode=term, dev={serial}
log: {folder}/log
panic: action=report
error: action=report
info: action=ignore
clock: sync=none, time0=1700000000
"""


class Bochs(Machine):
    """A machine whose serial line is a pseudo-terminal; another one is its screen, which nobody sees."""

    def __init__(self, files, cpus=1):
        self.folder = tempfile.TemporaryDirectory(prefix="kwast-bochs-")
        self.text = ""
        self.position = 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        folder = Path(self.folder.name)
        boot_archive(folder / "archive", files)
        subprocess.run([ROOT / "tools/mkiso.sh", BUILD / "kernel.elf", folder / "archive", folder / "iso"],
                       check=True)
        self.serial, serial_end = pty.openpty()
        self.screen, screen_end = pty.openpty()
        tty.setraw(serial_end)
        (folder / "config").write_text(CONFIG.format(cpus=cpus, iso=folder / "iso", folder=folder,
                                                     serial=os.ttyname(serial_end)))
        (folder / "go").write_text("c\n")  # to its debugger
        self.process = subprocess.Popen(
            ["bochs", "-q", "-f", folder / "config", "-rc", folder / "go"], cwd=folder,
            stdin=screen_end, stdout=screen_end, stderr=screen_end, env={**os.environ, "TERM": "vt100"})
        self.process.stdout = os.fdopen(self.serial, "rb", buffering=0)
        self.process.stdin = os.fdopen(os.dup(self.serial), "wb", buffering=0)
        os.close(screen_end)
        self.serial_end = serial_end  # stays open: the line has no end
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self):
        try:
            while os.read(self.screen, 65536):
                pass
        except OSError:
            pass  # Bochs has gone

    def __exit__(self, *what):
        super().__exit__(*what)
        self.process.stdout.close()
        self.process.stdin.close()
        os.close(self.serial_end)


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "test-programs"], cwd=ROOT, check=True)


def program(name):
    return {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm"}


def expect_features(machine):
    machine.expect(r"in use: x2APIC, TSC-deadline timer, PCID, INVPCID, FSGSBASE$")


def records(*lines):
    return {"boot/run": "".join(line + "\0" for line in lines).encode()}


@pytest.mark.parametrize("cpus", [1, 2])
def test_program_finds_nothing_wrong_across_domains(cpus):
    run = records("program=bin/ipc.wasm", "arg=ipc", "preopen=/bin=bin", "isolation=domain", "env=ISOLATION=domain")
    with Bochs({**run, **program("ipc")}, cpus=cpus) as machine:
        expect_features(machine)
        machine.expect(rf"{cpus} of {cpus} CPUs run$")
        assert machine.expect(r"^(wrong.*|all right)$").group(1) == "all right"


def test_chaos_ends_in_order():
    with Bochs(program("chaos")) as machine:
        expect_features(machine)
        machine.expect("kwast> ")
        machine.type("run chaos 1 12\n")
        assert machine.expect(r"^(wrong.*|all right)$").group(1) == "all right"
        machine.type("check\n")
        machine.expect(r"all invariants hold")
