"""What a measurement was made on, for the note that goes with the results."""

import os
import platform
import re
from pathlib import Path


def cpu_model():
    match = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return match.group(1) if match else platform.machine()


def debian():
    match = re.search(r'PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text())
    return match.group(1) if match else platform.system()


def describe(context):
    load = os.getloadavg()[0]
    if load > 0.5:
        context.say(f"the load average is {load:.1f}: other programs are at work, and times will be off")
    return {"cpu": cpu_model(), "cpus": os.cpu_count(), "load": round(load, 2),
            "system": debian(), "kernel": platform.release(), "repetitions": context.repetitions}
