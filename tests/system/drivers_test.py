"""Drivers as processes: the PCI service, disks and random bytes by virtio.

Run from the root: pytest tests/system/drivers_test.py; it builds what it needs.
"""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, Machine, system_files, until  # noqa: E402

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


EDU = """
service pci
    run      /boot/bin/pci.wasm $pci $machine $init
    serves   pci
    machine  machine
    uses     init
service edu
    run      /boot/bin/edu.wasm $devices
    pci      devices 1234:11e8
"""


# By a plain message, and by the line that the firmware has routed: the i440fx has other wires than the q35.
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_interrupts_by_messages_and_by_lines(machine, tmp_path):
    (tmp_path / "init.conf").write_text(EDU)
    files = {"etc/init.conf": tmp_path / "init.conf",
             **{f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("init", "pci", "edu")}}
    with Machine.pvh(files, args=["-device", "edu"], machine=machine) as booted:
        assert booted.expect(r"^((not )?all right|wrong.*)$").group(1) == "all right", booted.text


def test_an_interrupt_above_15_comes(tmp_path):
    """The q35 brings a device's wire to the I/O APIC twice: where the firmware has it go, and to an input of its own,
    which only AML tells of. For slot 4 that is 20."""
    (tmp_path / "init.conf").write_text(EDU.replace("$devices", "$devices $input") + "    interrupt input 20\n")
    files = {"etc/init.conf": tmp_path / "init.conf",
             **{f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("init", "pci", "edu")}}
    with Machine.pvh(files, args=["-device", "edu,addr=4"]) as booted:
        assert booted.expect(r"^((not )?all right|wrong.*)$").group(1) == "all right", booted.text


@pytest.mark.parametrize("machine, size", [("pc", 256), ("q35", 4096)])
def test_configuration_space_is_found_where_it_is(machine, size, image):
    """In memory where the firmware tells of it, with what only that has; by ports otherwise. Drivers do not notice."""
    args = [*disk(image), "-device", "virtio-rng-pci", "-device", "e1000e,addr=6,mac=52:54:00:12:34:56"]
    with System(*args, machine=machine) as booted:
        assert booted.run(f"grep -L 'config *{size} bytes' /pci/* | wc -l").split()[-1] == "0"
        told = booted.run("cat /pci/00:06.0")
        assert "device    8086:10d3" in told
        assert ("extended  0001 at 100, 0003 at 140\n" in told) == (size == 4096), told
        assert hashlib.sha256(image.read_bytes()).hexdigest() in booted.run("sha256sum /dev/blk/0")
        assert booted.run("head -c 100000 /dev/hwrng | wc -c").split()[-1] == "100000"
        assert "pci:" not in booted.run("dmesg")


@pytest.mark.parametrize("machine, cpus", [("pc", 3), ("q35", 1)])
def test_devices_share_a_line(machine, cpus, image, tmp_path):
    """Two interrupts for three devices without messages, in two drivers."""
    second = tmp_path / "second.img"
    second.write_bytes(hashlib.shake_128(b"second").digest(1 << 20))
    args = [arg + ",vectors=0" if arg.startswith("virtio") else arg
            for arg in (*disk(image, 0), *disk(second, 1), "-device", "virtio-rng-pci")]
    with System(*args, machine=machine, cpus=cpus) as booted:
        booted.run("head -c 100000 /dev/hwrng >/tmp/r & sha256sum /dev/blk/0 >/tmp/0 & sha256sum /dev/blk/1 >/tmp/1; wait")
        assert hashlib.sha256(image.read_bytes()).hexdigest() in booted.run("cat /tmp/0")
        assert hashlib.sha256(second.read_bytes()).hexdigest() in booted.run("cat /tmp/1")
        assert booted.run("wc -c </tmp/r").split()[-1] == "100000"


def send_in_pieces(host, data, sent):
    for at in range(0, len(data), 1024):
        host.sendall(data[at:at + 1024])
        sent.append(at)


def test_the_host_is_reached_by_consoles(tmp_path):
    """The first such device is the kernel's link. What is sent goes into a file, for QEMU drops what
    the other end of a console's socket does not take at once."""
    args = []
    for i, host in enumerate(["null", f"socket,path={tmp_path}/socket,server=on,wait=off", f"file,path={tmp_path}/file"]):
        kind, *rest = host.split(",", 1)
        args += ["-device", f"virtio-serial-pci,id=bus{i}", "-chardev", ",".join([kind, f"id=host{i}", *rest]),
                 "-device", f"virtconsole,bus=bus{i}.0,chardev=host{i}"]
    data = hashlib.shake_128(b"console").digest(1 << 20)
    with System(*args, cpus=2) as booted:
        host = socket.socket(socket.AF_UNIX)
        host.settimeout(LIMIT_SECONDS)
        host.connect(str(tmp_path / "socket"))
        assert booted.run("echo /dev/hvc/*").split()[-2:] == ["/dev/hvc/0", "/dev/hvc/1"]
        # Nobody reads at first: then the driver is full, and the device, and that stops its host.
        host.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        pieces = []
        sender = threading.Thread(target=send_in_pieces, args=(host, data, pieces), daemon=True)
        sender.start()
        before = None
        while before != len(pieces):
            before = len(pieces)
            time.sleep(2)
        assert hashlib.sha256(data).hexdigest() in booted.run(f"head -c {len(data)} /dev/hvc/0 | sha256sum")
        sender.join()
        # When there is nothing to do it does nothing: of two seconds it takes less than one.
        used = "grep ' virtio_console$' /kernel/processes | (read -r id parent share threads us rest; echo $us)"
        said = booted.run(f"a=$({used}); sleep 2; b=$({used}); echo used $((b - a))")
        assert int(said.split()[-1]) < 1000000, said
        sent = (tmp_path / "file").read_bytes
        told = booted.run(f"head -c {len(data)} /dev/urandom >/tmp/out; sha256sum </tmp/out; cat /tmp/out >/dev/hvc/1")
        got = until(sent, lambda got: len(got) >= len(data))
        assert hashlib.sha256(got).hexdigest() in told
        # Killed with a write under way: the next driver begins afresh.
        booted.run("(cat /dev/zero >/dev/hvc/1 &)")
        until(sent, lambda now: len(now) > len(got))
        booted.run("set -- $(ps | grep ' virtio_console$'); old=$1; kill $old")
        booted.run("until set -- $(ps | grep ' virtio_console$'); [ ${1:-$old} != $old ]; do sleep 0.1; done")
        booted.run("until printf '\\nend\\n' >/dev/hvc/1; do sleep 0.1; done 2>/dev/null")
        until(sent, lambda got: got.endswith(b"\nend\n"))
        host.sendall(b"line\n")
        assert booted.run("read x </dev/hvc/0; echo \"<$x>\"").split()[-1] == "<line>"


def test_the_clock_is_read_and_set():
    with System("-rtc", "base=2031-02-03T04:05:06") as booted:
        assert booted.run("cat /dev/rtc").split()[-2:][0] == "2031-02-03"
        assert booted.run("date -u +%F").split()[-1] == "2031-02-03"
        assert booted.run("dd if=/dev/rtc bs=1 skip=100 count=9 2>/dev/null | wc -c").split()[-1] == "0"
        booted.run("echo '2024-02-29 23:59:40' >/dev/rtc")
        assert booted.run("cat /dev/rtc").split()[-2] in ("2024-02-29", "2024-03-01")
        for wrong in ("2023-02-29 00:00:00", "2024-01-01 24:00:00", "2024-01-01", "yesterday", "2024-01-01 00:00:00 and more"):
            assert "Invalid" in booted.run(f"echo '{wrong}' | dd of=/dev/rtc 2>&1 || true"), wrong
        assert booted.run("cat /dev/rtc").split()[-2].startswith("2024-0")


# -- The mouse ---------------------------------------------------------------------------------------


def test_the_mouse_is_ready_when_it_has_moved():
    files = system_files()
    files["bin/mouse.wasm"] = BUILD / "programs/mouse.wasm"
    # The driver is for a machine with a screen, which this one has not.
    manifest = files["etc/init.conf"].read_text().replace("start      screen", "start      machine")
    files["etc/init.conf"] = manifest.encode()
    with Machine.pvh(files, qmp=True) as machine:
        machine.expect(r"'help' tells")
        machine.type("mouse\n")
        machine.expect("^mouse: move it$")
        machine.monitor("input-send-event", events=[{"type": "rel", "data": {"axis": "x", "value": 5}},
                                                    {"type": "rel", "data": {"axis": "y", "value": 3}}])
        found = machine.expect("^mouse: ready .*$").group(0)
        assert found == "mouse: ready 0, 1, 0; 8 bytes, 5 3"
