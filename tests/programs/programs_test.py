"""Programs on Kwast: each is run by `build/kwast run`, on each kind of machine, and its standard
output and exit status are compared with what is recorded in expected/, which in turn is compared
with what node makes of the very same .wasm files.

`make programs test-programs kernel hosted tools` builds what is needed; this does so by itself.
After a deliberate change of a program, KWAST_BLESS=1 records node's outputs anew.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import CPUS, LIMIT_SECONDS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
KWAST = ROOT / "build/kwast"
PROGRAMS = ROOT / "build/programs"
TIMEOUT = LIMIT_SECONDS


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "tools",
                    "programs", "test-programs"], cwd=ROOT, check=True)


@pytest.fixture(params=["qemu", "hosted"])
def run(request):
    """The command that runs a program."""
    return [KWAST, "run", "--machine", request.param, "--cpus", str(CPUS[request.param])]


class Case:
    """One run of a program. `name` is also the name of the file with the expected output."""

    def __init__(self, program, *args, name=None, env=None, stdin="", status=0, stderr=None,
                 dirs=None, node=True, ignore=None):
        self.program, self.args, self.status = program, list(args), status
        self.name = name or "-".join([program, *args])
        self.env, self.stdin, self.dirs = env or {}, stdin, dirs or {}
        self.stderr = stderr  # what must be somewhere on standard error
        self.node = node      # whether node's behaviour is the reference
        self.ignore = ignore  # what of the output depends on the day

    def input(self):
        if isinstance(self.stdin, Path):
            return self.stdin.read_bytes()
        return self.stdin if isinstance(self.stdin, bytes) else self.stdin.encode()

    def expected(self):
        return (HERE / "expected" / self.name).read_bytes()

    def cleaned(self, output):
        return re.sub(self.ignore, b"", output) if self.ignore else output

    def wasm(self):
        path = PROGRAMS / f"{self.program}.wasm"
        if path.stat().st_size == 0:
            pytest.skip(f"{self.program} is not built: its source could not be fetched")
        return path


TEXT = HERE / "inputs/text.txt"
JSON = HERE / "inputs/people.json"
SQL = HERE / "inputs/query.sql"
LINES = "first\nsecond\n\nlast, without an end"
TOOK = rb"took \d+ ms"

CASES = [
    Case("demo-c", ignore=TOOK),
    Case("demo-cpp", ignore=TOOK),
    Case("demo-rust", ignore=TOOK),
    Case("stdio", env={"A": "1", "EMPTY": "", "UNICODE": "ß€"}, stdin=LINES,
         stderr="to standard error\n"),
    Case("stdio", "3", "two words", "", "--option", name="stdio-args", status=3,
         stderr="to standard error\n"),
    Case("stdio", "255", name="stdio-status", status=255, stdin="x" * 200000,
         stderr="to standard error\n"),
    Case("heap"),
    Case("vectors"),
    Case("cplusplus", stdin=LINES, status=17, stderr="to standard error\n"),
    Case("rust", env={"B": "2", "A": "1"}, stdin=LINES + "\n", stderr="to standard error\n"),
    Case("rust", "exit", "9", name="rust-exit", status=9),
    Case("rust", "panic", name="rust-panic", status=134, stderr="index out of bounds"),
    Case("tick"),
    Case("recursion", "10000"),
    Case("recursion", name="recursion-endless", status=134, stderr="call stack exhausted"),
    Case("wild", "argument", name="wild", env={"A": "1"}, dirs={"/data": HERE / "inputs"},
         stdin="input\n" * 1000, node=False),
    Case("trap", "0"),
    Case("trap", "a", status=134, stderr="trap: unreachable"),
    Case("trap", "b", status=134, stderr="trap: integer divide by zero"),
    Case("trap", "c", status=134, stderr="trap: integer divide by zero"),
    Case("trap", "d", status=134, stderr="trap: integer overflow"),
    Case("trap", "e", status=134, stderr="trap: integer overflow"),
    Case("trap", "f", status=134, stderr="trap: invalid conversion to integer"),
    Case("trap", "g", status=134, stderr="trap: out of bounds memory access"),
    Case("trap", "h", status=134, stderr="trap: out of bounds memory access"),
    Case("trap", "i", status=134, stderr="trap: uninitialized element"),
    Case("trap", "j", status=134, stderr="trap: indirect call type mismatch"),
    Case("trap", "k", status=134, stderr="trap: undefined element"),
    Case("trap", "l", status=134, stderr="trap: call stack exhausted"),
    Case("trap", "m", status=134, stderr="trap: out of bounds memory access"),
    Case("jq", ".people | map(select(.age > 40)) | group_by(.city) | map({(.[0].city): length})",
         name="jq-group", stdin=JSON),
    Case("jq", "-r", '.people[] | "\\(.name): \\(.age / 7 | floor), \\(.name | @base64)"',
         name="jq-strings", stdin=JSON),
    Case("jq", "-c", "[limit(10; range(0; 1000) | select(. % 97 == 1))], (.people | length), .none",
         name="jq-range", stdin=JSON),
    Case("jq", ".a", name="jq-bad", stdin="{bad", status=4, stderr="parse error"),
    Case("minigzip", name="minigzip", stdin=TEXT),
    Case("minigzip", "-9", name="minigzip-9", stdin=TEXT),
    Case("minigzip", "-d", name="minigzip-d", stdin=HERE / "expected/minigzip"),
    Case("sqlite3", "-batch", name="sqlite3", stdin=SQL, status=1, stderr="no such table: nowhere"),
    Case("sqlite3", "-batch", ":memory:", "select 1/0, sqlite_source_id() like '20%', 7.0/2",
         name="sqlite3-argument", stderr=""),
]


def cases(wanted=lambda case: True):
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if wanted(c)])


def run_on_kwast(run, case, *options):
    env = [part for item in case.env.items() for part in ("--env", "=".join(item))]
    dirs = [part for guest, host in case.dirs.items() for part in ("--dir", f"{host}::{guest}")]
    return subprocess.run([*run, "--argv0", case.program, *options, *env, *dirs,
                           case.wasm(), *case.args], input=case.input(), capture_output=True,
                          timeout=TIMEOUT)


@cases()
def test_on_kwast(run, case):
    done = run_on_kwast(run, case)
    assert done.returncode == case.status, done.stderr.decode(errors="replace")
    assert case.cleaned(done.stdout) == case.cleaned(case.expected())
    if case.stderr is not None:
        assert case.stderr in done.stderr.decode()
    elif case.status < 128:
        assert done.stderr == b""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@cases(lambda case: case.node)
def test_on_node(case):
    options = {"args": [case.program, *case.args], "env": case.env,
               "dirs": {guest: str(host) for guest, host in case.dirs.items()}}
    done = subprocess.run(["node", "--no-warnings", HERE / "node_wasi.mjs", json.dumps(options),
                           case.wasm()], input=case.input(), capture_output=True, timeout=TIMEOUT)
    if os.environ.get("KWAST_BLESS"):
        (HERE / "expected" / case.name).write_bytes(done.stdout)
    assert done.returncode == case.status, done.stderr.decode(errors="replace")
    assert case.cleaned(done.stdout) == case.cleaned(case.expected())


# -- What has no counterpart elsewhere ------------------------------------------------------------


@pytest.fixture
def kwast(run):
    return lambda *args, **options: subprocess.run(
        [*run, *args], capture_output=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL, **options)


@pytest.mark.parametrize("function, args, output", [
    ("add", ["2", "40"], "42\n"),
    ("add", ["2147483647", "1"], "-2147483648\n"),
    ("add", ["-1", "-2"], "-3\n"),
    ("fac", ["20"], "2432902008176640000\n"),
    ("swap", ["1", "9223372036854775807"], "9223372036854775807\n1\n"),
    ("nothing", [], ""),
])
def test_invoke_prints_the_results(kwast, function, args, output):
    done = kwast("--invoke", function, PROGRAMS / "invoke.wasm", *args)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, output, b"")


@pytest.mark.parametrize("function, args", [
    ("missing", []), ("add", ["1"]), ("add", ["1", "2", "3"]), ("add", ["1", "x"]),
    ("add", ["1", "99999999999"]), ("memory", []),
])
def test_invoke_refuses_what_does_not_fit(kwast, function, args):
    done = kwast("--invoke", function, PROGRAMS / "invoke.wasm", *args)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"kwast: ")


def test_invoke_can_trap(kwast):
    done = kwast("--invoke", "trap", PROGRAMS / "invoke.wasm")
    assert done.returncode == 134 and b"trap: unreachable" in done.stderr


@pytest.mark.parametrize("memory, mebibytes", [("64M", 64), ("1G", 1024), ("3G", 3072)])
def test_memory_stops_growing_at_the_limit(kwast, memory, mebibytes):
    done = kwast("--memory", memory, PROGRAMS / "grow.wasm")
    assert done.returncode == 0, done.stdout
    reached = int(re.search(rb"limit: (\d+) MiB, fine", done.stdout)[1])
    assert mebibytes - 40 <= reached <= mebibytes


def test_a_program_over_its_memory_limit_is_refused(kwast):
    done = kwast("--memory", "64K", PROGRAMS / "heap.wasm")
    assert done.returncode == 1 and done.stderr.startswith(b"kwast: ")


@pytest.mark.parametrize("program", ["spin", "start_spin"])
def test_a_timeout_ends_an_endless_loop(kwast, program):
    said = b"spinning\n" if program == "spin" else b""
    for seconds in (3, 30, 100):  # until the machine is quick enough to have said what it says
        start = time.monotonic()
        done = kwast("--timeout", str(seconds), PROGRAMS / f"{program}.wasm")
        assert done.returncode == 124
        assert time.monotonic() - start > seconds - 0.1
        if done.stdout == said:
            break
    assert done.stdout == said


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_endless_loop(run, number, status):
    with subprocess.Popen([*run, PROGRAMS / "spin.wasm"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"spinning\n"
        process.send_signal(number)
        assert process.wait(TIMEOUT) == status


def test_output_comes_while_the_program_runs(run):
    """It prints for ever, so what comes at all comes while it runs."""
    with subprocess.Popen([*run, PROGRAMS / "ticker.wasm"], stdout=subprocess.PIPE) as process:
        for number in range(1, 4):
            assert process.stdout.readline() == b"still here %d\n" % number
        process.terminate()


def test_input_arrives_as_it_is_typed(run):
    """An answer must be possible before standard input ends."""
    with subprocess.Popen([*run, "--argv0", "jq", Case("jq").wasm(), "--unbuffered", "-c", "."],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for number in range(3):
            process.stdin.write(b"[%d]\n" % number)
            process.stdin.flush()
            assert process.stdout.readline() == b"[%d]\n" % number
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("kibibytes", [300, 3000])
def test_what_is_read_late_is_all_there(run, kibibytes):
    """Less than what lies between the program and its reader, which the program ends before; and
    more, which it cannot."""
    data = os.urandom(1 << 10) * kibibytes
    packed = zlib.compress(data, wbits=31)
    with subprocess.Popen([*run, Case("minigzip").wasm(), "-d"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdin.write(packed)
        process.stdin.close()
        time.sleep(4)
        assert process.stdout.read() == data
        assert process.wait(TIMEOUT) == 0


def test_megabytes_in_and_out(run):
    data = os.urandom(1 << 20) * 4
    packed = subprocess.run([*run, Case("minigzip").wasm(), "-1"], input=data,
                            capture_output=True, timeout=TIMEOUT)
    assert packed.returncode == 0, packed.stderr
    unpacked = subprocess.run([*run, PROGRAMS / "minigzip.wasm", "-d"], input=packed.stdout,
                              capture_output=True, timeout=TIMEOUT)
    assert unpacked.returncode == 0, unpacked.stderr
    assert unpacked.stdout == data


@pytest.mark.parametrize("content, words", [
    (b"", ""), (b"\0asm", ""), (b"\0asm\x02\0\0\0", ""), (b"not WebAssembly at all", ""),
])
def test_what_is_not_a_module_is_refused(kwast, tmp_path, content, words):
    file = tmp_path / "broken.wasm"
    file.write_bytes(content)
    done = kwast(file)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"kwast: ") and words.encode() in done.stderr


def test_times_are_told_when_asked_for(kwast):
    done = kwast("--time", PROGRAMS / "demo-rust.wasm")
    assert done.returncode == 0
    for word in (b"boot", b"compile", b"instantiate", b"run"):
        assert re.search(rb"^%s +\d+\.\d+ ms" % word, done.stderr, re.MULTILINE)
