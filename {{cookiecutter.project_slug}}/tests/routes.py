"""The routes of an application, for tests that check every route."""

import re
from collections.abc import Iterator
from uuid import uuid4

from flask import Flask
from werkzeug.routing import Rule

# Blueprints outside of the API, with their own tests. All other routes belong to the API, whatever
# their URL: they must be in the API document and have an access rule.
OUTSIDE = {
    "api_document",
    "health",
    # {% if cookiecutter.metrics %}
    "metrics",
    # {% endif %}
    # {% if cookiecutter.web_ui %}
    "pages",
    # {% endif %}
}
VARIABLE = re.compile(r"<(?:(?P<converter>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")
# A value that identifies nothing, for each of Werkzeug's converters; add your own here.
VALUES = {
    None: "nothing",
    "float": "0.5",
    "int": "987654321",
    "path": "no/thing",
    "string": "nothing",
    "uuid": str(uuid4()),
}


def is_api(rule: Rule) -> bool:
    """Return whether a route belongs to the API."""
    return rule.endpoint.partition(".")[0] not in OUTSIDE


def documented_path(rule: Rule) -> str:
    """Return the path of a route in the notation of OpenAPI."""
    return VARIABLE.sub(r"{\g<name>}", rule.rule)


def filled_in(rule: str) -> str:
    """Return a URL of a route for a resource that does not exist.

    Raises:
        KeyError: for a converter without a value in `VALUES`.

    """
    return VARIABLE.sub(lambda found: VALUES[found["converter"]], rule)


def api_routes(app: Flask) -> Iterator[tuple[str, Rule]]:
    """Yield each route of the API with each of its methods, except HEAD and OPTIONS."""
    for rule in app.url_map.iter_rules():
        if is_api(rule):
            yield from ((method, rule) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"})
