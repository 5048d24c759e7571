"""The domains of this service's own, which no update of the template changes.

`make domain` adds a domain here (docs/domains.md).
"""

from typing import Protocol

from flask import Flask


class Domain(Protocol):
    """A package with routes, rules and tables of its own."""

    __name__: str

    def init_app(self, app: Flask) -> object:
        """Set up the domain."""


DOMAINS: tuple[Domain, ...] = ()


def init_app(app: Flask) -> None:
    """Set up each domain."""
    for domain in DOMAINS:
        domain.init_app(app)
