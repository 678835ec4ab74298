"""What a measurement was made on, for the note that goes with the results."""

import datetime
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from common import ROOT


def cpu_model():
    match = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return match.group(1) if match else platform.machine()


def debian():
    match = re.search(r'PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text())
    return match.group(1) if match else platform.system()


def version_of(*command):
    """The first version number that a command prints; None where it is missing."""
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    match = re.search(r"\d+(\.\d+)+", said)
    return match.group() if match else said.strip()


def describe(context):
    load = os.getloadavg()[0]
    if load > 0.5:
        context.say(f"the load average is {load:.1f}: others are at work, and times will be off")
    return {"cpu": cpu_model(), "cpus": os.cpu_count(), "load": round(load, 2),
            "system": debian(), "kernel": platform.release(),
            "clang": version_of("clang-19", "--version"),
            "wasm2c": version_of("wasm2c", "--version"),
            "commit": version_of("git", "describe", "--always", "--dirty"),
            "date": datetime.date.today().isoformat(), "repetitions": context.repetitions}
