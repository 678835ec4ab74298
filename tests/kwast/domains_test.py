"""Protection domains until there are no more (domains.c): an error, after which all that there was can be
had again. Hosted, 128 are all, and a domain has room for some thirty memories; for half and a quarter of that
where ThreadSanitizer has most of the address space. In QEMU memory ends first: one of 32 MiB has room for some 600
domains, or 750 memories in one.

Run from the root, after `make`: pytest tests/kwast/domains_test.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, until  # noqa: E402

AT_LEAST = {"domains": 60, "memories": 6}


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all", "test-programs"], cwd=ROOT, check=True)


def domains_left(machine):
    machine.type("check\n")
    found = machine.expect(r"^(?:all invariants hold; (\d+) domains .*|check: no such command)$")
    machine.expect("^kwast> ")
    return int(found.group(1) or 0)


def spawn_all(machine, what, at_least):
    """Twice, one after the other; returns how many there were the first time."""
    machine.type(f"run domains {what}\n")
    found = machine.expect(r"^(?:domains: (\d+), then (\d+)|wrong: .*)$")
    assert found.group(1), found.group()
    first, second = map(int, found.groups())
    assert first >= at_least and second >= first * 0.95
    machine.expect("^all right$")
    machine.expect("^kwast> ")
    # The last stack, and the domain with it, goes when the reaper comes to it.
    until(lambda: domains_left(machine), lambda left: left == 0)
    return first


@pytest.mark.parametrize("what", ["domains", "memories"])
def test_hosted_no_more_is_an_error_and_what_was_there_comes_back(what):
    files = {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("domains", "sleeper")}
    with Machine.hosted(files, cpus=1) as machine:
        machine.expect("^kwast> ")
        spawn_all(machine, what, AT_LEAST[what])


@pytest.mark.parametrize("what", ["domains", "memories"])
def test_qemu_no_memory_is_an_error_and_all_is_given_back(what):
    """Each time as many as the first time, but for a few: memory moves between the zones in large blocks."""
    files = {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("domains", "sleeper")}
    with Machine.pvh(files, memory="32M", cpus=1) as machine:
        machine.expect("^kwast> ")
        first = spawn_all(machine, what, 300)
        again = [spawn_all(machine, what, 300) for _ in range(2)]
        assert min(again) >= first * 0.95
