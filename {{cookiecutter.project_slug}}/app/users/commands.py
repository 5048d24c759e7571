"""CLI command: `flask --app app users create-admin`."""

from typing import TextIO

import click
from flask.cli import AppGroup

from app.users import service
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
