"""What becomes of deliveries, for those who want to know of it."""

from http import HTTPStatus

from blinker import Signal
from flask import Flask, Response, current_app

from app.core.observability import metrics

received = Signal("A delivery has been answered; `outcome` is accepted, refused, unfit or failed.")


def tell(response: Response) -> Response:
    """Send what became of a delivery (an after_request function).

    `refused` did not prove who sent it, `unfit` means nothing to us, `failed` is our own fault.
    """
    match response.status_code:
        case HTTPStatus.FORBIDDEN:
            outcome = "refused"
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            outcome = "failed"
        case status:
            outcome = "unfit" if status >= HTTPStatus.BAD_REQUEST else "accepted"
    received.send(current_app._get_current_object(), outcome=outcome)  # type: ignore[attr-defined]  # noqa: SLF001  Flask's documented way
    return response


def init_app(app: Flask) -> None:
    """Count deliveries."""
    name = "webhook_deliveries_total"
    metrics.count(app, received, name, "Deliveries, by what became of them", ["outcome"])
