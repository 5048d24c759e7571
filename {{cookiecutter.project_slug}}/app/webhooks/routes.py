"""The endpoint of webhooks."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from flask import Flask, Response, request

from app.core import api
from app.core.extension import Extension
from app.webhooks import (  # one line where it fits
    # {% if cookiecutter.metrics %}
    events,
    # {% endif %}
    schemas,
    signatures,
)
from app.webhooks.handlers import EventType, event_types
from app.webhooks.signatures import Verifier

logger = logging.getLogger(__name__)

DESCRIPTION = "Events that other services send"
# {% if not cookiecutter.example %}
URL = "/webhooks/events"
# {% else %}
URL = "/webhooks/payments"
# {% endif %}


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """The signature verifier, the size limit of deliveries, and the function that processes one."""

    verifier: Verifier
    max_bytes: int
    process: Callable[[EventType, str, Any], None]


webhook_endpoint = Extension[WebhookEndpoint]("webhook_endpoint")


def receive_event() -> Response:
    """Receive an event; 204 means that the sender need not retry."""
    endpoint = webhook_endpoint.current
    request.max_content_length = endpoint.max_bytes
    # The raw bytes are signed, so verify them before parsing.
    delivery_id = endpoint.verifier.verify(request.headers, api.raw_body(request))
    name = _parse(schemas.EventSchema)["type"]
    if event_type := event_types.current.get(name):
        endpoint.process(event_type, delivery_id, _parse(event_type.schema)["data"])
    else:
        # A sender may add event types at any time, and would retry a refused one again and again.
        fields = {"webhook_id": delivery_id, "event_type": name}
        logger.warning("webhook ignored", extra=fields)
    return Response(status=204)


def documented(known: Mapping[str, EventType]) -> api.Blueprint:
    """Return a blueprint of the endpoint that documents these types of events.

    The document is written by hand: the signature is verified over the raw body before it is
    parsed, and the schema depends on the type of the event.
    """
    found = api.Blueprint("webhooks", __name__, description=DESCRIPTION)
    bodies = [*(each.schema for each in known.values()), schemas.other_event_schema(known)]
    view = found.doc(
        parameters=signatures.PARAMETERS,
        requestBody={
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": bodies}}},
        },
        security=[{"webhook": []}],
    )(receive_event)
    found.route(URL, methods=["POST"])(found.response(204)(found.problems(413, 415, 422)(view)))
    return found


class _Blueprint(api.Blueprint):
    """The endpoint; its document lists the types of events that the application handles."""

    def for_document(self, app: Flask) -> api.Blueprint:
        return documented(event_types.of(app))


blueprint = _Blueprint("webhooks", __name__, description=DESCRIPTION)
blueprint.route(URL, methods=["POST"])(receive_event)
# {% if cookiecutter.metrics %}
blueprint.after_request(events.send_outcome)
# {% endif %}


def _parse(schema: type[ma.Schema]) -> Any:  # noqa: ANN401  whatever the schema loads
    return api.Blueprint.ARGUMENTS_PARSER.parse(schema(), location="json")
