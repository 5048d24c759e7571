import pytest
from pydantic import ValidationError
from werkzeug.test import TestResponse

from app.settings import Settings
from conftest import MakeApp

DIRECT = ("127.0.0.1", "10.1.2.3", "172.31.0.9", "192.168.0.7", "::1", "fd00::7", "::ffff:10.1.2.3")
OUTSIDE = (
    "203.0.113.9",
    "8.8.8.8",
    "172.32.0.1",
    "2001:db8::1",
    "169.254.169.254",
    "::ffff:8.8.8.8",
    "unix:",
    "",
)


@pytest.mark.attack
def test_from_outside_the_metrics_do_not_exist(
    make_app: MakeApp, subtests: pytest.Subtests
) -> None:
    client = make_app(trusted_proxy_hops=1).test_client()

    def request(address: str, **headers: str) -> TestResponse:
        return client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})

    nothing = client.get("/nowhere")
    for address in OUTSIDE:
        with subtests.test(address):
            assert request(address).status_code == 404
    for name in ("X-Forwarded-For", "X-Real-IP", "Via", "Forwarded"):
        with subtests.test(name):
            forged = request("127.0.0.1", **{name: "127.0.0.1"})
            assert forged.status_code == 404
            assert forged.json is not None
            assert forged.json["detail"] == (nothing.json or {})["detail"]
    for address in DIRECT:
        assert request(address).status_code == 200, address


def test_the_networks_can_be_set(make_app: MakeApp) -> None:
    client = make_app(internal_networks="192.0.2.0/24,2001:db8::/32").test_client()

    for address, status in (("192.0.2.7", 200), ("2001:db8::7", 200), ("127.0.0.1", 404)):
        response = client.get("/metrics", environ_base={"REMOTE_ADDR": address})
        assert response.status_code == status, address


def test_an_invalid_network_is_refused_at_start() -> None:
    for wrong in ("10.0.0.1/8", "everywhere", "10.0.0.0/33"):
        with pytest.raises(ValidationError, match="must be networks such as"):
            Settings.model_validate({"internal_networks": f"10.0.0.0/8,{wrong}"})
