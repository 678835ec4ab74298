"""A long pipeline: what comes out is what went in, on one CPU and on four, and the kernel has no more memory in use
afterwards, however much went through.

Run from the root: pytest tests/system/pipeline_test.py; it builds what it needs. KWAST_PIPELINE_MIB is how
many MiB go through; a few, if nothing is said.
"""

import array
import hashlib
import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, Machine, system_files, until  # noqa: E402
from whole_system import build_system  # noqa: E402

MIB = 1 << 20
SIZES = {Machine.hosted: int(os.environ.get("KWAST_PIPELINE_MIB", "4")) * MIB,
         Machine.pvh: int(os.environ.get("KWAST_PIPELINE_MIB", "1")) * MIB}
SECONDS = 7200
# What differs between two looks at an idle system: a stack or two that is kept for the next process.
SLACK_KIB = 64


@pytest.fixture(scope="session", autouse=True)
def build():
    build_system("build/programs/pour.wasm")


@pytest.fixture(params=[(Machine.hosted, 1), (Machine.hosted, 4), (Machine.pvh, 1), (Machine.pvh, 4)],
                ids=["hosted-1", "hosted-4", "qemu-1", "qemu-4"])
def system(request):
    start, cpus = request.param
    files = system_files()
    files["bin/pour.wasm"] = BUILD / "programs/pour.wasm"
    with start(files, cpus=cpus) as machine:
        machine.expect(r"/ \$ ")
        yield machine, SIZES[start]


def poured(count):
    """The SHA-256 of what tests/kwast/pour.c writes."""
    digest = hashlib.sha256()
    state, left = 1, count
    while left:
        words = array.array("Q")
        for _ in range(4096):
            state ^= state << 13 & 0xffff_ffff_ffff_ffff
            state ^= state >> 7
            state ^= state << 17 & 0xffff_ffff_ffff_ffff
            words.append((state & 0x0f0f0f0f0f0f0f0f) + 0x6161616161616161)
        digest.update(words.tobytes()[:left])
        left -= min(left, 8 * len(words))
    return digest.hexdigest()


def pour(machine, count):
    machine.type(f"pour {count} | cat | gzip | gzip -d | sha256sum\n")
    return machine.expect(r"^([0-9a-f]{64})  -$", SECONDS).group(1)


def kernel_kib(machine):
    """KiB that the kernel has in use, of frames and of its heap."""
    machine.type("cat /kernel/memory\n")
    free, total = machine.expect(r"^kernel +(\d+) of +(\d+) KiB free$").groups()
    heap = machine.expect(r"^heap .*\((\d+) bytes\)$").group(1)
    return int(total) - int(free) + int(heap) // 1024


def test_nothing_is_lost_and_nothing_is_kept(system):
    machine, size = system
    assert pour(machine, 65536) == poured(65536)  # code is compiled, and caches fill
    before = kernel_kib(machine)
    assert pour(machine, size) == poured(size)
    until(lambda: kernel_kib(machine), lambda kib: kib <= before + SLACK_KIB)
    assert not re.search("init: .* (ended|was killed|trapped)", machine.text)
