"""The service uses no private names of dependencies, and assigns to none of their attributes."""

import tomllib
from typing import NamedTuple

import pytest

from tests.private_names import PROJECT, Module, modules, uses


class Undocumented(NamedTuple):
    """Uses without a documented alternative: the tested versions, and the reason."""

    versions: str
    reason: str


LISTED: dict[str, str | Undocumented] = {
    "click.Context.params =": "click's documentation: what a command was called with",
    "flask.Flask.json =": "Flask's documentation: the provider of JSON",
    "flask.Flask.request_class =": "Flask's documentation: the class of requests",
    "flask.Flask.url_map.merge_slashes =": "werkzeug's documentation: routing.Map",
    "flask.Flask.wsgi_app =": "Flask's documentation: how to wrap an application in middleware",
    "flask.request.takes_files =": "an attribute of our own class of requests",
    "marshmallow.fields.Field._deserialize": "marshmallow's documentation: how to write a field",
    "marshmallow.fields.Field.data_key =": "marshmallow's documentation: names in camelCase",
    # {% if cookiecutter.database != "none" or cookiecutter.rate_limiting or cookiecutter.background_tasks or cookiecutter.tracing %}
    "pydantic.types._SecretBase._display": "pydantic's documentation: how to write a secret type",
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    "requests.Session.trust_env =": "requests' documentation: whether the environment is read",
    "requests.Session.verify =": "requests' documentation: the trusted certificates",
    # {% endif %}
    # {% if cookiecutter.web_ui %}
    "flask.Flask.session_interface =": "Flask's documentation: how sessions are stored",
    "flask.Response.mimetype =": "werkzeug's documentation: the media type of a response",
    # {% endif %}
    # {% if cookiecutter.web_ui and cookiecutter.auth == "jwt" %}
    "wtforms.EmailField.data =": "WTForms' documentation: a filter or a form may change its data",
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    "flask.request.max_content_length =": "Flask's documentation: the limit of one view",
    # {% endif %}
    # {% if cookiecutter.metrics %}
    "flask.current_app._get_current_object": "Flask's documentation: who sends a signal",
    # {% endif %}
    # {% if cookiecutter.database == "postgresql" or cookiecutter.database == "mysql" %}
    "sqlalchemy.ExceptionContext.is_disconnect =": "SQLAlchemy's documentation: what a listener sets",
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    "celery.app.task.Task.request.retries =": Undocumented(
        "celery>=5.7,<5.8",
        "`retry` counts each time, and a run that is put off is no attempt",
    ),
    # {% endif %}
    # {% if cookiecutter.web_ui %}
    "itsdangerous.Signer.default_digest_method =": Undocumented(
        "itsdangerous>=2.2,<3",
        "Flask-WTF makes its signer itself and takes no digest",
    ),
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    "flask_sqlalchemy.extension.SQLAlchemy._make_engine": Undocumented(
        "flask-sqlalchemy>=3.1,<3.2",
        "it makes one engine, and two views of it share its connections",
    ),
    # {% endif %}
}
"""Documented uses, and uses without a documented alternative."""


@pytest.mark.slow
def test_every_use_of_what_is_private_and_every_assignment_is_listed_with_its_reason() -> None:
    found = uses(modules())

    assert {what: found[what] for what in found.keys() - LISTED.keys()} == {}, "not listed"
    assert LISTED.keys() - found.keys() == set(), "listed, and used no more"


def test_an_exception_is_bound_to_the_versions_that_it_was_tested_with() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for use in LISTED.values():
        if isinstance(use, Undocumented):
            assert use.versions in project["dependencies"]
            assert use.reason


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("from flask import _private", "flask._private"),
        ("import flask._private", "flask._private"),
        ("import flask\nflask.cli._load", "flask.cli._load"),
        ("from flask import cli as c\nprint(c._load)", "flask.cli._load"),
        ("from flask import Flask\nFlask.name = 1", "flask.Flask.name ="),
        ("from flask import Flask\ndel Flask.name", "flask.Flask.name ="),
        ("import flask\nflask.cli.x += 1", "flask.cli.x ="),
        ("from flask import Flask\ndef f(app: Flask): app.name = 1", "flask.Flask.name ="),
        ("from flask import Flask\ndef f(app: 'Flask | None'): app.name = 1", "flask.Flask.name ="),
        ("from flask import Flask\napp = Flask('a')\napp.name = 1", "flask.Flask.name ="),
        ("from flask import Flask\napp: Flask\napp._x()", "flask.Flask._x"),
        ("from flask import Flask\ndef f(a: Flask):\n b = a.cli\n b.x = 1", "flask.Flask.cli.x ="),
        ("import flask\nsetattr(flask.cli, 'x', 1)", "flask.cli.x ="),
        ("import flask\ngetattr(flask.cli, '_x')", "flask.cli._x"),
        ("import flask\nmonkeypatch.setattr(flask.cli, '_x', 1)", "flask.cli._x"),
        ("monkeypatch.setattr('flask.cli._x', 1)", "flask.cli._x"),
        ("def f(of_something):\n of_something._x", "?._x"),
        ("getattr(something, '_x')", "?._x"),
        ("class A:\n def f(self): self._x()", "?._x"),
        (
            "from marshmallow import fields\nclass A(fields.Field):\n def _serialize(self): ...",
            "marshmallow.fields.Field._serialize",
        ),
        (
            "import flask\nclass A(flask.Flask):\n _method_route = 1",
            "flask.sansio.scaffold.Scaffold._method_route",
        ),
    ],
)
def test_a_violation_is_found(text: str, what: str) -> None:
    assert [*uses([Module("app/made_up.py", text)])] == [what]


@pytest.mark.parametrize(
    "text",
    [
        "import flask\nflask.cli.load_dotenv()",
        "import flask\nflask.g.user = 1",
        "import os\nos._exit(0)",
        "from app.core import pipeline\npipeline._current",
        "class A:\n def __init__(self): self._x = 1\n def f(self, other): return other._x",
        "row._replace(a=1)",
        "import flask\nclass A(flask.Flask):\n def _made_up(self): ...",
        "from app.core.pipeline import RequestInfo\ndef f(e: RequestInfo): e.route = None",
        "import flask\nmonkeypatch.setattr(flask.cli, 'x', 1)",
    ],
)
def test_public_names_and_our_own_are_not_reported(text: str) -> None:
    assert uses([Module("app/made_up.py", text)]) == {}
