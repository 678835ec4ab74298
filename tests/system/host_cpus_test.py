"""`kwast-hosted --host-cpus`: each CPU of the machine is kept on one of Linux's.

Run from the root, after `make`: pytest tests/system/host_cpus_test.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, Machine, until  # noqa: E402


def allowed(machine):
    """Where the threads of the machine may run, as Linux tells."""
    return sorted(os.sched_getaffinity(int(task.name)) for task in Path(f"/proc/{machine.process.pid}/task").iterdir())


def test_each_cpu_stays_where_it_is_told():
    host = max(os.sched_getaffinity(0))
    with Machine.hosted({}, cpus=2, args=["--host-cpus", f"{host},{host}"]) as machine:
        machine.expect("2 of 2 CPUs run$")
        until(lambda: allowed(machine), lambda seen: seen == [{host}, {host}])


@pytest.mark.parametrize("value, why", [
    ("", "is no list of CPUs"),
    ("0,", "is no list of CPUs"),
    ("0;1", "is no list of CPUs"),
    ("0,1,two", "is no list of CPUs"),
    ("99999,0", "is no list of CPUs"),
    (",".join(["0"] * 33), "is no list of CPUs"),
    ("0", "2 CPUs need as many of Linux's"),
    ("1023,0", "CPU 1023 of Linux's: Invalid argument"),
])
def test_what_is_no_such_list_is_refused(value, why):
    done = subprocess.run([BUILD / "kwast-hosted", "--cpus", "2", "--host-cpus", value], capture_output=True, text=True,
                          timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 1 and why in done.stderr
