"""Exhaustion: whoever takes all memory is told so, and no service ends of it.

Run from the root: pytest tests/system/exhaustion_test.py; it builds what it needs.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from filler import add_filler, free_memory  # noqa: E402
from machine import BUILD, ROOT, Machine, system_files, until  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "system",
                    "build/programs/hog.wasm"], cwd=ROOT, check=True)


def services(machine):
    """{name: number} of the processes that the manifest starts."""
    machine.type("cat /kernel/processes; echo e''nd\n")
    table = machine.expect(r"(?s)state +name\r?\n(.*?)^end$").group(1)
    rows = [line.split() for line in table.splitlines()]
    return {row[-1]: row[0] for row in rows if len(row) > 2 and row[1] in ("0", "1")}


# Sleeping children until there is no memory for more; they end when they are told.
FILL = r"""
last=0 count=0 children=
while [ ! -e /tmp/start ]; do sleep 0.1; done
while sleep 100000 & [ "$!" != "$last" ]; do
    last=$! count=$((count + 1)) children="$children $!"
done
echo "full: $count children"
>/tmp/full
while [ ! -e /tmp/release ]; do :; done
kill $children
wait $children
echo "fill ends"
"""


@pytest.mark.parametrize("start", [Machine.hosted, Machine.pvh], ids=["hosted", "qemu"])
def test_services_live_through_a_memory_full_of_processes(start):
    files = system_files()
    add_filler(files, FILL)
    with start(files, memory="64M" if start == Machine.hosted else "48M") as machine:
        machine.expect(r"/ \$ ")
        machine.type("true | cat; touch /tmp/y; echo rea''dy\n")
        machine.expect("^ready$")
        before, had = services(machine), free_memory(machine)
        machine.type(">/tmp/start\n")
        count = int(machine.expect(r"full: (\d+) children$").group(1))
        assert count > 100
        # The shell's own: what it starts now may be refused.
        for i in range(20):
            machine.type(f"echo ali''ve{i} >/tmp/x; read word </tmp/x; echo $word; true | true\n")
            machine.expect(f"^alive{i}$")
        machine.type(">/tmp/release\n")
        machine.expect("fill ends$")
        machine.type("echo ali''ve >/tmp/x; cat /tmp/x | cat | cat\n")
        machine.expect("^alive$")
        until(lambda: free_memory(machine), lambda now: had - now <= 1024)
        after = services(machine)
        assert not re.search(r"init: .*(trapped|was killed|ended)", machine.text), machine.text
        assert {name: after.get(name) for name in before if name != "fill"} == {
            name: number for name, number in before.items() if name != "fill"}


@pytest.mark.parametrize("words", ["", "objects"], ids=["frames", "objects"])
@pytest.mark.parametrize("start", [Machine.hosted, Machine.pvh], ids=["hosted", "qemu"])
def test_a_service_has_the_pages_that_it_was_granted(start, words):
    """All frames are taken, and with `objects` all of the kernel's; a pipe's pages are there when they are first
    touched. A call may be refused when the kernel has no memory, which brings nobody down."""
    files = system_files()
    files["bin/hog.wasm"] = BUILD / "programs/hog.wasm"
    with start(files, memory="64M" if start == Machine.hosted else "48M") as machine:
        machine.expect(r"/ \$ ")
        before = services(machine)
        machine.type(f"hog {words}\n")
        said = machine.expect(r"^hog: (\d+) frames, (\d+) objects; (\d+) of 4 pipes; another pipe: (.*)$")
        assert int(said.group(1)) > 4096
        assert (int(said.group(2)) > 100) == (words != "")
        assert said.group(3) == "4" or words
        machine.type("echo ali''ve >/tmp/x; cat /tmp/x | cat | cat\n")
        machine.expect("^alive$")
        assert services(machine) == before
        assert not re.search(r"init: .*(trapped|was killed|ended)", machine.text), machine.text
