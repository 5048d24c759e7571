"""Email: validation of addresses, sending, and limits per recipient."""

from flask import Flask

from app.core.mail import (  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    addressed,
    # {% endif %}
    queue,
    # {% if cookiecutter.database != "none" %}
    sent_emails,
    # {% endif %}
    templates,
)
from app.core.mail.address import EMAIL_LENGTH, EmailField, normalised
from app.core.mail.queue import Email, EmailQueue, EmailRejected, email_queue
from app.core.mail.recipients import EmailCategory
from app.core.mail.settings import MailSettings

__all__ = [  # one line where it fits
    "EMAIL_LENGTH",
    "Email",
    "EmailCategory",
    "EmailField",
    "EmailQueue",
    "EmailRejected",
    "MailSettings",
    # {% if cookiecutter.background_tasks %}
    "addressed",
    # {% endif %}
    "email_queue",
    "init_app",
    "normalised",
    "templates",
]


def init_app(app: Flask, settings: MailSettings) -> None:
    """Set up the application's email."""
    queue.init_app(app, settings)
    templates.init_app(app)
    # {% if cookiecutter.database != "none" %}
    sent_emails.init_app(app)
    # {% endif %}
