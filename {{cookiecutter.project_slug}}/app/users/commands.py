"""CLI commands: `flask --app app users create-admin`, `flask --app app prune-attempts`."""

from typing import TextIO

import click
from flask.cli import AppGroup, with_appcontext

from app.users import attempts, service
from app.users.passwords import WeakPassword

users = AppGroup("users", help="Manage accounts.")


@users.command("create-admin")
@click.argument("email")
@click.option(
    "--password-file",
    type=click.File(),
    help="Where the password is; - reads standard input. Without it you are asked.",
)
def create_admin(email: str, password_file: TextIO | None) -> None:
    """Create an administrator's account; its address needs no confirmation."""
    if password_file:
        password = password_file.read().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    try:
        service.create_admin(email, password)
    except WeakPassword as weak:
        raise click.ClickException("\n".join([weak.detail, *weak.sentences])) from None
    except service.InvalidAddress as unfit:
        raise click.ClickException(str(unfit)) from None
    click.echo("The administrator can log in.")


@click.command("prune-attempts")
@with_appcontext
def prune() -> None:
    """Delete attempts that no longer count."""
    click.echo(f"{attempts.delete_old()} attempts deleted")
