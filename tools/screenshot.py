#!/usr/bin/env python3
"""Boots build/kwast.iso, and takes a picture of the machine's screen when something is on it:
screenshot.py WHAT OUT.png, where WHAT is `shell`, `top` or `editor`. `make pictures` does it for the
docs. Keys are typed at the machine's keyboard, so programs draw for its screen."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from machine import BUILD, Machine  # noqa: E402

# QEMU's names of keys, on the layout us.
NAMES = {" ": "spc", "\n": "ret", "/": "slash", ".": "dot", "-": "minus", ";": "semicolon", "'": "apostrophe",
         "=": "equal", ",": "comma", "\x1b": "esc", "[": "bracket_left", "]": "bracket_right", "\\": "backslash"}
SHIFTED = dict(zip('!@#$%^&*()_+{}:"<>?|', "1234567890-=[];',./\\"))

PROMPT = r"\S+ \$ \x1b\[K"
SCENES = {
    # What is typed, and what is to be seen (on the serial line, which shows the same) before going on.
    "shell": [("ls -l /\n", PROMPT), ("mount\n", PROMPT), ("ps\n", PROMPT),
              ("cd /tmp; seq 1 5 | tac | paste -s -d' ' -\n", PROMPT),
              ("for i in 1 2 3; do echo $i; done | sha256sum\n", PROMPT)],
    "top": [("yes >/dev/null &\n", PROMPT), ("top\n", "NAME"), ("", "NAME"), ("", "NAME")],
    "editor": [("cat /boot/etc/init.conf >/tmp/init.conf; vi /tmp/init.conf\n", "1/"),
               ("/root\n", "root")],
}


def press(machine, key):
    shift = key.isupper() or key in SHIFTED
    key = SHIFTED.get(key, key.lower())
    codes = (["shift"] if shift else []) + [NAMES.get(key, key)]
    machine.monitor("send-key", keys=[{"type": "qcode", "data": code} for code in codes])
    time.sleep(0.15)  # the keyboard is slow


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in SCENES:
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(sys.argv[2]).resolve()
    with Machine("-cdrom", BUILD / "kwast.iso", memory="512M", cpus=2, qmp=True) as machine:
        machine.expect(PROMPT)
        for keys, shows in SCENES[sys.argv[1]]:
            for key in keys:
                press(machine, key)
            machine.expect(shows)
        time.sleep(2)  # until the screen shows it, too
        machine.monitor("screendump", filename=str(out), format="png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
