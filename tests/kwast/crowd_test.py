"""Many processes at once: what one costs, that a system full of them still works, and that all of it
comes back.

Run from the root, after `make kernel programs test-programs`: pytest tests/kwast/crowd_test.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine  # noqa: E402

COUNT = 2000
BYTES_EACH = 40 * 1024


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "test-programs"], cwd=ROOT, check=True)


@pytest.mark.parametrize("domains", [0, 4], ids=["one-domain", "five-domains"])
def test_two_thousand_processes_live_at_once_and_leave_nothing(domains):
    files = {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("crowd", "sleeper")}
    with Machine.pvh(files, memory="512M", cpus=1) as machine:
        machine.expect("^kwast> ")
        machine.type(f"run crowd {COUNT} {domains}\n")
        each = machine.expect(rf"^crowd: {COUNT} live, \d+ KiB, (\d+) bytes each$").group(1)
        assert int(each) <= BYTES_EACH
        machine.expect(rf"^crowd: {COUNT + 1} listed with one more$")
        missing = machine.expect(r"^crowd: all gone, (-?\d+) KiB missing$").group(1)
        # Less than nothing: the first measure found something still in use. Now and then some pages
        # are more in use than then (seen: 4 and 20 KiB); with 2,000 processes no leak is that small.
        assert int(missing) <= 32
