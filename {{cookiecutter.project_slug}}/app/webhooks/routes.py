"""`POST /webhooks/payments`."""

import logging
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from flask import Response, request

from app.core import api
from app.core.extension import Extension
from app.webhooks import (  # one line where it fits
    # {% if cookiecutter.metrics %}
    events,
    # {% endif %}
    # {% if cookiecutter.database == "none" %}
    payment_log,
    # {% endif %}
    schemas,
    # {% if cookiecutter.database != "none" %}
    service,
    # {% endif %}
    signatures,
)
from app.webhooks.signatures import Verifier

logger = logging.getLogger(__name__)

blueprint = api.Blueprint(
    "webhooks", __name__, url_prefix="/webhooks", description="Events that other services send"
)
# {% if cookiecutter.metrics %}
blueprint.after_request(events.send_outcome)
# {% endif %}


BODIES = [*map(type, schemas.EVENTS.values()), schemas.EventSchema]
# Documented by hand: the signature is verified over the raw body before it is parsed, and the
# schema depends on the type of the event.
CONTRACT = {
    "parameters": signatures.PARAMETERS,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"anyOf": BODIES}}},
    },
    "security": [{"webhook": []}],
}


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """The signature verifier and the size limit of deliveries."""

    verifier: Verifier
    max_bytes: int


webhook_endpoint = Extension[WebhookEndpoint]("webhook_endpoint")


def _parse(schema: ma.Schema) -> Any:  # noqa: ANN401  whatever the schema loads
    return api.Blueprint.ARGUMENTS_PARSER.parse(schema, location="json")


@blueprint.route("/payments", methods=["POST"])
@blueprint.response(204)
@blueprint.problems(413, 415, 422)
@blueprint.doc(**CONTRACT)
def receive_payment() -> Response:
    """Receive an event about a payment; 204 means that the sender need not retry."""
    endpoint = webhook_endpoint.current
    request.max_content_length = endpoint.max_bytes
    # The raw bytes are signed, so verify them before parsing.
    delivery_id = endpoint.verifier.verify(request.headers, api.raw_body(request))
    kind = _parse(schemas.EventSchema())["type"]
    if kind not in schemas.EVENTS:
        # A sender may add event types at any time, and would retry a refused one again and again.
        fields = {"webhook_id": delivery_id, "event_type": kind}
        logger.warning("webhook ignored", extra=fields)
        return Response(status=204)
    payment = _parse(schemas.EVENTS[kind])["data"]
    # {% if cookiecutter.database == "none" %}
    payment_log.payment_succeeded(delivery_id, payment)
    # {% endif %}
    # {% if cookiecutter.database != "none" %}
    service.payment_succeeded(delivery_id, payment)
    # {% endif %}
    return Response(status=204)
