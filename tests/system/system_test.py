"""The whole system: every way to boot it, what a boot costs, and processes that leave each other
alone, in QEMU and as a Linux process.

Run from the root, after `make kernel hosted programs test-programs iso`: pytest tests/system
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, ROOT, Machine, boot_archive, until  # noqa: E402

PROMPT = r"^kwast> "
BOOT_LIMIT_INSTRUCTIONS = 10_000_000  # from power-on to the first instruction of the first program
KERNEL_LIMIT_INSTRUCTIONS = 3_000_000  # of these the kernel's, with compiling the program
IMAGE_LIMIT_BYTES = 1 << 20


HELLO = {"boot/run": b"program=bin/hello.wasm\0arg=hello\0times=1\0", "bin/hello.wasm": ROOT / "bench/hello.wasm"}


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "programs",
                    "test-programs", "iso"], cwd=ROOT, check=True)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "BUILD=release", "build/release/kernel.elf"],
                   cwd=ROOT, check=True)


def program(name):
    return BUILD / "programs" / f"{name}.wasm"


@pytest.fixture(params=["pvh", "hosted"])
def at_prompt(request):
    """Starts a machine with these programs in bin/, and waits for its prompt. A program of two
    names is given as name=program."""
    def start(*names, **options):
        pairs = [name.split("=") if "=" in name else (name, name) for name in names]
        files = {f"bin/{name}.wasm": program(source) for name, source in pairs}
        machine = getattr(Machine, request.param)(files, **options)
        machine.expect(PROMPT)
        return machine
    return start


# -- Booting ------------------------------------------------------------------------------------


def demonstration(machine, cpus):
    machine.expect(r"Kwast [\d.]+ - WebAssembly in ring 0")
    machine.expect(r"memory +\d+ MiB")
    machine.expect(rf"CPUs +{cpus}\n")
    for _ in range(3):
        machine.expect(r"demo-\w+\.wasm +exited with status 0")
    machine.expect(PROMPT)
    machine.type("poweroff\n")
    machine.wait_off()


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_iso_reaches_the_shell_and_powers_off(firmware):
    args = ["-cdrom", BUILD / "kwast.iso", "-vga", "std"]
    if firmware == "uefi":
        args += ["-bios", "/usr/share/ovmf/OVMF.fd"]
    with Machine(*args, memory="512M", cpus=4) as machine:
        machine.expect(r"^Kwast\. 'help'")
        machine.expect(r"/ \$ ")
        machine.type("cd tmp; echo one two > f; while read a b; do echo $b $a; done < f\n")
        machine.expect("^two one$")
        machine.type("(demo-c; exit 7); echo stat''us $?\n")
        machine.expect("^status 7$")
        machine.type("poweroff\n")
        machine.wait_off()


@pytest.mark.parametrize("cpus", [1, 2, 32])
@pytest.mark.parametrize("start", [Machine.pvh, Machine.hosted], ids=["pvh", "hosted"])
def test_machine_reaches_prompt_and_powers_off(start, cpus):
    files = {f"bin/demo-{x}.wasm": program(f"demo-{x}") for x in ("c", "cpp", "rust")}
    with start(files, cpus=cpus) as machine:
        demonstration(machine, cpus)


def test_the_command_line_limits_the_cpus():
    files = {f"bin/demo-{x}.wasm": program("first") for x in ("c", "cpp", "rust")}
    with Machine.pvh(files, append="cpus=3", cpus=4) as machine:
        demonstration(machine, 3)


def test_ctrl_c_ends_the_demonstration():
    files = {f"bin/demo-{x}.wasm": program("spin") for x in ("c", "cpp", "rust")}
    with Machine.pvh(files) as machine:
        for _ in range(3):
            machine.expect("spinning")
        machine.type("\x03")
        for _ in range(3):
            machine.expect(r"demo-\w+\.wasm +killed")
        machine.expect(PROMPT)


# -- Bad input at boot --------------------------------------------------------------------------


def test_no_boot_archive_is_said():
    with Machine.pvh() as machine:
        machine.expect("^Kwast cannot start: there is no boot archive")


@pytest.mark.parametrize("damage, words", [
    (lambda tar: b"", "at byte 0: the archive ends before its end mark"),
    (lambda tar: tar[:1500], r"at byte 1024: "),
    (lambda tar: tar[:100] + b"9" + tar[101:], "at byte 0: wrong checksum"),
    (lambda tar: b"no tar at all" * 1000, "at byte 0: not a ustar header"),
])
def test_a_damaged_boot_archive_is_said(tmp_path, damage, words):
    path = boot_archive(tmp_path / "boot.tar", {"a": b"x" * 400, "b": b"y" * 600})
    path.write_bytes(damage(path.read_bytes()) or b"\n")
    with Machine.pvh(args=["-initrd", path]) as machine:
        machine.expect("^Kwast cannot start: the boot archive is damaged " + words)


@pytest.mark.parametrize("cpus", [1, 4])
def test_a_panic_names_the_functions_it_came_through(cpus):
    with Machine.pvh({}, append="panic", cpus=cpus) as machine:
        machine.expect("^kwast: kernel panic: asked for")
        machine.expect(r"main_thread\+0x")
        machine.expect(r"thread_main\+0x")


# -- Size and cost ------------------------------------------------------------------------------


def test_release_image_is_small():
    image = BUILD / "release/kernel.elf"
    print(f"release image: {image.stat().st_size} bytes")
    assert image.stat().st_size < IMAGE_LIMIT_BYTES


def test_a_microvm_boots_runs_its_program_and_ends_in_few_instructions():
    """With -icount shift=0 a nanosecond of guest time is one instruction."""
    icount = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
              "-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1"]
    with Machine.pvh(HELLO, machine="microvm", kernel=BUILD / "release/kernel.elf", args=icount,
                     cpus=1) as machine:
        machine.expect("^hello$")
        parts = machine.expect(r"^times: firmware (\d+), kernel (\d+), compile (\d+), instantiate (\d+), run")
        firmware, *kernel = map(int, parts.groups())
        machine.wait_off()
    print(f"instructions: firmware {firmware}, kernel, compiling, instantiating: {kernel}")
    assert firmware + sum(kernel) < BOOT_LIMIT_INSTRUCTIONS
    assert sum(kernel) < KERNEL_LIMIT_INSTRUCTIONS


def test_the_fixed_hello_is_what_its_text_says(tmp_path):
    made = tmp_path / "hello.wasm"
    subprocess.run(["wat2wasm", ROOT / "bench/hello.wat", "-o", made], check=True)
    assert made.read_bytes() == HELLO["bin/hello.wasm"].read_bytes()


@pytest.mark.parametrize("options", ["", ",acpi=off", ",rtc=off"], ids=["acpi", "no-acpi", "no-rtc"])
def test_a_microvm_reaches_its_prompt(options):
    files = {f"bin/demo-{x}.wasm": program(f"demo-{x}") for x in ("c", "cpp", "rust")}
    with Machine.pvh(files, machine="microvm" + options, cpus=1 if "acpi" in options else 2) as machine:
        if "acpi" not in options:
            demonstration(machine, 2)
        else:  # nobody says where the serial line's interrupt goes, or how to switch off
            machine.expect(PROMPT)


# -- Processes ----------------------------------------------------------------------------------

TRAPS = {
    "a": "unreachable", "b": "integer divide by zero", "c": "integer divide by zero",
    "d": "integer overflow", "e": "integer overflow", "f": "invalid conversion to integer",
    "g": "out of bounds memory access", "h": "out of bounds memory access",
    "i": "uninitialized element", "j": "indirect call type mismatch", "k": "undefined element",
    "l": "call stack exhausted", "m": "out of bounds memory access",
}


def test_a_trap_ends_its_process_alone(at_prompt):
    """While another process keeps printing, one trap of each kind; the printer never misses."""
    with at_prompt("ticker", "trap") as machine:
        machine.type("start ticker\n")
        machine.expect(r"still here 1\n")
        for kind, text in TRAPS.items():
            machine.type(f"run trap {kind}\n")
            machine.expect(rf"trap: {re.escape(text)}")
            machine.expect(r"still here \d+\n")
        counts = [int(n) for n in re.findall(r"still here (\d+)\n", machine.text, re.MULTILINE)]
        assert counts == list(range(1, len(counts) + 1))


def spin_and_tick(machine, command):
    for _ in range(2):
        machine.type("start spin\n")
        machine.expect("spinning")
    machine.type(command + "\n")
    for n in range(1, 6):
        machine.expect(rf"tick {n}\n")  # "at the wrong time" would follow otherwise
    machine.expect(r"total right, clocks agree")
    machine.type("ps\n")
    assert len(machine.expect(r"(?:.*spin.*\n){2}").group(0).splitlines()) == 2


def test_spinning_processes_do_not_starve_a_printing_one(at_prompt):
    with at_prompt("spin", "tick") as machine:
        spin_and_tick(machine, "run tick")


def test_a_printing_process_is_on_time_among_spinning_ones():
    """Time is counted in instructions here, 16 ns each, so that nothing beside the machine delays
    it."""
    icount = ["-accel", "tcg,thread=single", "-icount", "shift=4,sleep=off"]
    files = {f"bin/{name}.wasm": program(name) for name in ("spin", "tick")}
    with Machine.pvh(files, args=icount, cpus=1) as machine:
        machine.expect(PROMPT)
        spin_and_tick(machine, "run tick strictly")


def test_killed_processes_are_gone(at_prompt):
    with at_prompt("spin") as machine:
        machine.type("start spin\n")
        number = machine.expect(r"started as process (\d+)$").group(1)
        machine.expect_times("spinning", 1)
        assert running(machine) == ["spin.wasm"]
        machine.type(f"kill {number}\n")
        until(lambda: running(machine), lambda names: names == [])
        machine.type("run spin\n")
        machine.expect_times("spinning", 2)
        machine.type("\x03")
        until(lambda: running(machine), lambda names: names == [])


# -- Several CPUs ---------------------------------------------------------------------------------


def cpus(machine, count):
    """What each CPU has done and runs: (switches, name) by number. The command checks the run
    queues as well."""
    machine.type("cpus\n")
    row = r" +\d+ +\d+ +(\d+)(?: +\d+){9}  (\S+)$"  # busy, idle, switches, nine more, runs
    rows = [machine.expect(rf"^ *{cpu}{row}") for cpu in range(count)]
    return {cpu: (int(row[1]), row[2]) for cpu, row in enumerate(rows)}


def running(machine):
    """The names of all processes."""
    machine.type("ps\nlog-end\n")
    start = machine.position
    machine.expect("log-end: no such command")
    # Rows begin with the process's number; the last column is the name.
    return re.findall(r"^ +\d+ .*  (\S+)$", machine.text[start:machine.position], re.MULTILINE)


def test_two_processes_compute_at_the_same_time(at_prompt):
    """Each is seen on a CPU of its own twice, and neither CPU has switched in between: so both ran
    all the time from the later of the first looks to the earlier of the second ones."""
    with at_prompt("one=spin", "two=spin", cpus=4) as machine:
        machine.type("start one\nstart two\n")
        machine.expect_times("spinning", 2)
        looks = [cpus(machine, 4)]

        def stayed():
            looks.append(cpus(machine, 4))
            return {now[1] for before, now in zip(*(look.values() for look in looks[-2:]))
                    if before == now}

        until(stayed, lambda names: {"one.wasm", "two.wasm"} <= names)


def test_more_processes_than_cpus_all_get_on(at_prompt):
    """Five that print and three that spin on two CPUs: everybody's lines come."""
    names = [f"tick{n}" for n in range(5)]
    with at_prompt("spin", *(f"{name}=ticker" for name in names), cpus=2) as machine:
        machine.type("start spin\n" * 3)
        machine.expect_times("spinning", 3)
        for name in names:
            machine.type(f"start {name}\n")
        machine.expect_times("still here 5\n", len(names))
        cpus(machine, 2)


def test_a_storm_of_processes_on_four_cpus_leaves_nothing(at_prompt):
    def free():
        machine.type("mem\n")
        kernel = machine.expect(r"kernel +(\d+) of").group(1)
        programs = machine.expect(r"programs +(\d+) of").group(1)
        heap = machine.expect(r"heap +(\d+) KiB").group(1)
        return int(kernel) + int(programs), int(heap)

    def storm():
        for number in range(24):
            machine.type(("start first\n", "start trap g\n", "run first\n")[number % 3])
        until(lambda: running(machine), lambda names: names == ["spin.wasm"] * 2)

    with at_prompt("first", "trap", "spin", cpus=4) as machine:
        machine.type("start spin\n" * 2)
        machine.expect_times("spinning", 2)
        storm()
        before = free()  # at most what is free for good: the last ones may still be giving back
        for _ in range(3):
            storm()
            cpus(machine, 4)
        until(free, lambda now: now[0] >= before[0] and now[1] <= before[1])


def test_a_process_that_computes_on_another_cpu_is_killed(at_prompt):
    with at_prompt("spin", cpus=4) as machine:
        for count in range(1, 11):
            machine.type("start spin\n")
            number = machine.expect(r"started as process (\d+)$").group(1)
            machine.expect_times("spinning", count)
            machine.type(f"kill {number}\n")
        until(lambda: running(machine), lambda names: names == [])
