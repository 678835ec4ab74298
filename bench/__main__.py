"""`kwast bench`: measures Kwast against its peers in the same run; prints one JSON object a line.

A family of benchmarks is a module of this folder with

    NAME, WHAT          its name, and a line about it
    benchmarks()        the names of its benchmarks, each with a line about it
    run(names, context) measures those; yields a Result for each comparison

and one line in FAMILIES below. docs/benchmarks.md says how things are measured and why so.
"""

import argparse
import json
import subprocess
import sys

import compile as compile_family
import kernel as kernel_family
import machines as machine_family
import run as run_family
import start as start_family
import system as system_family
from common import ROOT, Context, Unavailable
from environment import describe
from table import print_table

FAMILIES = [compile_family, run_family, start_family, kernel_family, machine_family, system_family]
PEERS = ["native", "wasm2c", "liftoff", "turbofan", "node", "none"]


class Parser(argparse.ArgumentParser):
    """Refuses as the other commands of kwast do."""

    def error(self, message):
        self.exit(2, f"kwast: bench: {message}; see kwast bench --help\n")


def parse_arguments():
    parser = Parser(
        prog="kwast bench", description="Measures Kwast against its peers in the same run.",
        epilog="Prints JSON, one object a line, on standard output: name, machine, value, unit, "
               "bar, peer, peer_value, ratio; a table on standard error. Exit status: 1 when a "
               "measurement could not be made or a result was wrong; with --strict also when a bar "
               "was missed.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="a family (see --list), or a benchmark like run.sha256; default: all")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and end")
    parser.add_argument("--machine", default="hosted", choices=["hosted"],
                        help="hosted so far: times in QEMU are not times of the machine")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N",
                        help="interleaved repetitions; medians are reported (default 5)")
    parser.add_argument("--peers", metavar="LIST",
                        help=f"compare only with these, by commas, of: {', '.join(PEERS)}")
    parser.add_argument("--strict", action="store_true", help="fail when a bar is missed")
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    options = parser.parse_args()
    if options.repetitions < 1:
        parser.error("--repetitions: at least 1")
    for peer in (options.peers or "none").split(","):
        if peer not in PEERS:
            parser.error(f"--peers: {peer}: no such peer")
    known = {family.NAME for family in FAMILIES}
    known.update(name for family in FAMILIES for name, _ in family.benchmarks())
    for name in options.names:
        if name not in known:
            parser.error(f"{name}: no benchmark of this name")
    return options


def select(names):
    """[(family, names of its benchmarks)] in the order of FAMILIES."""
    selected = []
    for family in FAMILIES:
        every = [name for name, _ in family.benchmarks()]
        wanted = [name for name in every if not names or family.NAME in names or name in names]
        if wanted:
            selected.append((family, wanted))
    return selected


def install_packages(context):
    """From Debian, by name, what is missing; says so itself. What still lacks one fails later."""
    done = subprocess.run([ROOT / "tools/deps.sh", "bench"], cwd=ROOT, stdout=sys.stderr)
    if done.returncode != 0:
        context.say("going on without")


def main():
    options = parse_arguments()
    if options.list:
        for family in FAMILIES:
            print(f"{family.NAME:24} {family.WHAT}")
            for name, what in family.benchmarks():
                print(f"  {name:22} {what}")
        return 0
    context = Context(options)
    install_packages(context)
    print(json.dumps({"name": "note", "machine": options.machine, "note": describe(context)}),
          flush=True)
    results = []
    for family, names in select(options.names):
        try:
            for result in family.run(names, context):
                results.append(result)
                print(json.dumps(result.line()), flush=True)
        except Unavailable as error:
            context.fail(f"{family.NAME}: {error}")
    if not options.quiet:
        print_table(results)
    missed = [result for result in results if result.is_met() is False]
    if options.strict and missed:
        context.fail(f"{len(missed)} bars missed")
    return 1 if context.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
