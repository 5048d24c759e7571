"""Restrict internal routes to internal networks; other clients get a 404."""

import ipaddress
from typing import TYPE_CHECKING, Annotated

from flask import Blueprint, request
from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from app.core import client_address
from app.core.config import CoreSettings, split
from app.core.errors import NotFound

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# A proxy adds one of these headers, and a request through a proxy comes from outside.
FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)


def _network(value: object) -> object:
    try:
        return ipaddress.ip_network(value) if isinstance(value, str) else value
    except ValueError:
        message = "must be networks such as 10.0.0.0/8, separated by commas"
        raise ValueError(message) from None


class InternalSettings(CoreSettings):
    """Internal routes."""

    internal_networks: Annotated[
        tuple[Annotated[Network, BeforeValidator(_network)], ...], NoDecode, BeforeValidator(split)
    ] = PRIVATE
    """The networks that may read internal routes such as /metrics, without a proxy between,
    separated by commas."""


def guard(blueprint: Blueprint, settings: InternalSettings) -> None:
    """Serve a blueprint's routes only to clients that connect directly from internal networks."""
    networks = settings.internal_networks

    @blueprint.before_request
    def refuse_outsiders() -> None:
        if not is_inside(request.environ, networks):
            raise NotFound


def is_inside(environ: "WSGIEnvironment", networks: tuple[Network, ...]) -> bool:
    """Return whether a client connects from an internal network, and not through a proxy."""
    if any(name in environ for name in FORWARDED):
        return False
    address = client_address.parsed(environ.get("REMOTE_ADDR", ""))
    return address is not None and any(address in network for network in networks)
