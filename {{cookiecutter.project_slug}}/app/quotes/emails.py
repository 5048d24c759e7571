"""The task that emails a quote. Without a database, its message holds the whole basket."""

from typing import TypedDict
from uuid import UUID, uuid4

from flask import Flask
from marshmallow import fields

from app.core import mail
from app.core.mail import EmailField, email_queue
from app.core.schemas import Schema
from app.core.tasks import PermanentFailure, Task, tasks
from app.quotes import service
from app.quotes.schemas import BasketSchema
from app.quotes.service import Basket


class QuoteEmailSchema(Schema):
    """The payload of the task."""

    id = fields.UUID(required=True)
    email = EmailField(required=True)
    basket = fields.Nested(BasketSchema, required=True)


class _QuoteEmail(TypedDict):
    id: UUID
    email: str
    basket: Basket


def enqueue(email: str, basket: Basket) -> None:
    """Queue a quote for a worker to send.

    Raises:
        BrokerUnavailable: when the message cannot be published; no email is sent.

    """
    own = tasks.current
    values = {"id": uuid4(), "email": email, "basket": basket}
    own.publish(own.create_message(TASK, values))


def send(values: _QuoteEmail) -> None:
    """Send a quote, unless its recipient has reached the limit.

    Raises:
        PermanentFailure: when the mail server refuses the email permanently.
        OSError: when delivery failed temporarily.

    """
    quote = service.price(values["basket"])
    subject, text = mail.templates.render("quotes/emails/quote.txt", quote=quote)
    email = mail.Email(values["email"], subject, text)
    try:
        email_queue.current.deliver(values["email"], email, f"quote.{values['id']}")
    except mail.EmailRejected:
        raise PermanentFailure from None


TASK = Task("quotes.send", QuoteEmailSchema(), send)


def init_app(app: Flask) -> None:
    """Register the task that sends quotes."""
    tasks.of(app).add(TASK)
