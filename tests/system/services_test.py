"""Services: init and what it starts, on both machines.

Run from the root: pytest tests/system/services_test.py; it builds what it needs.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine  # noqa: E402

SERVICES = """
# Needs come before what they need: init finds the order.
service reader
    run      /boot/bin/stdio.wasm
    sees     tmp
    streams  terminal console
    restart  always
service console
    run      /boot/bin/console.wasm $console
    serves   console terminal
    streams  device
    restart  always
service tmp
    run      /boot/bin/tmpfs.wasm $tmp 1M
    serves   tmp directory
    memory   8M
    restart  always
"""


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "programs",
                    "test-programs"], cwd=ROOT, check=True)


@pytest.fixture(params=[Machine.pvh, Machine.hosted], ids=["qemu", "hosted"])
def boot(request, tmp_path):
    """Boots with a manifest and programs of build/programs."""
    def start(manifest, *names):
        (tmp_path / "init.conf").write_text(manifest)
        files = {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in names}
        return request.param({**files, "etc/init.conf": tmp_path / "init.conf"})
    return start


def test_terminal_edits_lines_and_services_start_again(boot):
    with boot(SERVICES, "init", "tmpfs", "console", "stdio") as machine:
        machine.expect(r"nul.+inside")
        machine.type("hellp\x7fo\nwrong\x15second\x17third \x16\x04\n\x04")
        machine.expect(r"^hellp\x08 \x08o\n")
        machine.expect("2 lines, 14 bytes, eof 1, error 0$")
        machine.expect("to standard error$")
        machine.expect(r"nul.+inside")  # it is started again
        machine.type("half a line\x04 and more\n\x04")
        machine.expect("1 lines, 21 bytes, eof 1, error 0$")


@pytest.mark.parametrize("manifest, words", [
    ("service x\n  walk home\n", "init.conf:2: 'walk' is no key"),
    ("run /x\n", "init.conf:1: 'run' before any 'service NAME'"),
    ("service x\nservice x\n", "init.conf:2: a second service 'x'"),
    ("service x\n  memory lots\n", "init.conf:2: 'lots' is no number"),
    ("service x\n  reserve maybe\n", "init.conf:2: 'maybe' is none of its choices"),
    ("service x\n  run /x\nservice y\n  # what would be lost\n  serves z\n  like x\n",
     "init.conf:6: 'like' has to be the first line of service 'y'"),
    ("service x\n  serves a/b\n", "'a/b' is no name"),
])
def test_a_wrong_manifest_is_told_by_line(boot, manifest, words):
    with boot(manifest, "init") as machine:
        machine.expect(words)
        machine.expect(r"exited with status 1")
        machine.expect("^kwast> ")  # what is left is the kernel's own prompt


def test_a_service_that_cannot_be_started_does_not_stop_others(boot):
    manifest = ("service missing\n  run /boot/bin/nothing.wasm\n"
                "service needy\n  run /boot/bin/first.wasm\n  sees nowhere\n"
                "service good\n  run /boot/bin/first.wasm\n")
    with boot(manifest, "init", "first") as machine:
        machine.expect("init: missing: /boot/bin/nothing.wasm: No such file or directory")
        machine.expect("init.conf:3: needy needs 'nowhere', which nobody serves")
        machine.expect(r"first program at \d+ us$")


def test_what_nobody_will_ever_serve_is_no_reason_to_wait(boot):
    manifest = ("service missing\n  run /boot/bin/nothing.wasm\n  serves gone\n"
                "service user\n  run /boot/bin/sh.wasm -c pwd</gone/x\n  sees gone\n")
    with boot(manifest, "init", "sh") as machine:
        machine.expect("init: missing: /boot/bin/nothing.wasm: No such file or directory")
        machine.expect(r"init: user ended with status \d+$")


POLLS = """
service console
    run      /boot/bin/console.wasm $console
    serves   console terminal
    streams  device
service pipe
    run      /boot/bin/pipe.wasm $pipe
    serves   pipe calls
service polls
    run      /boot/bin/polls.wasm $pipe
    streams  terminal console
    uses     pipe
"""


def test_poll_says_the_truth_about_pipes_and_terminals(boot):
    with boot(POLLS, "init", "console", "pipe", "polls") as machine:
        machine.expect("type: ")
        machine.type("hello\n")
        assert machine.expect("(?:all right|polls ended.*)$").group(0) == "all right", machine.text
