"""The table of {{cookiecutter.plural_label}}."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.api.idempotency import DIGEST_LENGTH
from app.core.database import Base


# {% for field in cookiecutter._fields if field.choices %}
class {{field.enum}}(StrEnum):
    """The {{field.label}} of {{cookiecutter.article}} {{cookiecutter.label}}."""

    # {% for member, value in field.choices %}
    {{member}} = "{{value}}"
    # {% endfor %}


# {% endfor %}
class {{cookiecutter.model}}(Base, kw_only=True):
    """{{cookiecutter.article | capitalize}} {{cookiecutter.label}}."""

    __tablename__ = "{{cookiecutter.name}}"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # {% if cookiecutter.auth != "none" %}
    owner_id: Mapped[UUID]
    # {% endif %}
    # {% for field in cookiecutter._fields %}
    # {% if field.choices %}
    # A string with a CHECK constraint, because native enumerations are hard to change.
    # {% endif %}
    {{field.attribute}}: Mapped[{{field.annotation}}]{{field.column}}
    # {% endfor %}
    created_at: Mapped[datetime]
    # NULL without an Idempotency-Key: a unique constraint allows any number of NULLs.
    idempotency_key: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH), unique=True)
    fingerprint: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH))
    version: Mapped[int] = mapped_column(init=False)

    __table_args__ = (
        # {% for columns in cookiecutter._indexes %}
        Index(None, {{columns}}),
        # {% endfor %}
    )
    # Optimistic locking: of two concurrent changes, the second one fails.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  SQLAlchemy's own way
