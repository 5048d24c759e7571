"""PyMySQL's encoders for numbers, restricted to numbers that a column can store.

PyMySQL itself writes 1E+1000000000 with all its zeros, which takes a gigabyte. For NaN and Infinity
it raises other errors than for other values that cannot be stored.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

MAX_EXPONENT = 400  # of 10; a DOUBLE has at most 308, and a DECIMAL has 65 digits
Encoder = Callable[[Any, Any], str]


def encoders() -> dict[Any, Any]:
    """Return the encoder of each type. Those of numbers raise OverflowError beyond the bounds."""
    from pymysql.converters import conversions  # noqa: PLC0415  not needed on SQLite

    bounded = {kind: _bounded(conversions[kind]) for kind in (Decimal, float)}
    return {**conversions, **bounded}


def _bounded(encode: Encoder) -> Encoder:
    def bounded(value: Decimal | float, mapping: object) -> str:
        number = value if isinstance(value, Decimal) else Decimal(value)
        if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
            message = "a number is beyond what a column holds"
            raise OverflowError(message)
        return encode(value, mapping)

    return bounded
