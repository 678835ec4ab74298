#!/usr/bin/env python3
"""Boots build/kwast.iso, types at the machine's keyboard, and takes pictures of its screen: a session in
the shell, `top`, and the editor.

    screenshot.py FOLDER        writes boot.png, top.png and editor.png there

`make pictures` does it for the README and the docs.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from machine import BUILD, ROOT, Machine  # noqa: E402
from screen import Screen  # noqa: E402


class Camera:
    def __init__(self, machine, folder):
        self.machine = machine
        self.screen = Screen(machine)
        self.folder = folder

    def take(self, name):
        self.machine.monitor("screendump", filename=str(self.folder / name), format="png")

    def session(self):
        for command in ("ls -l /", "mount", "ps", "cd /tmp; seq 1 5 | tac | paste -s -d' ' -",
                        "for i in 1 2 3; do echo $i; done | sha256sum"):
            self.screen.enter(command)
            self.screen.prompt()
        self.take("boot.png")

    def top(self):
        self.screen.enter("yes > /dev/null & top")
        self.screen.expect(lambda picture: any(row.endswith("yes") for row in picture.rows))
        self.take("top.png")
        self.screen.press("q")
        self.screen.prompt()
        self.screen.enter("kill %1; clear")
        self.screen.prompt()

    def editor(self):
        self.screen.enter("vi /boot/etc/init.conf")
        self.screen.expect(lambda picture: "service console" in picture.rows)
        for _ in range(5):
            self.screen.press("down")
        self.take("editor.png")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    if not (BUILD / "ports/libvterm/include/vterm.h").exists():
        print("screenshot: the system was built without libvterm", file=sys.stderr)
        return 1
    subprocess.run(["make", "-s", "iso"], cwd=ROOT, check=True)
    with Machine("-cdrom", BUILD / "kwast.iso", memory="512M", qmp=True) as machine:
        machine.expect(r"^Kwast\. 'help'")
        camera = Camera(machine, Path(sys.argv[1]).resolve())
        camera.screen.wake()
        camera.session()
        camera.top()
        camera.editor()
    return 0


if __name__ == "__main__":
    sys.exit(main())
