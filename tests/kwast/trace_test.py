"""The trace (abi/kwast/trace.h) and what is made of it: JSON that Perfetto and chrome://tracing can
read, from both machines; and streams that no machine made.

Run from the root, after `make`: pytest tests/kwast/trace_test.py
"""

import json
import os
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from machine import BUILD, LIMIT_SECONDS, ROOT, Machine  # noqa: E402

CALLS = 100
CPUS = 2000000000  # what stands for the CPUs in place of a process


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all", "test-programs"], cwd=ROOT, check=True)


def run(tmp_path, *args, options=()):
    (tmp_path / "traced.wasm").write_bytes((BUILD / "programs/traced.wasm").read_bytes())
    return subprocess.run([BUILD / "kwast", "run", "--dir", f"{tmp_path}::/", *options,
                           BUILD / "programs/traced.wasm", *args],
                          capture_output=True, timeout=LIMIT_SECONDS)


def check_slices(events):
    """The complete slices of each track are in order and do not overlap. Returns them by track."""
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], round(event["ts"] + event["dur"], 3), event))
    for slices in tracks.values():
        for before, after in zip(slices, slices[1:]):
            assert before[0] <= before[1] <= after[0], (before, after)
    return tracks


def check_flows(events, tracks):
    """Every arrow has one beginning and one end, not before it, and both are within a slice of their
    tracks. Returns how many there are of each name."""
    ends = defaultdict(dict)
    for event in events:
        if event["ph"] in "sf":
            assert event["ph"] not in ends[event["name"], event["id"]]
            ends[event["name"], event["id"]][event["ph"]] = event
            assert any(start <= event["ts"] <= end
                       for start, end, _ in tracks[event["pid"], event["tid"]]), event
    for pair in ends.values():
        assert pair["s"]["ts"] <= pair["f"]["ts"] and pair["s"]["pid"] != pair["f"]["pid"]
        assert pair["f"]["bp"] == "e"
    return Counter(name for name, _ in ends)


def check(trace):
    """What holds of any trace. Returns the events, and how many arrows there are."""
    events = trace["traceEvents"]
    tracks = check_slices(events)
    assert all({"ph", "pid", "tid", "name"} <= event.keys() for event in events)
    begun = Counter(event["id"] for event in events if event["ph"] == "b")
    assert begun == Counter(event["id"] for event in events if event["ph"] == "e")
    assert all(count == 1 for count in begun.values())
    return events, tracks, check_flows(events, tracks)


def names(events, what):
    return {event["args"]["name"] for event in events if event["ph"] == "M" and event["name"] == what}


@pytest.mark.parametrize("cpus", [1, 2, 4])
@pytest.mark.parametrize("machine", ["qemu", "hosted"])
def test_a_run_is_traced(machine, cpus, tmp_path):
    done = run(tmp_path, str(CALLS), options=["--machine", machine, "--cpus", str(cpus), "--trace", tmp_path / "t.json"])
    assert done.stdout.decode() == f"{CALLS} calls\n", done.stderr.decode()
    assert done.returncode == 0
    trace = json.loads((tmp_path / "t.json").read_text())
    events, tracks, flows = check(trace)
    assert {"CPUs", "kernel", "traced.wasm", "server", "spinner", "trap"} <= names(events, "process_name")
    assert {f"CPU {cpu}" for cpu in range(cpus)} <= names(events, "thread_name")
    assert trace["otherData"]["lost"] == 0
    assert flows["call"] - CALLS in (0, 1) and flows["reply"] == CALLS  # one is taken back, perhaps early
    assert {tid for pid, tid in tracks if pid == CPUS} <= set(range(cpus))
    # Each stay on a CPU is on the CPU's track and on the thread's.
    on_cpus = sorted((s, e) for (pid, _), slices in tracks.items() if pid == CPUS for s, e, _ in slices)
    of_threads = sorted((s, e) for (pid, _), slices in tracks.items() if pid != CPUS for s, e, _ in slices)
    assert on_cpus == of_threads
    instants = Counter(event["name"] for event in events if event["ph"] == "i")
    assert instants["spawns"] == 4 and instants["exit"] == 1 and instants["trap"] == 1
    assert instants["kills"] >= 2 and instants["ends: killed"] == 2 and instants["ends: trapped"] == 1
    assert instants["fault"] > 0 and instants["interrupt: link"] + instants["interrupt: timer"] > 0
    # A call wakes nobody where the server waits: the CPU is handed over to it.
    assert sum(count for name, count in instants.items() if name.startswith("wakes ")) > 0
    if cpus == 1:  # the one that computes is interrupted when others wake
        spinner = [event for event in events if event["ph"] == "X" and event["name"] == "spinner"]
        assert any(event["args"]["left"] == "ready" for event in spinner)


def test_a_program_reads_the_trace(tmp_path):
    done = run(tmp_path, "raw", "/k/trace", options=["--machine", "hosted", "--trace", tmp_path / "t.json", "--kernel-files=/k"])
    assert done.returncode == 0
    (tmp_path / "raw").write_bytes(done.stdout)
    subprocess.run([BUILD / "kwast", "trace", tmp_path / "raw", "-o", tmp_path / "own.json"], check=True)
    events, _, _ = check(json.loads((tmp_path / "own.json").read_text()))
    assert "traced.wasm" in names(events, "process_name")


def test_the_kernels_files_are_given_on_request_only(tmp_path):
    assert run(tmp_path, "raw", "/kernel/cpus", options=["--machine", "hosted"]).returncode == 1
    done = run(tmp_path, "raw", "/kernel/cpus", options=["--machine", "hosted", "--kernel-files"])
    assert done.returncode == 0 and done.stdout.startswith(b"cpu ")
    done = run(tmp_path, "raw", "/kernel/trace", options=["--machine", "hosted", "--kernel-files"])
    assert done.returncode == 0 and done.stdout == b""  # there is none


@pytest.mark.parametrize("start", [Machine.pvh, Machine.hosted], ids=["qemu", "hosted"])
def test_the_prompt_turns_it_on_and_off(start):
    files = {f"bin/{name}.wasm": BUILD / f"programs/{name}.wasm" for name in ("traced", "once")}
    with start(files) as machine:
        machine.expect(r"^kwast> ")
        machine.type("trace\n")
        machine.expect(r"^usage: trace on\|off$")
        machine.type("trace on\nrun once\ntrace off\nrun traced raw /kernel/trace\n")
        machine.expect("KWSTTRC1")
        machine.expect("once.wasm")


def test_it_cannot_be_written_where_it_cannot(tmp_path):
    done = run(tmp_path, "raw", "/traced.wasm", options=["--machine", "hosted", "--trace", tmp_path / "no/t.json"])
    assert done.returncode == 1 and b"no/t.json" in done.stderr


# -- Streams that no machine made ---------------------------------------------------------------

SWITCH, WAKE, CALL, RECEIVE, REPLY, RETURN, CANCEL = range(1, 8)


def event(time_ns, type, thread, other=0, word=0, process=0, name=""):
    return struct.pack("<QHHIIIQQ24s", time_ns, type, 0, thread, process, other, word, 0, name.encode())


def stream(*cpus, began=0, ended=1000, lost=0):
    data = struct.pack("<8sIIIIQQ", b"KWSTTRC1", 40, 24, 64, len(cpus), began, ended)
    for number, events in enumerate(cpus):
        data += struct.pack("<IIQQ", number, 0, lost, len(events)) + b"".join(events)
    return data


def convert(tmp_path, data):
    (tmp_path / "in").write_bytes(data)
    done = subprocess.run([BUILD / "kwast", "trace", tmp_path / "in", "-o", tmp_path / "out"],
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)
    return done, json.loads((tmp_path / "out").read_text()) if done.returncode == 0 else None


def test_slices_begin_and_end_where_the_trace_does(tmp_path):
    _, trace = convert(tmp_path, stream(
        [event(60, WAKE, 1, other=2, process=5, name="a"), event(100, SWITCH, 2, other=1, word=1, process=7, name="b"),
         event(300, SWITCH, 0, other=2, word=2, name="idle")],
        [event(150, WAKE, 3, other=2, process=5, name="c")], began=50, ended=900))
    events, tracks, _ = check(trace)
    assert [(start, end) for start, end, _ in tracks[CPUS, 0]] == [(0.05, 0.1), (0.1, 0.3)]
    assert [(start, end) for start, end, _ in tracks[CPUS, 1]] == [(0.05, 0.9)]
    assert [e["args"]["left"] for *_, e in tracks[CPUS, 0]] == ["blocked", "ended"]
    assert trace["otherData"] == {"events": 4, "lost": 0}


def test_lost_events_are_told(tmp_path):
    done, trace = convert(tmp_path, stream([event(100, SWITCH, 2, other=1, process=7, name="b")], began=50, lost=12))
    events, tracks, _ = check(trace)
    assert [(start, end) for start, end, _ in tracks[CPUS, 0]] == [(0.1, 1.0)]  # not before what is left
    assert [e["ts"] for e in events if e["name"] == "12 events lost"] == [0.1]
    assert "12 events lost" in done.stderr and trace["otherData"]["lost"] == 12


def test_half_a_call_has_no_arrows(tmp_path):
    client = dict(process=5, name="client")
    server = dict(process=6, name="server")
    calls = [
        [event(10, REPLY, 2, other=1, **server), event(20, RETURN, 1, **client)],  # its beginning is lost
        [event(30, CALL, 1, word=99, **client), event(40, CANCEL, 1, **client), event(50, RETURN, 1, **client)],
        [event(60, CALL, 1, word=99, **client), event(70, RECEIVE, 2, other=1, **server)],  # still under way
    ]
    _, trace = convert(tmp_path, stream([e for call in calls for e in call]))
    assert [e["name"] for e in trace["traceEvents"] if e["ph"] in "be"] == ["call 99"] * 2
    assert not [e for e in trace["traceEvents"] if e["ph"] in "sf"]


def test_names_are_quoted(tmp_path):
    _, trace = convert(tmp_path, stream([event(10, WAKE, 1, process=5, name='"\\\n\x7fé')]))
    assert '"\\\n\x7f' in "".join(names(trace["traceEvents"], "process_name"))


@pytest.mark.parametrize("damage", [
    lambda data: b"",
    lambda data: data[:39],
    lambda data: b"X" + data[1:],
    lambda data: data[:-1],
    lambda data: data[:70],
    lambda data: data[:8] + struct.pack("<I", 4) + data[12:],  # sizes that are too small
    lambda data: data[:12] + struct.pack("<I", 0) + data[16:],
    lambda data: data[:16] + struct.pack("<I", 63) + data[20:],
    lambda data: data[:20] + struct.pack("<I", 1 << 31) + data[24:],  # CPUs
    lambda data: data[:24] + struct.pack("<Q", 1 << 60) + data[32:],  # begins after it ends
    lambda data: data[:56] + struct.pack("<Q", 1 << 60) + data[64:],  # events
])
def test_a_damaged_stream_is_refused(tmp_path, damage):
    done, _ = convert(tmp_path, damage(stream([event(10, WAKE, 1, process=5, name="a")])))
    assert done.returncode == 1 and done.stderr.startswith("kwast: trace: ")
