"""The shell and the utilities: the scripts of scripts.txt, by Kwast on both machines and by dash; and
typed at the machine that the ISO starts. Those of kwast.txt say themselves what they print.

Run from the root: pytest tests/shell; it builds what it needs.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, system_files  # noqa: E402
from whole_system import build_system  # noqa: E402

TEXT = (Path(__file__).parent / "scripts.txt").read_text()
SCRIPTS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
KWAST_TEXT = (Path(__file__).parent / "kwast.txt").read_text()
KWAST_SCRIPTS = {name: (script, output, int(status)) for name, script, output, status in
                 re.findall(r"^## (\S+)\n(.*?)^==\n(.*?)^== (\d+)\n", KWAST_TEXT,
                            re.MULTILINE | re.DOTALL)}
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/tmp"}


@pytest.fixture(scope="session", autouse=True)
def build():
    build_system()


@pytest.fixture(scope="module", params=[Machine.pvh, Machine.hosted], ids=["qemu", "hosted"])
def machine(request, tmp_path_factory):
    """The whole system, with the scripts in /boot/scripts."""
    folder = tmp_path_factory.mktemp("scripts")
    files = system_files()
    own = {name: script for name, (script, _, _) in KWAST_SCRIPTS.items()}
    for name, script in {**SCRIPTS, **own}.items():
        (folder / name).write_text(script)
        files[f"scripts/{name}"] = folder / name
    with request.param(files) as machine:
        machine.expect(r"/ \$ ")
        yield machine


@pytest.fixture(scope="module")
def iso_machine():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "iso"], cwd=ROOT, check=True)
    with Machine("-cdrom", BUILD / "kwast.iso", memory="512M") as machine:
        machine.expect(r"/ \$ ")
        yield machine


def as_from_a_terminal():
    """What this process was started with ignored, by nohup or in the background, dash could not trap."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def by_dash(script, folder):
    done = subprocess.run(["dash", "-s"], input=script, cwd=folder, env=ENVIRONMENT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=as_from_a_terminal)
    return done.stdout, done.returncode


def by_kwast(name, machine, path="/boot/scripts", errors="/dev/null"):
    """Its output, between two lines that no script prints."""
    machine.type(f"mkdir /tmp/{name}; cd /tmp/{name}; echo be''gin; "
                 f"{{ sh {path}/{name} 2>{errors}; echo e''nd $?; }} | cat; cd /\n")
    start = machine.expect(r"^begin\n").end()
    end = machine.expect(r"^end (\d+)$")
    return machine.text[start:end.start()], int(end.group(1))


@pytest.mark.parametrize("name", SCRIPTS)
def test_kwast_does_as_dash_does(name, machine, tmp_path):
    if shutil.which("dash") is None:
        pytest.skip("dash is not installed")
    assert by_kwast(name, machine) == by_dash(SCRIPTS[name], tmp_path)


@pytest.mark.parametrize("name", KWAST_SCRIPTS)
def test_what_dash_does_not_know(name, machine):
    _, output, status = KWAST_SCRIPTS[name]
    assert by_kwast(name, machine, errors="&1") == (output, status)


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_typed_at_the_iso_does_as_dash_does(name, iso_machine, tmp_path):
    iso_machine.type(f"mkdir -p /tmp/scripts; echo re''ady; cat >/tmp/scripts/{name}\n")
    iso_machine.expect("^ready$")
    iso_machine.type(SCRIPTS[name] + "\x04")
    assert by_kwast(name, iso_machine, "/tmp/scripts") == by_dash(SCRIPTS[name], tmp_path)


def test_what_is_typed_ahead_is_not_lost(machine):
    """Neither whole lines nor half ones, though the terminal changes its mode in between."""
    for _ in range(5):
        machine.type("sleep 0.1; echo be''gun\necho fir''st\necho sec")
        machine.expect("begun$")
        machine.type("''ond\n")
        machine.expect("first$")
        machine.expect("second$")
