"""The processes of the service: commands, Gunicorn's signals, the liveness probe."""

from app.core.process.cli import from_environment, init_app

__all__ = ["from_environment", "init_app"]
