"""Commands for operators: `flask --app app check`."""

import click
from flask import Flask

from app.core import liveness, logs
from app.core.config import CoreSettings


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Add the commands to `flask`; called at the end, when all else has been said."""

    @app.cli.command("check")
    def check() -> None:
        """Print the configuration in force, secrets masked, and what is unwise about it."""
        # A configuration that is not valid never gets here: creating the application names
        # everything wrong with it and exits with code 1.
        for name, value in settings:
            click.echo(f"{name.upper()}={spelled(value)}")
        for warning in settings.warnings():
            click.secho(f"warning: {warning}", fg="yellow", err=True)

    @app.cli.command("probes")
    def probes() -> None:
        """Print the health probes that fit the configuration, for the platform's own settings."""
        for probe in liveness.probes(settings):
            click.echo(probe)

    logs.say_where(settings)


def spelled(value: object) -> str:
    """Write a value the way that the environment spells it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case dict():
            return ",".join(f"{key}={part}" for key, part in value.items())
    return str(value)
