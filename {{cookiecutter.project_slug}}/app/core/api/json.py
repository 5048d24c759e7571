"""JSON by orjson, for Flask and for answers that hold rows."""

from typing import Any

import orjson
from flask import Response
from flask.json.provider import JSONProvider


class ORJSONProvider(JSONProvider):
    """JSON by orjson: several times faster, strict, and it knows UUIDs, dates and dataclasses."""

    def dumps(self, obj: object, **kwargs: Any) -> str:  # noqa: ANN401, ARG002  Flask's own options
        """Serialise to JSON text; layout options are ignored."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:  # noqa: ANN401, ARG002
        """Parse JSON; NaN, Infinity and bodies nested beyond reason are errors."""
        return orjson.loads(s)


def json_response(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Answer with a value that orjson can write: rows, dataclasses, UUIDs and dates as they are."""
    return Response(orjson.dumps(value), status, headers, mimetype="application/json")
