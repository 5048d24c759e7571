import pytest

from app.pages import money


def test_an_amount_is_read_as_people_type_it() -> None:
    for text, currency, amount in (
        ("4.5", "EUR", 450),
        ("4,50", "EUR", 450),
        ("4", "EUR", 400),
        ("0", "EUR", 0),
        ("450", "JPY", 450),
        ("1.05", "KWD", 1_050),
    ):
        assert money.read(text, currency, 100_000) == amount, text


def test_an_invalid_amount_is_refused_with_the_expected_format() -> None:
    for text, currency, sentence in (
        ("4.505", "EUR", "Must be an amount such as 4.50."),
        ("4.5", "JPY", "Must be an amount such as 4."),
        ("-1", "EUR", "Must be an amount such as 4.50."),
        ("1e3", "EUR", "Must be an amount such as 4.50."),
        ("٤", "EUR", "Must be an amount such as 4.50."),
        ("9" * 5_000, "EUR", "Must be an amount such as 4.50."),
        ("1000.01", "EUR", "Must be at most 1,000.00."),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            money.read(text, currency, 100_000)
