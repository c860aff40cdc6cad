"""Bytes over a plain socket: what no HTTP client would send."""

import socket


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def receive(s, seconds):
    """Everything until the peer closes; what came before a reset or the end of the time as well."""
    s.settimeout(seconds)
    data = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except (TimeoutError, ConnectionResetError):
        return data


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
