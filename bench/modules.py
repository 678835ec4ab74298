"""Modules to compile: programs of `bench run`, and larger ones that repeat their code.

`enlarge` appends copies of all functions of a real module until it is as large as wanted; each copy
calls the functions of its own copy. So the bodies are a compiler's output, with the mix of
instructions, sizes and immediates that this has, and indices grow as they do in large modules. The
same bytes come again, which helps no compiler here: none compares bodies.
"""

from common import Unavailable

SECTION_IMPORT, SECTION_FUNCTION, SECTION_CODE = 2, 3, 10

# Immediates by opcode: b block type, i index or other unsigned number, s signed number, m memory
# argument, 4 and 8 bytes, t table of labels, c index of a function. Others have none.
IMMEDIATES = {
    **{op: "b" for op in (0x02, 0x03, 0x04)},
    0x0C: "i", 0x0D: "i", 0x0E: "t", 0x10: "c", 0x11: "ii",
    **{op: "i" for op in range(0x20, 0x27)}, **{op: "m" for op in range(0x28, 0x3F)},
    0x3F: "i", 0x40: "i", 0x41: "s", 0x42: "s", 0x43: "4", 0x44: "8", 0xD0: "i", 0xD2: "c",
}
IMMEDIATES_FC = {8: "ii", 9: "i", 10: "ii", 11: "i", 12: "ii", 13: "i", 14: "ii",
                 15: "i", 16: "i", 17: "i"}
NO_IMMEDIATES = {0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B, 0xD1, *range(0x45, 0xC5)}


def read_number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def number(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if value == 0:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def sections_of(data):
    """[(id, contents)]."""
    at, sections = 8, []
    while at < len(data):
        kind = data[at]
        size, at = read_number(data, at + 1)
        sections.append((kind, data[at:at + size]))
        at += size
    return sections


def imported_functions(contents):
    count, at = read_number(contents, 0)
    functions = 0
    for _ in range(count):
        for _ in range(2):
            length, at = read_number(contents, at)
            at += length
        kind = contents[at]
        at += 1
        if kind == 0:
            functions += 1
            _, at = read_number(contents, at)
        elif kind in (1, 2):
            at += kind == 1
            flags, at = read_number(contents, at)
            for _ in range(2 if flags & 1 else 1):
                _, at = read_number(contents, at)
        else:
            at += 2
    return functions


def skip_immediates(data, at, kinds):
    for kind in kinds:
        if kind in "isb":
            _, at = read_number(data, at)
        elif kind == "m":
            _, at = read_number(data, at)
            _, at = read_number(data, at)
        elif kind == "t":
            count, at = read_number(data, at)
            for _ in range(count + 1):
                _, at = read_number(data, at)
        else:
            at += int(kind)
    return at


def split_at_calls(body):
    """A body as [bytes, callee, bytes, callee, ..., bytes]."""
    parts, start, at = [], 0, 0
    groups, at = read_number(body, at)
    for _ in range(groups):
        _, at = read_number(body, at)
        at += 1
    while at < len(body):
        op = body[at]
        at += 1
        kinds = IMMEDIATES.get(op)
        if op == 0xFC:
            sub, at = read_number(body, at)
            at = skip_immediates(body, at, IMMEDIATES_FC.get(sub, ""))
        elif kinds == "c":
            parts.append(body[start:at])
            callee, at = read_number(body, at)
            parts.append(callee)
            start = at
        elif kinds is not None:
            at = skip_immediates(body, at, kinds)
        elif op not in NO_IMMEDIATES:
            raise Unavailable(f"enlarging a module: instruction {op:#x} is not known here")
    return [*parts, body[start:]]


def copy_of(body, imported, shift):
    """A body, with calls of the module's own functions moved on."""
    out = bytearray()
    for part in body:
        if isinstance(part, int):
            part = number(part + shift if part >= imported else part)
        out += part
    return number(len(out)) + out


def enlarge(data, size):
    """A module of about `size` bytes that repeats the functions of `data`."""
    sections = sections_of(data)
    by_id = dict(sections)
    imported = imported_functions(by_id[SECTION_IMPORT])
    count, at = read_number(by_id[SECTION_FUNCTION], 0)
    types = by_id[SECTION_FUNCTION][at:]
    code = by_id[SECTION_CODE]
    _, at = read_number(code, 0)
    bodies = []
    for _ in range(count):
        length, at = read_number(code, at)
        bodies.append(split_at_calls(code[at:at + length]))
        at += length
    copies, new_code, total = 0, [], len(data) - len(code)
    while total < size:
        new_code.append(b"".join(copy_of(body, imported, copies * count) for body in bodies))
        total += len(new_code[-1]) + len(types)
        copies += 1
    replaced = {SECTION_FUNCTION: number(count * copies) + types * copies,
                SECTION_CODE: number(count * copies) + b"".join(new_code)}
    out = bytearray(data[:8])
    for kind, contents in sections:
        if kind != 0:  # names would be of the original's functions
            contents = replaced.get(kind, contents)
            out += bytes([kind]) + number(len(contents)) + contents
    return bytes(out)
