"""Signals about orders, and the metrics that count them."""

from blinker import Signal
from flask import Flask, current_app

from app.core.observability import metrics

placed = Signal("An order is stored; one that was placed before is not placed again.")


def send_placed() -> None:
    """Send `placed`. Call it after the commit."""
    placed.send(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001  Flask's documented way


def init_app(app: Flask) -> None:
    """Count orders."""
    metrics.count(
        app,
        placed,
        "orders_placed_total",
        "Orders that were stored; a repeated request counts once",
    )
