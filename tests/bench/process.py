"""What a process and its children cost, and the machine that they run on."""

import os
import pathlib
import platform
import re
import subprocess
import time

from harness.environment import kernel


def family(pid):
    """The process and all that come from it, as far as they live."""
    pids = [pid]
    for child in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for found in child.read_text().split():
            pids += family(int(found))
    return pids


def cpu_seconds(pid):
    """User and system time of the process and its children so far; /proc/PID/stat would tell hundredths of a second.
    Source: Linux, include/linux/posix-timers_types.h, how a process's CPU-time clock is numbered."""
    return sum(time.clock_gettime((~p << 3) | 2) for p in family(pid))


def switches(pid):
    """How often its threads waited for something so far."""
    return sum(int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", task.read_text())[1])
               for task in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))


def resident_mib(pid, what="VmRSS"):
    """Now; with "VmHWM" at most so far."""
    return sum(int(re.search(rf"{what}:\s+(\d+)", pathlib.Path(f"/proc/{p}/status").read_text())[1]) for p in family(pid)) / 1024


def processor():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return model[1] if model else platform.machine()


def machine():
    """"2 cores (Intel …), Linux 6.1"."""
    return f"{os.cpu_count()} cores ({processor()}), {kernel()}"


def run_output(*command):
    """What a command prints, on whichever stream."""
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    return (done.stdout or done.stderr).strip()
