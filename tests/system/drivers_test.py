"""Drivers as processes: the PCI service, disks and random bytes by virtio.

Run from the root: pytest tests/system/drivers_test.py; it builds what it needs.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine  # noqa: E402

SECTOR = 512


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all", "test-programs", "system"], cwd=ROOT, check=True)


def disk(path, number=0, options=""):
    return ["-drive", f"file={path},format=raw,if=none,id=disk{number},cache=writethrough{options}",
            "-device", f"virtio-blk-pci,drive=disk{number}"]


class System(Machine):
    """The whole system."""

    def __init__(self, *args, **options):
        super().__init__("-kernel", BUILD / "kernel.elf", "-initrd", BUILD / "system.tar", *args, **options)
        self.expect(r"'help' tells")
        self.count = 0

    def run(self, command):
        """Runs a command in the shell; returns what it prints."""
        self.count += 1
        start = self.position
        # The quotes are for the echo of what is typed.
        self.type(f"{command}; echo \"$? en\"d{self.count}\n")
        status = self.expect(rf"^(\d+) end{self.count}$")
        assert status.group(1) == "0", self.text[start:]
        return self.text[start:status.start()]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(hashlib.shake_128(b"disk").digest(3 << 20))
    return path


def test_a_disk_is_a_file(image):
    with System(*disk(image)) as machine:
        assert machine.run("wc -c </dev/blk/0").split()[-1] == str(3 << 20)
        assert hashlib.sha256(image.read_bytes()).hexdigest() in machine.run("sha256sum /dev/blk/0")
        # Across sectors, and at both ends.
        before = bytearray(image.read_bytes())
        for offset, text in ((0, b"first"), (1021, b"across"), ((3 << 20) - 4, b"last")):
            machine.run(f"printf {text.decode()} >/tmp/x; dd if=/tmp/x of=/dev/blk/0 bs=1 seek={offset} conv=notrunc,fsync 2>/dev/null")
            before[offset:offset + len(text)] = text
        assert image.read_bytes() == bytes(before)
        # Nothing is behind the end.
        said = machine.run("printf x >/tmp/x; dd if=/tmp/x of=/dev/blk/0 bs=1 seek=3145728 conv=notrunc 2>&1 || true")
        assert "No space left" in said
        assert machine.run("dd if=/dev/blk/0 bs=1 skip=3145727 count=5 2>/dev/null | wc -c").split()[-1] == "1"
        machine.run("dd if=/dev/blk/0 of=/tmp/copy bs=64k 2>/dev/null && cmp /tmp/copy /dev/blk/0")
    assert image.read_bytes() == bytes(before)


def test_what_is_not_there_is_not_listed_and_what_is_works(image, tmp_path):
    second = tmp_path / "second.img"
    second.write_bytes(b"s" * SECTOR * 3)
    with System() as machine:
        said = machine.run("ls /dev /pci")
        assert "blk" not in said and "hwrng" not in said and "00:00.0" in said
        assert machine.run("ls /dev/blk 2>&1 || true").count("No such file") == 1
    with System(*disk(image, 0), *disk(second, 1, ",readonly=on"), "-device", "virtio-rng-pci", cpus=3) as machine:
        said = machine.run("ls /dev")
        assert "blk" in said and "hwrng" in said
        assert machine.run("wc -c </dev/blk/1").split()[-1] == str(SECTOR * 3)
        assert "Read-only" in machine.run("printf x | dd of=/dev/blk/1 conv=notrunc 2>&1 || true")
        one, other = (machine.run("head -c 4096 /dev/hwrng | sha256sum") for _ in range(2))
        assert one != other
        assert machine.run("head -c 100000 /dev/hwrng | wc -c").split()[-1] == "100000"
        assert machine.run("cat /pci/*").count("yes, masters the bus") == 3
    assert second.read_bytes() == b"s" * SECTOR * 3


@pytest.mark.parametrize("cpus", [1, 3])
def test_a_driver_that_is_killed_loses_nothing(tmp_path, cpus):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(256 * SECTOR))
    files = {"bin/init.wasm": BUILD / "programs/disk.wasm",
             **{f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("pci", "virtio_blk")}}
    with Machine.pvh(files, args=disk(image), cpus=cpus) as machine:
        total = int(machine.expect(r"^(?:wrong.*|sum (\d+))$").group(1))
        done, failed = map(int, machine.expect(r"^(\d+) writes, (\d+) failed$").groups())
        machine.expect("^all right$")
        assert done >= 20 and "wrong" not in machine.text
    # The disk itself says the same.
    content = image.read_bytes()
    values = [int.from_bytes(content[at + 4:at + 8], "little") for at in range(0, len(content), SECTOR)]
    assert total == sum(value * (i + 1) for i, value in enumerate(values))


def test_the_pci_service_answers_whatever_it_is_asked():
    files = {"bin/init.wasm": BUILD / "programs/pci_misuse.wasm", "bin/pci.wasm": BUILD / "programs/pci.wasm"}
    with Machine.pvh(files, args=["-device", "virtio-rng-pci"]) as machine:
        assert machine.expect(r"^(all right|wrong.*)$").group(1) == "all right", machine.text
