"""The request and response schemas of {{cookiecutter.plural_label}}."""

from datetime import date, datetime

from marshmallow import fields, validate

from app.core import schemas
from app.core.api import pagination
# {% if cookiecutter._enums %}
from app.{{cookiecutter.name}}.models import (
    # {% for field in cookiecutter._fields if field.choices %}
    {{field.enum}},
    # {% endfor %}
)
# {% endif %}


class {{cookiecutter.model}}RequestSchema(schemas.Schema):
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}} to create."""

    # {% for field in cookiecutter._fields %}
    {{field.attribute}} = {{field.schema}}
    # {% endfor %}


class {{cookiecutter.model}}ChangeSchema(schemas.PartialSchema, {{cookiecutter.model}}RequestSchema):
    """The fields of {{cookiecutter.article}} {{cookiecutter.label}} to change; the others stay as they are."""


class {{cookiecutter.model}}Schema({{cookiecutter.model}}RequestSchema):
    """A stored {{cookiecutter.label}}."""

    id = fields.UUID(required=True)
    created_at = fields.AwareDateTime(required=True)
    version = fields.Integer(
        required=True, metadata={"description": "Increases with each change; part of the ETag"}
    )


# {% if cookiecutter._filters %}
class {{cookiecutter.model}}QuerySchema(pagination.PageQuery):
    """The query parameters of the list."""

    # {% for field in cookiecutter._fields if field.filter %}
    {{field.attribute}} = {{field.filter}}
    # {% endfor %}


# {% endif %}
{{cookiecutter.model}}PageSchema = pagination.page_schema({{cookiecutter.model}}Schema)
