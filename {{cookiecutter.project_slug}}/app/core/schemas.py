"""The base of every schema: unknown fields are refused, and messages never repeat the input."""

from typing import Any

import marshmallow as ma

UNKNOWN_FIELD = "Unknown field"


class Schema(ma.Schema):
    """A schema that takes exactly the fields it names."""

    class Meta:
        """Settings that every schema inherits."""

        unknown = ma.RAISE

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  marshmallow's own options
        """Name the fields that may be sent, for whoever mistyped one."""
        super().__init__(**options)
        known = ", ".join(
            sorted(field.data_key or name for name, field in self.load_fields.items())
        )
        self.error_messages = {
            **self.error_messages,
            "unknown": f"{UNKNOWN_FIELD}; known: {known}.",
        }
