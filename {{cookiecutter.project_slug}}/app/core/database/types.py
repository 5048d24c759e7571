"""The base class of all models, and column types that behave the same on every database."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass


# {% if cookiecutter.database == "mysql" %}
class _Microseconds(DateTime):
    """DATETIME(6) on MySQL and MariaDB, which otherwise round to whole seconds."""

    fsp = 6


# {% endif %}
class UTCDateTime(TypeDecorator[datetime]):
    """A point in time: values must have a time zone, and are returned in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    # {% if cookiecutter.database == "mysql" %}
    def load_dialect_impl(self, dialect: Dialect) -> DateTime:
        """Return the column type."""
        del dialect
        return _Microseconds(timezone=True)

    # {% endif %}
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; drop the zone where the column stores none.

        Raises:
            ValueError: for a datetime without a time zone, which is ambiguous.

        """
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a datetime without a time zone cannot be stored"
            raise ValueError(message)
        zone = UTC if dialect.name == "postgresql" else None
        return value.astimezone(UTC).replace(tzinfo=zone)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value in UTC, which a column without a zone contains."""
        del dialect
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


IntegerId = BigInteger().with_variant(Integer(), "sqlite")
"""The type of an integer primary key that the database counts: only an INTEGER of SQLite does."""


class Base(MappedAsDataclass, DeclarativeBase):
    """The base class of all models. It names every constraint, so that migrations can drop it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UTCDateTime}
