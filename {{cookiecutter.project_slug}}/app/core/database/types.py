"""The base of every model, and the column types that behave alike on every database."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass


# {% if cookiecutter.database == "mysql" %}
class _Microseconds(DateTime):
    """DATETIME(6) on MySQL and MariaDB, which otherwise round to whole seconds."""

    fsp = 6


# {% endif %}
class UTCDateTime(TypeDecorator[datetime]):
    """A moment: time zones are required going in, and it comes out in UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    # {% if cookiecutter.database == "mysql" %}
    def load_dialect_impl(self, dialect: Dialect) -> DateTime:
        """Name the column type."""
        del dialect
        return _Microseconds(timezone=True)

    # {% endif %}
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; where the column keeps no zone, drop it.

        Raises:
            ValueError: for a time without a zone, which could mean any moment.

        """
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a datetime without a time zone cannot be stored"
            raise ValueError(message)
        zone = UTC if dialect.name == "postgresql" else None
        return value.astimezone(UTC).replace(tzinfo=zone)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC, where the column kept no zone."""
        del dialect
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


class Base(MappedAsDataclass, DeclarativeBase):
    """The base of every model. It names every constraint, so that a migration can drop it."""

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
