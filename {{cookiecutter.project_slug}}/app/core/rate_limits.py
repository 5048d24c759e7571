"""Stand-in."""

from flask import Flask

from app.core.config import CoreSettings


class RateLimitSettings(CoreSettings):
    """Stand-in."""


def init_app(app: Flask, settings: RateLimitSettings) -> None:
    """Do nothing yet."""
