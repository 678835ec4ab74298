"""Devices for programs (abi/kwast/calls.h): what a program with the machine's handle can do, and
what nobody can.

Run from the root, after `make`: pytest tests/kwast/devices_test.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, Machine  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all", "test-programs"], cwd=ROOT, check=True)


@pytest.mark.parametrize("cpus", [1, 3])
def test_who_has_the_machine_reaches_devices_and_nothing_else(cpus):
    with Machine.pvh({"bin/init.wasm": BUILD / "programs/devices.wasm"}, cpus=cpus) as machine:
        machine.expect("by hand")
        machine.expect("type something")
        machine.type("!")
        machine.expect("that was it")
        machine.expect("still ours\nsaid meanwhile\nback$")
        machine.type("?")
        machine.expect("^(not )?all right$")
        assert "wrong" not in machine.text and "nobody sees this" not in machine.text


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
def test_who_has_no_machine_reaches_nothing(machine):
    done = subprocess.run([BUILD / "kwast", "run", "--machine", machine, BUILD / "programs/devices.wasm", "none"],
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert (done.stdout, done.returncode) == ("all right\n", 0), done.stderr
