"""Commands for operators: `flask --app app check`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import click
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask.helpers import get_load_dotenv

from app.core.config import CoreSettings, Environment, InvalidSettings
from app.core.observability import logs

S = TypeVar("S", bound=CoreSettings)

NEED_NO_SETTINGS = frozenset(
    {
        "api-document",
        # {% if cookiecutter.auth == "jwt" %}
        "new-jwt-keys",
        # {% endif %}
        "routes",
    }
)
"""Commands whose output does not depend on the configuration, so they run without a valid one."""


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Add `check` to the commands of `flask`, and show the URL of the service at its start."""

    @app.cli.command("check")
    def check() -> None:
        """Print the configuration in force, secrets masked, and warnings about it."""
        # An invalid configuration never gets here: creating the application lists all of its
        # problems, and exits with code 1.
        for name, value in settings:
            click.echo(f"{name.upper()}={env_format(value)}")
        for warning in settings.warnings():
            click.secho(f"warning: {warning}", fg="yellow", err=True)

    logs.show_server_url(settings)


def from_environment(make: Callable[[S], Flask], kind: type[S]) -> Flask:
    """Create the application with the settings in the environment.

    When `flask` creates it only to look up a command, an invalid configuration stops the commands
    that need a valid one, and no others.

    Raises:
        InvalidSettings: when a setting in the environment is missing or invalid.

    """
    context = click.get_current_context(silent=True)
    try:
        settings = kind.load()
        if settings.in_production:
            _refuse_dotenv(context)
        return make(settings)
    except InvalidSettings as problem:
        if context is None or not _looks_up(context.command):
            raise
        app = make(kind(app_env=Environment.TESTING, log_level="ERROR"))
        _refuse_commands(app, problem)
        return app


def _looks_up(command: click.Command) -> bool:
    """Return whether `flask` is looking up a command, or runs one of NEED_NO_SETTINGS."""
    return isinstance(command, FlaskGroup) or command.name in NEED_NO_SETTINGS


def _refuse_dotenv(context: click.Context | None) -> None:
    """Refuse to run in production if `flask` has read a `.env`, here or in a parent folder.

    Raises:
        InvalidSettings: states how to prevent that.

    """
    script = context and context.find_object(ScriptInfo)
    here = Path.cwd()
    files = [folder / ".env" for folder in (here, *here.parents)]
    if (
        script
        and get_load_dotenv(script.load_dotenv_defaults)
        and any(file.is_file() for file in files)
    ):
        problem = "must be 1, or flask reads .env, which counts in development alone"
        raise InvalidSettings({"FLASK_SKIP_DOTENV": problem})


def _refuse_commands(app: Flask, problem: InvalidSettings) -> None:
    """Make each command that needs a valid configuration exit with its problems."""

    def refuse() -> NoReturn:
        raise problem

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    for name, command in list(app.cli.commands.items()):
        if name not in NEED_NO_SETTINGS:
            refused = click.Command(
                name, anything, refuse, help=command.help, short_help=command.short_help
            )
            app.cli.add_command(refused)


def print_values(settings: CoreSettings, names: Sequence[str]) -> None:
    """Print settings by name, one per line, as they are written in the environment.

    Raises:
        SystemExit: when there is no such setting.

    """
    for name in names:
        if name.lower() not in type(settings).model_fields:
            message = f"There is no setting {name}."
            raise SystemExit(message)
        click.echo(env_format(getattr(settings, name.lower())))


def env_format(value: object) -> str:
    """Return a value as it is written in the environment."""
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
