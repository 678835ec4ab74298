"""A tree of files, changed at random by tests/kwast/tree.c, comes out of Kwast as it comes out of the
same operations on the host: on tmpfs, and on host directories as `kwast run --dir` gives them.
host_test.py has those behind virtio-9p.

TREE_COUNT is how many operations there are, TREE_SEED which.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT  # noqa: E402

COUNT = os.environ.get("TREE_COUNT", "2000")
SEED = os.environ.get("TREE_SEED", "1")
LIMIT_SECONDS = 300 + int(COUNT)


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "tools", "services",
                    "build/programs/tree.wasm", "build/programs/mounted.wasm"], cwd=ROOT, check=True)


def on_host(folder):
    """The program for this machine; a tree to begin with, and what becomes of it; what it prints."""
    tree = folder / "tree"
    subprocess.run(["clang-19", "-std=c23", "-D_GNU_SOURCE", "-O1", ROOT / "tests/kwast/tree.c", "-o", tree],
                   check=True)
    for name in ("begin", "want"):
        (folder / name).mkdir()
    subprocess.run([tree, "run", folder / "begin", SEED + "0", "1000"], check=True,
                   stdout=subprocess.DEVNULL)
    done = subprocess.run([tree, "copy", folder / "begin", folder / "want", "run", folder / "want",
                           SEED, COUNT], check=True, capture_output=True)
    assert done.stderr == b""
    return done.stdout


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    return folder, on_host(folder)


def assert_same(want, got):
    done = subprocess.run(["diff", "-r", "--no-dereference", want, got], capture_output=True)
    assert (done.returncode, done.stdout[:1000], done.stderr) == (0, b"", b"")


def kwast(machine, *args):
    return subprocess.run([BUILD / "kwast", "run", "--machine", machine, *args],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS)


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
def test_a_directory_of_the_host(host, machine, tmp_path):
    folder, printed = host
    done = kwast(machine, "--dir", f"{folder}/begin::/begin", "--dir", f"{tmp_path}::/here",
                 BUILD / "programs/tree.wasm", "copy", "/begin", "/here", "run", "/here", SEED, COUNT)
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, b"")
    assert_same(folder / "want", tmp_path)


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
def test_tmpfs(host, machine, tmp_path):
    folder, printed = host
    done = kwast(machine, "--dir", f"{BUILD}/programs::/bin", "--dir", f"{folder}/begin::/begin",
                 "--dir", f"{tmp_path}::/out", BUILD / "programs/mounted.wasm", "--beside", "tree",
                 "copy", "/begin", "/data", "run", "/data", SEED, COUNT, "copy", "/data", "/out")
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, b"")
    assert_same(folder / "want", tmp_path)
