"""How long programs run, compiled by Kwast and by its peers.

Every runner runs every program twice in each repetition: with its work, and with none. The
difference of their CPU times is what the work costs: starting, compiling and ending are in both.
CPU time, user and system, of all threads and child processes: other load on the machine does not
count, and nothing is hidden in a helper thread. All runners must print the same checksum.
"""

import math

import node
import programs
from common import KWAST, Result, Unavailable, interleave, medians, run as run_process

NAME = "run"
WHAT = "running time of programs, over native code and over other compilers"

BAR_NATIVE = 1.9
BAR_LIFTOFF = 0.80
KWAST_RUNNER = "kwast"
NATIVE = "native clang-19 -O2"
WASM2C = "wasm2c and clang-19 -O2"


def benchmarks():
    return [(f"run.{name}", programs.what(name)) for name in programs.names()]


def commands_of(program, context):
    """{runner: its command without the program's arguments} for all that can run it."""
    commands = {KWAST_RUNNER: [KWAST, "run", "--machine", context.machine, programs.wasm(program)]}
    for peer, label, build in (("native", NATIVE, programs.native), ("wasm2c", WASM2C, programs.wasm2c)):
        if not context.wants(peer):
            continue
        try:
            commands[label] = [build(program)]
        except Unavailable as error:
            if peer == "wasm2c" and program in programs.WASM2C_CANNOT:
                context.say(str(error))
            else:
                context.fail(str(error))
    runners = [*node.nodes("liftoff", context), *node.nodes("turbofan", context, newest_only=True)]
    for runner in runners:
        commands[runner.label] = runner.command("wasi.mjs", programs.wasm(program))
    return commands


def time_program(program, context):
    """{runner: median seconds of its work}."""
    commands = commands_of(program, context)
    checksums = {}

    def measure(runner):
        idle = run_process([*commands[runner], "0"])
        work = run_process(commands[runner])
        checksums.setdefault(work.output.strip(), set()).add(runner)
        return work.cpu_seconds - idle.cpu_seconds

    context.say(f"run.{program}")
    seconds = interleave(commands, context.repetitions, measure)
    if len(checksums) != 1 or b"" in checksums:
        said = "; ".join(f"{sum.decode(errors='replace')!r} by {', '.join(sorted(who))}"
                         for sum, who in checksums.items())
        raise Unavailable(f"wrong result: {said}")
    return {runner: max(value, 1e-4) for runner, value in medians(seconds).items()}


def geometric_mean(numbers):
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def bar_of(peer):
    if peer == NATIVE:
        return BAR_NATIVE
    return BAR_LIFTOFF if peer.endswith(node.TIER_NAMES["liftoff"]) else None


def means(ratios, context):
    """A line for each peer: the geometric mean over the programs that both ran."""
    peers = {peer: None for by_peer in ratios.values() for peer in by_peer}
    for peer in peers:
        both = [by_peer[peer] for by_peer in ratios.values() if peer in by_peer]
        yield Result("run.geomean", context.machine, geometric_mean(both),
                     f"ratio of {len(both)} programs", bar=bar_of(peer),
                     peer=peer, peer_value=1.0)


def run(names, context):
    context.build_kwast()
    ratios = {}
    for name in names:
        program = name.removeprefix("run.")
        try:
            seconds = time_program(program, context)
        except Unavailable as error:
            context.fail(f"{name}: {error}")
            continue
        own = seconds.pop(KWAST_RUNNER)
        ratios[program] = {peer: own / value for peer, value in seconds.items()}
        if not seconds:
            yield Result(name, context.machine, own, "s")
        for peer, value in seconds.items():
            yield Result(name, context.machine, own, "s", peer=peer, peer_value=value)
    yield from means(ratios, context)
