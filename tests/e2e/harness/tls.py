"""Certificates, made by openssl when a test wants one."""

import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def self_signed(directory, name):
    """(certificate file, key file) of a certificate for `name` that signs itself; it can sign others too."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key),
            "-out", str(certificate))
    return certificate, key


def signed_by(directory, authority, name):
    """(certificate file, key file) of a certificate signed by the (certificate, key) of `authority`."""
    certificate, key, request = (directory / f"{name}.{end}" for end in ("crt", "key", "csr"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-subj", f"/CN={name}",
            "-keyout", str(key), "-out", str(request))
    openssl("x509", "-req", "-in", str(request), "-CA", str(authority[0]), "-CAkey", str(authority[1]), "-CAcreateserial",
            "-days", "2", "-out", str(certificate))
    return certificate, key
