"""Health probes for the platform: liveness, readiness and startup."""

from flask import Flask

from app.core import checks, pipeline
from app.health import commands
from app.health.routes import blueprint
from app.health.settings import HealthSettings

__all__ = ["HealthSettings", "init_app"]


def init_app(app: Flask, settings: HealthSettings) -> None:
    """Serve the probes. They are exempt from observers, such as logs, and from the Host check."""
    checks.of(app).timeout_seconds = settings.readiness_timeout_seconds
    app.register_blueprint(blueprint)
    pipeline.of(app).quiet_blueprints.add(blueprint.name)
    commands.init_app(app, settings)
