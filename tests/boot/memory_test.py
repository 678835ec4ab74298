"""Memory under the whole kernel in QEMU: limits are refusals, running out ends one process and
nothing else, and whatever ended, all of its memory comes back.

Run from the root: pytest tests/boot/memory_test.py; it builds what it needs.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, Machine, settled, until  # noqa: E402

PROMPT = r"^kwast> "
KIB = 1024


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "tools", "programs",
                    "test-programs"], cwd=ROOT, check=True)


def program(name):
    return BUILD / "programs" / f"{name}.wasm"


def at_prompt(*names, modules=None, **options):
    """A machine at its prompt, with these programs in bin/."""
    files = {f"bin/{name}.wasm": program(name) for name in names}
    files |= {f"bin/{name}.wasm": module for name, module in (modules or {}).items()}
    machine = Machine.pvh(files, **options)
    machine.expect(PROMPT)
    return machine


def run(machine, line):
    """Runs a command at the prompt; returns what was said until the next prompt."""
    start = machine.position
    machine.type(line + "\n")
    machine.expect(PROMPT)
    return machine.text[start:machine.position]


def free_kib(machine):
    """Free frames of both zones, between which whole blocks move, and the heap's use."""
    machine.type("mem\n")
    free = sum(int(machine.expect(rf"{zone} +(\d+) of").group(1))
               for zone in ("kernel", "programs"))
    heap = int(machine.expect(r"heap +(\d+) KiB").group(1))
    machine.expect(PROMPT)
    return free, heap


def expect_memory_back(machine, before):
    """The last thread's stack is freed a moment after its process has ended: of the earlier one,
    too, so that more may be free now."""
    until(lambda: free_kib(machine), lambda now: now[0] >= before[0] and now[1] <= before[1])


def settled_memory(machine):
    """What is free once nothing of an ended process is left to free, as far as looks can tell.
    Asked after a first run of what is to be tested, because the heap keeps a spare slab of each
    kind."""
    return settled(lambda: free_kib(machine))


# -- Limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit, granted", [("32M", 16), ("64M", 48), ("200M", 192)])
def test_growing_past_the_limit_fails_and_the_program_goes_on(limit, granted):
    """grow.c asks until it is refused, checks its memory, and prints; it grows by 16 MiB."""
    done = subprocess.run([BUILD / "kwast", "run", "--memory", limit, program("grow")],
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.stdout == f"by pages: fine\nlimit: {granted} MiB, fine\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_deep_recursion_uses_the_stack_up_to_its_limit_then_traps():
    with at_prompt("recursion") as machine:
        run(machine, "run recursion")
        before = settled_memory(machine)
        assert "depth 20001" in run(machine, "run recursion 20000")
        said = run(machine, "run recursion")
        assert "trap: call stack exhausted" in said
        frames = 32 + int(re.search(r"\.\.\. and (\d+) more", said).group(1))
        # A frame of descend() takes some tens of bytes; the stack is 1 MiB.
        assert 10_000 < frames < 40_000
        assert "depth 20001" in run(machine, "run recursion 20000")
        expect_memory_back(machine, before)


# -- Running out --------------------------------------------------------------------------------


def check_ticker(machine):
    """It has not missed a line so far, and goes on."""
    last = int(machine.expect(r"still here (\d+)\n").group(1))
    machine.expect(rf"still here {last + 1}\n")
    counts = [int(n) for n in re.findall(r"still here (\d+)\n", machine.text, re.MULTILINE)]
    assert counts == list(range(1, len(counts) + 1))


def test_running_out_of_frames_ends_the_process_that_touches_and_nothing_else():
    with at_prompt("exhaust", "ticker", memory="48M") as machine:
        run(machine, "start ticker")
        check_ticker(machine)
        run(machine, "run exhaust touch")  # moves what can move between the zones
        before = settled_memory(machine)
        for _ in range(3):
            said = run(machine, "run exhaust touch")
            assert re.search(r"kwast: exhaust\.wasm: trap: out of memory$", said, re.MULTILINE)
            assert "(module offset" in said
            assert re.search(r"exhaust\.wasm +trapped: out of memory", said)
            check_ticker(machine)
            expect_memory_back(machine, before)


def test_a_copy_that_finds_no_frame_is_refused_and_the_program_goes_on():
    with at_prompt("exhaust", "ticker", memory="48M") as machine:
        run(machine, "start ticker")
        check_ticker(machine)
        run(machine, "run exhaust copy")
        before = settled_memory(machine)
        assert "refused: Out of memory\n" in run(machine, "run exhaust copy")
        check_ticker(machine)
        expect_memory_back(machine, before)


def leb(value):
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def section(number, payload):
    return bytes([number]) + leb(len(payload)) + payload


def large_module(func_count):
    """A program with this many functions, each of which would add some numbers."""
    body = b"\x00" + b"\x20\x00" + b"\x20\x00\x6a" * 40 + b"\x0b"
    start = b"\x00\x0b"
    code = leb(len(start)) + start + (leb(len(body)) + body) * func_count
    return (b"\0asm\1\0\0\0"
            + section(1, b"\x02" + b"\x60\x00\x00" + b"\x60\x01\x7f\x01\x7f")
            + section(3, leb(func_count + 1) + b"\x00" + b"\x01" * func_count)
            + section(7, b"\x01\x06_start\x00\x00")
            + section(10, leb(func_count + 1) + code))


def test_a_module_too_large_for_the_machine_is_refused():
    modules = {"small": large_module(1_000), "large": large_module(40_000)}
    with at_prompt("ticker", modules=modules, memory="24M") as machine:
        run(machine, "start ticker")
        check_ticker(machine)
        run(machine, "run large")
        before = settled_memory(machine)
        for _ in range(3):
            assert "kwast: large.wasm: out of memory\n" in run(machine, "run large")
            check_ticker(machine)
            expect_memory_back(machine, before)
        assert "kwast:" not in run(machine, "run small").replace("kwast> ", "")


def test_a_module_of_many_megabytes_runs():
    modules = {"large": large_module(40_000)}
    with at_prompt(modules=modules, memory="256M") as machine:
        said = run(machine, "run large")
        assert "kwast:" not in said.replace("kwast> ", "")
        before = settled_memory(machine)
        run(machine, "run large")
        expect_memory_back(machine, before)


# -- Nothing is lost ----------------------------------------------------------------------------


def test_fifty_runs_leave_memory_as_it_was():
    runs = ["run stdio one two", "run trap a", "run trap h", "run trap l", "run recursion",
            "run grow", "run demo-rust", "run nothing", "run exhaust touch", "run cplusplus"]
    with at_prompt("stdio", "trap", "recursion", "grow", "demo-rust", "exhaust", "cplusplus",
                   memory="64M") as machine:

        def run_all():
            for line in runs:
                machine.type(line + "\n")
                if "stdio" in line or "cplusplus" in line:
                    machine.type("typed\n\x04")
                machine.expect(PROMPT)

        run_all()
        before = settled_memory(machine)
        for _ in range(5):
            run_all()
        expect_memory_back(machine, before)


# -- The smallest machine -----------------------------------------------------------------------


SMALL = {"bin/stdio.wasm": program("stdio"), "bin/recursion.wasm": program("recursion")}
KINDS = pytest.mark.parametrize("kind", ["q35", "microvm"])


@KINDS
@pytest.mark.parametrize("memory, why", [
    ("5M", r"\d+ KiB are free, \d+ are needed$"),
    ("7M", r"programs need 4 MiB in one aligned piece$"),
])
def test_a_machine_that_is_too_small_says_so_and_halts(kind, memory, why):
    with Machine.pvh(SMALL, memory=memory, machine=kind, qmp=kind == "q35") as machine:
        machine.expect("Kwast cannot start: too little memory: " + why)
        if kind == "q35":
            until(lambda: machine.monitor("human-monitor-command",
                                          **{"command-line": "info registers"}),
                  lambda registers: "HLT=1" in registers)


@KINDS
@pytest.mark.parametrize("memory", ["9M", "16M"])
def test_the_smallest_machine_works(kind, memory):
    with Machine.pvh(SMALL, memory=memory, machine=kind) as machine:
        machine.expect(PROMPT)
        assert "depth 10001" in run(machine, "run recursion 10000")
        assert "trap: call stack exhausted" in run(machine, "run recursion")
