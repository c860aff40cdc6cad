"""Bytes over a plain socket: what no HTTP client would send."""

import socket


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def receive(s, seconds, answers=1):
    """So many whole answers, or what came before the peer closed or reset or the time was over."""
    s.settimeout(seconds)
    data = b""
    try:
        while not holds(data, answers):
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except (TimeoutError, ConnectionResetError):
        pass
    return data


def holds(data, answers):
    """Whether so many whole answers are in data."""
    for _ in range(answers):
        status, headers, rest = parse(data)
        length = int(headers.get("content-length", 0))
        if not status or len(rest) < length:
            return False
        data = rest[length:]
    return True


def send(s, data):
    """Sends; a peer that has answered and closed already is no error."""
    try:
        s.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def parse(data):
    """(status, headers by lower-case name, body) of the first answer in data; status 0 when there is none."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return 0, {}, data
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status_line.split(" ")[1]), headers, body
