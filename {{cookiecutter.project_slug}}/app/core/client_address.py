"""The address of a client, read in one place for limits, logs, traces and internal routes.

The server or the trusted proxy states the client's address. Some gateways add the client's port
(`203.0.113.6:4711`, as Azure's do), which may differ in each request, so that a limit by that text
would have no effect. So `ClientAddress` puts the bare address into the request before anything else
reads it, or an empty text if there is none.

X-Forwarded-For is split at its commas only. Werkzeug's `ProxyFix` honours quotes, and finds nothing
in a header where a client has sent an unclosed quote: the client would get the proxy's address.
"""

import ipaddress
import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from app.core import telemetry

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

logger = logging.getLogger(__name__)

# An address in the forms of RFC 7239 (6) and of gateways: with a port, in brackets, in quotes.
SPELLINGS = re.compile(
    r'"?(?:(?P<v4>[0-9.]{7,15})(?::[0-9]{1,5})?'
    r"|\[(?P<bracketed>[0-9A-Fa-f:.]{2,45})(?:%[^\]]{1,32})?\](?::[0-9]{1,5})?"
    r'|(?P<v6>[0-9A-Fa-f:.]{2,45})(?:%[^"]{1,32})?)"?',
    re.ASCII,
)
# {% if cookiecutter.rate_limiting or cookiecutter.auth == "jwt" %}
UNKNOWN = "unknown"
"""The network of all clients without a valid address, which share one limit."""
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as a NAT64 translator shows them to an IPv6-only server (RFC 6052, 2.1)."""
# {% endif %}


@lru_cache(maxsize=4_096)
def parsed(text: str) -> Address | None:
    """Parse an address; return None if it is invalid.

    A port, brackets and a zone are dropped. An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), as a
    dual-stack socket shows it, becomes IPv4.
    """
    found = SPELLINGS.fullmatch(text.strip())
    if found is None:
        return None
    try:
        address = ipaddress.ip_address(found["v4"] or found["bracketed"] or found["v6"])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


# {% if cookiecutter.rate_limiting or cookiecutter.auth == "jwt" %}
def network_of(text: str) -> str:
    """Return an IPv4 address, an IPv6 network of 64 bits, or UNKNOWN.

    One customer usually has a whole /64 (RFC 6177), and can use every address in it. Behind a NAT64
    translator all of IPv4 is in one /64, so the IPv4 address is returned instead.
    """
    found = parsed(text)
    if found is None:
        return UNKNOWN
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found in NAT64:
        return str(ipaddress.IPv4Address(found.packed[-4:]))
    return str(ipaddress.ip_network((found.packed, 64), strict=False))


# {% endif %}
class ClientAddress:
    """WSGI middleware that sets REMOTE_ADDR to the client's address, or to an empty text.

    `hops` is the number of trusted proxies that add to X-Forwarded-For.
    """

    def __init__(self, wsgi_app: "WSGIApplication", hops: int) -> None:
        self._wsgi_app = wsgi_app
        self._hops = hops
        self._warned = False

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve one request."""
        found = parsed(self._written(environ))
        if found is None and not self._warned:
            self._warned = True
            # All such clients share one rate limit.
            logger.warning("client address unknown", extra={telemetry.HEADER: "X-Forwarded-For"})
        environ["REMOTE_ADDR"] = str(found) if found else ""
        return self._wsgi_app(environ, start_response)

    def _written(self, environ: "WSGIEnvironment") -> str:
        """Return the entry of the first trusted proxy, or the address from the server.

        A request with fewer entries has not passed through all trusted proxies.
        """
        header: str = environ.get("HTTP_X_FORWARDED_FOR", "")
        entries = header.split(",") if header.strip() else []
        if 0 < self._hops <= len(entries):
            return entries[-self._hops]
        return str(environ.get("REMOTE_ADDR", ""))
