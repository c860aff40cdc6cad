"""A program that is taken over while it runs."""

from harness import wait
from harness.faulty_disk import LIBRARY as FAULTY_DISK

LIBRARY = FAULTY_DISK.with_name("libintruder.so")
MASK = 0x55  # tests/support/memory_search.h


class Intruder:
    """tests/e2e/drivers/intruder.c in a program that is started with `environment`."""

    def __init__(self, directory):
        self.file = directory / "act"
        self.acts = 0
        self.environment = {"LD_PRELOAD": str(LIBRARY), "INTRUDER_ACT": str(self.file)}

    def tell(self, *act):
        self.acts += 1
        fresh = self.file.with_suffix(".new")
        fresh.write_text(" ".join(map(str, (self.acts, *act))))
        fresh.replace(self.file)

    def act(self, bridge, *act):
        """What came of an act that the process survives: an errno, 0 for none."""
        before = len(bridge.log("intruder.acted"))
        self.tell(*act)
        wait.until(lambda: len(bridge.log("intruder.acted")) > before, 30, f"the intruder has done {act}")
        return bridge.log("intruder.acted")[-1]["errno"]

    def search(self, bridge, secret):
        """How often the secret stands in the process's memory: (where it is locked and in no dump, anywhere else)."""
        masked = bytes(byte ^ MASK for byte in secret.encode()).hex()  # so that it does not come in by the question
        assert self.act(bridge, "search", masked) == 0
        found = bridge.log("intruder.searched")[-1]
        return found["kept"], found["elsewhere"]
