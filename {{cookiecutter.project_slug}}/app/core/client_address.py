"""The address of a client: read in one way, whoever limits, counts or lets in by it."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


# {% if cookiecutter.rate_limiting or cookiecutter.auth == "jwt" %}
def network_of(text: str) -> str:
    """Return an IPv4 address, or an IPv6 network of 64 bits.

    One customer usually holds a whole /64 (RFC 6177), and can use every address in it.

    Raises:
        ValueError: when it is no address.

    """
    found = parsed(text)
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.ip_network((found.packed, 64), strict=False))


# {% endif %}
def parsed(text: str) -> Address:
    """Read an address; a socket for both kinds shows IPv4 inside IPv6 (RFC 4291, 2.5.5.2).

    Raises:
        ValueError: when it is no address.

    """
    found = ipaddress.ip_address(text)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
