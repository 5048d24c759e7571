"""What happens to orders, for those who want to know of it."""

from blinker import Signal
from flask import current_app

placed = Signal("An order is stored; one that was placed before is not placed again.")


def tell_placed() -> None:
    """Say so, after the commit."""
    placed.send(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001  Flask's documented way
