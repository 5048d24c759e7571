"""The URLs of shared servers (Redis and RabbitMQ), and their verification by TLS.

A server's certificate and host name are always verified, unless the URL disables that explicitly:
`?ssl_cert_reqs=none` or `?ssl_check_hostname=false`, the names of redis-py.
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
    """A parsed URL of a server."""

    url: str
    """The URL without its TLS parameters."""
    tls: dict[str, str | bool]
    """The TLS parameters, by redis-py's names; empty without TLS."""

    @property
    def verified(self) -> bool:
        """Whether TLS, where it is used, verifies the server's certificate and name."""
        return not self.tls or (
            self.tls["ssl_cert_reqs"] == "required" and bool(self.tls["ssl_check_hostname"])
        )


def read(url: SecretURL, ca_file: Path | None = None) -> ServerURL:
    """Read a URL of Redis or RabbitMQ.

    Raises:
        ValueError: states what is wrong with the URL, without quoting it.

    """
    text = url.get_secret_value()
    parts = urlsplit(text)
    if parts.scheme.startswith("redis") and not DATABASE.fullmatch(parts.path):
        message = "must end in the number of a Redis database, such as /0"
        raise ValueError(message)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    tls_parameters = {name: value for name, value in parameters if name.startswith("ssl_")}
    if tls_parameters and parts.scheme not in ENCRYPTED:
        message = f"has TLS parameters, which require {NAMED}"
        raise ValueError(message)
    for name, value in tls_parameters.items():
        if name not in FILES and value not in SWITCHES.get(name, ()):
            options = ", ".join(f"{each}={' or '.join(SWITCHES[each])}" for each in SWITCHES)
            message = (
                f"has an unknown TLS parameter; the known ones are {options}, {', '.join(FILES)}"
            )
            raise ValueError(message)
    if parts.scheme not in ENCRYPTED:
        # The client libraries accept schemes in lower case only; RFC 3986, 3.1, allows any case.
        return ServerURL(parts.scheme + text[len(parts.scheme) :], {})
    rest = urlencode([(name, value) for name, value in parameters if name not in tls_parameters])
    return ServerURL(parts._replace(query=rest).geturl(), _verification(tls_parameters, ca_file))


def _verification(parameters: dict[str, str], ca_file: Path | None) -> dict[str, str | bool]:
    required = parameters.get("ssl_cert_reqs", "required")
    by_name = required == "required" and parameters.get("ssl_check_hostname", "true") == "true"
    files = {name: parameters[name] for name in FILES if name in parameters}
    if ca_file:
        files["ssl_ca_certs"] = str(ca_file)
    return {**files, "ssl_cert_reqs": required, "ssl_check_hostname": by_name}


def check(url: SecretURL) -> None:
    """Check that a URL is valid, and that TLS can use the files that it names.

    Raises:
        ValueError: states what is wrong with the URL, without quoting it.

    """
    tls = read(url).tls
    certificates, certificate, key = (str(tls.get(name, "")) for name in FILES)
    try:
        if certificates:
            ssl.create_default_context(cafile=certificates)
        if certificate or key:
            # An empty password; otherwise OpenSSL would ask for an encrypted key's in the terminal.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_cert_chain(certificate, key or None, password=lambda: "")
    except OSError:
        message = "names a file that TLS cannot use; it must be readable and in PEM format"
        raise ValueError(message) from None


def needs_tls(value: Path | None, info: ValidationInfo, url: str) -> Path | None:
    """Refuse a CA file for a connection without TLS, where it would have no effect.

    Raises:
        ValueError: names the URL schemes that use TLS.

    """
    server = info.data.get(url)
    if value and server and urlsplit(server.get_secret_value()).scheme not in ENCRYPTED:
        message = f"requires TLS: {url.upper()} must begin with {NAMED}"
        raise ValueError(message)
    return value
