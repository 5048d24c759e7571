"""Numbers that no column can store are refused before PyMySQL writes them out."""

from decimal import Decimal

import pytest

from app.core.database import mysql_numbers


def test_numbers_without_bounds_are_not_written_out(subtests: pytest.Subtests) -> None:
    encoders = mysql_numbers.encoders()
    for text in ("1E+1000000000", "-1E-1000000000", "NaN", "sNaN", "-Infinity"):
        with subtests.test(text), pytest.raises(OverflowError):
            encoders[Decimal](Decimal(text), encoders)
    for number in (float("nan"), float("-inf")):
        with subtests.test(str(number)), pytest.raises(OverflowError):
            encoders[float](number, encoders)
    assert encoders[Decimal](Decimal("1.50E+2"), encoders) == "150"
    assert encoders[float](1e308, encoders) == "1e+308"
    assert encoders[float](0.0, encoders) == "0.0e0"
