"""The versioned API: blueprints, parsing of requests, and the OpenAPI document."""

from flask import Flask

from app.core.api import (  # one line where it fits
    # {% if cookiecutter.database != "none" %}
    conditional_requests,
    # {% endif %}
    documentation,
    # {% if cookiecutter.database != "none" %}
    idempotency,
    offset_pagination,
    pagination,
    # {% endif %}
    path_integers,
    # {% if cookiecutter.database != "none" %}
    references,
    # {% endif %}
)
from app.core.api.blueprint import Blueprint
from app.core.api.documentation import (  # one line where it fits
    ApiSettings,
    document,
    # {% if cookiecutter.webhooks %}
    security_scheme,
    # {% endif %}
)
from app.core.api.json import ORJSONProvider, json_response
from app.core.api.parsing import raw_body
from app.core.http.api_paths import PREFIX

__all__ = [  # one line where it fits
    "PREFIX",
    "ApiSettings",
    "Blueprint",
    # {% if cookiecutter.database != "none" %}
    "conditional_requests",
    # {% endif %}
    "document",
    # {% if cookiecutter.database != "none" %}
    "idempotency",
    # {% endif %}
    "init_app",
    "json_response",
    # {% if cookiecutter.database != "none" %}
    "offset_pagination",
    "pagination",
    # {% endif %}
    "raw_body",
    # {% if cookiecutter.database != "none" %}
    "references",
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    "security_scheme",
    # {% endif %}
]


def init_app(app: Flask, settings: ApiSettings) -> None:
    """Read and write JSON with orjson, and serve the OpenAPI document."""
    app.json = ORJSONProvider(app)
    path_integers.init_app(app)
    documentation.init_app(app, settings)
