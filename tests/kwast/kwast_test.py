"""What the kernel offers beyond WASI (abi/kwast/calls.h), seen from programs, on both machines. Each
program checks for itself, and prints what is wrong.

Run from the root, after `make`: pytest tests/kwast
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, Machine  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all", "test-programs"], cwd=ROOT, check=True)


def run(machine, name, tmp_path, *args, options=()):
    """Runs a program with all of them in a directory /bin of its own."""
    for module in (BUILD / "programs").glob("*.wasm"):
        if module.stem in (name, "names", "threads"):
            (tmp_path / module.name).write_bytes(module.read_bytes())
    return subprocess.run([BUILD / "kwast", "run", *options, "--machine", machine, "--dir", f"{tmp_path}::/bin",
                           BUILD / "programs" / f"{name}.wasm", *args],
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
@pytest.mark.parametrize("command", ["ipc", "ready", "spawn", "map", "refusing", "example /bin/names.wasm"])
def test_program_finds_nothing_wrong(machine, command, tmp_path):
    name, *args = command.split()
    done = run(machine, name, tmp_path, *args)
    assert done.stdout.endswith("all right\n") and "wrong" not in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
@pytest.mark.parametrize("cpus", ["1", "3"])
@pytest.mark.parametrize("name", ["ipc", "spawn", "map"])
def test_program_finds_nothing_wrong_across_domains(machine, cpus, name, tmp_path):
    """The program and each of its children are in protection domains of their own."""
    options = ["--isolation", "domain", "--env", "ISOLATION=domain", "--cpus", cpus]
    done = run(machine, name, tmp_path, options=options)
    assert done.stdout.endswith("all right\n") and "wrong" not in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
@pytest.mark.parametrize("cpus", ["1", "4"])
@pytest.mark.parametrize("isolation", ["sip", "domain"])
def test_processes_stop_and_go_on(machine, cpus, isolation, tmp_path):
    options = ["--env", f"ISOLATION={isolation}", "--cpus", cpus]
    done = run(machine, "stop", tmp_path, options=options)
    assert done.stdout.endswith("all right\n") and "wrong" not in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
@pytest.mark.parametrize("options", ["--cpus 1", "--cpus 3", "--cpus 1 --trace {}/trace.json",
                                     "--cpus 2 --isolation domain --env ISOLATION=domain"])
def test_quick_calls_at_their_edges(machine, options, tmp_path):
    """Alone, with company, where somebody looks on, and where no call is quick."""
    done = run(machine, "quick", tmp_path, options=options.format(tmp_path).split())
    assert done.stdout.endswith("all right\n") and "wrong" not in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("machine", ["qemu", "hosted"])
@pytest.mark.parametrize("command", ["place", "counts", "call 1000", "across 24"])
def test_processes_stay_on_their_cpus(machine, command, tmp_path):
    done = run(machine, "cpus", tmp_path, *command.split(), options=["--cpus", "4", "--kernel-files"])
    assert done.stdout.endswith("all right\n") and "wrong" not in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_example_service_ends_as_its_client_does(tmp_path):
    done = run("hosted", "example", tmp_path, "/bin/nothing.wasm")
    assert done.returncode == 1 and "/bin/nothing.wasm" in done.stderr


@pytest.mark.parametrize("start", [Machine.pvh, Machine.hosted], ids=["qemu", "hosted"])
def test_kernel_tells_about_itself_in_files(start):
    files = {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("kernel", "spin")}
    with start(files) as machine:
        machine.expect(r"^kwast> ")
        machine.type("start spin\n")
        number = machine.expect(r"started as process (\d+)$").group(1)
        machine.expect_times("spinning", 1)  # perhaps before that
        machine.type("run kernel /kernel\n")
        machine.expect(r"-- /kernel/cpus\ncpu +busy_us +idle_us +switches +taken +calls +served +ready +"
                       r"got_kib +freed_kib +kept_kib +opened +closed +runs$")
        machine.expect(r"^ +0 +\d+ +\d+ +\d+")
        machine.expect(r"-- /kernel/log\n")
        machine.expect(r"-- /kernel/memory\nkernel +\d+ of +\d+ KiB free\nprograms .*\nheap ")
        machine.expect(r"-- /kernel/processes\n +id +parent +share +threads +cpu_us +memory_kib +may_kib +handles +calls "
                       r"+served +cpus +state +name$")
        # 5 handles: the streams, the archive, /kernel
        machine.expect(rf"^ +{number} +0 +100 +1 +\d+ +\d+ +\d+ +5 +0 +0  0x[0-9a-f]{{8}}  +-  spin.wasm$")


@pytest.mark.parametrize("shares", [(100, 50), (100, 100), (20, 80)])
def test_processes_get_their_shares_of_a_cpu(shares):
    """Time is counted in instructions here, so that nothing beside the machine disturbs it."""
    icount = ["-accel", "tcg,thread=single", "-icount", "shift=4,sleep=off"]
    with Machine.pvh({"bin/share.wasm": BUILD / "programs/share.wasm"}, args=icount, cpus=1) as machine:
        machine.expect(r"^kwast> ")
        machine.type(f"run share {shares[0]} {shares[1]}\n")
        used = [int(machine.expect(rf"share {share} cpu_us (\d+)$").group(1)) for share in shares]
    assert 0.95 < used[0] * shares[1] / (used[1] * shares[0]) < 1.05


@pytest.mark.parametrize("shares", [(100, 100, 100), (90, 30, 30, 30), (100, 10, 10, 10)])
def test_hosted_shares_hold_for_all_cpus_together(shares):
    """On two CPUs, which the host may take away at any time, and one that has lost its CPU cannot catch up: so this
    says no more than that nobody is pushed aside. kernel/sched/cpu_share_across_test.c has the numbers."""
    with Machine.hosted({"bin/share.wasm": BUILD / "programs/share.wasm"}, cpus=2) as machine:
        machine.expect(r"^kwast> ")
        machine.type(f"run share {' '.join(map(str, shares))}\n")
        used = [int(machine.expect(rf"^(?:share {share} cpu_us (\d+)|no child.*)$").group(1)) for share in shares]
    small = used[-3:]
    assert min(small) >= 0.4 * max(small), used
    assert len(used) == 3 or used[0] >= 1.5 * sum(small) / 3, used  # 3, on a quiet host
