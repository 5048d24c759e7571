"""Renders emails from the plain-text templates in the `templates` folders of blueprints.

The first line of a template is the subject. After an empty line follows the text.
"""

from flask import Flask
from jinja2 import Environment, StrictUndefined

from app.core.extension import Extension
from app.core.mail.queue import PROJECT_NAME

environment = Extension[Environment]("email_templates")


def render(template: str, **values: object) -> tuple[str, str]:
    """Return the subject and text of an email. A template can use `service_name`, too.

    Raises:
        UndefinedError: when the template uses a value that it is not given.

    """
    rendered = environment.current.get_template(template).render(
        service_name=PROJECT_NAME, **values
    )
    subject, _, text = rendered.partition("\n\n")
    return subject, text


def init_app(app: Flask) -> None:
    """Prepare the templates: plain text, so nothing is escaped."""
    environment.set(
        app,
        app.jinja_env.overlay(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            keep_trailing_newline=True,
        ),
    )
