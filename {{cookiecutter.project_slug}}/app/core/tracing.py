"""Stand-in."""

from flask import Flask

from app.core.config import CoreSettings


class TracingSettings(CoreSettings):
    """Stand-in."""


def init_app(app: Flask, settings: TracingSettings) -> None:
    """Do nothing yet."""
