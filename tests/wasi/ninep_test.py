"""The property of property_test.py for /host: the host's directory through virtio-9p, in QEMU, whose
server finds files by their paths; so nothing that is open loses its name here.

WASI_SEED and WASI_NINEP_CALLS choose the sequence.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BUILD, ROOT
from property import compare, generate, script

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from host_test import Shell  # noqa: E402
from property_test import SEED  # noqa: E402

CALLS = int(os.environ.get("WASI_NINEP_CALLS", 1000))


@pytest.fixture(scope="module", autouse=True)
def system():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "system"], cwd=ROOT, check=True)


def test_random_calls_do_what_the_model_says(tmp_path):
    calls = generate(SEED, CALLS, spares_open=True)
    for folder in ("bin", "root", "other"):
        (tmp_path / folder).mkdir()
    for program in ("calls", "mounted"):
        shutil.copy(BUILD / f"programs/{program}.wasm", tmp_path / "bin")
    (tmp_path / "script").write_bytes(script(calls))
    with Shell(tmp_path) as shell:
        output, status = shell.run("/host/bin/mounted.wasm --at /host calls </host/script >/host/out")
    assert (output, status) == ("", 0)
    lines = (tmp_path / "out").read_text().split("\n")[:-1]
    difference = compare(calls, lines)
    assert difference is None, f"WASI_SEED={SEED} WASI_NINEP_CALLS={CALLS}: {difference}"
