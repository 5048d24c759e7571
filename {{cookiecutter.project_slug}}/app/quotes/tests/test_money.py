from app.quotes import money


def test_an_amount_is_shown_with_the_digits_of_its_currency() -> None:
    formatted = {
        money.formatted(amount, currency)
        for amount, currency in (
            (0, "EUR"),
            (5, "EUR"),
            (123_456_789, "EUR"),
            (450, "JPY"),
            (1_050, "KWD"),
            (1, "CLF"),
        )
    }

    assert formatted == {
        "0.00 EUR",
        "0.05 EUR",
        "1,234,567.89 EUR",
        "450 JPY",
        "1.050 KWD",
        "0.0001 CLF",
    }
