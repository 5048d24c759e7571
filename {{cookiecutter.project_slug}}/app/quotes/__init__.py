"""Prices order lines. It keeps no data."""

from app.quotes.routes import blueprint

__all__ = ["blueprint"]
