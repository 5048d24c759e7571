"""Health probes for the platform: liveness, readiness and startup."""

from flask import Flask

from app.core.checks import readiness_checks
from app.core.pipeline import request_pipeline
from app.health import commands
from app.health.routes import blueprint, started
from app.health.settings import HealthSettings

__all__ = ["HealthSettings", "init_app"]


def init_app(app: Flask, settings: HealthSettings) -> None:
    """Serve the probes, which the features of the pipeline and the Host check skip."""
    readiness_checks.of(app).timeout_seconds = settings.readiness_timeout_seconds
    started.set(app, value=False)
    app.register_blueprint(blueprint)
    request_pipeline.of(app).quiet_blueprints.add(blueprint.name)
    commands.init_app(app, settings)
