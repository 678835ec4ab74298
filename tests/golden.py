#!/usr/bin/env python3
"""Compares the code that the one-pass compiler emits with what a person has looked at.

usage: golden.py [--bless] DUMP FILE.wat...

Each FILE.wat has a FILE.txt beside it: its functions, disassembled by LLVM, with the trap of each
instruction that may fault. A first line ";; for OPTION..." gives DUMP options: --avx. --bless rewrites these files; git diff then shows what has changed.
"""

import re
import subprocess
import sys
import tempfile

LLVM_MC = "llvm-mc-19"
LLVM_OBJDUMP = "llvm-objdump-19"


def run(arguments, text=None):
    done = subprocess.run(arguments, input=text, capture_output=True, text=True)
    if done.returncode != 0 or "warning" in done.stderr:
        sys.exit(f"golden: {arguments[0]}: {done.stderr}")
    return done.stdout


def disassemble(code, base):
    """(offset, text) of each instruction of `code`, which lies at offset `base`."""
    with tempfile.NamedTemporaryFile(suffix=".o") as obj:
        text = "".join(f".byte {byte}\n" for byte in code)
        run([LLVM_MC, "--triple=x86_64", "--filetype=obj", "-o", obj.name], text)
        out = run([LLVM_OBJDUMP, "-d", "--no-show-raw-insn", "--x86-asm-syntax=intel", obj.name])
    for line in out.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
        if found is None:
            continue
        text = re.sub(r"\s+", " ", found[2]).partition(" <")[0].partition(" #")[0]
        target = re.fullmatch(r"(j\w+|call) 0x([0-9a-f]+)", text)
        if target is not None:
            text = f"{target[1]} {(base + int(target[2], 16)) % 2**64:x}"
        yield base + int(found[1], 16), text


def instructions(code):
    """The same for a function. Behind `jmp r11` lies a jump table, as long as its last cmp says."""
    base, entries = 0, 0
    while base < len(code):
        for offset, text in disassemble(code[base:], base):
            yield offset, text
            compared = re.fullmatch(r"cmp e\w\w, (0x[0-9a-f]+)", text)
            if compared is not None:
                entries = int(compared[1], 0)
            if text == "jmp r11":
                break
        else:
            return
        base = offset + 3
        for _ in range(entries):
            relative = int.from_bytes(bytes(code[base : base + 4]), "little", signed=True)
            yield base, f"-> {base + 4 + relative:x}"
            base += 4


def constants(code, end):
    """Vector constants, aligned behind a function's code, which ends at `end`."""
    for offset in range((end + 15) & ~15, len(code), 16):
        low, high = (
            int.from_bytes(bytes(code[at : at + 8]), "little") for at in (offset, offset + 8)
        )
        yield offset, f"= {high:016x} {low:016x}"


def listing(dump, wat):
    """The text of one module."""
    with tempfile.NamedTemporaryFile(suffix=".wasm") as wasm:
        run(["wat2wasm", "--enable-tail-call", "--enable-multi-memory", "--enable-memory64",
             "--enable-threads", "--enable-exceptions", "--enable-relaxed-simd", "--debug-names", wat, "-o", wasm.name])
        with open(wat, encoding="utf-8") as text:
            first = text.readline().split()
        options = first[2:] if first[:2] == [";;", "for"] else []
        lines = run([dump, *options, wasm.name]).splitlines()
    functions = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "func":
            functions.append([rest, [], {}, [], 0])
        elif word == "code":
            functions[-1][1].extend(bytes.fromhex(rest))
        elif word == "end":
            functions[-1][4] = int(rest)
        elif word == "site":
            offset, _, trap = rest.partition(" ")
            functions[-1][2].setdefault(int(offset), []).append(trap)
        elif word == "guard":
            offset, _, number = rest.partition(" ")
            functions[-1][2].setdefault(int(offset), []).append(f"returns into try {number}")
        elif word == "try":
            functions[-1][3].append(line)
    out = []
    for name, code, sites, tries, end in functions:
        out.append(f"{name.partition(' ')[2]}:")
        for offset, text in [*instructions(code[:end]), *constants(code, end)]:
            traps = [t for t in sites.get(offset, []) if t != "no trap"]
            out.append(f"{offset:4x}  {text}" + (f"  ; {', '.join(traps)}" if traps else ""))
        out.extend([*tries, ""])
    return "\n".join(out)


def main():
    arguments = sys.argv[1:]
    bless = arguments[:1] == ["--bless"]
    dump, *files = arguments[1 if bless else 0 :]
    changed = 0
    for wat in files:
        path = wat.removesuffix(".wat") + ".txt"
        text = listing(dump, wat)
        if bless:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
            continue
        try:
            with open(path, encoding="utf-8") as expected:
                same = expected.read() == text
        except FileNotFoundError:
            same = False
        if not same:
            changed += 1
            sys.stdout.write(f"golden: {path} is not what is emitted\n")
            subprocess.run(["diff", "-u", path, "-"], input=text, text=True, check=False)
    if changed:
        sys.exit(f"golden: {changed} of {len(files)} differ; `make bless` accepts")
    print(f"golden: {len(files)} files match")


main()
