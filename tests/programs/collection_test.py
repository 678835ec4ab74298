"""Real programs with recorded cases, on both machines: a folder for each, NAME/NAME.wasm with
cmd.txt, which has one JSON object a line: args with argv[0] first; stdin, a file; env; dirs
{path in the program: folder}; exit; stdout, the file with what is expected, less what stdout_ignore
matches; files {path after the run: file with what it is to have}.

KWAST_PROGRAMS names the folder of these folders. They are not in the tree: the project's shared files
have them as programs.tar.xz. Without that the test is skipped.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = os.environ.get("KWAST_PROGRAMS")
TIMEOUT = 1800  # QEMU emulates every instruction, and the tests may share the machine


def cases():
    if FOLDER is None:
        why = "KWAST_PROGRAMS names no folder with programs (programs.tar.xz, unpacked)"
        return [pytest.param(None, None, id="none", marks=pytest.mark.skip(reason=why))]
    found = []
    for path in sorted(Path(FOLDER).resolve().glob("*/cmd.txt")):
        lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
        found += [pytest.param(path.parent, json.loads(line), id=f"{path.parent.name}-{number}")
                  for number, line in enumerate(lines)]
    return found


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "tools"], cwd=ROOT, check=True)


def directories(folder, case, base):
    """Copies what the program may write to; the options that give it that."""
    for guest, host in (case.get("dirs") or {}).items():
        if (folder / host).is_dir():
            shutil.copytree(folder / host, base / host)
        else:
            (base / host).mkdir(parents=True)
        yield from ("--dir", f"{base / host}::{guest}")


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
@pytest.mark.parametrize("folder, case", cases())
def test_program(folder, case, machine, tmp_path):
    env = [part for item in (case.get("env") or {}).items() for part in ("--env", "=".join(item))]
    command = [ROOT / "build/kwast", "run", "--machine", machine, "--argv0", case["args"][0], *env,
               *directories(folder, case, tmp_path), folder / f"{folder.name}.wasm", *case["args"][1:]]
    stdin = (folder / case["stdin"]).read_bytes() if case.get("stdin") else b""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=TIMEOUT)
    got, want = done.stdout, (folder / case.get("stdout", "expected.txt")).read_bytes()
    if case.get("stdout_ignore"):
        got, want = (re.sub(case["stdout_ignore"].encode(), b"", text) for text in (got, want))
    assert done.returncode == case.get("exit", 0), done.stderr[-1000:]
    assert got == want
    for path, expected in (case.get("files") or {}).items():
        assert (tmp_path / path).read_bytes() == (folder / expected).read_bytes(), path
