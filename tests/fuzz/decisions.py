#!/usr/bin/env python3
"""Makes the seeds of run_fuzz: strings of random bytes, the decisions of the generator.

    decisions.py FOLDER"""

import random
import sys
from pathlib import Path

COUNT = 60


def main():
    folder = Path(sys.argv[1])
    for number in range(COUNT):
        seed = random.Random(number).randbytes(200 + 60 * number)
        (folder / f"{number:02}").write_bytes(seed)


if __name__ == "__main__":
    main()
