"""Misuse: a process that was given nothing reaches nothing, and no message brings a service down.

Run from the root: pytest tests/system/misuse_test.py; it builds what it needs. KWAST_PESTER_COUNT is how many
random calls there are, KWAST_PESTER_SEED which.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from filler import add_filler, free_memory  # noqa: E402
from machine import BUILD, ROOT, Machine, system_files, until  # noqa: E402

COUNT = int(os.environ.get("KWAST_PESTER_COUNT", "3000"))
SEED = int(os.environ.get("KWAST_PESTER_SEED", "1"))

MODULES = {"wasi_snapshot_preview1": ("kernel/wasi/calls.def", "WASI_CALL"),
           "kwast": ("kernel/kwast/calls.def", "KWAST_CALL")}
# These say something about the process itself, or make something that is its own.
HARMLESS = {"args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "clock_res_get", "clock_time_get",
            "random_get", "sched_yield", "poll_oneoff", "scheme_create", "memory_create", "notification_create",
            "process_notes"}
WRONG = 100  # exit status: this, and the number of the call that did something


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "kernel", "hosted", "system",
                    "build/programs/bare.wasm", "build/programs/pester.wasm"], cwd=ROOT, check=True)


# -- Nothing -----------------------------------------------------------------------------------------


def calls():
    """[(module, name, parameters)] of all that the kernel has, but for what is harmless."""
    found = []
    for module, (path, macro) in MODULES.items():
        text = (ROOT / path).read_text()
        found += [(module, name, parameters) for name, parameters in
                  re.findall(rf'^{macro}\((\w+), +"([iI]+)"', text, re.MULTILINE) if name not in HARMLESS]
    return found


def number_types(parameters):
    return " ".join("i64" if letter == "I" else "i32" for letter in parameters)


def trying_all(found):
    """A module that makes every call with every number, and ends with 0 when none did anything."""
    imports, tries = [], []
    for index, (module, name, parameters) in enumerate(found):
        imports.append(f'(import "{module}" "{name}" (func $f{index} (param {number_types(parameters)}) (result i32)))')
        # The first parameter is the handle; addresses that may be written to; small numbers elsewhere.
        rest = " ".join(f"({'i64' if letter == 'I' else 'i32'}.const {0 if letter == 'I' else 1024 + 64 * place})"
                        for place, letter in enumerate(parameters[1:]))
        first = "(i64.extend_i32_u (local.get $n))" if parameters[0] == "I" else "(local.get $n)"
        tries.append(f"(if (i32.eqz (call $f{index} {first} {rest})) (then (call $exit (i32.const {WRONG + index}))))")
    return f"""(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      {" ".join(imports)}
      (memory (export "memory") 1)
      (func $try (param $n i32) {" ".join(tries)})
      (func (export "_start") (local $n i32)
        (loop $again
          (call $try (local.get $n))
          (call $try (i32.shl (i32.const 1) (i32.and (local.get $n) (i32.const 31))))
          (call $try (i32.sub (i32.const -1) (local.get $n)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 600))))
        (call $exit (i32.const 0))))"""


BARE = """
service bare
    run      /boot/bin/bare.wasm
    sees     boot
"""


@pytest.mark.parametrize("start", [Machine.hosted, Machine.pvh], ids=["hosted", "qemu"])
def test_who_is_given_nothing_reaches_nothing(start, tmp_path):
    found = calls()
    assert len(found) > 60
    (tmp_path / "nothing.wat").write_text(trying_all(found))
    subprocess.run(["wat2wasm", tmp_path / "nothing.wat", "-o", tmp_path / "nothing.wasm"], check=True)
    files = {"bin/init.wasm": BUILD / "programs/init.wasm", "bin/bare.wasm": BUILD / "programs/bare.wasm",
             "bin/nothing.wasm": tmp_path / "nothing.wasm", "etc/init.conf": BARE.encode()}
    with start(files) as machine:
        said = machine.expect(r"^bare: (error .*|outcome (\d+) status (\d+))$")
        assert said.group(2) == "1", said.group(0)
        status = int(said.group(3))
        assert status == 0, f"{found[status - WRONG]} did something"


# -- Pestering ---------------------------------------------------------------------------------------

PESTER = """
service pester
    run      /boot/bin/pester.wasm {seed} {count} $init $pipe $input $console2
    sees     root:/ dev boot
    uses     init pipe input console2
    handles  200
    memory   32M
"""


@pytest.mark.parametrize("start", [Machine.hosted, Machine.pvh], ids=["hosted", "qemu"])
def test_no_message_brings_a_service_down(start):
    files = system_files()
    files["bin/pester.wasm"] = BUILD / "programs/pester.wasm"
    files["etc/init.conf"] = files["etc/init.conf"].read_bytes() + PESTER.format(
        seed=SEED, count=COUNT).encode()
    with start(files) as machine:
        said = machine.expect(r"pester: (\d+) answers, (\d+) files: it is enough$", 3600)
        assert int(said.group(1)) > COUNT / 100 and int(said.group(2)) > 0
        machine.type("\nmkdir -p /tmp/x; echo alive > /tmp/x/y; cat /tmp/x/y | cat; head -c 1 /dev/zero | wc -c; "
                     "echo sta''tus $?\n")
        machine.expect("^alive$")
        machine.expect("^1$")
        machine.expect("^status 0$")
        assert not re.search(r"^.*init: .*(trapped|was killed|ended).*", machine.text, re.MULTILINE), machine.text


# -- Holes -------------------------------------------------------------------------------------------


def test_files_of_holes_take_no_memory():
    """Many files longer than all memory: the file system stays, and has as much space as before."""
    with Machine.hosted(system_files(), memory="128M") as machine:
        machine.expect(r"/ \$ ")
        machine.type("for i in 1 2 3 4 5 6 7 8; do truncate -s 1024G /tmp/hole$i; done\n"
                     "stat -c %s /tmp/hole8; echo text >>/tmp/hole8; tail -c 5 /tmp/hole8; rm /tmp/hole*; echo e''nd\n")
        machine.expect(r"^1099511627776$")
        machine.expect(r"^text$")
        machine.expect(r"^end$")
        assert "trapped" not in machine.text


# -- Processes ---------------------------------------------------------------------------------------
# There is no table of processes that could be full, only memory and the handles of whoever spawns: so a
# shell with few handles starts children until it has no handle left, twice.

FILL = r"""
fill() {
    last=0 count=0 children=
    while sleep 100000 & [ "$!" != "$last" ]; do
        last=$! count=$((count + 1)) children="$children $!"
    done
}
while [ ! -e /tmp/start ]; do sleep 0.1; done
fill
first=$count
sleep 0
echo "full: $count children, status $?"
while [ ! -e /tmp/release ]; do :; done
kill $children
wait $children
sleep 0
echo "free: status $?"
fill
echo "again: $((count - first)) more children"
kill $children
wait $children
echo "fill ends"
"""


@pytest.mark.parametrize("start", [Machine.hosted, Machine.pvh], ids=["hosted", "qemu"])
def test_who_spawns_without_end_is_told_and_others_go_on(start):
    files = system_files()
    add_filler(files, FILL, "handles 48")
    with start(files) as machine:
        machine.expect(r"/ \$ ")
        machine.type("true | cat; rm -f /tmp/x; touch /tmp/y; echo rea''dy\n")  # what is made once
        machine.expect("^ready$")
        before = free_memory(machine)
        machine.type(">/tmp/start\n")
        machine.expect(r"^.*fill:\d+: .*sleep.wasm: No file descriptors available.*$")
        count = int(machine.expect(r"full: (\d+) children, status 126$").group(1))
        assert 16 <= count < 48
        machine.type("echo ali''ve >/tmp/x; cat /tmp/x | cat; ps | grep -c sleep.*; rm /tmp/x; >/tmp/release\n")
        machine.expect("^alive$")
        assert int(machine.expect(r"^(\d+)$").group(1)) >= count
        machine.expect("free: status 0$")
        machine.expect("again: 0 more children$")
        machine.expect("fill ends$")
        # Not all of it at once, and now and then a few pages are more in use: the children took megabytes.
        until(lambda: free_memory(machine), lambda after: before - after <= 256)
        assert "trapped" not in machine.text
