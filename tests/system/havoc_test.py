"""Every service is killed in turn, again and again, at random moments while a program works with files
(tests/kwast/havoc.c): the system stays up, who calls sees an error or nothing, and the files are as the
completed operations left them.

Run from the root: pytest tests/system/havoc_test.py; it builds what it needs. KWAST_HAVOC_ROUNDS is how
many services are killed, KWAST_HAVOC_SEED when and with what else.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, system_files  # noqa: E402

ROUNDS = int(os.environ.get("KWAST_HAVOC_ROUNDS", "25"))
SEED = int(os.environ.get("KWAST_HAVOC_SEED", "1"))
VICTIMS = "root pipe console root dev"
GREETING = "^Kwast\\. 'help'"
SERVICE = """
service havoc
    run      /boot/bin/havoc.wasm $init $pipe {directory} {rounds} {seed} {victims}
    streams  terminal console
    sees     root:/ boot dev {host}
    uses     init pipe
"""


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "system",
                    "build/programs/havoc.wasm"], cwd=ROOT, check=True)


def files_of(directory, victims):
    files = system_files()
    files["bin/havoc.wasm"] = BUILD / "programs/havoc.wasm"
    files["etc/init.conf"] = files["etc/init.conf"].read_bytes() + SERVICE.format(
        rounds=ROUNDS, seed=SEED, victims=victims, directory=directory,
        host="host" if directory == "/host" else "").encode()
    return files


def check_havoc(machine):
    said = machine.expect(r"havoc: .*(all right|wrong: .*|no .*)$", 3600)
    assert said.group(1) == "all right", said.group(0)
    # What is left is a system: the shell answers, pipes and files work.
    machine.type("\necho kept > /tmp/kept; cat /tmp/kept | cat; echo sta''tus $?\n")
    machine.expect("^kept$")
    machine.expect("^status 0$")


@pytest.mark.parametrize("others", ["", " shell"], ids=["services", "and-shell"])
@pytest.mark.parametrize("start, cpus", [(Machine.hosted, 1), (Machine.hosted, 4), (Machine.pvh, 1)],
                         ids=["hosted-1", "hosted-4", "qemu-1"])
def test_files_are_as_the_completed_operations_left_them(start, cpus, others):
    with start(files_of("/tmp", VICTIMS + others), cpus=cpus) as machine:
        check_havoc(machine)
        # The shell has lived through it, unless it was meant to die.
        assert others or len(re.findall(GREETING, machine.text, re.MULTILINE)) <= 1


def test_so_are_those_of_the_host(tmp_path):
    args = ["-virtfs", f"local,path={tmp_path},mount_tag=host,security_model=none,multidevs=remap"]
    with Machine.pvh(files_of("/host", "host root host pipe"), args=args) as machine:
        check_havoc(machine)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d0", "d1", "d2", "d3"]
