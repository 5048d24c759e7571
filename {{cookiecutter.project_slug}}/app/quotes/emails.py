"""What a priced basket looks like in an email."""

from collections.abc import Sequence
from typing import Protocol

from app.core.mail import NAME, Email
from app.quotes.money import shown
from app.quotes.service import PricedLine


class Priced(Protocol):
    """Whatever has lines and a total."""

    @property
    def currency(self) -> str:
        """The currency of all amounts."""

    @property
    def total_cents(self) -> int:
        """What it costs together."""

    @property
    def lines(self) -> Sequence[PricedLine]:
        """What it consists of."""


def priced(subject: str, opening: str, basket: Priced) -> Email:
    """Write down what each line costs, and all of them together."""
    lines = [
        f"{line.quantity} x {line.sku}: {shown(line.total_cents, basket.currency)}"
        for line in basket.lines
    ]
    total = f"Total: {shown(basket.total_cents, basket.currency)}"
    return Email(None, f"{subject} from {NAME}", "\n".join([opening, "", *lines, "", total, ""]))
