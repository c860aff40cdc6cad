"""tests/e2e/drivers/table_driver.c as an object, or another program of the kind: a line in, lines out, each with the instant at
which it came."""

import os
import pathlib
import queue
import signal
import subprocess
import threading
import time

from harness import environment

BINARY = pathlib.Path(os.environ.get("TABLE_DRIVER") or environment.ROOT / "build/release/tests/e2e/drivers/table_driver")


class Driver:
    def __init__(self, *arguments, binary=BINARY):
        self.process = subprocess.Popen([binary, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put((time.monotonic(), line.rstrip("\n")))
        self._lines.put((time.monotonic(), None))

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def next(self, seconds=20):
        """The next line and its instant; fails when none comes."""
        try:
            at, line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no line within {seconds} s") from None
        assert line is not None, f"it ended with {self.process.wait()}"
        return at, line

    def until(self, start, seconds=20):
        """All lines up to the first that starts so, without their instants."""
        end, lines = time.monotonic() + seconds, []
        while not lines or not lines[-1].startswith(start):
            left = end - time.monotonic()
            assert left > 0, f"no '{start}' within {seconds} s: {lines}"
            try:
                at, line = self._lines.get(timeout=left)
            except queue.Empty:
                continue
            assert line is not None, f"it ended with {self.process.wait()}: {lines}"
            lines.append(line)
        return lines

    def ask(self, line, seconds=20):
        self.send(line)
        return self.next(seconds)[1]

    def is_silent(self, seconds):
        """Whether no line comes for so long."""
        try:
            _, line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return True
        return line is None

    def sigstop(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def sigcont(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self, seconds=20):
        """Closes its input and waits until it has ended; its exit code."""
        self.process.stdin.close()
        return self.process.wait(timeout=seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=20)
        self._reader.join(timeout=20)
        self.process.stdin.close()
        self.process.stdout.close()
