"""WASI's calls about files in the places where files can be: a directory of the host's, through the
link of either machine, and tmpfs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT  # noqa: E402

TMPFS_BYTES = 64 << 20


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "tools", "programs",
                    "wasi-programs"], cwd=ROOT, check=True)


def run(*command, **options):
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    return subprocess.run([BUILD / "kwast", "run", *map(str, command)], capture_output=True,
                          timeout=LIMIT_SECONDS, **options)


class Place:
    """A place for files: `files` are what is there at the beginning."""

    def __init__(self, name, tmp_path):
        self.name, self.root, self.other = name, tmp_path / "root", tmp_path / "other"
        self.programs = tmp_path / "programs"
        self.clear()

    def clear(self):
        for folder in (self.root, self.other):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()

    def run(self, program, *args, machine=None, empty=False, **options):
        """Runs a program, which has the place as descriptors 3 and 4, /data and /other."""
        wasm = BUILD / f"programs/{program}.wasm"
        if self.name == "tmpfs":
            self.programs.mkdir(exist_ok=True)
            for name in ("tmpfs", program):
                shutil.copy(BUILD / f"programs/{name}.wasm", self.programs)
            return run("--machine", machine or "hosted", "--dir", f"{self.programs}::/bin", "--env",
                       f"TMPFS_BYTES={TMPFS_BYTES}",
                       BUILD / "programs/mounted.wasm", *(["--empty"] if empty else []), program, *args,
                       **options)
        return run("--machine", machine or {"qemu": "qemu"}.get(self.name, "hosted"), "--dir",
                   f"{self.root}::/data", "--dir", f"{self.other}::/other", wasm, *args, **options)


@pytest.fixture(params=["directory", "tmpfs", "qemu"])
def place(request, tmp_path):
    return Place(request.param, tmp_path)


@pytest.fixture(params=["directory", "tmpfs"])
def writable(request, tmp_path):
    return Place(request.param, tmp_path)
