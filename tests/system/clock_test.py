"""The time of day: who may set it, and what comes of that.

Run from the root: pytest tests/system/clock_test.py; it builds what it needs.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, system_files  # noqa: E402
from whole_system import need_busybox  # noqa: E402

HOUR = 3600
BOTH = pytest.mark.parametrize("kind", [Machine.pvh, Machine.hosted], ids=["qemu", "hosted"])


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "test-programs", "system"], cwd=ROOT,
                   check=True)


def start(kind, more=(), **options):
    return kind({**system_files(), "bin/wall.wasm": BUILD / "programs/wall.wasm", **dict(more)}, **options)


def output(machine, command):
    """What a command prints, between two lines that it does not."""
    machine.type(f"echo be''gin; {{ {command}; }} 2>&1 | cat; echo e''nd\n")
    begin = machine.expect(r"^begin\n").end()
    end = machine.expect("^end$").start()
    return machine.text[begin:end]


def is_from(seconds, told):
    """What passed since is not known, but no test takes an hour."""
    return 0 <= int(told) - seconds < HOUR


@BOTH
def test_the_clock_is_set(kind):
    need_busybox()
    host = time.time() - time.monotonic()
    with start(kind) as machine:
        machine.expect(r"/ \$ ")
        assert "2031-02-03" in output(machine, "date -s '2031-02-03 04:05:06' && date +%F")
        assert is_from(1927857906, output(machine, "date +%s"))
        assert is_from(1927857906, output(machine, "touch /tmp/x; stat -c %Y /tmp/x"))
        assert is_from(1927857906, output(machine, "cat /kernel/clock").split(".")[0])
        # To the past as well, before the machine was on; and by those who can only write.
        assert is_from(0, output(machine, "date -s @0 >/dev/null; date +%s"))
        assert is_from(1700000000, output(machine, "echo 1700000000.5 >/kernel/clock; wall tell"))
        for wrong in ("", "-1", "tomorrow", "18446744073709551616"):
            assert "Invalid" in output(machine, f"echo '{wrong}' | dd of=/kernel/clock"), wrong
        assert "Read-only" in output(machine, "echo 1 >/kernel/log")
        assert is_from(1700000000, output(machine, "wall tell"))
        # A machine that has a clock of its own keeps it until that is told.
        if kind == Machine.pvh:
            output(machine, "date -s '2024-02-29 23:00:00'")
            assert "2024" not in output(machine, "cat /dev/rtc")
            assert output(machine, "date -u '+%F %T' >/dev/rtc; cat /dev/rtc").startswith("2024-02-29 23:")
            assert output(machine, "date -s '2000-01-01 00:00:00'; date -u -s \"$(cat /dev/rtc)\" >/dev/null; date -u +%F") \
                .split()[-1] == "2024-02-29"
    assert abs(time.time() - time.monotonic() - host) < HOUR


@BOTH
def test_who_waits_for_a_time_of_day_goes_by_the_clock(kind):
    with start(kind, cpus=2) as machine:
        machine.expect(r"/ \$ ")
        assert output(machine, "wall set 1000000000") == "set\n"
        machine.type("wall until 1000100000 & wall until 1000200000 & wall until 1000300000 &\n")
        for _ in range(3):
            machine.expect(r"waiting for \d+$")
        # The first one's time has come, and the second's when the clock has been to the past and back.
        machine.type("wall set 1000100000\n")
        machine.expect(r"it is 1000100000$")
        machine.type("wall set 900000000; wall set 1000200001\n")
        machine.expect(r"it is 1000200000$")
        assert "it is 1000300000" not in machine.text
        machine.type("date; wall set 1000300000\n")
        machine.expect(r"it is 1000300000$")
        assert "wrong" not in machine.text


MANIFEST = """
service may
    run      /boot/bin/wall.wasm set 1500000000
    sees     boot kernel
    sets     clock
service may_not
    run      /boot/bin/wall.wasm set 1600000000
    sees     boot kernel
"""


@BOTH
def test_only_those_set_it_who_may(kind):
    with kind({"etc/init.conf": MANIFEST.encode(), "bin/init.wasm": BUILD / "programs/init.wasm",
               "bin/wall.wasm": BUILD / "programs/wall.wasm"}) as machine:
        said = sorted(machine.expect(r"^(set|not for us.*|wrong.*|not set)$").group(1) for _ in range(2))
        assert said[1] == "set" and said[0].startswith("not for us: "), said
