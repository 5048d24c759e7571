"""Delete old rows: `flask --app app prune`. Features register their rows and how long to keep them.

A single DELETE of too many rows would exceed the statement timeout, and then fail every time:
500,000 rows took MariaDB more than the default of 10 s. So they are deleted in batches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask import Flask
from flask.cli import with_appcontext
from sqlalchemy import ColumnElement, delete, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase

from app.core.database.engine import writing
from app.core.extension import Extension

MAX_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How to delete rows that are older than `keep`."""

    delete_before: Callable[[datetime], int]
    keep: timedelta

    def apply(self, keep: timedelta | None = None) -> int:
        """Delete the rows older than `keep`, if given, or the rule's own; return their number."""
        return self.delete_before(datetime.now(UTC) - (self.keep if keep is None else keep))


rules = Extension[dict[str, RetentionRule]]("retention_rules")


def register(
    app: Flask, name: str, delete_before: Callable[[datetime], int], *, keep: timedelta
) -> RetentionRule:
    """Let `flask prune` delete rows; `delete_before` gets a moment and returns their number."""
    rule = rules.of(app)[name] = RetentionRule(delete_before, keep)
    return rule


def delete_all(table: type[DeclarativeBase], *conditions: ColumnElement[bool]) -> int:
    """Delete the rows that meet all conditions, a batch per transaction; return their number."""
    (key,) = inspect(table).primary_key
    number = 0
    while True:
        with writing() as transaction:
            found: list[Any] = list(
                transaction.scalars(select(key).where(*conditions).limit(MAX_AT_ONCE))
            )
            transaction.execute(delete(table).where(key.in_(found)))
        number += len(found)
        if len(found) < MAX_AT_ONCE:
            return number


@click.command("prune")
@click.option("--only", metavar="NAME", help="Delete these rows alone.")
@click.option(
    "--days", type=click.IntRange(1), help="With --only: delete what is older than this many days."
)
@with_appcontext
def prune(only: str | None, days: int | None) -> None:
    """Delete old rows. Run it every day."""
    chosen = rules.current
    if only is not None:
        if only not in chosen:
            message = f"{only!r} is not one of {', '.join(chosen)}."
            raise click.BadParameter(message, param_hint="--only")
        chosen = {only: chosen[only]}
    elif days is not None:
        message = "--days needs --only."
        raise click.UsageError(message)
    keep = None if days is None else timedelta(days)
    failed = []
    for name, rule in chosen.items():
        try:
            click.echo(f"{name}: {rule.apply(keep)} deleted")
        except DBAPIError as error:
            failed.append(f"{name} could not be deleted: {error.orig}")
    if failed:
        raise click.ClickException("\n".join(failed))


def init_app(app: Flask) -> None:
    """Register the command, with no rules yet."""
    rules.set(app, {})
    app.cli.add_command(prune)
