"""The handlers of events: each domain registers those that it needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import marshmallow as ma
from flask import Flask

from app.core import (  # one line where it fits
    # {% if cookiecutter.database != "none" %}
    database,
    # {% endif %}
    extension,
)
from app.webhooks import schemas


@dataclass(frozen=True, slots=True)
class Event:
    """An event whose signature and data are valid."""

    delivery_id: str
    """The sender's id of the delivery: a repeated delivery has the same one."""
    name: str
    """The type of the event, such as `invoice.paid`."""
    data: Any
    """What the schema of this type has loaded."""
    # {% if cookiecutter.database != "none" %}
    session: database.Session
    """The transaction that stores the delivery; what a handler changes is committed with it."""
    # {% endif %}


Handler = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of events: the schemas of its data and of the whole event, and its handlers."""

    name: str
    data: type[ma.Schema]
    schema: type[ma.Schema]
    handlers: list[Handler] = field(default_factory=list)


event_types = extension.Extension[dict[str, EventType]]("event_types")


def register(app: Flask, name: str, data: type[ma.Schema], handler: Handler) -> None:
    """Call a handler for each event of a type. Domains call this in their `init_app`.

    `data` is the schema of the event's data. It should derive from `schemas.EventData`, because senders
    add fields. Several handlers of a type are called in the order of their registration.

    Raises:
        RuntimeError: before `webhooks.init_app` was called.
        ValueError: when the type is registered with another schema.

    """
    new = EventType(name, data, schemas.event_schema(name, data))
    event_type = event_types.of(app).setdefault(name, new)
    if event_type.data is not data:
        message = f"the event {name} is registered with {event_type.data.__name__}"
        raise ValueError(message)
    event_type.handlers.append(handler)
