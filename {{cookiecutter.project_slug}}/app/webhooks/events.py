"""The signal sent for each delivery, and the metric that counts it."""

from http import HTTPStatus

from blinker import Signal
from flask import Flask, Response

from app.core.observability import metrics

received = Signal(
    "A delivery has been answered; `outcome` is accepted, refused, invalid or failed."
)


def send_outcome(response: Response) -> Response:
    """Send the outcome of a delivery (an after_request function).

    `refused`: the signature is invalid. `invalid`: any other 4xx response. `failed`: a 5xx response.
    """
    match response.status_code:
        case HTTPStatus.FORBIDDEN:
            outcome = "refused"
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            outcome = "failed"
        case status:
            outcome = "invalid" if status >= HTTPStatus.BAD_REQUEST else "accepted"
    metrics.send(received, outcome=outcome)
    return response


def init_app(app: Flask) -> None:
    """Register the counter of deliveries."""
    metrics.count(
        app,
        received,
        "webhook_deliveries_total",
        "Webhook deliveries, by outcome: accepted, refused (invalid signature), invalid or failed",
        ["outcome"],
    )
