"""A property: whatever sequence of calls about files a program makes, what comes back is what the
model says, on the host's directories and on tmpfs. WASI_SEED=N repeats a sequence, WASI_CALLS=100000 makes longer
ones, WASI_PLACES=tmpfs,directory@qemu chooses where."""

import os
import random

import pytest

from conftest import Place
from property import compare, generate, script, shrink

SEED = int(os.environ.get("WASI_SEED", random.SystemRandom().randrange(2**32)))
CALLS = int(os.environ.get("WASI_CALLS", 4000))


def carry_out(place, calls, machine=None):
    place.clear()
    done = place.run("calls", machine=machine, empty=True, input=script(calls))
    assert (done.returncode, done.stderr) == (0, b""), f"{place.name}: seed {SEED}: {done.stderr}"
    return done.stdout.decode().split("\n")[:-1]


@pytest.mark.parametrize("machine", ["hosted"])
def test_random_calls_do_what_the_model_says(writable, machine):
    print(f"seed {SEED}, {CALLS} calls")
    calls = generate(SEED, CALLS)
    difference = compare(calls, carry_out(writable, calls, machine))
    if difference is None:
        return
    print(f"found: {difference}")
    calls, difference = shrink(calls, difference,
                               lambda some: compare(some, carry_out(writable, some, machine)))
    listed = "\n".join(f"  {call}" for call in calls[-50:])
    pytest.fail(f"WASI_SEED={SEED} WASI_CALLS={CALLS}:\n{listed}\n{difference}")
