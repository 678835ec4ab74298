"""The prompt of the kernel as a Linux process, on a terminal of its own: keys, the end of the input,
and a terminal that is afterwards as it was before, whatever ended the machine.

Run from the root: pytest tests/system/terminal_test.py; it builds what it needs.
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, boot_archive, read_some, until  # noqa: E402

LFLAG = 3


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "hosted", "programs", "test-programs"],
                   cwd=ROOT, check=True)


class Terminal:
    """The kernel, its standard streams a terminal. The test holds both ends of it."""

    def __init__(self, tmp_path, *options):
        archive = boot_archive(tmp_path / "boot.tar", {
            f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("spin", "stdio")})
        self.ours, self.theirs = pty.openpty()
        self.before = termios.tcgetattr(self.theirs)
        self.text = ""
        self.process = subprocess.Popen(
            [BUILD / "kwast-hosted", "--memory", "256", *options, archive], stdin=self.theirs,
            stdout=self.theirs, stderr=self.theirs, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.theirs)
        if self.ours is not None:
            os.close(self.ours)

    def expect(self, pattern):
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (match := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.ours], [], [], deadline - time.monotonic())
            assert ready, f"no {pattern!r} in {self.text!r}"
            self.text += read_some(self.ours).decode("utf-8", "replace").replace("\r", "")
        self.text = self.text[match.end():]
        return match

    def type(self, keys):
        os.write(self.ours, keys.encode())

    def mode(self):
        return termios.tcgetattr(self.theirs)

    def wait(self):
        return self.process.wait(timeout=LIMIT_SECONDS)


@pytest.fixture
def terminal(tmp_path):
    with Terminal(tmp_path) as terminal:
        terminal.expect("kwast> ")
        yield terminal


def test_keys_are_edited_and_echoed_once(terminal):
    assert terminal.mode()[LFLAG] & (termios.ECHO | termios.ICANON) == 0
    terminal.type("hexx\x7f\x7flp\n")
    terminal.expect(r"^hexx\x08 \x08\x08 \x08lp\n")
    terminal.expect("what can be typed")
    terminal.expect("kwast> ")


def test_ctrl_c_ends_the_program_and_not_the_machine(terminal):
    terminal.type("run spin\n")
    terminal.expect("spinning")
    terminal.type("\x03")
    terminal.expect("killed")
    terminal.expect("kwast> ")
    terminal.type("half a line\x03")
    terminal.expect(r"\^C")
    terminal.type("ps\n")
    terminal.expect("kwast> ")
    assert terminal.process.poll() is None


def test_ctrl_d_ends_a_programs_input_and_then_the_machine(terminal):
    terminal.type("run stdio\nline\n\x04")
    terminal.expect("line")
    terminal.expect("kwast> ")
    terminal.type("\x04")
    terminal.expect("poweroff")
    assert terminal.wait() == 0
    assert terminal.mode() == terminal.before


def test_poweroff_gives_the_terminal_back(terminal):
    terminal.type("poweroff\n")
    assert terminal.wait() == 0
    assert terminal.mode() == terminal.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_gives_the_terminal_back(terminal, number):
    terminal.type("run spin\n")
    terminal.expect("spinning")
    terminal.process.send_signal(number)
    assert terminal.wait() == 128 + number
    assert terminal.mode() == terminal.before


def test_a_panic_gives_the_terminal_back(tmp_path):
    with Terminal(tmp_path, "--append", "panic") as terminal:
        terminal.expect("kernel panic: asked for")
        assert terminal.wait() == 101
        assert terminal.mode() == terminal.before


def test_a_stopped_machine_takes_the_terminal_again(terminal):
    terminal.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
    own = terminal.mode()
    termios.tcsetattr(terminal.theirs, termios.TCSANOW, terminal.before)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.type("help\n")
    terminal.expect("what can be typed")
    until(terminal.mode, lambda mode: mode == own)  # one thread answers, another had the signal


def test_a_terminal_that_goes_ends_the_machine(terminal):
    os.close(terminal.theirs)
    os.close(terminal.ours)
    terminal.ours = None
    terminal.theirs = os.open("/dev/null", os.O_RDONLY)
    assert terminal.wait() == 0


@pytest.mark.parametrize("typed, words", [
    ("", "poweroff"), ("help", "what can be typed"), ("run stdio\nfirst\nsecond", "second"),
])
def test_the_end_of_a_pipe_ends_the_machine(tmp_path, typed, words):
    archive = boot_archive(tmp_path / "boot.tar",
                           {"bin/stdio.wasm": BUILD / "programs/stdio.wasm"})
    done = subprocess.run([BUILD / "kwast-hosted", "--memory", "256", archive],
                          input=typed, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0
    assert words in done.stderr and done.stderr.endswith("poweroff\n")
