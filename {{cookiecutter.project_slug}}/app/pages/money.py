"""Parsing of amounts as users type them."""

import re

from app.quotes.money import DIGITS, plain

AMOUNT = re.compile(r"(?P<whole>[0-9]{1,12})(?:[.,](?P<fraction>[0-9]{1,4}))?", re.ASCII)


def read(text: str, currency: str, most: int) -> int:
    """Parse an amount such as `4.50` or `4,50` into minor units.

    Raises:
        ValueError: when the amount is malformed or too large; the message is for the user.

    """
    digits = DIGITS.get(currency, 2)
    found = AMOUNT.fullmatch(text)
    fraction = (found["fraction"] or "") if found else ""
    if not found or len(fraction) > digits:
        message = f"Must be an amount such as {plain(45 * 10**digits // 10, currency)}."
        raise ValueError(message)
    amount = int(found["whole"] + fraction.ljust(digits, "0"))
    if amount > most:
        message = f"Must be at most {plain(most, currency)}."
        raise ValueError(message)
    return amount
