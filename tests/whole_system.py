"""The whole system, built for tests that sit down at it. Most of its programs are busybox, whose source comes
from Debian's archive: where there is none, these tests are skipped."""

import os
import subprocess

import pytest

from machine import BUILD, ROOT


def need_busybox():
    if (BUILD / "programs/busybox.wasm").stat().st_size == 0:
        pytest.skip("busybox's source is not to be had from this machine's Debian archive")


def build_system(*more):
    """For both machines, and what else make is to build."""
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "system", *more], cwd=ROOT, check=True)
    need_busybox()
