"""The request and response schemas of {{cookiecutter.plural_label}}."""

from datetime import date

from marshmallow import fields, validate

from app.core import schemas
# {% if cookiecutter._enums %}
from app.{{cookiecutter.name}}.service import (
    # {% for field in cookiecutter._fields if field.choices %}
    {{field.enum}},
    # {% endfor %}
)
# {% endif %}


class {{cookiecutter.model}}RequestSchema(schemas.Schema):
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}} to check."""

    # {% for field in cookiecutter._fields %}
    {{field.attribute}} = {{field.schema}}
    # {% endfor %}


class {{cookiecutter.model}}Schema({{cookiecutter.model}}RequestSchema):
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}} that was checked."""
