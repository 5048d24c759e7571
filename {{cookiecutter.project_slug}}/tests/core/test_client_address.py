import pytest
from flask import Flask

from app.core import client_address
from conftest import LogLines, MakeApp

# Spellings of proxies and gateways, and the address of each.
SPELLED = {
    "203.0.113.6": "203.0.113.6",
    "203.0.113.6:4711": "203.0.113.6",
    " 203.0.113.6 ": "203.0.113.6",
    "2001:db8:1:2::3": "2001:db8:1:2::3",
    "2001:DB8:1:2::3": "2001:db8:1:2::3",
    "[2001:db8:1:2::3]": "2001:db8:1:2::3",
    "[2001:db8:1:2::3]:4711": "2001:db8:1:2::3",
    '"[2001:db8:1:2::3]:4711"': "2001:db8:1:2::3",
    "::ffff:203.0.113.6": "203.0.113.6",
    "[::ffff:203.0.113.6]:4711": "203.0.113.6",
    "fe80::1%eth0": "fe80::1",
    "[fe80::1%eth0]:4711": "fe80::1",
}
NO_ADDRESS = (
    "",
    "unknown",
    "_hidden",
    "unix:",
    "host.example",
    "203.0.113",
    "203.0.113.256",
    "203.0.113.6:port",
    "203.0.113.6:4711:1",
    "[203.0.113.6",
    "2001:db8:1:2:3:4:5:6:4711",
    "٢٠٣.0.113.6",
    "a" * 5_000,
)


def _seen_by(app: Flask, log_lines: LogLines, address: str) -> object:
    log_lines.clear()
    app.test_client().get("/nowhere", headers={"X-Forwarded-For": address})
    (line,) = [line for line in log_lines if line["logger"] == "app.access"]
    return line["client.address"]


@pytest.mark.attack
def test_a_client_is_the_same_however_a_proxy_spells_its_address(
    make_app: MakeApp, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    app = make_app(trusted_proxy_hops=1)
    for spelling, address in SPELLED.items():
        with subtests.test(spelling):
            assert str(client_address.parsed(spelling)) == address
            assert _seen_by(app, log_lines, spelling) == address


# {% if cookiecutter.rate_limiting or cookiecutter.auth == "jwt" %}
@pytest.mark.attack
def test_a_network_is_an_address_or_an_ipv6_subscriber_and_all_else_is_one(
    subtests: pytest.Subtests,
) -> None:
    for address, network in {
        "192.0.2.7:4711": "192.0.2.7",
        "::ffff:192.0.2.7": "192.0.2.7",
        "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
        "[2001:db8:1:2::3]:4711": "2001:db8:1:2::/64",
        "fe80::1%eth0": "fe80::/64",
        "64:ff9b::192.0.2.7": "192.0.2.7",
        **dict.fromkeys(NO_ADDRESS, "unknown"),
    }.items():
        with subtests.test(address[:40]):
            assert client_address.network_of(address) == network


# {% endif %}
@pytest.mark.attack
def test_an_invalid_address_becomes_none_and_is_logged_once(
    make_app: MakeApp, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    app = make_app(trusted_proxy_hops=1)
    app.test_client().get("/nowhere", headers={"X-Forwarded-For": "unknown"})
    assert len([line for line in log_lines if line["message"] == "client address unknown"]) == 1
    for text in NO_ADDRESS:
        with subtests.test(text[:40]):
            assert client_address.parsed(text) is None
            # With an empty header, the proxy's own address would be used.
            assert _seen_by(app, log_lines, text or "unknown") is None
            assert len(log_lines) == 1


@pytest.mark.attack
def test_nothing_that_a_client_writes_hides_what_our_proxies_append(
    make_app: MakeApp, log_lines: LogLines, subtests: pytest.Subtests
) -> None:
    appended = ("203.0.113.6", "203.0.113.6, 10.0.0.2")
    for hops, real in enumerate(appended, start=1):
        app = make_app(trusted_proxy_hops=hops)
        for forged in ('"', '6.6.6.6, "', '6.6.6.6, \\"', '"6.6.6.6', "6.6.6.6, ,", ",", "\\", " "):
            with subtests.test(f"{forged}, {real}"):
                assert _seen_by(app, log_lines, f"{forged}, {real}") == "203.0.113.6"
        # A request that skipped a proxy has the address of its connection.
        few = ", ".join(["6.6.6.6"] * (hops - 1))
        assert _seen_by(app, log_lines, few) == "127.0.0.1"
