"""Where servers of a test listen."""

import itertools
import os
import pathlib
import random
import re
import socket
import zlib

LOWEST, HIGHEST = 10000, 65535
WORKERS_MAX = 16  # processes that test side by side
ENOUGH = 8000  # for all of them


def _own_ports():
    """This process's share of the ports that no client's socket is given: a server that is ended and started again would find such
    a one taken. Where clients may have nearly all, the share is of all."""
    lowest_of_clients = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    beyond = lowest_of_clients if lowest_of_clients >= LOWEST + ENOUGH else HIGHEST + 1
    worker = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", "0"))
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))  # another one may be under way
    share = (zlib.crc32(run.encode()) + int(worker[0])) % WORKERS_MAX
    ports = list(range(LOWEST, beyond))[share::WORKERS_MAX]
    random.shuffle(ports)
    return ports


_ports = _own_ports()
_candidates = itertools.cycle(_ports)


def _is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count):
    """So many ports that nobody listens on; the next calls return others, until all had their turn."""
    found = list(itertools.islice(filter(_is_free, itertools.islice(_candidates, len(_ports))), count))
    assert len(found) == count, f"only {len(found)} of {len(_ports)} ports are free"
    return found


def is_listening(port, host="127.0.0.1"):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((host, port)) == 0
