"""How PyMySQL writes numbers, with those refused that no column holds.

By itself it writes 1E+1000000000 with all its zeros, which takes a gigabyte, and has other errors
for NaN and Infinity than for what else cannot be stored.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

MAX_EXPONENT = 400  # of 10; the largest DOUBLE has 308, and a DECIMAL has 65 digits
Encoder = Callable[[Any, Any], str]


def encoders() -> dict[Any, Any]:
    """Return how each type is written. That of a number raises OverflowError beyond its bounds."""
    from pymysql.converters import conversions  # noqa: PLC0415  a laptop runs on SQLite

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
