#!/usr/bin/env python3
"""Checks what the compiler cannot: who includes whom (tools/layers.txt), the sizes of files and
functions, and that no text names a path of somebody's machine. Prints one line a finding; exit
status 1 when there is any."""

import re
import subprocess
import sys
from pathlib import Path

FILE_LINES = 800
FUNCTION_LINES = 70
COLUMNS = 100


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                         capture_output=True, text=True, check=True)
    return [Path(name) for name in out.stdout.splitlines() if Path(name).is_file()]


def read_layers():
    """Module -> all modules it may include, itself and what those may include among them."""
    direct = {}
    for line in Path("tools/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, _, allowed = line.partition(":")
            direct[name.strip()] = allowed.split()

    def close(name, seen):
        if name in seen:
            return
        seen.add(name)
        for other in direct.get(name, []):
            close(other, seen)

    closed = {}
    for name in direct:
        closed[name] = set()
        close(name, closed[name])
    return closed


def module_of(path, modules):
    """The longest module name that is a folder above `path`."""
    parts = Path(path).parts
    for length in range(len(parts) - 1, 0, -1):
        name = "/".join(parts[:length])
        if name in modules:
            return name
    return None


def check_includes(path, text, layers, report):
    # Unit tests may use what the tests folder may, besides their own module.
    module = "tests" if path.stem.endswith("_test") else module_of(path, layers)
    if module is None:
        report(path, 1, "is in no module of tools/layers.txt")
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        if not Path(target).exists():
            continue  # generated
        other = module_of(target, layers)
        if other is None:
            report(path, number, f"includes {target}, which is in no module")
        elif other not in layers[module] and module != "tests":
            report(path, number, f"{module} may not include {other}")


def check_sizes(path, text, report):
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        report(path, 1, f"has {len(lines)} lines (limit {FILE_LINES})")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            report(path, number, f"is {len(line)} columns wide (limit {COLUMNS})")
        if re.match(r"// -{6}", line): # the formatter breaks those that are too long
            report(path, number, "is a heading in two lines")
    start = None
    for number, line in enumerate(lines, 1):
        if re.match(r"[a-zA-Z].*\)\s*\{$", line) or (line == "{" and start is None):
            start = number
        elif line == "}" and start is not None:
            length = number - start + 1
            if length > FUNCTION_LINES and "// tidy: long" not in lines[start - 2]:
                report(path, start, f"function has {length} lines (limit {FUNCTION_LINES})")
            start = None


def check_essay(path, text, report):
    first = text.splitlines()[0] if text else ""
    if path.suffix == ".c" and not first.startswith("//"):
        report(path, 1, "does not start by saying what it is for")
    if path.suffix == ".h" and "#pragma once" not in text[:200]:
        report(path, 1, "has no #pragma once")


def main():
    findings = []

    def report(path, line, what):
        findings.append(f"{path}:{line}: {what}")

    layers = read_layers()
    for path in tracked("*.c", "*.h"):
        text = path.read_text()
        check_sizes(path, text, report)
        check_essay(path, text, report)
        if path.parts[0] not in ("user",):
            check_includes(path, text, layers, report)
    # A path of a developer's machine has no place in the tree.
    machine_path = re.compile(r"(?<![\w.])/(work|farm|root|home/\w+)/")
    for path in tracked("*.c", "*.h", "*.S", "*.py", "*.sh", "*.md", "*.txt", "Makefile", "run_tests"):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if machine_path.search(line) and path != Path("tools/tidy.py"):
                report(path, number, "names a path of somebody's machine")

    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
