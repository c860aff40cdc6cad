"""Slow loris: a crowd that holds connections open by sending a byte now and then, or none at all.

A process of its own, so that it takes no time from those whom it is to disturb; it says on standard output, again and again,
{"held": connections now, "opened": so far, "ended": of these, by the other side}, until its standard input ends."""

import collections
import errno
import itertools
import json
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time

from harness.sender import SIGNATURE_HEADER

ADDRESSES = 8  # 127.0.0.2 and so on: one has 28,000 ports
INTERVAL_S = 2.0  # between two bytes of a connection
AGAIN_S = 1.0  # from the end of a connection to the next in its place
SAY_S = 0.2
OPENED_AT_ONCE = 64  # a server's backlog is not what is tested


def beginnings(path):
    """What each kind begins with, and the byte that goes on for ever."""
    head = f"POST {path} HTTP/1.1\r\nHost: bridge\r\n"
    signed = f"{head}Content-Type: application/json\r\n{SIGNATURE_HEADER}: {'0' * 64}\r\n"
    return [(b"", b""), (b"POST /in/", b"a"), (head.encode() + b"X-A: ", b"a"), (f"{signed}Content-Length: 262144\r\n\r\n{{".encode(), b" "),
            (f"{signed}Transfer-Encoding: chunked\r\n\r\n".encode(), b"1\r\n \r\n")]


class Holder:
    def __init__(self, number, beginning, more):
        self.address, self.beginning, self.more = f"127.0.0.{2 + number % ADDRESSES}", beginning, more
        self.socket = None


class Crowd:
    """The loop of the process."""

    def __init__(self, port, count, path):
        kinds = itertools.cycle(beginnings(path))
        self.port, self.epoll, self.by_fd = port, select.epoll(), {}
        self.opened = self.ended = 0
        self.closed = collections.deque((0.0, Holder(n, *next(kinds))) for n in range(count))  # (when it opens, holder)
        self.dribbling = collections.deque()  # (when it sends, holder, its socket)

    def open(self, holder, now):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind((holder.address, 0))
        if s.connect_ex(("127.0.0.1", self.port)) not in (0, errno.EINPROGRESS):
            s.close()
            self.closed.append((now + AGAIN_S, holder))
            return
        holder.socket = s
        self.by_fd[s.fileno()] = holder
        self.epoll.register(s, select.EPOLLOUT | select.EPOLLIN)

    def end(self, holder, now):
        self.epoll.unregister(holder.socket)
        del self.by_fd[holder.socket.fileno()]
        holder.socket.close()
        holder.socket = None
        self.ended += 1
        self.closed.append((now + AGAIN_S, holder))

    def send(self, holder, data, now):
        try:
            holder.socket.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.end(holder, now)
            return
        self.dribbling.append((now + INTERVAL_S, holder, holder.socket))

    def react(self, fd, events, now):
        holder = self.by_fd.get(fd)
        if holder is None:
            return
        if events & ~select.EPOLLOUT:  # an answer, an end or a reset
            self.end(holder, now)
        else:
            self.opened += 1
            self.epoll.modify(fd, select.EPOLLIN)
            if holder.beginning:
                self.send(holder, holder.beginning, now)

    def turn(self):
        now = time.monotonic()
        for _ in range(OPENED_AT_ONCE):
            if not self.closed or self.closed[0][0] > now:
                break
            self.open(self.closed.popleft()[1], now)
        while self.dribbling and self.dribbling[0][0] <= now:
            _, holder, s = self.dribbling.popleft()
            if holder.socket is s:
                self.send(holder, holder.more, now)
        for fd, events in self.epoll.poll(0.005, 1024):
            self.react(fd, events, now)

    def run(self):
        stopping = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), stopping.set()), daemon=True).start()
        say_at = 0.0
        while not stopping.is_set():
            self.turn()
            if time.monotonic() >= say_at:
                say_at = time.monotonic() + SAY_S
                print(json.dumps({"held": len(self.by_fd), "opened": self.opened, "ended": self.ended}), flush=True)


class Loris:
    """The process: `with Loris(port, 10000, path) as loris`; it comes to its full number by and by."""

    def __init__(self, port, count, path):
        self.command = [sys.executable, "-m", "harness.loris", str(port), str(count), path]
        self.said = {"held": 0, "opened": 0, "ended": 0}

    def __enter__(self):
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        return self

    def __exit__(self, *_):
        ended_before = self.process.poll() is not None
        self.process.stdin.close()
        try:
            code = self.process.wait(timeout=20)
        finally:
            self.process.kill()
        self.listener.join(20)
        assert not ended_before and code == 0, f"there was no crowd: it exited with {code}"

    def _listen(self):
        with self.process.stdout as said:
            for line in said:
                self.said = json.loads(line)


def main():
    port, count, path = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Crowd(int(port), int(count), path).run()


if __name__ == "__main__":
    main()
