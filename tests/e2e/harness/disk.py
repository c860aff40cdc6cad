"""A disk of its own that can be full: a tmpfs that lives as long as the process that mounted it, in a namespace where mounting
needs no privilege, and that survives whoever uses it."""

import errno
import pathlib
import subprocess
import tempfile

HOLD = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo ready && exec sleep infinity'


class Disk:
    def __init__(self, size="16m"):
        self.directory = tempfile.mkdtemp(prefix="maesn-bridge-disk-")
        self.holder = subprocess.Popen(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", HOLD, "sh", size,
                                        self.directory], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise AssertionError(f"no disk: {self.holder.communicate(timeout=10)[1]}")

    @property
    def prefix(self):
        """Of the command line of who uses it; the process keeps its number."""
        return ("nsenter", f"--target={self.holder.pid}", "--user", "--mount", "--preserve-credentials", "--")

    @property
    def _filler(self):
        return pathlib.Path(f"/proc/{self.holder.pid}/root{self.directory}/filler")

    def fill(self):
        with open(self._filler, "ab", buffering=0) as file:
            for size in (65536, 512, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error

    def make_room(self):
        self._filler.unlink(missing_ok=True)

    def close(self):
        self.holder.kill()
        self.holder.communicate(timeout=10)
        pathlib.Path(self.directory).rmdir()
