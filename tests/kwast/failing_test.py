"""Every allocation that the kernel makes for a program, made to fail in turn: the program is told, or
ends with an error; nothing else happens, and nothing is left behind.

Run from the root, after `make hosted test-programs`: pytest tests/kwast/failing_test.py
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, settled, until  # noqa: E402

PROMPT = r"^kwast> "
MOST = 2000  # allocations; one such program makes fewer


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run(["make", "-s", "hosted", "test-programs"], cwd=ROOT, check=True)


def run(machine, line):
    """Runs a command at the prompt; returns what was said until the next prompt."""
    start = machine.position
    machine.type(line + "\n")
    machine.expect(PROMPT)
    return machine.text[start:machine.position]


def memory(machine):
    """Free frames, and bytes of the heap in use."""
    said = run(machine, "mem")
    free = sum(int(found) for found in re.findall(r"(\d+) of +\d+ KiB free", said))
    return free, int(re.search(r"\((\d+) bytes\)", said).group(1))


def test_any_allocation_may_fail_hosted():
    with Machine.hosted({"bin/once.wasm": BUILD / "programs/once.wasm"}) as machine:
        machine.expect(PROMPT)
        for _ in range(2):
            assert "all of it" in run(machine, "run once")
        before = settled(lambda: memory(machine))
        refused = 0
        for n in range(1, MOST):
            run(machine, f"fail {n}")
            said = run(machine, "run once")
            run(machine, "fail 0")
            assert "panic" not in said
            if "all of it" not in said:
                refused += 1
            # The first look may have come before the last stack was freed.
            until(lambda: memory(machine)[1], lambda now: now <= before[1])
            if "all of it" in said and "out of memory" not in said and n > refused + 20:
                break
        else:
            raise AssertionError("the program makes no end of allocations")
        print(f"{n} allocations made to fail, {refused} of them told the program")
        assert refused > 30
