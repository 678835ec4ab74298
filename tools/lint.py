#!/usr/bin/env python3
"""Runs clang-tidy over C files, and remembers what was clean.

usage: lint.py [--flags "FLAGS"] FILE.c...

A file is looked at again when its text after the preprocessor (comments included: some are meant
for clang-tidy), the flags, or .clang-tidy have changed. What was clean is in build/lint, or in the
folder that KWAST_LINT_CACHE names, which several trees may share. Exit status 1 on any finding."""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import shlex
import subprocess
import sys

CACHE = pathlib.Path(os.environ.get("KWAST_LINT_CACHE", "build/lint"))
CONFIG = pathlib.Path(".clang-tidy").read_bytes()


def stamp(path, flags):
    """The file whose existence says that `path`, as it is now, is clean."""
    text = subprocess.run(["clang-19", *flags, "-E", "-CC", path], capture_output=True, check=True)
    digest = hashlib.sha256()
    for part in (CONFIG, "\0".join(flags).encode(), path.encode(), text.stdout):
        digest.update(hashlib.sha256(part).digest())
    return CACHE / digest.hexdigest()


def lint(path, flags):
    """What clang-tidy has to say of the file; empty when it is clean."""
    clean = stamp(path, flags)
    if clean.exists():
        clean.touch()
        return ""
    done = subprocess.run(["clang-tidy-19", "--quiet", "--warnings-as-errors=*", path, "--", *flags],
                          capture_output=True, text=True)
    if done.returncode == 0:
        clean.touch()
        return ""
    return done.stdout or done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flags", default="", help="what the compiler gets")
    parser.add_argument("files", nargs="+", metavar="FILE.c")
    options = parser.parse_args()
    flags = shlex.split(options.flags)
    CACHE.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [text for text in pool.map(lambda path: lint(path, flags), options.files) if text]
    for text in findings:
        print(text)
    return 1 if findings else 0


sys.exit(main())
