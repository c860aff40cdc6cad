"""tests/e2e/drivers/faulty_disk.c as an object: the disk below one directory of a running program, full or failing on demand."""

import os
import pathlib

from harness import environment

LIBRARY = pathlib.Path(os.environ.get("FAULTY_DISK") or environment.ROOT / "build/release/tests/e2e/drivers/libfaulty_disk.so")
FAULTS = ("full", "flush-fails", "flush-slow", "flush-stuck")


class FaultyDisk:
    """Start the program with `environment`; then set() a fault, and heal()."""

    def __init__(self, directory, control):
        self.directory = str(directory)
        self.control = pathlib.Path(control).resolve()
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAULTY_DISK_DIRECTORY": str(pathlib.Path(directory).resolve()),
            "FAULTY_DISK_CONTROL": str(self.control),
        }
        self.heal()

    def set(self, fault):
        assert fault in FAULTS
        self.fault = fault
        fresh = self.control.with_suffix(".new")
        fresh.write_text(fault)
        fresh.replace(self.control)  # never half a word

    def heal(self):
        self.fault = None
        self.control.unlink(missing_ok=True)
