"""Probes for whoever runs the service: alive, ready, started."""

from flask import Flask

from app.core import pipeline
from app.health.routes import blueprint


def init_app(app: Flask) -> None:
    """Serve the probes, out of sight of what observes and guards requests."""
    app.register_blueprint(blueprint)
    pipeline.of(app).quiet_blueprints.add(blueprint.name)
