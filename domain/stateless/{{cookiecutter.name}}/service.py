"""The rules of {{cookiecutter.plural_label}}."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID


# {% for field in cookiecutter._fields if field.choices %}
class {{field.enum}}(StrEnum):
    """The {{field.label}} of {{cookiecutter.article}} {{cookiecutter.label}}."""

    # {% for member, value in field.choices %}
    {{member}} = "{{value}}"
    # {% endfor %}


# {% endfor %}
class {{cookiecutter.model}}Values(TypedDict):
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}}, as validated by the schema."""

    # {% for field in cookiecutter._fields %}
    {{field.attribute}}: {{field.annotation}}
    # {% endfor %}


@dataclass(frozen=True, slots=True)
class {{cookiecutter.model}}:
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}} that was checked."""

    # {% for field in cookiecutter._fields %}
    {{field.attribute}}: {{field.annotation}}
    # {% endfor %}


def create(values: {{cookiecutter.model}}Values) -> {{cookiecutter.model}}:
    """Return {{cookiecutter.article}} {{cookiecutter.label}}; the place of its rules."""
    return {{cookiecutter.model}}(**values)
