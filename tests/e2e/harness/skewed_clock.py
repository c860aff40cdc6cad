"""tests/e2e/drivers/skewed_clock.c as an object: the wall clock of a running program."""

import os
import pathlib
import struct

from harness import environment

LIBRARY = pathlib.Path(os.environ.get("SKEWED_CLOCK_LIBRARY") or
                       environment.ROOT / "build/release/tests/e2e/drivers/libskewed_clock.so")


class SkewedClock:
    """Start the program with `environment`; then set() how early it is."""

    def __init__(self, control):
        self.control = pathlib.Path(control)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "SKEWED_CLOCK": str(self.control)}
        self.control.write_bytes(struct.pack("=q", 0))

    def set(self, early_s):
        with open(self.control, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", early_s))

    def heal(self):
        self.set(0)
