"""TLS on the public listener: certificates are read again when their files change, clients may have to show one."""

import asyncio
import shutil
import socket
import ssl
import time

from harness import consumers
from harness.bridge import PATH, SECRET
from harness.sender import Connection, Load, encode, event, signed_request, statuses
from harness.tls import self_signed, signed_by


def trusting(*certificates, client=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    for certificate in certificates:
        context.load_verify_locations(certificate)
    if client:
        context.load_cert_chain(*client)
    return context


def post_over_tls(port, context, body=None):
    async def once():
        connection = Connection(port, ssl=context)
        try:
            return await connection.exchange(signed_request(PATH, body or encode(event(1)), SECRET), seconds=10)
        finally:
            await connection.close()

    return asyncio.run(once())


def shown_certificate(port):
    """What the bridge shows to a new connection, as PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s, context.wrap_socket(s) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))


def serve(start_bridge, kafka, certificate, key, client_ca=""):
    return start_bridge(kafka, {"ingress": {"tls": {"certificate_file": str(certificate), "key_file": str(key),
                                                    "client_ca_file": str(client_ca)}}})


def test_a_callback_over_tls_arrives_and_plain_http_does_not(kafka, start_bridge, tmp_path):
    certificate, key = self_signed(tmp_path, "localhost")
    bridge = serve(start_bridge, kafka, certificate, key)
    answer = post_over_tls(bridge.ingress_port, trusting(certificate))
    assert answer.status == 200, answer
    plain = post_over_tls(bridge.ingress_port, None)
    assert plain.status == 0, plain
    assert len(consumers.read_all(kafka, *bridge.topics.all)) == 1


def test_protocols_before_tls_1_2_are_refused(kafka, start_bridge, tmp_path):
    certificate, key = self_signed(tmp_path, "localhost")
    bridge = serve(start_bridge, kafka, certificate, key)
    for version, accepted in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        import subprocess
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{bridge.ingress_port}", version, "-cipher",
                               "DEFAULT@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        assert (done.returncode == 0) == accepted, version


def test_a_changed_certificate_is_shown_within_two_seconds_and_no_callback_fails(kafka, start_bridge, tmp_path):
    certificate, key = self_signed(tmp_path, "localhost")
    bridge = serve(start_bridge, kafka, certificate, key)
    (tmp_path / "new").mkdir()
    new_certificate, new_key = self_signed(tmp_path / "new", "localhost")
    context = trusting(certificate, new_certificate)

    class ShortLived(Load):
        """Every callback has a connection, and so a handshake, of its own."""

        def may_go_on(self, answer):
            return True

        async def _run(self):
            while not self._stopping:
                await self._turn()
                self._count += 1
                connection = Connection(self.port, ssl=context)
                body = encode(event(f"tls-{self._count}"))
                answer = await connection.exchange(signed_request(PATH, body, self.secret))
                self.answers.append((f"tls-{self._count}", answer))
                await connection.close()

    async def scenario():
        async with ShortLived(bridge.ingress_port, PATH, SECRET, connections=4, rate=60) as load:
            await load.answered(30)
            # The key first: for a moment they do not belong together, and the old pair has to stay.
            shutil.copy(new_key, key)
            shutil.copy(new_certificate, certificate)
            changed_at = time.monotonic()
            while await asyncio.to_thread(shown_certificate, bridge.ingress_port) != new_certificate.read_text():
                assert time.monotonic() < changed_at + 2, "still the old certificate"
            await load.answered(60)
        return load

    load = asyncio.run(scenario())
    assert statuses(a for _, a in load.answers) == {200: len(load.answers)}


def test_a_client_without_a_certificate_of_the_authority_is_refused(kafka, start_bridge, tmp_path):
    certificate, key = self_signed(tmp_path, "localhost")
    authority = self_signed(tmp_path, "clients")
    stranger = self_signed(tmp_path, "stranger")
    bridge = serve(start_bridge, kafka, certificate, key, authority[0])
    port = bridge.ingress_port
    assert post_over_tls(port, trusting(certificate, client=signed_by(tmp_path, authority, "maesn"))).status == 200
    assert post_over_tls(port, trusting(certificate)).status != 200
    assert post_over_tls(port, trusting(certificate, client=stranger)).status != 200
    assert len(consumers.read_all(kafka, *bridge.topics.all)) == 1
