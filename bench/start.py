"""Hello world, from the start of the command to its end: time and memory of all processes."""

import re

import node
from common import (BUILD, HERE, KWAST, Result, Unavailable, interleave, is_current, medians,
                    run as run_process)
from programs import CC, WASM, WASM_LINK, command_run, need

NAME = "start"
WHAT = "hello world as a whole process: time and memory"

BAR_MS = 5.0
BAR_MIB = 8.0
RUNS_PER_REPETITION = 20  # it takes milliseconds: more runs, and the median of all
KWAST_RUNNER = "kwast"
NATIVE = "native static"


def benchmarks():
    return [("start.time", "milliseconds from start to exit"),
            ("start.cpu", "CPU milliseconds of all its processes, which other load does not change"),
            ("start.memory", "peak memory of all its processes")]


def build(name, flags, link_flags):
    need(CC, CC)
    source = HERE / f"{name.removesuffix('.wasm')}.c"
    target = BUILD / "start" / name
    if not is_current(target, source, HERE / "start.py"):
        target.parent.mkdir(parents=True, exist_ok=True)
        command_run([CC, "-std=c23", "-O2", "-D_GNU_SOURCE", *flags, "-c", source, "-o", f"{target}.o"])
        command_run([CC, *link_flags, f"{target}.o", "-o", target])
    return target


def commands(context):
    hello = build("hello.wasm", WASM, WASM_LINK)
    found = {KWAST_RUNNER: [KWAST, "run", "--machine", context.machine, hello]}
    if context.wants("native"):
        found[NATIVE] = [build("hello", [], ["-static"])]
    for runner in node.nodes("node", context):
        found[runner.label] = runner.command("wasi.mjs", hello)
    return found


def peak_bytes(key, command):
    """The most memory that a command took; of Kwast that of the machine which it starts is added."""
    if key == KWAST_RUNNER:
        command, pattern = [*command[:2], "--time", *command[2:]], r"^memory\s+(\d+) KiB"
    else:
        command, pattern = [build("peak", [], []), *command], r"^peak (\d+) KiB"
    said = run_process(command).errors.decode()
    return int(re.search(pattern, said, re.M).group(1)) * 1024


def compare(name, unit, bar, values, context):
    """Results from {runner: [values]}."""
    typical = medians(values)
    own = typical.pop(KWAST_RUNNER)
    yield Result(name, context.machine, own, unit, bar=bar)
    for peer, value in typical.items():
        yield Result(name, context.machine, own, unit, peer=peer, peer_value=value)


def measure_times(names, found, context):
    runs = interleave(found, context.repetitions * RUNS_PER_REPETITION,
                      lambda key: run_process(found[key]))
    for name, attribute, bar in (("start.time", "wall_seconds", BAR_MS), ("start.cpu", "cpu_seconds", None)):
        values = {key: [getattr(run, attribute) * 1e3 for run in of_key] for key, of_key in runs.items()}
        if name in names:
            yield from compare(name, "ms", bar, values, context)


def measure_memory(found, context):
    values = interleave(found, context.repetitions,
                        lambda key: peak_bytes(key, found[key]) / (1 << 20))
    yield from compare("start.memory", "MiB", BAR_MIB, values, context)


def run(names, context):
    context.build_kwast()
    found = commands(context)
    for name, command in found.items():
        if run_process(command).output != b"hello\n":
            raise Unavailable(f"wrong result: {name} does not say hello")
    context.say("start")
    if {"start.time", "start.cpu"} & set(names):
        yield from measure_times(names, found, context)
    if "start.memory" in names:
        yield from measure_memory(found, context)
