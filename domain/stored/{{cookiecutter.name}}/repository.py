"""The queries for {{cookiecutter.plural_label}}: ORM entities for changes, plain rows for reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, select
from sqlalchemy.orm import Session

from app.core.api import pagination
from app.{{cookiecutter.name}}.models import (
    # {% for field in cookiecutter._fields if field.choices %}
    {{field.enum}},
    # {% endfor %}
    {{cookiecutter.model}}
)


@dataclass(frozen=True, slots=True)
class {{cookiecutter.model}}View:
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}} as shown to clients."""

    id: UUID
    # {% for field in cookiecutter._fields %}
    {{field.attribute}}: {{field.annotation}}
    # {% endfor %}
    created_at: datetime
    version: int


Rows = Select[*tuple[Any, ...]]
"""A query for the columns of the view."""

ALL: Rows = select(
    {{cookiecutter.model}}.id,
    # {% for field in cookiecutter._fields %}
    {{cookiecutter.model}}.{{field.attribute}},
    # {% endfor %}
    {{cookiecutter.model}}.created_at,
    {{cookiecutter.model}}.version,
)
# {% if cookiecutter._filters %}
FILTERS = (
    # {% for field in cookiecutter._fields if field.filter %}
    {{cookiecutter.model}}.{{field.attribute}},
    # {% endfor %}
)
"""The columns that a list can be restricted by; an index begins with each."""
# {% endif %}


def page(limit: int, after: pagination.Position | None = None) -> Rows:
    """Return the query for the newest {{cookiecutter.plural_label}}, or for those after a position."""
    return pagination.select_page(ALL, {{cookiecutter.model}}.created_at, {{cookiecutter.model}}.id, limit, after)


# {% if cookiecutter._filters %}
def filtered(rows: Rows, wanted: Mapping[str, object]) -> Rows:
    """Restrict a query to the rows with these values, by the name of the column."""
    for column in FILTERS:
        if column.key in wanted:
            rows = rows.where(column == wanted[column.key])
    return rows


# {% endif %}
# {% if cookiecutter.auth != "none" %}
def owned(rows: Rows, owner_id: UUID) -> Rows:
    """Restrict a query to the rows of one owner."""
    return rows.where({{cookiecutter.model}}.owner_id == owner_id)


# {% endif %}
def by_id({{cookiecutter.singular}}_id: UUID) -> Rows:
    """Return the query for one {{cookiecutter.label}}."""
    return ALL.where({{cookiecutter.model}}.id == {{cookiecutter.singular}}_id)


def views(connection: Connection, rows: Rows) -> list[{{cookiecutter.model}}View]:
    """Execute a query for {{cookiecutter.plural_label}}."""
    return [{{cookiecutter.model}}View(*row) for row in connection.execute(rows)]


def find_by_idempotency_key(connection: Connection, idempotency_key: str) -> Row[UUID, str | None] | None:
    """Return the id and the idempotency fingerprint of the {{cookiecutter.label}} created with this key."""
    return connection.execute(
        select({{cookiecutter.model}}.id, {{cookiecutter.model}}.fingerprint).where({{cookiecutter.model}}.idempotency_key == idempotency_key)
    ).one_or_none()


def entity(session: Session, {{cookiecutter.singular}}_id: UUID) -> {{cookiecutter.model}} | None:
    """Return {{cookiecutter.article}} {{cookiecutter.label}} as an ORM entity to change."""
    return session.get({{cookiecutter.model}}, {{cookiecutter.singular}}_id)
