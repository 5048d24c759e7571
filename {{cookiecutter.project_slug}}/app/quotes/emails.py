"""Emails that list a priced basket."""

from collections.abc import Sequence
from typing import Protocol

from app.core.mail import NAME, Email
from app.quotes.money import shown
from app.quotes.service import PricedLine


class Priced(Protocol):
    """Anything with lines and a total, such as a quote or an order."""

    @property
    def currency(self) -> str:
        """The currency of all amounts."""

    @property
    def total_cents(self) -> int:
        """The total of all lines, in minor units."""

    @property
    def lines(self) -> Sequence[PricedLine]:
        """The priced lines."""


def priced(subject: str, opening: str, basket: Priced) -> Email:
    """Compose an email with the price of each line and the total."""
    lines = [
        f"{line.quantity} x {line.sku}: {shown(line.total_cents, basket.currency)}"
        for line in basket.lines
    ]
    total = f"Total: {shown(basket.total_cents, basket.currency)}"
    return Email(None, f"{subject} from {NAME}", "\n".join([opening, "", *lines, "", total, ""]))
