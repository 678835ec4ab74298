"""Threads in a process, on both machines with one CPU and with several. Each program checks for itself,
and prints what is wrong.

Run from the root, after `make`: pytest tests/threads
"""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT  # noqa: E402

NUMBERS = 4096  # as threads.c counts them

machines = pytest.mark.parametrize("machine,cpus", [("qemu", 1), ("qemu", 4), ("hosted", 1), ("hosted", 4)])


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all", "test-programs"], cwd=ROOT, check=True)


def run(machine, cpus, folder, name, *args):
    folder.joinpath("numbers").write_bytes(b"".join(struct.pack("<H", i) for i in range(NUMBERS)))
    for program in {"threads.wasm", f"{name}.wasm"}:
        folder.joinpath(program).write_bytes((BUILD / "programs" / program).read_bytes())
    return subprocess.run([BUILD / "kwast", "run", "--machine", machine, "--cpus", str(cpus),
                           "--dir", f"{folder}::/bin", BUILD / "programs" / f"{name}.wasm", *args],
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)


@machines
@pytest.mark.parametrize("test", ["counter", "barrier", "ring", "wait", "sequence", "storm", "limit", "grow",
                                  "position", "clocks", "naps", "return"])
def test_program_finds_nothing_wrong(machine, cpus, test, tmp_path):
    done = run(machine, cpus, tmp_path, "threads", test)
    assert done.stdout == "all right\n", done.stdout + done.stderr
    assert done.returncode == 0


@machines
def test_threads_map_what_others_lend(machine, cpus, tmp_path):
    for seed in ("1", "2"):  # ends in the middle of it; at the end
        done = run(machine, cpus, tmp_path, "lending", seed)
        assert (done.returncode, done.stdout, done.stderr) == (0, "all right\n", "")


@machines
def test_kernel_remembers_no_handle_that_another_thread_closed(machine, cpus, tmp_path):
    done = run(machine, cpus, tmp_path, "hints")
    assert (done.returncode, done.stdout, done.stderr) == (0, "all right\n", "")


@machines
def test_lines_of_threads_stay_whole(machine, cpus, tmp_path):
    done = run(machine, cpus, tmp_path, "threads", "output")
    lines = done.stdout.splitlines()
    assert lines.pop() == "all right"
    assert sorted(lines) == sorted(f"thread {i}" for i in range(8) for _ in range(50)), done.stderr


@machines
def test_one_thread_ends_all(machine, cpus, tmp_path):
    done = run(machine, cpus, tmp_path, "threads", "exit")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    done = run(machine, cpus, tmp_path, "threads", "trap")
    assert done.returncode == 134
    assert re.match(r"kwast: threads\.wasm: thread 9: trap: unreachable\n  0: trap ", done.stderr), done.stderr
    assert done.stderr.count("trap:") == 1


@machines
@pytest.mark.parametrize("name", ["instances", "no_entry", "no_memory"])
def test_instance_is_what_the_proposal_says(machine, cpus, name, tmp_path):
    done = run(machine, cpus, tmp_path, name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@machines
def test_trap_in_a_start_function_ends_the_process(machine, cpus, tmp_path):
    done = run(machine, cpus, tmp_path, "start_trap")
    assert done.returncode == 134
    assert done.stderr.startswith("kwast: start_trap.wasm: thread 1: trap: unreachable\n"), done.stderr


@machines
def test_killing_and_limits(machine, cpus, tmp_path):
    done = run(machine, cpus, tmp_path, "kill_threads")
    assert set(done.stdout.splitlines()) == {"all right"}, done.stdout + done.stderr
    assert done.returncode == 0
