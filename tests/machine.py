"""A machine under test: QEMU with Kwast in it, or the kernel as a process of this machine; its serial
line or terminal at our end of a pipe.

Tests wait for output, never for time; the limits are generous because QEMU emulates every
instruction. A machine that dies or falls silent fails the test with everything it said.

With KWAST_TEST_DRIP=1 output is read in pieces of 1 to 7 bytes, which is how it may come on a busy
machine: no test may notice.
"""

import codecs
import io
import json
import os
import random
import re
import select
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
HOSTED = Path(os.environ.get("KWAST_HOSTED", BUILD / "kwast-hosted"))  # as for `kwast run`
LIMIT_SECONDS = 900  # nobody waits so long but for what never comes

DRIP = os.environ.get("KWAST_TEST_DRIP", "0") != "0"

# How many CPUs the machines have, unless a test says. KWAST_TEST_CPUS is for all of them.
CPUS = {"qemu": 1, "hosted": 2}
if "KWAST_TEST_CPUS" in os.environ:
    CPUS = dict.fromkeys(CPUS, int(os.environ["KWAST_TEST_CPUS"]))


def boot_archive(path, files):
    """Writes a ustar archive of {name: bytes or Path}."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            if isinstance(content, Path) and content.is_symlink():
                archive.add(content, name)
                continue
            data = content.read_bytes() if isinstance(content, Path) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def system_files():
    """{name: Path} of what the system starts with (`make system`), for an archive."""
    folder = BUILD / "system"
    return {str(path.relative_to(folder)): path
            for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


def read_some(descriptor):
    """What came of an output, at least a byte; nothing at its end."""
    return os.read(descriptor, random.randint(1, 7) if DRIP else 65536)


def until(look, is_good, seconds=LIMIT_SECONDS):
    """Looks again and again until what is seen is good; returns it. For what comes soon, however
    slow the machine is."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while not is_good(seen := look()):
        assert time.monotonic() < deadline, f"after {seconds} s it is still {seen!r}"
        time.sleep(pause)
        pause = min(2 * pause, 0.2)
    return seen


def settled(look, times=5):
    """What is seen once it is the same several times. Work may still be under way even so: what is
    compared with it may be better than this, and never must be the same."""
    seen, count = look(), 1
    while count < times:
        time.sleep(0.01)
        before, seen = seen, look()
        count = count + 1 if seen == before else 1
    return seen


class Machine:
    """Use as a context manager. `args` are QEMU's, beyond the common ones."""

    def __init__(self, *args, memory="256M", cpu="max", cpus=None, qmp=False, hosted=None,
                 machine="q35"):
        self.folder = tempfile.TemporaryDirectory(prefix="kwast-test-")
        self.text = ""
        self.position = 0
        if hosted:
            command = [hosted, "--memory", memory.rstrip("M"), "--cpus", cpus or CPUS["hosted"]]
        else:
            command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", machine, "-m", memory,
                       "-cpu", cpu, "-smp", cpus or CPUS["qemu"], "-display", "none",
                       "-no-reboot", "-nodefaults", "-no-user-config", "-serial", "stdio"]
        self.qmp_path = os.path.join(self.folder.name, "qmp")
        if qmp:
            command += ["-vga", "std", "-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        self.process = subprocess.Popen(list(map(str, [*command, *args])), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.qmp_file = None
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")  # reads end anywhere

    @classmethod
    def pvh(cls, files=None, append="", kernel=BUILD / "kernel.elf", **options):
        """Boots the kernel directly; `files` becomes the boot archive unless it is None."""
        args = ["-kernel", kernel, "-append", append]
        if files is not None:
            handle, path = tempfile.mkstemp(suffix=".tar")
            os.close(handle)
            boot_archive(path, files)
            args += ["-initrd", path]
        machine = cls(*args, *options.pop("args", ()), **options)
        machine.remove = path if files is not None else None
        return machine

    @classmethod
    def hosted(cls, files, append="", kernel=HOSTED, **options):
        """Starts the kernel as a process."""
        handle, path = tempfile.mkstemp(suffix=".tar")
        os.close(handle)
        boot_archive(path, files)
        machine = cls("--append", append, *options.pop("args", ()), path, hosted=kernel, **options)
        machine.remove = path
        return machine

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if getattr(self, "remove", None):
            os.unlink(self.remove)
        self.folder.cleanup()

    def _read(self, limit):
        ready, _, _ = select.select([self.process.stdout], [], [], max(0, limit))
        if not ready:
            return False
        data = read_some(self.process.stdout.fileno())
        self.text += self.decoder.decode(data).replace("\r", "")
        return bool(data)

    def expect(self, pattern, seconds=LIMIT_SECONDS):
        """Waits for a match after the last one; returns it. A `$` at the end of the pattern is the
        end of a line that came whole: what was read so far may end anywhere."""
        deadline = time.monotonic() + seconds
        if pattern.endswith("$"):
            pattern = pattern[:-1] + r"(?=\n)"
        while True:
            match = re.compile(pattern, re.MULTILINE).search(self.text, self.position)
            if match:
                self.position = match.end()
                return match
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"no match for {pattern!r} in what the machine said after:\n"
                                     f"{self.text[:self.position]}\n--- and then:\n"
                                     f"{self.text[self.position:]}")

    def expect_times(self, words, times):
        """Waits until the words were said so often since the start: what several programs say comes in
        any order, also before what has been waited for."""
        while self.text.count(words) < times:
            self.expect(re.escape(words))

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_off(self, seconds=LIMIT_SECONDS):
        """Waits until the machine powers itself off; returns all that it said."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        remaining = deadline - time.monotonic()
        self.process.wait(timeout=max(1, remaining))
        return self.text

    def monitor(self, command, **arguments):
        """Runs a QMP command; returns its result."""
        if self.qmp_file is None:
            link = socket.socket(socket.AF_UNIX)
            link.connect(self.qmp_path)
            self.qmp_file = link.makefile("rw")
            self.qmp_file.readline()
            self.monitor("qmp_capabilities")
        self.qmp_file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp_file.flush()
        while True:
            answer = json.loads(self.qmp_file.readline())
            if "error" in answer:
                raise AssertionError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]
