#!/usr/bin/env python3
"""Checks the assembler of engine/x64 against LLVM's.

    (build/unit/engine/x64/asm_test --list; build/unit/engine/x64/asm_vec_test --list) |
        tests/x64_check.py

Each input line is "bytes<TAB>text". The bytes must disassemble to one instruction that means the text,
and must not be longer than what LLVM makes of the text; but LLVM exchanges the sources of AVX
instructions that commute where that saves a byte of prefix, which is left to who chooses them here.
Memory operands are compared as sums
(base + index, index + base and the like are one address), immediates modulo their operand size.
"""

import re
import subprocess
import sys

LLVM_MC = "llvm-mc-19"
SEPARATOR = "0f01d0"  # xgetbv: marks the end of each line of bytes
SEPARATOR_TEXT = "xgetbv"


def llvm(arguments, text):
    command = [LLVM_MC, "--triple=x86_64", "--output-asm-variant=1", *arguments]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return run.stdout, run.stderr


def spaced(hex_bytes):
    return " ".join("0x" + hex_bytes[i : i + 2] for i in range(0, len(hex_bytes), 2))


def address(match):
    """A canonical form of a memory operand: size, segment, and the sum of its terms."""
    terms = {}
    for sign, term in re.findall(r"([+-]?)\s*([^\s+-]+)", match.group(3)):
        factors = term.split("*")
        numbers = [int(f, 0) for f in factors if f[0].isdigit()]
        registers = [f for f in factors if not f[0].isdigit()]
        value = -1 if sign == "-" else 1
        for number in numbers:
            value *= number
        key = registers[0] if registers else ""
        terms[key] = terms.get(key, 0) + value
    size = (match.group(1) or "").strip()
    segment = match.group(2) or ""
    # eiz stands for "no register" in a 32-bit address.
    is_short = any(key.startswith("e") or re.fullmatch(r"r\d+d", key) for key in terms)
    terms = {k: v for k, v in terms.items() if v != 0 and k not in ("eiz", "riz")}
    body = "+".join(f"{key}*{value}" for key, value in sorted(terms.items()))
    return f"{size}{segment}[{'short ' if is_short else ''}{body}]"


REGISTER_MASKS = {
    1: re.compile(r"[abcd]l|(?:sp|bp|si|di)l|r\d+b"),
    2: re.compile(r"[abcd]x|sp|bp|si|di|r\d+w"),
    4: re.compile(r"e(?:[abcd]x|sp|bp|si|di)|r\d+d"),
}
SIZES = {"byte": 1, "word": 2, "dword": 4, "qword": 8}


def operand_bytes(operand):
    size = re.match(r"(byte|word|dword|qword) ptr", operand)
    if size:
        return SIZES[size.group(1)]
    for count, pattern in REGISTER_MASKS.items():
        if pattern.fullmatch(operand):
            return count
    return 8


def normal(text):
    """A form in which two texts are equal when they mean the same."""
    text = " ".join(text.split("#")[0].split())
    if text.startswith("addr32 "):  # how LLVM writes a 32-bit address without registers
        text = text.removeprefix("addr32 ").replace("[", "[1*eiz + ")
    text = re.sub(r"((?:byte|word|dword|qword|xmmword) ptr )?([fg]s:)?\[([^]]*)\]", address, text)
    name, _, rest = text.partition(" ")
    operands = [o.strip() for o in rest.split(",")] if rest else []
    if name in ("xchg", "test") and not re.match(r"-?\d", operands[1]):
        operands.sort()  # symmetric
    mask = (1 << 8 * operand_bytes(operands[0])) - 1 if operands else 0
    operands = [
        str(int(o, 0) & mask) if re.fullmatch(r"-?\d\w*", o) else o for o in operands
    ]
    return " ".join([name, ", ".join(operands)]).strip()


def disassemble(lines):
    """The instructions of each line of bytes, as lists of text."""
    text = "".join(f"{spaced(b)}\n{spaced(SEPARATOR)}\n" for b, _ in lines)
    out, _ = llvm(["--disassemble"], text)
    groups, group = [], []
    for line in out.splitlines():
        line = line.strip()
        if line == SEPARATOR_TEXT:
            groups.append(group)
            group = []
        elif group and group[-1] == "lock":  # printed as if it were an instruction
            group[-1] = f"lock {line}"
        elif line and not line.startswith("."):
            group.append(line)
    return groups


def assembled_lengths(lines):
    """How many bytes LLVM needs for each text."""
    text = ".intel_syntax noprefix\n" + "".join(f"{t}\n" for _, t in lines)
    out, errors = llvm(["--show-encoding"], text)
    lengths = [len(m.group(1).split(",")) for m in re.finditer(r"encoding: \[([^]]*)\]", out)]
    if errors or len(lengths) != len(lines):
        sys.exit(f"x64_check: {LLVM_MC} refuses a text:\n{errors[:2000]}")
    return lengths


def exchange_saves(text):
    """Whether the sources of an AVX instruction in the other order may take a byte less."""
    registers = [int(n) for n in re.findall(r"xmm(\d+)", text)]
    return text.startswith("v") and registers[-1:] >= [8] and min(registers[:-1], default=8) < 8


def main():
    lines = [tuple(line.rstrip("\n").split("\t")) for line in sys.stdin]
    if len(lines) < 1000:
        sys.exit(f"x64_check: only {len(lines)} lines of input")
    groups = disassemble(lines)
    if len(groups) != len(lines):
        sys.exit(f"x64_check: {len(lines)} lines disassembled to {len(groups)}")
    failures = 0
    for (code, expected), got, length in zip(lines, groups, assembled_lengths(lines)):
        why = None
        if len(got) != 1 or normal(got[0]) != normal(expected):
            why = f"got {'; '.join(got) or 'nothing'}"
        elif len(code) // 2 > length + exchange_saves(expected):
            why = f"{len(code) // 2} bytes where {length} do"
        if why:
            failures += 1
            if failures <= 20:
                print(f"{code}: expected {expected}, {why}")
    print(f"x64_check: {len(lines)} instructions, {failures} wrong")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
