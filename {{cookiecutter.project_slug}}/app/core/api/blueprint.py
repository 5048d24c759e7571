"""Blueprints of the API, with strict arguments and documented problems."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar, cast

import flask_smorest
import marshmallow as ma
from flask import Flask
from flask.typing import RouteCallable

from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    errors,
    schemas,
)
from app.core.api.parsing import Parser
from app.core.http.cors import SAFE_METHODS

# Problems that any route may return: a Host that is not allowed, too many requests.
ANYWHERE = [
    400,
    # {% if cookiecutter.rate_limiting %}
    429,
    # {% endif %}
]

# Problems that any route that may change something may return.
OF_CHANGES = [
    403,  # a page of another site has sent the request
    # {% if cookiecutter.database != "none" %}
    409,  # a unique constraint, a foreign key, or a row that was changed meanwhile
    # {% endif %}
]

P = ParamSpec("P")
R = TypeVar("R")
Route = TypeVar("Route", bound=RouteCallable)


class Blueprint(flask_smorest.Blueprint):
    """A blueprint of the API, with strict arguments and documented problems."""

    ARGUMENTS_PARSER = Parser()

    def for_document(self, _app: Flask) -> "Blueprint":
        """Return the blueprint to describe in the document of an application: this one."""
        return self

    def route(self, rule: str, **options: Any) -> Callable[[Route], Route]:  # noqa: ANN401  Flask's signature
        """Serve a view; document its operationId and the problems of its methods.

        The operationId is made from the view's name: use a verb and a noun, `list_notes`.
        """
        serve = super().route(rule, **options)
        reads = SAFE_METHODS.issuperset(options.get("methods", SAFE_METHODS))
        problems = [] if reads else OF_CHANGES

        def decorate(view: Route) -> Route:
            named = self.doc(operationId=schemas.camel_case(view.__name__))(view)
            return serve(cast("Route", self.problems(*problems)(named)))

        return decorate

    # {% if cookiecutter.auth != "none" %}
    def requires(self, scope: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Require this scope, and document the requirement.

        Place it directly below `route`, above `arguments`: unauthenticated clients then learn
        nothing about the arguments. Registration fails for a scope that no domain has declared.
        """
        self.record(lambda state: access.scopes.of(state.app).require({scope}))

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            described = self.problems(401, 403)(self.doc(security=[{"token": [scope]}])(view))
            return access.scope_required(scope, described)

        return decorate

    def identifies(self) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Admit everyone, authenticate clients that send credentials, and document both.

        Place it as `requires`. `access.optional_principal()` is None without credentials; invalid
        ones are refused. A response that depends on the principal needs an ETag that does, too.
        """

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            described = self.problems(401)(self.doc(security=[{}, {"token": []}])(view))
            return access.identified(described)

        return decorate

    # {% endif %}
    def response(
        self,
        status_code: int,
        schema: type[ma.Schema] | ma.Schema | None = None,
        *,
        description: str | None = None,
        headers: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Document a route's own response, and the problems that any route may return."""
        document = super().response(status_code, schema, description=description, headers=headers)
        return lambda view: self.problems(*ANYWHERE)(document(view))

    def arguments(
        self, schema: type[ma.Schema] | ma.Schema, *, location: str = "json"
    ) -> Callable[[Callable[P, R]], Callable[..., R]]:
        """Read arguments; for a JSON body, document the problems 413 and 415."""
        read = super().arguments(schema, location=location)
        refusals = (413, 415) if location == "json" else ()
        return lambda view: self.problems(*refusals)(read(view))

    def problems(self, *statuses: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Document a route's problems, in addition to those that any route may return.

        Raises:
            LookupError: for a status that app.core.errors does not describe.

        """
        if undescribed := set(statuses) - set(errors.DETAILS):
            message = f"describe {sorted(undescribed)} in app.core.errors.DETAILS first"
            raise LookupError(message)

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            for status in statuses:
                view = self.alt_response(status, HTTPStatus(status).name)(view)
            return view

        return decorate
