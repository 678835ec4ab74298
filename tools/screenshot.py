#!/usr/bin/env python3
"""Boots build/kwast.iso, waits for the prompt, types a few commands, and takes a picture of the
machine's screen: screenshot.py OUT.png. `make picture` does it for the README."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from machine import BUILD, Machine  # noqa: E402


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(sys.argv[1]).resolve()
    with Machine("-cdrom", BUILD / "kwast.iso", memory="512M", qmp=True) as machine:
        machine.expect(r"/ \$ ")
        for command in ("ls", "cat /kernel/memory", "cd /tmp", "seq 1 5 | tac | paste -s -d' ' -"):
            machine.type(command + "\n")
            machine.expect(r"\n\S+ \$ ")
        machine.monitor("screendump", filename=str(out), format="png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
