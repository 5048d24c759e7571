"""The business rules of {{cookiecutter.plural_label}}, and their transactions."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypedDict
from uuid import UUID, uuid4

from blinker import Signal
from sqlalchemy.orm import Session

from app.core.api import conditional_requests, idempotency, pagination, references
from app.core.database import reading, writing
from app.core.errors import NotFound
from app.core.observability import metrics
from app.{{cookiecutter.name}} import repository
from app.{{cookiecutter.name}}.models import (
    # {% for field in cookiecutter._fields if field.choices %}
    {{field.enum}},
    # {% endfor %}
    {{cookiecutter.model}}
)
from app.{{cookiecutter.name}}.repository import {{cookiecutter.model}}View
# {% for target in cookiecutter._targets %}
from app.{{target}} import service as {{target}}
# {% endfor %}

# {% if cookiecutter.metrics %}
created = Signal("{{cookiecutter.article | capitalize}} {{cookiecutter.label}} is stored; a repeated request stores none.")
# {% endif %}
IfMatchHolds = Callable[[int], bool]
"""Returns whether the client has seen this version, or does not ask for one."""


class {{cookiecutter.model}}Values(TypedDict):
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}} to create, as validated by the schema."""

    # {% for field in cookiecutter._fields %}
    {{field.attribute}}: {{field.annotation}}
    # {% endfor %}


def create(
    values: {{cookiecutter.model}}Values,
    idempotency_key: str | None = None,
    # {% if cookiecutter.auth != "none" %}
    *,
    owner_id: UUID
    # {% endif %}
) -> {{cookiecutter.model}}View:
    """Store {{cookiecutter.article}} {{cookiecutter.label}}. The same key and values return the one that is stored.

    Raises:
        IdempotencyKeyReused: when the key was sent with other values before.
        # {% if cookiecutter._targets %}
        UnknownReference: when a value refers to nothing.
        # {% endif %}

    """
    claim = idempotency.Claim.of(idempotency_key, values) if idempotency_key else None
    # {% if cookiecutter.auth != "none" %}
    claim = claim and claim.owned_by(owner_id)
    # {% endif %}
    if claim and (before := _created_before(claim)):
        return before
    # {% if cookiecutter._owned_targets %}
    _check_references(values, owner_id)
    # {% elif cookiecutter._targets %}
    _check_references(values)
    # {% endif %}
    entity = {{cookiecutter.model}}(
        id=uuid4(),
        # {% if cookiecutter.auth != "none" %}
        owner_id=owner_id,
        # {% endif %}
        **values,
        created_at=datetime.now(UTC),
        idempotency_key=claim.key if claim else None,
        fingerprint=claim.fingerprint if claim else None,
    )
    # Of requests with one key at the same time, the unique constraint refuses all but one (409).
    with writing() as session:
        session.add(entity)
    # {% if cookiecutter.metrics %}
    metrics.send(created)
    # {% endif %}
    return view(entity)


def find(
    {{cookiecutter.singular}}_id: UUID,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID
    # {% endif %}
) -> {{cookiecutter.model}}View:
    """Return one {{cookiecutter.label}}.

    Raises:
        NotFound: when no {{cookiecutter.label}} has this id.
        # {% if cookiecutter.auth != "none" %}
            Also for that of another user, so that clients cannot learn which ids exist.
        # {% endif %}

    """
    rows = repository.by_id({{cookiecutter.singular}}_id)
    # {% if cookiecutter.auth != "none" %}
    rows = repository.owned(rows, owner_id)
    # {% endif %}
    with reading() as connection:
        found = repository.views(connection, rows)
    if not found:
        raise NotFound
    return found[0]


def list_{{cookiecutter.name}}(
    limit: int,
    after: pagination.Position | None = None,
    # {% if cookiecutter._filters %}
    wanted: Mapping[str, object] | None = None,
    # {% endif %}
    # {% if cookiecutter.auth != "none" %}
    *,
    owner_id: UUID
    # {% endif %}
) -> pagination.Page[{{cookiecutter.model}}View]:
    """Return a page of {{cookiecutter.plural_label}}, newest first."""
    rows = repository.page(limit + 1, after)
    # {% if cookiecutter._filters %}
    rows = repository.filtered(rows, wanted or {})
    # {% endif %}
    # {% if cookiecutter.auth != "none" %}
    rows = repository.owned(rows, owner_id)
    # {% endif %}
    with reading() as connection:
        return pagination.Page.of(repository.views(connection, rows), limit)


def change(
    {{cookiecutter.singular}}_id: UUID,
    changes: Mapping[str, object],
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
    *,
    if_match_holds: IfMatchHolds = lambda _version: True
) -> {{cookiecutter.model}}View:
    """Change the fields that are given, if `if_match_holds` accepts the version.

    Raises:
        NotFound: when no {{cookiecutter.label}} has this id.
        PreconditionFailed: when it has another version.
        # {% if cookiecutter._targets %}
        UnknownReference: when a value refers to nothing.
        # {% endif %}

    """
    # {% if cookiecutter._owned_targets %}
    _check_references(changes, owner_id)
    # {% elif cookiecutter._targets %}
    _check_references(changes)
    # {% endif %}
    with writing() as session:
        # {% if cookiecutter.auth != "none" %}
        entity = _to_change(session, {{cookiecutter.singular}}_id, owner_id, if_match_holds)
        # {% else %}
        entity = _to_change(session, {{cookiecutter.singular}}_id, if_match_holds)
        # {% endif %}
        for name, value in changes.items():
            setattr(entity, name, value)
    return view(entity)


def delete(
    {{cookiecutter.singular}}_id: UUID,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
    *,
    if_match_holds: IfMatchHolds = lambda _version: True
) -> None:
    """Delete {{cookiecutter.article}} {{cookiecutter.label}}, if `if_match_holds` accepts its version.

    Raises:
        NotFound: when no {{cookiecutter.label}} has this id.
        PreconditionFailed: when it has another version.

    """
    with writing() as session:
        # {% if cookiecutter.auth != "none" %}
        entity = _to_change(session, {{cookiecutter.singular}}_id, owner_id, if_match_holds)
        # {% else %}
        entity = _to_change(session, {{cookiecutter.singular}}_id, if_match_holds)
        # {% endif %}
        session.delete(entity)


def view(entity: {{cookiecutter.model}}) -> {{cookiecutter.model}}View:
    """Return the view of {{cookiecutter.article}} {{cookiecutter.label}}."""
    return {{cookiecutter.model}}View(
        id=entity.id,
        # {% for field in cookiecutter._fields %}
        {{field.attribute}}=entity.{{field.attribute}},
        # {% endfor %}
        created_at=entity.created_at,
        version=entity.version,
    )


def _to_change(
    session: Session,
    {{cookiecutter.singular}}_id: UUID,
    # {% if cookiecutter.auth != "none" %}
    owner_id: UUID,
    # {% endif %}
    if_match_holds: IfMatchHolds
) -> {{cookiecutter.model}}:
    entity = repository.entity(session, {{cookiecutter.singular}}_id)
    # {% if cookiecutter.auth != "none" %}
    if entity is None or entity.owner_id != owner_id:
        raise NotFound
    # {% else %}
    if entity is None:
        raise NotFound
    # {% endif %}
    if not if_match_holds(entity.version):
        raise conditional_requests.PreconditionFailed
    return entity


# {% if cookiecutter._owned_targets %}
def _check_references(values: Mapping[str, Any], owner_id: UUID) -> None:
# {% elif cookiecutter._targets %}
def _check_references(values: Mapping[str, Any]) -> None:
# {% endif %}
    # {% for field in cookiecutter._fields if field.target %}
    if values.get("{{field.attribute}}"):
        with references.refers("{{field.attribute}}"):
            {{field.target}}.find(values["{{field.attribute}}"]{{", owner_id" if field.target in cookiecutter._owned_targets else ""}})
    # {% endfor %}
# {% if cookiecutter._targets %}


# {% endif %}
def _created_before(claim: idempotency.Claim) -> {{cookiecutter.model}}View | None:
    with reading() as connection:
        found = repository.find_by_idempotency_key(connection, claim.key)
        if found is None:
            return None
        if found.fingerprint != claim.fingerprint:
            raise idempotency.IdempotencyKeyReused
        return repository.views(connection, repository.by_id(found.id))[0]
