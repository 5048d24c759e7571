"""URLs that contain secrets, such as DATABASE_URL; the secrets are masked wherever they print."""

import re
from urllib.parse import SplitResult, urlsplit

from pydantic import Secret

MASK = "***"
PLAIN = re.compile(r"[\w.:/%+-]*", re.ASCII)  # no character that could start another parameter
SHOWN_PARAMETERS = frozenset(
    {
        "application_name",
        "channel_binding",
        "charset",
        "client_encoding",
        "connect_timeout",
        "db",
        "gssencmode",
        "health_check_interval",
        "heartbeat",
        "host",
        "hostaddr",
        "load_balance_hosts",
        "mode",
        "port",
        "protocol",
        "socket_connect_timeout",
        "socket_timeout",
        "ssl",
        "ssl_ca",
        "ssl_ca_certs",
        "ssl_cert",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_verify_cert",
        "ssl_verify_identity",
        "sslcert",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
        "timeout",
        "unix_socket",
    }
)
"""The parameters of a URL that are known to contain no secret; all others are masked."""


def masked_url(url: str) -> str:
    """Return a URL with its user info, unknown parameters and fragment masked.

    It is rebuilt from its parts (RFC 3986). A URL that cannot be parsed becomes `***`, and so does
    one with an `@` after its host: a password with an unencoded `/`, `?` or `#` looks like that.
    """
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return MASK
    scheme, behind = f"{parts.scheme}://", parts.path + parts.query + parts.fragment
    if not url.isprintable() or not url.lower().startswith(scheme) or "@" in behind:
        return MASK
    _, at, host = parts.netloc.rpartition("@")
    parameters = "&".join(map(_masked_parameter, parts.query.split("&")))
    return "".join(
        (
            f"{scheme}{MASK if at else ''}{at}{host}{parts.path}",
            f"?{parameters}" if parts.query else "",
            f"#{MASK}" if parts.fragment else "",
        )
    )


def _masked_parameter(parameter: str) -> str:
    name, assigned, value = parameter.partition("=")
    if name.lower() in SHOWN_PARAMETERS and PLAIN.fullmatch(value):
        return parameter
    return f"{name}={MASK}" if assigned else MASK


class SecretURL(Secret[str]):
    """A URL whose secrets are masked when it is printed."""

    def _display(self) -> str:
        return masked_url(self.get_secret_value())

    def parts(self, *schemes: str) -> SplitResult | None:
        """Return the URL's parts; None without one of these schemes, a host and a valid port."""
        try:
            parts = urlsplit(self.get_secret_value())
            valid = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            return None
        return parts if valid else None
