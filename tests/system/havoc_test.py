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
from machine import BUILD, ROOT, Machine  # noqa: E402

ROUNDS = int(os.environ.get("KWAST_HAVOC_ROUNDS", "25"))
SEED = int(os.environ.get("KWAST_HAVOC_SEED", "1"))
VICTIMS = "root pipe console root dev"
GREETING = "^Kwast\\. 'help'"
SERVICE = """
service havoc
    run      /boot/bin/havoc.wasm $init $pipe /tmp {rounds} {seed} {victims}
    streams  terminal console
    sees     root:/ boot dev
    uses     init pipe
"""


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "system",
                    "build/programs/havoc.wasm"], cwd=ROOT, check=True)


@pytest.mark.parametrize("others", ["", " shell"], ids=["services", "and-shell"])
@pytest.mark.parametrize("start, cpus", [(Machine.hosted, 1), (Machine.hosted, 4), (Machine.pvh, 1)],
                         ids=["hosted-1", "hosted-4", "qemu-1"])
def test_files_are_as_the_completed_operations_left_them(start, cpus, others):
    folder = BUILD / "system"
    files = {str(path.relative_to(folder)): path
             for path in folder.rglob("*") if path.is_file() or path.is_symlink()}
    files["bin/havoc.wasm"] = BUILD / "programs/havoc.wasm"
    files["etc/init.conf"] = (folder / "etc/init.conf").read_bytes() + SERVICE.format(
        rounds=ROUNDS, seed=SEED, victims=VICTIMS + others).encode()
    with start(files, cpus=cpus) as machine:
        said = machine.expect(r"havoc: .*(all right|wrong: .*|no .*)$", 3600)
        assert said.group(1) == "all right", said.group(0)
        # What is left is a system: the shell answers, pipes and files work.
        machine.type("\necho kept > /tmp/kept; cat /tmp/kept | cat; echo sta''tus $?\n")
        machine.expect("^kept$")
        machine.expect("^status 0$")
        # The shell has lived through it, unless it was meant to die.
        assert others or len(re.findall(GREETING, machine.text, re.MULTILINE)) <= 1
