"""Chaos and the kill storm (chaos.c, storm.c): whatever processes do to each other, every answer is one
that the documents allow, the kernel's invariants hold all the while, and what it has in use at the end
is what it had at the beginning.

Run from the root, after `make`: pytest tests/kwast/chaos_test.py. Longer, or again:

    CHAOS_SEED=7 CHAOS_ROUNDS=50000 STORM_COUNT=100000 pytest -s tests/kwast/chaos_test.py
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, Machine, settled, until  # noqa: E402

PROMPT = "kwast> "  # perhaps behind what a program writes
SEED = int(os.environ.get("CHAOS_SEED", 1))
ROUNDS = {"hosted": 300, "qemu": 60}
STORM = {"hosted": 200, "qemu": 36}
LONG_SECONDS = 3600 if {"CHAOS_ROUNDS", "STORM_COUNT"} & os.environ.keys() else LIMIT_SECONDS


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "test-programs"], cwd=ROOT,
                   check=True)


def boot(kind):
    files = {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("chaos", "storm")}
    return Machine.hosted(files, cpus=4) if kind == "hosted" else Machine.pvh(files, cpus=4)


def run(machine, line):
    """Runs a command at the prompt; returns what was said until the next prompt."""
    start = machine.position
    machine.type(line + "\n")
    machine.expect(PROMPT, LONG_SECONDS)
    return machine.text[start:machine.position]


def in_use(machine):
    """Free frames of each zone, and bytes of the heap in use."""
    said = run(machine, "mem")
    return [int(found) for found in re.findall(r"(\d+) of +\d+ KiB free|\((\d+) bytes\)", said)
            for found in found if found]


def has_processes(machine):
    return re.search(r"^ +\d", run(machine, "ps"), re.MULTILINE) is not None


def in_use_when_ended(machine):
    """What is in use once all processes have ended, the last orphan too."""
    until(lambda: has_processes(machine), lambda has: not has, LONG_SECONDS)
    return settled(lambda: in_use(machine))


def expect_given_back(machine, before):
    """All processes end, and of everything at least as much is free as before: the last thread of
    then may not have been freed at that look."""
    until(lambda: has_processes(machine), lambda has: not has, LONG_SECONDS)
    until(lambda: in_use(machine),
          lambda now: sum(now[:2]) >= sum(before[:2]) and now[2] <= before[2])


def check_all(machine):
    said = run(machine, "check")
    assert "all invariants hold" in said or "no such command" in said, said  # of release builds


def run_checked(machine, line):
    """Starts a program and has the kernel check itself until that ends; returns what was said."""
    start = machine.position
    run(machine, f"start {line}")

    def has_ended():
        check_all(machine)
        return f"{line.split()[0]}.wasm" not in run(machine, "ps")

    until(has_ended, bool, LONG_SECONDS)
    return machine.text[start:]


@pytest.mark.parametrize("kind", ["hosted", "qemu"])
def test_chaos_ends_in_order(kind):
    rounds = int(os.environ.get("CHAOS_ROUNDS", ROUNDS[kind]))
    with boot(kind) as machine:
        machine.expect(PROMPT)
        run(machine, f"run chaos {SEED} 12")  # modules are compiled once, and stay
        before = in_use_when_ended(machine)
        said = run_checked(machine, f"chaos {SEED} {rounds}")
        assert "all right" in said and "wrong" not in said, said
        expect_given_back(machine, before)
        check_all(machine)


@pytest.mark.parametrize("kind", ["hosted", "qemu"])
def test_kill_storm_leaves_nothing_behind(kind):
    count = int(os.environ.get("STORM_COUNT", STORM[kind]))
    with boot(kind) as machine:
        machine.expect(PROMPT)
        run(machine, "run storm 24")
        before = in_use_when_ended(machine)
        said = run(machine, f"run storm {count} {SEED}")
        assert "all right" in said and "wrong" not in said, said
        expect_given_back(machine, before)
        check_all(machine)
