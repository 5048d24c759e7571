"""Signals about orders, and the metrics that count them."""

from blinker import Signal
from flask import Flask

from app.core.observability import metrics

placed = Signal("An order is stored; one that was placed before is not placed again.")


def send_placed() -> None:
    """Send `placed`. Call it after the commit."""
    metrics.send(placed)


def init_app(app: Flask) -> None:
    """Count orders."""
    metrics.count(
        app,
        placed,
        "orders_placed_total",
        "Orders that were stored; a repeated request counts once",
    )
