"""What POSIX says of the functions that ports are built upon (user/ports/posix), by the same program on
Kwast and on the system that this runs on.

Run from the root: pytest tests/ports; it builds what it needs.
"""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, system_files  # noqa: E402
from whole_system import build_system  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def build():
    build_system("build/programs/posix.wasm")


@pytest.mark.parametrize("boot", [Machine.hosted, Machine.pvh], ids=["hosted", "qemu"])
def test_ports_find_what_posix_promises(boot):
    files = system_files()
    files["bin/posix.wasm"] = BUILD / "programs/posix.wasm"
    with boot(files) as machine:
        machine.expect(r"/ \$ ")
        machine.type("mkdir /tmp/posix && posix /tmp/posix /boot/bin/posix.wasm\n")
        assert machine.expect(r"^posix: (\d+) failures$").group(1) == "0", machine.text


def test_it_is_true_of_linux(tmp_path):
    program = tmp_path / "posix"
    subprocess.run(["clang-19", "-std=gnu23", "-D_GNU_SOURCE", ROOT / "tests/ports/posix.c", "-o", program],
                   check=True)
    (tmp_path / "folder").mkdir()
    subprocess.run([program, tmp_path / "folder", program], check=True)
