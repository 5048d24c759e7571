"""Blueprints of the API: strict arguments, documented problems and who may call."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar, cast

import flask_smorest
import marshmallow as ma
from flask.typing import RouteCallable

from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    errors,
)
from app.core.api import openapi
from app.core.api.parsing import Parser
from app.core.http.cors import SAFE_METHODS

# The problems of any route: a Host that is not ours, a share that is used up.
ANYWHERE = [
    400,
    # {% if cookiecutter.rate_limiting %}
    429,
    # {% endif %}
]

P = ParamSpec("P")
R = TypeVar("R")
Route = TypeVar("Route", bound=RouteCallable)


class Blueprint(flask_smorest.Blueprint):
    """A blueprint of the API, with strict arguments and documented problems."""

    ARGUMENTS_PARSER = Parser()

    def route(self, rule: str, **options: Any) -> Callable[[Route], Route]:  # noqa: ANN401  Flask's signature
        """Serve a view, and document its name and that pages of other sites may change nothing.

        The view's name becomes the operationId: call it by a verb and a noun, `list_notes`.
        """
        serve = super().route(rule, **options)
        reads = SAFE_METHODS.issuperset(options.get("methods", SAFE_METHODS))
        refusals = () if reads else (403,)

        def decorate(view: Route) -> Route:
            named = self.doc(operationId=openapi.operation_id(view.__name__))(view)
            return serve(cast("Route", self.problems(*refusals)(named)))

        return decorate

    # {% if cookiecutter.auth != "none" %}
    def requires(self, scope: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Let in only callers with this scope, and say so in the document.

        It belongs right below `route`, above what reads arguments: a stranger then learns nothing
        of them. A scope that no domain has declared is an error when the blueprint is registered.
        """
        self.record(lambda state: access.scopes.of(state.app).require({scope}))

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            described = self.problems(401, 403)(self.doc(security=[{"token": [scope]}])(view))
            return access.guarded(scope, described)

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
        """Document a route's own answer, and the problems that any route may answer."""
        document = super().response(status_code, schema, description=description, headers=headers)
        return lambda view: self.problems(*ANYWHERE)(document(view))

    def arguments(
        self, schema: type[ma.Schema] | ma.Schema, *, location: str = "json"
    ) -> Callable[[Callable[P, R]], Callable[..., R]]:
        """Read arguments, and document how a body may be refused."""
        read = super().arguments(schema, location=location)
        refusals = (413, 415) if location == "json" else ()
        return lambda view: self.problems(*refusals)(read(view))

    def problems(self, *statuses: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Document the problems that a route answers besides those that any route may.

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
