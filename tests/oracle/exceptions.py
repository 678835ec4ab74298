"""Random programs that throw and catch, for run.py.

binaryen makes no catches worth the name, so the programs are written here, in the older form of
exceptions, as text: functions that call those behind them, loops with fuel, and in them throws,
tries, catches, delegates and rethrows at any depth, with locals of all types that change on the
way."""

import random
import subprocess

TAGS = [["i32"], ["i64", "f64"], [], ["i32", "f32", "i64", "i32", "f64", "i32", "i32", "i32"]]
LOCALS = {"$a": "i32", "$b": "i64", "$c": "f64", "$d": "f32", "$e": "i32", "$f": "i32", "$g": "i64"}
PARAMS = {"$a": "i32", "$b": "i64", "$c": "f64"}
FUNCS = 6


class Function:
    """One body. Expressions have the value type i32; everything else goes by locals and globals."""

    def __init__(self, rng, number):
        self.rng, self.number = rng, number
        self.labels = []  # (name, kind) of the blocks around, the innermost last
        self.count = 0

    def label(self):
        self.count += 1
        return f"$l{self.count}"

    def inside(self, name, kind, make):
        self.labels.append((name, kind))
        try:
            return make()
        finally:
            self.labels.pop()

    def value(self, kind):
        """An expression of any type, without effects."""
        if self.rng.random() < 0.6:
            return f"(local.get {self.rng.choice([n for n, t in LOCALS.items() if t == kind])})"
        return f"({kind}.const {self.rng.randrange(-99, 99)})"

    def assign(self):
        name = self.rng.choice(list(LOCALS))
        kind = LOCALS[name]
        return f"(local.set {name} ({kind}.add (local.get {name}) {self.value(kind)}))"

    def throw(self):
        tag = self.rng.randrange(len(TAGS))
        return f"(throw $t{tag} {' '.join(self.value(kind) for kind in TAGS[tag])})"

    def jump(self, depth):
        """Something that does not come back."""
        caught = [name for name, kind in self.labels if kind == "catch"]
        values = [name for name, kind in self.labels if kind != "loop"]
        ways = [self.throw, self.throw, lambda: f"(return {self.expr(depth - 1)})"]
        if caught:
            ways += [lambda: f"(rethrow {self.rng.choice(caught)})"] * 2
        if values:
            ways += [lambda: f"(br {self.rng.choice(values)} {self.expr(depth - 1)})"] * 2
        if self.number + 1 < FUNCS:
            ways.append(lambda: self.call(depth, "return_call"))
        return self.rng.choice(ways)()

    def call(self, depth, how="call"):
        if self.number + 1 >= FUNCS:
            return self.value("i32")
        callee = self.rng.randrange(self.number + 1, FUNCS)
        arguments = f"{self.expr(depth - 1)} {self.value('i64')} {self.value('f64')}"
        if how == "call" and self.rng.random() < 0.3:
            return f"(call_indirect (type $f) {arguments} (i32.const {callee}))"
        return f"({how} $f{callee} {arguments})"

    def statements(self, depth):
        out = []
        for _ in range(self.rng.randrange(1, 4)):
            pick = self.rng.random()
            if pick < 0.45:
                out.append(self.assign())
            elif pick < 0.7:
                out.append(f"(local.set $e {self.expr(depth - 1)})")
            elif pick < 0.9:
                out.append(f"(if {self.expr(depth - 1)} (then {self.jump(depth - 1)}))")
            else:
                out.append(self.loop(depth - 1))
        return " ".join(out)

    def loop(self, depth):
        name = self.label()
        body = self.inside(name, "loop", lambda: self.statements(depth))
        return (f"(loop {name} {body} (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))"
                f" (br_if {name} (i32.gt_s (global.get $fuel) (i32.const 0))))")

    def body(self, depth):
        return f"{self.statements(depth)} {self.expr(depth - 1)}"

    def catch(self, name, tag, depth):
        """What is caught goes to the local of its type, or is dropped."""
        def make():
            taken = []
            for kind in [] if tag is None else reversed(TAGS[tag]):
                name = self.rng.choice([n for n, t in LOCALS.items() if t == kind])
                taken.append(self.rng.choice(["(drop)", f"(local.set {name})"]))
            return f"{' '.join(taken)} {self.body(depth - 1)}"
        head = "catch_all" if tag is None else f"catch $t{tag}"
        return f"({head} {self.inside(name, 'catch', make)})"

    def try_block(self, depth):
        name = self.label()
        body = self.inside(name, "try", lambda: self.body(depth - 1))
        if self.rng.random() < 0.3:
            targets = [label for label, _ in self.labels]
            target = self.rng.choice([*targets, str(len(targets))])
            return f"(try {name} (result i32) (do {body}) (delegate {target}))"
        tags = self.rng.sample(range(len(TAGS)), self.rng.randrange(0, 3))
        if not tags or self.rng.random() < 0.4:
            tags.append(None)
        catches = " ".join(self.catch(name, tag, depth) for tag in tags)
        return f"(try {name} (result i32) (do {body}) {catches})"

    def expr(self, depth):
        pick = self.rng.random()
        if depth <= 0 or pick < 0.2:
            return self.value("i32")
        if pick < 0.5:
            return self.try_block(depth)
        if pick < 0.65:
            return self.call(depth)
        if pick < 0.75:
            name = self.label()
            return f"(block {name} (result i32) " \
                   f"{self.inside(name, 'block', lambda: self.body(depth - 1))})"
        operation = self.rng.choice(["add", "xor", "mul", "lt_s"])
        return f"(i32.{operation} {self.expr(depth - 1)} {self.expr(depth - 1)})"

    def text(self):
        params = " ".join(f"(param {name} {kind})" for name, kind in PARAMS.items())
        others = " ".join(f"(local {n} {t})" for n, t in LOCALS.items() if n not in PARAMS)
        state = " ".join(
            f"(global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) {value}))"
            for value in ("(i64.extend_i32_s (local.get $a))", "(local.get $b)", "(local.get $g)",
                          "(i64.reinterpret_f64 (local.get $c))",
                          "(i64.extend_i32_s (i32.reinterpret_f32 (local.get $d)))"))
        return (f'(func $f{self.number} (export "f{self.number}") {params} (result i32) {others}'
                f" (if (i32.lt_s (global.get $fuel) (i32.const 0)) (then (return (i32.const 0))))"
                f" (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))"
                f" (local.set $e {self.body(5)}) {state} (local.get $e))")


def module(rng):
    tags = "".join(f"(tag $t{i} (param {' '.join(types)}))" for i, types in enumerate(TAGS))
    funcs = "\n".join(Function(rng, number).text() for number in range(FUNCS))
    names = " ".join(f"$f{number}" for number in range(FUNCS))
    return (f"(module (type $f (func (param i32 i64 f64) (result i32))) {tags}\n"
            f"(global $fuel (mut i32) (i32.const 0)) (global $sum (mut i64) (i64.const 0))\n"
            f"(table funcref (elem {names}))\n"
            f'(func (export "hangLimitInitializer") (global.set $fuel (i32.const 200)))\n'
            f"{funcs}\n"
            f'(func (export "sum") (result i64) (global.get $sum)))\n')


def make(seed, path):
    """Writes the program of a seed."""
    text = path.with_suffix(".wat")
    text.write_text(module(random.Random(seed)))
    subprocess.run(["wat2wasm", "--enable-exceptions", "--enable-tail-call", "--debug-names",
                    text, "-o", path], check=True)
