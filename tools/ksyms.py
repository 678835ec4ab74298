#!/usr/bin/env python3
"""Makes the kernel's symbol table: from the output of `llvm-nm -n` to assembly for the second link.

Usage: llvm-nm-19 -n kernel.first.elf | ksyms.py > symbols.S

The table has every function, sorted by its offset from text_start; names are NUL-terminated.
backtrace.c reads it.
"""

import sys


def main() -> int:
    functions = []
    text_start = None
    for line in sys.stdin:
        fields = line.split()
        if len(fields) != 3:
            continue
        address, kind, name = int(fields[0], 16), fields[1], fields[2]
        if name == "text_start":
            text_start = address
        elif kind in "tT" and name != "text_end" and not name.startswith((".", "$")):
            functions.append((address, name))
    if text_start is None:
        print("ksyms: no symbol text_start", file=sys.stderr)
        return 1

    # Names of one address (a function and a label at its start): the first is enough.
    table = {}
    for address, name in sorted(functions):
        table.setdefault(address - text_start, name)

    print('    .section .symbols, "a"')
    print("    .balign 8")
    print("    .global symbol_table, symbol_count, symbol_names")
    print("symbol_table:")
    offset = 0
    for address, name in table.items():
        print(f"    .long {address}, {offset}")
        offset += len(name) + 1
    print("symbol_count:")
    print(f"    .long {len(table)}")
    print("symbol_names:")
    for name in table.values():
        print(f'    .asciz "{name}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
