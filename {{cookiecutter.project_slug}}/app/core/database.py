"""Stand-in."""

from flask import Flask

from app.core.config import CoreSettings


class DatabaseSettings(CoreSettings):
    """Stand-in."""


def init_app(app: Flask, settings: DatabaseSettings) -> None:
    """Do nothing yet."""
