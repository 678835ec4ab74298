"""`kwast compile`: the figures it reports, and the listing of the code."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KWAST = os.environ.get("KWAST", str(ROOT / "build/kwast"))
TIMEOUT = 300  # a limit for hangs only

MODULE = """
(module
  (memory 1)
  (func $callee (param i32) (result i32) local.get 0 i32.load offset=8)
  (func $main (export "main") (param i32 i32) (result i32)
    (i32.div_u (call $callee (local.get 0)) (local.get 1)))
  (func (result v128) (v128.load (i32.const 0)))
  (func $odd!name unreachable))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compile")
    (folder / "program.wat").write_text(MODULE)
    subprocess.run(["wat2wasm", "--debug-names", "program.wat"], cwd=folder, check=True)
    return folder / "program.wasm"


def compile_(*args):
    return subprocess.run([KWAST, "compile", *args], capture_output=True, text=True, timeout=TIMEOUT)


def test_the_report_has_all_figures(program):
    done = compile_("--tier", "baseline", program)
    assert (done.returncode, done.stderr) == (0, "")
    figures = dict(re.findall(r"^(\w+) +([\d.]+) ", done.stdout, re.MULTILINE))
    functions = re.search(r"^functions +(\d+)$", done.stdout, re.MULTILINE)
    assert int(figures["module"]) == program.stat().st_size
    assert int(functions[1]) == 4
    assert 0 < int(figures["bodies"]) < program.stat().st_size
    assert int(figures["code"]) > 0 and "per byte of body" in done.stdout
    assert float(figures["time"]) > 0 and "MB/s" in done.stdout
    assert int(figures["memory"]) < 16 << 20


def listing(*args):
    done = compile_(*args)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_listing_shows_every_function_once(program):
    text = listing("--disassemble", program)
    heads = re.findall(r"^(\S+): function (\d+), (\d+) bytes$", text, re.MULTILINE)
    assert [(name, int(number)) for name, number, _ in heads] == [
        ("callee", 0), ("main", 1), ("func_2", 2), ("odd!name", 3)]
    offsets = [int(offset, 16) for offset in re.findall(r"^ *([0-9a-f]+)  ", text, re.MULTILINE)]
    assert offsets == sorted(set(offsets)) and offsets[0] == 0
    assert text.count("push rbp\n") == 4


def line_of(text, pattern):
    lines = [line for line in text.splitlines() if re.search(pattern, line)]
    assert len(lines) == 1, text
    return lines[0]


def test_lines_name_the_instruction_they_came_from(program):
    wasm = program.read_bytes()
    text = listing("--disassemble", program)
    for pattern, op, opcode in [
        (r"mov e\w+, dword ptr gs:\[\w+ \+ 0x8\]", "i32.load", b"\x28"),
        (r"call 0x0 <callee>", "call", b"\x10"),
        (r"movups xmm\d+, xmmword ptr gs:", "v128.load", b"\xfd\x00"),
        (r"ud2.*divide by zero", "i32.div_u: integer divide by zero", b"\x6e"),
        (r"ud2.*: unreachable", "unreachable: unreachable", b"\x00"),
    ]:
        found = re.search(r"  ; ([0-9a-f]+) (.*)$", line_of(text, pattern))
        assert found[2] == op
        assert wasm[int(found[1], 16):].startswith(opcode)


@pytest.mark.parametrize("which", ["main", "1"])
def test_one_function_by_name_or_number(program, which):
    text = listing(f"--disassemble={which}", program)
    assert text.startswith("\nmain: function 1, ")
    assert text.count(": function ") == 1 and "divide by zero" in text


def test_a_function_that_is_not_there(program):
    done = compile_("--disassemble=nobody", program)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kwast: nobody: no function of the module has this name or number\n"


def test_a_module_without_functions(tmp_path):
    (tmp_path / "empty.wasm").write_bytes(b"\0asm\1\0\0\0")
    assert listing("--disassemble", tmp_path / "empty.wasm") == ""


def test_without_the_disassembler(program):
    done = subprocess.run([KWAST, "compile", "--disassemble", program], env={"PATH": "/nowhere"},
                          capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 1
    assert "llvm-19" in done.stderr
