"""URLs of the servers that processes share, Redis and RabbitMQ, and how TLS verifies them.

A server's certificate and name are always verified, unless the URL says otherwise by name:
`?ssl_cert_reqs=none` or `?ssl_check_hostname=false`, as redis-py calls it.
"""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import ValidationInfo

from app.core.config.secret_url import SecretURL

ENCRYPTED = ("amqps", "rediss")
NAMED = "amqps:// or rediss://"
SWITCHES = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
DATABASE = re.compile(r"/?\d*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ServerURL:
    """What a URL says."""

    url: str
    """Without what it says about TLS."""
    tls: dict[str, str | bool]
    """How the server is verified, by redis-py's names; empty without TLS."""

    @property
    def verified(self) -> bool:
        """Whether another server cannot pass for this one, as far as TLS is used."""
        return not self.tls or (
            self.tls["ssl_cert_reqs"] == "required" and bool(self.tls["ssl_check_hostname"])
        )


def read(url: SecretURL, ca_file: Path | None = None) -> ServerURL:
    """Read a URL of Redis or RabbitMQ.

    Raises:
        ValueError: with what is wrong about it, and never with a part of it.

    """
    text = url.get_secret_value()
    parts = urlsplit(text)
    if parts.scheme.startswith("redis") and not DATABASE.fullmatch(parts.path):
        message = "must end in the number of a Redis database, such as /0"
        raise ValueError(message)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    said = {name: value for name, value in parameters if name.startswith("ssl_")}
    if said and parts.scheme not in ENCRYPTED:
        message = f"has parameters of TLS, which needs {NAMED}"
        raise ValueError(message)
    for name, value in said.items():
        if name not in FILES and value not in SWITCHES.get(name, ()):
            options = ", ".join(f"{each}={' or '.join(SWITCHES[each])}" for each in SWITCHES)
            message = f"has an unknown parameter of TLS; known are {options}, {', '.join(FILES)}"
            raise ValueError(message)
    if parts.scheme not in ENCRYPTED:
        # The clients know their schemes in lower case alone (RFC 3986, 3.1, takes any).
        return ServerURL(parts.scheme + text[len(parts.scheme) :], {})
    rest = urlencode([(name, value) for name, value in parameters if name not in said])
    return ServerURL(parts._replace(query=rest).geturl(), _verification(said, ca_file))


def _verification(said: dict[str, str], ca_file: Path | None) -> dict[str, str | bool]:
    required = said.get("ssl_cert_reqs", "required")
    by_name = required == "required" and said.get("ssl_check_hostname", "true") == "true"
    files = {name: said[name] for name in FILES if name in said}
    if ca_file:
        files["ssl_ca_certs"] = str(ca_file)
    return {**files, "ssl_cert_reqs": required, "ssl_check_hostname": by_name}


def check(url: SecretURL) -> None:
    """Refuse a URL that cannot be read, and one that names files that TLS cannot use.

    Raises:
        ValueError: with what is wrong about it, and never with a part of it.

    """
    said = read(url).tls
    certificates, certificate, key = (str(said.get(name, "")) for name in FILES)
    try:
        if certificates:
            ssl.create_default_context(cafile=certificates)
        if certificate or key:
            # Without a password; a key that has one would be asked for in the terminal.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_cert_chain(certificate, key or None, password=lambda: "")
    except OSError:
        message = "names a file that TLS cannot use: it must be a readable one in PEM"
        raise ValueError(message) from None


def needs_tls(value: Path | None, info: ValidationInfo, url: str) -> Path | None:
    """Refuse certificates for a connection without TLS: whoever names them expects it.

    Raises:
        ValueError: with what to do about it.

    """
    server = info.data.get(url)
    if value and server and urlsplit(server.get_secret_value()).scheme not in ENCRYPTED:
        message = f"needs TLS: {url.upper()} must begin with {NAMED}"
        raise ValueError(message)
    return value
