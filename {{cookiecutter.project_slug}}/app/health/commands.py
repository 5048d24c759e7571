"""CLI command: `flask --app app probes`."""

import math

import click
from flask import Flask

from app.core.process.liveness import FAILURE_THRESHOLD, PATH, PERIOD_SECONDS, TIMEOUT_SECONDS
from app.health.settings import HealthSettings


def init_app(app: Flask, settings: HealthSettings) -> None:
    """Register the command."""

    @app.cli.command("probes")
    def print_probes() -> None:
        """Print the health probes to configure on the platform."""
        for probe in probes(settings):
            click.echo(probe)


def probes(settings: HealthSettings) -> list[str]:
    """Return a description of each probe for these settings."""
    live = (
        f"liveness: GET {PATH} at port {settings.liveness_port} every {PERIOD_SECONDS} s, timeout "
        f"{TIMEOUT_SECONDS} s; restart after {FAILURE_THRESHOLD} failures in a row"
    )
    unsafe = "liveness: set LIVENESS_PORT; at PORT a probe waits behind requests"
    ready = (
        f"readiness: GET /health/ready at port {settings.port} every 5 s, timeout "
        f"{math.ceil(settings.readiness_timeout_seconds) + 1} s; no traffic after 2 failures in a row"
    )
    return [live if settings.liveness_port else unsafe, ready]
