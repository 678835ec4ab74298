"""A Linux guest in QEMU, to compare Kwast's machines with: Debian's kernel for clouds, and bench/kernel/guest.c as
its /init."""

import subprocess

from common import BUILD, HERE, ICOUNT, ROOT, Unavailable, is_current
from programs import CC, command_run

META_PACKAGE = "linux-image-cloud-amd64"
OPTIONS = "console=ttyS0 quiet panic=-1 reboot=t tsc=reliable no_timer_check nokaslr norandmaps mitigations=off"
LIMIT_SECONDS = 300


def kernel():
    """Fetches the package, which stays uninstalled, through apt; once."""
    folder = BUILD / "linux"
    found = sorted(folder.glob("boot/vmlinuz-*"))
    if found:
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        said = subprocess.run(["apt-cache", "depends", META_PACKAGE], capture_output=True, text=True, check=True)
        package = said.stdout.split("Depends: ")[1].split()[0]
        subprocess.run(["apt-get", "-qq", "download", package], cwd=folder, check=True, capture_output=True)
        for archive in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, folder], check=True)
            archive.unlink()
        return sorted(folder.glob("boot/vmlinuz-*"))[0]
    except (OSError, IndexError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"no Linux to compare with: {META_PACKAGE} cannot be fetched by apt-get: {error}") from error


def cpio(files):
    """{name: bytes} as an archive of executables in the form that Linux unpacks at its start."""
    text = b""
    for number, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        name = name.encode() + b"\0"
        fields = [number, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        text += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        text += b"\0" * (-len(text) % 4) + data
        text += b"\0" * (-len(text) % 4)
    return text


def program(name, source):
    """A static program, for Linux."""
    target = BUILD / "kernel" / name
    if not is_current(target, source, HERE / "linux_guest.py"):
        target.parent.mkdir(parents=True, exist_ok=True)
        command_run([CC, "-std=c23", "-O2", "-D_GNU_SOURCE", "-static", "-I", ROOT, source, "-o", target])
    return target


def root():
    """guest.c as /init, and what it starts."""
    programs = {"init": program("init", HERE / "kernel/guest.c"), "linux": program("linux", HERE / "kernel/linux.c"),
                "hello": program("hello", HERE / "hello.c")}
    target = BUILD / "linux/root.cpio"
    if not is_current(target, *programs.values(), HERE / "linux_guest.py"):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cpio({name: path.read_bytes() for name, path in programs.items()}))
    return target


def run(*arguments, memory, machine="microvm", cpus=1):
    """All that the guest says until it ends, or is taken to have failed. guest.c starts the second CPU."""
    options = OPTIONS if cpus == 1 else f"{OPTIONS} maxcpus=1"
    command = ["qemu-system-x86_64", "-machine", machine, "-cpu", "max,-rdrand", "-m", memory, "-display", "none",
               "-no-reboot", "-nodefaults", "-no-user-config", "-serial", "stdio", "-kernel", kernel(), "-initrd",
               root(), "-append", " ".join([options, "--", *map(str, arguments)]), "-smp", cpus, *ICOUNT]
    try:
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(errors="replace")
    return done.stdout.decode(errors="replace")
