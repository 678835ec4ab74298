"""A property: whatever sequence of calls about files a program makes, what comes back is what the
model says, on the host's directories and on tmpfs; and, with calls that node has as the standard
does, under node.

The sequence is always the same, but for WASI_SEED=random; a failure prints its seed, and
WASI_SEED=N repeats it. WASI_CALLS=100000 makes the sequence longer, WASI_MACHINE=qemu runs tmpfs
there.
"""

import json
import os
import random
import shutil
import subprocess

import pytest

from conftest import BUILD, LIMIT_SECONDS, ROOT, Place
from property import compare, generate, script, shrink

SEED = os.environ.get("WASI_SEED", "20261123")
SEED = random.SystemRandom().randrange(2**32) if SEED == "random" else int(SEED)
CALLS = int(os.environ.get("WASI_CALLS", 5000))
MACHINE = os.environ.get("WASI_MACHINE")
NODE_CALLS = 20000  # at a time: after some 60,000 node itself ends by SIGSEGV, in code of V8's


def under_kwast(place, calls):
    place.clear()
    machine = MACHINE if place.name == "tmpfs" else None
    return place.run("calls", machine=machine, empty=True, input=script(calls))


def under_node(place, calls):
    place.clear()
    options = {"args": ["calls"], "env": {},
               "dirs": {"/data": str(place.root), "/other": str(place.other)}}
    return subprocess.run(["node", "--no-warnings", ROOT / "tests/programs/node_wasi.mjs",
                           json.dumps(options), BUILD / "programs/calls.wasm"],
                          input=script(calls), capture_output=True, timeout=LIMIT_SECONDS)


def check(place, carry_out, seed=SEED, count=CALLS, plain=False, any_error=False):
    def difference(some):
        done = carry_out(place, some)
        assert (done.returncode, done.stderr) == (0, b""), f"seed {seed}: {done}"
        return compare(some, done.stdout.decode().split("\n")[:-1], any_error)

    calls = generate(seed, count, plain=plain)
    print(f"seed {seed}, {len(calls)} calls")
    found = difference(calls)
    if found is None:
        return
    print(f"found: {found}")
    calls, found = shrink(calls, found, difference)
    listed = "\n".join(f"  {call}" for call in calls[-50:])
    pytest.fail(f"WASI_SEED={seed} WASI_CALLS={count}:\n{listed}\n{found}")


def test_random_calls_do_what_the_model_says(writable):
    check(writable, under_kwast)


def test_plain_calls_do_what_the_model_says(writable):
    check(writable, under_kwast, plain=True)


def test_node_does_the_same(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    place = Place("directory", tmp_path)
    for done in range(0, CALLS, NODE_CALLS):
        check(place, under_node, SEED + done, min(NODE_CALLS, CALLS - done), plain=True, any_error=True)
