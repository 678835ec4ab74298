"""What a person does at the terminal with programs that have all of it: the editor, the pager, watch; and
the shell's own line editing. On both machines.

Run from the root: pytest tests/system/full_screen_test.py; it builds what it needs.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import Machine, system_files  # noqa: E402
from whole_system import build_system  # noqa: E402

PROMPT = r"/ \$ \x1b\[K\r?\x1b\[4C"
ESCAPE = "\x1b"


@pytest.fixture(scope="session", autouse=True)
def build():
    build_system()


@pytest.fixture(scope="module", params=[Machine.pvh, Machine.hosted], ids=["qemu", "hosted"])
def system(request):
    with request.param(system_files()) as machine:
        machine.expect(PROMPT)
        yield machine


def run(machine, keys, shows):
    """Types, and waits for what is to be seen then."""
    machine.type(keys)
    return machine.expect(shows)


def command(machine, line, shows):
    """The same for a whole line; the next prompt is there, and takes keys, afterwards."""
    run(machine, line, shows)
    machine.expect(PROMPT)


def test_editor(system):
    run(system, "vi /tmp/x\n", r"- /tmp/x 1/1 100%")
    run(system, f"ihello wörld{ESCAPE}", r"- /tmp/x \[Modified\] 1/1")
    run(system, "yyp", r"Put 1 lines")
    run(system, ":s/hello/bye/\n", r"2/2")
    run(system, "u", "[Uu]ndo")
    run(system, ":!echo fro''m here\n", "from here")
    run(system, "\n", r"2/2")
    run(system, "ZZ", PROMPT)
    command(system, "cat /tmp/x; echo do''ne\n", "^hello wörld\nhello wörld\ndone$")


def test_pager(system):
    run(system, "seq 100 | less\n", r"\n\x1b\[K24\n(?s:.*)standard input")
    run(system, " ", r"\x1b\[K48\n")
    for key, shows in (("/", r"\x1b\[K/"), ("7", "7"), ("7", "7"), ("\r", r"\x1b\[7m77\x1b")):
        run(system, key, shows)  # it takes the keys one by one, in a mode of its own each time
    run(system, "G", r"\x1b\[K100\n")
    run(system, "g", r"\x1b\[K1\n")
    run(system, "q", PROMPT)
    command(system, "echo sti''ll\n", "still$")


def test_watch(system):
    run(system, "watch -n 1 echo see''n\n", "^seen")
    system.expect("^seen")
    run(system, "\x03", PROMPT)


def test_lines_are_searched_and_kept(system):
    command(system, "echo fir''st one\n", "^first one$")
    command(system, "echo second o''ne\n", "^second one$")
    run(system, "\x12", r"\(search\) : ")
    run(system, "one", r"\(search\) one: echo fir''st one")
    command(system, "\n", "^first one$")
    run(system, "\x12fi\x07", PROMPT)  # Ctrl-G: it is given up
    command(system, "\x15tail -n 3 /tmp/.sh_history | head -n 1\n", r"^echo second o''ne$")


def test_names_are_completed(system):
    run(system, "mkdir /tmp/folder; touch /tmp/folder/file\n", PROMPT)
    command(system, "echo /tmp/fol\tfi\tis there\n", "^/tmp/folder/file is there$")
    command(system, "sha256\t--help >/dev/null && echo fou''nd\n", "^found$")
    run(system, "mkdir '/tmp/a folder'; echo in''side >'/tmp/a folder/what$x'\n", PROMPT)
    command(system, "cat /tmp/a\twh\t| cat\n", "^inside$")
