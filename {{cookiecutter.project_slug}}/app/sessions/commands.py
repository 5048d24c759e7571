"""CLI command: `flask --app app prune-sessions`."""

from datetime import UTC, datetime, timedelta

import click
from flask.cli import with_appcontext

from app.sessions import service


@click.command("prune-sessions")
@click.option("--days", type=click.IntRange(0), default=90, show_default=True)
@with_appcontext
def prune(days: int) -> None:
    """Delete sessions that ended or expired this many days ago."""
    number = service.delete_before(datetime.now(UTC) - timedelta(days))
    click.echo(f"{number} sessions deleted")
