"""How fast modules are compiled, on one CPU, and what that takes: against Liftoff.

Each repetition is a process of its own, pinned to one CPU, which reads the module first and counts
the CPU time of all its threads from then to compiled code. V8 compiles every function then and there,
with Liftoff only.
"""

import json
import re
import statistics

import node
import programs
from common import (BUILD, HERE, KWAST, Result, Unavailable, interleave, is_current, medians,
                    run as run_process)
from modules import enlarge

NAME = "compile"
WHAT = "speed of the baseline compiler, size of its code, memory it takes"

BAR_SPEED = 60.0  # MB of module per CPU second
BAR_RATIO = 1.5
BAR_CODE = 3.2
BAR_MEMORY = 16.0
MEMORY_MODULE = "compile.14mb"
KWAST_RUNNER = "kwast"

# Name: the program whose code it is, and the size in MB that its functions are repeated to.
MODULES = {
    "compile.sqlite": ("sqlite", None),
    "compile.4mb": ("lua", 4),
    "compile.14mb": ("sqlite", 14),
    "compile.32mb": ("jq", 32),
}


def benchmarks():
    out = []
    for name, (program, megabytes) in MODULES.items():
        what = "as it is" if megabytes is None else f"repeated to {megabytes} MB"
        out.append((name, f"{program} {what}"))
    return out


def module_path(name):
    program, megabytes = MODULES[name]
    original = programs.wasm(program)
    if megabytes is None:
        return original
    target = BUILD / "modules" / f"{name}.wasm"
    if not is_current(target, original, HERE / "modules.py"):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(enlarge(original.read_bytes(), megabytes * 1000000))
    return target


def kwast_compile(path):
    """(seconds, figures) of one compilation; what `kwast compile` prints."""
    said = run_process([KWAST, "compile", path], one_cpu=True).output.decode()
    figures = dict(re.findall(r"^(\w+)\s+([\d.]+)", said, re.M))
    return float(figures["time"]) / 1e3, {key: float(value) for key, value in figures.items()}


def time_module(path, context):
    """({compiler: median seconds}, Kwast's other figures, medians too)."""
    runners = {runner.label: runner for runner in node.nodes("liftoff", context)}
    figures = []

    def measure(key):
        if key == KWAST_RUNNER:
            seconds, more = kwast_compile(path)
            figures.append(more)
            return seconds
        done = run_process(runners[key].command("compile.mjs", path), one_cpu=True)
        return json.loads(done.output)["seconds"]

    seconds = interleave([KWAST_RUNNER, *runners], context.repetitions, measure)
    typical = {key: statistics.median(one[key] for one in figures) for key in figures[0]}
    return medians(seconds), typical


def results(name, context):
    path = module_path(name)
    megabytes = path.stat().st_size / 1e6
    context.say(f"{name}: {megabytes:.1f} MB")
    seconds, figures = time_module(path, context)
    own = megabytes / seconds.pop(KWAST_RUNNER)
    yield Result(f"{name}.speed", context.machine, own, "MB/s", bar=BAR_SPEED, more_is_better=True)
    for peer, value in seconds.items():
        yield Result(f"{name}.speed", context.machine, own, "MB/s", bar=BAR_RATIO, peer=peer,
                     peer_value=megabytes / value, more_is_better=True, bar_is_ratio=True)
    yield Result(f"{name}.code", context.machine, figures["code"] / figures["bodies"],
                 "bytes per byte of body", bar=BAR_CODE)
    yield Result(f"{name}.memory", context.machine, figures["memory"] / 1e6, "MB",
                 bar=BAR_MEMORY if name == MEMORY_MODULE else None)


def run(names, context):
    context.build_kwast()
    for name in names:
        try:
            yield from results(name, context)
        except Unavailable as error:
            context.fail(f"{name}: {error}")
