import re

from flask.testing import FlaskClient

from app.webhooks import Event
from app.webhooks.tests import NOTE_ADDED, deliver, event, note, signed, with_notes
from conftest import MakeApp


def _counted(client: FlaskClient) -> dict[str, float]:
    found = re.findall(
        r'^webhook_deliveries_total.outcome="(.*)". (.*)$',
        client.get("/metrics").text,
        re.MULTILINE,
    )
    return {outcome: float(number) for outcome, number in found}


def test_metrics_count_deliveries_by_outcome(make_app: MakeApp) -> None:
    client = with_notes(make_app()).test_client()
    unknown, invalid = event("refund.created"), event(NOTE_ADDED)
    forged = {**signed(unknown), "webhook-signature": "v1,AAAA"}

    deliver(client, unknown)
    deliver(client, invalid)
    for _ in range(2):
        deliver(client, unknown, forged)

    assert _counted(client) == {"accepted": 1, "invalid": 1, "refused": 2}


def test_our_own_failure_is_counted_separately(make_app: MakeApp) -> None:
    def fail(_event: Event) -> None:
        raise RuntimeError

    client = with_notes(make_app(), fail).test_client()

    assert deliver(client, note()).status_code == 500

    assert _counted(client) == {"failed": 1}
