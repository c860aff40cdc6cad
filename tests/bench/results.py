"""The dated files of what the long commands found: tests/bench/results."""

import datetime
import os
import pathlib
import subprocess

from process import machine

DIRECTORY = pathlib.Path(__file__).with_name("results")


def commit():
    """The tree's."""
    described = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=DIRECTORY.parent, capture_output=True, text=True)
    return described.stdout.strip() or "no repository"


COMMIT = commit()  # when the command began


def append(name, what, lines, faults, directory=DIRECTORY):
    """Prints what was found, and appends it to the file of this name; returns the exit code."""
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    verdict = "NOT MET: " + "; ".join(faults) if faults else "met"
    text = "\n".join((f"{day}, {COMMIT}: {what}: {verdict}",
                      f"  {machine()}; everything on this machine, whose load was {os.getloadavg()[0]:.0f} at the end; niceness {os.nice(0)}",
                      *(f"  {line}" for line in lines)))
    print(text)
    directory.mkdir(exist_ok=True)
    with open(directory / f"{name}.txt", "a") as file:
        file.write(text + "\n")
    return 1 if faults else 0
