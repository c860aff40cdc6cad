"""What a stranger, a broken proxy or a wrong key can send: each gets its code, learns nothing, and leaves no record."""

import base64
import hashlib
import hmac
import re
import socket
import time

import pytest

from harness import consumers, raw
from harness.bridge import PATH, SECRET, route
from harness.sender import SIGNATURE_HEADER, encode, event, post, request, sign

BODY = encode(event("bad-request"))
SIGNATURE = sign(SECRET, BODY)
MONEYBIRD = "/in/moneybird/bakery/by-hand"
OTHER_SECRET = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

# The connection is closed without an answer.
CUT = 0

TIMEOUTS = {"header_timeout_ms": 1000, "body_timeout_ms": 1000}
BODY_MAX = 65536


def mac(algorithm, key, body=BODY):
    return hmac.new(key, body, algorithm)


def signed(value, body=BODY, name=SIGNATURE_HEADER, path=PATH, method="POST"):
    """A request whose signature header has this value."""
    return request(path, body, {name: value}, method)


def framed(*lines, wire=BODY, version="HTTP/1.1"):
    """A correctly signed request with these header lines for its framing, and these bytes after its headers."""
    head = [f"POST {PATH} {version}", "Host: bridge", f"{SIGNATURE_HEADER}: {SIGNATURE}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + wire


def chunked(*chunks, trailer=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailer + b"\r\n"


def moneybird(timestamp, scheme="v1", secret=SECRET, separator=","):
    """A Moneybird push, signed at this time."""
    body = encode({"entity_type": "Contact", "entity_id": "1", "action": "contact_created"})
    digits = mac("sha256", secret.encode(), str(timestamp).encode() + b"." + body).hexdigest()
    return request(MONEYBIRD, body, {"Moneybird-Signature": f"t={timestamp}{separator}{scheme}={digits}"})


CL = f"Content-Length: {len(BODY)}"
NOW = int(time.time())

# what is wrong: (expected code, bytes)
ROWS = {
    # signatures
    "no signature": (401, request(PATH, BODY)),
    "an empty signature": (401, signed("")),
    "a signature of other bytes": (401, signed(sign(SECRET, BODY + b"\n"))),
    "the body re-serialised after signing": (401, signed(SIGNATURE, BODY.replace(b",", b", "))),
    "one byte of the body changed": (401, signed(SIGNATURE, BODY.replace(b"bad-request", b"bad-requesT"))),
    "one digit of the signature changed": (401, signed(("0" if SIGNATURE[0] != "0" else "1") + SIGNATURE[1:])),
    "63 digits": (401, signed(SIGNATURE[:-1])),
    "65 digits": (401, signed(SIGNATURE + "0")),
    "a signature and more behind it": (401, signed(SIGNATURE + " trailing")),
    "64 characters that are no digits": (401, signed("g" * 64)),
    "the usual prefix sha256=": (401, signed("sha256=" + SIGNATURE)),
    "base64 instead of hex": (401, signed(base64.b64encode(mac("sha256", SECRET.encode()).digest()).decode())),
    "the secret's hex decoded for a key": (401, signed(mac("sha256", bytes.fromhex(SECRET)).hexdigest())),
    "the secret with its newline for a key": (401, signed(mac("sha256", SECRET.encode() + b"\n").hexdigest())),
    "the secret in upper case for a key": (401, signed(mac("sha256", SECRET.upper().encode()).hexdigest())),
    "an empty key": (401, signed(mac("sha256", b"").hexdigest())),
    "another route's secret": (401, signed(sign(OTHER_SECRET, BODY))),
    "a hash without a key": (401, signed(hashlib.sha256(BODY).hexdigest())),
    "SHA-1": (401, signed(mac("sha1", SECRET.encode()).hexdigest())),
    "SHA-512": (401, signed(mac("sha512", SECRET.encode()).hexdigest())),
    "SHA-512 cut to 64 digits": (401, signed(mac("sha512", SECRET.encode()).hexdigest()[:64])),
    "the signature of an empty body": (401, signed(sign(SECRET, b""))),
    "the signature in another provider's header": (401, signed(SIGNATURE, name="X-Hub-Signature-256")),
    "the signature in the query string": (401, request(f"{PATH}?{SIGNATURE_HEADER}={SIGNATURE}", BODY)),
    "the signature in a cookie": (401, signed(f"{SIGNATURE_HEADER}={SIGNATURE}", name="Cookie")),
    "a list of signatures": (401, signed(f"{SIGNATURE},{SIGNATURE}")),
    "a signature of 4000 digits": (401, signed("0" * 4000)),
    "two signature headers, equal": (400, framed(CL, f"{SIGNATURE_HEADER}: {SIGNATURE}")),
    "two signature headers, the second one wrong": (400, framed(CL, f"{SIGNATURE_HEADER.lower()}: {'0' * 64}")),
    "Moneybird: signed ten minutes ago": (401, moneybird(NOW - 600)),
    "Moneybird: signed hours ahead": (401, moneybird(NOW + 9000)),
    "Moneybird: another scheme only": (401, moneybird(NOW, scheme="v0")),
    "Moneybird: another secret": (401, moneybird(NOW, secret=OTHER_SECRET)),
    "Moneybird: a list with another separator": (401, moneybird(NOW, separator=";")),
    "Moneybird: a time that is none": (401, moneybird("now")),
    "Moneybird: a time beyond 64 bits": (401, moneybird("99999999999999999999999")),
    "Moneybird: signed as Maesn does": (401, signed(SIGNATURE, path=MONEYBIRD)),
    # framing
    "two Content-Lengths, equal": (400, framed(CL, CL)),
    "two Content-Lengths, the second one shorter": (400, framed(CL, "Content-Length: 5")),
    "two Content-Lengths in one line": (400, framed(f"{CL}, {len(BODY)}")),
    "Content-Length and chunked": (400, framed(CL, "Transfer-Encoding: chunked")),
    "chunked and Content-Length": (400, framed("Transfer-Encoding: chunked", "Content-Length: 4", wire=chunked(BODY))),
    "an encoding before chunked": (400, framed("Transfer-Encoding: gzip, chunked", wire=chunked(BODY))),
    "two Transfer-Encodings": (400, framed("Transfer-Encoding: chunked", "Transfer-Encoding: identity", wire=chunked(BODY))),
    "Transfer-Encoding: identity": (400, framed("Transfer-Encoding: identity")),
    "Transfer-Encoding with a vertical tab": (400, framed("Transfer-Encoding: \x0bchunked", wire=chunked(BODY))),
    "a negative Content-Length": (400, framed("Content-Length: -1")),
    "a Content-Length with a sign": (400, framed(f"Content-Length: +{len(BODY)}")),
    "a Content-Length that is no number": (400, framed("Content-Length: many")),
    "a hexadecimal Content-Length": (400, framed("Content-Length: 0x20")),
    "a chunk size that is no number": (400, framed("Transfer-Encoding: chunked", wire=b"zz\r\n" + BODY)),
    "no Host": (400, b"POST %s HTTP/1.1\r\n%s\r\n\r\n%s" % (PATH.encode(), CL.encode(), BODY)),
    "not HTTP": (None, b"hello\r\n\r\n"),
    "an unknown expectation": (417, framed(CL, "Expect: a-miracle")),
    # sizes
    "a Content-Length over the cap": (413, framed(f"Content-Length: {BODY_MAX + 1}", wire=b"")),
    "a Content-Length of terabytes": (413, framed("Content-Length: 9999999999999", wire=b"")),
    "chunks over the cap": (413, framed("Transfer-Encoding: chunked", wire=chunked(*[b"x" * 8192] * 9))),
    "a body over the cap, all of it sent": (413, signed(sign(SECRET, b"x" * (BODY_MAX + 1)), b"x" * (BODY_MAX + 1))),
    "a header block too large": (431, framed(CL, *[f"X-Filler-{n}: {'x' * 1000}" for n in range(40)])),
    "one header too large": (431, framed(CL, f"X-Filler: {'x' * 60000}")),
    # methods
    "GET": (405, signed(SIGNATURE, b"", method="GET")),
    "HEAD": (405, signed(SIGNATURE, b"", method="HEAD")),
    "PUT": (405, signed(SIGNATURE, method="PUT")),
    "PATCH": (405, signed(SIGNATURE, method="PATCH")),
    "DELETE": (405, signed(SIGNATURE, b"", method="DELETE")),
    "OPTIONS": (405, signed(SIGNATURE, b"", method="OPTIONS")),
    "TRACE": (405, signed(SIGNATURE, b"", method="TRACE")),
    "a method nobody knows": (405, signed(SIGNATURE, method="BREW")),
    "post in lower case": (405, signed(SIGNATURE, method="post")),
    # paths
    "a path nobody declared": (404, signed(SIGNATURE, path="/in/maesn/acme-42/other")),
    "the path and a slash": (404, signed(SIGNATURE, path=PATH + "/")),
    "the path in upper case": (404, signed(SIGNATURE, path=PATH.upper())),
    "a part of the path": (404, signed(SIGNATURE, path=PATH[:-1])),
    "a path with two slashes": (404, signed(SIGNATURE, path="/" + PATH)),
    "a path with dots": (404, signed(SIGNATURE, path="/in/maesn/../maesn/acme-42/by-hand")),
    "a path with an encoded NUL": (404, signed(SIGNATURE, path=PATH + "%00")),
    "the root": (404, signed(SIGNATURE, path="/")),
    "the admin listener's path": (404, request("/metrics", b"", method="GET")),
    "an unknown path and a body over the cap": (404, request("/in/nobody", b"x" * (BODY_MAX + 1))),
    "an unknown path and a wrong method": (404, request("/in/nobody", b"", method="DELETE")),
    # other protocols
    "HTTP/2 with prior knowledge": (None, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a TLS greeting": (None, bytes.fromhex("160301006f0100006b0303") + b"\0" * 107 + b"\r\n\r\n"),
    "nothing but zeros": (None, b"\0" * 64 + b"\r\n\r\n"),
}

INTERNALS = re.compile(rb"microhttpd|rdkafka|kafka|jansson|openssl|gnutls|secret|hmac|expected|[0-9a-f]{32}|\.c:|\.h:|/bridge/|0x"
                       rb"|127\.0\.0\.1|acme|errno|invalid key", re.IGNORECASE)


def check_is_discreet(answer, what):
    """The answer is short and says nothing of the inside."""
    _, headers, body = raw.parse(answer)
    assert len(body) < 400, f"{what}: {answer}"
    assert not INTERNALS.search(answer), f"{what}: {answer}"
    assert not {"server", "set-cookie", "x-powered-by"} & headers.keys(), f"{what}: {answer}"


@pytest.fixture
def guarded(kafka, start_bridge):
    """A bridge with a Maesn and a Moneybird route, small limits, and short patience."""
    return start_bridge(
        kafka, {"ingress": {"body_max_bytes": BODY_MAX, **TIMEOUTS}},
        routes=[route(), route("other", secret_file="../secrets/other"),
                {"path": MONEYBIRD, "provider": "moneybird", "account": "bakery", "system": "moneybird",
                 "secret_file": "../secrets/acme-xero"}], secrets={"other": OTHER_SECRET})


def check_nothing_but_the_control_was_produced(kafka, bridge):
    assert post(bridge.ingress_port, PATH, BODY, SECRET).status == 200
    assert [r.value.startswith(BODY[:-1]) for r in consumers.read_all(kafka, *bridge.topics.all)] == [True]


def test_each_bad_request_gets_its_code_says_nothing_of_the_inside_and_produces_nothing(kafka, guarded):
    assert len(ROWS) >= 40
    wrong = []
    for what, (code, data) in ROWS.items():
        with raw.connect(guarded.ingress_port) as s:
            raw.send(s, data)
            s.shutdown(socket.SHUT_WR)
            answer = raw.receive(s, 5)
        status, headers, _ = raw.parse(answer)
        # Another protocol may be answered 400 or not at all.
        if not (status == code or (code is None and (status == 0 or 400 <= status <= 505))):
            wrong.append(f"{what}: {status} instead of {code}: {answer[:200]}")
        if status == 405:
            assert headers["allow"] == "POST", what
        check_is_discreet(answer, what)
    assert not wrong, "\n".join(wrong)
    check_nothing_but_the_control_was_produced(kafka, guarded)


def slow(*parts):
    """Sends the parts with the connection open and returns what comes back, and after how long."""
    def play(s):
        for part in parts:
            raw.send(s, part)
    return play


def trickle(first, rest):
    """Sends `first` at once and then byte by byte, never so long silent that an inactivity timeout would see it."""
    def play(s):
        raw.send(s, first)
        s.settimeout(0.2)
        end = time.monotonic() + 6
        for byte in rest:
            raw.send(s, bytes([byte]))
            try:
                if s.recv(1, socket.MSG_PEEK) is not None:
                    return
            except TimeoutError:
                pass
            except ConnectionResetError:
                return
            assert time.monotonic() < end, "it may trickle for ever"
    return play


def half_closed(data):
    def play(s):
        raw.send(s, data)
        s.shutdown(socket.SHUT_WR)
    return play


GOOD = signed(SIGNATURE)
HEAD, SEPARATOR, _ = GOOD.partition(b"\r\n\r\n")

# who never finishes: (expected codes, what is played)
UNFINISHED = {
    "connects and says nothing": ((CUT, 408), slow()),
    "half a request line": ((CUT, 408), slow(b"POST /in")),
    "headers without an end": ((CUT, 408), slow(HEAD)),
    "headers byte by byte": ((CUT, 408), trickle(b"", HEAD * 10)),
    "headers and no body": ((CUT, 408), slow(HEAD + SEPARATOR)),
    "a body byte by byte": ((CUT, 408), trickle(HEAD + SEPARATOR, BODY)),
    "chunks without an end": ((CUT, 408), slow(framed("Transfer-Encoding: chunked", wire=b"5\r\nhello\r\n"))),
    "a half-closed half body": ((400,), half_closed(GOOD[:-5])),
    "a half-closed half header": ((400,), half_closed(HEAD)),
}


@pytest.mark.parametrize("what", UNFINISHED)
def test_who_never_finishes_is_cut(kafka, guarded, what):
    codes, play = UNFINISHED[what]
    with raw.connect(guarded.ingress_port) as s:
        play(s)
        answer = raw.receive(s, 5)
        status, _, _ = raw.parse(answer)
        assert status in codes, answer
        s.settimeout(5)
        try:
            while s.recv(4096):
                pass  # the end of an answer
        except TimeoutError:
            pytest.fail("the connection is still open")
        except ConnectionResetError:
            pass
    check_is_discreet(answer, what)
    check_nothing_but_the_control_was_produced(kafka, guarded)


def test_refusals_are_counted_and_listed_without_bodies_or_signatures(kafka, guarded):
    import json
    wrong = sign(SECRET, b"other bytes")
    for data in (signed(wrong), request(PATH, BODY), request("/in/nobody", BODY), moneybird(NOW - 600)):
        with raw.connect(guarded.ingress_port) as s:
            raw.send(s, data)
            s.shutdown(socket.SHUT_WR)
            raw.receive(s, 5)
    status, text = guarded.admin("/rejections.json")
    assert status == 200
    refusals = json.loads(text)["rejections"]
    assert [r["status"] for r in refusals] == [401, 404, 401, 401]
    assert wrong not in text and "resourceId" not in text and SECRET not in text
    for result in ("bad", "missing", "stale"):
        assert guarded.metric("maesn_bridge_signature_verifications_total", result=result) == 1, result
    assert guarded.metric("maesn_bridge_http_requests_total", code="401") == 3
    assert guarded.metric("maesn_bridge_http_requests_total", code="404") == 1


def test_what_is_unusual_but_right_is_accepted(kafka, guarded):
    good = {
        "chunked": framed("Transfer-Encoding: chunked", wire=chunked(BODY[:10], BODY[10:])),
        "chunked with a trailer": framed("Transfer-Encoding: chunked", wire=chunked(BODY, trailer=b"X-Trailer: 1\r\n")),
        "HTTP/1.0": framed(CL, version="HTTP/1.0"),
        "a query string": signed(SIGNATURE, path=PATH + "?a=b"),
        "an encoded path": signed(SIGNATURE, path=PATH.replace("by-hand", "by%2Dhand")),
        "half-closed after the body": GOOD,
    }
    for what, data in good.items():
        with raw.connect(guarded.ingress_port) as s:
            raw.send(s, data)
            s.shutdown(socket.SHUT_WR)
            assert raw.parse(raw.receive(s, 5))[0] == 200, what
    with raw.connect(guarded.ingress_port) as s:
        raw.send(s, framed(CL, "Expect: 100-continue", wire=b""))
        assert s.recv(100).startswith(b"HTTP/1.1 100")
        raw.send(s, BODY)
        s.shutdown(socket.SHUT_WR)
        assert raw.parse(raw.receive(s, 5))[0] == 200
    with raw.connect(guarded.ingress_port) as s:
        raw.send(s, GOOD * 3)
        s.shutdown(socket.SHUT_WR)
        assert raw.receive(s, 5, answers=3).count(b"HTTP/1.1 200") == 3
    assert len(consumers.read_all(kafka, *guarded.topics.all)) == len(good) + 4
