"""The OpenAPI document of an application, and the page that shows it."""

from functools import cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import flask_smorest
import marshmallow as ma
import orjson
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response, request, send_from_directory

from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    errors,
    # {% if cookiecutter.auth != "none" or cookiecutter.webhooks %}
    extension,
    # {% endif %}
)
from app.core.api import openapi, path_integers
from app.core.api.blueprint import Blueprint
from app.core.config import CoreSettings
from app.core.http import api_paths, security
from app.core.url_prefix import url_prefix

TITLE = "{{cookiecutter.project_name}}"
DESCRIPTION = "{{cookiecutter.description}}"
AUTHOR = "{{cookiecutter.author}}"
LICENSE = Path(__file__).with_name("license.json")
ASSETS = Path(str(files("flask_swagger_ui"))) / "dist"
PAGE = Path(__file__).parent / "docs_page"
DOCS_FILES = {"start.js": PAGE, "swagger-ui.css": ASSETS, "swagger-ui-bundle.js": ASSETS}
# Swagger UI uses inline styles; scripts are loaded only from files of this service.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    f"img-src 'self' data:; connect-src 'self'; {security.POLICY}"
)
A_DAY = 86_400  # seconds
# {% if cookiecutter.auth != "none" or cookiecutter.webhooks %}
security_schemes = extension.Extension[dict[str, dict[str, str]]]("security_schemes")
# {% endif %}


class ApiSettings(CoreSettings):
    """API document."""

    api_docs_enabled: bool = True
    """Whether the API document (/api/openapi.json) and its page (/api/docs) are served."""


class _Document(flask_smorest.Api):
    """The OpenAPI document of one application."""

    def __init__(self, info: dict[str, object], error_schema: type[ma.Schema]) -> None:
        self.ERROR_SCHEMA = error_schema
        # A separate application, because flask-smorest registers an error handler on it.
        super().__init__(Flask("document"), spec_kwargs=info)


def _problem(name: str, shape: errors.ErrorFormat) -> dict[str, object]:
    """Describe a problem response, by the name of its status."""
    status = HTTPStatus.__members__.get(name)
    detail = errors.DETAILS[status] if status else "Any other problem."
    schema = {"$ref": f"#/components/schemas/{openapi.name_of(shape.schema)}"}
    return {"description": detail, "content": {shape.media_type: {"schema": schema}}}


def init_app(app: Flask, settings: ApiSettings) -> None:
    """Serve `/api/openapi.json` and the page `/api/docs`, unless they are disabled."""
    # {% if cookiecutter.auth == "none" and cookiecutter.webhooks %}
    security_schemes.set(app, {})
    # {% endif %}
    # {% if cookiecutter.auth != "none" %}
    security_schemes.set(app, {"token": access.SCHEME})
    # {% endif %}
    app.register_blueprint(_pages(app, settings), url_prefix=api_paths.ROOT)

    @app.cli.command("api-document")
    def api_document() -> None:
        """Print the OpenAPI document of the API."""
        click.echo(orjson.dumps(document(app), option=orjson.OPT_INDENT_2))


# {% if cookiecutter.webhooks %}
def security_scheme(app: Flask, name: str, scheme: dict[str, str]) -> None:
    """Add a security scheme to the document, for the `security` of operations to name."""
    security_schemes.of(app)[name] = scheme


# {% endif %}
def document(app: Flask) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document of the API blueprints that this application serves.

    This takes milliseconds, so it is done on demand: most processes never need the document.
    """
    about = {"title": TITLE, "version": "v1", "openapi_version": "3.1.0"}
    info = {
        "description": DESCRIPTION,
        "contact": {"name": AUTHOR},
        "license": orjson.loads(LICENSE.read_bytes()),
    }
    shape = errors.error_format.of(app)
    built = _Document({**about, "info": info}, shape.schema)
    built.ma_plugin.converter.add_attribute_function(openapi.text_without_nul)
    built.ma_plugin.converter.add_attribute_function(openapi.wide_integer)
    built.register_converter(path_integers.PathInteger, path_integers.describe)
    # {% if cookiecutter.auth != "none" %}
    further = {openapi.scheme_id(name): name for name in access.further_schemes(app)}
    for scheme_id, name in further.items():
        built.spec.components.security_scheme(scheme_id, {"type": "http", "scheme": name})
    # {% endif %}
    # {% if cookiecutter.auth != "none" or cookiecutter.webhooks %}
    for name, scheme in security_schemes.of(app).items():
        built.spec.components.security_scheme(name, scheme)
    # {% endif %}
    with app.app_context():  # the bounds of some fields are settings
        for name, blueprint in app.blueprints.items():
            if isinstance(blueprint, Blueprint):
                described = blueprint.for_document(app)
                described.register_views_in_doc(built, app, built.spec, name=name, parameters=None)
                built.spec.tag({"name": name, "description": blueprint.description})
    found = built.spec.to_dict()
    # Relative to the document's own URL (OpenAPI 3.1, 4.8.5), so it is correct on every host.
    found["servers"] = [{"url": url_prefix.of(app) or "/"}]
    components = found["components"]
    names = components.get("responses", {})
    components["responses"] = {name: _problem(name, shape) for name in names}
    # flask-smorest describes its own pagination even if it is not used.
    components["schemas"].pop("PaginationMetadata", None)
    # {% if cookiecutter.auth != "none" %}
    openapi.accept_schemes(found, further)
    # {% endif %}
    return openapi.complete(found, shape)


def _pages(app: Flask, settings: ApiSettings) -> FlaskBlueprint:
    """Return a new blueprint for each application, because each has its own document."""
    blueprint = FlaskBlueprint("api_document", __name__)
    rendered = cache(lambda: orjson.dumps(document(app)))

    def openapi_json() -> Response:
        response = Response(rendered(), mimetype="application/json")
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response

    if settings.api_docs_enabled:
        blueprint.add_url_rule("/openapi.json", view_func=openapi_json)
        blueprint.add_url_rule("/docs", "page", _docs)
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
