"""Amounts as people write them; inside they are whole minor units."""

import re

# ISO 4217: how many digits follow the point, where it is not two.
_CURRENCIES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DIGITS = {code: digits for digits, codes in _CURRENCIES.items() for code in codes.split()}
AMOUNT = re.compile(r"(?P<whole>[0-9]{1,12})(?:[.,](?P<fraction>[0-9]{1,4}))?", re.ASCII)


def shown(minor_units: int, currency: str) -> str:
    """Return an amount as it is read: `1,234.50 EUR`."""
    return f"{plain(minor_units, currency)} {currency}"


def plain(minor_units: int, currency: str) -> str:
    """Return an amount without its currency."""
    digits = DIGITS.get(currency, 2)
    whole, fraction = divmod(minor_units, 10**digits)
    return f"{whole:,}" + (f".{fraction:0{digits}}" if digits else "")


def read(text: str, currency: str, most: int) -> int:
    """Return the minor units of an amount as it was typed: `4.50` or `4,50`.

    Raises:
        ValueError: with what an amount looks like, or how large it may be.

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
