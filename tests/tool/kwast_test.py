"""`kwast run` against a machine that only speaks the link: streams, exit codes, ways to end.

No kernel and no QEMU are involved; see fake_machine.py for what the machine does.
"""

import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import until  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
KWAST = os.environ.get("KWAST", str(ROOT / "build/kwast"))
FAKE = Path(__file__).with_name("fake_machine.py")
TIMEOUT = 300  # a limit for hangs only


@pytest.fixture(scope="session", autouse=True)
def heard_hangups():
    """Who runs the tests may ignore them (nohup), and those started here would, too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def place(tmp_path):
    """A folder with the fake machine in PATH, and a way to make programs."""

    class Place:
        path = tmp_path
        env = dict(os.environ, PATH=f"{tmp_path}/bin:{os.environ['PATH']}", KWAST_KERNEL=str(FAKE),
                   TMPDIR=str(tmp_path / "tmp"))

        def program(self, behaviour, name="program.wasm"):
            (tmp_path / name).write_text(behaviour)
            return str(tmp_path / name)

        def popen(self, *args, **options):
            options.setdefault("stdin", subprocess.DEVNULL)
            return subprocess.Popen([KWAST, *args], env=self.env, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, **options)

        def run(self, behaviour, *args, options=(), data=None):
            return subprocess.run([KWAST, "run", *options, self.program(behaviour), *args],
                                  env=self.env, input=data, capture_output=True, timeout=TIMEOUT,
                                  stdin=None if data is not None else subprocess.DEVNULL)

    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    fake = tmp_path / "bin/qemu-system-x86_64"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    yield Place()
    assert not list((tmp_path / "tmp").iterdir()), "a temporary file was left behind"


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def wait_gone(pid):
    until(lambda: state_of(pid), lambda state: state in ("gone", "Z"))


# -- Outcomes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour, code", [
    ("end 0 0", 0), ("end 0 1", 1), ("end 0 42", 42), ("end 0 255", 255),
    ("end 1 0", 134), ("end 2 0", 1), ("end 3 0", 130), ("end 77 0", 1),
])
def test_exit_code_follows_the_outcome(place, behaviour, code):
    done = place.run(behaviour)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"out\n", b"err\n")


def test_unknown_frames_are_ignored(place):
    assert place.run("unknown").returncode == 7


@pytest.mark.parametrize("behaviour, words", [
    ("garbage", b"kwast: link: "), ("too_long", b"kwast: link: "), ("short_exit", b"kwast: link: "),
    ("rude", b"did not greet"), ("newer", b"another version"),
])
def test_another_protocol_is_an_error(place, behaviour, words):
    done = place.run(behaviour)
    assert done.returncode == 1
    assert words in done.stderr


def test_a_machine_that_dies_is_an_error_and_its_last_words_are_shown(place):
    done = place.run("die")
    assert (done.returncode, done.stdout) == (1, b"so far\n")
    assert b"kernel panic: nothing works\n" in done.stderr
    assert b"qemu: something failed\n" in done.stderr
    assert done.stderr.endswith(b"kwast: machine: ended before the program did\n")


def test_a_silent_death_is_an_error(place):
    done = place.run("silent_death")
    assert done.returncode == 1
    assert done.stderr.startswith(b"kwast: machine: ended")


def test_timeout_ends_the_machine_with_its_own_status(place):
    for seconds in ("0.7", "7", "70"):  # until the machine is quick enough to have said its number
        start = time.monotonic()
        done = place.run("spin", options=["--timeout", seconds])
        assert done.returncode == 124
        assert time.monotonic() - start > float(seconds) - 0.1
        assert f"did not end within {seconds} s" in done.stderr.decode()
        if done.stdout:
            break
    assert done.stdout.startswith(b"running ")
    wait_gone(int(done.stdout.split()[1]))


def test_timeout_counts_from_the_start_of_the_machine(place):
    assert place.run("mute", options=["--timeout=0.5"]).returncode == 124


# -- Streams --------------------------------------------------------------------------------------


def test_standard_output_is_byte_for_byte(place):
    done = place.run("bytes_out 3000000")
    assert done.returncode == 0
    assert done.stdout == (bytes(range(251)) * 12000)[:3000000]


def test_standard_output_to_a_slow_reader(place):
    with place.popen("run", place.program("bytes_out 1000000")) as process:
        time.sleep(1)
        assert process.poll() is None, "it must wait for the reader"
        assert process.stdout.read() == (bytes(range(251)) * 4000)[:1000000]
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("credit", ["65536", "1", "7", "1000000"])
def test_standard_input_stays_within_credit(place, credit):
    data = bytes(range(256)) * (40 if len(credit) < 3 else 4000)
    done = place.run(f"echo {credit}", data=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data


def test_standard_input_ends_at_once_when_empty(place):
    done = place.run("echo", data=b"")
    assert (done.returncode, done.stdout) == (0, b"")


def test_standard_input_from_a_file(place):
    file = place.path / "input"
    file.write_bytes(b"abc" * 100000)
    with open(file, "rb") as stdin, place.popen("run", place.program("echo"), stdin=stdin) as process:
        assert process.stdout.read() == b"abc" * 100000
        assert process.wait(TIMEOUT) == 0


def test_without_credit_standard_input_is_not_read(place):
    read, write = os.pipe()
    os.write(write, b"for the next command")
    with place.popen("run", place.program("no_credit"), stdin=read) as process:
        assert process.wait(TIMEOUT) == 0, process.stderr.read()
    assert os.read(read, 100) == b"for the next command"
    os.close(read)
    os.close(write)


def test_standard_input_from_a_terminal(place):
    main, terminal = pty.openpty()
    with place.popen("run", place.program("echo"), stdin=terminal) as process:
        os.write(main, b"a line\n")
        assert process.stdout.read(7) == b"a line\n"
        os.write(main, b"\x04")
        assert process.wait(TIMEOUT) == 0
    os.close(main)
    os.close(terminal)


def test_closed_standard_input_is_an_empty_one(place):
    done = subprocess.run(["sh", "-c", 'exec "$0" run "$1" <&-', KWAST, place.program("echo")],
                          env=place.env, capture_output=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# -- Ways to end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number, code", [
    (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131),
])
def test_a_signal_ends_the_machine(place, number, code):
    if signal.getsignal(number) == signal.SIG_IGN:  # by nohup, say: what is ignored is so for children, too
        signal.signal(number, signal.SIG_DFL)
    with place.popen("run", place.program("spin")) as process:
        machine = int(process.stdout.readline().split()[1])
        process.send_signal(number)
        assert process.wait(TIMEOUT) == code
        wait_gone(machine)


def test_a_kill_ends_the_machine_too(place):
    with place.popen("run", place.program("spin")) as process:
        machine = int(process.stdout.readline().split()[1])
        process.kill()
        process.wait(TIMEOUT)
        wait_gone(machine)


def test_a_closed_standard_output_ends_the_machine(place):
    with place.popen("run", place.program("flood")) as process:
        assert process.stdout.read(4096) == b"x" * 4096
        process.stdout.close()
        assert process.wait(TIMEOUT) == 141


def test_standard_output_closed_from_the_start_is_an_error(place):
    done = subprocess.run(["sh", "-c", 'exec "$0" run "$1" >&-', KWAST, place.program("flood")],
                          env=place.env, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert done.returncode == 1
    assert b"kwast: standard output: " in done.stderr


def test_full_standard_output_is_an_error(place):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([KWAST, "run", place.program("flood")], env=place.env, stdout=full,
                              stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert done.returncode == 1
    assert b"No space left" in done.stderr


def test_stopping_stops_the_machine_as_well(place):
    with place.popen("run", place.program("spin")) as process:
        machine = int(process.stdout.readline().split()[1])
        process.send_signal(signal.SIGTSTP)
        until(lambda: [state_of(process.pid), state_of(machine)], lambda states: states == ["T", "T"])
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 143
        wait_gone(machine)


# -- What the machine is given --------------------------------------------------------------------


def given(place, *args, options=()):
    done = place.run("report", *args, options=options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_arguments_and_environment(place):
    got = given(place, "--not-ours", "a b", "", "ü=1",
                options=["--env", "A=1", "--env=B=x=y", "--argv0", "zero", "--env", "PATH"])
    assert got["records"] == [
        ["program", "bin/program.wasm"], ["arg", "zero"], ["arg", "--not-ours"], ["arg", "a b"],
        ["arg", ""], ["arg", "ü=1"], ["env", "A=1"], ["env", "B=x=y"],
        ["env", "PATH=" + place.env["PATH"]], ["memory", str(1 << 30)]]


def test_argv0_is_the_programs_file_name(place):
    assert ["arg", "program.wasm"] in given(place)["records"]


def test_invoke_times_and_memory(place):
    got = given(place, "1", options=["--invoke", "add", "--time", "--memory", "96M"])
    assert got["records"][3:] == [
        ["memory", str(96 << 20)], ["invoke", "add"], ["times", "1"]]


@pytest.mark.parametrize("memory, least", [("64K", 0), ("1G", 1 << 30), ("4G", 4 << 30)])
def test_ram_holds_the_process(place, memory, least):
    argv = given(place, options=["--memory", memory])["argv"]
    ram = argv[argv.index("-m") + 1]
    assert ram.endswith("M") and int(ram[:-1]) << 20 > least


def test_directories_are_roots_by_number(place):
    got = given(place, options=["--dir", f"{place.path}::/data", "--dir", str(place.path)])
    assert ["root", "/data=0"] in got["records"]
    assert ["root", f"{place.path}=1"] in got["records"]
    assert got["files"] == {}


def test_times_are_printed(place):
    done = place.run("times", options=["--time"])
    assert done.returncode == 0
    assert b"(firmware 0.500, kernel 0.500, the rest is the machine)" in done.stderr
    assert b"compile           1.500 ms  (1000 bytes of WebAssembly, 4000 of code)" in done.stderr
    assert re.search(rb"^memory +[1-9]\d* KiB \(this command \d+, the machine \d+\)$", done.stderr, re.M)


def test_the_log_is_shown_when_asked_for(place):
    assert place.run("log").stderr == b""
    shown = place.run("log", options=["--verbose"]).stderr
    assert b"a line of the log\n" in shown and b"a line on the serial line\n" in shown


# -- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [
    [], ["frobnicate"], ["run"], ["run", "--frobnicate", "x.wasm"], ["run", "--env"],
    ["run", "--env", "=x", "x.wasm"], ["run", "--env", "", "x.wasm"],
    ["run", "--memory", "1X", "x.wasm"], ["run", "--memory", "0", "x.wasm"],
    ["run", "--memory", "99999999999999999999G", "x.wasm"], ["run", "--memory", "", "x.wasm"],
    ["run", "--timeout", "0", "x.wasm"], ["run", "--timeout", "-1", "x.wasm"],
    ["run", "--timeout", ".", "x.wasm"], ["run", "--timeout", "nan", "x.wasm"],
    ["run", "--machine", "abacus", "x.wasm"],
    ["run", "--cpus", "0", "x.wasm"], ["run", "--cpus", "33", "x.wasm"],
    ["run", "--cpus", "1.5", "x.wasm"], ["run", "--cpus", "", "x.wasm"], ["run", "--isolation", "solitary", "x.wasm"],
    ["run", "--tier", "optimizing", "x.wasm"], ["run", "--cpu", "pentium", "x.wasm"], ["run", "--dir", "::x", "x.wasm"],
    ["run", "--dir", "/::", "x.wasm"], ["run", "--dir", "/::a=b", "x.wasm"],
    ["run", "--time=1", "x.wasm"], ["compile"], ["compile", "a", "b"], ["compile", "--what", "a"],
    ["bench", "--what"], ["bench", "nothing"], ["bench", "--repetitions", "0"],
    ["bench", "--peers", "native,what"],
])
def test_bad_usage_exits_2(args):
    done = subprocess.run([KWAST, *args], capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 2
    assert done.stdout == b"" and done.stderr != b""
    if args:
        assert done.stderr.startswith(b"kwast: ")


@pytest.mark.parametrize("args", [["help"], ["--help"], ["run", "--help"], ["compile", "--help"],
                                  ["bench", "--help"]])
def test_help_exits_0(args):
    done = subprocess.run([KWAST, *args], capture_output=True, timeout=TIMEOUT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: kwast ")


@pytest.mark.parametrize("program, words", [
    ("missing.wasm", b"No such file"), ("/", b"Is a directory"), ("/dev/null", b"not a regular file"),
])
def test_a_program_that_cannot_be_read(place, program, words):
    done = subprocess.run([KWAST, "run", program], env=place.env, capture_output=True,
                          timeout=TIMEOUT)
    assert done.returncode == 1
    assert done.stderr.startswith(b"kwast: " + program.encode() + b": ") and words in done.stderr


def test_a_directory_that_cannot_be_read(place):
    done = place.run("report", options=["--dir", "/nowhere::x"])
    assert done.returncode == 1
    assert done.stderr == b"kwast: /nowhere: No such file or directory\n"


def test_a_missing_kernel(place):
    place.env["KWAST_KERNEL"] = "/nowhere/kernel.elf"
    done = place.run("report")
    assert done.returncode == 1
    assert done.stderr.startswith(b"kwast: /nowhere/kernel.elf: No such file")


def test_a_missing_qemu(place):
    place.env["PATH"] = "/nowhere"
    done = place.run("report")
    assert done.returncode == 1
    assert done.stderr.startswith(b"kwast: qemu-system-x86_64: not found")
