"""Probes for whoever runs the service: alive, ready, started."""

from flask import Flask

from app.core import pipeline
from app.health.routes import blueprint


def init_app(app: Flask) -> None:
    """Serve the probes; they are neither logged nor limited nor traced."""
    app.register_blueprint(blueprint)
    pipeline.of(app).quiet_blueprints.add(blueprint.name)
