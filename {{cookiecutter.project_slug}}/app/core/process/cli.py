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
"""Commands that print the same whatever the configuration is, so they run without a valid one."""


def init_app(app: Flask, settings: CoreSettings) -> None:
    """Add `check` to the commands of `flask`, and say where the service runs."""

    @app.cli.command("check")
    def check() -> None:
        """Print the configuration in force, secrets masked, and what is unwise about it."""
        # A configuration that is not valid never gets here: creating the application names
        # everything wrong with it and exits with code 1.
        for name, value in settings:
            click.echo(f"{name.upper()}={spelled(value)}")
        for warning in settings.warnings():
            click.secho(f"warning: {warning}", fg="yellow", err=True)

    logs.say_where(settings)


def from_environment(make: Callable[[S], Flask], kind: type[S]) -> Flask:
    """Make the application with the settings in the environment.

    When `flask` makes it only to find a command in it, a wrong configuration stops the commands that
    need one, and no others.

    Raises:
        InvalidSettings: when the environment lacks or misstates something.

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
    """Tell whether `flask` makes the application to find a command, or for one that only shows it."""
    return isinstance(command, FlaskGroup) or command.name in NEED_NO_SETTINGS


def _refuse_dotenv(context: click.Context | None) -> None:
    """Refuse a production into which `flask` itself has read a file `.env`, here or further up.

    Raises:
        InvalidSettings: with how to keep it from that.

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
    """Let each command that needs a configuration end with what is wrong about it."""

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
    """Print settings by their names, one a line, as the environment spells them.

    Raises:
        SystemExit: when there is no such setting.

    """
    for name in names:
        if name.lower() not in type(settings).model_fields:
            message = f"There is no setting {name}."
            raise SystemExit(message)
        click.echo(spelled(getattr(settings, name.lower())))


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
