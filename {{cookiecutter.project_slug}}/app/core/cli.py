"""Commands for operators: `flask --app app check`."""

import click
from flask import Flask

from app.core.config import CoreSettings


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Add the commands to `flask`."""

    @app.cli.command("check")
    def check() -> None:
        """Print the configuration in force, secrets masked, and what is unwise about it."""
        # A configuration that is not valid never gets here: creating the application names
        # everything wrong with it and exits with code 1.
        for name, value in settings:
            click.echo(f"{name.upper()}={value}")
        for warning in settings.warnings():
            click.secho(f"warning: {warning}", fg="yellow", err=True)
