"""What all families share: the options, the result, running a process and what it cost."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "bench"
BUILD = ROOT / "build/bench"
KWAST = ROOT / "build/release/kwast"

# In QEMU an instruction of the machine takes a nanosecond of its time, and nothing else takes any.
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
          "-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1"]


class Unavailable(Exception):
    """Something that a measurement needs is not there; the text says what, and how to get it."""


class Context:
    """The options of this invocation, and what went wrong in it."""

    def __init__(self, options):
        self.machine = options.machine
        self.repetitions = options.repetitions
        self.quiet = options.quiet
        self.peers = None if options.peers is None else set(options.peers.split(","))
        self.failures = []
        self.is_built = False

    def wants(self, peer):
        return self.peers is None or peer in self.peers

    def say(self, text):
        if not self.quiet:
            print(f"bench: {text}", file=sys.stderr, flush=True)

    def fail(self, text):
        """A measurement that could not be made, or a wrong result. The others go on."""
        self.failures.append(text)
        print(f"kwast: bench: {text}", file=sys.stderr, flush=True)

    def build_kwast(self):
        """The command and the hosted kernel, without assertions."""
        if self.is_built:
            return
        self.say("building Kwast for use (BUILD=release)")
        make("BUILD=release", "build/release/kwast", "build/release/kwast-hosted")
        self.is_built = True


@dataclass
class Result:
    name: str
    machine: str
    value: float
    unit: str
    bar: float | None = None
    peer: str | None = None
    peer_value: float | None = None
    more_is_better: bool = False
    bar_is_ratio: bool = False  # the bar holds for the ratio instead of the value

    @property
    def ratio(self):
        return self.value / self.peer_value if self.peer_value else None

    def is_met(self):
        """Whether the bar is reached; None where there is no bar."""
        measured = self.ratio if self.bar_is_ratio else self.value
        if self.bar is None or measured is None:
            return None
        return measured >= self.bar if self.more_is_better else measured <= self.bar

    def line(self):
        def rounded(number):
            return None if number is None else float(f"{number:.4g}")
        return {"name": self.name, "machine": self.machine, "value": rounded(self.value),
                "unit": self.unit, "bar": self.bar, "peer": self.peer,
                "peer_value": rounded(self.peer_value), "ratio": rounded(self.ratio)}


@dataclass
class Usage:
    """What a process and its children cost, and what it said."""
    output: bytes
    errors: bytes
    cpu_seconds: float
    wall_seconds: float


def run(command, env=None, one_cpu=False):
    """Runs a command to its end. A failure is an Unavailable with the end of its standard error."""
    environment = {**os.environ, **(env or {})}
    pin = (lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})) if one_cpu else None
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=errors, env=environment, preexec_fn=pin)
        # wait4 counts the process and those that it has waited for: of `kwast run`, the machine.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        said = (output.read(), errors.read())
        if process.returncode != 0:
            end = b"".join(said)[-2000:].decode(errors="replace")
            shown = " ".join(map(str, command))
            raise Unavailable(f"{shown}: exit status {process.returncode}\n{end}")
        return Usage(*said, usage.ru_utime + usage.ru_stime, wall)


def make(*arguments):
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", *arguments], cwd=ROOT,
                          capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-2000:]
        raise Unavailable(f"make {' '.join(arguments)} failed:\n{said}")


def is_current(target, *sources):
    """Whether `target` is newer than everything that it is made of."""
    return target.exists() and all(target.stat().st_mtime >= Path(source).stat().st_mtime
                                   for source in sources)


def interleave(keys, repetitions, measure):
    """measure(key) for every key, over and over, forth and back: slow drifts of the machine meet
    all alike. {key: [values]}."""
    values = {key: [] for key in keys}
    for repetition in range(repetitions):
        for key in keys if repetition % 2 == 0 else list(reversed(keys)):
            values[key].append(measure(key))
    return values


def medians(values):
    return {key: statistics.median(list_of) for key, list_of in values.items()}
