"""A service that takes all there is of something, by a script: what it does to the others is what its
tests look at."""

FILLER = """
service fill
    run      /boot/bin/sh.wasm --pipes $pipe /boot/etc/fill
    sees     root:/ boot
    uses     pipe
    env      PATH=/boot/bin
"""


def add_filler(files, script, *limits):
    """To the files of the system; `limits` are further lines of its manifest."""
    lines = FILLER + "".join(f"    {limit}\n" for limit in limits)
    files["etc/fill"] = script.encode()
    files["etc/init.conf"] = files["etc/init.conf"].read_bytes() + lines.encode()


def free_memory(machine):
    """KiB, of frames that nobody has."""
    machine.type("cat /kernel/memory\n")
    return sum(int(machine.expect(rf"^{zone} +(\d+) of +\d+ KiB free$").group(1))
               for zone in ("kernel", "programs"))
