from pathlib import Path

import pytest

from app.core.config import server_url
from app.core.config.secret_url import SecretURL
from tests.tls_server import certify

VERIFIED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


def test_tls_verifies_unless_it_is_switched_off_by_name() -> None:
    for url, verification in (
        ("redis://h/0", {}),
        ("amqp://h//", {}),
        ("rediss://h/0", VERIFIED),
        ("amqps://h//", VERIFIED),
        ("rediss://h?ssl_cert_reqs=required", VERIFIED),
        ("rediss://h?ssl_cert_reqs=none", {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ("amqps://h//?ssl_check_hostname=false", {**VERIFIED, "ssl_check_hostname": False}),
        ("rediss://h?ssl_ca_certs=/ca.pem", {**VERIFIED, "ssl_ca_certs": "/ca.pem"}),
    ):
        server = server_url.read(SecretURL(url))

        assert server.tls == verification
        assert server.verified is (verification in ({}, VERIFIED) or "ssl_ca_certs" in url)


def test_unrelated_parameters_of_a_url_are_kept() -> None:
    url = SecretURL("rediss://:a%2Fb@h:6380/1?ssl_cert_reqs=required&timeout=3")

    server = server_url.read(url, Path("/ca.pem"))

    assert server.url == "rediss://:a%2Fb@h:6380/1?timeout=3"
    assert server.tls["ssl_ca_certs"] == "/ca.pem"


def test_a_scheme_is_read_in_any_case() -> None:
    assert server_url.read(SecretURL("REDIS://:Hush@h/0")).url == "redis://:Hush@h/0"
    assert server_url.read(SecretURL("AMQPS://h//")).url == "amqps://h//"


def test_an_ambiguous_url_is_refused() -> None:
    for url, sentence in (
        ("redis://h/shop", "number of a Redis database"),
        ("rediss://h/0/1", "number of a Redis database"),
        ("redis://h/0?ssl_cert_reqs=none", "require amqps:// or rediss://"),
        ("rediss://h/0?ssl_cert_reqs=maybe", "ssl_cert_reqs=required or none"),
        ("rediss://h/0?ssl_cert_req=none", "unknown TLS parameter"),
    ):
        with pytest.raises(ValueError, match=sentence):
            server_url.read(SecretURL(url))


def test_files_that_a_url_names_are_read_at_start(tmp_path: Path) -> None:
    certificate, key = certify(tmp_path, "localhost")
    for names in (
        f"ssl_ca_certs={certificate}",
        f"ssl_certfile={certificate}&ssl_keyfile={key}",
        f"ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={key}",
    ):
        server_url.check(SecretURL(f"rediss://h/0?{names}"))
    for names in (
        "ssl_ca_certs=/missing",
        f"ssl_ca_certs={key}",
        f"ssl_certfile={certificate}",
        f"ssl_certfile={certificate}&ssl_keyfile=/missing",
        f"ssl_keyfile={key}",
    ):
        with pytest.raises(ValueError, match="names a file that TLS cannot use"):
            server_url.check(SecretURL(f"amqps://h//?{names}"))
