"""Tests of {{cookiecutter.plural_label}}, and what they send."""

from typing import Any

from app.core import api

URL = f"{api.PREFIX}/{{cookiecutter.path}}"
VALUES: dict[str, Any] = {
    # {% for field in cookiecutter._fields %}
    "{{field.attribute}}": {{field.sample}},
    # {% endfor %}
}
