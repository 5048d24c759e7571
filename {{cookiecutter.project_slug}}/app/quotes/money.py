"""Formatting of amounts, which are integers in minor units everywhere else."""

# ISO 4217: the currencies whose number of decimal digits is not two.
_CURRENCIES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DIGITS = {code: digits for digits, codes in _CURRENCIES.items() for code in codes.split()}


def formatted(minor_units: int, currency: str) -> str:
    """Return an amount with its currency, such as `1,234.50 EUR`."""
    return f"{plain(minor_units, currency)} {currency}"


def plain(minor_units: int, currency: str) -> str:
    """Return an amount without its currency."""
    digits = DIGITS.get(currency, 2)
    whole, fraction = divmod(minor_units, 10**digits)
    return f"{whole:,}" + (f".{fraction:0{digits}}" if digits else "")
