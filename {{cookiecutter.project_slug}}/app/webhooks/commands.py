"""CLI command: `flask --app app prune-webhooks`."""

from datetime import UTC, datetime, timedelta

import click
from flask.cli import with_appcontext

from app.webhooks import service


@click.command("prune-webhooks")
@click.option("--days", type=click.IntRange(1), default=30, show_default=True)
@with_appcontext
def prune(days: int) -> None:
    """Delete records of deliveries older than this; no sender retries those."""
    number = service.delete_before(datetime.now(UTC) - timedelta(days))
    click.echo(f"{number} deliveries deleted")
