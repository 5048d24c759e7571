"""The service's processes: commands, Gunicorn's stop signals, and liveness probes."""

from app.core.process.cli import from_environment, init_app

__all__ = ["from_environment", "init_app"]
