"""The service's processes: commands, Gunicorn's stop signals, and liveness probes."""

from flask import Flask

from app.core.config import CoreSettings
from app.core.process import cli, reference
from app.core.process.cli import from_environment

__all__ = ["from_environment", "init_app"]


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Add the commands to `flask`; called last, so that their output follows all warnings."""
    reference.init_app(app, settings)
    cli.init_app(app, settings)
