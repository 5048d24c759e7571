"""The roles of this service. Domains declare the scopes that each role holds (`docs/access.md`)."""

from enum import StrEnum


class Role(StrEnum):
    """The role of a principal."""

    USER = "user"
    ADMIN = "admin"
