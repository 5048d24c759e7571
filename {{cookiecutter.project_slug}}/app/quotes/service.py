"""The rules of pricing. Amounts are integers in minor units, so nothing is rounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import (  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    NotRequired,
    # {% endif %}
    TypedDict,
)


class Line(TypedDict):
    """An article and its quantity, as validated by the schema."""

    sku: str
    quantity: int
    unit_price_cents: int


class Basket(TypedDict):
    """Lines in one currency."""

    currency: str
    lines: Sequence[Line]
    # {% if cookiecutter.background_tasks %}
    email: NotRequired[str]
    """The address that an email about the basket goes to."""
    # {% endif %}


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with its total."""

    sku: str
    quantity: int
    unit_price_cents: int
    total_cents: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A priced basket."""

    currency: str
    lines: tuple[PricedLine, ...]
    total_cents: int


def price(basket: Basket) -> Quote:
    """Price each line and the whole basket."""
    lines = tuple(
        PricedLine(**line, total_cents=line["quantity"] * line["unit_price_cents"])
        for line in basket["lines"]
    )
    return Quote(basket["currency"], lines, sum(line.total_cents for line in lines))
