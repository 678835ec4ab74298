#!/usr/bin/env python3
"""Compares the engine with another one (node's) on random valid modules.

    compare.py PROGRAM COUNT [SEED] [--keep FOLDER]

PROGRAM is the built exports.c. binaryen's wasm-opt makes the modules from random bytes. Prints the
first lines that differ and keeps the module; exit status 1 when any differed."""

import random
import subprocess
import sys
from pathlib import Path

FEATURES = ["--enable-bulk-memory", "--enable-sign-ext", "--enable-nontrapping-float-to-int",
            "--enable-mutable-globals", "--enable-multivalue"]
SCRIPT = Path(__file__).with_name("exports.mjs")


def make_module(rng, path):
    """Writes a random module; false when the generator gave none."""
    data = path.with_suffix(".bytes")
    data.write_bytes(rng.randbytes(rng.randrange(500, 40000)))
    optimise = rng.choice([[], [], ["-O1"], ["-O3"], ["--flatten", "--local-cse"]])
    made = subprocess.run(["wasm-opt", "--mvp-features", *FEATURES, "-ttf", data, "-o", path,
                           *optimise, "--denan"], capture_output=True, timeout=120)
    return made.returncode == 0


def run(command, path):
    try:
        done = subprocess.run([*command, path], capture_output=True, timeout=60, text=True)
    except subprocess.TimeoutExpired:
        return ["timeout"]
    lines = done.stdout.splitlines()
    if done.returncode != 0:
        lines.append(f"exit status {done.returncode}: {done.stderr[-300:]}")
    return lines


def same(ours, theirs):
    """Engines word traps differently: what one text covers may be two in the other."""
    if ours == theirs:
        return True
    merged = (("invalid conversion to integer", "invalid conversion"),
              ("integer overflow", "invalid conversion"),
              ("undefined element", "out of bounds table access"),
              ("indirect call type mismatch", "indirect call"),
              ("uninitialized element", "indirect call"))
    return any(ours.replace(a, b) == theirs for a, b in merged)


def compare(ours, theirs):
    """None when alike, "end" when nothing behind this can be compared, else what differs."""
    for a, b in zip(ours, theirs):
        if a.startswith("refused") and b.startswith("refused"):
            return "end"
        # How deep a recursion goes differs, and with it what it leaves behind.
        if "call stack exhausted" in a or "call stack exhausted" in b:
            return "end"
        if not same(a, b):
            return f"ours:   {a}\ntheirs: {b}"
    return None if len(ours) == len(theirs) else "one says more than the other"


def main():
    arguments = sys.argv[1:]
    keep = Path("build/oracle")
    if "--keep" in arguments:
        at = arguments.index("--keep")
        keep = Path(arguments[at + 1])
        del arguments[at:at + 2]
    program, count = arguments[0], int(arguments[1])
    seed = int(arguments[2]) if len(arguments) > 2 else random.randrange(1 << 32)
    keep.mkdir(parents=True, exist_ok=True)
    alike = cut = refused = differing = lines = 0
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        path = keep / f"{seed}-{number}.wasm"
        if not make_module(rng, path):
            refused += 1
            continue
        # Either half of the modules with and without AVX.
        level = "native" if number % 2 == 0 else "baseline"
        ours, theirs = run([program, f"--cpu={level}"], path), run(["node", SCRIPT], path)
        verdict = compare(ours, theirs)
        lines += len(ours)
        if ours and ours[0].startswith("refused"):
            refused += 1
        if verdict is None or verdict == "end":
            alike, cut = alike + (verdict is None), cut + (verdict == "end")
            path.unlink()
        else:
            differing += 1
            print(f"{path}:\n{verdict}", flush=True)
        path.with_suffix(".bytes").unlink(missing_ok=True)
    print(f"oracle: seed {seed}: {alike} modules alike, {cut} up to a stack overflow or refusal "
          f"({refused} refused), {differing} differ; {lines} lines")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
