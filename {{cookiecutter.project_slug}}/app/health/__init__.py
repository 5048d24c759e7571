"""Probes for whoever runs the service: alive, ready, started."""

from flask import Flask

from app.core import checks, pipeline
from app.health import commands
from app.health.routes import blueprint
from app.health.settings import HealthSettings

__all__ = ["HealthSettings", "init_app"]


def init_app(app: Flask, settings: HealthSettings) -> None:
    """Serve the probes, out of sight of what observes and guards requests."""
    checks.of(app).seconds = settings.readiness_timeout_seconds
    app.register_blueprint(blueprint)
    pipeline.of(app).quiet_blueprints.add(blueprint.name)
    commands.init_app(app, settings)
