"""A TLS server on loopback, with a self-signed certificate."""

import contextlib
import datetime as dt
import ipaddress
import socketserver
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class TLSServer:
    """A running TLS server and the results of its handshakes."""

    port: int
    ca_file: Path
    """The certificate. A client that trusts it trusts this server."""
    accepted: list[bool] = field(default_factory=list)
    """For each connection, whether the client accepted the certificate."""


def certify(folder: Path, *names: str) -> tuple[Path, Path]:
    """Write a self-signed certificate and its key; return their paths.

    The names are IP addresses or DNS names of the server.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(own, own, key.public_key(), 1, now, now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([*map(_name, names)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = (folder / "certificate.pem", folder / "key.pem")
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def _name(text: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(text))
    return x509.DNSName(text)


@contextlib.contextmanager
def tls_server(folder: Path, *names: str, response: bytes = b"") -> Iterator[TLSServer]:
    """Run a server that sends `response` after the handshake and closes the connection."""
    certificate, key = certify(folder, *names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                connection = context.wrap_socket(self.request, server_side=True)
            except OSError:
                running.accepted.append(False)
                return
            running.accepted.append(True)
            with contextlib.suppress(OSError):
                connection.recv(65_536)
                connection.sendall(response)
            connection.close()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        running = TLSServer(cast("tuple[str, int]", listening.server_address)[1], certificate)
        Thread(target=listening.serve_forever, args=(0.01,)).start()
        try:
            yield running
        finally:
            listening.shutdown()
