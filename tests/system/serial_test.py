"""The serial driver: raw lines, and the console on the first one.

Run from the root: pytest tests/system/serial_test.py; it builds what it needs.
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
from machine import BUILD, LIMIT_SECONDS, ROOT, Machine  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all", "system"], cwd=ROOT, check=True)


class Line:
    """Our end of a serial line."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.sent = 0
        self.socket.settimeout(LIMIT_SECONDS)
        self.socket.connect(str(path))

    def _send(self, data):
        for at in range(0, len(data), 1024):
            self.socket.sendall(data[at:at + 1024])
            self.sent = at

    def send_later(self, data):
        thread = threading.Thread(target=self._send, args=(data,), daemon=True)
        thread.start()
        return thread

    def wait_stuck(self):
        """Until the other side takes nothing for a while."""
        before = None
        while before != self.sent:
            before = self.sent
            time.sleep(2)

    def receive(self, count):
        data = b""
        while len(data) < count and (some := self.socket.recv(count - len(data))):
            data += some
        return data


class System(Machine):
    def __init__(self, *args, **options):
        super().__init__("-kernel", BUILD / "kernel.elf", "-initrd", BUILD / "system.tar", *args, **options)
        self.expect(r"'help' tells.*$")
        self.count = 0

    def run(self, command):
        """Runs a command in the shell; returns what it prints."""
        self.count += 1
        # The quotes are for the echo of what is typed.
        self.type(f"echo be\"gin\"{self.count}; {command}; echo \"$? en\"d{self.count}\n")
        start = self.expect(rf"^begin{self.count}$").end()
        status = self.expect(rf"^(\d+) end{self.count}$")
        assert status.group(1) == "0", self.text[start:]
        return self.text[start:status.start()]


@pytest.mark.parametrize("cpus", [1, 3])
def test_a_line_is_a_file(tmp_path, cpus):
    with System("-serial", f"unix:{tmp_path}/line,server=on,wait=off", cpus=cpus) as machine:
        line = Line(tmp_path / "line")
        assert machine.run("echo /dev/serial/*").split() == ["/dev/serial/0", "/dev/serial/1"]
        # The console has its own for itself.
        assert "busy" in machine.run("cat /dev/serial/0 2>&1 || true")
        # Neither end changes a byte, or loses one.
        data = hashlib.shake_128(b"line").digest(100000)
        sender = line.send_later(data)
        assert hashlib.sha256(data).hexdigest() in machine.run("head -c 100000 /dev/serial/1 | sha256sum")
        sender.join()
        told = machine.run("head -c 100000 /dev/urandom >/tmp/out; sha256sum </tmp/out; (cat /tmp/out >/dev/serial/1 &)")
        assert hashlib.sha256(line.receive(100000)).hexdigest() in told
        # Who waits for something gets what there is.
        line.socket.sendall(b"first\nsecond")
        assert machine.run("read x </dev/serial/1; echo \"<$x>\"").split() == ["<first>"]


def test_what_nobody_reads_waits(tmp_path):
    """More than the driver holds: the rest stays with the device, and that with its host."""
    with System("-serial", f"unix:{tmp_path}/line,server=on,wait=off") as machine:
        line = Line(tmp_path / "line")
        data = hashlib.shake_128(b"waits").digest(200000)
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sender = line.send_later(data)
        line.wait_stuck()
        told = machine.run("head -c 200000 /dev/serial/1 | { sleep 1; sha256sum; }")
        assert hashlib.sha256(data).hexdigest() in told
        sender.join()


def test_a_killed_driver_comes_back_and_the_session_goes_on():
    with System() as machine:
        for count in range(1, 5):
            # It is started again after a while.
            machine.run("until ps | grep -q ' serial$'; do sleep 0.1; done")
            # What is shown while there is no driver is shown by the kernel, or when there is one,
            # in order.
            said = machine.run("set -- $(ps | grep ' serial$'); kill $1; seq 1 300")
            numbers = [word for word in said.split() if word.isdigit()]
            assert numbers == [str(n) for n in range(1, 301)], said
            machine.expect_times("init: serial was killed\n", count)
        assert machine.text.count("init: serial was killed\n") == 4
        assert machine.run("echo still here").split() == ["still", "here"]


def test_the_kernel_and_services_are_heard_while_the_driver_has_the_line():
    with System() as machine:
        machine.run("true")
        machine.type("set -- $(ps | grep ' pipe$'); kill $1\n")
        machine.expect("init: pipe was killed$")
        # The console comes back to the line, too, and says what was said meanwhile.
        machine.type("set -- $(ps | grep ' console$'); kill $1\n")
        machine.expect("init: console was killed$")
        assert machine.run("echo line").split() == ["line"]
        # Where it ends, the kernel has the line once more.
        machine.type("poweroff\n")
        machine.wait_off()
        assert machine.process.returncode == 0
