"""The versioned API: its OpenAPI document, its documentation page and how bodies are read."""

import json
from collections.abc import Callable, Mapping
from functools import (
    cache,
    # {% if cookiecutter.auth != "none" %}
    wraps,
    # {% endif %}
)
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar, cast

import click
import flask_smorest
import marshmallow as ma
import orjson
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Request, Response, request, send_from_directory
from flask.json.provider import JSONProvider
from flask.typing import RouteCallable
from webargs.core import missing
from webargs.flaskparser import FlaskParser, abort
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType

from app.core import (
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    errors,
    openapi,
    security,
    # {% if cookiecutter.webhooks %}
    signatures,
    # {% endif %}
    text,
    url_prefix,
)
from app.core.config import CoreSettings
from app.core.cors import SAFE_METHODS

TITLE = "{{cookiecutter.project_name}}"
DESCRIPTION = "{{cookiecutter.description}}"
AUTHOR = "{{cookiecutter.author}}"
LICENSE = Path(__file__).with_name("license.json")
ASSETS = Path(str(files("flask_swagger_ui"))) / "dist"
PAGE = Path(__file__).parent / "docs_page"
DOCS_FILES = {"start.js": PAGE, "swagger-ui.css": ASSETS, "swagger-ui-bundle.js": ASSETS}
# Swagger UI styles its elements inline; scripts come from files of this service alone.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    f"img-src 'self' data:; connect-src 'self'; {security.POLICY}"
)
A_DAY = 86_400  # seconds

MAXIMUM_DEPTH = 32  # arrays and objects within each other, in a body

# The problems of any route: a Host that is not ours, a share that is used up.
ANYWHERE = [
    400,
    # {% if cookiecutter.rate_limiting %}
    429,
    # {% endif %}
]
PROBLEM = {"$ref": "#/components/schemas/Problem"}
TWICE = "Was sent more than once."

P = ParamSpec("P")
R = TypeVar("R")
Route = TypeVar("Route", bound=RouteCallable)


class ApiSettings(CoreSettings):
    """What the API can be told."""

    api_docs: bool = True


class ORJSONProvider(JSONProvider):
    """JSON by orjson: several times faster, strict, and it knows UUIDs, dates and dataclasses."""

    def dumps(self, obj: object, **kwargs: Any) -> str:  # noqa: ANN401, ARG002  Flask's own options
        """Serialise to JSON text; layout options are ignored."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:  # noqa: ANN401, ARG002
        """Parse JSON; NaN, Infinity and bodies nested beyond reason are errors."""
        return orjson.loads(s)


class RepeatedName(ValueError):  # noqa: N818  it is what a body has
    """A JSON object has two members with one name."""


class _Parser(FlaskParser):
    """Reads arguments strictly: nothing that a client sends is dropped in silence.

    Unknown query parameters, repeated ones, members with one name and other media types are refused.
    """

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012  webargs declares it so
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": ma.RAISE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:  # noqa: ANN401, ARG002
        """Parse the body; a body of another media type is a 415, not an empty one."""
        body = raw_body(req)
        if not body:
            return missing
        if not _is_plain_json(req):
            raise UnsupportedMediaType
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            _refuse_body("The body is not valid JSON.")
        if body.count(b"[") + body.count(b"{") > MAXIMUM_DEPTH and _is_deep(value):
            _refuse_body(f"The body is nested deeper than {MAXIMUM_DEPTH} levels.")
        try:
            # orjson keeps the last of two members with one name. A proxy that checks bodies may keep
            # the first, so such objects are refused (RFC 7493, 2.3).
            json.loads(body, object_pairs_hook=_once, parse_int=str, parse_float=str)
        except RepeatedName:
            _refuse_body("An object in the body has two members with the same name.")
        # JSON writes a NUL in no other way (RFC 8259, 7), so most bodies are not walked through.
        if rb"\u0000" in body and (wrong := text.nul_errors(value)):
            abort(422, messages={"json": wrong})
        return value

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:  # noqa: ANN401
        """Read the query; a parameter that is no list may be there once.

        Raises:
            ValidationError: names the parameters that are there more often.

        """
        repeated = {name for name, values in req.args.lists() if len(values) > 1}
        # Those that are unknown are refused as such, without their names.
        found = sorted(repeated & _single(schema)) if repeated else []
        if found:
            raise ma.ValidationError({name: [TWICE] for name in found})
        return super().load_querystring(req, schema)


def _single(schema: ma.Schema) -> set[str]:
    """Return the names of fields that hold one value."""
    return {
        field.data_key or name
        for name, field in schema.fields.items()
        if not isinstance(field, ma.fields.List | ma.fields.Tuple)
    }


def _once(members: list[tuple[str, object]]) -> None:
    if len(dict(members)) < len(members):
        raise RepeatedName


def _is_plain_json(request: Request) -> bool:
    """Tell whether the body says it is JSON in UTF-8 (RFC 8259, 8.1), not compressed."""
    return (
        request.mimetype == "application/json"
        and request.mimetype_params.get("charset", "utf-8").lower() in {"utf-8", "utf8"}
        and request.headers.get("Content-Encoding", "identity").lower() == "identity"
    )


def _is_deep(value: object) -> bool:
    """Tell whether a value is nested too deeply for what walks it later, one call a level."""
    level = [value]
    for _ in range(MAXIMUM_DEPTH):
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)


def raw_body(request: Request) -> bytes:
    """Return the body as it came.

    Raises:
        ClientDisconnected: when the rest of it does not come.
        RequestEntityTooLarge: also for a chunked body, which werkzeug cuts off at the limit.

    """
    body = request.get_data()
    if len(body) == request.max_content_length and _has_more(request):
        raise RequestEntityTooLarge
    return body


def _has_more(request: Request) -> bool:
    try:
        return bool(request.environ["wsgi.input"].read(1))
    except OSError:
        raise ClientDisconnected from None


def _refuse_body(sentence: str) -> NoReturn:
    abort(400, messages={"json": [sentence]})


class Blueprint(flask_smorest.Blueprint):
    """A blueprint of the API, with strict arguments and documented problems."""

    ARGUMENTS_PARSER = _Parser()

    def route(self, rule: str, **options: Any) -> Callable[[Route], Route]:  # noqa: ANN401  Flask's signature
        """Serve a view, and document its name and that pages of other sites may change nothing.

        The view's name becomes the operationId: call it by a verb and a noun, `list_orders`.
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
        of them.
        """

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            described = self.problems(401, 403)(self.doc(security=[{"token": [scope]}])(view))

            @wraps(described)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                access.admit(scope)
                return described(*args, **kwargs)

            return guarded

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


class _Document(flask_smorest.Api):
    """The OpenAPI document of one application."""

    ERROR_SCHEMA = errors.ProblemSchema


def _problem(name: str) -> dict[str, object]:
    """Describe a problem that this service answers, by the name of its status."""
    status = HTTPStatus.__members__.get(name)
    detail = errors.DETAILS[status] if status else "Any other problem."
    return {"description": detail, "content": {errors.MEDIA_TYPE: {"schema": PROBLEM}}}


def json_response(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Answer with a value that orjson can write: rows, dataclasses, UUIDs and dates as they are."""
    return Response(orjson.dumps(value), status, headers, mimetype="application/json")


def init_app(app: Flask, settings: ApiSettings) -> None:
    """Serve `/api/openapi.json` and its page `/api/docs`, unless they are switched off."""
    app.json = ORJSONProvider(app)
    app.register_blueprint(_pages(app, settings), url_prefix="/api")

    @app.cli.command("api-document")
    def api_document() -> None:
        """Print the OpenAPI document of the API."""
        click.echo(orjson.dumps(document(app), option=orjson.OPT_INDENT_2))


def document(app: Flask) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document of the API blueprints that this application serves.

    It takes milliseconds, so it waits until somebody asks: a process that serves or runs a command
    rarely needs it.
    """
    about = {"title": TITLE, "version": "v1", "openapi_version": "3.1.0"}
    info = {
        "description": DESCRIPTION,
        "contact": {"name": AUTHOR},
        "license": orjson.loads(LICENSE.read_bytes()),
    }
    # An application of its own, because flask-smorest registers a handler of errors with it.
    built = _Document(Flask("document"), spec_kwargs={**about, "info": info})
    built.ma_plugin.converter.add_attribute_function(openapi.text_without_nul)
    built.ma_plugin.converter.add_attribute_function(openapi.wide_integer)
    # {% if cookiecutter.auth != "none" %}
    built.spec.components.security_scheme("token", access.SCHEME)
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    built.spec.components.security_scheme("webhook", signatures.SCHEME)
    # {% endif %}
    for name, blueprint in app.blueprints.items():
        if isinstance(blueprint, Blueprint):
            blueprint.register_views_in_doc(built, app, built.spec, name=name, parameters=None)
            built.spec.tag({"name": name, "description": blueprint.description})
    described = built.spec.to_dict()
    # Relative to the document's own URL (OpenAPI 3.1, 4.8.5): right on every host.
    described["servers"] = [{"url": url_prefix.of(app) or "/"}]
    components = described["components"]
    components["responses"] = {name: _problem(name) for name in components["responses"]}
    # flask-smorest describes its own pagination even where none is used.
    components["schemas"].pop("PaginationMetadata", None)
    return openapi.complete(described)


def _pages(app: Flask, settings: ApiSettings) -> FlaskBlueprint:
    """Return a blueprint of its own for each application: the document is the application's."""
    blueprint = FlaskBlueprint("api_document", __name__)
    rendered = cache(lambda: orjson.dumps(document(app)))

    def openapi_json() -> Response:
        answer = Response(rendered(), mimetype="application/json")
        answer.headers["Cache-Control"] = "no-cache"
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    if settings.api_docs:
        blueprint.add_url_rule("/openapi.json", view_func=openapi_json)
        blueprint.add_url_rule("/docs", view_func=_docs)
        blueprint.add_url_rule("/docs/<name>", view_func=_docs_file)
    return blueprint


def _docs() -> Response:
    page = send_from_directory(PAGE, "index.html")
    page.headers["Content-Security-Policy"] = DOCS_POLICY
    return page


def _docs_file(name: str) -> Response:
    if name not in DOCS_FILES:
        raise errors.NotFound
    return send_from_directory(DOCS_FILES[name], name, max_age=A_DAY)
