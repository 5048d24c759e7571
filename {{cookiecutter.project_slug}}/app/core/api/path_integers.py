"""Integers in paths: `<int:note_id>` matches what an id can be, and any other number is a 404."""

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

MAX_ID = 2**63 - 1
"""The largest value of a BIGINT column."""


class PathInteger(IntegerConverter):
    """An integer of a path, by default from 0 to the largest BIGINT.

    A driver would refuse a larger one, and there is no resource with such an id. A route of other
    numbers states its own range: `<int(min=1, max=100):page>`.
    """

    regex = r"\d{1,19}"

    def __init__(
        self,
        map: Map,  # noqa: A002  Werkzeug's names
        fixed_digits: int = 0,
        min: int | None = None,  # noqa: A002
        max: int | None = MAX_ID,  # noqa: A002
        signed: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        lowest = -MAX_ID if signed else 0
        super().__init__(map, fixed_digits, lowest if min is None else min, max, signed)


def describe(converter: PathInteger) -> dict[str, object]:
    """Return the schema of such a parameter; its format says that 32 bits may not be enough."""
    return {
        "type": "integer",
        "format": "int64",
        "minimum": converter.min,
        "maximum": converter.max,
    }


def init_app(app: Flask) -> None:
    """Let `<int:…>` of every route be such an integer."""
    app.url_map.converters["int"] = PathInteger
