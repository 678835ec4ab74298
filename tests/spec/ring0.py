#!/usr/bin/env python3
"""Runs specification scripts in ring 0.

    ring0.py SCRIPT.json...

Converts them to one blob (build/wast), boots the kernel that has the runner as its payload
(build/spec.elf) with it, prints what the machine says of failures and the total. Exit status 1 when
anything failed or the machine did not come to an end."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from machine import BUILD, Machine  # noqa: E402


def main():
    with tempfile.NamedTemporaryFile(suffix=".blob") as blob:
        subprocess.run([BUILD / "wast", "--blob", blob.name, *sys.argv[1:]], check=True)
        files = {"boot/run": b"program=script\0wast=1\0", "script": Path(blob.name)}
        with Machine.pvh(files, append="log=serial quiet", kernel=BUILD / "spec.elf",
                         memory="1G") as machine:
            text = machine.wait_off(600)
    total = re.search(r"^total: (\d+) passed, (\d+) failed, (\d+) text only.*$", text, re.MULTILINE)
    for line in text.splitlines():
        if not re.fullmatch(r"\S+: \d+ passed, 0 failed, \d+ text only.*", line):
            print(line)
    if total is None:
        print("ring0: the machine did not come to an end")
        return 1
    print(f"ring 0: {total[0]}")
    return 0 if total[2] == "0" and int(total[1]) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
