#!/usr/bin/python3
"""Runs tests on the hosted kernel under ThreadSanitizer (build/raced/kwast-hosted) and prints each race that
it reports once, with names of functions. Fails when a test does or when there is a race.

    tests/raced.py [pytest's arguments]
    CHAOS_SEED=7 CHAOS_ROUNDS=50000 tests/raced.py tests/kwast/chaos_test.py

Reports go to files, as addresses: a machine whose timers go off all the time is no place to start another
program from, which would name them.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOSTED = ROOT / "build/raced/kwast-hosted"
BAR = re.compile(r"^={18}$", re.MULTILINE)
PLACE = re.compile(r"(#\d+) .*\(kwast-hosted\+(0x[0-9a-f]+)\).*")


def run_tests(arguments, folder):
    options = f"symbolize=0 exitcode=0 history_size=4 log_path={folder}/report"
    environment = os.environ | {"KWAST_HOSTED": str(HOSTED),
                                "TSAN_OPTIONS": f"{options} {os.environ.get('TSAN_OPTIONS', '')}"}
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "hosted", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def named(addresses):
    """{address: the functions there, the innermost first, with their places}."""
    if not addresses:
        return {}
    said = subprocess.run(["llvm-symbolizer-19", f"--obj={HOSTED}", "--relativenames", *addresses],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    names = {}
    for address, block in zip(addresses, said.strip().split("\n\n"), strict=True):
        lines = [line.removeprefix(f"{ROOT}/") for line in block.split("\n")]
        names[address] = ", in ".join(f"{lines[i]} {lines[i + 1]}" for i in range(0, len(lines) - 1, 2))
    return names


def races(text):
    """The reports, of those of the same two accesses one, and how often there were such."""
    names = named(sorted({found[2] for found in PLACE.finditer(text)}))
    found = {}
    for report in BAR.split(text):
        if "ThreadSanitizer" in report:
            report = PLACE.sub(lambda place: f"{place[1]} {names[place[2]]}", report).strip()
            kind = tuple(sorted(re.findall(r"#0 (.*)", report)[:2])) or report
            found.setdefault(kind, []).append(report)
    return [(reports[0], len(reports)) for reports in found.values()]


def main():
    if not HOSTED.exists():
        sys.exit(f"raced.py: there is no {HOSTED.relative_to(ROOT)}: make it first")
    with tempfile.TemporaryDirectory(prefix="kwast-raced-") as folder:
        failed = run_tests(sys.argv[1:], folder) != 0
        found = races("\n".join(path.read_text(errors="replace") for path in Path(folder).iterdir()))
    for report, count in found:
        print(f"\n{'=' * 30} {count} times\n{report}")
    print(f"{len(found)} races")
    sys.exit(1 if failed or found else 0)


if __name__ == "__main__":
    main()
