"""The host's directory as /host, through virtio-9p: the whole system in QEMU, with a directory that
the test prepares and looks at.

TREE_COUNT is how many operations change a tree there (tests/kwast/tree.c), TREE_SEED which.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from files_test import EXPECTED, outside, prepare  # noqa: E402
from machine import BUILD, ROOT, Machine, system_files  # noqa: E402
from tree_test import COUNT, SEED, assert_same, on_host  # noqa: E402

LIMIT_SECONDS = 300 + int(COUNT)


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "system", "build/programs/tree.wasm",
                    "build/programs/mounted.wasm", "build/programs/files.wasm",
                    "build/programs/swapped.wasm"], cwd=ROOT, check=True)


class Shell:
    """The system at its prompt, with a directory as /host, or without."""

    def __init__(self, host=None):
        files = system_files()
        args = [] if host is None else [
            "-virtfs", f"local,path={host},mount_tag=host,security_model=none,multidevs=remap"]
        self.machine = Machine.pvh(files, args=args)

    def __enter__(self):
        self.machine.__enter__().expect(r"/ \$ ")
        return self

    def __exit__(self, *args):
        self.machine.__exit__(*args)

    def run(self, command):
        """What the command prints, and its status."""
        self.machine.type(f"echo be''gin; {command}; echo e''nd $?\n")
        start = self.machine.expect(r"^begin\n").end()
        end = self.machine.expect(r"^end (\d+)$", LIMIT_SECONDS)
        return self.machine.text[start:end.start()], int(end.group(1))


def install(base, *programs):
    (base / "bin").mkdir()
    for program in programs:
        shutil.copy(BUILD / f"programs/{program}.wasm", base / "bin")


def test_without_a_device_there_is_no_directory():
    with Shell() as shell:
        assert shell.run("ls /host") == ("", 0)
        assert shell.run("echo x >/host/file 2>/dev/null && rm /host/file") == ("", 0)  # of the root's


def test_files_come_and_go(tmp_path):
    (tmp_path / "text").write_text("from the host\n")
    (tmp_path / "sub").mkdir()
    with Shell(tmp_path) as shell:
        assert shell.run("cat /host/text") == ("from the host\n", 0)
        assert shell.run("echo from here >/host/sub/new && cat /host/sub/new") == ("from here\n", 0)
        assert (tmp_path / "sub/new").read_text() == "from here\n"
        (tmp_path / "text").write_text("changed meanwhile\n")
        assert shell.run("cat /host/text") == ("changed meanwhile\n", 0)
        assert shell.run("mv /host/sub /host/moved && rm -r /host/moved && ls /host | cat") == ("text\n", 0)
        assert os.listdir(tmp_path) == ["text"]


def test_every_call_about_files(tmp_path):
    """As on the host's directories by the link, and on tmpfs (files_test.py)."""
    base = prepare(tmp_path / "x")
    install(base, "files", "mounted")
    before = outside(base)
    with Shell(base) as shell:
        output, status = shell.run("/host/bin/mounted.wasm --at /host files >/host/other.out 2>&1")
    assert (output, status) == ("", 0)
    assert (base / "other.out").read_bytes() == EXPECTED.read_bytes()
    (base / "other.out").unlink()
    assert outside(base) == before


def test_a_directory_swapped_for_a_link_leads_nowhere_new(tmp_path):
    """As in files_test.py; the swapping is done by whoever else is on the host."""
    base = prepare(tmp_path / "x")
    install(base, "swapped", "mounted")
    (base / "outside/inner").write_text("SECRET")
    os.rename(base / "root/dir", base / "root/really")
    os.symlink("../outside", base / "root/trap")
    stop = tmp_path / "stop"
    swapper = subprocess.Popen([sys.executable, "-c", f"""
import os
while not os.path.exists({str(stop)!r}):
    for name in ("really", "trap"):
        os.rename({str(base / "root")!r} + "/" + name, {str(base / "root/dir")!r})
        os.rename({str(base / "root/dir")!r}, {str(base / "root")!r} + "/" + name)
"""])
    try:
        with Shell(base) as shell:
            assert shell.run("/host/bin/mounted.wasm --at /host swapped") == ("never outside\n", 0)
    finally:
        stop.touch()
        swapper.wait()


def test_a_tree_changed_at_random(tmp_path):
    printed = on_host(tmp_path).decode()
    base = tmp_path / "base"
    base.mkdir()
    install(base, "tree")
    shutil.copytree(tmp_path / "begin", base / "here", symlinks=True)
    with Shell(base) as shell:
        output, status = shell.run(f"/host/bin/tree.wasm run /host/here {SEED} {COUNT}")
    assert (output, status) == (printed, 0)
    assert_same(tmp_path / "want", base / "here")


def test_the_service_is_started_again(tmp_path):
    """It is killed; what was open is lost, and the directory is there as before."""
    (tmp_path / "text").write_text("still here\n")
    with Shell(tmp_path) as shell:
        numbers = set()
        for _ in range(3):
            listing, _ = shell.run("cat /kernel/processes")
            number = re.search(r"^ *(\d+) .* host$", listing, re.MULTILINE)
            assert number, listing
            numbers.add(number.group(1))
            assert shell.run(f"kill -9 {number.group(1)}")[1] == 0
            assert shell.run("cat /host/text")[1] == 0
            assert shell.run("echo more >>/host/text") == ("", 0)
        assert len(numbers) == 3
    assert (tmp_path / "text").read_text() == "still here\n" + 3 * "more\n"
