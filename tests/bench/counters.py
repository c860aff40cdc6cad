"""What the kernel and the processor count of a process, where `perf` may ask them."""

import json
import re
import shutil
import subprocess

import load
import process

EVENTS = {"system_calls": "raw_syscalls:sys_enter", "instructions": "instructions"}


def count_events(one, requests, **options):
    """Per callback; nothing of what this machine does not count."""
    if shutil.which("perf") is None:
        return {}
    pids = ",".join(map(str, process.family(one.pid)))
    done = subprocess.run(["perf", "stat", "-x", ";", "-e", ",".join(EVENTS.values()), "-p", pids, "--",
                           *load.command(requests, one.port, **options)], check=True, capture_output=True, text=True, timeout=120)
    answers, said = json.loads(done.stdout)["answers"], done.stderr
    counted = {name: re.search(rf"^(\d+);[^;]*;{event}", said, re.MULTILINE) for name, event in EVENTS.items()}
    return {name: round(int(found[1]) / max(1, answers), 2) for name, found in counted.items() if found}
