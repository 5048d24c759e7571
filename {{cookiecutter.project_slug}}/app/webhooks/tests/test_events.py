import re

from flask import Flask
from flask.testing import FlaskClient

from app.webhooks import routes
from app.webhooks.routes import webhook_endpoint
from app.webhooks.tests import deliver, event, payment, signed
from conftest import MakeApp


def _counted(client: FlaskClient) -> dict[str, float]:
    found = re.findall(
        r'^webhook_deliveries_total.outcome="(.*)". (.*)$',
        client.get("/metrics").text,
        re.MULTILINE,
    )
    return {outcome: float(number) for outcome, number in found}


def test_metrics_count_deliveries_by_outcome(make_app: MakeApp) -> None:
    client = make_app().test_client()
    unknown, invalid = event("refund.created"), event("payment.succeeded")
    forged = {**signed(unknown), "webhook-signature": "v1,AAAA"}

    deliver(client, unknown)
    deliver(client, invalid)
    for _ in range(2):
        deliver(client, unknown, forged)

    assert _counted(client) == {"accepted": 1, "invalid": 1, "refused": 2}


def test_our_own_failure_is_counted_separately(make_app: MakeApp) -> None:
    client = _broken(make_app()).test_client()

    assert deliver(client, payment()).status_code == 500

    assert _counted(client) == {"failed": 1}


def _broken(app: Flask) -> Flask:
    verifier = webhook_endpoint.of(app).verifier
    broken = routes.WebhookEndpoint(verifier, max_bytes=None)  # type: ignore[arg-type]
    webhook_endpoint.set(app, broken)
    verifier.verify = None  # type: ignore[method-assign,assignment]
    return app
