"""The scopes that each role holds. Domains declare their scopes; the core names none of them.

The service names its roles in `app/roles.py`.

A domain declares its scopes in `init_app`, before it registers the routes that require them:
`access.declare_scopes(app, {"notes:read": ("user", "admin")})`.
"""

from collections.abc import Collection, Iterable, Mapping

from flask import Flask

from app.core.extension import Extension


class Scopes:
    """The scopes of one application, by the roles that hold them."""

    def __init__(self, roles: Iterable[str]) -> None:
        """Begin with these roles, which hold no scopes."""
        self._declared: set[str] = set()
        self._held: dict[str, frozenset[str]] = dict.fromkeys(map(str, roles), frozenset())

    def declare(self, declared: Mapping[str, Collection[str]]) -> None:
        """Add the scopes of one domain, each with the roles that hold it.

        Raises:
            LookupError: for an unknown role.
            ValueError: for a scope that is already declared.

        """
        for scope, roles in declared.items():
            if unknown := set(roles) - self._held.keys():
                message = (
                    f"the scope {scope!r} is given to unknown roles: {', '.join(sorted(unknown))}; "
                    f"the roles are {', '.join(self._held)}"
                )
                raise LookupError(message)
            if scope in self._declared:
                message = f"the scope {scope!r} is declared twice"
                raise ValueError(message)
            self._declared.add(scope)
            for role in roles:
                self._held[role] |= {scope}

    def require(self, required: Collection[str]) -> None:
        """Make sure that each of these scopes is declared.

        Raises:
            LookupError: for a scope that is not declared: no role could hold it.

        """
        if unknown := set(required) - self._declared:
            message = (
                f"no domain declares these scopes: {', '.join(sorted(unknown))}; declare them with "
                "access.declare_scopes in init_app, before the routes that require them"
            )
            raise LookupError(message)

    def of_role(self, role: str) -> frozenset[str]:
        """Return the scopes that a role holds.

        Raises:
            LookupError: for an unknown role.

        """
        if role not in self._held:
            message = f"there is no role {role!r}; the roles are {', '.join(self._held)}"
            raise LookupError(message)
        return self._held[role]


scopes = Extension[Scopes]("scopes")


def declare_scopes(app: Flask, declared: Mapping[str, Collection[str]]) -> None:
    """Declare the scopes of a domain, each with the roles that hold it; see `Scopes.declare`."""
    scopes.of(app).declare(declared)


def scopes_of(role: str) -> frozenset[str]:
    """Return the scopes that a role holds in the current application; see `Scopes.of_role`."""
    return scopes.current.of_role(role)
