"""Tests of {{cookiecutter.plural_label}}, and helpers to create them."""

# {% if "timedelta(" in cookiecutter._samples %}
from datetime import date, timedelta
# {% endif %}
# {% if cookiecutter._unique %}
from itertools import count
# {% endif %}
from typing import Any
# {% if "uuid4(" in cookiecutter._samples %}
from uuid import UUID, uuid4
# {% else %}
from uuid import UUID
# {% endif %}

from flask import Flask

from app.core import api
# {% for import in cookiecutter._test_imports %}
{{import}}
# {% endfor %}

URL = f"{api.PREFIX}/{{cookiecutter.path}}"
# {% if cookiecutter._unique %}
NUMBERS = count(1)
# {% endif %}


def values(app: Flask, **others: object) -> dict[str, Any]:
    """Return the body of a request for {{cookiecutter.article}} {{cookiecutter.label}}, with others in place of some values."""
    # {% if cookiecutter._unique %}
    number = next(NUMBERS)
    # {% endif %}
    # {% if not cookiecutter._targets %}
    del app
    # {% endif %}
    usual = {
        # {% for field in cookiecutter._fields %}
        "{{field.attribute}}": {{field.sample}},
        # {% endfor %}
    }
    return {**usual, **others}


def make(app: Flask, **others: object) -> UUID:
    """Store {{cookiecutter.article}} {{cookiecutter.label}}; return its id."""
    created = app.test_client().post(URL, json=values(app, **others)).json or {}
    return UUID(created["id"])
