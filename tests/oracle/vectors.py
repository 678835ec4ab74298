#!/usr/bin/env python3
"""Compares the engine with another one (node's) on random vector programs, at each CPU level.

    vectors.py PROGRAM COUNT [SEED]

PROGRAM is the built exports.c. The programs are expressions of all vector instructions of the table
(engine/ops/wasm_ops.def) but the relaxed ones, over more locals than there are registers, with loops,
calls, loads and stores. What they computed lies in memory at the end. NaNs, whose bits may differ, are
replaced where they come to be. The first module that differs is kept; exit status 1."""

import random
import re
import subprocess
import sys
from pathlib import Path

from compare import SCRIPT, compare, run

LEVELS = ["baseline", "avx", "native"]
TABLE = Path(__file__).parents[2] / "engine/ops/wasm_ops.def"
LETTERS = {"v": "v128", "i": "i32", "I": "i64", "f": "f32", "F": "f64"}
LOCALS = {f"$v{i}": "v128" for i in range(18)} | {
    "$i0": "i32", "$i1": "i32", "$I0": "i64", "$f0": "f32", "$F0": "f64", "$f1": "f32", "$F1": "f64"}
LANES = {"LANE2": 2, "LANE4": 4, "LANE8": 8, "LANE16": 16}
FUNCS = 4
MAKES_NAN = re.compile(r"(f32x4|f64x2)\.(add|sub|mul|div|sqrt|ceil|floor|trunc|nearest|min|max|"
                       r"demote_f64x2_zero|promote_low_f32x4)$")
# Numbers at the edges of what lanes hold, and floats that are hard.
EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff, 0x3f800000,
         0x7f800000, 0x7fc00000, 0x4f000000, 0xcf000000, 0x3ff00000, 0x41e00000, 0xc1e00000,
         0x7ff00000, 0x41dfffff, 0x00800000, 0x80808080, 0x01010101]


def table():
    """(text, immediate, parameters, result) of each instruction."""
    pattern = re.compile(r'WASM_OP\(\w+,\s+\w+,\s+"([^"]+)",\s+(\w+),\s+"(\w*):(\w*)",\s+SIMD\)')
    return pattern.findall(TABLE.read_text())


OPS = [op for op in table() if op[0] != "v128.const"]
BY_RESULT = {letter: [op for op in OPS if op[3] == letter] for letter in "viIfF"}
STORES = [op for op in OPS if op[3] == ""]


class Function:
    def __init__(self, rng, number):
        self.rng, self.number, self.loops = rng, number, 0

    def lanes(self):
        rng = self.rng
        words = [rng.choice(EDGES) if rng.random() < 0.6 else rng.randrange(1 << 32) for _ in range(4)]
        return "(v128.const i32x4 " + " ".join(f"{word:#x}" for word in words) + ")"

    def leaf(self, kind):
        rng = self.rng
        if rng.random() < 0.75:
            return f"(local.get {rng.choice([n for n, t in LOCALS.items() if t == kind])})"
        if kind == "v128":
            return self.lanes()
        if kind in ("f32", "f64"):
            return f"({kind}.const {rng.choice([0, -0.0, 1.5, -3e9, 1e30, 2147483647, 0.5])})"
        return f"({kind}.const {rng.choice(EDGES) if rng.random() < 0.5 else rng.randrange(-99, 99)})"

    def apply(self, op, depth):
        text, immediate, params, _ = op
        rng = self.rng
        words = [text]
        if immediate.startswith("MEM"):
            words.append(f"offset={rng.randrange(64)}")
        if immediate in LANES:
            words.append(str(rng.randrange(LANES[immediate])))
        elif immediate.endswith("_LANE"):
            words.append(str(rng.randrange(16 // int(immediate[3]))))
        elif immediate == "SHUFFLE":
            words.append(self.shuffle())
        for letter in params:
            if letter == "a":
                words.append(f"(i32.and {self.expr('i32', min(depth, 1))} (i32.const 0xfff))")
            else:
                words.append(self.expr(LETTERS[letter], depth))
        return f"({' '.join(words)})"

    def shuffle(self):
        rng = self.rng
        size, start = rng.choice([1, 2, 4, 8]), rng.choice([0, 8])
        kind = rng.randrange(5)
        if kind == 0:
            lanes = [start + i // size // 2 * size + i % size + i // size % 2 * 16 for i in range(16)]
        elif kind == 1:
            first = rng.randrange(17)
            lanes = [first + i for i in range(16)]
        elif kind == 2:
            groups = [rng.randrange(4) for _ in range(4)]
            lanes = [4 * groups[i // 4] + i % 4 for i in range(16)]
        else:
            lanes = [rng.randrange(16 if kind == 3 else 32) for _ in range(16)]
        return " ".join(map(str, lanes))

    def expr(self, kind, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            return self.leaf(kind)
        letter = next(key for key, value in LETTERS.items() if value == kind)
        if kind in ("f32", "f64") and rng.random() < 0.6:
            name = rng.choice(["add", "sub", "mul", "div", "min", "max", "copysign"])
            value = f"({kind}.{name} {self.expr(kind, depth - 1)} {self.expr(kind, depth - 1)})"
            return self.scalar_number(kind, value)
        if kind in ("i32", "i64") and rng.random() < 0.3:
            return f"({kind}.trunc_sat_f64_s {self.expr('f64', depth - 1)})"
        op = rng.choice(BY_RESULT[letter])
        value = self.apply(op, depth - 1)
        nan = MAKES_NAN.match(op[0])
        if nan is None:
            return value if kind not in ("f32", "f64") else self.scalar_number(kind, value)
        shape = {"demote_f64x2_zero": "f32x4", "promote_low_f32x4": "f64x2"}.get(nan[2], nan[1])
        return f"(v128.and (local.tee $t {value}) ({shape}.eq (local.get $t) (local.get $t)))"

    @staticmethod
    def scalar_number(kind, value):
        """`value`, and 0 where it is a NaN."""
        temp = "$s" if kind == "f32" else "$d"
        return (f"(select (local.tee {temp} {value}) ({kind}.const 0)"
                f" ({kind}.eq (local.get {temp}) (local.get {temp})))")

    def statement(self, depth):
        rng = self.rng
        turn = rng.random()
        if turn < 0.15:
            return self.apply(rng.choice(STORES), 2)
        if turn < 0.22 and self.number + 1 < FUNCS:
            return f"(call $f{rng.randrange(self.number + 1, FUNCS)})"
        if turn < 0.32 and depth > 0:
            self.loops += 1
            name = f"$n{self.loops}"
            body = " ".join(self.statement(depth - 1) for _ in range(rng.randrange(1, 5)))
            return (f"(local.set {name} (i32.const {rng.randrange(1, 4)})) (loop $l{self.loops} {body}"
                    f" (br_if $l{self.loops}"
                    f" (local.tee {name} (i32.sub (local.get {name}) (i32.const 1)))))")
        if turn < 0.4 and depth > 0:
            return (f"(if {self.expr('i32', 2)} (then {self.statement(depth - 1)})"
                    f" (else {self.statement(depth - 1)}))")
        target = rng.choice(list(LOCALS))
        return f"(local.set {target} {self.expr(LOCALS[target], rng.randrange(1, 5))})"

    def text(self):
        begin = " ".join(f"(local.set {name} {self.lanes()})"
                         for name, kind in LOCALS.items() if kind == "v128")
        body = "\n".join(self.statement(2) for _ in range(25))
        end = " ".join(
            f"({kind}.store offset={4096 + 512 * self.number + 16 * at} (i32.const 0) (local.get {name}))"
            for at, (name, kind) in enumerate(LOCALS.items()))
        others = [f"(local {n} {t})" for n, t in LOCALS.items()]
        others += [f"(local $n{i + 1} i32)" for i in range(self.loops)]
        return (f'(func $f{self.number} (export "f{self.number}") {" ".join(others)}'
                f" (local $t v128) (local $s f32) (local $d f64)\n{begin}\n{body}\n{end})")


def module(rng):
    funcs = "\n".join(Function(rng, number).text() for number in range(FUNCS))
    return f'(module (memory (export "memory") 1)\n{funcs})\n'


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    folder = Path("build/oracle")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"vectors-{seed}-{number}.wasm"
        text = path.with_suffix(".wat")
        text.write_text(module(random.Random(f"{seed}/{number}")))
        subprocess.run(["wat2wasm", "--debug-names", text, "-o", path], check=True)
        theirs = run(["node", SCRIPT], path)
        for level in LEVELS:
            verdict = compare(run([program, f"--cpu={level}"], path), theirs)
            if verdict is not None:
                print(f"{text}, {level}:\n{verdict}")
                return 1
        path.unlink()
        text.unlink()
    print(f"oracle: vectors: seed {seed}: {count} programs alike, each with {', '.join(LEVELS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
