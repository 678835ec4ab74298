"""`kwast bench`: the shape of what it prints, and that it takes no wrong result for a time.

What is not installed is left out, visibly; nothing here is compared with a clock.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
KWAST = ROOT / "build/kwast"
TIMEOUT = 3600  # a limit for hangs only: it builds and measures

sys.path.insert(0, str(ROOT / "bench"))
import common  # noqa: E402
import modules  # noqa: E402
import node  # noqa: E402
import run as run_family  # noqa: E402

KEYS = ["name", "machine", "value", "unit", "bar", "peer", "peer_value", "ratio"]


def bench(*args):
    return subprocess.run([KWAST, "bench", *args], capture_output=True, text=True, timeout=TIMEOUT)


def missing(command, package):
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed (Debian's package {package})")


def quiet_context():
    return common.Context(SimpleNamespace(machine="hosted", repetitions=2, quiet=True, peers=None))


def test_list_names_every_family_and_program():
    done = bench("--list")
    names = {line.split()[0] for line in done.stdout.splitlines()}
    assert done.returncode == 0
    assert {"compile", "run", "start", "run.sha256", "run.sqlite", "compile.14mb"} <= names
    assert len([name for name in names if name.startswith("run.")]) >= 20


def test_a_program_is_measured_against_its_peers():
    missing("clang-19", "clang-19")
    missing("wasm2c", "wabt")
    done = bench("--repetitions", "1", "--peers", "native,wasm2c", "run.queens")
    assert done.returncode == 0, done.stderr
    note, *lines = map(json.loads, done.stdout.splitlines())
    assert note["name"] == "note" and note["note"]["cpu"]
    assert all(list(line) == KEYS and line["machine"] == "hosted" for line in lines)
    assert [(line["name"], line["peer"]) for line in lines] == [
        ("run.queens", run_family.NATIVE), ("run.queens", run_family.WASM2C),
        ("run.geomean", run_family.NATIVE), ("run.geomean", run_family.WASM2C)]
    assert all(line["value"] > 0 and line["ratio"] > 0 for line in lines)
    assert lines[2]["bar"] == run_family.BAR_NATIVE


def printing(text):
    return ["/bin/sh", "-c", f"printf '%s' '{text}'"]


@pytest.mark.parametrize("outputs", [["1", "2"], ["", ""]])
def test_checksums_must_be_there_and_equal(monkeypatch, outputs):
    commands = {f"runner {i}": printing(text) for i, text in enumerate(outputs)}
    monkeypatch.setattr(run_family, "commands_of", lambda program, context: commands)
    with pytest.raises(common.Unavailable, match="wrong result"):
        run_family.time_program("any", quiet_context())


def test_equal_checksums_make_times(monkeypatch):
    commands = {"one": printing("17"), "other": printing("17")}
    monkeypatch.setattr(run_family, "commands_of", lambda program, context: commands)
    times = run_family.time_program("any", quiet_context())
    assert set(times) == {"one", "other"} and all(time > 0 for time in times.values())


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(common.Unavailable, match="exit status 3"):
        common.run(["/bin/sh", "-c", "exit 3"])


def test_bars():
    def result(value, **more):
        return common.Result("x", "hosted", value, "s", **more)
    assert result(2, bar=1.9).is_met() is False and result(1.9, bar=1.9).is_met() is True
    assert result(59, bar=60, more_is_better=True).is_met() is False
    ratio = result(30, bar=1.5, peer="p", peer_value=20, more_is_better=True, bar_is_ratio=True)
    assert ratio.is_met() is True and ratio.line()["ratio"] == 1.5
    assert result(1).is_met() is None and result(1).line()["ratio"] is None


def test_repetitions_go_forth_and_back():
    order = []
    values = common.interleave(["a", "b", "c"], 2, lambda key: order.append(key) or len(order))
    assert order == ["a", "b", "c", "c", "b", "a"]
    assert values == {"a": [1, 6], "b": [2, 5], "c": [3, 4]}


def test_a_peer_that_cannot_be_installed_is_named(monkeypatch):
    reports = []

    def refuse(version):
        raise common.Unavailable(f"node {version}: no npm here")
    monkeypatch.setattr(node, "install", refuse)
    node.paths.cache_clear()
    found = node.paths(reports.append)
    node.paths.cache_clear()
    assert len(found) == (shutil.which("node") is not None)
    assert all(any(version in report for report in reports) for version in node.VERSIONS)


WAT = """(module
  (import "env" "imported" (func $imported (param i32)))
  (table 2 funcref) (elem (i32.const 0) $first $second)
  (memory 1)
  (func $first (export "first") (param i32) (result i32) (local i64 f64)
    (call $imported (i32.const -1))
    (block $out (br_table $out 0 (local.get 0)))
    (i32.store offset=300 (i32.const 4) (i32.const 5))
    (memory.copy (i32.const 0) (i32.const 8) (i32.const 16))
    (f64.store (i32.const 0) (f64.const 1.5))
    (call $second (local.get 0)))
  (func $second (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (call $first (i32.sub (local.get 0) (i32.const 1))))
      (else (call_indirect (param i32) (result i32) (i32.const 0) (i32.const 1))))))
"""


def test_an_enlarged_module_is_valid_and_repeats_its_functions(tmp_path):
    missing("wat2wasm", "wabt")
    (tmp_path / "small.wat").write_text(WAT)
    subprocess.run(["wat2wasm", tmp_path / "small.wat", "-o", tmp_path / "small.wasm"], check=True)
    small = (tmp_path / "small.wasm").read_bytes()
    large = modules.enlarge(small, 40000)
    assert 40000 <= len(large) < 41000
    (tmp_path / "large.wasm").write_bytes(large)
    done = subprocess.run([KWAST, "compile", tmp_path / "large.wasm"], capture_output=True, text=True,
                          check=True)
    functions = int(done.stdout.split("functions")[1].split()[0])
    assert functions > 200 and functions % 2 == 0


def test_an_unknown_instruction_is_refused_when_enlarging():
    with pytest.raises(common.Unavailable, match="0xfd"):
        modules.split_at_calls(b"\x00\xfd\x0b")
