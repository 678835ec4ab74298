"""Compiled functions are known by name to perf and to gdb (docs/hosted.md).

Run from the root, after `make hosted tools test-programs`: pytest tests/system/symbols_test.py
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run(["make", "-s", "hosted", "tools", "test-programs"], cwd=ROOT, check=True)


def run_command(tool, program, *args):
    return [BUILD / "kwast", "run", "--machine", "hosted", "--symbols", tool,
            BUILD / "programs" / program, *args]


def test_perf_map_names_functions_in_disjoint_ranges():
    with subprocess.Popen(run_command("perf", "spin.wasm"), stdout=subprocess.PIPE) as kwast:
        assert kwast.stdout.readline() == b"spinning\n"
        children = Path(f"/proc/{kwast.pid}/task/{kwast.pid}/children").read_text().split()
        maps = [Path(f"/tmp/perf-{child}.map") for child in children]
        lines = [line for path in maps if path.exists() for line in path.read_text().splitlines()]
        kwast.terminate()
    for path in maps:
        path.unlink(missing_ok=True)
    functions = [re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) (\S+)", line).groups() for line in lines]
    assert [name for *_, name in functions] == ["spin.wasm!_start"]

    end = 0
    for start, size, _ in functions:
        assert end <= int(start, 16) and int(size, 16) > 0
        end = int(start, 16) + int(size, 16)


@pytest.mark.skipif(shutil.which("gdb") is None, reason="there is no gdb (Debian: gdb)")
def test_gdb_stops_in_a_function_and_shows_its_callers():
    commands = ["set pagination off", "set confirm off", "set follow-fork-mode child",
                "set breakpoint pending on", "handle SIGALRM SIGIO SIGSEGV nostop noprint pass",
                "break trap.wasm!recursion", "run", "bt 4", "kill"]
    options = [option for command in commands for option in ("-ex", command)]
    done = subprocess.run(["gdb", "-q", "-nx", "-batch", *options, "--args",
                           *run_command("gdb", "trap.wasm", "l")],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    frames = re.findall(r"^#\d +0x[0-9a-f]+ in (\S+)", done.stdout, re.M)
    assert frames[:3] == [f"trap.wasm!{name}" for name in ("recursion", "dispatch", "_start")], \
        done.stdout + done.stderr


@pytest.mark.parametrize("arguments, why", [
    (["--symbols", "perf"], "only with --machine hosted"),
    (["--machine", "hosted", "--symbols", "vtune"], "it is perf or gdb"),
])
def test_symbols_refuses_what_it_cannot_do(arguments, why):
    done = subprocess.run([BUILD / "kwast", "run", *arguments, "x.wasm"], capture_output=True, text=True)
    assert done.returncode == 2 and why in done.stderr
